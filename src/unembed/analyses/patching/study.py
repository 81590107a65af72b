"""Patching grids over many pairs of prompts: the mean of each cell, and how sure it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from unembed.analyses.patching.grid import patch_grid
from unembed.analyses.patching.options import BY_HEAD, PairsOptions, PatchOptions, PatchPlaces
from unembed.analyses.patching.pairs import PromptPair
from unembed.analyses.patching.result import LeftOut, PatchGrid, PatchStudy
from unembed.analyses.tools.checks import chosen
from unembed.analyses.tools.quantiles import student
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.errors import InputError, TooLargeError, UnembedError
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
    limit = model.settings.max_pairs
    if len(pairs) > limit:
        raise TooLargeError(
            f"there are {len(pairs):,} pairs; the limit is {limit:,} (max_pairs)",
            field="pairs",
            value=len(pairs),
            legal=f"at most {limit:,} pairs",
        )
    fitting, left_out = _fitting(model, pairs, options)
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
        raise _none(left_out)
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


def _fitting(
    model: Loaded, pairs: Sequence[PromptPair], options: PairsOptions
) -> tuple[list[int], list[LeftOut]]:
    """Pairs that one grid can be made of, by number, and those that it cannot, and why."""
    lengths: dict[int, int] = {}
    left_out: list[LeftOut] = []
    for order, pair in enumerate(pairs):
        try:
            length, other = (
                len(model.read_prompt(one).ids) for one in (pair.clean, pair.corrupted)
            )
            answers = {model.token_id(one) for one in (pair.answer, pair.wrong)}
        except UnembedError as error:
            left_out.append(LeftOut(order, error.message))
            continue
        if length != other:
            why = f"the clean prompt has {length} tokens and the corrupted one {other}"
            left_out.append(LeftOut(order, why))
        elif len(answers) == 1:
            left_out.append(LeftOut(order, "answer and wrong answer are the same token"))
        else:
            lengths[order] = length
    if not lengths:
        raise _none(left_out)
    if options.site in BY_HEAD and options.positions is None:
        return list(lengths), left_out
    most = Counter(lengths.values()).most_common(1)[0][0]
    for order, length in lengths.items():
        if length != most:
            why = f"it has {length} tokens, and most have {most}: positions are not the same"
            left_out.append(LeftOut(order, why))
    return [order for order, length in lengths.items() if length == most], left_out


def _none(left_out: Sequence[LeftOut]) -> InputError:
    why = f"; of the first: {left_out[0].reason}" if left_out else ""
    return InputError(
        f"there is no pair that a grid can be made of{why}",
        field="pairs",
        value=len(left_out),
        legal="prompts of as many tokens, answers of one token each",
    )


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
