"""A stored folder is whole or absent: after kill -9 anywhere, with two builders, after damage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from unembed.errors import LoadError
from unembed.models import store

BUILD = """
import os, signal, sys, shutil, tempfile, time
from pathlib import Path
from unembed.models import store

folder, builds, kill_at, slow = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
steps = 0

def counted(module, name):
    real = getattr(module, name)
    def step(*args, **kwargs):
        global steps
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1
        return real(*args, **kwargs)
    setattr(module, name, step)

for module, name in [(os, "replace"), (os, "fsync"), (os, "open"), (tempfile, "mkdtemp"),
                     (shutil, "rmtree"), (Path, "write_text"), (Path, "chmod")]:
    counted(module, name)

def build(draft):
    with builds.open("a") as log:
        log.write("build\\n")
    for name in "abc":
        (draft / name).write_text(name * 10_000)
        time.sleep(float(slow))

store.obtain(folder, build, lambda *_: None)
"""

CONTENT = {name: name * 10_000 for name in "abc"}


def start(folder: Path, kill_at: int = -1, slow: float = 0.0) -> subprocess.Popen[bytes]:
    builds = folder.parent.parent / "builds"
    arguments = [str(folder), str(builds), str(kill_at), str(slow)]
    return subprocess.Popen([sys.executable, "-c", BUILD, *arguments])


def build(draft: Path) -> None:
    for name, text in CONTENT.items():
        (draft / name).write_text(text)


def quiet(_stage: str, _done: int, _total: int) -> None:
    pass


def read(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.name in CONTENT}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models" / "thing"


@pytest.mark.parametrize("damaged_before", [False, True])
def test_a_kill_at_any_step_leaves_the_folder_whole_or_to_be_rebuilt(
    folder: Path, damaged_before: bool
) -> None:
    n_killed = 0
    for kill_at in range(1000):
        if damaged_before:
            store.obtain(folder, build, quiet)
            (folder / "b").write_text("damaged")
        died = start(folder, kill_at).wait(timeout=60)
        if folder.exists() and store.is_whole(folder):
            assert read(folder) == CONTENT
        store.obtain(folder, build, quiet)
        assert read(folder) == CONTENT
        left = {path.name for path in folder.parent.iterdir()} - {".thing.lock"}
        assert left == {"thing"}
        if died == 0:
            break
        assert died == -signal.SIGKILL
        n_killed += 1
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert n_killed > 15  # each write, flush and rename was a place to die at


def test_two_processes_at_once_build_once(folder: Path, tmp_path: Path) -> None:
    both = [start(folder, slow=0.3), start(folder, slow=0.3)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert (tmp_path / "builds").read_text() == "build\n"
    assert read(folder) == CONTENT


def test_waiting_for_another_process_can_be_heard_and_stopped(folder: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(stage: str, _done: int, _total: int) -> None:
        if stage == "waiting for another process":
            raise Stopped

    other = start(folder, slow=5)
    while not list(folder.parent.glob(".thing.draft-*/a")):
        assert other.poll() is None
    with pytest.raises(Stopped):
        store.obtain(folder, build, stop)
    other.kill()
    other.wait(timeout=10)
    assert read(store.obtain(folder, build, quiet)) == CONTENT  # the lock died with its process


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _change_end(path: Path) -> None:
    path.write_text(path.read_text()[:-1] + "!")


DAMAGES = {
    "a file cut short": lambda f: _cut(f / "b"),
    "a file changed": lambda f: _change_end(f / "c"),
    "a file gone": lambda f: (f / "a").unlink(),
    "a file that is a folder": lambda f: ((f / "a").unlink(), (f / "a").mkdir()),
    "no manifest": lambda f: (f / store.MANIFEST).unlink(),
    "an empty manifest": lambda f: (f / store.MANIFEST).write_text('{"files": {}}'),
    "a manifest cut short": lambda f: _cut(f / store.MANIFEST),
    "a manifest of another shape": lambda f: (f / store.MANIFEST).write_text("[null]"),
    "a manifest of bytes": lambda f: (f / store.MANIFEST).write_bytes(b"\xff\x00"),
    "a manifest of brackets": lambda f: (f / store.MANIFEST).write_text("[" * 100_000),
}


@pytest.mark.parametrize("whole_below", [store.WHOLE_BELOW, 100])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_folder_is_rebuilt(
    folder: Path, damage, whole_below: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WHOLE_BELOW", whole_below)
    monkeypatch.setattr(store, "EDGE", 50)
    store.obtain(folder, build, quiet)
    assert store.is_whole(folder)
    damage(folder)
    assert not store.is_whole(folder)
    assert read(store.obtain(folder, build, quiet)) == CONTENT


def test_a_whole_folder_is_not_touched(folder: Path) -> None:
    store.obtain(folder, build, quiet)
    before = {path: path.stat().st_mtime_ns for path in folder.parent.iterdir()}

    def fail(_draft: Path) -> None:
        raise AssertionError("built again")

    assert store.obtain(folder, fail, quiet) == folder
    assert before == {path: path.stat().st_mtime_ns for path in folder.parent.iterdir()}


def test_a_build_that_fails_leaves_nothing(folder: Path) -> None:
    def fail(draft: Path) -> None:
        build(draft)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        store.obtain(folder, fail, quiet)
    assert [path.name for path in folder.parent.iterdir()] in ([], [".thing.lock"])


def test_a_place_that_cannot_hold_the_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LoadError, match="cannot be kept") as caught:
        store.obtain(tmp_path / "file" / "thing", build, quiet)
    assert "UNEMBED_CACHE_DIR" in (caught.value.fix or "")
    with pytest.raises(LoadError, match=r"needs 1000000000\.0 GB"):
        store.obtain(tmp_path / "thing", build, quiet, bytes_needed=10**18)
