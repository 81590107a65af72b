"""The workspace: what was kept stays kept, whoever writes beside it and whatever is killed."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest

from unembed import workspace as module
from unembed.errors import BusyError, InputError, LoadError
from unembed.settings import Settings
from unembed.workspace import NodeName, Workspace

RUN = {"summary": "The cat sat · 2 edits", "model": "tiny", "fingerprint": "abc"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept" / "workspace.sqlite3"


@pytest.fixture
def workspace(path):
    return Workspace(path)


def test_names_are_kept_for_each_model_and_replaced_and_forgotten(workspace):
    workspace.set_name("abc", "L12.N512", "music", "album, DJ, song")
    workspace.set_name("abc", "L9.H6", "names")
    workspace.set_name("other", "L12.N512", "rivers")
    workspace.set_name("abc", "L12.N512", "Musik ♪")
    assert workspace.names("abc") == (NodeName("L12.N512", "Musik ♪"), NodeName("L9.H6", "names"))
    assert workspace.names("other") == (NodeName("L12.N512", "rivers"),)
    workspace.delete_name("abc", "L9.H6")
    workspace.delete_name("abc", "L9.H7")
    workspace.set_name("abc", "L12.N512", "", "")
    assert workspace.names("abc") == ()
    assert workspace.names("other") != ()


def test_a_saved_run_comes_back_as_it_was(workspace, path):
    spec = "/predictions?prompt=a%20b&edits=…\n\x00"
    first = workspace.save_run("first", "a note", spec, **RUN)
    second = workspace.save_run("second", "", "x")
    again = Workspace(path)
    assert [run.id for run in again.list_runs()] == [second, first]
    run = again.run(first)
    assert (run.name, run.note, run.spec) == ("first", "a note", spec)
    assert (run.summary, run.model, run.fingerprint) == tuple(RUN.values())
    assert run.saved.endswith("+00:00")
    again.delete_run(second)
    assert [run.name for run in workspace.list_runs()] == ["first"]


@pytest.mark.parametrize("method", ["run", "delete_run", "export_run"])
def test_a_run_that_is_not_there_is_an_error_of_its_id(method, workspace):
    workspace.save_run("one", "", "x")
    with pytest.raises(InputError, match="no saved run has the id 'nope'") as caught:
        getattr(workspace, method)("nope")
    assert caught.value.field == "id"


def test_reading_what_was_never_written_makes_no_file(workspace, path):
    assert workspace.names("abc") == ()
    assert workspace.list_runs() == ()
    assert not path.parent.exists()


# ------------------------------------------------------------ export and import


def test_an_exported_run_is_imported_elsewhere_and_not_twice(workspace, tmp_path):
    run_id = workspace.save_run("one", "note", "spec", **RUN)
    data = json.loads(json.dumps(workspace.export_run(run_id)))
    assert data == {"unembed": 1, **asdict(workspace.run(run_id))}
    other = Workspace(tmp_path / "other.sqlite3")
    assert other.import_run(data) == run_id
    assert other.import_run(data) == run_id
    assert other.run(run_id) == workspace.run(run_id)
    assert len(other.list_runs()) == 1


def test_an_import_never_replaces_another_run(workspace):
    run_id = workspace.save_run("mine", "", "spec")
    stranger = workspace.export_run(run_id) | {"name": "theirs"}
    imported = workspace.import_run(stranger)
    assert imported != run_id
    assert workspace.run(run_id).name == "mine"
    assert workspace.run(imported).name == "theirs"


WHOLE = {
    "unembed": 1, "id": "1", "name": "n", "note": "", "saved": "2025-01-31T12:00:00+00:00",
    "summary": "", "model": "m", "fingerprint": "f", "spec": "s",
}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "field", "sentence"),
    [
        ([], "unembed", "no saved run of Unembed"),
        ("{}", "unembed", "no saved run of Unembed"),
        ({"promptValue": "x", "interventions": []}, "unembed", "no saved run of Unembed"),
        (WHOLE | {"unembed": 2}, "unembed", "has format 2; this version of Unembed reads 1"),
        (WHOLE | {"unembed": True}, "unembed", "has format True"),
        ({**WHOLE, "spec": None}, "spec", "spec of the saved run is not a text"),
        ({key: WHOLE[key] for key in WHOLE if key != "note"}, "note", "note .* is missing"),
        (WHOLE | {"saved": "yesterday"}, "saved", "'yesterday', which is no time"),
        (WHOLE | {"extra": 1}, "extra", "'extra' that no saved run has"),
        (WHOLE | {"name": ""}, "name", "name must be a text of 1 to 500"),
        (WHOLE | {"name": "x" * 501}, "name", "name has 501 characters; at most 500"),
        (WHOLE | {"spec": "x" * 100_001}, "spec", "at most 100,000 characters"),
        (WHOLE | {"note": "\ud800"}, None, "half of a character"),
    ],
)
def test_what_is_no_exported_run_is_refused_and_nothing_kept(data, field, sentence, workspace):
    with pytest.raises(InputError, match=sentence) as caught:
        workspace.import_run(data)
    assert caught.value.field == field
    assert workspace.list_runs() == ()


@pytest.mark.parametrize(
    ("arguments", "field"),
    [(("", "L1.N2", "x"), "fingerprint"), (("a", "", "x"), "node"), (("a", "b", 5), "name")],
)
def test_a_name_needs_a_model_a_node_and_a_text(arguments, field, workspace):
    with pytest.raises(InputError) as caught:
        workspace.set_name(*arguments)
    assert caught.value.field == field


def test_the_settings_say_where_it_is_and_how_long_texts_may_be(tmp_path):
    assert Workspace(settings=Settings(cache_dir=str(tmp_path))).path.parent == tmp_path
    chosen = Settings(workspace_path=str(tmp_path / "mine"), max_saved_chars=10)
    workspace = Workspace(settings=chosen)
    assert workspace.path == tmp_path / "mine"
    with pytest.raises(InputError, match="spec has 11 characters; at most 10"):
        workspace.save_run("a", "", "x" * 11)


# ------------------------------------------------------------ many at once


def test_threads_lose_nothing(path):
    def work(thread):
        workspace = Workspace(path)
        ids = []
        for turn in range(10):
            ids.append(workspace.save_run(f"{thread}.{turn}", "", "spec"))
            workspace.set_name("abc", f"L{thread}.N{turn}", "name")
            workspace.list_runs()
        return ids

    with ThreadPoolExecutor(8) as pool:
        kept = [run_id for ids in pool.map(work, range(8)) for run_id in ids]
    workspace = Workspace(path)
    assert {run.id for run in workspace.list_runs()} == set(kept)
    assert len(workspace.names("abc")) == 80


def test_one_object_serves_many_threads(workspace):
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda turn: workspace.save_run(str(turn), "", "x"), range(40)))
    assert {run.id for run in workspace.list_runs()} == set(ids)


def test_the_same_run_imported_by_many_threads_is_kept_once(workspace):
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: workspace.import_run(WHOLE), range(16)))
    assert set(ids) == {"1"}
    assert len(workspace.list_runs()) == 1


def test_a_writer_that_does_not_finish_is_not_waited_for_forever(workspace, path, monkeypatch):
    workspace.save_run("one", "", "x")
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.1)
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    assert len(workspace.list_runs()) == 1, "readers need not wait"
    with pytest.raises(BusyError, match="another process"):
        workspace.save_run("two", "", "x")
    other.rollback()
    other.close()
    workspace.save_run("two", "", "x")


# ------------------------------------------------------------ killed, full, broken

WRITER = """
import sys
from unembed.workspace import Workspace
workspace = Workspace(sys.argv[1])
for turn in range(100_000):
    run_id = workspace.save_run(str(turn), "", "x" * 20_000)
    workspace.set_name("abc", f"L0.N{turn}", run_id)
    print(run_id, flush=True)
"""


def test_a_killed_writer_leaves_everything_it_had_kept(path):
    """At many moments: what was reported is there; at most one more, half of nothing."""
    pause, reported = random.Random(0), []
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        with writer:
            reported.append(writer.stdout.readline().strip())
            time.sleep(pause.uniform(0.0, 0.15))
            writer.send_signal(signal.SIGKILL)
            lines = writer.stdout.read().split("\n")
        reported += [line for line in lines if len(line) == 16]
        workspace = Workspace(path)
        runs = workspace.list_runs()
        ids = {run.id for run in runs}
        assert set(reported) <= ids
        reported = list(ids)
        assert all(len(workspace.run(run.id).spec) == 20_000 for run in runs[:3])
        assert len(workspace.names("abc")) > 0
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.close()


FULL = """
import resource, signal, sys
from unembed.errors import LoadError
from unembed.workspace import Workspace
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
workspace = Workspace(sys.argv[1])
try:
    for turn in range(100):
        print(workspace.save_run(str(turn), "", "x" * 50_000), flush=True)
except LoadError as error:
    print(error.message, file=sys.stderr)
    sys.exit(3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_full_disk_is_said_and_loses_nothing(path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "cannot be used as the workspace" in done.stderr
    kept = done.stdout.split()
    assert kept
    assert {run.id for run in Workspace(path).list_runs()} == set(kept)


def test_a_file_that_is_no_workspace_is_refused_and_left_alone(path):
    path.parent.mkdir()
    path.write_bytes(b"my diary, not a database" * 100)
    for call in (lambda w: w.list_runs(), lambda w: w.set_name("a", "b", "c")):
        with pytest.raises(LoadError, match="not a database") as caught:
            call(Workspace(path))
        assert caught.value.field == "workspace_path"
        assert "UNEMBED_WORKSPACE_PATH" in caught.value.fix
    assert path.read_bytes().startswith(b"my diary")


def test_a_file_from_a_newer_version_is_refused_and_left_alone(workspace, path):
    workspace.save_run("one", "", "x")
    with sqlite3.connect(path) as file:
        file.execute(f"PRAGMA user_version = {module.SCHEMA + 1}")
    file.close()
    with pytest.raises(LoadError, match="newer version of Unembed"):
        workspace.list_runs()


def test_a_folder_in_its_place_is_refused(tmp_path):
    with pytest.raises(LoadError, match="cannot be used as the workspace"):
        Workspace(tmp_path).save_run("a", "", "b")
    (tmp_path / "file").write_text("x")
    with pytest.raises(LoadError, match="cannot be used as the workspace"):
        Workspace(tmp_path / "file" / "w").save_run("a", "", "b")
