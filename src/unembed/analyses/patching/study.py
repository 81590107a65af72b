"""Patching grids over many pairs of prompts: the mean of each cell, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from unembed.analyses.patching.fitting import fitting_pairs, none_fits
from unembed.analyses.patching.grid import patch_grid
from unembed.analyses.patching.options import BY_HEAD, PairsOptions, PatchOptions, PatchPlaces
from unembed.analyses.patching.pairs import PromptPair
from unembed.analyses.patching.result import LeftOut, PatchGrid, PatchStudy
from unembed.analyses.tools.checks import chosen
from unembed.analyses.tools.quantiles import student
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.errors import TooLargeError
from unembed.models.progress import Progress

DEFAULTS = PairsOptions()
CONFIDENCE = 0.95


def patch_pairs(
    model: Loaded,
    pairs: Sequence[PromptPair],
    *,
    options: PairsOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> PatchStudy:
    """A patching grid for each of many pairs, and the mean of each cell over them.

    What is measured is the answer's logit less the wrong answer's, at the last position. A pair is
    left out, with the reason, where its prompts have different numbers of tokens, an answer is not
    one token, or both prompts are answered alike to the last digit; where positions are patched
    also where it has another number of tokens than most.

    Args:
        pairs: of `ue.read_pairs`, `ue.pair_template`, or your own.
        options: what is patched into which; `changes` are single ones, as in `site="heads"`.

    Raises:
        InputError: no pairs, or none that fits; TargetError, CapabilityError: as `patch_grid`.
        TooLargeError: more pairs than `max_pairs`, more cells than `max_patch_cells`.
    """
    options = chosen(options, changes, {})
    aligned = options.site not in BY_HEAD or options.positions is not None
    fitting, left_out = fitting_pairs(model, pairs, aligned=aligned)
    places = PatchOptions(**options.only(PatchPlaces).values())
    grids: list[PatchGrid] = []
    for done, order in enumerate(fitting):
        if cancel is not None:
            cancel.check()
        if progress is not None:
            progress("pairs", done, len(fitting))
        pair = pairs[order]
        grid = _grid(model, pair, order, places, cancel)
        if grid.clean == grid.corrupted:
            left_out.append(LeftOut(order, "both prompts are answered alike"))
            continue
        grids.append(grid)
    if not grids:
        raise none_fits(left_out, "a grid")
    return _summed(grids, tuple(sorted(left_out, key=lambda one: one.pair)))


def _grid(
    model: Loaded, pair: PromptPair, order: int, places: PatchOptions, cancel: Cancel | None
) -> PatchGrid:
    """The grid of one pair; a prompt that is too long is named by its pair."""
    given: dict[str, Any] = {"distractor": pair.wrong, "cancel": cancel}
    try:
        return patch_grid(model, pair.clean, pair.corrupted, pair.answer, options=places, **given)
    except TooLargeError as error:
        if error.field == "prompt":
            error.field = f"pairs[{order}].clean"
        raise


def _summed(grids: Sequence[PatchGrid], left_out: tuple[LeftOut, ...]) -> PatchStudy:
    """Means over grids of one shape."""
    values = torch.stack([grid.values.double() for grid in grids])
    clean, corrupted = (
        torch.tensor([getattr(grid, side) for grid in grids], dtype=torch.float64)
        for side in ("clean", "corrupted")
    )
    moved = values - corrupted[:, None, None]
    span = clean - corrupted
    restored, error = _ratio(moved, span)
    first = grids[0]
    return PatchStudy(
        site=first.site,
        into=first.into,
        layers=first.layers,
        columns_at=first.columns_at,
        tokens=first.tokens,
        n_pairs=len(grids),
        left_out=left_out,
        clean=float(clean.mean()),
        corrupted=float(corrupted.mean()),
        n_runs=sum(grid.n_runs for grid in grids),
        confidence=CONFIDENCE,
        provenance=first.provenance,
        restored=restored,
        low=restored - error,
        high=restored + error,
    )


def _ratio(moved: Tensor, span: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over pairs of what each cell moves, as a share of the mean difference; its half-width.

    A ratio of means, not a mean of ratios: a pair whose prompts are answered nearly alike would
    outweigh all others. The interval is the delta method's, with Student's t.
    """
    n_pairs = len(span)
    found = moved.mean(0) / span.mean()
    if n_pairs < 2:
        return found, torch.full_like(found, float("nan"))
    off = moved - found * span[:, None, None]
    spread = off.std(0) / sqrt(n_pairs) / span.mean().abs()
    return found, spread * student((1 + CONFIDENCE) / 2, n_pairs - 1)
