"""Fields of records are kept beside their texts, from every kind of file, and filter hits."""

from __future__ import annotations

import json

import pyarrow
import pytest
from pyarrow import parquet

from unembed.errors import InputError
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.cluster_workers import packed, stretch_as_text, stretch_from, unpacked
from unembed.index.corpus.files import pieces
from unembed.index.corpus.opening import open_corpus
from unembed.index.corpus.rows import StretchColumns
from unembed.index.corpus.stretches import read_stretch
from unembed.index.corpus.tagging import PlainTagger

from .test_files import write_set

RECORDS = [
    {"text": "The girl ran. A dog ran.", "author": "Austen", "meta": {"year": 1811, "ok": True}},
    {"text": "The cat sat on a bank.", "author": "Bront\u00eb", "meta": {"year": 1847, "ok": None}},
    {"text": "He ran to the pub.", "author": "Austen", "meta": {"year": 1813, "ok": None}},
    {"text": "She sat.", "author": None, "meta": {"year": 1813, "ok": None}},
]  # fmt: skip
FIELDS = ("author", "meta.year")
KEPT = [
    {"author": "Austen", "meta.year": "1811"},
    {"author": "Bront\u00eb", "meta.year": "1847"},
    {"author": "Austen", "meta.year": "1813"},
    {"meta.year": "1813"},
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    (folder / "a.jsonl").write_text("\n".join(json.dumps(one) for one in RECORDS))
    parquet.write_table(pyarrow.Table.from_pylist(RECORDS), folder / "a.parquet")
    write_set(folder / "set", pyarrow.Table.from_pylist(RECORDS))
    (folder / "plain.txt").write_text("A girl sat.\n")
    return folder


@pytest.fixture(scope="module")
def corpus(model, files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    given = [files / "a.jsonl", files / "plain.txt"]
    return index_corpus(
        model, given, "one", [1], folder=folder, kept="hidden", metadata=FIELDS, max_tokens=60
    )


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "set"])
def test_fields_of_records_are_the_same_from_every_kind_of_file(name, files):
    found = list(pieces(files / name, metadata=FIELDS))
    assert [json.loads(one.metadata) for one in found] == KEPT
    assert {one.metadata for one in pieces(files / name)} == {None}


def test_fields_of_csv_and_comments_of_conllu(tmp_path):
    (tmp_path / "a.csv").write_text("author,text\nAusten,One.\n,Two.\n")
    found = [json.loads(one.metadata) for one in pieces(tmp_path / "a.csv", metadata=["author"])]
    assert found == [{"author": "Austen"}, {"author": ""}]
    row = "1\ta\ta\tX" + "\t_" * 6 + "\n\n"
    first = f"# newdoc id = d1\n# genre = news\n# text = a\n{row}"
    (tmp_path / "a.conllu").write_text(f"{first}# text = a\n{row}# newdoc id = d2\n{row}")
    found = [
        json.loads(one.metadata)
        for one in pieces(tmp_path / "a.conllu", metadata=["newdoc id", "genre"])
    ]
    assert found == [{"newdoc id": "d1", "genre": "news"}, {"newdoc id": "d1"}, {"newdoc id": "d2"}]


@pytest.mark.parametrize(
    ("asked", "records"),
    [
        (["author=Austen"], {0, 2}),
        (["author=Austen", "meta.year=1813"], {2}),
        (["author=Austen", "author=Bront\u00eb", "meta.year=1811", "meta.year=1847"], {0, 1}),
        (["author=Bront\u00eb", "meta.year=1811"], set()),
    ],
)
def test_tokens_of_records_that_fit_are_found(asked, records, corpus):
    wanted = [
        row
        for row, number in enumerate(corpus.columns.numbers("sentence").tolist())
        if corpus._listing._said([number])[number][1:3] in {("a.jsonl", one) for one in records}
        and corpus.columns.numbers("special")[row] == 0
    ]
    found = corpus.search(metadata=asked, limit=200)
    assert [hit.row for hit in found.items] == wanted
    assert all(hit.metadata == KEPT[hit.record] for hit in found.items)
    like = corpus.search("The girl sat", 2, layer=1, metadata=asked, limit=200)
    assert sorted(hit.row for hit in like.items) == wanted


def test_a_text_without_fields_has_none_and_columns_say_them(corpus):
    found = corpus.search(word=("girl",), limit=10)
    assert [hit.metadata for hit in found.items] == [KEPT[0]] * 4 + [{}] * 4
    assert found.columns()["metadata.author"] == ["Austen"] * 4 + [None] * 4
    assert corpus.about.metadata == FIELDS


def test_what_there_is_not_is_said(corpus, model, files, tmp_path):
    for asked, message in (
        ("author=Joyce", "metadata 'author=Joyce': it has author Austen, Bront\u00eb"),
        ("title=Emma", "it has the fields author, meta.year"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            corpus.search(metadata=[asked])
        assert caught.value.field == "metadata"
    with pytest.raises(
        InputError, match="has no column 'title': it has text, author, meta"
    ) as caught:
        index_corpus(model, files / "a.parquet", "x", [1], folder=tmp_path, metadata=["title"])
    assert caught.value.field == "metadata"
    bare = index_corpus(model, files / "a.jsonl", "bare", [1], folder=tmp_path, kept="hidden")
    with pytest.raises(InputError, match="keeps no fields of its records"):
        bare.search(metadata=["author=Austen"])
    with pytest.raises(InputError, match="there is a corpus 'bare' already"):
        index_corpus(model, files / "a.jsonl", "bare", [1], folder=tmp_path, metadata=["author"])
    with pytest.raises(InputError, match=r"metadata is .*, and the corpus 'bare' was read"):
        index_corpus(model, files / "set", "bare", folder=tmp_path, kept="hidden", add=True,
                     metadata=["author"])  # fmt: skip


def test_a_corpus_that_was_built_before_there_were_any_opens(corpus, model, files, tmp_path):
    made = index_corpus(model, files / "a.jsonl", "old", [1], folder=tmp_path, kept="hidden")
    about = json.loads((made.version / "about.json").read_text())
    del about["plan"]["metadata"]
    (made.version / "about.json").write_text(json.dumps(about))
    assert open_corpus(model, "old", folder=tmp_path).about == made.about


def test_other_processes_are_told_and_tell_them(model, files):
    numbered = list(enumerate(pieces(files / "a.jsonl", metadata=FIELDS)))
    assert stretch_from(stretch_as_text(numbered)) == numbered
    words = PlainTagger()
    words.submit([piece for _, piece in numbered], False)
    stretch = read_stretch(model, numbered, words.result(), 60)
    columns = unpacked([packed(StretchColumns.of(stretch, set()))])
    found = [json.loads(one) for one in columns.sentences["metadata"].to_pylist()]
    assert found == [KEPT[0], *KEPT]


def test_on_the_command_line(cli, source, files, tmp_path, monkeypatch):
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(tmp_path))
    built = ("index", "corpus", source, str(files / "a.jsonl"), "--name", "ab", "--layers", "0")
    assert cli(*built, "--metadata", "author,meta.year")[0] == 0
    asked = ("corpus", "search", source, "--name", "ab", "--word", "ran", "--metadata")
    hits = json.loads(cli(*asked, "author=Austen,meta.year=1813", "--json")[1])
    assert {(hit["record"], hit["metadata"]["meta.year"]) for hit in hits["items"]} == {(2, "1813")}
