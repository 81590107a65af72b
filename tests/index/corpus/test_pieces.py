"""Files become the same pieces each time, whatever their lines are like; or name what is wrong."""

from __future__ import annotations

import json
import tracemalloc

import pyarrow
import pytest
from pyarrow import parquet

from unembed.errors import InputError
from unembed.index.corpus import records as reading
from unembed.index.corpus.files import pieces, sources
from unembed.index.corpus.pieces import LONGEST_PIECE, Word

CAT = "1\tcat\t_\tNOUN\tNN\t_\t0\troot\t_\t_"


def texts(path, **options):
    return [piece.text for piece in pieces(path, **options)]


def test_lines_of_a_paragraph_are_one_piece(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfOne\r\ntwo.\r\n\r\n  Three\tfour \n\n\n\n")
    assert texts(path) == ["One two.", "Three four"]
    assert texts(path, lines=True) == ["One", "two.", "Three\tfour"]


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize(
    "text",
    ["word " * 400_000, "x" * 2_000_000, "Sentence one. " * 9_999, "é" * 70_000 + "\n" + "ü" * 9],
    ids=["words", "no white space", "sentences", "characters of two bytes"],
)
def test_a_long_line_is_cut_and_nothing_of_it_is_lost(text, lines, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text(text, encoding="utf-8")
    found = texts(path, lines=lines)
    assert max(map(len, found)) <= LONGEST_PIECE
    assert "".join("".join(found).split()) == "".join(text.split())


def test_a_long_line_is_cut_between_words(tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("abcd " * 10_000)
    assert {word for piece in texts(path) for word in piece.split()} == {"abcd"}


@pytest.mark.parametrize("lines", [False, True])
def test_an_end_of_line_may_lie_across_what_is_read_at_once(lines, tmp_path):
    """A stretch of 65,536 bytes that ends between "\\r" and "\\n" is cut as any other is."""
    first, after = "ab. " * 16_383 + "ab.", "ab. " * 9_000
    for before in (first, first[:-1], first + "a"):
        for name, end in (("dos.txt", "\r\n"), ("unix.txt", "\n")):
            (tmp_path / name).write_bytes(f"{before}{end}{after}{end}{end}c\r".encode())
        assert texts(tmp_path / "dos.txt", lines=lines) == texts(tmp_path / "unix.txt", lines=lines)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_record_of_ten_million_characters_is_cut(kind, tmp_path):
    text = "A sentence of words. " * 500_000
    if kind == "jsonl":
        (tmp_path / "a.jsonl").write_text(json.dumps({"text": text}) + '\n{"text": "Next."}')
    else:
        parquet.write_table(pyarrow.table({"text": [text, "Next."]}), tmp_path / "a.parquet")
    *found, last = pieces(tmp_path / f"a.{kind}")
    assert (last.text, last.record) == ("Next.", 1)
    assert max(len(piece.text) for piece in found) <= LONGEST_PIECE
    assert " ".join(piece.text for piece in found) == text.strip()


@pytest.mark.parametrize("lines", [False, True])
def test_a_line_of_ten_million_characters_is_never_held(lines, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("x" * 10_000_000)
    tracemalloc.start()
    try:
        read = sum(len(piece.text) for piece in pieces(path, lines=lines))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert read == 10_000_000


def test_cells_that_are_books_are_read_a_few_at_a_time(tmp_path, monkeypatch):
    cells = [f"{number} " + "x" * 1_000_000 for number in range(12)]
    parquet.write_table(pyarrow.table({"n": range(12), "text": cells}), tmp_path / "a.parquet")
    monkeypatch.setattr(reading, "BATCH_BYTES", 2_000_000)
    tracemalloc.start()
    try:
        records = {piece.record for piece in pieces(tmp_path / "a.parquet")}
        assert tracemalloc.get_traced_memory()[1] < 6_000_000  # of 12
    finally:
        tracemalloc.stop()
    assert records == set(range(12))


def test_a_sentence_of_conllu_without_an_end_is_refused_and_not_held(tmp_path):
    """Its words are known, so that it cannot be cut as a text is."""
    path = tmp_path / "a.conllu"
    path.write_text(f"{CAT}\n\n" + CAT.replace("cat", "x" * 10_000_000) + f"\n\n{CAT}\n\n")
    found = pieces(path)
    assert next(found).text == "cat"
    tracemalloc.start()
    try:
        with pytest.raises(
            InputError, match="sentence 1 of more than 1,000,000 characters"
        ) as caught:
            next(found)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert caught.value.field == "files"


def test_records_of_every_kind_of_file(tmp_path):
    said = ["One.\nTwo.", "Three."]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": one}) for one in said))
    parquet.write_table(pyarrow.table({"text": said}), tmp_path / "a.parquet")
    for split in ("train", "test"):
        (tmp_path / "set" / split).mkdir(parents=True)
        table = pyarrow.table({"body": said})
        path = str(tmp_path / "set" / split / "data-00000.arrow")
        with pyarrow.OSFile(path, "wb") as f, pyarrow.ipc.new_stream(f, table.schema) as stream:
            stream.write_table(table)
    assert texts(tmp_path / "a.jsonl") == texts(tmp_path / "a.parquet") == said
    assert texts(tmp_path / "a.jsonl", lines=True) == ["One.", "Two.", "Three."]
    assert texts(tmp_path / "set", column="body") == said * 2


CONLLU = """# sent_id = 1
# text = Il va du parc.
1	Il	il	PRON	_	_	2	nsubj	_	_
2	va	aller	VERB	V	_	0	root	_	_
3-4	du	_	_	_	_	_	_	_	_
3	de	de	ADP	_	_	5	case	_	_
4	le	le	DET	_	_	5	det	_	_
5	parc	parc	NOUN	_	_	2	obl	_	SpaceAfter=No
5.1	parti	_	_	_	_	_	_	_	_
6	.	.	PUNCT	_	_	2	punct	_	_

1	Oui	oui	INTJ	_	_	0	root	_	SpaceAfter=No
2	!	!	PUNCT	_	_	1	punct	_	_
"""


def test_sentences_whose_words_are_known(tmp_path):
    path = tmp_path / "a.conllu"
    path.write_text(CONLLU)
    first, second = pieces(path)
    assert (first.text, second.text) == ("Il va du parc.", "Oui!")
    assert [first.text[word.start : word.end] for word in first.words] == [
        "Il", "va", "du", "parc", ".",
    ]  # fmt: skip
    assert first.words[1] == Word(3, 5, "VERB", "V", "root", "", "aller", 1)
    assert [word.head for word in first.words] == [1, 1, 3, 1, 1]
    assert first.words[2].pos == "ADP"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"good\n\nb\xffd", "no UTF-8 text: byte 7 is wrong"),
        ("a.txt", b"x" * 70_000 + b"\xe2\x82", "no UTF-8 text: byte 70000 is wrong"),
        ("a.jsonl", b'{"text": "a"}\n{"text": ', "no JSON in line 2"),
        ("a.jsonl", b'["a"]', "a list in line 1, and no record"),
        ("a.json", b'[\n{"text": "a"}\n]', "no JSON in line 1.*|a list in line 1"),
        ("a.jsonl", b'{"text": 3}', "no text in record 0, but int"),
        ("a.parquet", b"PAR1", "is no Parquet file"),
        ("a.conllu", b"1\tOui\n", "has no ten columns in a line of sentence 0"),
        ("a.conllu", b"# text = Non\n1\tOui" + b"\t_" * 8, "a word that is not in the text"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        texts(path)
    assert caught.value.field == "files"


def test_a_file_that_is_not_there(tmp_path):
    (tmp_path / "empty").mkdir()
    for path, message in ((tmp_path / "no.txt", "cannot be read"), (tmp_path / "empty", "without")):
        with pytest.raises(InputError, match=message):
            sources([path])
    with pytest.raises(InputError, match="no file to read"):
        sources([])


def test_another_file_of_the_same_name_is_told_apart(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    before = sources([tmp_path / "a.txt"])[1]
    (tmp_path / "a.txt").write_text("two")
    assert sources([tmp_path / "a.txt"])[1] != before
