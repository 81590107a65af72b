"""Heads that follow one syntactic relation: how often they look from a word to the one it hangs on.

    python bench/_syntax_heads.py MODEL PIPELINE FILE...

MODEL is an encoder (a folder), PIPELINE one of spaCy's, by its package's name; the files are
sentences, one on each line, or tagged as the Brown corpus is. Every head of every layer is a guess
for every relation (Clark et al., 2019): from a word, or to it, the other word that gets most
attention. Attention to a word is the sum over its pieces, from a word the mean; special tokens and
the word itself are left out. Head and direction are chosen on the first half of the sentences and
measured on the second, beside the best fixed distance, chosen likewise.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import unembed as ue

FEWEST = 30  # cases of a relation in each half
LENGTHS = range(5, 41)  # words of a sentence
MOST = 600  # sentences

_TAG = re.compile(r"(\S+)/\S+")
_SPACE = [(r" ([.,;:?!)'])", r"\1"), (r"([(]) ", r"\1"), (r"`` ?", '"'), (r" ?''", '"')]


def sentences(files: Sequence[str]) -> Iterator[str]:
    """Lines of text; of a tagged corpus the words alone, put together as they are printed."""
    for file in files:
        for line in Path(file).read_text().splitlines():
            text = line.strip()
            words = _TAG.findall(text)
            if len(words) == len(text.split()):
                text = " ".join(words)
                for pattern, printed in _SPACE:
                    text = re.sub(pattern, printed, text)
            if text:
                yield text


def between_words(pattern: Tensor, pieces: Sequence[Sequence[int]]) -> Tensor:
    """Attention [head, word, word]: to a word the sum over its pieces, from it the mean."""
    received = torch.stack([pattern[:, :, list(one)].sum(-1) for one in pieces], -1)
    return torch.stack([received[:, list(one)].mean(1) for one in pieces], 1)


def guesses(model: ue.Model, text: str, words: Sequence[Any]) -> Tensor | None:
    """For every head and word the word that it looks at most [head, 2, word]; then what looks back.

    None where a word has no piece of its own.
    """
    given = model.tokenizer(text, return_offsets_mapping=True)
    offsets = given["offset_mapping"]
    pieces = [
        [
            at
            for at, (start, end) in enumerate(offsets)
            if start < end and word.idx <= start < word.idx + len(word)
        ]
        for word in words
    ]
    if not all(pieces) or len(given["input_ids"]) > model.max_positions:
        return None
    layers = range(model.anatomy.n_layers)
    found = ue.attention(model, layers, prompt=given["input_ids"])
    looks = between_words(found.values, pieces)
    looks.diagonal(dim1=1, dim2=2).fill_(-1.0)
    return torch.stack([looks.argmax(2), looks.argmax(1)], 1)


def main() -> None:
    folder, pipeline, *files = sys.argv[1:]
    model, parse = ue.load(folder), import_module(pipeline).load()
    cases: list[dict[str, list[tuple[Tensor, int, int]]]] = [defaultdict(list), defaultdict(list)]
    n_sentences, heads = 0, ue.find_heads(model).heads
    for text in sentences(files):
        words = [word for word in parse(text) if not word.is_space]
        guessed = guesses(model, text, words) if len(words) in LENGTHS else None
        if guessed is None:
            continue
        at = {word.i: order for order, word in enumerate(words)}
        for order, word in enumerate(words):
            if word.dep_ not in ("ROOT", "punct"):
                own = guessed[:, :, order]
                cases[n_sentences % 2][word.dep_].append((own, order, at[word.head.i]))
        n_sentences += 1
        if n_sentences == MOST:
            break
    print(f"{n_sentences} sentences, {len(heads)} heads")
    for relation in sorted(cases[0], key=lambda one: -len(cases[0][one])):
        chosen, measured = cases[0][relation], cases[1][relation]
        if min(len(chosen), len(measured)) >= FEWEST:
            print(line(relation, chosen, measured, heads))


def line(relation: str, chosen: list[Any], measured: list[Any], heads: Sequence[str]) -> str:
    """The best head of a relation, and the best distance: chosen on one half, true of the other."""
    right = hits(chosen)
    head, way = divmod(int(right.argmax()), 2)
    share = float(hits(measured).flatten()[2 * head + way])
    far = max(range(-5, 6), key=lambda one: sum(at + one == of for _, at, of in chosen))
    fixed = sum(at + far == of for _, at, of in measured) / len(measured)
    named = f"{heads[head]} {'to' if way == 0 else 'from'} the word it hangs on"
    return (
        f"{relation:10} {named:32} {share:.2f}   distance {far:+d}: {fixed:.2f}   {len(measured)}"
    )


def hits(cases: list[Any]) -> Tensor:
    """How often each head and direction is right [head, 2]."""
    return torch.stack([own == of for own, _, of in cases]).double().mean(0)


if __name__ == "__main__":
    main()
