"""A sentence as the model reads it: token ids, where each stands in the text, and in which word.

A token's place is [start, end) in characters of the sentence, as its tokenizer says it: of the
bytes of one character, every token has the place of that character. A token belongs to the word
that it shares most characters with; white space around it does not count. The text is never
rewritten, so that what is masked or special shifts nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from unembed.engine.names import prompts
from unembed.engine.names.vocabulary import Vocabulary
from unembed.errors import CapabilityError, PromptError
from unembed.index.corpus.pieces import Word
from unembed.index.corpus.tagging import Sentence

Span = tuple[int, int]
MOST_ADDED = 16  # special tokens around a text: fewer than that
Bare = tuple[tuple[int, ...], tuple[Span, ...]]  # token ids and their places
NOWHERE = (-1, -1)


@dataclass(frozen=True)
class ReadSentence:
    """A sentence of a corpus; without tokens where the model cannot read it."""

    text: str
    ids: tuple[int, ...]
    spans: tuple[Span, ...]  # of each token; NOWHERE for what the tokenizer added
    words: tuple[Word, ...]  # places from the start of `text`
    word_of: tuple[int, ...]  # of each token, its place among the words; -1: none
    whole: bool = True  # False: a part of a sentence that was too long


def check_readable(model: Vocabulary) -> None:
    """Raise CapabilityError for a model whose texts cannot be read token by token."""
    if model.has_encoder:
        raise CapabilityError(
            f"{model.name} is an encoder-decoder: a corpus has one text, and it reads two",
            field="model",
            value=model.name,
            legal="a decoder or an encoder",
        )
    if not getattr(model.tokenizer, "is_fast", False):
        raise CapabilityError(
            f"{model.name} has no tokenizer that says which characters a token stands for",
            field="model",
            value=model.name,
            legal="a model with a fast tokenizer",
            fix="give one that is: ue.load(model, tokenizer=AutoTokenizer.from_pretrained(...)), "
            "whose is_fast is true",
        )


def read_sentence(
    model: Vocabulary, piece: str, sentence: Sentence, longest: int
) -> Iterator[ReadSentence]:
    """A sentence of a piece, in parts where it has more than `longest` tokens."""
    start = sentence.start
    while start < sentence.end:
        text, bare = _fitting(model, piece[start : sentence.end], longest)
        end = start + len(text)
        words = _inside(sentence.words, start, end)
        try:
            ids, spans = _with_added(model, text, bare)
        except PromptError:
            yield ReadSentence(text, (), (), (), ())
        else:
            own = [(word.start, word.end) for word in words]
            whole = start == sentence.start and end == sentence.end
            yield ReadSentence(text, ids, spans, words, align(text, spans, own), whole)
        start = end
        while start < sentence.end and piece[start].isspace():
            start += 1


def _with_added(model: Vocabulary, text: str, bare: Bare) -> Bare:
    """What `_bare` gives, with the special tokens around it."""
    ids = prompts.read(model, text).ids
    own, places = bare
    n_added = len(ids) - len(own)
    at = next((at for at in range(n_added + 1) if ids[at : at + len(own)] == own), None)
    if at is None:
        raise CapabilityError(
            f"the tokenizer of {model.name} reads {text[:40]!r} otherwise with special tokens than "
            "without, so that the places of its tokens are not known",
            field="model",
            value=model.name,
        )
    return ids, (*[NOWHERE] * at, *places, *[NOWHERE] * (n_added - at))


def _bare(model: Vocabulary, text: str) -> Bare:
    """Token ids and places of a text without special tokens, however long it is."""
    found = model.tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    spans = ((int(start), int(end)) for start, end in found["offset_mapping"])
    return tuple(found["input_ids"]), tuple(spans)


def _fitting(model: Vocabulary, text: str, longest: int) -> tuple[str, Bare]:
    """The text, or as much of it as `longest` tokens hold; at least one character."""
    bare = _bare(model, text)
    if len(bare[1]) + MOST_ADDED <= longest:
        return text, bare
    room = max(1, longest - len(model.tokenizer("", verbose=False)["input_ids"]))
    while len(bare[1]) > room and len(text) > 1:  # a part alone can read as more tokens than within
        text = text[: min(_cut_at(text, bare[1], room), len(text) - 1)]
        bare = _bare(model, text)
    return text, bare


def align(text: str, spans: Sequence[Span], words: Sequence[Span]) -> tuple[int, ...]:
    """For each token the word that it shares most characters with, the first of equals; -1: none.

    Args:
        words: in order, without overlap.
    """
    starts = [start for start, _ in words]
    found = []
    for span in spans:
        start, end = _trimmed(text, span)
        best, shared = -1, 0
        place = max(0, bisect_right(starts, start) - 1)
        while place < len(words) and words[place][0] < end:
            common = min(end, words[place][1]) - max(start, words[place][0])
            if common > shared:
                best, shared = place, common
            place += 1
        found.append(best)
    return tuple(found)


def _trimmed(text: str, span: Span) -> Span:
    """Without white space at its ends: some tokenizers count the space before a word to it."""
    start, end = span
    if start < 0:
        return 0, 0
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def _cut_at(text: str, spans: Sequence[Span], room: int) -> int:
    """Where the text is cut so that what is before fits: before a word where there is one."""
    starts = [start for start, _ in spans[: room + 1]]
    for start in starts[: room // 2 : -1]:
        if start and (text[start].isspace() or text[start - 1].isspace()):
            return start
    return next((start for start in reversed(starts) if start), 1)


def _inside(words: Sequence[Word], start: int, end: int) -> tuple[Word, ...]:
    """The words that begin in a stretch, counted from its start; heads outside become -1."""
    kept = [place for place, word in enumerate(words) if start <= word.start < end]
    if not kept:
        return ()
    first, n = kept[0], len(kept)
    return tuple(
        replace(
            words[place],
            start=words[place].start - start,
            end=min(words[place].end, end) - start,
            head=words[place].head - first if 0 <= words[place].head - first < n else -1,
        )
        for place in kept
    )
