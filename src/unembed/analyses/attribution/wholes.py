"""Whole branches and the residual stream as nodes: the rows that patching grids have.

A node is all of a site at one position: what a branch adds (`L3.mlp@8`), or the stream before
attention or before the feed-forward (`L3.resid_pre@8`, `L3.resid_mid@8`). Estimated total effect:
(value - reference) · gradient there, summed over the width (attribution patching, Nanda 2023). All
of them divide once more what other nodes wrote: they are beside the sums.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import torch
from torch import Tensor

from unembed.analyses.attribution.groups import Part, parts_of
from unembed.analyses.attribution.outputs import direct_of
from unembed.analyses.attribution.references import References
from unembed.analyses.attribution.result import NodeGroup
from unembed.analyses.tools.directions import Directions
from unembed.analyses.tools.frozen import accurate
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import why_not
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey

STREAM = ("resid_pre", "resid_mid")


def stream_sites(model: Loaded) -> list[SiteKey]:
    """The stream before attention and before the feed-forward of each layer, where it is seen."""
    keys = (SiteKey(site, block.layer) for block in model.anatomy.blocks for site in STREAM)
    return [key for key in keys if why_not(model.anatomy, key) is None]


def whole_sites(model: Loaded) -> list[SiteKey]:
    """Of all whole nodes: what branches add that are nodes in parts, and the stream."""
    apart = [part.out for part in parts_of(model) if part.why is None]
    return [*apart, *stream_sites(model)]


@torch.no_grad()
def groups(
    run: Run,
    slopes: Mapping[SiteKey, Tensor],
    references: References,
    directions: Directions | None,
    taken: Collection[str] = (),
) -> Iterator[NodeGroup]:
    """The groups of one run, branches first, each layer by layer.

    Args:
        run: with every site of `whole_sites`.
        slopes: the gradient of the objective at each of them.
        taken: stems of other groups; a branch that is one node already is not made twice.
    """
    model = run.model
    for part in parts_of(model):
        stem = f"L{part.layer}.{part.branch}"
        if part.why is None and stem not in taken:
            yield _branch(part, stem, run, slopes, references, directions)
    for key in stream_sites(model):
        written, total = _effect(key, run, slopes, references)
        norms = written.norm(dim=-1, keepdim=True)
        yield NodeGroup("stream", key.layer, key.name, None, norms, None, total, beside=True)


def _branch(
    part: Part,
    stem: str,
    run: Run,
    slopes: Mapping[SiteKey, Tensor],
    references: References,
    directions: Directions | None,
) -> NodeGroup:
    written, total = _effect(part.out, run, slopes, references)
    direct = direct_of(written, run.model, directions, part.layer, part.branch)
    norms = written.norm(dim=-1, keepdim=True)
    return NodeGroup(part.branch, part.layer, stem, None, norms, direct, total, beside=True)


def _effect(
    key: SiteKey, run: Run, slopes: Mapping[SiteKey, Tensor], references: References
) -> tuple[Tensor, Tensor]:
    """What is there [pos, d_model], and its estimated total effect [pos, 1]."""
    values, reference = accurate(run.activations[key]), references.of(key)
    change = values if reference is None else values - reference.to(values)
    return values, (change * slopes[key].to(values)).sum(-1, keepdim=True)
