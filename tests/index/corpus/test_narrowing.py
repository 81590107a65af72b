"""A narrowed list, and counts under the other choices, equal plain loops over all hits."""

from __future__ import annotations

from collections import Counter

import pytest

from unembed.errors import InputError
from unembed.index.corpus.narrowing import LEGAL

PROMPT = "The girl ran to a local pub to escape the din of her city."
COLUMNS = ("pos", "tag", "dep", "entity", "offset")


@pytest.fixture(scope="module")
def known(corpus):
    """(labels of each hit by "of.column", the hit) of every token, put together one by one."""
    hits = corpus.search(PROMPT, 9, 3, limit=200, summarise="attended").items
    found = []
    for hit in hits:
        own = corpus.tokens(hit.sentence)
        after = [one for one in own if one.position == hit.match.position + 1]
        labels = {
            f"{of}.{name}": getattr(token, name) or ""
            for of, token in (("match", hit.match), ("attended", hit.attended))
            for name in COLUMNS[:-1]
        }
        labels |= {f"next.{name}": getattr(after[0], name) or "" for name in COLUMNS[:-1] if after}
        labels["attended.offset"] = f"{hit.attended.position - hit.match.position:+d}"
        found.append((labels, hit))
    return found


def slowly(labels, chosen, but=None):
    return all(labels.get(column) in wanted for column, wanted in chosen.items() if column != but)


@pytest.mark.parametrize("of", ["match", "next", "attended"])
@pytest.mark.parametrize(
    "chosen",
    [
        {"match.pos": {"NOUN"}},
        {"match.pos": {"NOUN", "VERB"}, "match.dep": {"pobj", "nsubj", "ROOT"}},
        {"match.pos": {"NOUN", "DET"}, "attended.offset": {"-1", "+0", "-2"}, "match.entity": {""}},
        {
            "next.pos": {"ADP", "NOUN"},
            "attended.pos": {"DET", "NOUN", "ADP"},
            "match.pos": {"NOUN"},
        },
    ],
    ids=lambda chosen: " ".join(chosen),
)
def test_each_column_is_counted_under_the_choices_in_the_others(of, chosen, corpus, known):
    narrow = [f"{column}={label}" for column, labels in chosen.items() for label in sorted(labels)]
    hits = corpus.search(PROMPT, 9, 3, limit=200, summarise=of, narrow=narrow)
    wanted = [hit.row for labels, hit in known if slowly(labels, chosen)]
    assert 0 < len(wanted) < len(known) == hits.listed
    assert [hit.row for hit in hits.items] == wanted
    assert f"{len(wanted)} of {len(known)} listed" in hits.summary()
    for name in COLUMNS:
        column = f"{of}.{name}"
        counts = Counter(
            labels[column]
            for labels, _ in known
            if column in labels and slowly(labels, chosen, column)
        )
        shown = [one for one in hits.labels.items if one.column == name]
        assert {one.label: one.count for one in shown} == dict(counts)
        assert {one.n for one in shown} <= {counts.total()}
        for one in shown:
            assert one.share == pytest.approx(one.count / counts.total())
            assert one.low is None or one.low <= one.lift + 1e-9 <= one.high + 2e-9
    whole = {(one.column, one.label): one.base for one in corpus.summarise(hits, of).items}
    for one in hits.labels.items:
        assert one.base == whole.get((one.column, one.label), one.base)


def test_whose_label_is_meant_is_whose_are_counted(corpus):
    for of in (None, "match", "next"):
        whose = of or "match"
        short = corpus.search(PROMPT, 9, limit=50, summarise=of, narrow=("pos=NOUN", "dep=pobj"))
        long = [f"{whose}.pos=NOUN", f"{whose}.dep=pobj"]
        assert short == corpus.search(PROMPT, 9, limit=50, summarise=of, narrow=long)
    listed = corpus.search(limit=200, narrow=("pos=NOUN",))
    assert [hit.row for hit in listed.items] == [
        hit.row for hit in corpus.search(limit=200, pos=("NOUN",)).items
    ]


def test_what_nothing_fits_is_an_empty_list_and_still_counted(corpus):
    hits = corpus.search(PROMPT, 9, summarise="match", narrow=("pos=NOUN", "tag=VBD"))
    assert (hits.items, hits.labels.n, hits.listed) == ((), 0, 50)
    assert {one.label for one in hits.labels.items if one.column == "tag"} <= {"NN", "NNS"}
    assert {one.label for one in hits.labels.items if one.column == "pos"} == {"VERB"}
    assert not [one for one in hits.labels.items if one.column in ("dep", "entity")]


@pytest.mark.parametrize("narrow", ["pos", "word=bank", "match.offset=-1", "offset=-1", "x.pos=A"])
def test_a_choice_that_means_nothing_is_said(narrow, corpus):
    with pytest.raises(InputError, match="narrow has '") as caught:
        corpus.search(PROMPT, 9, narrow=(narrow,))
    assert (caught.value.field, caught.value.legal) == ("narrow", LEGAL)
    with pytest.raises(InputError, match="narrow is"):
        corpus.search(PROMPT, 9, narrow=())
