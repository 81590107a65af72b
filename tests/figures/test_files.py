"""A page is written whole or not at all, and what cannot be written is said."""

from __future__ import annotations

import os

import pytest

from unembed.errors import InputError
from unembed.figures.files import write_whole


def test_a_file_is_written_and_nothing_else(tmp_path):
    write_whole(tmp_path / "lens.html", "␣Tokyo\n")
    assert (tmp_path / "lens.html").read_bytes() == "␣Tokyo\n".encode()
    assert os.listdir(tmp_path) == ["lens.html"]


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path):
    path = tmp_path / "lens.html"
    path.write_text("old")
    path.chmod(0o600)
    write_whole(str(path), "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.html").write_text("old")
    (tmp_path / "link.html").symlink_to("real.html")
    write_whole(tmp_path / "link.html", "new")
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "real.html").read_text() == "new"


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    path = tmp_path / "lens.html"
    path.write_text("old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="No space left on device"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["lens.html"]


def test_a_folder_or_a_missing_one_is_named(tmp_path):
    with pytest.raises(InputError, match="is a folder") as caught:
        write_whole(tmp_path, "page")
    assert caught.value.field == "path"
    assert caught.value.fix == f"name a file in it, such as {tmp_path / 'lens.html'}"
    with pytest.raises(InputError, match=f"there is no folder {tmp_path / 'none'}"):
        write_whole(tmp_path / "none" / "lens.html", "page")
