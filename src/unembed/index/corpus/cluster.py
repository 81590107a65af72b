"""A build on Ray: the stages of `stages.py`, by many processes, on one machine or a cluster.

Texts first, of all files: processes tag and read stretches, and this one numbers their rows and
appends them. Then vectors: processes that hold the model read token ids, and write fragments of
Lance, which this one commits in the order of rows. What is committed is kept whatever ends.

Ray runs where `ray.init` was called, or where RAY_ADDRESS says; else it is started in processes of
this one, for no one else, without a dashboard, and ended with the build.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.errors import InputError, LoadError
from unembed.index.corpus.about import Site
from unembed.index.corpus.cluster_workers import (
    ANSWER,
    ERROR,
    ModelSource,
    Reading,
    Row,
    VectorsWorker,
    heard,
    read_row,
    stretch_as_text,
    unpacked,
)
from unembed.index.corpus.rows import Rows
from unembed.index.corpus.stages import Watch, Work, tokens_held, without_vectors
from unembed.index.corpus.text_reader import TextReader
from unembed.index.corpus.trial import Places
from unembed.index.fragments import commit

ROUND_STRETCHES = 1024  # of text that Ray holds at once: some 60 MB
APPENDED_TOKENS = 500_000  # of texts that are appended together
COMMIT_SECONDS = 15.0  # between commits of vectors
MOST_BLOCKS = 2048  # that Ray plans at once
CPUS_EACH = 4  # of a process that holds the model, where there is no GPU
STUCK_SECONDS = 1800  # after which nothing will come
KEPT = "what was committed is kept, and the same command goes on after it"


class OnRay:
    """Asks processes of Ray; whoever does is within `running`.

    Args:
        workers: processes that hold the model; None: one for each GPU, or for each 4 cores.
        kept: what is kept where such a process ends for good.
    """

    def __init__(self, model: Model, workers: int | None, cancel: Cancel | None, kept: str) -> None:
        self.model, self.workers, self.cancel, self.kept = model, workers, cancel, kept

    def pool(self) -> tuple[int, dict[str, Any]]:
        """How many processes hold the model, and what each is given."""
        cores, gpus = _resources()
        workers = _workers_of(cores, gpus, self.workers)
        if gpus:
            return workers, {"num_gpus": min(1.0, gpus / workers), "num_cpus": 1}
        return workers, {"num_cpus": max(1, cores // workers)}

    def source(self, device: str) -> ModelSource:
        model = self.model
        origin, held = model.identity.origin, None
        if origin is None:
            held = _ray().put((model.module, model.tokenizer))
        return ModelSource(model.name, model.fingerprint, model.settings, device, origin, held)

    def data(self, rows: Sequence[Row]) -> Any:
        """Rows for Ray Data, which gives answers in their order.

        What a process was asked that died, another one is; where that goes on and on, it ends.
        """
        data = _ray().data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS))
        data.context.execution_options.preserve_order = True
        data.context.enable_progress_bars = False
        data.context.print_on_execution_start = False
        data.context.execution_no_progress_timeout_s = STUCK_SECONDS
        return data

    def taken(self, answers: Any) -> Iterator[bytes]:
        """The answers, in order.

        Raises the error that a process says, and LoadError where processes cannot be had.
        """
        with _ray_errors(self.kept):
            for row in answers.iter_rows():
                if row[ERROR]:
                    raise heard(row[ERROR])
                if self.cancel is not None:
                    self.cancel.check()
                yield row[ANSWER]

    def asked_of(
        self, worker: type, rows: Sequence[Row], given: Mapping[str, Any]
    ) -> Iterator[bytes]:
        """What workers that hold the model answer to rows, in order.

        `given` is what each is made with, beside the `source` of its model.
        """
        workers, resources = self.pool()
        source = self.source("cuda" if "num_gpus" in resources else "cpu")
        pool = _ray().data.ActorPoolStrategy(size=min(workers, len(rows)))
        made = {"source": source, **given}
        answers = self.data(rows).map(worker, fn_constructor_kwargs=made, compute=pool, **resources)
        return self.taken(answers)


class ClusterStages(OnRay):
    """Both stages on Ray; whoever makes one is within `running`.

    Args:
        words: what the pipeline of spaCy says of itself here.
        workers: processes that hold the model; None: one for each GPU, or for each 4 cores.
    """

    def __init__(self, work: Work, words: str, watch: Watch, workers: int | None) -> None:
        super().__init__(work.model, workers, work.cancel, KEPT)
        self._work, self._words, self._watch = work, words, watch

    def build(self, rows: Rows, n_before: int | None) -> None:
        """See `Stages.build`."""
        if n_before is not None:
            self._read_on(rows, n_before)
        self._watch.ends_at(rows.n_tokens)
        for first, sites in without_vectors(rows, self._work.sites):
            self._watch.begin_at(first)
            self._add_vectors(rows, first, sites)

    # ------------------------------------------------------------ texts

    def _read_on(self, rows: Rows, n_before: int) -> None:
        work = self._work
        reading = Reading(
            TextReader(work.model),
            work.options.spacy,
            self._words,
            work.whole,
            work.longest,
            frozenset(work.special),
        )
        given = {"held": _ray().put(reading)}
        stretches = work.stretches(rows.n_pieces, n_before)
        while held := list(islice(stretches, ROUND_STRETCHES)):
            data = self.data([{"stretch": stretch_as_text(one)} for one in held])
            answers = data.map(read_row, fn_kwargs=given, num_cpus=1)
            for several in _together(self.taken(answers)):
                rows.add_columns(unpacked(several))
                self._watch.read(rows.n_tokens)

    # ------------------------------------------------------------ vectors

    def _add_vectors(self, rows: Rows, first: int, sites: Sequence[Site]) -> None:
        """Vectors of all sentences from row `first` on, which has none of these sites."""
        for site in sites:
            rows.begin_vectors(site)
        parts = list(_parts(rows, first, tokens_held(sites)))
        given = {"version": rows.version, "sites": tuple(sites)}
        commits = _Commits(rows, sites)
        answers = self.asked_of(VectorsWorker, parts, given)
        for part, answer in zip(parts, answers, strict=True):
            commits.add(json.loads(answer))
            self._watch.add(sum(part["sizes"]))
        commits.flush()


class _Commits:
    """Fragments of vectors on their way into the tables, in the order of rows."""

    def __init__(self, rows: Rows, sites: Sequence[Site]) -> None:
        self._rows = rows
        self._held: dict[str, list[str]] = {site.name: [] for site in sites}
        self._since = time.monotonic()

    def add(self, written: dict[str, list[str]]) -> None:
        """What one process wrote, of each site."""
        for name, fragments in written.items():
            self._held[name] += fragments
        if time.monotonic() - self._since >= COMMIT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Commit what is held: a table after the other, each as a whole."""
        with self._rows.writing():
            for name, fragments in self._held.items():
                if fragments:
                    commit(self._rows.place(name), fragments)
                    fragments.clear()
        self._since = time.monotonic()


def _parts(rows: Rows, first: int, most: int) -> Iterator[Row]:
    """Sentences from row `first` on, `most` tokens at a time: the first row, and their sizes."""
    starts, sizes = rows.bounds()
    held: list[int] = []
    at = first
    for size in sizes[(starts >= first) & (sizes > 0)].tolist():
        if held and sum(held) + size > most:
            yield {"first": at, "sizes": held}
            at, held = at + sum(held), []
        held.append(size)
    if held:
        yield {"first": at, "sizes": held}


def _together(answers: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Answers that have rows, some at a time."""
    held: list[bytes] = []
    for answer in answers:
        held += [answer] if answer else []
        if sum(map(len, held)) >= APPENDED_TOKENS * 40:
            yield held
            held = []
    if held:
        yield held


# ---------------------------------------------------------------- Ray itself


@contextmanager
def running() -> Iterator[None]:
    """Ray, where it runs already, where RAY_ADDRESS says, or started for this build alone.

    Raises InputError where it is not installed, LoadError where it cannot be had.
    """
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        start(address, **(own if address == "local" else {}))
    except (OSError, RuntimeError, ValueError) as error:
        raise LoadError(
            f"Ray cannot be had at {address!r}: {str(error).splitlines()[0]}",
            field="engine",
            value="ray",
            legal="a cluster at RAY_ADDRESS, or none: Ray is then started here",
            fix="look whether the cluster runs, or unset RAY_ADDRESS; or leave engine out",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def start(address: str, **options: Any) -> None:
    """Ray at an address, without a word of its own."""
    with warnings.catch_warnings():
        for kind in (UserWarning, RuntimeWarning):  # its forks execute another program at once
            warnings.filterwarnings("ignore", ".*fork", kind)
        _ray().init(address, log_to_driver=False, logging_level=logging.ERROR, **options)


def _close_to_others() -> None:
    """Keep others off a Ray of our own: it runs whatever code it is sent, on open ports.

    Ray reads this once, when it is imported: who imported it before decides alone.
    """
    if "ray" not in sys.modules and not os.environ.get("RAY_ADDRESS"):
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def put(held: object) -> Any:
    """Something in Ray's store, for `fetched`."""
    return _ray().put(held)


def places(workers: int | None) -> Places:
    """Where a build would run, without starting a Ray that is not there.

    Raises InputError where it is not installed, LoadError where the cluster cannot be had.
    """
    if _ray().is_initialized() or os.environ.get("RAY_ADDRESS"):
        with running():
            cores, gpus = _resources()
    else:
        cores, gpus = os.cpu_count() or 1, torch.cuda.device_count()
    return Places(cores, _workers_of(cores, gpus, workers))


def _resources() -> tuple[int, int]:
    """The cores and GPUs of the cluster."""
    there = _ray().cluster_resources()
    return max(1, int(there.get("CPU", 1))), int(there.get("GPU", 0))


def _workers_of(cores: int, gpus: int, asked: int | None) -> int:
    """How many processes hold the model."""
    return asked or gpus or max(1, cores // CPUS_EACH)


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_worker_niceness", "0")  # whoever started the build waits for it
    _close_to_others()
    try:
        import lance_ray  # noqa: F401  # processes need it
        import ray
        import ray.data
    except ImportError as error:
        raise InputError(
            "engine is 'ray', and Ray is not installed (or not whole)",
            field="engine",
            value="ray",
            legal="local",
            fix="pip install 'unembed[ray]'",
        ) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


@contextmanager
def _ray_errors(kept: str) -> Iterator[None]:
    """Turns what Ray says of a process that cannot be had into one error."""
    ray = _ray()
    try:
        yield
    except (ray.exceptions.RayError, ray.data.exceptions.ExecutionTimeoutError) as error:
        cause = getattr(error, "cause", None) or error
        raise LoadError(
            f"a process of the cluster ended: {_in_short(str(cause))}; {kept}",
            field="engine",
            value="ray",
            fix="look whether the machines have memory enough; fewer workers need less",
        ) from error


def _in_short(text: str) -> str:
    """The last line that says something: what it is about comes last in Ray's own words."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it does not say why"
