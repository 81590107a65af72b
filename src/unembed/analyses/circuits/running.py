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
from unembed.analyses.tools.plain_stream import why_no_edges
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

MOST_AT_ONCE = 16  # sets of edges
BYTES_AT_ONCE = 2**28  # that what their sources write may take
MOST_ROWS = 64  # of one pass of one layer


def graph_of(model: Loaded) -> Graph:
    """The edges of a model. Raises CapabilityError where its stream is not a sum of such nodes."""
    anatomy = model.anatomy
    layers = []
    for block in anatomy.blocks:
        why = why_no_edges(model, block.layer)
        if why is not None:
            raise CapabilityError(
                f"{model.name} has no circuits of edges: {why}", field="model", value=model.name
            )
        layers.append(
            Layer(block.attention.n_heads, block.feed_forward is not None, block.parallel)
        )
    return Graph(tuple(layers))


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
    """Runs a prompt with some of the edges of its model, several sets of edges in one pass.

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

    @property
    def at_once(self) -> int:
        """How many sets of edges are run together: what their sources write takes this memory."""
        each = max(1, self.replaced.numel() * self.replaced.element_size())
        return max(1, min(MOST_AT_ONCE, BYTES_AT_ONCE // each))

    @torch.no_grad()
    def values(
        self, sets: Sequence[Bool[Tensor, "source reader *pos"]], objective: Objective
    ) -> list[float]:
        """An objective of logits, with each of these sets of edges alone."""
        here = objective.at(objective.position % len(self.read.ids))
        model, found = self.model, list[float]()
        for start in range(0, len(sets), self.at_once):
            last = self._last(sets[start : start + self.at_once])
            states = torch.stack([one[here.position] for one in last])
            with model.evaluating():
                found += here.of_states(model, model.final_norm(states)).tolist()
        return found

    def _last(
        self, sets: Sequence[Bool[Tensor, "source reader *pos"]]
    ) -> list[Float[Tensor, "pos d_model"]]:
        """The last residual as the logits read it, of each set."""
        passes = [_Pass(kept, self.replaced, self._embedded) for kept in sets]
        for layer, kind in enumerate(self.graph.layers):
            reads = self.graph.reads_of(layer)
            before = [one.stream for one in passes]
            beside = [one.read(reads.stop) for one in passes] if kind.parallel and kind.mlp else []
            self._attention(layer, passes, reads)
            if not kind.mlp:
                continue
            if kind.parallel:
                requests = [self._mlp(layer, one) for one in beside]
            else:
                requests = [
                    self._mlp(layer, start, ("resid_mid", one.read(reads.stop)))
                    for start, one in zip(before, passes, strict=True)
                ]
            for one, seen in zip(passes, self._rows(requests), strict=True):
                mlp = seen[f"L{layer}.mlp_out"]
                one.add(mlp[None], mlp)
        return [one.read(-1) for one in passes]

    # ------------------------------------------------------------ inside

    @cached_property
    def _embedded(self) -> Float[Tensor, "pos d_model"]:
        request = request_of(self.read, ["embed"], stop_after="embed")
        return run(self.model, request, self.cancel)["embed"]

    def _attention(self, layer: int, passes: Sequence[_Pass], reads: range) -> None:
        """Adds what each head writes, and what attention adds, each head reading by its edges."""
        attention = self.model.block(layer).attention
        n_heads, group = attention.n_heads, attention.n_heads // attention.n_kv_heads
        streams, places = list[Tensor](), []
        for one in passes:
            columns = one.kept[:, reads.start : reads.stop].transpose(0, 1)
            own, which = torch.unique(columns.flatten(1), dim=0, return_inverse=True)
            places.append(len(streams) + which.reshape(n_heads, 3))
            streams += [one.less(column.reshape(columns.shape[1:])) for column in own]
        q, k, v = self._projected(layer, streams)
        rows = []
        for one, place in zip(passes, places, strict=True):
            queries = torch.stack([q[place[head, 0], :, head] for head in range(n_heads)], 1)
            for mate in range(group):  # each head of a group may have a key and value of its own
                heads = range(mate, n_heads, group)
                keys, values = (
                    torch.stack([made[place[head, side], :, head // group] for head in heads], 1)
                    for made, side in ((k, 1), (v, 2))
                )
                edits = [("q", queries), ("k", keys), ("v", values)]
                rows.append(self._request(layer, one.stream, edits, [f"L{layer}.z"]))
        found, sites = self._rows(rows), [f"L{layer}.z", f"L{layer}.attn_out"]
        rows = []
        for number, one in enumerate(passes):
            mates = found[number * group : (number + 1) * group]
            z = torch.stack([mates[h % group][sites[0]][:, h] for h in range(n_heads)], dim=1)
            rows.append(self._request(layer, one.stream, [("z", z)], sites))
        for one, seen in zip(passes, self._rows(rows), strict=True):
            one.add(head_writes(seen, layer).transpose(0, 1), seen[sites[1]])

    def _projected(self, layer: int, streams: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [stream, pos, head, d_head] of several streams."""
        sites = [f"L{layer}.{side}" for side in ("q", "k", "v")]
        found = self._rows([self._request(layer, one, [], sites) for one in streams])
        q, k, v = (torch.stack([one[site] for one in found]) for site in sites)
        return q, k, v

    def _mlp(self, layer: int, start: Tensor, *edits: tuple[str, Tensor]) -> Request:
        return self._request(layer, start, edits, [f"L{layer}.mlp_out"])

    def _request(
        self, layer: int, start: Tensor, edits: Sequence[tuple[str, Tensor]], sites: Sequence[str]
    ) -> Request:
        changes = [by_analysis(set_to(f"L{layer}.{site}", value)) for site, value in edits]
        return request_of(self.read, sites, changes, start=(layer, start), stop_after=sites[-1])

    def _rows(self, requests: Sequence[Request]) -> list[Run]:
        """One pass for as many rows as one may have, in the order in which they were asked."""
        found: list[Run] = []
        for start in range(0, len(requests), MOST_ROWS):
            if self.cancel is not None:
                self.cancel.check()
            found += run_rows(self.model, requests[start : start + MOST_ROWS], self.cancel)
        return found


class _Pass:
    """One set of edges on its way through the layers: the stream, and what sources have written."""

    def __init__(
        self,
        kept: Bool[Tensor, "source reader *pos"],
        replaced: Float[Tensor, "source pos d_model"],
        embedded: Float[Tensor, "pos d_model"],
    ) -> None:
        self.kept, self.stream = kept, embedded
        self.replaced, self.written = replaced, 0
        self.changes = torch.empty_like(replaced)  # what each source writes, less its replacement
        self._write(embedded[None])

    def add(
        self,
        writes: Float[Tensor, "more pos d_model"],
        added: Float[Tensor, "pos d_model"],
    ) -> None:
        """What the next sources write, and what the stream gets of it."""
        self._write(writes)
        self.stream = self.stream + added

    def read(self, reader: int) -> Float[Tensor, "pos d_model"]:
        """The stream as a reader has it."""
        return self.less(self.kept[:, reader])

    def less(self, kept: Bool[Tensor, "source ..."]) -> Float[Tensor, "pos d_model"]:
        """The stream as something reads it: along edges that are left out with the replacement."""
        left_out = ~kept[: self.written]
        if left_out.ndim == 2:  # by position
            out = left_out.any(1).nonzero()[:, 0]
            at = left_out[out].to(self.changes)
            return self.stream - torch.einsum("sp,spd->pd", at, self.changes[out])
        out = left_out.nonzero()[:, 0]
        return self.stream - self.changes[out].sum(0) if len(out) else self.stream

    def _write(self, writes: Float[Tensor, "more pos d_model"]) -> None:
        places = slice(self.written, self.written + len(writes))
        self.changes[places] = writes - self.replaced[places]
        self.written = places.stop
