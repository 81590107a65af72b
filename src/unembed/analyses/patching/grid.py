"""Activation patching grids: one prompt is run again and again, each time with one activation that
another prompt had (Meng et al. 2022; Wang et al. 2022).

Where both prompts have the same activation nothing is run. In a causal model a run enters at the
layer and the position that it changes first, with keys and values of what comes before; elsewhere
cells are rows of a sweep. Many go through together, and only the objective's own tokens are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from unembed.analyses.patching.options import PatchOptions
from unembed.analyses.patching.result import PatchGrid
from unembed.analyses.tools.checks import checked_layers, chosen
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import in_words, read_target, read_text
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, patch
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.taps import refuse, why_not
from unembed.engine.passes.forward import Request, run
from unembed.engine.passes.run import Run
from unembed.engine.passes.suffix import prefix_of, states_after
from unembed.engine.sweep import USEFUL_TOKENS, sweep
from unembed.engine.targets import SiteKey, Target, node, site
from unembed.errors import InputError, PromptError, TooLargeError
from unembed.models.progress import Progress
from unembed.options import Explained, given

if TYPE_CHECKING:
    from torch import Tensor

DEFAULTS = PatchOptions()


@torch.no_grad()
def patch_grid(
    model: Loaded,
    clean: Prompt,
    corrupted: Prompt,
    target: str | int | Explained | None = None,
    *,
    options: PatchOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> PatchGrid:
    """The objective with each activation of one prompt put into the run of another.

    Args:
        clean: the prompt that the model answers as one expects; token by token as long as
        corrupted: the one that differs where it matters.
        target: what is measured, a token or a `ue.Objective`.
        options: what is patched into which; `target` and `changes` are single ones, as in
            `site="heads", distractor=" John"`.

    Raises:
        PromptError, TargetError, InputError: bad input, prompts of different lengths; nothing ran.
        CapabilityError: a site that the model does not have.
        TooLargeError: more cells than `max_patch_cells`.
    """
    options = chosen(options, given(target=target) | changes, {})
    plan = _planned(model, clean, corrupted, options)
    objective = _objective(plan, options, cancel)
    both = (*plan.capture, *plan.streams, *objective.required_capture(model))
    whole = objective.required_capture(model) == ()
    first, other = (
        run(
            model,
            Request(
                one.ids,
                both,
                logits="all" if whole else "none",
                source=one.source,
                segments=one.segments,
            ),
            cancel,
            progress,
        )
        for one in (plan.clean, plan.corrupted)
    )
    given_by, run_again = (first, other) if options.into == "corrupted" else (other, first)
    prompt = corrupted if options.into == "corrupted" else clean
    base = objective.value(run_again)
    cells = [cell for cell in plan.cells if plan.differs(cell, objective, given_by, run_again)]
    values = torch.full(plan.shape, float("nan"), dtype=base.dtype)
    for cell in plan.cells:
        values[cell.place] = base
    found = _measured(plan, cells, objective, given_by, run_again, prompt, cancel, progress)
    for cell, value in zip(cells, found, strict=True):
        values[cell.place] = value
    return PatchGrid(
        site=options.site,
        into=options.into,
        objective=in_words(model, objective.at(-1)),
        position=resolve_position(objective.position, len(plan.clean.ids)),
        layers=tuple(plan.layers),
        columns_at=tuple(plan.columns),
        positions=tuple(plan.positions),
        tokens=first.tokens,
        corrupted_tokens=other.tokens,
        clean=float(objective.value(first)),
        corrupted=float(objective.value(other)),
        n_runs=len(cells),
        n_unchanged=len(plan.cells) - len(cells),
        provenance=first.provenance,
        values=values,
    )


def _measured(
    plan: _Plan,
    cells: Sequence[_Cell],
    objective: Objective,
    source: Run,
    into: Run,
    prompt: Prompt,
    cancel: Cancel | None,
    progress: Progress | None,
) -> Sequence[Tensor]:
    """The objective of each cell: from its position on where the model can, else all of it."""
    if not cells:
        return ()
    edits = [cell.edits(source, plan.positions) for cell in cells]
    prefix = None
    if objective.is_of_logits and "lens" not in plan.model.anatomy.reasons:
        residuals = {layer: into[f"L{layer}.resid_pre"] for layer in plan.layers}
        prefix = prefix_of(plan.model, into.ids, residuals, into["final_norm"])
    if prefix is None:
        swept = sweep(
            plan.model, prompt, edits, objective=objective, cancel=cancel, progress=progress
        )
        return () if swept.values is None else list(swept.values)
    found: dict[int, Tensor] = {}
    for batch in plan.batches(cells):
        if progress is not None:
            progress("patching", len(found), len(cells))
        first = min(plan.start(cells[one]) for one in batch)
        states = states_after(
            plan.model, prefix, [edits[one] for one in batch], first, objective.position, cancel
        )
        found |= dict(zip(batch, objective.of_states(plan.model, states), strict=True))
    return [found[order] for order in range(len(cells))]


@dataclass(frozen=True)
class _Cell:
    """What one run puts in, and where its value stands."""

    place: tuple[int, int]
    target: Target
    position: int | None  # None: at all of the plan's

    def edits(self, source: Run, positions: Sequence[int]) -> tuple[Edit, ...]:
        if self.position is None:
            return (patch(self.target, source, positions=positions),)
        return (patch(self.target.at(self.position), source),)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Which cells there are."""

    model: Loaded
    clean: Any  # a prompt that was read
    corrupted: Any
    layers: list[int]
    columns: list[int]
    positions: list[int]
    cells: list[_Cell]
    capture: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.layers), len(self.columns)

    @property
    def first_difference(self) -> int:
        """The first position with another token: a causal model sees no difference before it."""
        if self.model.kind != "causal" or self.clean.source != self.corrupted.source:
            return 0
        pairs = enumerate(zip(self.clean.ids, self.corrupted.ids, strict=True))
        return next((pos for pos, (one, other) in pairs if one != other), len(self.clean.ids))

    @property
    def streams(self) -> tuple[str, ...]:
        """The stream before the layers that are patched, where runs enter."""
        return tuple(f"L{layer}.resid_pre" for layer in self.layers)

    def start(self, cell: _Cell) -> tuple[int, int]:
        """The layer and the position that a run of a cell may enter at."""
        first = max(self.first_difference, min(self.positions))
        return self.layers[cell.place[0]], first if cell.position is None else cell.position

    def batches(self, cells: Sequence[_Cell]) -> Iterator[list[int]]:
        """Cells of one layer whose runs enter together: as few as make products efficient."""
        n_positions = len(self.clean.ids)
        order = sorted(range(len(cells)), key=lambda one: self.start(cells[one]))
        batch: list[int] = []
        for one in order:
            begins = self.start(cells[batch[0]]) if batch else (0, 0)
            enough = len(batch) * (n_positions - begins[1]) >= USEFUL_TOKENS
            if batch and (enough or begins[0] != self.start(cells[one])[0]):
                yield batch
                batch = []
            batch.append(one)
        if batch:
            yield batch

    def differs(self, cell: _Cell, objective: Objective, source: Run, into: Run) -> bool:
        """Whether the cell puts in anything that is not there already."""
        first, last = self.first_difference, len(self.clean.ids)
        if self.model.kind == "causal" and not self.clean.source:
            last = objective.position + 1  # nothing later is seen there
        at = self.positions if cell.position is None else [cell.position]
        at = [one for one in at if first <= one < last]
        if not at:
            return False
        values = [one.value_of(cell.target, every_position=True)[at] for one in (source, into)]
        return not torch.equal(*values)


def _planned(model: Loaded, clean: Prompt, corrupted: Prompt, options: PatchOptions) -> _Plan:
    read, other = model.read_prompt(clean), model.read_prompt(corrupted)
    n_positions = len(read.ids)
    if len(other.ids) != n_positions:
        raise PromptError(
            f"the clean prompt has {n_positions} tokens and the corrupted one {len(other.ids)}: "
            "what stands at a position of one must have its place in the other",
            field="corrupted",
            value=len(other.ids),
            legal=f"{n_positions} tokens",
            fix="words of as many tokens, or ue.patch with source_positions",
        )
    chosen_at = options.positions
    positions = list(range(n_positions))
    if chosen_at is not None:
        positions = sorted({resolve_position(one, n_positions, "positions") for one in chosen_at})
    layers = _layers(model, options)
    cells: list[_Cell] = []
    if options.site == "heads":
        counts = [model.block(layer).attention.n_heads for layer in layers]
        columns = list(range(max(counts)))
        for row, (layer, n_heads) in enumerate(zip(layers, counts, strict=True)):
            cells += [
                _Cell((row, head), node("head", layer, head), None) for head in range(n_heads)
            ]
    else:
        columns = positions
        for row, layer in enumerate(layers):
            target = site(options.site, layer)
            cells += [_Cell((row, order), target, at) for order, at in enumerate(positions)]
    limit = model.settings.max_patch_cells
    if len(cells) > limit:
        raise TooLargeError(
            f"a grid of {len(layers)} layers x {len(columns)} is {len(cells):,} runs; the limit is "
            f"{limit:,} (max_patch_cells)",
            field="positions",
            value=len(cells),
            legal=f"at most {limit:,} cells",
            fix="name fewer layers or positions",
        )
    capture = tuple(_key(options, layer).name for layer in layers)
    return _Plan(model, read, other, layers, columns, positions, cells, capture)


def _layers(model: Loaded, options: PatchOptions) -> list[int]:
    """The layers of the rows: those named, or all that have the site."""
    if options.layers is not None:
        layers = checked_layers(model, options.layers)
        for layer in layers:
            refuse(model.anatomy, _key(options, layer), model.name, "layers")
        return layers
    every = range(model.anatomy.n_layers)
    layers = [layer for layer in every if why_not(model.anatomy, _key(options, layer)) is None]
    if not layers:
        refuse(model.anatomy, _key(options, 0), model.name, "site")
    return layers


def _key(options: PatchOptions, layer: int) -> SiteKey:
    return SiteKey("z" if options.site == "heads" else options.site, layer)


def _objective(plan: _Plan, options: PatchOptions, cancel: Cancel | None) -> Objective:
    """What is measured, at its position."""
    model, n_positions = plan.model, len(plan.clean.ids)
    position = resolve_position(options.position, n_positions)
    target = read_text(options.target)
    if isinstance(target, Objective) and options.distractor is None:
        own = isinstance(options.target, Explained)
        return target.at(resolve_position(target.position, n_positions) if own else position)
    distractor = options.distractor
    if target is None:
        model.require("lens")
        target, other = (
            run(model, Request(one.ids, source=one.source, segments=one.segments), cancel)
            .top(1, position)[0]
            .token.id
            for one in (plan.clean, plan.corrupted)
        )
        distractor = other if distractor is None else distractor
    rated = read_target(model, target, distractor)
    if rated is None or rated.objective is None:
        raise AssertionError("a target was read")
    if rated.tokens and rated.tokens == rated.others:
        raise InputError(
            f"target and distractor are the same token, {model.token(rated.tokens[0]).label!r}: "
            "their difference is 0 in every run",
            field="target" if options.distractor is None else "distractor",
            value=rated.tokens[0],
            legal="two tokens",
            fix='target=" Mary", distractor=" John"',
        )
    return rated.objective.at(position)
