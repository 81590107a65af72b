"""Latents of attached autoencoders in a flow graph: what they write, the bias, and what is left.

An autoencoder of what a branch adds (`mlp_out`, `attn_out`) takes the place of the branch's neurons
or rows of W_O. One of the stream divides what is there once more: its latents stand behind that
node, and nothing flows on from them. Latents of a cross-layer transcoder are not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from unembed.analyses.attribution.latents import Attached, attached_to
from unembed.analyses.flow.draft import Draft, Write, zero
from unembed.analyses.flow.drawing import BranchDrawing
from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.flow.result import FlowLink, FlowNode, FlowSum
from unembed.analyses.flow.selection import Selector
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.shares import rounding, shares
from unembed.analyses.tools.writes import joins_stream
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.nodes import Branch
from unembed.engine.passes.run import Run
from unembed.latents.sae import every

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


PLACES: dict[str, Branch] = {"attn_out": "attn", "mlp_out": "mlp"}
"""Where latents take the place of a branch's own nodes."""
BESIDE: dict[str, Branch] = {
    "resid_pre": "attn",
    "resid_mid": "attn",
    "cross_out": "cross",
    "resid_mid_cross": "cross",
    "resid_post": "mlp",
}
"""Where they divide once more what other nodes wrote; the branch says which bias is asked for."""


def latents_of(model: Loaded, layer: int) -> dict[str, Attached]:
    """The autoencoders whose latents a graph of a layer shows, by the site that they take apart."""
    return {
        one.writes.site: one
        for one in attached_to(model)
        if one.reads.layer == one.writes.layer == layer
        and one.writes.site in (*PLACES, *BESIDE)
        and one.sae.description.kind != "clt"
    }


def capture(model: Loaded, layer: int) -> list[str]:
    """What a run must have captured for the latents of a layer."""
    saes = latents_of(model, layer).values()
    return [end.name for one in saes for end in (one.reads, one.writes)]


def notes(model: Loaded, layers: Sequence[int]) -> list[str]:
    """What must be known of latents in a graph of these layers."""
    said = []
    for one in every(model):
        places = one.sae.description.reads, one.sae.description.writes
        reads, writes = places
        if reads is None or writes is None or not {reads.layer, writes.layer} & set(layers):
            continue
        if one.sae.description.kind == "crosscoder":
            said.append(
                f"Latents of {one.sae.description.where} are not drawn: they are a crosscoder's, "
                "which stands for states of the stream at several layers."
            )
        elif one.sae.description.kind == "clt":
            said.append(
                f"Latents of {one.sae.description.where} are not drawn: each writes in several "
                "layers. ue.attribution_graph has them as nodes, and ue.attribute their effects."
            )
        elif reads.layer != writes.layer or writes.site not in (*PLACES, *BESIDE):
            said.append(
                f"Latents of {one.sae.description.where} are not drawn: they write "
                + ("in another layer." if reads.layer != writes.layer else "inside of a branch.")
            )
        elif writes.site in BESIDE:
            said.append(
                f"Latents of {writes.name} divide once more what other nodes wrote: they are "
                "beside the sums."
            )
    return said


class LatentParts:
    """What an autoencoder makes of its site at one position, and which latents are shown."""

    def __init__(
        self, run: Run, layer: int, position: int, selector: Selector, one: Attached
    ) -> None:
        self.layer, self.position, self.stem, self.site = layer, position, one.stem, one.writes
        self.whole = accurate(run[one.writes.name][position]).reshape(-1)
        parts = one.split(run)
        values = accurate(parts.values)[position].clone()
        reads = run[one.reads.name]
        self._sae = one.sae.like(values)
        self._factor = accurate(self._sae.factor(reads.to(values)))[position]
        values[_zeroed(run, one, position)] = 0.0
        self.values = values
        self.constant = accurate(parts.constant)[position]
        self.active = values.nonzero()[:, 0]
        scores = values * self._norms() * self._factor.abs()
        self.shown = selector.latents(layer, one.stem, scores, float(self.whole.norm()))

    @cached_property
    def unit_writes(self) -> Float[Tensor, "shown d_model"]:
        """What each shown latent writes for a value of 1."""
        return accurate(self._sae.directions[list(self.shown)]) * self._factor

    @cached_property
    def written(self) -> Float[Tensor, " d_model"]:
        """What all latents write."""
        rows = accurate(self._sae.directions[self.active]) * self._factor
        return self.values[self.active] @ rows

    @property
    def error(self) -> Float[Tensor, " d_model"]:
        """What the autoencoder does not explain, and what edits of latents left in its place."""
        return self.whole - self.written - self.constant

    def _norms(self) -> Float[Tensor, " n"]:
        """Of directions; of latents that are not active it does not matter."""
        norms = torch.zeros_like(self.values)
        norms[self.active] = accurate(self._sae.directions[self.active]).norm(dim=-1)
        return norms


def _zeroed(run: Run, one: Attached, position: int) -> list[int]:
    """Latents that an edit holds at zero: what is read of a site may still have them."""
    found = []
    for edit in run.edits:
        node = run.model.read_name(edit.node)
        stem, _, number = node.stem.rpartition("F")
        if edit.operation != "zero" or f"{stem}F" != one.stem or not number.isdigit():
            continue
        places = edit.positions if node.position is None else (node.position,)
        here = places is None or position in [resolve_position(at, len(run.ids)) for at in places]
        if here:
            found.append(int(number))
    return found


class LatentDrawing(BranchDrawing):
    """Draws the latents of one autoencoder, its bias and its error."""

    def __init__(
        self,
        parts: LatentParts,
        draft: Draft,
        options: FlowOptions,
        column: int,
        start: str,
        heads: float | None = None,
    ) -> None:
        """`start` is the node that they are drawn from; `heads` is what the sum says of those."""
        site = parts.site.site
        branch = PLACES.get(site) or BESIDE[site]
        super().__init__(draft, options, parts.layer, parts.position, column, branch, parts.whole)
        self.parts, self.start, self.heads = parts, start, heads
        self.beside = site not in PLACES
        self._suffix = parts.stem.removeprefix(f"{self.name}.")
        self._shared: dict[str, Any] = {"site": parts.site.name}
        self._step = joins_stream(draft.model, parts.site)

    def draw(self) -> None:
        """All of it."""
        parts = self.parts
        for order, number in enumerate(parts.shown):
            self._latent(order, number)
        written = parts.values[list(parts.shown)] @ parts.unit_writes
        others = parts.written - written
        bias = self._asked_for()
        if self.options.rest:
            self._others(others if bias else others + parts.constant)
        words = f"the autoencoder of {parts.site.name}"
        if bias:
            title = f"bias of {words}: what is written however active its latents are"
            self._piece("_bias", "latent_bias", title, parts.constant)
        self._piece("_error", "error", f"what {words} does not explain", parts.error)
        self._sum(written, others)

    def _asked_for(self) -> bool:
        if self.beside:
            return True
        return self.options.mlp_bias if self.branch == "mlp" else self.options.attn_bias

    def _latent(self, order: int, number: int) -> None:
        parts, name = self.parts, f"{self.parts.stem}{number}"
        activation, unit = float(parts.values[number]), parts.unit_writes[order]
        sign, readings = self.draft.signed(name, activation, unit)
        write = self._write(readings[0][1], sign * activation)
        node = self.node(
            f"{self._suffix}{number}",
            0,
            kind="latent",
            title=f"latent {number} of {parts.site.name}: what it writes",
            address=name,
            sign=sign,
            activation=activation,
            cut=zero(name, self.position),
            **self._shared,
        )
        self._put(node, readings, write, abs(activation) * float(unit.norm()))

    def _piece(self, suffix: str, kind: str, title: str, vector: Tensor) -> None:
        """The bias, the error, or latents that are not shown: one vector."""
        write = self._write(self.draft.row(vector), 1.0)
        fields: dict[str, Any] = {"kind": kind, "title": title, **self._shared}
        node = self.node(f"{self._suffix}{suffix}", 0, **fields)
        self._put(node, [("", write.row)], write, float(vector.norm()))

    def _others(self, vector: Tensor) -> None:
        """As `rest`: of rounding error alone nothing is said."""
        if float(vector.norm()) <= rounding(self.draft.model.dtype) * float(self.added.norm()):
            if len(self.parts.active) <= len(self.parts.shown):
                return
            vector = torch.zeros_like(vector)
        title = f"all other active latents of {self.parts.site.name}, together"
        self._piece(".rest", "rest", title, vector)

    def _write(self, row: int, coefficient: float) -> Write:
        layer, branch = self._step or (self.layer, self.branch)
        return Write(row, coefficient, layer, branch)

    def _put(
        self, node: FlowNode, readings: list[tuple[str, int]], write: Write, norm: float
    ) -> None:
        """A node with its links; what the stream is has an effect where it is a sum."""
        effective = None if self._step is None else write
        self.draft.add(node, *readings, write=effective)
        vector = self.draft.vector(write.row) * write.coefficient
        fields: dict[str, Any] = {
            "norm": norm,
            "activation": node.activation,
            "cut": node.cut,
            "share": shares(vector[None], self.added)[0],
            "row": write.row,
            "coefficient": write.coefficient,
        }
        kind: Any = "rest" if node.kind == "rest" else "latent"
        ends = (self.start, node.id) if self.beside else (node.id, self.end)
        self.draft.join(FlowLink(*ends, kind, norm, "entropy", **fields), effective)
        if node.activation is not None and not self.beside:
            width = self.options.neuron_factor * abs(node.activation)
            into: dict[str, Any] = {"colour_value": node.activation, "activation": node.activation}
            link = FlowLink(self.start, node.id, "activation", width, "sign", **into)
            self.draft.join(replace(link, cut=node.cut))

    def _sum(self, written: Tensor, others: Tensor) -> None:
        parts = self.parts
        pieces = torch.stack([written, parts.constant, others, parts.error])
        shown, bias, rest, error = shares(pieces, self.added)
        self.draft.sums.append(
            FlowSum(
                self.layer,
                "stream" if self.beside else self.branch,
                added_norm=float(self.added.norm()),
                heads=self.heads,
                shown=shown,
                bias=bias,
                rest=rest,
                rest_norm=float(others.norm()),
                site=parts.site.name,
                error=error,
                active=len(parts.active),
                latents=len(parts.shown),
            )
        )
