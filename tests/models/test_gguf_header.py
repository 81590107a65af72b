"""A damaged GGUF file is a LoadError, wherever it is cut or flipped, and quickly."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
import small_gguf
from gguf import GGML_QUANT_SIZES

from unembed.errors import LoadError
from unembed.models.gguf import load_gguf
from unembed.models.gguf_header import check_whole, read_header

BLOCKS = {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_gguf.write(tmp_path_factory.mktemp("gguf") / "m.gguf", small_gguf.gemma3())


def read(path: Path) -> None:
    check_whole(read_header(path), BLOCKS)


def test_the_header_says_what_was_written(whole: Path) -> None:
    header = read_header(whole)
    check_whole(header, BLOCKS)
    assert header.architecture == "gemma3"
    assert header.about_model()["attention.key_length"] == 16
    assert header.n_numbers == sum(p.numel() for p in small_gguf.gemma3().parameters())
    assert header.array_lengths["tokenizer.ggml.tokens"] == len(small_gguf.TOKENS)


def test_a_file_cut_anywhere_is_refused(whole: Path, tmp_path: Path) -> None:
    content, cut = whole.read_bytes(), tmp_path / "cut.gguf"
    places = {*range(64), *range(0, len(content), 997), len(content) - 1}
    for place in sorted(places):
        cut.write_bytes(content[:place])
        with pytest.raises(LoadError, match=r"cut\.gguf"):
            read(cut)


def test_a_file_with_a_flipped_byte_is_read_or_refused(whole: Path, tmp_path: Path) -> None:
    content, flipped, chance = whole.read_bytes(), tmp_path / "flipped.gguf", random.Random(7)
    n_refused = 0
    for _ in range(400):
        damaged = bytearray(content)
        damaged[chance.randrange(min(len(content), 12_000))] ^= 1 << chance.randrange(8)
        flipped.write_bytes(damaged)
        try:
            read(flipped)
        except LoadError:
            n_refused += 1
    assert n_refused > 20


@pytest.mark.parametrize("place", [4, 8, 16, 24])
def test_a_huge_length_is_refused_before_anything_is_allocated(
    whole: Path, tmp_path: Path, place: int
) -> None:
    content = bytearray(whole.read_bytes())
    content[place : place + 8] = struct.pack("<Q", 2**62)
    path = tmp_path / "huge.gguf"
    path.write_bytes(content)
    with pytest.raises(LoadError):
        read(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "ends in the middle"),
        (b"PK\x03\x04" + bytes(100), "does not start with"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "does not name its architecture"),
    ],
)
def test_what_is_no_gguf_file_says_so(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=says):
        load_gguf(path)


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="No such file"):
        load_gguf(tmp_path / "none.gguf")
    with pytest.raises(LoadError, match="directory"):
        load_gguf(tmp_path)


def test_a_cut_file_is_refused_by_the_loader_too(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(LoadError, match="truncated"):
        load_gguf(path)


def test_an_unknown_tensor_type_is_refused(whole: Path) -> None:
    with pytest.raises(LoadError, match="ggml type 0"):
        check_whole(read_header(whole), {})
