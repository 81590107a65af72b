"""A kill -9 at any moment leaves no corpus or a whole one; the next build goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from unembed.errors import IndexMissingError
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.opening import open_corpus

from .test_building import assert_same, kept

# One process for all kills: it loads everything once and forks before LanceDB starts its threads.
SCRIPT = """
import os, signal, sys, threading
import lance_namespace, pandas, pyarrow, torch, unembed  # slow to import, and start no thread
from unembed.index.corpus import build
from unembed.index.store import Store
from unembed.models.tiny import tiny_model, tiny_tokenizer

torch.set_num_threads(1)
model = unembed.load(tiny_model("gemma3"), tokenizer=tiny_tokenizer())
build.STRETCH_CHARS = 60

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def child(folder, step, count, late, files):
    '''Die at the count-th call of a step of the store, some milliseconds into it.'''
    real, seen = getattr(Store, step), [0]
    def called(self, *given, **named):
        seen[0] += 1
        if seen[0] == count:
            die() if late == 0 else threading.Timer(late / 1000, die).start()
        return real(self, *given, **named)
    setattr(Store, step, called)
    build.index_corpus(model, files, "one", [1], folder=folder)

for line in sys.stdin:
    folder, step, count, late, *files = line.split()
    pid = os.fork()
    if pid == 0:
        child(folder, step, int(count), float(late), files)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status), flush=True)
"""


@pytest.fixture(scope="module")
def killed(texts):
    """killed(folder, step, count, late): the signal that ended a build; 0 if it came through."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )

    def run(*asked):
        print(*asked, *texts, file=process.stdin, flush=True)
        return int(process.stdout.readline())

    with process:
        yield run
        process.stdin.close()


@pytest.fixture(scope="module")
def wanted(model, texts, tmp_path_factory):
    """What a build that nobody interrupts keeps."""
    return kept(index_corpus(model, texts, "one", [1], folder=tmp_path_factory.mktemp("whole")))


# A stretch is added as tokens, sentences, states, contexts; a late kill is within the writing. A
# hundred at random moments: make kills.
MOMENTS = [
    *(("add", count, 0) for count in (1, 2, 3, 4, 7)),
    *(("add", count, late) for count, late in ((1, 1), (5, 2), (10, 6))),
    *(("pack", count, late) for count, late in ((1, 0), (4, 5))),
]


@pytest.mark.parametrize(("step", "count", "late"), MOMENTS, ids=str)
def test_a_kill_loses_nothing_that_was_finished(
    step, count, late, killed, wanted, model, texts, tmp_path
):
    ended = killed(tmp_path, step, count, late)
    assert ended == signal.SIGKILL or (late and ended == 0)  # a timer may fire too late
    try:
        assert_same(kept(open_corpus(model, "one", folder=tmp_path)), wanted)
        assert ended == 0
    except IndexMissingError:
        assert ended == signal.SIGKILL
    again = index_corpus(model, texts, "one", [1], folder=tmp_path)
    assert_same(kept(again), wanted)
    assert len(list((tmp_path / "one").glob("v-*"))) == 1
