"""Cuts of a flow graph's nodes and links, made by hand on the oracle's forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contract.oracle import Change
from .flow_layer import SlowLayer
from .flow_oracle import SlowFlow

Changes = dict[str, Change]


def cut_by_hand(flow: SlowFlow, name: str) -> Changes:
    """What becomes of which sites; nothing for what cannot be cut."""
    source, arrow, target = name.partition(">")
    if not arrow:
        return node_cut(flow, name)
    kind = flow.links[source, target].kind
    if kind.startswith("residual"):
        return {target: Less(flow.position, source, flow.sites[source][flow.position])}
    if kind == "bias":
        biases = [end for end in (source, target) if end.endswith(("attn_bias", "mlp_bias"))]
        return node_cut(flow, biases[0]) if biases and "mlp_in_bias" not in name else {}
    if kind in ("skipped", "rest"):
        return {}
    return node_cut(flow, target if kind in AT_THE_END else source)


AT_THE_END = ("norm", "query", "attention", "z_row_key", "neuron_key", "activation", "experts")


def node_cut(flow: SlowFlow, name: str) -> Changes:
    """Of a node: by its kind."""
    node, layer, at = flow.nodes[name], layer_of(flow, name), flow.position
    prefix = layer.name
    if node.kind in ZEROED:
        return {f"{prefix}.{site}": Zeroed(at) for site in ZEROED[node.kind]}
    if node.kind in ("key", "value"):
        head, position = number(name, ".H"), int(name.partition("@")[2])
        return {f"{prefix}.pattern": Zeroed((head, at, position))}
    if node.kind in ("query", "head"):
        site = "q" if node.kind == "query" else "z"
        return {f"{prefix}.{site}": Zeroed((at, number(name, ".H")))}
    if node.kind == "z_row":
        head, entry = divmod(number(name, ".z"), layer.heads.d_head)
        return {f"{prefix}.z": Zeroed((at, head, entry))}
    if node.kind in ("neuron", "neuron_key"):
        return {f"{prefix}.mlp_post": Zeroed((at, number(name, ".N")))}
    if node.kind in ("attn_bias", "mlp_bias"):
        site = node.kind.replace("bias", "out")
        return {f"{prefix}.{site}": Less(at, name, node.vectors[""])}
    return {}


ZEROED = {
    **{kind: (kind,) for kind in ("resid_pre", "resid_mid", "resid_post", "attn_in", "mlp_in")},
    **{kind: (kind,) for kind in ("attn_out", "mlp_out", "z")},
    "qkv": ("q", "k", "v"),
    "norm": ("attn_in", "mlp_in"),
}


def layer_of(flow: SlowFlow, name: str) -> SlowLayer:
    return SlowLayer(flow.slow, flow.sites, number(name, "L"), flow.position)


def number(name: str, before: str) -> int:
    """The number that stands behind a letter: 7 in "L1.H7.query" behind ".H"."""
    digits = name.partition(before)[2]
    return int(digits[: next((i for i, c in enumerate(digits) if not c.isdigit()), len(digits))])


@dataclass(frozen=True)
class Zeroed:
    """An entry, a row or a head set to zero."""

    index: int | tuple[int, ...]

    def __call__(self, value: Tensor) -> Tensor:
        value[self.index] = 0
        return value


@dataclass(frozen=True)
class Less:
    """A row with a vector of some name taken out of it."""

    position: int
    name: str
    vector: Tensor = field(compare=False)

    def __call__(self, value: Tensor) -> Tensor:
        value[self.position] -= self.vector
        return value


def together(all_changes: Iterable[Changes]) -> Changes:
    """Several cuts in one pass, in their order."""
    joined: dict[str, list[Change]] = {}
    for changes in all_changes:
        for site, change in changes.items():
            joined.setdefault(site, []).append(change)
    return {site: in_turn(parts) for site, parts in joined.items()}


def in_turn(parts: list[Change]) -> Callable[[Tensor], Tensor]:
    def change(value: Tensor) -> Tensor:
        for part in parts:
            value = part(value)
        return value

    return change


@torch.no_grad()
def logits_of(flow: SlowFlow, changes: Changes, ids: tuple[int, ...]) -> Tensor:
    return flow.slow.oracle.run(ids, changes)["logits"]
