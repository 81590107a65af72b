"""Kills builds of a corpus, or trainings, at random moments, and looks at what is left.

    python -m tests.kills [--times 100] [--seed 0] [--engine ray] [--tables s3] [--what training]

A corpus is built, gets files, or gets a layer, with lists of like tokens; after a time that is
drawn, from none to a little more than the whole takes, the process is killed (kill -9). The corpus
must then open as it was before, or as it is to become; where there was none, it is whole or
missing. Every third is killed once more as it goes on. Then it goes on to the end, and must hold
what a build holds that nobody interrupted, on the same engine or, every other time, on the other
one. With Ray it is the process that drives which is killed; a Ray that all builds find runs
beside. Not in the suite: a hundred take some minutes, and with Ray half an hour and more.

With --tables the vectors stand in a bucket, of moto's server (s3) or of Azurite (az, once `make
clouds` set it up), which outlives the kill; nothing may be left there that no table knows of.

A training leaves an autoencoder that is whole or none that can be read; every third is killed once
more, and each must come to the bytes of one that nobody interrupted. A hundred take a minute or
two.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import unembed as ue
from unembed.errors import IndexMissingError
from unembed.index.corpus import build as building
from unembed.index.corpus import cluster
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.opening import open_corpus
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .index.corpus import azurite
from .index.corpus.apart import Apart
from .index.corpus.buckets import served_beside
from .index.corpus.conftest import MORE, TEXT
from .index.corpus.test_building import assert_same, kept
from .training.conftest import write_text
from .training.killing import Trainings

NAME = "one"
STRETCH_CHARS = 200
PART_TOKENS = 100  # whose vectors a process of Ray writes at once
LISTED = 100  # tokens above which there are lists
MOST_WRONG = 10  # then it ends

# Loads everything once and forks before LanceDB starts its threads: a kill comes from outside.
SERVER = """
import json, os, signal, sys, time
import lance_namespace, pandas, pyarrow  # slow to import, and start no thread
from pathlib import Path
from tests import kills

model = kills.loaded()
for line in sys.stdin:
    asked = json.loads(line)
    pid = os.fork()
    if pid == 0:
        kills.build(model, Path(asked["folder"]), asked["files"], asked["options"])
        os._exit(0)
    start = time.monotonic()
    if asked["after"] is not None:
        time.sleep(asked["after"])
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - start]), flush=True)
"""


def loaded() -> ue.Model:
    """A tiny model whose corpora get lists early."""
    torch.set_num_threads(1)
    building.STRETCH_CHARS = STRETCH_CHARS
    cluster.COMMIT_SECONDS, cluster.tokens_held = 0.0, lambda _: PART_TOKENS
    model = ue.load(tiny_model("gemma3"), tokenizer=tiny_tokenizer(), prove=False)
    model.settings = replace(model.settings, exact_search_tokens=LISTED)
    return model


def build(model: ue.Model, folder: Path, files: list[str], options: dict[str, Any]) -> Corpus:
    """What is killed, and what goes on."""
    return index_corpus(model, files, NAME, folder=folder, **options)


def state(model: ue.Model, folder: Path) -> dict[Any, Any] | None:
    """What the corpus holds now; None: there is none."""
    try:
        corpus = open_corpus(model, NAME, folder=folder)
    except IndexMissingError:
        return None
    listed = corpus._lists.abouts
    assert set(listed) == {site.name for site in corpus.sites}, "a site has no lists"
    assert {one.rows for one in listed.values()} == {len(corpus)}, "lists are of other rows"
    corpus.search("The girl", 1)
    return kept(corpus)


def same(found: dict[Any, Any] | None, wanted: dict[Any, Any] | None) -> bool:
    """Whether both hold the same."""
    if found is None or wanted is None:
        return found is wanted
    try:
        assert_same(found, wanted)
    except AssertionError:
        return False
    return True


class Trials:
    """Three kinds of build, each with what is there before and after it."""

    def __init__(self, folder: Path, engine: str, apart: Apart | None) -> None:
        self.folder, self.model, self.kills = folder, loaded(), 0
        self.engine, self.apart = engine, apart
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        first, second = str(folder / "a.txt"), str(folder / "b.txt")
        Path(first).write_text((TEXT + "\n" + MORE + "\n") * 2)
        Path(second).write_text(MORE + "\n" + TEXT)
        self.kinds: dict[str, tuple[list[str], dict[str, Any]]] = {
            "new": ([first], {"layers": [1]}),
            "files": ([first, second], {"add": True}),
            "layer": ([first], {"layers": [1, 3]}),
        }
        self.place = folder / "trial"
        self.before = {"new": "nothing", "files": "new", "layer": "new"}
        (folder / "nothing").mkdir()
        self.objects: dict[str, dict[str, bytes]] = {"nothing": {}}
        self.wanted, self.seconds = {}, {}
        for kind in self.kinds:
            self.begin(kind)
            status, self.seconds[kind] = self.run(kind, None)
            assert status == 0, f"a build that nobody kills ended with {status}"
            self.wanted[kind] = state(self.model, self.place)
            shutil.copytree(self.place, folder / kind)
            self.objects[kind] = {} if apart is None else apart.objects()

    def begin(self, kind: str) -> None:
        """Bring back what is there before a build."""
        before = self.before[kind]
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.folder / before, self.place)
        if self.apart is not None:
            self.apart.bring(self.objects[before], self.place)

    def options(self, kind: str, engine: str) -> dict[str, Any]:
        """What a build is given."""
        tables = None if self.apart is None else self.apart.tables
        return self.kinds[kind][1] | {"engine": engine, "tables": tables}

    def run(self, kind: str, after: float | None) -> tuple[int, float]:
        """How a build ended (-9: killed), and how long it took."""
        asked = {
            "folder": str(self.place),
            "files": self.kinds[kind][0],
            "options": self.options(kind, self.engine),
            "after": after,
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(asked), file=self._server.stdin, flush=True)
        status, seconds = json.loads(self._server.stdout.readline())
        return status, seconds

    def trial(self, kind: str, draw: random.Random, twice: bool) -> str:
        """Kill one, look, go on: what was found after the kill. Raises AssertionError."""
        self.begin(kind)
        old = None if kind == "new" else self.wanted["new"]
        for _ in range(1 + twice):
            status, _ = self.run(kind, draw.uniform(0, 1.1 * self.seconds[kind]))
            assert status in (0, -9), f"the build ended with {status}"
            self.kills += status == -9
            found = state(self.model, self.place)
            is_new = same(found, self.wanted[kind])
            assert is_new or same(found, old), "what is there is neither what was nor what is to be"
        after = self.engine if draw.random() < 0.5 else "local"
        whole = build(self.model, self.place, self.kinds[kind][0], self.options(kind, after))
        assert same(state(self.model, self.place), self.wanted[kind]), (
            "what it became is not the same"
        )
        assert len(list((self.place / NAME).glob("v-*"))) == 1, "something was left over"
        if self.apart is not None:
            self.apart.check(whole)
        return ("came through" if status == 0 else "killed") + (
            ", whole" if is_new else ", as before"
        )

    def close(self) -> None:
        """End the process that forks."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()


@contextmanager
def ray_beside() -> Iterator[None]:
    """A Ray that builds of other processes find."""
    with cluster.running():
        import ray

        os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
        yield


@contextmanager
def bucket_beside(scheme: str | None) -> Iterator[Apart | None]:
    """A bucket of a server that outlives who is killed; before Ray, which hands on its address."""
    if scheme is None:
        yield None
    elif scheme == "s3":
        with served_beside() as (buckets, _):
            yield Apart(buckets)
    else:
        found = azurite.program()
        if found is None:
            sys.exit("Azurite is not set up: `make clouds` does")
        with azurite.served(found) as containers:
            yield Apart(containers)


def main() -> int:
    flags = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    flags.add_argument("--times", type=int, default=100, help="how many kills")
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--engine", choices=("local", "ray"), default="local")
    flags.add_argument("--tables", choices=("s3", "az"), help="where vectors stand")
    flags.add_argument("--what", choices=("corpus", "training"), default="corpus")
    chosen = flags.parse_args()
    draw = random.Random(chosen.seed)
    ended: Counter[str] = Counter()
    wrong = 0
    with (
        tempfile.TemporaryDirectory(prefix="unembed-kills-") as folder,
        bucket_beside(chosen.tables) as apart,
        ray_beside() if chosen.engine == "ray" else nullcontext(),
        closing(trials_of(chosen.what, Path(folder), chosen.engine, apart)) as trials,
    ):
        for number in range(5 * chosen.times):
            if trials.kills >= chosen.times or wrong == MOST_WRONG:
                break
            try:
                ended[one_of(trials, number, draw)] += 1
            except Exception as error:  # whatever it is, it is a find
                wrong += 1
                print(f"{number}: {type(error).__name__}: {error}", file=sys.stderr)
            if number % 10 == 9:  # so that one who stops it knows how far it came
                print(told(trials.kills, ended, wrong), file=sys.stderr, flush=True)
    print(told(trials.kills, ended, wrong))
    return 1 if wrong else 0


def told(kills: int, ended: Counter[str], wrong: int) -> str:
    """How it stands."""
    each = ", ".join(f"{count} {what}" for what, count in sorted(ended.items()))
    return f"{kills} kills, {ended.total()} times: {each}; {wrong} wrong"


def trials_of(what: str, folder: Path, engine: str, apart: Apart | None) -> Trials | Trainings:
    """What is killed."""
    if what == "corpus":
        return Trials(folder, engine, apart)
    write_text(folder / "some.txt")
    return Trainings(folder, folder / "some.txt")


def one_of(trials: Trials | Trainings, number: int, draw: random.Random) -> str:
    """One trial; every third has a second kill."""
    if isinstance(trials, Trainings):
        return trials.trial(draw, 1 + (number % 3 == 0))
    return trials.trial(list(trials.kinds)[number % 3], draw, twice=number % 9 < 3)


if __name__ == "__main__":
    sys.exit(main())
