"""A bound on what nodes do that were not measured, from runs without random parts of them.

As in the diagnostics of AtP* (Kramár et al. 2024, arXiv:2403.00745), subsets are taken out as a
whole. Every node is out in `OUT` of the runs, drawn at random; the mean loss of those runs less
that of the others estimates what the node does, beside which all others are noise of the same size
for every node; where estimated effects leave less of it, it is what they leave that is compared. As
far as effects add up, a node does no more than that difference and the part of the noise that
chance may have hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import sqrt

import torch
from torch import Tensor

from unembed.analyses.attribution.measure import Measuring, acts, bias_branch
from unembed.analyses.attribution.result import Attribution, Bound, NodeGroup
from unembed.analyses.tools.quantiles import student
from unembed.analyses.tools.writes import branch_output
from unembed.engine.editing.edits import Edit, add, by_analysis, set_to
from unembed.engine.targets import site
from unembed.errors import InputError

OUT = 8  # of the runs, in how many each node is out
FEWEST = 16
CONFIDENCE = 0.95
SITES = {
    "embed": "embed",
    "head": "z",
    "pair": "pattern",
    "cross_head": "cross_z",
    "neuron": "mlp_post",
    "attn": "attn_out",
    "cross": "cross_out",
    "mlp": "mlp_out",
    "mixer": "mixer_out",
    "ple": "ple_out",
    "query": "q",
    "key": "k",
}
WHOLES = ("attn", "cross", "mlp", "stream")


def check_sample(n_runs: int) -> None:
    """Raise InputError for fewer runs than say anything."""
    if 0 < n_runs < FEWEST:
        raise InputError(
            f"sample is {n_runs}; fewer than {FEWEST} runs bound nothing",
            field="sample",
            value=n_runs,
            legal=f"0, or from {FEWEST}",
        )


@torch.no_grad()
def bounded(measuring: Measuring, found: Attribution, n_runs: int) -> Attribution:
    """The attribution with a bound on what its nodes do that were not measured.

    Args:
        n_runs: more make the bound tighter, by the root of their number.
    """
    drawn = torch.Generator().manual_seed(0)
    out = [_drawn(measuring, group, found.position, n_runs, drawn) for group in found.groups]
    edits = [tuple(_without(measuring, found.groups, out, run)) for run in range(n_runs)]
    losses = measuring.losses(edits)
    n_nodes = sum(int(some.any(0).sum()) for some in out)
    estimates = [one.total.double().cpu() for one in found.groups]
    expected = torch.stack([_sum(estimates, out, run) for run in range(n_runs)])
    # estimates leave less to chance where they are good, and more where they are not
    ways = [(losses - expected, 1.0), (losses, 0.0)]
    rest, trust = min(ways, key=lambda way: float(way[0].std()))
    share = 1 - (1 - CONFIDENCE) / 2 / len(ways) / max(n_nodes, 1)
    spread = float(rest.std()) * sqrt(1 / OUT + 1 / (n_runs - OUT))
    hidden = spread * student(share, n_runs - 2)
    largest, name = 0.0, None
    for group, total, some in zip(found.groups, estimates, out, strict=True):
        inside = some.any(0)
        if not bool(inside.any()):
            continue
        summed = torch.einsum("r...,r->...", some.double(), rest)
        effect = trust * total + summed / OUT - (rest.sum() - summed) / (n_runs - OUT)
        strength = torch.where(inside, effect.abs(), -1.0)
        best = strength.argmax()
        if float(strength.flatten()[best]) + hidden > largest:
            largest = float(strength.flatten()[best]) + hidden
            index = torch.unravel_index(best, strength.shape)
            name = group.name([int(one) for one in index])
    made = Bound(n_nodes, n_runs, OUT / n_runs, CONFIDENCE, largest, name)
    return replace(found, bound=made)


def _sum(estimates: Sequence[Tensor], out: Sequence[Tensor], run: int) -> Tensor:
    """The estimated effects of what a run is without, together."""
    return torch.stack(
        [total[some[run]].sum() for total, some in zip(estimates, out, strict=True)]
    ).sum()


def _drawn(
    measuring: Measuring, group: NodeGroup, position: int, n_runs: int, drawn: torch.Generator
) -> Tensor:
    """Of a group, which nodes are out in which run: [run, pos, *node] of true and false."""
    nodes = acts(measuring, group, position)
    if group.measured is not None:
        nodes &= group.measured.isnan()
    if group.kind == "bias" and measuring.references.keeps_biases:
        nodes &= False
    if group.beside and group.kind in WHOLES:  # other nodes, once more: those are bounded
        nodes &= False
    found = torch.zeros(n_runs, *nodes.shape, dtype=torch.bool)
    n_nodes = int(nodes.sum())
    runs = torch.rand(n_nodes, n_runs, generator=drawn).topk(OUT, dim=-1).indices
    which = torch.zeros(n_nodes, n_runs, dtype=torch.bool).scatter_(1, runs, value=True)
    found[:, nodes.cpu()] = which.T
    return found


def _without(
    measuring: Measuring, groups: Sequence[NodeGroup], out: Sequence[Tensor], run: int
) -> Iterator[Edit]:
    """What takes the nodes of one run out, a site at a time."""
    for group, drawn in zip(groups, out, strict=True):
        mask = drawn[run].to(group.total.device)
        if bool(mask.any()):
            yield by_analysis(_group_out(measuring, group, mask))


def _group_out(measuring: Measuring, group: NodeGroup, mask: Tensor) -> Edit:
    """What takes these nodes [pos, *node] of a group out, or puts their references in."""
    if group.kind == "bias":
        branch = bias_branch(group)
        written = branch_output(measuring.seen, group.layer or 0, branch).bias_write()
        return add(site(f"{branch}_out", group.layer), -written * mask)
    target = site(SITES[group.kind], group.layer)
    values = measuring.seen.activations[target.site_key]
    if group.kind == "pair":
        mask = mask.transpose(0, 1)
    elif group.kind in ("head", "cross_head", "query", "key"):
        mask = mask[..., None]
    reference = measuring.references.of(target.site_key)
    return set_to(target, 0.0 if reference is None else reference, where=mask.expand_as(values))
