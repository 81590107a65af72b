"""One or two runs read as a lens: states of the rows, through a decoder and the vocabulary.

Positions are read some at a time, all rows of a position in one product, so that memory does not
grow with layers x positions x vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.lens.decoders import edits_final_norm, through_suffix
from unembed.analyses.lens.plan import LensPlan, Row, check_cells
from unembed.analyses.lens.result import LensResult
from unembed.engine.cancel import Cancel
from unembed.engine.passes.run import Run
from unembed.engine.reading.readout import Readout
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float, Int


CELLS_AT_A_TIME = 4096  # decoded states held at once; more rows to a product gain nothing
NONE = -1  # the id of the token that there is none of


class LensReading:
    """One or two runs being read. States go by position, then run, then row.

    All rows of a position share a reference, the last row, and so come into one product.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        plan: LensPlan,
        cancel: Cancel | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.model = runs[0].model
        self.runs = runs
        self.plan = plan
        self.n_positions = len(plan.positions)
        self._index = torch.tensor(plan.positions)
        self._cancel = cancel
        self._progress = progress
        self._per_position = len(runs) * len(plan.rows)
        check_cells(plan, self.model.settings.max_lens_cells, len(runs))

    # ------------------------------------------------------------ states

    @cached_property
    def _finals(self) -> list[Float[Tensor, "pos d"]]:
        """Of each run, what the model itself gave to its unembedding."""
        return [run["final_norm"][self._index] for run in self.runs]

    @cached_property
    def _is_plain(self) -> bool:
        """Whether each position can be decoded by itself: only then some at a time."""
        return self.plan.decoder.layer is None and not any(map(edits_final_norm, self.runs))

    @cached_property
    def _decoded(self) -> list[list[Float[Tensor, "pos d"]]]:
        """Of each run, every row but the last after the decoder; none where it is the plain one."""
        if self._is_plain:
            return [[] for _ in self.runs]
        inner = self.plan.rows[:-1]
        return [
            [self._through(run, row, which * len(inner) + order) for order, row in enumerate(inner)]
            for which, run in enumerate(self.runs)
        ]

    def _through(self, run: Run, row: Row, order: int) -> Float[Tensor, "pos d"]:
        """One row through the suffix, at every position of the prompt; those read are kept."""
        n_rows = len(self.runs) * (len(self.plan.rows) - 1)

        def report(_stage: str, done: int, total: int) -> None:
            if self._progress is not None:
                stage = f"decoding row {order + 1} of {n_rows}"
                self._progress(stage, order * total + done, n_rows * total)

        if self._cancel is not None:
            self._cancel.check()
        state = state_of(run, row)
        return through_suffix(run, state, self.plan.decoder, self._cancel, report)[self._index]

    def _states(self, slab: slice) -> Float[Tensor, "n d"]:
        """What the unembedding reads, for every run and row of some positions."""
        stacks = []
        for run, final, decoded in zip(self.runs, self._finals, self._decoded, strict=True):
            rows = self.plan.rows[:-1] if self._is_plain else ()
            plain = [state_of(run, row, self._index[slab]).to(final.device) for row in rows]
            if plain:
                stacks.append(self.model.final_norm(torch.stack(plain, 1)))
            stacks += [state[slab, None] for state in decoded]
            stacks.append(final[slab, None])
        return torch.cat(stacks, 1).flatten(0, 1)

    # ------------------------------------------------------------ reading

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
        final = readout.top_ids[len(self.plan.rows) - 1 :: self._per_position, 0]
        if self._follows_final and not torch.equal(final, self.target_ids[slab]):
            # Products of different shapes may round a near tie for the first place differently.
            # The grid's own last row decides: the same product again gives the same bits.
            self.target_ids[slab] = final
            readout = self._read_states(states, slab, references, report)
        return readout

    def _read_states(
        self, states: Tensor, slab: slice, references: Tensor, progress: Progress
    ) -> Readout:
        rated = self.plan.target
        if rated is None:
            targets = self.target_ids[slab].clamp_min(0).repeat_interleave(self._per_position)
        else:
            targets = torch.tensor(rated.ids).expand(len(states), -1)
        return self.model.unembedding.read(
            states,
            k=self.plan.top_k,
            targets=targets,
            references=references,
            mean=rated is not None and rated.needs_mean,
            kl_floor=self.plan.kl_floor,
            cancel=self._cancel,
            progress=progress,
        )

    @property
    def _follows_final(self) -> bool:
        return self.plan.target is None and self.plan.follow == "final"

    def _target_ids(self) -> Int[Tensor, " position"]:
        if self._follows_final:
            unembedding = self.model.unembedding
            return unembedding.read(self._finals[0], k=1, cancel=self._cancel).top_ids[:, 0]
        device = self._finals[0].device
        if self.plan.target is not None:
            return torch.full((self.n_positions,), self.plan.target.ids[0], device=device)
        if self.plan.follow == "next":
            return self._next_ids().to(device)
        return torch.tensor(self.runs[0].ids)[self._index].to(device)

    def _next_ids(self) -> Int[Tensor, " position"]:
        """A masked model reads the token at a position, not the one after it."""
        ids = self.runs[0].ids
        following = [NONE] * len(ids) if self.model.kind == "masked" else [*ids[1:], NONE]
        return torch.tensor(following)[self._index]

    def _references(self, n_positions: int) -> Int[Tensor, "n pairs"]:
        """Of each state: its run's last row; with two runs, also the baseline's same cell."""
        n_rows = len(self.plan.rows)
        index = torch.arange(n_positions * self._per_position)
        last = index // n_rows * n_rows + n_rows - 1
        if len(self.runs) == 1:
            return last[:, None]
        same = index - index // n_rows % 2 * n_rows
        return torch.stack([last, same], 1)

    # ------------------------------------------------------------ results

    def cells(self, values: Tensor) -> Tensor:
        """[run, row, position, ...] of what was read for each state."""
        each = values.shape[1:]
        shaped = values.reshape(self.n_positions, len(self.runs), len(self.plan.rows), *each)
        return shaped.movedim(0, 2).cpu()

    def result(self, which: int, readout: Readout) -> LensResult:
        """What was read of one of the runs."""
        plan, run = self.plan, self.runs[which]
        top_ids = self.cells(readout.top_ids)[which]
        target_ids, next_ids = self.target_ids.cpu(), self._next_ids()
        occurring = torch.unique(torch.cat([top_ids.flatten(), target_ids, next_ids]))
        none = target_ids == NONE
        return LensResult(
            rows=plan.names,
            positions=plan.positions,
            tokens=self.model.tokens([run.ids[position] for position in plan.positions]),
            n_prompt=plan.n_prompt,
            prompt_ids=run.ids,
            source_tokens=run.source_tokens,
            decoder=plan.decoder.name,
            follow=plan.follow,
            target=None if plan.target is None else plan.target.token,
            objective=None if plan.target is None else plan.target.words,
            kl_floor=plan.kl_floor,
            vocabulary=self.model.tokens(occurring[occurring != NONE].tolist()),
            provenance=run.provenance,
            target_ids=target_ids,
            next_ids=next_ids,
            top_ids=top_ids,
            top_logits=self.cells(readout.top_logits)[which],
            top_probabilities=self.cells(readout.top_probabilities)[which],
            logit=self.cells(readout.target_logits[:, 0])[which].masked_fill(none, torch.nan),
            probability=self.cells(readout.target_probabilities[:, 0])[which].masked_fill(
                none, torch.nan
            ),
            rank=self.cells(readout.ranks[:, 0])[which].masked_fill(none, 0),
            value=self._values(which, readout),
            kl=self.cells(readout.kl[:, 0])[which],
            entropy=self.cells(readout.entropy)[which],
        )

    def _values(self, which: int, readout: Readout) -> Float[Tensor, "row position"] | None:
        """The objective in each cell, where it is more than the logit of one token."""
        rated = self.plan.target
        found = None if rated is None or rated.is_one_logit else rated.values(readout)
        if found is None:
            return None
        return self.cells(found.to(readout.target_logits.dtype))[which]


def state_of(run: Run, row: Row, index: Tensor | None = None) -> Float[Tensor, "pos d_model"]:
    """A row's state of the residual stream, at every position or at some."""
    wholes = (run[site] for site in row.sites)
    first, *rest = (whole if index is None else whole[index] for whole in wholes)
    for part in rest:
        first = first + part
    return first
