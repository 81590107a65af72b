"""Activation patching grids: one prompt is run again and again, each time with one activation that
another prompt had (Meng et al. 2022; Wang et al. 2022).

Where both prompts have the same activation nothing is run. In a causal model a run enters at the
layer and the position that it changes first, with keys and values of what comes before; elsewhere
cells are rows of a sweep. Many go through together, and only the objective's own tokens are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from unembed.analyses.patching.options import PatchOptions
from unembed.analyses.patching.plan import Cell, Plan, objective_of, planned
from unembed.analyses.patching.result import PatchGrid
from unembed.analyses.tools.checks import bounded_by_length, chosen
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import in_words, measured_position
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.passes.forward import Logits, request_of, run
from unembed.engine.passes.packed import Suffix, can_pack, packed_states
from unembed.engine.passes.run import Run
from unembed.engine.passes.suffix import prefix_of, states_after
from unembed.engine.sweep import sweep
from unembed.models.progress import Progress
from unembed.options import Explained, given

if TYPE_CHECKING:
    from torch import Tensor

DEFAULTS = PatchOptions()


@bounded_by_length("fewer layers, or a shorter prompt")
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
    plan = planned(model, clean, corrupted, options)
    objective = objective_of(model, plan.clean, plan.corrupted, options, cancel)
    first, other = _runs(plan, objective, cancel, progress)
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
        position=measured_position(model, objective, len(plan.clean.ids)),
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


def _runs(
    plan: Plan, objective: Objective, cancel: Cancel | None, progress: Progress | None
) -> tuple[Run, Run]:
    """The clean run and the corrupted one, with what cells and the objective read of them."""
    required = objective.required_capture(plan.model)
    capture = (*plan.capture, *plan.streams, *required)
    logits: Logits = "none" if required else "all"
    first, other = (
        run(plan.model, request_of(one, capture, logits=logits), cancel, progress)
        for one in (plan.clean, plan.corrupted)
    )
    return first, other


def _measured(
    plan: Plan,
    cells: Sequence[Cell],
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
    model, at = plan.model, objective.position
    packs = plan.at_positions and can_pack(model, prefix, into["final_norm"])
    found: dict[int, Tensor] = {}
    for batch in plan.packs(cells) if packs else plan.batches(cells):
        if progress is not None:
            progress("patching", len(found), len(cells))
        layer, first = min(plan.start(cells[one]) for one in batch)
        if packs:
            suffixes = [Suffix(plan.start(cells[one])[1], edits[one]) for one in batch]
            states = packed_states(model, prefix, suffixes, layer, at, cancel)
        else:
            rows = [edits[one] for one in batch]
            states = states_after(model, prefix, rows, (layer, first), at, cancel)
        found |= dict(zip(batch, objective.of_states(model, states), strict=True))
    return [found[order] for order in range(len(cells))]
