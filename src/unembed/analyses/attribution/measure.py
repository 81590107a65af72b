"""Estimated effects beside measured ones: runs without each node, many in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.attribution import latents
from unembed.analyses.attribution.options import AttributionOptions
from unembed.analyses.attribution.references import References
from unembed.analyses.attribution.result import (
    AttributedNode,
    Attribution,
    NodeGroup,
    Verification,
)
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.writes import branch_output
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, add, set_to, zero
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.nodes import Branch
from unembed.engine.passes.run import Run
from unembed.engine.sweep import sweep
from unembed.engine.targets import site
from unembed.errors import TooLargeError
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float


SWEPT = 512  # rows of one sweep: what it keeps of each stays small


@dataclass(frozen=True, eq=False)
class Measuring:
    """One prompt whose runs without nodes are measured.

    Args:
        seen: the plain run, with every site that the nodes are at.
        references: what a node is replaced by.
    """

    model: Loaded
    prompt: Prompt
    seen: Run
    edits: tuple[Edit, ...]
    objective: Objective
    references: References
    cancel: Cancel | None = None
    progress: Progress | None = None

    def losses(self, without: Sequence[tuple[Edit, ...]]) -> Float[Tensor, " run"]:
        """What the objective loses by each of these edits, beside a run of the same sweep."""
        found = []
        for first in range(0, len(without), SWEPT):
            if self.progress is not None:
                self.progress("measuring", first, len(without))
            some = [(*self.edits, *one) for one in without[first : first + SWEPT]]
            rows = [self.edits, *some]
            swept = sweep(
                self.model,
                self.prompt,
                rows,
                objective=self.objective,
                cancel=self.cancel,
                progress=self.progress if len(without) <= SWEPT else None,
            )
            if swept.values is None:
                raise AssertionError("there is an objective")
            found.append((swept.values[0] - swept.values[1:]).double())
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.float64)

    def without(self, group: NodeGroup, index: tuple[int, ...]) -> tuple[Edit, ...]:
        """What takes one node out of a run, or puts in its place what it is compared with."""
        name, position = group.name(index), index[0]
        if group.kind == "bias":
            if self.references.keeps_biases:
                return ()
            branch = bias_branch(group)
            written = branch_output(self.seen, group.layer or 0, branch).bias_write()[position]
            return (add(site(f"{branch}_out", group.layer).at(position), -written),)
        if group.kind in ("latent_bias", "error"):
            key, written = latents.written_by(group, self.seen, position)
            return (add(site(key.site, key.layer).at(position), -written),)
        value = self.references.at(name)
        return (zero(name),) if isinstance(value, float) else (set_to(name, value),)


def bias_branch(group: NodeGroup) -> Branch:
    """Of a group of biases: whose."""
    branches: tuple[Branch, ...] = ("attn", "cross", "mlp")
    return next(one for one in branches if group.stem.endswith(f".{one}_bias"))


def rows_measured(
    measuring: Measuring, found: Attribution, rows: Sequence[AttributedNode]
) -> Attribution:
    """The attribution with these of its nodes measured, each by a run."""
    places = [found.place(row.name) for row in rows]
    return _with(found, places, measuring)


def all_measured(
    measuring: Measuring, found: Attribution, options: AttributionOptions
) -> Attribution:
    """The attribution with every node measured, of the layers and positions that the options name.

    What comes after the objective's position in a causal model, and what adds nothing and is
    replaced by nothing, does nothing: it is not run. Raises TooLargeError above
    `max_measured_nodes`, before any run.
    """
    groups, places = list(found.groups), []
    for order, group in enumerate(groups):
        if options.layers is not None and group.layer not in options.layers:
            continue
        here = torch.zeros_like(group.total, dtype=torch.bool)
        here[list(options.positions or range(len(here)))] = True
        does = acts(measuring, group, found.position) & here
        nothing = torch.full(here.shape, float("nan"), dtype=torch.float64)
        groups[order] = replace(group, measured=nothing.masked_fill(here & ~does, 0.0))
        places += [(order, tuple(index)) for index in does.nonzero().tolist()]
    _check_size(len(places), measuring)
    return _with(replace(found, groups=tuple(groups)), places, measuring)


def acts(measuring: Measuring, group: NodeGroup, position: int) -> Tensor:
    """Which nodes of a group can do anything to what is measured at a position."""
    found = torch.ones_like(group.total, dtype=torch.bool)
    if measuring.model.kind == "causal":
        found[position + 1 :] = False
    if group.kind in ("pair", "latent") and group.activation is not None:
        found &= group.activation != 0
    return found


def _with(
    found: Attribution, places: Sequence[tuple[int, tuple[int, ...]]], measuring: Measuring
) -> Attribution:
    """The attribution with what the nodes at these places do, and how close estimates of it are."""
    groups = list(found.groups)
    losses = measuring.losses([measuring.without(groups[order], index) for order, index in places])
    by_order: dict[int, Tensor] = {}
    estimated = []
    for (order, index), loss in zip(places, losses.tolist(), strict=True):
        if order not in by_order:
            group = groups[order]
            new = torch.full(group.total.shape, float("nan"), dtype=torch.float64)
            by_order[order] = new if group.measured is None else group.measured.clone()
        by_order[order][index] = loss
        estimated.append(float(groups[order].total[index]))
    for order, values in by_order.items():
        groups[order] = replace(groups[order], measured=values)
    verification = agreement(torch.tensor(estimated, dtype=torch.float64), losses)
    return replace(found, groups=tuple(groups), verification=verification)


def _check_size(n_nodes: int, measuring: Measuring) -> None:
    limit = measuring.model.settings.max_measured_nodes
    if n_nodes <= limit:
        return
    started = perf_counter()
    measuring.losses([()])
    minutes = (perf_counter() - started) / 2 * n_nodes / 60
    raise TooLargeError(
        f"to measure every node takes {n_nodes:,} runs, up to {minutes:,.1f} minutes here; the "
        f"limit is {limit:,} (max_measured_nodes)",
        field="verify_all",
        value=n_nodes,
        legal=f"at most {limit:,} nodes",
        fix="name layers or positions, use pairs=False, verify some and sample the others, or "
        "raise the limit",
    )


def agreement(estimated: Tensor, changes: Tensor) -> Verification:
    """How close estimates [n] are to what was measured [n]."""
    error = float((estimated - changes).abs().max()) if len(changes) else 0.0
    return Verification(
        len(changes),
        _correlation(estimated, changes),
        _correlation(_ranks(estimated), _ranks(changes)),
        error,
    )


def _correlation(first: Tensor, second: Tensor) -> float | None:
    """Pearson's; None where it is not defined, or says nothing."""
    if len(first) < 3:
        return None
    one, other = first - first.mean(), second - second.mean()
    size = float(one.norm() * other.norm())
    return float(one @ other) / size if size > 0 else None


def _ranks(values: Tensor) -> Tensor:
    """Ranks from 0; equal numbers share the mean of theirs."""
    ordered = values.sort().values
    below = torch.searchsorted(ordered, values)
    above = torch.searchsorted(ordered, values, right=True)
    return (below + (above - below - 1) / 2).double()
