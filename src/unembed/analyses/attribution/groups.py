"""The numbers of every node of a run, branch by branch, from one gradient at each site.

A head's z, a neuron's activation and what a branch adds are the nodes' own variables; a pair's is
its entry of the pattern. Estimated total effect: (value - reference) · gradient. Direct: what
is written along the direction of its place, at the objective's position. Nothing of size positions²
x heads x d_model is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.attribution import latents
from unembed.analyses.attribution.outputs import direct_of, head_norms, held_units, unit_norms
from unembed.analyses.attribution.references import References
from unembed.analyses.attribution.result import NodeGroup, NodeKindName
from unembed.analyses.tools.directions import Directions
from unembed.analyses.tools.effects import step_of
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.moved import MovedValues
from unembed.analyses.tools.writes import INSIDE, BranchOutput, branch_output, gate
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import why_not
from unembed.engine.nodes import Branch
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError

if TYPE_CHECKING:
    from jaxtyping import Float


OUT: dict[Branch, str] = {"attn": "attn_out", "cross": "cross_out", "mlp": "mlp_out"}
End = tuple[int, int]
"""A layer and one of its steps: `tools.effects.STREAM` says what each of them reads."""
BOXES: tuple[tuple[NodeKindName, Branch], ...] = (("mixer", "attn"), ("ple", "mlp"))


@dataclass(frozen=True, eq=False)
class Part:
    """A branch of a layer: taken apart into nodes (`why` is None), or one node as a whole."""

    layer: int
    branch: Branch
    why: str | None

    @property
    def inside(self) -> SiteKey:
        """Where its nodes' values are."""
        return SiteKey(INSIDE[self.branch], self.layer)

    @property
    def out(self) -> SiteKey:
        """What it adds to the stream."""
        return SiteKey(OUT[self.branch], self.layer)

    @property
    def pattern(self) -> SiteKey:
        """Whose entries are its pairs."""
        return SiteKey("pattern", self.layer)


def parts_of(model: Loaded, end: End | None = None) -> list[Part]:
    """The branches of every layer that write to the stream, in order; of those before `end`."""
    found: list[Part] = []
    branches: tuple[Branch, ...] = ("attn", "cross", "mlp")
    for block in model.anatomy.blocks:
        for branch in branches:
            if not _before(model, block.layer, branch, end):
                continue
            if why_not(model.anatomy, SiteKey(OUT[branch], block.layer)) is None:
                found.append(Part(block.layer, branch, _why_whole(model, block.layer, branch)))
    return found


def _before(model: Loaded, layer: int, branch: Branch, end: End | None) -> bool:
    """Whether a branch has written when the stream reaches step `end`."""
    return end is None or (layer, step_of(model, layer, branch)) < end


def _why_whole(model: Loaded, layer: int, branch: Branch) -> str | None:
    """Why a branch cannot be taken apart; None where it can."""
    if latents.of_branch(model, SiteKey(OUT[branch], layer)) is not None:
        return latents.WHY
    reason = why_not(model.anatomy, SiteKey(INSIDE[branch], layer))
    if reason is not None:
        return reason
    try:
        model.output_weight(layer, branch)
    except CapabilityError as error:
        return error.message
    return None


def boxes_of(model: Loaded, end: End | None = None) -> list[tuple[NodeKindName, Branch, SiteKey]]:
    """What else adds to the stream, each one node at a position: kind, its step, its site."""
    return [
        (kind, branch, SiteKey(f"{kind}_out", block.layer))
        for block in model.anatomy.blocks
        for kind, branch in BOXES
        if why_not(model.anatomy, SiteKey(f"{kind}_out", block.layer)) is None
        and _before(model, block.layer, branch, end)
    ]


def layers_of_pairs(model: Loaded, edits: Sequence[Edit]) -> frozenset[int]:
    """Layers whose heads are pairs of query and key: where nothing else makes z of the pattern."""
    edited = {edit.node.layer for edit in edits if edit.node.site == "z"}
    parts = (part for part in parts_of(model) if part.branch == "attn" and part.why is None)
    return frozenset(part.layer for part in parts) - edited


def needed(
    model: Loaded, pairs: Collection[int], end: End | None = None
) -> tuple[list[SiteKey], list[SiteKey]]:
    """Sites at which gradients are taken, and those that are only read.

    Args:
        pairs: layers whose heads are pairs of query and key.
        end: nodes that write at this step of a layer, or after it, are left out.
    """
    variables = [SiteKey("embed", None)]
    read: list[SiteKey] = []
    for part in parts_of(model, end):
        variables.append(part.out)
        if part.why is not None:
            attached = latents.of_branch(model, part.out)
            read += [] if attached is None else attached.needed
            continue
        variables.append(part.inside)
        if part.branch == "attn" and part.layer in pairs:
            variables.append(part.pattern)
            read.append(SiteKey("v", part.layer))
    variables += [site_key for _, _, site_key in boxes_of(model, end)]
    variables += [one.writes for one in latents.of_stream(model, end)]
    read = [key for key in dict.fromkeys(read) if key not in variables]
    return variables, read


def count(model: Loaded, n_positions: int, pairs: Collection[int]) -> int:
    """How many nodes a prompt has, at all positions."""
    each = 1 + len(boxes_of(model)) + latents.count(model)
    for part in parts_of(model):
        block = model.block(part.layer)
        if part.why is not None:
            each += 1
        elif part.branch == "mlp":
            each += block.d_mlp + 1
        else:
            n_heads = (block.crossed if part.branch == "cross" else block.attention).n_heads
            each += (
                n_heads * (n_positions if part.branch == "attn" and part.layer in pairs else 1) + 1
            )
    return each * n_positions


class Nodes:
    """Makes the groups of one run.

    Args:
        run: with every site of `needed`, and the capture of directions where there are any.
        slopes: gradient of the objective at each variable.
        references: what values are compared with.
        end: nodes that write at this step of a layer, or after it, are left out.
        along: gradients for latents, where theirs are others than those of the sites they are at.
        held: whether nodes behind whose branch a norm stands have totals with that norm held, too.
    """

    def __init__(
        self,
        run: Run,
        slopes: Mapping[SiteKey, Tensor],
        references: References,
        directions: Directions | None,
        pairs: Collection[int],
        end: End | None = None,
        along: Mapping[SiteKey, Tensor] | None = None,
        held: bool = False,
    ) -> None:
        self.along, self.held = {} if along is None else along, held
        self.run, self.model, self.slopes, self.references = run, run.model, slopes, references
        self.directions, self.pairs, self.end = directions, pairs, end
        self.notes: list[str] = []

    @torch.no_grad()
    def groups(self) -> Iterator[NodeGroup]:
        """Every group, the embedding first, then layer by layer."""
        yield self._whole("embed", None, "embed", None, SiteKey("embed", None))
        for part in parts_of(self.model, self.end):
            yield from self._of_part(part)
        for kind, branch, site_key in boxes_of(self.model, self.end):
            yield self._whole(kind, site_key.layer, f"L{site_key.layer}.{kind}", branch, site_key)
        for one in latents.of_stream(self.model, self.end):
            yield from self._latents(one)
        self.notes += latents.notes(self.model, self.end)

    def _latents(self, one: latents.Attached) -> Iterator[NodeGroup]:
        return latents.groups(one, self.run, self.slopes, self.along, self.directions)

    # ------------------------------------------------------------ whole branches

    def _whole(
        self,
        kind: NodeKindName,
        layer: int | None,
        stem: str,
        branch: Branch | None,
        site_key: SiteKey,
    ) -> NodeGroup:
        """One node at each position, which is all of what joins the stream there."""
        written = accurate(self._value(site_key))
        return NodeGroup(
            kind,
            layer,
            stem,
            None,
            written.norm(dim=-1, keepdim=True),
            direct_of(written, self.model, self.directions, layer, branch),
            self._total(site_key, written).sum(-1, keepdim=True),
        )

    # ------------------------------------------------------------ branches taken apart

    def _of_part(self, part: Part) -> Iterator[NodeGroup]:
        stem = f"L{part.layer}.{part.branch}"
        attached = latents.of_branch(self.model, part.out)
        if attached is not None:
            yield from self._latents(attached)
            return
        try:
            out = None if part.why else branch_output(self.run, part.layer, part.branch)
            why = part.why
        except CapabilityError as error:
            out, why = None, error.message
        if out is None:
            self.notes.append(f"{stem} is one node at each position: {why}")
            kind: NodeKindName = part.branch
            yield self._whole(kind, part.layer, stem, part.branch, part.out)
            return
        if part.branch == "mlp":
            yield self._neurons(part, out)
        else:
            yield self._heads(part, out)
        if out.has_bias:
            yield self._bias(part, out)

    def _neurons(self, part: Part, out: BranchOutput) -> NodeGroup:
        values = accurate(out.inside)
        return NodeGroup(
            "neuron",
            part.layer,
            f"L{part.layer}.N",
            values,
            values.abs() * unit_norms(out),
            self._direct(part, out),
            self._total(part.inside, values),
            held=self._held(part, out),
        )

    def _heads(self, part: Part, out: BranchOutput) -> NodeGroup:
        if part.branch == "attn" and part.layer in self.pairs:
            return self._pairs(part, out)
        z = self._value(part.inside)
        n_heads = z.shape[1]
        direct, held = self._direct(part, out), self._held(part, out)
        return NodeGroup(
            "head" if part.branch == "attn" else "cross_head",
            part.layer,
            f"L{part.layer}.{'H' if part.branch == 'attn' else 'X'}",
            None,
            head_norms(out, n_heads),
            None if direct is None else direct.reshape(n_heads, -1).sum(-1),
            self._total(part.inside, accurate(z)).sum(-1),
            held=None if held is None else held.reshape(z.shape).sum(-1),
        )

    def _pairs(self, part: Part, out: BranchOutput) -> NodeGroup:
        pattern = accurate(self._value(part.pattern)).transpose(0, 1)  # [query, head, key]
        total = self._total(part.pattern, pattern.transpose(0, 1)).transpose(0, 1)
        moved = MovedValues(self.run, part.layer)
        queries = range(len(pattern))
        norms = torch.stack([moved.norms(head, queries) for head in range(pattern.shape[1])], dim=1)
        return NodeGroup(
            "pair",
            part.layer,
            f"L{part.layer}.H",
            pattern,
            pattern * norms.to(pattern),
            self._direct_of_pairs(part, out, pattern),
            total,
            held=self._held_of_pairs(part, out),
        )

    def _bias(self, part: Part, out: BranchOutput) -> NodeGroup:
        written = accurate(out.bias_write())
        slope = self.slopes[part.out].to(written)  # of a parameter: it is compared with 0
        slope = torch.zeros_like(slope) if self.references.keeps_biases else slope
        return NodeGroup(
            "bias",
            part.layer,
            f"L{part.layer}.{part.branch}_bias",
            None,
            written.norm(dim=-1, keepdim=True),
            direct_of(written, self.model, self.directions, part.layer, part.branch),
            (written * slope).sum(-1, keepdim=True),
        )

    # ------------------------------------------------------------ effects

    def _total(self, site_key: SiteKey, values: Tensor) -> Tensor:
        """(value - reference) · gradient, number by number."""
        return self._less(site_key, values) * self.slopes[site_key].reshape(values.shape).to(values)

    def _less(self, site_key: SiteKey, values: Tensor) -> Tensor:
        """Values less what they are compared with."""
        reference = self.references.of(site_key)
        return values if reference is None else values - reference.reshape(values.shape).to(values)

    def _held(self, part: Part, out: BranchOutput) -> Float[Tensor, "pos d_in"] | None:
        """Totals of the branch's inputs with the norm behind it held; None without one."""
        if not self.held or out.norm is None:
            return None
        units = held_units(out, self.slopes[part.out])
        return self._less(part.inside, accurate(out.inside)).to(units) * units

    def _held_of_pairs(
        self, part: Part, out: BranchOutput
    ) -> Float[Tensor, "query head key"] | None:
        if not self.held or out.norm is None or self.model.block(part.layer).attention.gated:
            return None
        pattern = accurate(self._value(part.pattern))
        values = accurate(self.run[f"L{part.layer}.v"])
        units = held_units(out, self.slopes[part.out]).to(values)
        units = units.reshape(len(units), len(pattern), -1)
        group = len(pattern) // values.shape[1]
        each = [units[:, head] @ values[:, head // group].T for head in range(len(pattern))]
        return (self._less(part.pattern, pattern) * torch.stack(each)).transpose(0, 1)

    def _unit_effects(self, part: Part, out: BranchOutput) -> Float[Tensor, " d_in"] | None:
        """The direct effect of one unit of each input, at the objective's position."""
        found = self.directions
        if found is None:
            return None
        direction = found.of(self.model, part.layer, part.branch)
        return unit_effects(out, direction, found.position)

    def _direct(self, part: Part, out: BranchOutput) -> Float[Tensor, " d_in"] | None:
        units = self._unit_effects(part, out)
        if units is None or self.directions is None:
            return None
        return accurate(out.inside[self.directions.position]).to(units) * units

    def _direct_of_pairs(
        self, part: Part, out: BranchOutput, pattern: Float[Tensor, "query head key"]
    ) -> Float[Tensor, "head key"] | None:
        units = self._unit_effects(part, out)
        if units is None or self.directions is None:
            return None
        position, n_heads = self.directions.position, pattern.shape[1]
        units = units.reshape(n_heads, -1)
        gates = gate(self.run, part.layer, position)
        units = units if gates is None else units * accurate(gates).to(units)
        values = accurate(self.run[f"L{part.layer}.v"]).to(units)
        group = n_heads // values.shape[1]
        each = torch.stack([values[:, head // group] @ units[head] for head in range(n_heads)])
        return pattern[position].to(units) * each

    def _value(self, site_key: SiteKey) -> Tensor:
        return self.run.activations[site_key]


def unit_effects(
    out: BranchOutput, direction: Float[Tensor, " d_model"], position: int
) -> Float[Tensor, " d_in"]:
    """How far what one unit of each input writes at a position reaches along a direction."""
    here = _at(out, position)
    wanted = here.back(direction[None])[0]
    return accurate(here.weight) @ wanted.to(accurate(here.weight[:1]))


def _at(out: BranchOutput, position: int) -> BranchOutput:
    """The branch at one position: its norms have the scale that they have there."""
    inner, norm = (
        None if one is None else replace(one, gain=one.gain[position, None])
        for one in (out.inner, out.norm)
    )
    return replace(out, inside=out.inside[position, None], inner=inner, norm=norm)
