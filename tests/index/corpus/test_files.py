"""Files as people have them: packed, in folders, with other columns; and what `datasets` leaves."""

from __future__ import annotations

import bz2
import gzip
import json
import shutil

import pyarrow
import pytest
from pyarrow import feather, parquet

from unembed.errors import InputError
from unembed.index.corpus.conllu import sentences
from unembed.index.corpus.files import pieces, size_of, sources

SAID = ["The girl ran. She can't hear!", 'He sat on the "bank", alone.\nBanks lend.']


def texts(path, **options):
    return [piece.text for piece in pieces(path, **options)]


def refusal(call, *args):
    with pytest.raises(InputError) as caught:
        list(call(*args))
    return caught.value


def write_set(folder, said=SAID, name="data-00000-of-00001.arrow"):
    """As `datasets.save_to_disk` does."""
    folder.mkdir(parents=True, exist_ok=True)
    table = said if isinstance(said, pyarrow.Table) else pyarrow.table({"text": said})
    with (
        pyarrow.OSFile(str(folder / name), "wb") as file,
        pyarrow.ipc.new_stream(file, table.schema) as stream,
    ):
        stream.write_table(table)


def zstd(data):
    return pyarrow.compress(data, "zstd", asbytes=True)


@pytest.mark.parametrize(
    ("packed", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", zstd)]
)
@pytest.mark.parametrize("kind", [".txt", ".jsonl", ".csv", ".conllu"])
def test_packed_files_are_read_as_what_is_in_them(kind, packed, pack, tmp_path):
    written = {
        ".txt": "\n\n".join(SAID),
        ".jsonl": "\n".join(json.dumps({"text": one}) for one in SAID),
        ".csv": 'text\n"a, b"\nc\n',
        ".conllu": "1\tcat\tcat\tNOUN" + "\t_" * 6 + "\n\n",
    }[kind].encode()
    (tmp_path / f"a{kind}").write_bytes(written)
    (tmp_path / f"a{kind}{packed}").write_bytes(pack(written))
    plain = list(pieces(tmp_path / f"a{kind}"))
    found = list(pieces(tmp_path / f"a{kind}{packed}"))
    assert [(one.text, one.record, one.words) for one in found] == [
        (one.text, one.record, one.words) for one in plain
    ]
    assert found[-1].done == 1.0


def test_a_long_packed_text_says_how_far_it_is_read_and_where_it_is_wrong(tmp_path):
    lines = [f"line {number} of many. {number * 7919 % 9973}" for number in range(100_000)]
    packed = gzip.compress("\n".join(lines).encode())
    (tmp_path / "a.txt.gz").write_bytes(packed)
    found = list(pieces(tmp_path / "a.txt.gz", lines=True))
    assert [one.text for one in found] == lines
    done = [one.done for one in found]
    assert done == sorted(done)
    assert 0.2 < done[50_000] < 0.8
    (tmp_path / "cut.txt.gz").write_bytes(packed[: len(packed) // 2])
    assert "cannot be read" in str(refusal(pieces, tmp_path / "cut.txt.gz"))
    (tmp_path / "bad.txt.gz").write_bytes(gzip.compress(b"x" * 70_000 + b"\xff"))
    assert "byte 70000 is wrong" in str(refusal(pieces, tmp_path / "bad.txt.gz"))


def test_another_encoding_is_refused_with_the_way_out(tmp_path):
    for encoding, said in (("latin-1", "ISO-8859-1"), ("utf-16", "UTF-16")):
        (tmp_path / "a.txt").write_bytes("caf\u00e9\n".encode(encoding))
        error = refusal(pieces, tmp_path / "a.txt")
        assert "is no UTF-8 text" in str(error)
        assert f"iconv -f {said}" in str(error.fix)


def test_lines_may_end_as_on_an_old_mac(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\rtwo\r\rthree")
    assert texts(tmp_path / "a.txt", lines=True) == ["one", "two", "three"]
    assert texts(tmp_path / "a.txt") == ["one two", "three"]


def test_columns_within_columns_and_what_there_is_instead(tmp_path):
    records = [{"doc": {"text": one, "id": 1}, "meta": None} for one in SAID]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(one) for one in records))
    parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        assert texts(tmp_path / name, column="doc.text") == SAID
        error = refusal(pieces, tmp_path / name)
        assert (error.field, "doc.text" in error.legal) == ("column", True)
        assert "has no text in record 0, but dict" in str(
            refusal(lambda path: pieces(path, column="doc"), tmp_path / name)
        )


def test_a_record_without_a_text_is_counted_and_skipped(tmp_path):
    """One null among millions must not end a build of days."""
    (tmp_path / "a.jsonl").write_text('{"text": null}\n{"text": "a"}\n{"text": ""}\n{"text": "b"}')
    parquet.write_table(pyarrow.table({"text": [None, "a", "", "b"]}), tmp_path / "a.parquet")
    write_set(tmp_path / "set", [None, "a", "", "b"])
    for name in ("a.jsonl", "a.parquet", "set"):
        found = [(one.record, one.text) for one in pieces(tmp_path / name)]
        assert found == [(1, "a"), (3, "b")]


def test_rows_of_csv_are_records(tmp_path):
    (tmp_path / "a.csv").write_text(
        '\ufeffid,text\n1,"He said ""no"",\nand left."\n2,NA\n', "utf-8"
    )
    (tmp_path / "a.tsv").write_text("text\tid\na, b\t1\n")
    assert texts(tmp_path / "a.csv") == ['He said "no",\nand left.', "NA"]
    assert texts(tmp_path / "a.tsv") == ["a, b"]
    assert "it has id, text" in str(
        refusal(lambda path: pieces(path, column="body"), tmp_path / "a.csv")
    )
    (tmp_path / "b.csv").write_text("id,text\n1,a,b\n")
    assert "cannot be read as CSV" in str(refusal(pieces, tmp_path / "b.csv"))


def test_what_datasets_remembers_beside_a_data_set_is_no_part_of_it(tmp_path):
    """`load_from_disk(folder).map(...)` writes its result into the folder."""
    write_set(tmp_path / "set" / "train")
    before = sources([tmp_path / "set"])
    write_set(tmp_path / "set" / "train", ["SHOUTED"], "cache-be76748d90c96c1d.arrow")
    assert texts(tmp_path / "set") == SAID
    assert sources([tmp_path / "set"]) == before
    assert size_of(tmp_path / "set") == before[1][0].size


def test_arrow_files_of_both_formats_are_read_alone(tmp_path):
    write_set(tmp_path, name="stream.arrow")
    feather.write_feather(pyarrow.table({"text": SAID}), tmp_path / "file.arrow", "uncompressed")
    for name in ("stream", "file"):
        assert texts(tmp_path / f"{name}.arrow") == SAID


def test_a_folder_is_its_files_of_one_kind(tmp_path):
    folder = tmp_path / "treebank"
    (folder / "dev").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name in ("b.txt", "a.txt", "dev/c.txt", ".git/d.txt", "_x.txt", "README.md", "x.json"):
        (folder / name).write_text(f"Of {name}.")
    assert sources([folder])[0] == [folder / "a.txt", folder / "b.txt", folder / "dev" / "c.txt"]
    (folder / "t.conllu.gz").write_bytes(gzip.compress(b""))
    assert sources([folder])[0] == [folder / "t.conllu.gz"]
    (folder / "t.parquet").write_bytes(b"")
    assert "several kinds, .conllu, .parquet" in str(refusal(sources, [folder]))
    shutil.rmtree(folder / "dev")
    (tmp_path / "none").mkdir()
    assert "without files that are known" in str(refusal(sources, [tmp_path / "none"]))
    assert "has no name" in str(refusal(sources, [""]))


def test_a_file_that_is_given_twice_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("One.")
    for again in (tmp_path / "a.txt", tmp_path / "b" / ".." / "a.txt", tmp_path):
        (tmp_path / "b").mkdir(exist_ok=True)
        assert "given twice" in str(refusal(sources, [tmp_path / "a.txt", again]))


def row(number, form, **columns):
    cells = {"id": number, "form": form, "lemma": "_", "pos": "_", "head": "_", "misc": "_"}
    one = cells | columns
    return "\t".join(
        (
            one["id"],
            one["form"],
            one["lemma"],
            one["pos"],
            "_",
            "_",
            one["head"],
            "_",
            "_",
            one["misc"],
        )
    )


@pytest.mark.parametrize(
    ("rows", "text", "words"),
    [
        ([row("1-3", "abc"), row("1", "a", pos="X"), row("2", "b")], "abc", [("abc", "X")]),
        ([row("1-2", "ab")], "ab", [("ab", "")]),
        ([row("1-2", "ab"), row("3", "c", pos="Y")], "ab c", [("ab", ""), ("c", "Y")]),
        ([row("1", "a\u2028b"), row("2", "c")], "a\u2028b c", [("a\u2028b", ""), ("c", "")]),
        ([row("0.1", "x"), row("1", "a", misc="SpaceAfter=No"), row("2", "b")], "ab",
         [("a", ""), ("b", "")]),
        ([row("1", "a", misc="NoSpaceAfter=No"), row("2", "b")], "a b",
         [("a", ""), ("b", "")]),
    ],
    ids=["a range without its last word", "a range without words", "a range before another word",
         "ends of lines that Unicode knows", "a word left out first", "another feature"],
)  # fmt: skip
def test_no_word_of_a_sentence_is_lost(rows, text, words, tmp_path):
    (tmp_path / "a.conllu").write_text("\n".join(rows) + "\n\n", newline="")
    (found,) = sentences(tmp_path / "a.conllu")
    assert found.text == text
    assert [(text[word.start : word.end], word.pos) for word in found.words] == words


def test_a_lemma_that_is_an_underscore_and_an_id_that_is_none(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text(row("1", "_", lemma="_") + "\n" + row("2", "a", lemma="_"))
    (found,) = pieces(path)
    assert [word.lemma for word in found.words] == ["_", ""]
    for number in ("x", "1-x", "", "-1"):
        path.write_text(row(number, "a"))
        assert "an ID in sentence 0" in str(refusal(pieces, path))
