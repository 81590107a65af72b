"""Tables are put together row by row in their order, with little memory; a kill loses nothing."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from unembed.index import store as storing
from unembed.index.corpus.folder import CorpusFolder
from unembed.index.store import PACKED, WORN, Store, to_numpy

APPENDS, ROWS_EACH = 7, 50
COLUMNS = ("row", "vector", "text")


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    """A table of many appends, some rows of it cut off again."""
    monkeypatch.setattr(storing, "PACKED_ROWS", 120)
    made = Store(CorpusFolder(tmp_path), tmp_path, writer=True)
    for start in range(0, APPENDS * ROWS_EACH, ROWS_EACH):
        made.add("one", rows(start, start + ROWS_EACH))
    made.cut("one", "row", 330)
    return made


def rows(start: int, end: int) -> dict:
    numbers = np.arange(start, end)
    vectors = np.stack([numbers, numbers**2], 1).astype(np.float32)
    return {"row": numbers, "vector": vectors, "text": [f"text {one}" for one in numbers]}


def kept(store: Store) -> dict:
    found = store.whole_columns("one", COLUMNS)
    return {"row": found["row"].to_pylist(), "vector": to_numpy(found["vector"]).tolist(),
            "text": found["text"].to_pylist()}  # fmt: skip


def wanted(n: int) -> dict:
    made = rows(0, n)
    return made | {"row": made["row"].tolist(), "vector": made["vector"].tolist()}


def fragments(store: Store) -> int:
    return store._open("one").stats()["fragment_stats"]["num_fragments"]


def test_packing_keeps_every_row_in_its_place(store, tmp_path):
    assert fragments(store) == APPENDS
    store.pack("one")
    assert fragments(store) == 3  # of 120, 120 and 90 rows
    assert kept(store) == wanted(330)
    assert [path.name for path in tmp_path.glob("*.lance")] == ["one.lance"]
    assert to_numpy(store.take("one", [300, 5], ["row"])["row"]).tolist() == [300, 5]
    store.add("one", rows(330, 340))
    assert kept(store) == wanted(340)


def test_a_table_that_is_packed_is_not_written_again(store, tmp_path, monkeypatch):
    store.pack("one")
    monkeypatch.setattr(storing, "LOOSE", 1)
    files = sorted((tmp_path / "one.lance" / "data").iterdir())
    store.add("one", rows(330, 340))
    store.pack("one")
    assert set(files) < set((tmp_path / "one.lance" / "data").iterdir())
    for start in range(340, 400, 10):
        store.add("one", rows(start, start + 10))
    store.pack("one")
    assert fragments(store) == 4
    assert kept(store) == wanted(400)


def test_rows_of_one_large_append_are_in_order(store):
    numbers = np.arange(330, 1_000_000)
    store.add("one", rows(330, 340))
    store.add("other", {"row": numbers})
    store.add("other", {"row": numbers})
    assert np.array_equal(to_numpy(store.column("other", "row")), np.tile(numbers, 2))


@pytest.mark.parametrize("moment", ["writing", "put away", "in place"])
def test_a_kill_while_packing_loses_no_row(store, tmp_path, moment):
    """What each moment leaves on disk, as `pack` goes through them."""
    place = {name: tmp_path / f"one{name}.lance" for name in ("", f".{PACKED}", f".{WORN}")}
    shutil.copytree(place[""], tmp_path / "before")
    store.pack("one")
    if moment == "writing":
        place[""].rename(place[f".{PACKED}"])
        next((place[f".{PACKED}"] / "data").iterdir()).unlink()
        (tmp_path / "before").rename(place[""])
    else:
        (tmp_path / "before").rename(place[f".{WORN}"])
        if moment == "put away":
            place[""].rename(place[f".{PACKED}"])
        else:
            shutil.rmtree(place[f".{WORN}"] / "data")  # which was being removed
    again = Store(CorpusFolder(tmp_path), tmp_path, writer=True)
    again.unpack()
    assert kept(again) == wanted(330)
    assert [path.name for path in tmp_path.glob("*.lance")] == ["one.lance"]
    again.pack("one")
    assert kept(again) == wanted(330)


def test_what_a_writer_holds_of_its_files_does_not_grow_with_their_number(store, tmp_path):
    reader = Store(CorpusFolder(tmp_path), tmp_path)
    for one in (reader, store):
        for start in range(0, 300, 10):
            one.take("one", [start], COLUMNS)
    assert store._session.size_bytes <= 2 * storing.WRITERS_CACHE
    assert reader._session.size_bytes > 0  # what it holds is counted at all
