"""`train_sae`: an autoencoder or a transcoder of a site of a model, learnt from texts.

Everything follows from the texts, the options and the seed: training that was interrupted and goes
on gives the same bytes as one that was not. Blocks of activations are computed anew, not kept.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from unembed.analyses.tools.checks import chosen
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.names.sites import check_target, parse_target
from unembed.engine.names.taps import refuse
from unembed.engine.targets import SiteKey
from unembed.errors import CancelledError, InputError, LoadError, TooLargeError
from unembed.latents.layouts.common import hook_name
from unembed.latents.load import places
from unembed.latents.sample import width
from unembed.latents.saving import CONFIG, layout_of, save_sae, sweep, weights_file
from unembed.models.progress import Progress
from unembed.options import given
from unembed.training import checkpoint
from unembed.training.activations import Activations, Rows
from unembed.training.learner import Learner
from unembed.training.measures import HeldOut
from unembed.training.options import TrainOptions
from unembed.training.result import Measured, SaeTraining
from unembed.training.texts import Source, blocks, held_out, texts_of

DEFAULTS = TrainOptions()
SITES = "resid_pre, resid_mid, resid_post, attn_out, mlp_out, mlp_in, mlp_post, z"
COPIES = 8  # of the weights, that a folder must have room for: two checkpoints of three, and both
ABOUT = "training"  # in the metadata of cfg.json


def train_sae(
    model: Model,
    corpus: Source,
    site: str,
    latents: int | None = None,
    k: int | None = None,
    *,
    folder: str | Path | None = None,
    options: TrainOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
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
        cancel: checked before every pass and every step; then a checkpoint is kept.
        progress: called with (rate and measures in words, tokens learnt from, tokens in all).

    Raises:
        InputError: options that do not fit each other, an empty corpus or one of another model, or
            a folder that has another training's.
        TargetError, CapabilityError: no such site.
        TooLargeError: more weights than `max_sae_bytes`.
        LoadError: the disk is full, or the folder cannot be written or read.
        CancelledError: `cancel` was set.
    """
    asked = chosen(options, given(latents=latents, k=k) | changes, {})
    ends = _ends(model, site, asked)
    _check_size(model, asked, ends)
    texts = texts_of(model, corpus, asked.context, asked.column, cancel)
    trainer = _Trainer(Activations(model, *ends, texts, cancel), asked, progress)
    place = Path(folder).expanduser() if folder is not None else trainer.default_folder()
    return trainer.trained(place)


def _ends(model: Model, site: str, asked: TrainOptions) -> tuple[SiteKey, SiteKey]:
    """What is read and what is written. Raises for options that do not fit it, or each other."""
    reads, writes = places(site)
    for key in (reads, writes):
        check_target(parse_target(key.name, "site"), model.anatomy, model.name, "site")
        refuse(model.anatomy, key, model.name, "site")
        if hook_name(key) is None or not width(model, key):
            raise InputError(
                f"{key.name} has no name in SAELens' layout",
                field="site",
                value=site,
                legal=f"a layer's {SITES}",
            )
    if asked.k > asked.latents:
        raise InputError(
            f"k is {asked.k}, of {asked.latents} latents",
            field="k",
            value=asked.k,
            legal=f"1 to {asked.latents}",
        )
    if asked.skip and reads == writes:
        raise InputError(
            "an autoencoder has no skip: it would learn nothing else",
            field="skip",
            value=True,
            fix=f'a transcoder: site="L{reads.layer}.mlp_in>L{reads.layer}.mlp_out"',
        )
    widths = (width(model, reads), width(model, writes))
    if asked.activation == "topk" and reads != writes and widths[0] != widths[1]:
        raise InputError(
            f"no layout has a TopK transcoder from {widths[0]} to {widths[1]} numbers",
            field="activation",
            value="topk",
            legal='"batchtopk" or "jumprelu"',
        )
    return reads, writes


def _check_size(model: Model, asked: TrainOptions, ends: tuple[SiteKey, SiteKey]) -> None:
    size, limit = _bytes(model, asked, ends), model.settings.max_sae_bytes
    if size > limit:
        raise TooLargeError(
            f"{asked.latents:,} latents at {ends[0].name} take {size / 2**20:,.0f} MiB; the limit "
            f"is {limit / 2**20:,.0f} MiB (max_sae_bytes)",
            field="latents",
            value=asked.latents,
            fix="fewer latents, or a higher UNEMBED_MAX_SAE_BYTES",
        )


def _bytes(model: Model, asked: TrainOptions, ends: tuple[SiteKey, SiteKey]) -> int:
    """Of the weights, in the precision that they are learnt in."""
    each = 8 if model.dtype == torch.float64 else 4
    d_in, d_out = (width(model, key) for key in ends)
    return each * (asked.latents * (d_in + d_out) + (d_in * d_out if asked.skip else 0))


class _Trainer:
    """One training; `trained` runs it in a folder."""

    def __init__(
        self, activations: Activations, asked: TrainOptions, progress: Progress | None
    ) -> None:
        self.of, self.asked, self.progress = activations, asked, progress
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
        base = model.settings.cache_folder() / "autoencoders"
        return base / model.fingerprint.replace(":", "-") / name

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
        learner = self._learner(folder)
        try:
            self._learn(learner, folder)
        except CancelledError:
            checkpoint.save(folder, learner, self.plan, self.history)
            raise
        result = self._result(folder, learner)
        save_sae(learner.autoencoder(self.layout), folder, self._about(result))
        (folder / checkpoint.NAME).unlink(missing_ok=True)
        return result

    # ------------------------------------------------------------ stages

    def _learner(self, folder: Path) -> Learner:
        """As the last checkpoint has it, or at the beginning."""
        first = next(blocks(self.of.texts, self.among, self.asked.block, self.asked.seed))
        kept = checkpoint.saved(folder, self.plan)
        rows = self.of.rows(first, self.asked.block)
        learner = Learner(self.asked, self.of.reads, self.of.writes, rows)
        if kept is not None:
            learner.take(kept[0])
            self.history = kept[1]
        return learner

    def _learn(self, learner: Learner, folder: Path) -> None:
        """All steps that are left, block after block."""
        asked = self.asked
        in_block = asked.uses * (asked.block // asked.batch)
        number = learner.step // in_block
        watch = _Watch(self.progress, asked.tokens, learner.step * asked.batch)
        watch.tell(learner.step * asked.batch, self.history)
        for sequences in blocks(self.of.texts, self.among, asked.block, asked.seed, number):
            if learner.step >= asked.n_steps:
                return
            rows = self.of.rows(sequences, asked.block)
            for batch in self._batches(rows, number, learner.step - number * in_block):
                if learner.step >= asked.n_steps:
                    break
                if self.of.cancel is not None:
                    self.of.cancel.check()
                learner.learn(batch)
                done = learner.step * asked.batch
                if learner.step == asked.n_steps or _crosses(asked.checkpoint, done, asked.batch):
                    self._keep(learner, folder)
                watch.tell(done, self.history)
            number += 1

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

    def _keep(self, learner: Learner, folder: Path) -> None:
        """Measure, and write a checkpoint."""
        sae = learner.autoencoder(self.layout)
        done = learner.step * self.asked.batch
        found = self.held_out.measured(sae, done, int(learner.dead.sum()))
        self.history.append(found)
        checkpoint.save(folder, learner, self.plan, self.history)

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
        needed = COPIES * _bytes(self.of.model, self.asked, (self.of.reads, self.of.writes))
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


class _Watch:
    """Says how fast it goes and what was measured last."""

    def __init__(self, progress: Progress | None, total: int, first: int) -> None:
        self._progress, self._total, self._first = progress, total, first
        self._start = time.monotonic()

    def tell(self, done: int, history: Sequence[Measured]) -> None:
        if self._progress is None:
            return
        seconds = time.monotonic() - self._start
        rate = (done - self._first) / seconds if seconds and done > self._first else 0.0
        left = f", {(self._total - done) / rate / 60:.0f} min left" if rate else ""
        last = f"; {history[-1].words()}" if history else ""
        self._progress(f"{rate:,.0f} tokens a second{left}{last}", done, self._total)
