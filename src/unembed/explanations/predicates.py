"""What can be said of a token from the text alone: families of predicates.

A family divides tokens into classes, as endings do; a token is in one class or in none. Whatever a
family looks at lies in the token's own sentence, and special tokens count nowhere. The names of
classes are what labels are put together from. Families come simplest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from unembed.engine.model import Model
from unembed.explanations.result import Kind
from unembed.explanations.sample import Sample
from unembed.index.corpus.columns import Mask, TokenColumns
from unembed.index.store import Array

AFFIXES = (4, 3, 2, 1)  # letters; of two that say the same the longer one is named
POSITIONS = 32
OPENING, CLOSING = "([{（【", ")]}）】"
QUOTES = '"“”„«»'
NONE = -1

_WORDS: dict[Kind, str] = {
    "token": "the token {}",
    "lemma": "a form of {}",
    "pos": "part of speech {}",
    "entity": "named entities: {}",
    "shape": "{}",
    "piece": "{}",
    "position": "position {} of a text",
    "repeated": "tokens that came before in the text",
    "repeated pair": "pairs of tokens that came before in the text",
    "brackets": "inside brackets",
    "quotes": "inside quotation marks",
    "prefix": "words that begin with {}",
    "suffix": "words that end in {}",
    "previous": "behind the token {}",
    "bigram": "{}",
    "says": "before a token that it promotes",
}


@dataclass(frozen=True, eq=False)
class Family:
    """Classes of tokens: `names[codes[token]]`, none where the code is -1."""

    kind: Kind
    codes: Array  # Int[token]
    names: tuple[str, ...]


def in_words(family: Family, codes: Sequence[int]) -> str:
    """The label that joins some classes: "words that end in -ing or -ed"."""
    names = [family.names[code] for code in codes]
    if family.kind == "lemma":
        names = [f"“{name}”" for name in names]  # "or" is one, too
    return _WORDS[family.kind].format(" or ".join(names))


def families_of(sample: Sample, model: Model) -> tuple[Family, ...]:
    """All that this corpus has labels for, over the tokens of a sample."""
    columns, rows = sample.columns, sample.rows
    ids: Array = columns.numbers("id")
    before = sample.neighbours(-1)
    pairs = np.where(before >= 0, before.astype(np.int64) * model.vocab_size + ids[rows], NONE)

    def shown(token_id: int) -> str:
        return model.token(token_id).label

    def pair(both: int) -> str:
        return f"{shown(both % model.vocab_size)} behind {shown(both // model.vocab_size)}"

    found = [
        _of_numbers("token", ids[rows].astype(np.int64), shown),
        *(_of_labels(columns, rows, kind) for kind in ("lemma", "pos", "entity")),
        _shapes(sample, model),
        _flags("piece", sample.continues, "pieces that go on with a word"),
        _of_numbers("position", _up_to(sample.positions, POSITIONS), str),
        *_seen_before(sample),
        *_enclosed(sample, model),
        *(_affixes(columns, rows, kind, n) for kind in ("prefix", "suffix") for n in AFFIXES),
        _of_numbers("previous", before, shown),
        _of_numbers("bigram", pairs, pair),
    ]
    return tuple(one for one in found if one.names)


def says(sample: Sample, tokens: Sequence[int]) -> Family:
    """Tokens that are followed by one of these."""
    return _flags("says", np.isin(sample.neighbours(1), list(tokens)), "a token that it promotes")


# ---------------------------------------------------------------- kinds of families


def _flags(kind: Kind, holds: Mask, name: str) -> Family:
    return Family(kind, np.where(holds, 0, NONE), (name,))


def _of_numbers(kind: Kind, numbers: Array, named: Callable[[int], str]) -> Family:
    """One class for each number; negative ones are none."""
    values, places = np.unique(numbers, return_inverse=True)
    n_none = int((values < 0).sum())
    codes: Array = np.maximum(places - n_none, NONE)
    return Family(kind, codes, tuple(named(int(value)) for value in values[n_none:]))


def _of_names(kind: Kind, names: Sequence[str], codes: Array) -> Family:
    """One class for each name that is not empty, of `names[codes[token]]`."""
    known = sorted({name for name in names if name})
    code_of = {name: code for code, name in enumerate(known)}
    table = np.array([code_of.get(name, NONE) for name in names], np.int64)
    return Family(kind, table[codes], tuple(known))


def _of_labels(columns: TokenColumns, rows: Array, column: Kind) -> Family:
    labels = columns.labels(column)
    names = [name.casefold() if column == "lemma" else name for name in labels.names]
    return _of_names(column, names, labels.codes[rows])


def _affixes(columns: TokenColumns, rows: Array, kind: Kind, n: int) -> Family:
    """First or last letters of the word, whatever their case; of longer words alone."""
    forms = columns.labels("form")
    words = [form.casefold() for form in forms.names]
    if kind == "prefix":
        names = [f"{word[:n]}-" if len(word) > n else "" for word in words]
    else:
        names = [f"-{word[-n:]}" if len(word) > n else "" for word in words]
    return _of_names(kind, names, forms.codes[rows])


def _up_to(numbers: Array, limit: int) -> Array:
    found: Array = np.where(numbers < limit, numbers, NONE)
    return found


def _shapes(sample: Sample, model: Model) -> Family:
    ids, places = np.unique(sample.ids, return_inverse=True)
    return _of_names("shape", [shape_of(model.token(int(one)).text) for one in ids], places)


def shape_of(text: str) -> str:
    """How a token is written; "" for words and pieces in small letters."""
    core = text.strip()
    if not core:
        return "line breaks" if "\n" in text else "white space"
    if any(one.isdigit() for one in core):
        return "numbers"
    if not any(one.isalnum() for one in core):
        return "punctuation"
    if len(core) > 1 and core.isupper():
        return "words in capitals"
    return "words with a capital letter" if core[0].isupper() else ""


# ---------------------------------------------------------------- along a sentence


def _seen_before(sample: Sample) -> Iterator[Family]:
    """Tokens, and pairs of tokens, that stood further left in the same sentence."""
    once, twice = (np.zeros(len(sample.rows), bool) for _ in range(2))
    for tokens in sample.by_sentence():
        seen: set[int] = set()
        pairs: set[tuple[int, int]] = set()
        previous = None
        for token in tokens.tolist():
            own = int(sample.ids[token])
            once[token] = own in seen
            seen.add(own)
            if previous is not None:
                twice[token] = (previous, own) in pairs
                pairs.add((previous, own))
            previous = own
    yield _flags("repeated", once, "tokens that came before")
    yield _flags("repeated pair", twice, "pairs that came before")


def _enclosed(sample: Sample, model: Model) -> Iterator[Family]:
    """Tokens behind a bracket that is open still, and behind an odd number of quotation marks."""
    brackets, quotes = (np.zeros(len(sample.rows), bool) for _ in range(2))
    for tokens in sample.by_sentence():
        depth, marks = 0, 0
        for token in tokens.tolist():
            text = model.token(int(sample.ids[token])).text
            brackets[token], quotes[token] = depth > 0, marks % 2 == 1
            for character in text:
                depth += (character in OPENING) - (character in CLOSING and depth > 0)
                marks += character in QUOTES
    yield _flags("brackets", brackets, "inside brackets")
    yield _flags("quotes", quotes, "inside quotation marks")
