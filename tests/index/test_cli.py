"""`unembed index vectors` and `unembed search`: the same answers as in Python."""

from __future__ import annotations

import json

import pytest

import unembed as ue
from unembed.cli.flags import parse_span
from unembed.cli.index_command import KEPT
from unembed.errors import InputError
from unembed.index.build import Builder
from unembed.index.opening import open_index

from ..cli.conftest import cli, source  # noqa: F401


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(tmp_path))


@pytest.fixture
def built(cli, source):  # noqa: F811
    assert cli("index", "vectors", source, "--top-k", "9")[0] == 0
    return open_index(ue.load(source, settings=ue.Settings.from_environment()))


def test_building_says_what_was_built(cli, source):  # noqa: F811
    status, out, err = cli("index", "vectors", source, "--projection", "final_norm", "-k", "5")
    assert status == 0
    assert "156 value vectors" in out
    assert "final_norm projection" in out
    assert "Indexing value vectors" in err
    again = cli("index", "vectors", source, "--projection", "final_norm", "-k", "5", "--json")
    about = json.loads(again[1])
    assert (about["n_vectors"], about["top_k"], about["projection"]) == (156, 5, "final_norm")


def test_a_search_prints_what_python_returns(cli, source, built):  # noqa: F811
    asked = [
        "a, he",
        "--combine",
        "all",
        "--side",
        "both",
        "--layers",
        "0-1",
        "--limit",
        "7",
        "--offset",
        "2",
    ]
    status, out, _ = cli("search", source, *asked, "--json")
    wanted = built.search("a, he", combine="all", side="both", layers=(0, 1), limit=7, offset=2)
    assert (status, json.loads(out)) == (0, json.loads(wanted.to_json()))
    bm25 = cli("search", source, "he", "--ranking", "bm25", "--match", "exact", "--json")[1]
    assert json.loads(bm25) == json.loads(
        built.search("he", match="exact", ranking="bm25").to_json()
    )


def test_tokens_and_neighbours_are_asked_for_by_flags(cli, source, built):  # noqa: F811
    for flags, wanted in (
        (["--token", "he", "--side", "suppressed"], built.token("he", side="suppressed")),
        (["--token", "#80"], built.token(80)),
        (["--similar", "L1.N7", "--limit", "3"], built.similar("L1.N7", limit=3)),
    ):
        status, out, _ = cli("search", source, *flags, "--json")
        assert (status, json.loads(out)) == (0, json.loads(wanted.to_json()))


def test_a_search_is_a_table_for_people(cli, source, built):  # noqa: F811
    status, out, _ = cli("search", source, "he", "--limit", "3")
    assert status == 0
    assert built.search("he").items[0].node in out
    assert f"3 of {built.search('he').total}" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "SOURCE", "he"], ["has no raw index yet", "unembed index vectors"]),
        (["search", "SOURCE"], ["search for one thing"]),
        (["search", "SOURCE", "he", "--token", "he"], ["search for one thing"]),
        (["search", "SOURCE", "he", "--layers", "all"], ["layers is 'all'"]),
        (
            ["search", "SOURCE", "he", "--projection", "x"],
            ["'x'", "raw", "final_norm"],
        ),
        (["index", "vectors", "SOURCE", "--top-k", "500"], ["it must be 1 to 128"]),
        (["index", "vectors", "SOURCE", "--projection", "x"], ["'x'", "raw", "final_norm"]),
        (
            ["search", "SOURCE", "--token", "he", "--match", "exact"],
            ["--match has no meaning in a search by --token", "--side"],
        ),
        (
            ["search", "SOURCE", "he", "--include-negative"],
            ["--include-negative has no meaning in a search by words"],
        ),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_a_mistake_is_a_sentence_and_status_2(arguments, words, cli, source):  # noqa: F811
    status, _, err = cli(*[source if one == "SOURCE" else one for one in arguments])
    assert status == 2
    assert all(word in err for word in words), err


def test_an_unknown_word_is_answered_with_near_ones(cli, source, built):  # noqa: F811
    status, _, err = cli("search", source, "thee")
    assert status == 2
    assert "it is split into ' the', 'e'" in err
    assert 'match="part"' in err


def test_stopping_keeps_what_was_finished(cli, source, monkeypatch):  # noqa: F811
    real, steps = Builder.step, []

    def step(self, *arguments):
        if len(steps) == 2:
            raise KeyboardInterrupt
        steps.append(self.remaining[0])
        real(self, *arguments)

    monkeypatch.setattr(Builder, "step", step)
    status, _, err = cli("index", "vectors", source)
    assert status == 130
    assert KEPT in err
    steps.clear()
    assert cli("index", "vectors", source)[0] == 0
    assert steps == [2]


def test_layers_as_typed():
    assert parse_span("layers", "3-9") == [3, 9]
    assert parse_span("layers", "5") == [5, 5]
    with pytest.raises(InputError):
        parse_span("layers", "3:9")
