"""A kill -9 at any moment leaves the old index or none, and the next build goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from unembed.errors import IndexMissingError
from unembed.index.build import build_index
from unembed.index.opening import open_index

from .test_build import assert_lists

# One process for all kills: it loads everything once and forks before LanceDB starts its threads.
SCRIPT = """
import os, signal, sys, threading
import lance_namespace, pandas, pyarrow, torch, unembed  # slow to import, and start no thread
from unembed.index.build import build_index
from unembed.models.tiny import tiny_model, tiny_tokenizer

torch.set_num_threads(1)
model = unembed.load(tiny_model("gemma3"), tokenizer=tiny_tokenizer())

def die_at(event, count):
    '''Kill this process at the count-th system event of a kind, before it happens.'''
    seen = [0]
    def hook(name, arguments):
        if name == event and any("/raw" in str(one) for one in arguments):
            seen[0] += 1
            if seen[0] == count:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def child(folder, event, count):
    import unembed.index.tables as tables
    if event == "append":
        real = tables.Tables.append
        def append(self, columns, done=[0]):
            done[0] += 1
            if done[0] == count:
                threading.Timer(0.002 * count, os.kill, (os.getpid(), signal.SIGKILL)).start()
            real(self, columns)
        tables.Tables.append = append
    else:
        die_at(event, count)
    build_index(model, top_k=6, folder=folder)

for line in sys.stdin:
    folder, event, count = line.split()
    pid = os.fork()
    if pid == 0:
        child(folder, event, int(count))
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status), flush=True)
"""


@pytest.fixture(scope="module")
def killed():
    """killed(folder, event, count): the signal that ended a build there; 0 if it came through."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )

    def run(folder, event, count):
        print(folder, event, count, file=process.stdin, flush=True)
        return int(process.stdout.readline())

    with process:
        yield run
        process.stdin.close()


# What the builder does, in order: makes folders, writes the plan and puts it in place, appends four
# layers, writes the tokens, flushes, writes what it is, replaces the pointer, removes the old one.
MOMENTS = [
    *(("os.mkdir", count) for count in (1, 2)),
    *(("open", count) for count in (2, 4, 9, 30)),
    *(("append", count) for count in (1, 3)),
    *(("os.rename", count) for count in (1, 2, 3)),
    ("shutil.rmtree", 1),
]


CASES = [*((True, *moment) for moment in MOMENTS), *((False, *one) for one in MOMENTS[1:-1:3])]


@pytest.mark.parametrize(("old", "event", "count"), CASES, ids=str)
def test_a_kill_leaves_the_old_index_or_none(event, count, old, killed, model_of, tmp_path):
    model = model_of("gemma3")
    before = build_index(model, top_k=3, folder=tmp_path) if old else None
    ended = killed(tmp_path, event, count)
    # A timer may fire too late.
    assert ended == signal.SIGKILL or (event == "append" and ended == 0)
    assert_old_or_new(model, tmp_path, before)
    again = build_index(model, top_k=6, folder=tmp_path)
    assert again.about.top_k == 6
    assert_lists(again, model, "raw")
    assert len(list((tmp_path / "raw").glob("v-*"))) == 1


def assert_old_or_new(model, folder, before):
    try:
        index = open_index(model, folder=folder)
    except IndexMissingError:
        assert before is None
        return
    assert index.about.top_k in ((6,) if before is None else (3, 6))
    assert_lists(index, model, "raw")
    if index.about.top_k == 3:
        assert index.about == before.about


def test_finished_layers_survive_a_kill(killed, model_of, tmp_path, monkeypatch):
    killed(tmp_path, "os.rename", 2)  # all layers are kept, and nothing is published
    (draft,) = (tmp_path / "raw").glob("v-*")
    assert not (tmp_path / "raw" / "current.json").exists()
    assert json.loads((draft / "plan.json").read_text())["top_k"] == 6
    monkeypatch.setattr("unembed.index.build.extremes", None)
    assert_lists(build_index(model_of("gemma3"), top_k=6, folder=tmp_path), model_of("gemma3"),
                 "raw")  # fmt: skip
