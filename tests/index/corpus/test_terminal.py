"""What a terminal shows of a corpus: all that was asked for, and nothing that moves a cursor."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

import unembed as ue
from unembed.engine.names.tokens import printable
from unembed.index.corpus.build import index_corpus

PROMPT = "The girl ran to a local pub to escape the din of her city."
CONLLU = """1\tdogs\t[/b]\t[red]\t[/x]\t_\t0\troot\t_\t_
2\trun\trun\tVERB\t\x1b[31m\t_\t1\t[/dep]\t_\t_

"""


def printed(result) -> str:
    console = Console(width=250, file=io.StringIO())
    console.print(result)
    return console.file.getvalue()


def test_a_terminal_shows_all_that_was_asked_for(corpus):
    hits = corpus.search(PROMPT, 9, pos=("NOUN",), offsets=(-1, 2), limit=4, summarise="attended")
    heading, *lines = printed(hits).splitlines()
    assert heading.split() == [
        "score",
        "row",
        "pos",
        "dep",
        "-1",
        "+2",
        "attends",
        "to",
        "sentence",
        "source",
    ]
    for hit, line in zip(hits.items, lines, strict=False):
        assert [f"{hit.score:.3f}", f"{hit.row}", "NOUN"] == line.split()[:3]
        before, beyond = hit.around
        shown = [*(one.token.text.strip() for one in (before, beyond, hit.attended) if one)]
        assert all(one in line for one in shown)
        assert line.rstrip().endswith(f"{hit.file}:{hit.record}")
    columns = hits.columns()
    assert columns["row"] == [hit.row for hit in hits.items]
    assert columns["next"] == [hit.next.token.text for hit in hits.items]
    assert columns["attended"] == [hit.attended.token.text for hit in hits.items]
    (only,) = corpus.sentences([hits.items[0].row], 3).items
    text = printed(corpus.sentences([only.row], 3))
    most = int(np.argmax(only.attention))
    assert f"{only.tokens[most].token.label.strip()} {only.attention[most]:.2f}" in text
    assert "1 sentence of tiny, attention of layer 3" in text
    assert "attends" not in printed(corpus.sentences([only.row]))


def test_examples_are_listed_with_their_sentences(corpus):
    for node in ("L1.N5", "L1.H2"):
        (found,) = ue.find_examples(corpus, node, top=3)
        lines = printed(found).splitlines()
        assert ("attends to" in lines[0]) == (node == "L1.H2")
        assert len(lines) == len(found.items) + 2
        for item, line in zip(found.items, lines[1:], strict=False):
            group = item.group if item.quantile is None else f"{item.quantile:g}"
            assert line.split()[:3] == [group, f"{item.value:.4g}", f"{item.row}"]
            assert item.text[:20] in line or "…" in line


def test_no_text_or_label_reaches_a_terminal_as_a_command(model, tmp_path):
    """Neither as one of the terminal, nor as markup of rich, which refuses "[/x]"."""
    (tmp_path / "a.conllu").write_text(CONLLU)
    (tmp_path / "b.txt").write_text("A \x1b[31mred\x1b[0m \u202edog\x07 and \x9b31m [/b] ran.")
    files = [tmp_path / "a.conllu", tmp_path / "b.txt"]
    corpus = index_corpus(model, files, "odd", [1], folder=tmp_path)
    hits = corpus.search("dogs run", 1, limit=200, offsets=(-1, 1))
    rows = [hit.row for hit in hits.items]
    (examples,) = ue.find_examples(corpus, "L1.H0", top=5)
    relations = ue.head_relations(corpus, min_count=1, limit=2000)
    shown = [hits, corpus.summarise(hits), corpus.sentences(rows, 1), examples, relations]
    text = "".join(printed(one) for one in shown)
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)
    assert "⟨U+001B⟩[31mred⟨U+001B⟩[0m ⟨U+202E⟩dog⟨U+0007⟩ and ⟨U+009B⟩31m [/b] ran." in text
    assert all(label in text for label in ("[red]", "[/x]", "head: [/dep]"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\r\nc\u2028d", "a b c d"),
        ("\x00\x7f\x85", "⟨U+0000⟩⟨U+007F⟩⟨U+0085⟩"),
        (
            "naïve \u05d0 \U0001f468\u200d\U0001f469 \u00a0",
            "naïve \u05d0 \U0001f468\u200d\U0001f469 \u00a0",
        ),
    ],
)
def test_a_printable_text_is_one_line(text, shown):
    assert printable(text) == shown
