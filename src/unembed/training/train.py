"""`train_sae`: an autoencoder or a transcoder of a site of a model, learnt from texts.

Everything follows from the texts, the options and the seed: training that was interrupted and goes
on gives the same bytes as one that was not. Blocks of activations are computed anew, not kept.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from unembed.analyses.tools.checks import chosen
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.errors import CancelledError, InputError, LoadError
from unembed.index.corpus.cluster import running
from unembed.index.corpus.options import Engine, EngineOptions
from unembed.latents.saving import CONFIG, layout_of, save_sae, sweep, weights_file
from unembed.models.progress import Progress
from unembed.options import given
from unembed.training import checkpoint
from unembed.training.activations import Activations, Rows
from unembed.training.checks import COPIES, check_size, ends_of, weight_bytes
from unembed.training.cluster import ClusterActivations
from unembed.training.kept import ABOUT, autoencoders_in
from unembed.training.learner import Learner
from unembed.training.measures import HeldOut
from unembed.training.options import TrainOptions
from unembed.training.result import Measured, SaeTraining
from unembed.training.texts import Source, blocks, held_out, texts_of
from unembed.training.watch import Told, Watch

DEFAULTS = TrainOptions()


def train_sae(
    model: Model,
    corpus: Source,
    site: str,
    latents: int | None = None,
    k: int | None = None,
    *,
    folder: str | Path | None = None,
    options: TrainOptions = DEFAULTS,
    engine: Engine = "local",
    workers: int | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    told: Told | None = None,
    **changes: Any,
) -> SaeTraining:
    """Train a sparse autoencoder of a site, or a transcoder from one to another, and keep it.

    Training that was interrupted goes on from its last checkpoint, and comes to the same numbers.
    What is kept has SAELens' layout (a TopK transcoder sparsify's): `ue.load_sae(folder)` reads it.

    Args:
        corpus: a corpus, the name of one, or files: texts (UTF-8), .jsonl, .parquet.
        site: "L9.mlp_out"; of a transcoder what it reads and writes: "L9.mlp_in>L9.mlp_out".
        latents, k: how many there are, and how many are active at a token.
        folder: where it is kept; absent: one in the cache that is called as what is asked for.
        options: what is learnt, and how; `changes` are single ones, as in `activation="jumprelu"`.
        engine: "local", or "ray": activations come from processes of Ray, the same ones in the same
            order; see `EngineOptions`. What is learnt, and measured, is here.
        workers: of Ray that hold the model; absent: one for each GPU, or for each 4 cores.
        cancel: checked before every pass and every step; then a checkpoint is kept.
        progress: called after every pass and every step with (rate and measures in words, tokens
            learnt from, tokens in all).
        told: called with what each checkpoint measured, as a curve wants it.

    Raises:
        InputError: options that do not fit each other, an empty corpus or one of another model, or
            a folder that has another training's.
        TargetError, CapabilityError: no such site.
        TooLargeError: more weights than `max_sae_bytes`, or more than there is memory for.
        LoadError: the disk is full, the folder cannot be written or read, or a process ended.
        CancelledError: `cancel` was set.
    """
    asked = chosen(options, given(latents=latents, k=k) | changes, {})
    ends = ends_of(model, site, asked)
    check_size(model, asked, ends)
    watch = Watch(progress, asked.tokens, told)
    texts = texts_of(model, corpus, asked.context, asked.column, cancel, watch.again)
    activations = Activations(model, *ends, texts, cancel, watch.again)
    on = EngineOptions(engine=engine, workers=workers)
    trainer = _Trainer(activations, asked, watch, on)
    place = Path(folder).expanduser() if folder is not None else trainer.default_folder()
    return trainer.trained(place)


class _Trainer:
    """One training; `trained` runs it in a folder."""

    def __init__(
        self, activations: Activations, asked: TrainOptions, watch: Watch, on: EngineOptions
    ) -> None:
        self.of, self.asked, self.watch, self.on = activations, asked, watch, on
        self.site = "".join(
            dict.fromkeys((activations.reads.name, ">" + activations.writes.name))
        ).removesuffix(f">{activations.reads.name}")
        self._own, self.among = held_out(activations.texts, asked.held_out, asked.seed)
        self.layout = layout_of(
            "sae" if activations.reads == activations.writes else "transcoder",
            "topk" if asked.activation == "topk" else "jumprelu",
        )
        self.history: list[Measured] = []

    @cached_property
    def held_out(self) -> HeldOut:
        """What measures are of."""
        return HeldOut(self.of, self._own.tolist())

    @property
    def plan(self) -> dict[str, Any]:
        """What decides every number that comes out."""
        model, texts = self.of.model, self.of.texts
        return {
            "format": checkpoint.FORMAT,
            "model": model.fingerprint,
            "dtype": str(model.dtype).removeprefix("torch."),
            "site": self.site,
            "texts": texts.digest,
            **self.asked.deciding(),
        }

    def default_folder(self) -> Path:
        """In the cache, called as what is asked for."""
        model, asked = self.of.model, self.asked
        name = f"{self.site.replace('>', '-')}-{asked.activation}-{asked.latents}-k{asked.k}"
        return autoencoders_in(model.settings.cache_folder(), model) / name

    def trained(self, folder: Path) -> SaeTraining:
        """Train what is not trained yet, and write it. See `train_sae`."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / ".lock", thread_local=False)
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"another process trains in {folder}",
                field="folder",
                value=str(folder),
                fix="wait for it, or choose another folder",
            ) from None
        except OSError as error:
            raise LoadError(
                f"nothing can be kept in {folder}: {error.strerror or error}",
                field="folder",
                value=str(folder),
                fix="choose a folder that can be written",
            ) from error
        try:
            return self._trained(folder)
        finally:
            lock.release()

    def _trained(self, folder: Path) -> SaeTraining:
        names = (CONFIG, weights_file(self.layout), checkpoint.NAME)
        sweep(folder, *names)
        if self.asked.restart:
            for name in names:  # the settings first: without them nothing can be read
                (folder / name).unlink(missing_ok=True)
        if (found := self._finished(folder)) is not None:
            (folder / checkpoint.NAME).unlink(missing_ok=True)  # a kill came just before
            return found
        self._check_room(folder)
        with running() if self.on.engine == "ray" else nullcontext():
            learner = self._learnt(folder)
        result = self._result(folder, learner)
        save_sae(learner.autoencoder(self.layout), folder, self._about(result))
        (folder / checkpoint.NAME).unlink(missing_ok=True)
        return result

    # ------------------------------------------------------------ stages

    def _learnt(self, folder: Path) -> Learner:
        """Who has taken every step."""
        learner = self._learner(folder)
        try:
            self._learn(learner, folder)
        except CancelledError:
            self._keep(learner, folder)
            raise
        return learner

    def _learner(self, folder: Path) -> Learner:
        """As the last checkpoint has it, or at the beginning."""
        first = next(blocks(self.of.texts, self.among, self.asked.block, self.asked.seed))
        kept = checkpoint.saved(folder, self.plan)
        rows = self.of.rows(first, self.asked.block)
        learner = Learner(self.asked, self.of.reads, self.of.writes, rows)
        if kept is not None:
            learner.take(kept[0])
            for one in kept[1]:
                self._told_of(one)
        return learner

    def _learn(self, learner: Learner, folder: Path) -> None:
        """All steps that are left, block after block."""
        asked = self.asked
        in_block = asked.uses * (asked.block // asked.batch)
        number = learner.step // in_block
        self.watch.begin_at(learner.step * asked.batch)
        self._keep_where_due(learner, folder)  # what stopped it may have come before
        for rows in self._blocks(number, -(-asked.n_steps // in_block)):
            for batch in self._batches(rows, number, learner.step - number * in_block):
                if learner.step >= asked.n_steps:
                    break
                if self.of.cancel is not None:
                    self.of.cancel.check()
                learner.learn(batch)
                self._keep_where_due(learner, folder)
                self.watch.learnt(learner.step * asked.batch)
            number += 1

    def _blocks(self, first: int, end: int) -> Iterator[Rows]:
        """Those that are learnt from, from number `first` on."""
        asked = self.asked
        there = blocks(self.of.texts, self.among, asked.block, asked.seed, first)
        wanted = islice(there, max(0, end - first))
        if self.on.engine == "ray":
            return ClusterActivations(self.of, self.on.workers).stream(wanted, asked.block)
        return self.of.stream(wanted, asked.block)

    def _batches(self, rows: Rows, number: int, first: int) -> Iterator[Rows]:
        """Batches of a block from its step `first` on; each use of the rows has its own order."""
        size, n = self.asked.batch, self.asked.block // self.asked.batch
        for step in range(first, self.asked.uses * n):
            use, place = divmod(step, n)
            if place == 0 or step == first:
                order = np.random.default_rng([self.asked.seed, 3, number, use])
                shuffled = torch.from_numpy(order.permutation(len(rows)))
            chosen_rows = shuffled[place * size : (place + 1) * size].to(rows.x.device)
            yield Rows(rows.x[chosen_rows], rows.y[chosen_rows])

    def _keep_where_due(self, learner: Learner, folder: Path) -> None:
        """Measure, and write a checkpoint, where one is due that there is not yet."""
        asked, done = self.asked, learner.step * self.asked.batch
        due = learner.step == asked.n_steps or _crosses(asked.checkpoint, done, asked.batch)
        if not due or not done or (self.history and self.history[-1].n_tokens == done):
            return
        sae = learner.autoencoder(self.layout)
        self._told_of(self.held_out.measured(sae, done, int(learner.dead.sum())))
        self._keep(learner, folder)

    def _told_of(self, one: Measured) -> None:
        self.history.append(one)
        self.watch.measured(one)

    def _keep(self, learner: Learner, folder: Path) -> None:
        """Write a checkpoint."""
        checkpoint.save(folder, learner, self.plan, self.history, self._begun)

    @property
    def _begun(self) -> dict[str, Any]:
        """What it takes to go on, for whoever has the folder alone."""
        texts = self.of.texts
        return {"options": self.asked.values(), "corpus": texts.corpus, "texts": texts.words}

    # ------------------------------------------------------------ around it

    def _finished(self, folder: Path) -> SaeTraining | None:
        """What is whole already. Raises InputError where it is of another training."""
        if not (folder / CONFIG).exists():
            return None
        try:
            about = json.loads((folder / CONFIG).read_bytes())["metadata"][ABOUT]
            plan, history = about["plan"], [checkpoint.measured(one) for one in about["history"]]
            words, n_held_out = str(about["sae"]), int(about["n_held_out"])
        except (OSError, ValueError, KeyError, TypeError):
            plan, history, words, n_held_out = None, [], "", 0
        checkpoint.check_same(folder, plan, self.plan)
        return self._told(folder, words, n_held_out, history)

    def _result(self, folder: Path, learner: Learner) -> SaeTraining:
        words = learner.autoencoder(self.layout).description.words
        return self._told(folder, words, len(self.held_out), self.history)

    def _told(
        self, folder: Path, words: str, n_held_out: int, history: Sequence[Measured]
    ) -> SaeTraining:
        return SaeTraining(
            folder=str(folder),
            sae=words,
            site=self.site,
            model=self.of.model.name,
            texts=self.of.texts.words,
            n_tokens=history[-1].n_tokens,
            n_held_out=n_held_out,
            n_latents=self.asked.latents,
            history=tuple(history),
        )

    def _about(self, result: SaeTraining) -> Mapping[str, Any]:
        """What goes into cfg.json beside what the layout has."""
        told = {name: one for name, one in result.to_dict().items() if name != "folder"}
        return {
            "model_name": self.of.model.name,
            "dataset_path": self.of.texts.words,
            "context_size": self.asked.context,
            ABOUT: {**told, "plan": self.plan},
        }

    def _check_room(self, folder: Path) -> None:
        """Raise LoadError where the disk has no room for the checkpoints."""
        needed = COPIES * weight_bytes(self.of.model, self.asked, (self.of.reads, self.of.writes))
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise LoadError(
                f"checkpoints need {needed / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free in "
                f"{folder}",
                field="folder",
                value=str(folder),
                fix="make room there, choose another folder, or fewer latents",
            )


def _crosses(every: int, done: int, step: int) -> bool:
    """Whether the last step came to, or over, a multiple."""
    return done // every > (done - step) // every
