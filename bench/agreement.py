"""How many of the tokens like one of a prompt have its part of speech, by layer.

    python bench/agreement.py MODEL --open FOLDER

FOLDER is that of a corpus with labels. Ten words are asked for in a sentence each; of the 50 tokens
nearest to each, those of the word itself left out, the table has the share whose part of speech is
that of the question, as the mean of the ten.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import unembed as ue
from unembed.index.corpus.columns import TokenColumns

QUESTIONS = (  # sentence, the word that is asked for, its part of speech
    ("They sat on the bank of the river.", "bank", "NOUN"),
    ("She took the money to the bank.", "bank", "NOUN"),
    ("He went for a long run in the park.", "run", "NOUN"),
    ("They run to school every day.", "run", "VERB"),
    ("We plant trees in the spring.", "plant", "VERB"),
    ("The plant needs water and sun.", "plant", "NOUN"),
    ("She left the house early.", "left", "VERB"),
    ("He held it in his left hand.", "left", "ADJ"),
    ("The light in the room was dim.", "light", "NOUN"),
    ("It was a light and easy meal.", "light", "ADJ"),
)
NEAREST = 50
MOST = 4 * NEAREST  # hits that are looked at: the word's own are among them


def place_of(model: ue.Model, sentence: str, word: str) -> int:
    """The position of the first token of a word in a prompt."""
    tokens = model.run(sentence, logits="none").tokens
    found = [at for at, one in enumerate(tokens) if one.text.strip() == word]
    if not found:
        raise SystemExit(f"{word!r} is no token of {sentence!r}")
    return found[0]


def share(corpus: ue.Corpus, question: tuple[str, str, str], layer: int, by: str) -> float:
    """Of one question."""
    sentence, word, pos = question
    at = place_of(corpus.model, sentence, word)
    limit = MOST
    while True:
        hits = corpus.search(sentence, at, layer, by=by, limit=limit, exact=True)
        others = [hit for hit in hits.items if (hit.match.word or "").casefold() != word]
        if len(others) >= NEAREST or limit >= len(corpus):
            return statistics.mean(hit.match.pos == pos for hit in others[:NEAREST])
        limit *= 4


def by_chance(columns: TokenColumns) -> float:
    """The share that tokens drawn at random would have, as the mean of the ten."""
    pos = columns.labels("pos").at(columns.words().nonzero()[0])
    return statistics.mean(pos.count(wanted) / len(pos) for _, _, wanted in QUESTIONS)


def main(arguments: Sequence[str] | None = None) -> int:
    flags = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    flags.add_argument("model")
    flags.add_argument("--open", type=Path, required=True, help="the folder of a corpus")
    chosen = flags.parse_args(arguments)
    torch.set_num_threads(1)
    corpus = ue.open_corpus(ue.load(chosen.model), chosen.open.name, folder=chosen.open.parent)
    layers = sorted({site.layer for site in corpus.sites})
    table = Table(title=f"{corpus.about.summary()}; by chance {by_chance(corpus.columns):.2f}")
    for heading in ("", *map(str, layers)):
        table.add_column(heading, justify="right")
    for by in ("hidden", "context"):
        if any((site.site == "z") == (by == "context") for site in corpus.sites):
            rows = [[share(corpus, one, layer, by) for one in QUESTIONS] for layer in layers]
            table.add_row(by, *(f"{statistics.mean(row):.2f}" for row in rows))
            for order, (_, word, pos) in enumerate(QUESTIONS):
                table.add_row(f"{word} {pos}", *(f"{row[order]:.2f}" for row in rows), style="dim")
    Console(width=120).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
