"""A flow graph by hand: every kind of node and link that a sequential block has, with made-up
numbers and awkward tokens. Its pieces are those of the contract in `flow_result`."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.flow.result import (
    FlowCut,
    FlowGraph,
    FlowLink,
    FlowNode,
    FlowReading,
    FlowScore,
    FlowSum,
    FlowTarget,
    FlowToken,
    LayerSelection,
)
from unembed.engine.names.tokens import Token

from .conftest import AWKWARD

VOCAB = 50_257
WORDS = (
    *AWKWARD[1:],
    *(Token(100 + place, f" {word}", f"␣{word}") for place, word in enumerate(
        ["Tokyo", "Osaka", "Kyoto", "London", "the", "Yamato", "city", "samurai", "towns", "Japan"]
    )),
)  # fmt: skip
PROMPT = tuple(
    Token(300 + place, f" {word}", f"␣{word}")
    for place, word in enumerate(["The", "capital", "of", "Japan", "is", "the", "city", "of"])
)
TOKYO = Token(100, " Tokyo", "␣Tokyo")
LAST = len(PROMPT) - 1
SMALL = FlowOptions(n_heads=3, top_neurons=3, bottom_neurons=2)


class _Maker:
    def __init__(self, options: FlowOptions, seed: int) -> None:
        self.draw = random.Random(seed)
        self.options = options
        self.rows = 0
        self.nodes: list[FlowNode] = []
        self.links: list[FlowLink] = []

    def reading(self, name: str = "", norm: float | None = None) -> FlowReading:
        self.rows += 1
        chances = sorted((self.draw.random() ** 3 for _ in range(self.options.k)), reverse=True)
        tokens = self.draw.sample(WORDS, min(self.options.k, len(WORDS)))
        rank = max(1, int(VOCAB ** self.draw.random()))
        return FlowReading(
            name=name,
            row=self.rows - 1,
            norm=self.draw.uniform(1, 30) if norm is None else norm,
            entropy=self.draw.uniform(0.2, 10.5),
            tokens=tuple(FlowToken(*pair) for pair in zip(tokens, chances, strict=False)),
            target=FlowScore(self.draw.random() / rank, rank),
        )

    def node(self, name, kind, column, title, readings: Sequence[str] = ("",), **more) -> str:
        layer, _, what = name[1:].partition(".")
        norm = more.pop("norm", None)
        more.setdefault(
            "address", f"L{layer}.{what.partition('.')[0]}" if what[0] in "HN" else None
        )
        self.nodes.append(
            FlowNode(
                id=name,
                kind=kind,
                layer=int(layer),
                column=column,
                title=title,
                readings=tuple(self.reading(one, norm) for one in readings),
                **more,
            )
        )
        return name

    def link(self, source, target, kind, width, colour, value=None, **more) -> None:
        self.links.append(FlowLink(source, target, kind, width, colour, value, **more))


def flow_example(
    layers: Sequence[int] = (14,),
    *,
    options: FlowOptions = SMALL,
    residual: float = 195.0,
    seed: int = 0,
) -> FlowGraph:
    """Layers of a sequential block; `residual` is the norm of what enters the first."""
    make = _Maker(options, seed)
    column, last = 0, None
    for layer in layers:
        joined = last is not None and layer == last + 1
        if last is not None and not joined:
            column += 1
        start = f"L{last}.resid_post" if joined else f"L{layer}.resid_pre"
        if not joined:
            make.node(start, "resid_pre", column, f"what enters layer {layer}", norm=residual)
        if last is not None and not joined:
            make.link(f"L{last}.resid_post", start, "skipped", residual, "residual_mlp",
                      norm=residual)  # fmt: skip
        _attention(make, layer, start, column, residual)
        _feed_forward(make, layer, column, residual)
        column, last = column + 15, layer
    sums = [row for layer in layers for row in _sums(layer)]
    reading = replace(make.reading(), row=-1, norm=residual)
    return FlowGraph(
        layers=tuple(layers),
        position=LAST,
        tokens=PROMPT,
        target=FlowTarget(" Tokyo", (TOKYO,), "first", True),
        output=reading,
        nodes=tuple(make.nodes),
        links=tuple(make.links),
        sums=tuple(sums),
        notes=("' Tokyo Tower' is 2 tokens; nodes are rated by its first, '␣Tokyo'.",),
        vocab_size=VOCAB,
        options=options,
        selection=tuple(LayerSelection(one, (0, 1, 2), ((0,),) * 3, (1,), (2,)) for one in layers),
        vectors=torch.zeros(make.rows, 4),
        provenance={"model": "by <hand> & eye", "dtype": "float32"},
    )  # fmt: skip


def _sums(layer: int) -> Iterator[FlowSum]:
    yield FlowSum(layer, "attn", 21.7, 0.91, 0.62, 0.05, 0.33, 7.1)
    yield FlowSum(layer, "mlp", 33.3, None, 0.44, -0.02, 0.58, 12.0)


def _attention(make: _Maker, layer: int, start: str, column: int, residual: float) -> None:
    at = f"L{layer}"
    attn_in = make.node(
        f"{at}.attn_in", "attn_in", column + 1, f"attention input of layer {layer}", norm=90
    )
    qkv = make.node(f"{at}.qkv", "qkv", column + 2, "query, key and value", ("q", "k", "v"))
    z = make.node(f"{at}.z", "z", column + 7, "results of all heads")
    out = make.node(f"{at}.attn_out", "attn_out", column + 9, f"what attention {layer} adds",
                    norm=21.7, attributed=1.2, cut=FlowCut("zero", f"{at}.attn"))  # fmt: skip
    mid = make.node(
        f"{at}.resid_mid",
        "resid_mid",
        column + 10,
        "the residual stream after attention",
        norm=residual,
    )
    make.link(start, attn_in, "norm", residual, "norm", norm=residual)
    make.link(attn_in, qkv, "qkv", 60, "entropy", 8.1, norm=60)
    for head in range(make.options.n_heads):
        _head(make, at, head, column, qkv, z)
    for row in range(make.options.top_neurons + make.options.bottom_neurons):
        minus = row >= make.options.top_neurons
        z_row = _writer(
            make, f"{at}.z{40 * row}", "z_row", column + 8, f"row {40 * row} of W_O", minus
        )
        make.link(
            z,
            z_row,
            "z_row_key",
            7,
            "sign",
            -1.0 if minus else 1.0,
            activation=-1.5 if minus else 1.5,
        )
        make.link(
            z_row, out, "z_row", make.draw.uniform(1, 9), "entropy", 3.0, share=0.1, attributed=0.2
        )
    if make.options.attn_bias:
        bias = make.node(
            f"{at}.attn_bias", "attn_bias", column + 8, "bias of W_O", norm=4, attributed=-0.01
        )
        make.link(z, bias, "bias", 7, "bias")
        make.link(bias, out, "bias", 4, "bias", norm=4, share=0.05)
    make.link(out, mid, "branch", 21.7, "entropy", 1.5, norm=21.7, share=1.0)
    make.link(start, mid, "residual_attn", residual, "residual_attn", norm=residual,
              cut=FlowCut("cut", f"{start}>{mid}"))  # fmt: skip


def _head(make: _Maker, at: str, head: int, column: int, qkv: str, z: str) -> None:
    query = make.node(f"{at}.H{head}.query", "query", column + 3, f"query of head {head}")
    name = make.node(f"{at}.H{head}", "head", column + 6, f"head {head}: what it writes",
                     attributed=0.8, cut=FlowCut("zero", f"{at}.H{head}"))  # fmt: skip
    make.link(qkv, query, "query", make.draw.uniform(1, 6), "entropy", 9.0, norm=11.0)
    for place in range(min(make.options.values_per_head, len(PROMPT))):
        position, score = 3 + place, 0.75 / (place + 1)
        more = {"position": position, "token": PROMPT[position], "attention": score}
        key = make.node(f"{at}.H{head}.key@{position}", "key", column + 4, f"key of head {head}",
                        ("", "after rotation"), **more)  # fmt: skip
        value = make.node(f"{at}.H{head}.value@{position}", "value", column + 5,
                          f"value of head {head}", attributed=0.4, **more)  # fmt: skip
        make.link(query, key, "attention", 10 * score, "attention", score, attention=score)
        make.link(key, value, "attention", 10 * score, "attention", score, attention=score)
        make.link(
            value,
            name,
            "memory",
            make.draw.uniform(1, 20),
            "entropy",
            4.0,
            attention=score,
            norm=9.0,
        )
    make.link(name, z, "head", make.draw.uniform(2, 30), "entropy", 5.0, norm=12.0)


def _feed_forward(make: _Maker, layer: int, column: int, residual: float) -> None:
    at = f"L{layer}"
    mid = f"{at}.resid_mid"
    mlp_in = make.node(
        f"{at}.mlp_in", "mlp_in", column + 11, f"feed-forward input of layer {layer}"
    )
    out = make.node(
        f"{at}.mlp_out", "mlp_out", column + 14, "what the feed-forward adds", norm=33.3
    )
    post = make.node(
        f"{at}.resid_post", "resid_post", column + 15, f"what leaves layer {layer}", norm=residual
    )
    make.link(mid, mlp_in, "norm", residual, "norm", norm=residual)
    for row in range(make.options.top_neurons + make.options.bottom_neurons):
        minus = row >= make.options.top_neurons
        active = -0.8 if minus else 2.4
        neuron = f"{at}.N{100 * row}"
        key = make.node(
            f"{neuron}.key", "neuron_key", column + 12, f"input of neuron {100 * row}", ("", "gate")
        )
        value = _writer(make, neuron, "neuron", column + 13, f"neuron {100 * row}", minus)
        make.link(mlp_in, key, "neuron_key", 7, "entropy", 8.0, norm=2.0)
        make.link(key, value, "activation", 1.5 * abs(active), "sign", active, activation=active)
        make.link(value, out, "neuron", make.draw.uniform(1, 11), "entropy", 2.0, share=0.08)
    if make.options.mlp_bias:
        first = make.node(f"{at}.mlp_in_bias", "mlp_in_bias", column + 12, "bias of the input map")
        bias = make.node(
            f"{at}.mlp_bias", "mlp_bias", column + 13, "bias of the output map", norm=3
        )
        make.link(mlp_in, first, "bias", 7, "bias")
        make.link(first, bias, "bias", 0.05, "hidden")
        make.link(bias, out, "bias", 3, "bias", norm=3, share=-0.02)
    make.link(out, post, "branch", 33.3, "entropy", 1.5, norm=33.3)
    make.link(mid, post, "residual_mlp", residual, "residual_mlp", norm=residual)


def _writer(make: _Maker, name, kind, column, title, minus: bool) -> str:
    return make.node(
        name, kind, column, title, ("", "suppressed") if minus else ("",),
        sign=-1 if minus else 1, activation=-0.8 if minus else 2.4, attributed=-0.1,
    )  # fmt: skip
