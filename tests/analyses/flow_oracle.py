"""The flow graph a second time: one vector after another, from the oracle's forward pass.

Promises: which nodes and links a graph has, which vector each stands for, and how wide each link
is. Nothing here is shared with the analysis but the names in its options.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from torch import Tensor

from unembed.analyses.flow.options import SMALLEST_WIDTH, FlowOptions

from ..contract.oracle import Edits
from .flow_layer import SlowLayer
from .slow import PROMPT, Slow

SEQUENTIAL = {
    **{"resid_pre": 0, "attn_in": 1, "qkv": 2, "query": 3, "key": 4, "value": 5, "head": 6},
    **{"z": 7, "z_row": 8, "attn_bias": 8, "attn_out": 9, "resid_mid": 10, "mlp_in": 11},
    **{"neuron_key": 12, "mlp_in_bias": 12, "neuron": 13, "mlp_bias": 13, "mlp_out": 14},
    "resid_post": 15,
}
PARALLEL = {
    **{"resid_pre": 0, "norm": 1, "attn_in": 2, "mlp_in": 2, "qkv": 3, "query": 4, "key": 5},
    **{"value": 6, "head": 7, "z": 8, "z_row": 9, "attn_bias": 9, "attn_out": 10},
    **{"neuron_key": 8, "mlp_in_bias": 8, "neuron": 9, "mlp_bias": 9, "mlp_out": 10},
    "resid_post": 11,
}


@dataclass
class Node:
    """What a node must be; `vectors` by the name of their reading."""

    kind: str
    vectors: dict[str, Tensor] = field(default_factory=dict)
    column: int | None = None
    facts: dict[str, object] = field(default_factory=dict)
    write: Tensor | None = None  # what it writes to the stream, for its direct effect
    part: str | None = None


@dataclass
class Link:
    """What a link must be. `value` is what its colour is made from."""

    kind: str
    width: float | None
    colour: str
    value: float | None = None
    norm: float | None = None
    write: Tensor | None = None  # what passes, where that is a part of what a branch adds
    added: Tensor | None = None  # what the branch added
    part: str | None = None


Nodes = dict[str, Node]
Links = dict[tuple[str, str], Link]


class SlowFlow:
    """The graph of some layers of one run, at one position."""

    def __init__(
        self,
        slow: Slow,
        layers: Sequence[int],
        position: int = -1,
        options: FlowOptions | None = None,
        ids: tuple[int, ...] = PROMPT,
        *,
        among_equals: Sequence[str] = (),
        edits: Edits | None = None,
    ) -> None:
        self.slow, self.layers, self.options = slow, layers, options or FlowOptions()
        self.sites = slow.oracle.run(ids, edits)
        self.position = position % len(ids)
        self.nodes: Nodes = {}
        self.links: Links = {}
        start = 0
        for index, number in enumerate(layers):
            follows = index > 0 and layers[index - 1] == number - 1
            start += int(index > 0 and not follows)
            layer = SlowLayer(slow, self.sites, number, self.position, among_equals)
            self.columns = PARALLEL if self.parallel else SEQUENTIAL
            self.entry = f"L{number - 1}.resid_post" if follows else f"L{number}.resid_pre"
            if not follows:
                self.add(self.entry, Node("resid_pre", {"": layer.at("resid_pre")}, start))
            if index and not follows:
                source = f"L{layers[index - 1]}.resid_post"
                norm = float(self.sites[source][self.position].norm())
                self.links[source, self.entry] = Link("skipped", None, "", norm=norm)
            self.draw(layer, start)
            start += self.columns["resid_post"]

    @property
    def parallel(self) -> bool:
        return self.slow.oracle.wiring.layout == "parallel"

    @property
    def shared_norm(self) -> bool:
        """Whether both branches of a parallel block read the same vector."""
        w = self.slow.oracle.wiring
        return self.parallel and w.attn_norm == w.mlp_norm and "neox" not in w.blocks

    def add(self, name: str, node: Node) -> None:
        assert name not in self.nodes
        self.nodes[name] = node

    def draw(self, layer: SlowLayer, start: int) -> None:
        for name, node in (*self.frame(layer), *self.attention(layer), *self.feed_forward(layer)):
            node.column = start + self.columns[node.kind]
            self.add(f"{layer.name}.{name}", node)
        self.link_frame(layer)
        self.link_attention(layer)
        self.link_feed_forward(layer)

    # ------------------------------------------------------------------ nodes

    def frame(self, layer: SlowLayer) -> Iterator[tuple[str, Node]]:
        names = ["attn_in", "mlp_in", "resid_post"]
        names += [] if self.parallel else ["resid_mid"]
        for name in names:
            yield name, Node(name, {"": layer.at(name)})
        if self.shared_norm:
            yield "norm", Node("norm", {"": layer.at("attn_in")})
        for part in ("attn", "mlp"):
            added = layer.at(f"{part}_out")
            yield f"{part}_out", Node(f"{part}_out", {"": added}, write=added, part=part)

    def attention(self, layer: SlowLayer) -> Iterator[tuple[str, Node]]:
        heads, options = layer.heads, self.options
        every = range(heads.n_heads)
        here = layer.position
        readings = {
            "q": sum(layer.query(head) for head in every),
            "k": sum(layer.key(head, here) for head in every),
            "v": sum(layer.value_write(head, here) for head in every),
        }
        yield "qkv", Node("qkv", readings)
        yield "z", Node("z", {"": layer.z_vector})
        for head in layer.largest_heads(options):
            yield f"H{head}.query", Node("query", {"": layer.query(head)})
            write = layer.head_write(head)
            yield f"H{head}", Node("head", {"": write}, write=write, part="attn")
            for source in layer.memory(head, options):
                yield from self.memory(layer, head, source)
        z = layer.at("z").flatten()
        for row in layer.chosen_z(options):
            yield f"z{row}", written("z_row", layer.z_row(row), float(z[row]), "attn")
        if options.attn_bias and layer.has(layer.wiring.o_proj):
            bias = layer.w_o[1] * layer.attn_gain
            yield "attn_bias", Node("attn_bias", {"": bias}, write=bias, part="attn")

    def memory(self, layer: SlowLayer, head: int, source: int) -> Iterator[tuple[str, Node]]:
        facts = {"position": source, "attention": float(layer.attention(head)[source])}
        readings = {"": layer.key(head, source)}
        if layer.heads.turns:
            readings["after rotation"] = layer.key(head, source, turned=True)
        value = layer.value_write(head, source)
        write = value * facts["attention"]
        node = Node("value", {"": value}, facts=facts, write=write, part="attn")
        if self.options.merge_values:
            node.vectors |= of_the_key(readings)
        else:
            yield f"H{head}.key@{source}", Node("key", readings, facts=facts)
        yield f"H{head}.value@{source}", node

    def feed_forward(self, layer: SlowLayer) -> Iterator[tuple[str, Node]]:
        if not layer.dense:
            return
        activations = layer.at("mlp_post")
        for neuron in layer.chosen_neurons(self.options):
            activation = float(activations[neuron])
            node = written("neuron", layer.value_vector(neuron), activation, "mlp")
            node.facts |= layer.gate_and_up(neuron)
            if self.options.merge_neurons:
                node.vectors |= of_the_key(layer.neuron_key(neuron))
            else:
                yield f"N{neuron}.key", Node("neuron_key", layer.neuron_key(neuron))
            yield f"N{neuron}", node
        if self.options.mlp_bias and layer.has(layer.wiring.mlp_out):
            bias = layer.w_out[1] * layer.mlp_gain
            yield "mlp_in_bias", Node("mlp_in_bias", {"": layer.mlp_in_bias()})
            yield "mlp_bias", Node("mlp_bias", {"": bias}, write=bias, part="mlp")

    # ------------------------------------------------------------------ links

    def link_frame(self, layer: SlowLayer) -> None:
        pre, norm = self.entry, float(layer.at("resid_pre").norm())
        if self.parallel:
            self.link_parallel(layer, pre, norm)
            return
        mid = float(layer.at("resid_mid").norm())
        self.link(layer, pre, "attn_in", Link("norm", norm, "norm", norm=norm))
        self.link(layer, pre, "resid_mid", passed("residual_attn", norm))
        self.link(layer, "resid_mid", "mlp_in", Link("norm", mid, "norm", norm=mid))
        self.link(layer, "resid_mid", "resid_post", passed("residual_mlp", mid))
        self.link_branch(layer, "attn_out", "resid_mid")
        self.link_branch(layer, "mlp_out", "resid_post")

    def link_parallel(self, layer: SlowLayer, pre: str, norm: float) -> None:
        after, width = pre, norm
        if self.shared_norm:
            self.link(layer, pre, "norm", Link("norm", norm, "norm", norm=norm))
            after, width = "norm", float(layer.at("attn_in").norm())
        for name in ("attn_in", "mlp_in"):
            self.link(layer, after, name, Link("norm", width, "norm", norm=width))
        self.link(layer, pre, "resid_post", Link("residual", norm, "residual", norm=norm))
        self.link_branch(layer, "attn_out", "resid_post")
        self.link_branch(layer, "mlp_out", "resid_post")

    def link_branch(self, layer: SlowLayer, source: str, target: str) -> None:
        added = layer.at(source)
        norm, part = float(added.norm()), source.removesuffix("_out")
        link = Link("branch", norm, "entropy", layer.entropy(added), norm, added, part=part)
        self.link(layer, source, target, link)

    def link(self, layer: SlowLayer, source: str, target: str, link: Link) -> None:
        start = source if source.startswith("L") else f"{layer.name}.{source}"
        self.links[start, f"{layer.name}.{target}"] = link

    def link_attention(self, layer: SlowLayer) -> None:
        options = self.options
        norm = float(layer.at("attn_in").norm())
        asked = self.nodes[f"{layer.name}.qkv"].vectors["q"]
        self.link(layer, "attn_in", "qkv", Link("qkv", norm, "entropy", layer.entropy(asked), norm))
        for head in layer.largest_heads(options):
            query = layer.query(head)
            width = options.query_factor * float(query.norm())
            link = Link("query", width, "entropy", layer.entropy(query))
            self.link(layer, "qkv", f"H{head}.query", link)
            for source in layer.memory(head, options):
                self.link_memory(layer, head, source)
            write = layer.head_write(head)
            norm = float(write.norm())
            width = options.head_factor * norm
            link = Link("head", width, "entropy", layer.entropy(write), norm, write, part="attn")
            self.link(layer, f"H{head}", "z", link)
        self.link_z(layer)

    def link_memory(self, layer: SlowLayer, head: int, source: int) -> None:
        options, attention = self.options, float(layer.attention(head)[source])
        names = [f"H{head}.query", f"H{head}.key@{source}", f"H{head}.value@{source}"]
        if options.merge_values:
            del names[1]
        width = max(options.attention_factor * attention, SMALLEST_WIDTH)
        for start, end in pairwise(names):
            self.link(layer, start, end, Link("attention", width, "attention", attention))
        value = layer.value_write(head, source)
        norm = attention * float(value.norm())
        width = max(options.memory_factor * norm, SMALLEST_WIDTH)
        write = attention * value
        link = Link("memory", width, "entropy", layer.entropy(value), norm, write, part="attn")
        self.link(layer, names[-1], f"H{head}", link)

    def link_z(self, layer: SlowLayer) -> None:
        z, added = layer.at("z").flatten(), layer.at("attn_out")
        for row in layer.chosen_z(self.options):
            activation = float(z[row])
            link = Link("z_row_key", self.options.default_width, "sign", activation)
            self.link(layer, "z", f"z{row}", link)
            self.link_write(layer, f"z{row}", "attn", activation, layer.z_row(row), "z_row")
        if f"{layer.name}.attn_bias" in self.nodes:
            bias = layer.w_o[1] * layer.attn_gain
            width, norm = self.options.default_width, float(bias.norm())
            self.link(layer, "z", "attn_bias", Link("bias", width, "bias"))
            link = Link("bias", norm, "bias", None, norm, bias, added, "attn")
            self.link(layer, "attn_bias", "attn_out", link)

    def link_write(
        self, layer: SlowLayer, name: str, part: str, activation: float, unit: Tensor, kind: str
    ) -> None:
        norm = abs(activation) * float(unit.norm())
        read = layer.entropy(unit if activation >= 0 else -unit)
        added = layer.at(f"{part}_out")
        link = Link(kind, norm, "entropy", read, norm, activation * unit, added, part)
        self.link(layer, name, f"{part}_out", link)

    def link_feed_forward(self, layer: SlowLayer) -> None:
        if not layer.dense:
            self.link(layer, "mlp_in", "mlp_out", Link("experts", None, ""))
            return
        options = self.options
        for neuron in layer.chosen_neurons(options):
            activation = float(layer.at("mlp_post")[neuron])
            width = options.neuron_factor * abs(activation)
            start = "mlp_in"
            if not options.merge_neurons:
                start = f"N{neuron}.key"
                read = layer.entropy(layer.neuron_key(neuron)[""])
                link = Link("neuron_key", options.default_width, "entropy", read)
                self.link(layer, "mlp_in", start, link)
            self.link(layer, start, f"N{neuron}", Link("activation", width, "sign", activation))
            unit = layer.value_vector(neuron)
            self.link_write(layer, f"N{neuron}", "mlp", activation, unit, "neuron")
        if f"{layer.name}.mlp_bias" in self.nodes:
            self.link_mlp_bias(layer)

    def link_mlp_bias(self, layer: SlowLayer) -> None:
        bias = layer.w_out[1] * layer.mlp_gain
        norm = float(bias.norm())
        self.link(layer, "mlp_in", "mlp_in_bias", Link("bias", self.options.default_width, "bias"))
        self.link(layer, "mlp_in_bias", "mlp_bias", Link("bias", 0.05, "hidden"))
        link = Link("bias", norm, "bias", None, norm, bias, layer.at("mlp_out"), "mlp")
        self.link(layer, "mlp_bias", "mlp_out", link)


def of_the_key(vectors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A key's readings, as they are called where key and value are one node."""
    return {f"key {name}".strip(): vector for name, vector in vectors.items()}


def passed(kind: str, norm: float) -> Link:
    return Link(kind, norm, kind, norm=norm)


def written(kind: str, unit: Tensor, activation: float, part: str) -> Node:
    """A row of W_O or a value vector: read as it is written, and what it takes from besides."""
    facts: dict[str, object] = {"activation": activation, "sign": 1 if activation >= 0 else -1}
    vectors = {"": unit} if activation >= 0 else {"": -unit, "suppressed": unit}
    return Node(kind, vectors, facts=facts, write=activation * unit, part=part)
