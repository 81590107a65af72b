"""Runs of a model in which some edges carry what they carried elsewhere.

What reads the residual stream gets all of it, less what the sources of edges left out write now,
plus what they are replaced with. Layer by layer: queries, keys and values of every head from its
own stream, then what heads write, then the feed-forward from its own. With every edge kept it is
the model's own pass, with none that of the replacements.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.circuits.graph import Graph, Layer
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.writes import head_writes
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import by_analysis, set_to
from unembed.engine.loaded import Loaded
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import Request, request_of, run, run_rows
from unembed.engine.passes.run import Run
from unembed.errors import CapabilityError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


def graph_of(model: Loaded) -> Graph:
    """The edges of a model. Raises CapabilityError where its stream is not a sum of such nodes."""
    anatomy = model.anatomy
    layers = []
    for block in anatomy.blocks:
        why = _why_none(model, block.layer)
        if why is not None:
            raise CapabilityError(
                f"{model.name} has no circuits of edges: {why}", field="model", value=model.name
            )
        layers.append(
            Layer(block.attention.n_heads, block.feed_forward is not None, block.parallel)
        )
    return Graph(tuple(layers))


def _why_none(model: Loaded, layer: int) -> str | None:
    block = model.block(layer)
    if block.why_no_heads is not None:
        return block.why_no_heads
    if model.has_encoder:
        return "it has an encoder beside it"
    if not block.passes_unchanged:
        return f"the stream itself is normalised or scaled in layer {layer}"
    if block.beside is not None or block.per_layer is not None:
        return f"layer {layer} adds more than attention and a feed-forward"
    if block.attention.gated:
        return f"a gate follows the attention of layer {layer}"
    if model.anatomy.shares_keys:
        return "layers use keys and values of earlier ones"
    return None


def written_capture(model: Loaded) -> tuple[str, ...]:
    """What a run must have captured for `written`."""
    blocks = model.anatomy.blocks
    sites = [f"L{one.layer}.z" for one in blocks]
    sites += [f"L{one.layer}.mlp_out" for one in blocks if one.feed_forward is not None]
    return ("embed", *sites)


@torch.no_grad()
def written(seen: Run) -> Float[Tensor, "source pos d_model"]:
    """What every source writes."""
    parts = [seen["embed"][None]]
    for block in seen.model.anatomy.blocks:
        parts.append(head_writes(seen, block.layer).transpose(0, 1))
        if block.feed_forward is not None:
            parts.append(seen[f"L{block.layer}.mlp_out"][None])
    return torch.cat([one.detach().to(parts[0]) for one in parts])


class Circuits:
    """Runs a prompt with some of the edges of its model.

    Args:
        replaced: what each source's writes are replaced with along edges that are left out.
    """

    def __init__(
        self,
        model: Loaded,
        read: Read,
        graph: Graph,
        replaced: Float[Tensor, "source pos d_model"],
        cancel: Cancel | None = None,
    ) -> None:
        self.model, self.read, self.graph = model, read, graph
        self.replaced, self.cancel = replaced, cancel

    @torch.no_grad()
    def value(self, kept: Bool[Tensor, "source reader"], objective: Objective) -> float:
        """An objective of logits, with these edges alone."""
        here = objective.at(objective.position % len(self.read.ids))
        state = self.last(kept)[here.position, None]
        model = self.model
        with model.evaluating():
            return float(here.of_states(model, model.final_norm(state))[0])

    @torch.no_grad()
    def last(self, kept: Bool[Tensor, "source reader"]) -> Float[Tensor, "pos d_model"]:
        """The last residual as the logits read it."""
        graph, stream = self.graph, self._embedded
        made = [stream[None]]
        for layer, kind in enumerate(graph.layers):
            reads = graph.reads_of(layer)
            heads, added = self._attention(layer, stream, made, kept[:, list(reads)])
            before, stream = stream, stream + added
            if kind.mlp and not kind.parallel:
                seen = self._less(stream, [*made, heads], kept[:, reads.stop])
                mlp = self._feed_forward(layer, before, ("resid_mid", seen))
            elif kind.mlp:
                mlp = self._feed_forward(layer, self._less(before, made, kept[:, reads.stop]))
            made.append(heads)
            if kind.mlp:
                made.append(mlp[None])
                stream = stream + mlp
        return self._less(stream, made, kept[:, -1])

    # ------------------------------------------------------------ inside

    @cached_property
    def _embedded(self) -> Float[Tensor, "pos d_model"]:
        request = request_of(self.read, ["embed"], stop_after="embed")
        return run(self.model, request, self.cancel)["embed"]

    def _less(
        self,
        stream: Float[Tensor, "pos d_model"],
        made: Sequence[Float[Tensor, "_ pos d_model"]],
        kept: Bool[Tensor, " source"],
    ) -> Float[Tensor, "pos d_model"]:
        """The stream as something reads it: along edges that are left out with the replacement."""
        writes = torch.cat(list(made))
        out = (~kept[: len(writes)]).nonzero()[:, 0]
        if not len(out):
            return stream
        return stream - (writes[out] - self.replaced[out]).sum(0)

    def _attention(
        self,
        layer: int,
        stream: Float[Tensor, "pos d_model"],
        made: Sequence[Tensor],
        kept: Bool[Tensor, "source reader"],
    ) -> tuple[Float[Tensor, "head pos d_model"], Float[Tensor, "pos d_model"]]:
        """What each head writes, and what attention adds, each head reading by its own edges."""
        attention = self.model.block(layer).attention
        n_heads, group = attention.n_heads, attention.n_heads // attention.n_kv_heads
        columns, which = torch.unique(kept.T, dim=0, return_inverse=True)
        streams = [self._less(stream, made, one) for one in columns]
        q, k, v = self._projected(layer, streams)
        place = which.reshape(n_heads, 3)
        queries = torch.stack([q[place[head, 0], :, head] for head in range(n_heads)], 1)
        rows = []
        for mate in range(group):  # each head of a group may have a key and a value of its own
            heads = range(mate, n_heads, group)
            keys, values = (
                torch.stack([made_of[place[head, side], :, head // group] for head in heads], 1)
                for made_of, side in ((k, 1), (v, 2))
            )
            edits = [("q", queries), ("k", keys), ("v", values)]
            rows.append(self._request(layer, stream, edits, [f"L{layer}.z"]))
        found = self._rows(rows)
        z = torch.stack(
            [found[head % group][f"L{layer}.z"][:, head] for head in range(n_heads)], dim=1
        )
        sites = [f"L{layer}.z", f"L{layer}.attn_out"]
        (seen,) = self._rows([self._request(layer, stream, [("z", z)], sites)])
        return head_writes(seen, layer).transpose(0, 1), seen[sites[1]]

    def _projected(self, layer: int, streams: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [stream, pos, head, d_head] of several streams."""
        sites = [f"L{layer}.{side}" for side in ("q", "k", "v")]
        found = self._rows([self._request(layer, one, [], sites) for one in streams])
        q, k, v = (torch.stack([one[site] for one in found]) for site in sites)
        return q, k, v

    def _feed_forward(self, layer: int, start: Tensor, *edits: tuple[str, Tensor]) -> Tensor:
        """What the feed-forward adds."""
        site = f"L{layer}.mlp_out"
        (found,) = self._rows([self._request(layer, start, edits, [site])])
        return found[site]

    def _request(
        self, layer: int, start: Tensor, edits: Sequence[tuple[str, Tensor]], sites: Sequence[str]
    ) -> Request:
        changes = [by_analysis(set_to(f"L{layer}.{site}", value)) for site, value in edits]
        return request_of(self.read, sites, changes, start=(layer, start), stop_after=sites[-1])

    def _rows(self, requests: Sequence[Request]) -> list[Run]:
        if self.cancel is not None:
            self.cancel.check()
        return run_rows(self.model, requests, self.cancel)
