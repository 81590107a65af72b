"""A flow graph in words: what is known of each node, link and branch. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator

from unembed.analyses.flow.result import (
    FlowGraph,
    FlowLink,
    FlowNode,
    FlowReading,
    FlowScore,
    FlowSum,
)
from unembed.engine.names.tokens import Token
from unembed.figures import text as shown

LONGEST_TOKEN = 40  # columns

_READINGS = {
    "q": "read as the query",
    "k": "read as the key",
    "v": "read as the value",
    "after rotation": "after the rotation for its distance",
    "gate": "the gate's column",
    "up": "the column that the gate multiplies",
    "suppressed": "takes probability from",
}
_BRANCHES = {
    "attn": "attention",
    "cross": "attention to the encoder",
    "mlp": "feed-forward",
    "stream": "stream",
}
_LINKS = {
    "norm": "through the norm",
    "residual_attn": "past the attention",
    "residual_mlp": "past the feed-forward",
    "skipped": "through the layers that are not shown",
    "branch": "added to the residual stream",
    "qkv": "makes queries, keys and values",
    "query": "the head's query",
    "attention": "attention",
    "memory": "attention times value",
    "head": "what the head writes",
    "z_row_key": "the entry of z",
    "z_row": "what the row of W_O writes",
    "neuron_key": "what the neuron reads",
    "activation": "activation",
    "latent": "activation times what a latent writes",
    "neuron": "what the neuron writes",
    "bias": "bias",
    "rest": "what is not shown",
    "mixer": "the token mixer",
    "ple": "the per-layer embedding",
    "experts": "the experts",
}


# ------------------------------------------------------------------ nodes and links


def node_words(graph: FlowGraph, node: FlowNode) -> str:
    """Lines of a hover; the first is the title."""
    lines = [node.title, *_where(node)]
    for reading in node.readings:
        lines += ["", *_reading(graph, node, reading)]
    return "\n".join([*lines, *_spaced(_quantities(graph, node))])


def link_words(graph: FlowGraph, link: FlowLink) -> str:
    """Lines of a hover; nothing for a link that is there for the layout alone."""
    if link.colour == "hidden":
        return ""
    source, target = graph.node(link.source), graph.node(link.target)
    lines = [_LINKS[link.kind], f"from {source.title}", f"to {target.title}"]
    return "\n".join([*lines, *_spaced(_passing(graph, link))])


def _where(node: FlowNode) -> list[str]:
    lines = [node.id]
    if node.position is not None:
        of = "" if node.token is None else f" of {named(node.token)}"
        where = "source position" if is_of_source(node) else "position"
        lines.append(f"made at {where} {node.position}{of}")
    return lines


def is_of_source(node: FlowNode) -> bool:
    """Whether it is the value of a head that attends to the encoder."""
    return node.kind == "value" and ".X" in node.id


def _reading(graph: FlowGraph, node: FlowNode, reading: FlowReading) -> Iterator[str]:
    own = reading is node.readings[0]
    if reading.entropy is None:  # no prediction: what it is called, and its norm
        yield _READINGS.get(reading.name, reading.name or f"norm {size(reading.norm)}")
        return
    plain = "predicts" if node.sign > 0 else "what is written, with its minus sign, predicts"
    yield _READINGS.get(reading.name, reading.name) if reading.name else plain
    for one in reading.tokens:
        yield f"{percent(one.probability):>9}  {named(one.token)}"
    if reading.target is not None:
        yield f"{target_name(graph)}: {score_words(reading.target, graph.vocab_size)}"
    numbers = f"norm {size(reading.norm)}, entropy {shown.number(reading.entropy)} nats"
    yield numbers if own else f"entropy {shown.number(reading.entropy)} nats"


def _quantities(graph: FlowGraph, node: FlowNode) -> Iterator[str]:
    if node.activation is not None:
        yield f"activation {shown.number(node.activation, 3)}"
    if node.gate is not None and node.up is not None:
        gate, up = shown.number(node.gate, 3), shown.number(node.up, 3)
        yield f"of which the gate {gate}, and what it multiplies {up}"
    if node.attention is not None:
        yield f"attention score {shown.number(node.attention, 3)}"
    if node.attributed is not None:
        yield attributed_words(graph, node.attributed)


def _passing(graph: FlowGraph, link: FlowLink) -> Iterator[str]:
    if link.attention is not None:
        yield f"attention score {shown.number(link.attention, 3)}"
    if link.activation is not None:
        yield f"activation {shown.number(link.activation, 3)}"
    if link.norm is not None:
        yield f"norm {size(link.norm)}"
    if link.colour == "entropy" and link.colour_value is not None:
        yield f"entropy {shown.number(link.colour_value)} nats"
    if link.share is not None:
        yield f"{percent(link.share, 1)} of what is added"
    if link.attributed is not None:
        yield attributed_words(graph, link.attributed)
    yield f"width {size(link.width)}"


def _spaced(lines: Iterator[str]) -> list[str]:
    found = list(lines)
    return ["", *found] if found else []


# ------------------------------------------------------------------ words that all faces share


def named(token: Token) -> str:
    """A token with its id, as hovers and tables name it."""
    return f"{shown.isolate(shown.cut(token.label, LONGEST_TOKEN))} #{token.id}"


def target_name(graph: FlowGraph) -> str:
    """What nodes are rated by: "␣Tokyo"; without tokens the name of a label."""
    tokens = graph.target.tokens
    if not tokens:
        return shown.isolate(shown.cut(graph.target.text, LONGEST_TOKEN))
    kept = tokens if graph.target.mode == "whole" else tokens[:1]
    return shown.isolate("".join(token.label for token in kept))


def score_words(score: FlowScore, vocab: int) -> str:
    """ "87.889%, rank 1 of 50,257"."""
    return f"{percent(score.probability)}, rank {shown.rank(score.rank)} of {vocab:,}"


def attributed_words(graph: FlowGraph, value: float) -> str:
    """The direct effect of a write on the target's logit, or on another objective."""
    target = graph.target
    explained = f"logit of {target_name(graph)}" if target.of_token else target.objective
    return f"direct effect on the {explained}: {signed(value)}"


def percent(value: float, digits: int = 3) -> str:
    """ "87.889%"; what would be shown as 0 is "<0.001%"."""
    smallest = 10.0**-digits
    if 0 < 100 * value < smallest / 2:
        return f"<{smallest:.{digits}f}%"
    return f"{shown.number(100 * value, digits)}%"


def signed(value: float) -> str:
    """With its sign, also where it is positive."""
    said = shown.number(value, 3)
    return f"+{said}" if value > 0 else said


def size(value: float) -> str:
    """A norm or a width."""
    return shown.number(value, 3 if abs(value) < 1000 else 1)


def _of_latents(head: str, row: FlowSum) -> str:
    said = f"{row.latents} of {row.active} active latents of {row.site}"
    shares = [
        (row.heads, "the heads shown are"),
        (row.shown, f"{said} are" if row.heads is None else said),
        (row.rest, "the other latents"),
        (row.bias, "the autoencoder's bias"),
        (row.error, "what it does not explain"),
    ]
    words = [f"{name} {percent(value, 1)} of it" for value, name in shares if value is not None]
    return f"{head}; {', '.join(words)}."


def sum_words(row: FlowSum) -> str:
    """How much of what a branch added is shown: shares along the vector that was added."""
    head = (
        f"Layer {row.layer}, {_BRANCHES[row.branch]}: adds a vector of norm {size(row.added_norm)}"
    )
    if row.branch == "stream":
        head = f"Layer {row.layer}, {row.site}: a vector of norm {size(row.added_norm)}"
    if row.reason is not None:
        return f"{head}. Not taken apart: {row.reason.rstrip('.')}."
    parts = {"attn": "rows of W_O", "cross": "heads"}.get(row.branch, "neurons")
    if row.site is not None:
        return _of_latents(head, row)
    said = [
        (row.heads, "the heads shown are"),
        (row.shown, f"the {parts} shown"),
        (row.rest, f"the other {parts}"),
        (row.bias or None, "the bias"),
    ]
    shares = [f"{name} {percent(value, 1)} of it" for value, name in said if value is not None]
    return f"{head}; {', '.join(shares)}."
