"""What a patch takes from another run: the same positions, chosen ones, their mean, or a draw."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from unembed.engine.editing.drawing import draw
from unembed.engine.editing.edits import Edit, Recorded
from unembed.engine.names.sites import resolve_position
from unembed.engine.targets import Target
from unembed.errors import EditError


def taken(
    edit: Edit, target: Target, positions: tuple[int, ...] | None, n_positions: int, field: str
) -> tuple[Tensor, tuple[int, ...]]:
    """What a patch writes, one entry for each position, and those positions."""
    run = _run_of(edit, field)
    positions = tuple(range(n_positions)) if positions is None else positions
    if edit.take == "mean":
        mean = mean_taken(edit, target, field)
        return mean.expand(len(positions), *mean.shape), positions
    if edit.take == "drawn":
        return _drawn(edit, run, target, positions, field), positions
    there, sources = run.lengths.of(target.site_key), edit.source_positions
    if sources is None and edit.positions is None and target.position is None:
        _check_alike(edit, there, n_positions, field)
    sources = positions if sources is None else sources
    if len(sources) != len(positions):
        raise EditError(
            f"patch at {edit.target}: {len(positions)} positions here and {len(sources)} in the "
            "other run; give one for each",
            field=f"{field}.source_positions",
            value=len(sources),
            legal=f"{len(positions)} positions",
        )
    rows = [resolve_position(pos, there, f"{field}.source_positions") for pos in sources]
    whole = _whole(edit, run, target)
    paired = target.is_pairs and target.head is None
    return (whole[:, rows] if paired else whole[rows]), positions


def mean_taken(edit: Edit, target: Target, field: str) -> Tensor:
    """The mean of the target over all positions of the other run, or over those it names."""
    run = _run_of(edit, field)
    _check_no_pairs(edit, target, field)
    whole, there = _whole(edit, run, target), run.lengths.of(target.site_key)
    if edit.source_positions is not None:
        here = f"{field}.source_positions"
        whole = whole[[resolve_position(pos, there, here) for pos in edit.source_positions]]
    wide = torch.promote_types(whole.dtype, torch.float32)  # a sum of halves overflows
    return whole.mean(0, dtype=wide).to(whole.dtype)


def _drawn(
    edit: Edit, run: Recorded, target: Target, positions: tuple[int, ...], field: str
) -> Tensor:
    _check_no_pairs(edit, target, field)
    there = run.lengths.of(target.site_key)
    if there == 1 and any(positions):
        raise EditError(
            f"patch at {edit.target} draws from positions behind the first of the other run, "
            "which has one token",
            field=f"{field}.source",
            value=1,
            legal="2 tokens or more",
        )
    rows = draw(max(positions) + 1, [there], edit.seed)
    return _whole(edit, run, target)[[rows[position] for position in positions]]


def _run_of(edit: Edit, field: str) -> Recorded:
    if edit.source is None:
        raise EditError(
            f"patch at {edit.target} has no run to take the activation from",
            field=f"{field}.source",
            legal="a run",
        )
    return edit.source


def _check_alike(edit: Edit, there: int, n_positions: int, field: str) -> None:
    if there != n_positions:
        raise EditError(
            f"patch at {edit.target}: this prompt has {n_positions} tokens and the other run "
            f"{there}; say which positions",
            field=f"{field}.positions",
            legal="positions and source_positions",
            fix='or take="mean" or "drawn", of a run of any length',
        )


def _check_no_pairs(edit: Edit, target: Target, field: str) -> None:
    if target.is_pairs:
        raise EditError(
            f"{edit.target} has a row for each query, which has no mean and cannot stand elsewhere",
            field=f"{field}.take",
            value=edit.take,
            legal='take="same"',
            fix="knock_out for pairs, or patch what the head writes, as in L9.H6",
        )


def _whole(edit: Edit, run: Recorded, target: Target) -> Tensor:
    """What the target is in another run, at every position."""
    return run.value_of(
        replace(target, position=None, key=None, text=edit.target), every_position=True
    )
