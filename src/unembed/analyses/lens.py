"""The logit lens: every row of the residual stream, at every position, read as a prediction.

A row's state goes through the model's own final norm (and, in masked models, the head's transform)
and its unembedding. The last row is not decoded at all: it is what the model itself gave to its
unembedding. (nostalgebraist, "interpreting GPT: the logit lens", 2020.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.grid import LensGrid
from unembed.engine.places import why_not
from unembed.engine.unembedding import Readout
from unembed.errors import InputError, TooLargeError

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from unembed.engine.cancel import Cancel
    from unembed.engine.edits import Edit
    from unembed.engine.hooks import Progress
    from unembed.engine.model import Model, Prompt
    from unembed.engine.run import Run

CELLS_AT_A_TIME = 4096  # decoded states held at once; more rows to a product gain nothing


@dataclass(frozen=True, eq=False)
class LensComparison:
    """Two runs on the same tokens. Both grids score the same tokens: the baseline's."""

    baseline: LensGrid
    edited: LensGrid
    kl_between: Float[Tensor, "row position"]  # KL(baseline ‖ edited) of the same cell, nats


def logit_lens(
    model: Model,
    prompt: Prompt,
    *,
    k: int = 10,
    target: str | int | None = None,
    sublayers: bool = False,
    edits: Sequence[Edit] = (),
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> LensGrid:
    """Run the model on a prompt and read every row of its residual stream.

    Args:
        k: how many tokens to list for each cell.
        target: the token that probability and rank are of; by default, at each position, the
            token that the model finally puts first.
        sublayers: also a row after each attention, "L0.resid_mid".
        edits: changes made while the model runs.

    Raises:
        PromptError, TargetError, EditError: bad input; nothing was run.
        CapabilityError: this model's states cannot be unembedded, or it has no `resid_mid`.
        TooLargeError: more cells than `max_lens_cells`.
    """
    ids = model.tokenize(prompt)
    rows = lens_rows(model, sublayers)
    if target is not None:
        target = model.token_id(target)
    _check_cells(model, len(rows), len(ids))
    capture = lens_capture(model, sublayers)
    run = model.run(ids, capture, edits, logits="none", cancel=cancel, progress=progress)
    return lens_of_run(
        run, k=k, target=target, sublayers=sublayers, cancel=cancel, progress=progress
    )


def lens_rows(model: Model, sublayers: bool = False) -> tuple[str, ...]:
    """Names of the rows, bottom to top."""
    model.require("lens")
    if sublayers:
        model.require("resid_mid")
    rows = ["embed"]
    for layer in range(model.anatomy.n_layers):
        if sublayers and why_not(model.anatomy, ("resid_mid", layer)) is None:
            rows.append(f"L{layer}.resid_mid")
        rows.append(f"L{layer}.resid_post")
    return tuple(rows)


def lens_capture(model: Model, sublayers: bool = False) -> tuple[str, ...]:
    """What a run must have captured for `lens_of_run`."""
    return (*lens_rows(model, sublayers)[:-1], "final_norm")


def lens_of_run(
    run: Run,
    *,
    k: int = 10,
    target: str | int | None = None,
    sublayers: bool = False,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> LensGrid:
    """The grid of a run that captured `lens_capture(model, sublayers)`."""
    lens = _Lens([run], k, target, sublayers, cancel, progress)
    return lens.grid(0, lens.read())


def compare_lenses(
    baseline: Run,
    edited: Run,
    *,
    k: int = 10,
    target: str | int | None = None,
    sublayers: bool = False,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> LensComparison:
    """The grids of two runs on the same tokens, and how far apart their cells are.

    Without a target, both grids score the token that the baseline finally puts first, so that
    their cells can be compared.
    """
    if baseline.ids != edited.ids:
        raise InputError("the two runs have different tokens, so their cells do not correspond")
    lens = _Lens([baseline, edited], k, target, sublayers, cancel, progress)
    readout = lens.read()
    between = lens.cells(readout.kl[:, 1])[1]
    return LensComparison(lens.grid(0, readout), lens.grid(1, readout), between)


class _Lens:
    """One or two runs being read. States go by position, then run, then row.

    All rows of a position share a reference, the last row, and so come into one product.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        k: int,
        target: str | int | None,
        sublayers: bool,
        cancel: Cancel | None,
        progress: Progress | None,
    ) -> None:
        self.model = runs[0].model
        self.runs = runs
        self.rows = lens_rows(self.model, sublayers)
        self.k = k
        self.target = None if target is None else self.model.token_id(target)
        self.n_positions = len(runs[0].ids)
        self._capture = lens_capture(self.model, sublayers)
        self._cancel = cancel
        self._progress = progress
        self._per_position = len(runs) * len(self.rows)
        _check_cells(self.model, self._per_position, self.n_positions)

    @torch.no_grad()
    def read(self) -> Readout:
        """Every cell, some positions at a time: states [position * run * row]."""
        self.target_ids = self._target_ids()
        step = max(1, CELLS_AT_A_TIME // self._per_position)
        slabs = [
            slice(start, min(start + step, self.n_positions))
            for start in range(0, self.n_positions, step)
        ]
        return Readout.joined([self._read_slab(slab, slabs) for slab in slabs])

    def _read_slab(self, slab: slice, slabs: list[slice]) -> Readout:
        states = self._states(slab)
        references = self._references(slab.stop - slab.start)

        def report(stage: str, done: int, total: int) -> None:
            if self._progress is not None:
                self._progress(stage, slabs.index(slab) * total + done, len(slabs) * total)

        readout = self._read_states(states, slab, references, report)
        final = readout.top_ids[len(self.rows) - 1 :: self._per_position, 0]
        if self.target is None and not torch.equal(final, self.target_ids[slab]):
            # Products of different shapes may round a near tie for the first place differently.
            # The grid's own last row decides: the same product again gives the same bits.
            self.target_ids[slab] = final
            readout = self._read_states(states, slab, references, report)
        return readout

    def _read_states(
        self, states: Tensor, slab: slice, references: Tensor, progress: Progress
    ) -> Readout:
        return self.model.unembedding.read(
            states,
            k=self.k,
            targets=self.target_ids[slab].repeat_interleave(self._per_position),
            references=references,
            cancel=self._cancel,
            progress=progress,
        )

    def _target_ids(self) -> Int[Tensor, " position"]:
        final = self.runs[0]["final_norm"]
        if self.target is not None:
            return torch.full((self.n_positions,), self.target, device=final.device)
        return self.model.unembedding.read(final, k=1, cancel=self._cancel).top_ids[:, 0]

    def _states(self, slab: slice) -> Float[Tensor, "n d"]:
        """What the unembedding reads, for every run and row of some positions."""
        stacks = []
        for run in self.runs:
            final = run["final_norm"][slab, None]
            inner = [run[name][slab].to(final.device) for name in self._capture[:-1]]
            stacks += [self.model.final_norm(torch.stack(inner, 1)), final]
        return torch.cat(stacks, 1).flatten(0, 1)

    def _references(self, n_positions: int) -> Int[Tensor, "n pairs"]:
        """Of each state: its run's last row; with two runs, also the baseline's same cell."""
        n_rows = len(self.rows)
        index = torch.arange(n_positions * self._per_position)
        last = index // n_rows * n_rows + n_rows - 1
        if len(self.runs) == 1:
            return last[:, None]
        same = index - index // n_rows % 2 * n_rows
        return torch.stack([last, same], 1)

    def cells(self, values: Tensor) -> Tensor:
        """[run, row, position, ...] of what was read for each state."""
        each = values.shape[1:]
        shaped = values.reshape(self.n_positions, len(self.runs), len(self.rows), *each)
        return shaped.movedim(0, 2).cpu()

    def grid(self, which: int, readout: Readout) -> LensGrid:
        top_ids = self.cells(readout.top_ids)[which]
        target_ids = self.target_ids.cpu()
        occurring = torch.unique(torch.cat([top_ids.flatten(), target_ids])).tolist()
        return LensGrid(
            rows=self.rows,
            tokens=self.runs[which].tokens,
            target=None if self.target is None else self.model.token(self.target),
            vocabulary=self.model.tokens(occurring),
            target_ids=target_ids,
            top_ids=top_ids,
            top_probabilities=self.cells(readout.top_probabilities)[which],
            probability=self.cells(readout.target_probabilities[:, 0])[which],
            rank=self.cells(readout.ranks[:, 0])[which],
            kl=self.cells(readout.kl[:, 0])[which],
            entropy=self.cells(readout.entropy)[which],
        )


def _check_cells(model: Model, n_rows: int, n_positions: int) -> None:
    limit = model.settings.max_lens_cells
    if n_rows * n_positions > limit:
        raise TooLargeError(
            f"the lens would have {n_rows} rows x {n_positions} positions = "
            f"{n_rows * n_positions:,} cells; the limit is {limit:,} (max_lens_cells): "
            "use a shorter prompt, or leave sub-layers out",
            field="prompt",
            value=n_rows * n_positions,
            legal=f"at most {limit:,} cells",
        )
