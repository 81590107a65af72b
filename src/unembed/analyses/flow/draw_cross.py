"""Attention to an encoder in a flow graph: from `cross_in`, through heads, to `cross_out`.

A head is the sum of its attention times the values of the source, each through its rows of W_O.
Queries and keys are not drawn: they match in the stream of the encoder, which the unembedding does
not read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from unembed.analyses.flow.attention import HeadParts
from unembed.analyses.flow.draft import Draft, Write, zero
from unembed.analyses.flow.drawing import BranchDrawing
from unembed.analyses.flow.options import SMALLEST_WIDTH, FlowOptions
from unembed.analyses.flow.result import FlowSum
from unembed.analyses.tools.shares import shares

VALUE, HEAD = range(2)  # columns, from that of the values on


class CrossDrawing(BranchDrawing):
    """Draws one layer's attention to the encoder, from the values on."""

    def __init__(self, parts: HeadParts, draft: Draft, options: FlowOptions, column: int) -> None:
        super().__init__(draft, options, parts.layer, parts.position, column, "cross", parts.added)
        self.parts = parts

    def draw(self) -> None:
        """All of it."""
        for order, head in enumerate(self.parts.heads):
            self._memory(order, head)
            self._head(head)
        title = f"bias of W_O of layer {self.layer}'s attention to the encoder"
        drawn = self.bias(f"{self.name}.cross_in", title, self.parts.whole, HEAD)
        self._sum(drawn)

    def _memory(self, order: int, head: int) -> None:
        """What a head gets from the positions of the source that it looks at."""
        parts, stem = self.parts, f"{self.name}.X{head}"
        writes, scores = parts.value_writes[order], parts.scores[order]
        rows = self.draft.rows(writes)
        for place, position in enumerate(parts.memory[order]):
            self._value(
                head, position, Write(rows[place], float(scores[place]), self.layer, "cross")
            )
        if self.options.rest:
            rest = parts.head_writes[head] - (scores[:, None] * writes).sum(0)
            said = f"head {head} of layer {self.layer} at all other positions of the source"
            self.rest(f"X{head}", said, stem, rest, VALUE)

    def _value(self, head: int, position: int, write: Write) -> None:
        """One position of the source: its value, and the links through it."""
        score, stem = write.coefficient, f"{self.name}.X{head}"
        pair = zero(stem, self.position)
        pair = replace(pair, target=f"{pair.target}<{position}")
        node = self.node(
            f"X{head}.value@{position}",
            VALUE,
            kind="value",
            title=f"value of head {head} of layer {self.layer} at source position {position}",
            address=stem,
            position=position,
            token=self.parts.run.source_tokens[position],
            attention=score,
            cut=pair,
        )
        self.draft.add(node, ("", write.row), write=write)
        shared: dict[str, Any] = {"attention": score, "cut": pair}
        width = max(self.options.attention_factor * score, SMALLEST_WIDTH)
        start = f"{self.name}.cross_in"
        self.join(start, node.id, "attention", width, "attention", colour_value=score, **shared)
        norm = score * float(self.draft.vector(write.row).norm())
        width = max(self.options.memory_factor * norm, SMALLEST_WIDTH)
        self.join(node.id, stem, "memory", width, "entropy", write, norm=norm, **shared)

    def _head(self, head: int) -> None:
        written = self.parts.head_writes[head]
        write, norm = self.write(written), float(written.norm())
        name = f"{self.name}.X{head}"
        node = self.node(
            f"X{head}",
            HEAD,
            kind="head",
            title=f"head {head} of layer {self.layer} that attends to the encoder: what it writes",
            address=name,
            cut=zero(name, self.position),
        )
        self.draft.add(node, ("", write.row), write=write)
        width = self.options.head_factor * norm
        self.join(name, self.end, "head", width, "entropy", write, norm=norm, cut=node.cut)

    def _sum(self, bias_shown: bool) -> None:
        parts = self.parts
        shown = parts.head_writes[list(parts.heads)].sum(0)
        rest = parts.added - shown - parts.bias
        if self.options.rest:
            hidden = rest if bias_shown else rest + parts.bias
            said = f"all other heads of layer {self.layer} that attend to the encoder"
            left = len(parts.heads) < parts.n_heads
            self.rest("cross_heads", said, self.end, hidden, HEAD, any_left=left)
        found = shares(torch.stack([shown, parts.bias, rest]), parts.added)
        self.draft.sums.append(
            FlowSum(
                self.layer,
                "cross",
                added_norm=float(parts.added.norm()),
                heads=found[0],
                shown=None,
                bias=found[1],
                rest=found[2],
                rest_norm=float(rest.norm()),
            )
        )
