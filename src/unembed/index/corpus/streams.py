"""Files as bytes and as characters, some at a time, unpacked where they are packed."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from unembed.index.corpus.pieces import refused

STRETCH = 1 << 16  # bytes that are read at once
PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}


def bare_suffix(path: Path) -> str:
    """ ".jsonl" of a.JSONL and of a.jsonl.gz."""
    inner = Path(path.stem) if path.suffix.lower() in PACKED else path
    return inner.suffix.lower()


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], float]]]:
    """A file's bytes, unpacked, and what says which part of the file is read by now."""
    size = max(1, path.stat().st_size)
    kind = PACKED.get(path.suffix.lower())
    if kind is None:
        with path.open("rb") as file:
            yield file, lambda: file.tell() / size
        return
    import pyarrow

    with pyarrow.OSFile(str(path)) as packed, pyarrow.CompressedInputStream(packed, kind) as file:
        # Arrow reads ahead of what it gives: all of a small file at once
        yield cast("IO[bytes]", file), lambda: packed.tell() / size


def decoded(path: Path) -> Iterator[tuple[str, float]]:
    """(characters, part of the file read by now), a stretch at a time; lines end with "\\n"."""
    before, held = 0, ""  # half of a line's end, whose other half is in the next stretch
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    with opened(path) as (file, told):
        stretch, done = file.read(STRETCH), told()
        while stretch:
            after = file.read(STRETCH)
            try:
                text = held + decoder.decode(stretch, final=not after)
            except UnicodeDecodeError as error:
                raise _no_text(path, before, stretch, max(0, before + error.start)) from None
            held = "\r" if text.endswith("\r") and after else ""
            yield text.removesuffix(held).replace("\r\n", "\n").replace("\r", "\n"), done
            before += len(stretch)
            stretch, done = after, told()


def lines_of(path: Path) -> Iterator[tuple[bytes, float]]:
    """(line, part of the file read by now)."""
    rest: list[bytes] = []
    with opened(path) as (file, told):
        while stretch := file.read(STRETCH):
            first, *others = stretch.split(b"\n")
            rest.append(first)
            for other in others:
                yield b"".join(rest), told()
                rest = [other]
        yield b"".join(rest), 1.0


def _no_text(path: Path, before: int, stretch: bytes, place: int) -> Any:
    encoding, said = "ISO-8859-1", ""
    if not before and stretch[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding, said = "UTF-16", ", and begins as UTF-16 does"
    return refused(
        path,
        f"is no UTF-8 text: byte {place} is wrong{said}",
        f"if it is text, say in which encoding: iconv -f {encoding} -t UTF-8 {path.name} > new.txt",
    )
