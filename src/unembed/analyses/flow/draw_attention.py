"""The attention of a flow graph: nodes and links from `attn_in` to `attn_out`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from unembed.analyses.flow.attention import AttentionParts
from unembed.analyses.flow.draft import Draft, Write, cut, zero
from unembed.analyses.flow.drawing import BranchDrawing
from unembed.analyses.flow.latents import LatentDrawing, LatentParts
from unembed.analyses.flow.options import SMALLEST_WIDTH, FlowOptions
from unembed.analyses.flow.result import FlowSum
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.shares import shares

QKV, QUERY, KEY, VALUE, HEAD, Z, Z_ROW = range(7)  # columns, from that of qkv on


class AttentionDrawing(BranchDrawing):
    """Draws one layer's attention, from query, key and value on.

    With an autoencoder of what it adds, its `latents` stand for the rows of W_O.
    """

    def __init__(
        self,
        parts: AttentionParts,
        draft: Draft,
        options: FlowOptions,
        column: int,
        latents: LatentParts | None = None,
    ) -> None:
        super().__init__(draft, options, parts.layer, parts.position, column, "attn", parts.added)
        self.parts, self.latents = parts, latents

    def draw(self) -> None:
        """All of it."""
        self._qkv()
        for order, head in enumerate(self.parts.heads):
            self._query(order, head)
            self._memory(order, head)
            self._head(head)
        self._z()
        if self.latents is not None:
            place = self.draft, self.options, self.column + Z_ROW, f"{self.name}.z"
            LatentDrawing(self.latents, *place, heads=self._heads_share()).draw()
            return
        for order, entry in enumerate(self.parts.z_rows):
            self._z_row(order, entry)
        title = f"bias of W_O in layer {self.layer}"
        self._sum(self.bias(f"{self.name}.z", title, self.parts.whole, Z_ROW))

    # ------------------------------------------------------------ queries, keys, values

    def _qkv(self) -> None:
        found, parts = self.parts.matching, self.parts
        vectors = (found.all_queries, found.all_keys, parts.own_value)
        rows = self.draft.rows(torch.stack([accurate(vector) for vector in vectors]))
        node = self.node(
            "qkv",
            QKV,
            kind="qkv",
            title=f"query, key and value of layer {self.layer}, all heads",
            position=self.position,
            cut=cut(f"{self.name}.qkv", self.position),
        )
        self.draft.add(node, *zip("qkv", rows, strict=True))
        norm = float(parts.at("attn_in").norm())
        attn_in = f"{self.name}.attn_in"
        reads = zero(attn_in, self.position)
        self.join(attn_in, node.id, "qkv", norm, "entropy", norm=norm, row=rows[0], cut=reads)

    def _query(self, order: int, head: int) -> None:
        query = accurate(self.parts.matching.queries[order])
        row, norm = self.draft.row(query), float(query.norm())
        node = self.node(
            f"H{head}.query",
            QUERY,
            kind="query",
            title=f"query of head {head} in layer {self.layer}: what it looks for",
            address=f"{self.name}.H{head}",
            position=self.position,
            cut=zero(f"{self.name}.H{head}.q", self.position),
        )
        self.draft.add(node, ("", row))
        width = self.options.query_factor * norm
        link: dict[str, Any] = {"norm": norm, "row": row, "cut": node.cut}
        self.join(f"{self.name}.qkv", node.id, "query", width, "entropy", **link)

    def _memory(self, order: int, head: int) -> None:
        parts = self.parts
        writes, scores = parts.value_writes[order], parts.scores[order]
        rows = self.draft.rows(writes)
        for place, position in enumerate(parts.memory[order]):
            key = self._key_readings(order, place)
            write = Write(rows[place], float(scores[place]), self.layer, "attn")
            self._pair(head, position, key, write, float(parts.key_norms[order, place]))
        if self.options.rest:
            rest = parts.head_writes[head] - (scores[:, None] * writes).sum(0)
            said = f"head {head} of layer {self.layer} at all other positions"
            self.rest(f"H{head}", said, f"{self.name}.H{head}", rest, VALUE)

    def _key_readings(self, order: int, place: int) -> list[tuple[str, int]]:
        found, merged = self.parts.matching, self.options.merge_values
        name = "key" if merged else ""
        readings = [(name, self.draft.row(found.keys[order, place]))]
        if found.turned is not None:
            after = f"{name} after rotation".strip()
            readings.append((after, self.draft.row(found.turned[order, place])))
        return readings

    def _pair(
        self,
        head: int,
        position: int,
        key: list[tuple[str, int]],
        write: Write,
        key_norm: float,
    ) -> None:
        """One position that a head looks at: its key, its value, and the links through them."""
        score, stem = write.coefficient, f"{self.name}.H{head}"
        pair = zero(stem, self.position)
        pair = replace(pair, target=f"{pair.target}<{position}")
        shared: dict[str, Any] = {
            "address": stem,
            "position": position,
            "token": self.parts.run.tokens[position],
            "attention": score,
            "cut": pair,
        }
        said = f"of head {head} in layer {self.layer} at position {position}"
        value = self.node(
            f"H{head}.value@{position}", VALUE, kind="value", title=f"value {said}", **shared
        )
        way = [(f"{stem}.query", float(self.parts.at("q")[head].norm()))]
        if self.options.merge_values:
            self.draft.add(value, ("", write.row), *key, write=write)
        else:
            node = self.node(
                f"H{head}.key@{position}", KEY, kind="key", title=f"key {said}", **shared
            )
            self.draft.add(node, *key)
            self.draft.add(value, ("", write.row), write=write)
            way.append((node.id, key_norm))
        width = max(self.options.attention_factor * score, SMALLEST_WIDTH)
        ends = [*(name for name, _ in way[1:]), value.id]
        for (source, norm), target in zip(way, ends, strict=True):
            link: dict[str, Any] = {
                "colour_value": score,
                "norm": norm,
                "attention": score,
                "cut": pair,
            }
            self.join(source, target, "attention", width, "attention", **link)
        norm = score * float(self.draft.vector(write.row).norm())
        width = max(self.options.memory_factor * norm, SMALLEST_WIDTH)
        last: dict[str, Any] = {"norm": norm, "attention": score, "cut": pair}
        self.join(value.id, stem, "memory", width, "entropy", write, **last)

    # ------------------------------------------------------------ heads, rows of W_O, the bias

    def _head(self, head: int) -> None:
        written = self.parts.head_writes[head]
        write, norm = self.write(written), float(written.norm())
        node = self.node(
            f"H{head}",
            HEAD,
            kind="head",
            title=f"head {head} of layer {self.layer}: what it writes",
            address=f"{self.name}.H{head}",
            sink=None if self.parts.sink is None else float(self.parts.sink[head]),
            cut=zero(f"{self.name}.H{head}", self.position),
        )
        self.draft.add(node, ("", write.row), write=write)
        width = self.options.head_factor * norm
        link: dict[str, Any] = {"norm": norm, "cut": node.cut}
        self.join(node.id, f"{self.name}.z", "head", width, "entropy", write, **link)

    def _z(self) -> None:
        parts = self.parts
        wide, vector = parts.together
        what = "before W_O" if wide else "through W_O, without its bias"
        node = self.node(
            "z",
            Z,
            kind="z",
            title=f"all heads of layer {self.layer} together, {what}",
            cut=zero(f"{self.name}.z", self.position),
        )
        written = self.write(parts.head_writes.sum(0))
        row = self.draft.row(vector) if wide else written.row
        self.draft.add(node, ("", row), write=written)
        if self.options.rest:
            shown = parts.head_writes[list(parts.heads)].sum(0)
            said = f"all other heads of layer {self.layer}"
            left, hidden = len(parts.heads) < parts.n_heads, parts.head_writes.sum(0) - shown
            self.rest("heads", said, node.id, hidden, HEAD, any_left=left)

    def _z_row(self, order: int, entry: int) -> None:
        parts, name = self.parts, f"{self.name}.z{entry}"
        activation, unit = float(parts.z[entry]), parts.unit_writes[order]
        sign, readings = self.draft.signed(name, activation, unit)
        write = Write(readings[0][1], sign * activation, self.layer, "attn")
        head = entry // parts.d_head
        node = self.node(
            f"z{entry}",
            Z_ROW,
            kind="z_row",
            title=f"row {entry} of W_O in layer {self.layer}, from head {head}",
            address=f"{self.name}.H{head}",
            sign=sign,
            activation=activation,
            cut=cut(name, self.position),
        )
        self.draft.add(node, *readings, write=write)
        link: dict[str, Any] = {"activation": activation, "cut": node.cut}
        width = self.options.default_width
        into: dict[str, Any] = {"colour_value": activation, **link}
        self.join(f"{self.name}.z", name, "z_row_key", width, "sign", **into)
        norm = abs(activation) * float(unit.norm())
        link |= {"norm": norm}
        self.join(name, self.end, "z_row", norm, "entropy", write, **link)

    def _heads_share(self) -> float:
        heads = self.parts.head_writes[list(self.parts.heads)].sum(0)
        return shares(heads[None], self.parts.added)[0]

    def _sum(self, bias_shown: bool) -> None:
        parts = self.parts
        activations = parts.z[list(parts.z_rows)]
        shown = (activations[:, None] * parts.unit_writes).sum(0)
        rest = parts.added - shown - parts.bias
        if self.options.rest:
            hidden = rest if bias_shown else rest + parts.bias
            said = f"all other rows of W_O in layer {self.layer}"
            left = len(parts.z_rows) < len(parts.z)
            self.rest("z", said, self.end, hidden, Z_ROW, any_left=left)
        found = shares(torch.stack([shown, parts.bias, rest]), parts.added)
        self.draft.sums.append(
            FlowSum(
                self.layer,
                "attn",
                added_norm=float(parts.added.norm()),
                heads=self._heads_share(),
                shown=found[0],
                bias=found[1],
                rest=found[2],
                rest_norm=float(rest.norm()),
            )
        )
