"""Flow graphs as tables for a terminal. Knows the result, no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from unembed.figures import text as shown
from unembed.figures.flow.words import percent, signed, size, sum_words, target_name
from unembed.result import Side

if TYPE_CHECKING:
    from unembed.analyses.flow.cut_report import CutEffect, CutReport
    from unembed.analyses.flow.result import FlowGraph, FlowNode, FlowReading
    from unembed.analyses.tools.scores import TargetScore

LISTED = 3  # tokens of a prediction
LONGEST = 16  # columns of a token
LONGEST_EDIT = 40
_STATES = {
    "resid_pre": "enters",
    "norm": "after the norm",
    "attn_in": "attention reads",
    "attn_out": "attention adds",
    "mixer_in": "token mixer reads",
    "mixer_out": "token mixer adds",
    "resid_mid": "after attention",
    "cross_in": "attention to the encoder reads",
    "cross_out": "attention to the encoder adds",
    "resid_mid_cross": "after attention to the encoder",
    "mlp_in": "feed-forward reads",
    "mlp_out": "feed-forward adds",
    "ple_in": "per-layer embedding reads",
    "ple_out": "per-layer embedding adds",
    "resid_post": "leaves",
}


def print_flows(console: Console, graphs: Mapping[Side, FlowGraph]) -> None:
    """Each graph, layer by layer."""
    for side, graph in graphs.items():
        console.print(_head(graph, side if len(graphs) > 1 else ""))
        for layer in graph.layers:
            _print_layer(console, graph, layer)
        for note in graph.notes:
            console.print(Text(f"Note: {note}"))
        console.print()


def print_effects(
    console: Console, report: CutReport, edits: Sequence[str], left_out: int = 0
) -> None:
    """What edits, as they were typed, do to the target: by the graph, and measured."""
    target = "".join(token.label for token in report.target.tokens[:1]) or report.target.text
    unit = "logit" if report.target.tokens else "effect"
    table = _table(
        Text(f"What the edits do to {target}"), "", f"{unit}, by the graph", f"{unit}, measured",
        "probability", "rank",
    )  # fmt: skip
    table.add_row("baseline", "", "", *_rated(report.baseline))
    for text, effect in zip(edits, report.cuts, strict=False):
        table.add_row(*_measured(effect, text))
    if report.together is not None:
        table.add_row(*_measured(report.together, "together"))
    if left_out:
        table.caption = f"Of {left_out} more, only what all do together was measured."
    console.print(table)


def _head(graph: FlowGraph, side: str) -> Text:
    line = Text(f"{side.capitalize()}: " if side else "", style="bold")
    line.append("".join(token.label for token in graph.tokens[: graph.position]), style="dim")
    line.append(graph.tokens[graph.position].label, style="reverse")
    line.append("".join(token.label for token in graph.tokens[graph.position + 1 :]), style="dim")
    score = graph.output.target
    if not graph.has_readings:
        line.append(f"\nToward {target_name(graph)}")
        return line
    line.append(f"\nThe model itself: {_tokens(graph.output)}")
    if score is not None:
        line.append(
            f"; {target_name(graph)} {percent(score.probability)}, rank {shown.rank(score.rank)} "
            f"of {graph.vocab_size:,}"
        )
    return line


def _print_layer(console: Console, graph: FlowGraph, layer: int) -> None:
    nodes = [node for node in graph.nodes if node.layer == layer]
    # a layer that follows another one starts from the node where that one ends
    ends = [node for node in graph.nodes if node.id == f"L{layer - 1}.resid_post"]
    starts = [] if any(node.kind == "resid_pre" for node in nodes) else ends
    console.print()
    console.print(_states(graph, [*starts, *nodes], layer))
    shares = {
        end: link.share
        for link in graph.links
        for end in (link.source, link.target)  # of the stream into its latents
        if link.share is not None
    }
    heads = [node for node in nodes if node.kind == "head"]
    if heads:
        console.print(_heads(graph, heads))
    neurons = [node for node in nodes if node.kind == "neuron"]
    if neurons:
        console.print(_neurons(graph, neurons, shares))
    for site in dict.fromkeys(node.site for node in nodes if node.site is not None):
        found = [node for node in nodes if node.site == site]
        console.print(_neurons(graph, found, shares, f"Latents of {site}"))
    for row in graph.sums:
        if row.layer == layer:
            console.print(Text(sum_words(row)))


def _states(graph: FlowGraph, nodes: Sequence[FlowNode], layer: int) -> Table:
    table = _table(f"Layer {layer}", "", "predicts", f"{target_name(graph)}:", "rank", "norm")
    for node in nodes:
        if node.kind not in _STATES or not node.readings:
            continue
        own, before = node.readings[0], node.layer < layer
        name = "enters" if before else _STATES[node.kind]
        table.add_row(name, _tokens(own), *_score(own), size(own.norm))
    return table


def _heads(graph: FlowGraph, heads: Sequence[FlowNode]) -> Table:
    table = _table(
        "Heads", "", "writes", f"{target_name(graph)}:", "rank", "norm", "effect", "attends to"
    )
    for node in heads:
        own = node.readings[0]
        table.add_row(
            node.id, _tokens(own), *_score(own), size(own.norm), _effect(node), _memory(graph, node)
        )
    return table


def _memory(graph: FlowGraph, head: FlowNode) -> Text:
    """The positions that it attends to most, what their values say, and what goes to a sink."""
    links = [link for link in graph.links if link.target == head.id and link.kind == "memory"]
    links.sort(key=lambda link: -(link.attention or 0.0))
    line = Text()
    for link in links:
        node = graph.node(link.source)
        token = "" if node.token is None else _cut(node.token.label)
        line.append(", " if line else "").append(token)
        score = shown.number(link.attention or 0.0)
        line.append(f"@{node.position} {score}", style="dim")
        line.append(f" → {_cut(node.label)}" if node.label else "")
    if head.sink is not None:
        line.append(", " if line else "").append(f"sink {shown.number(head.sink)}", style="dim")
    return line


def _neurons(
    graph: FlowGraph,
    neurons: Sequence[FlowNode],
    shares: Mapping[str, float | None],
    title: str = "Neurons",
) -> Table:
    table = _table(
        title, "", "writes", f"{target_name(graph)}:", "rank", "activation", "share", "effect"
    )
    for node in neurons:
        own, share = node.readings[0], shares.get(node.id)
        table.add_row(
            node.id,
            _written(node),
            *_score(own),
            shown.NONE if node.activation is None else shown.number(node.activation),
            shown.NONE if share is None else percent(share, 1),
            _effect(node),
        )
    return table


def _written(node: FlowNode) -> Text:
    """What it promotes, or, with a minus sign, what it takes probability from."""
    for reading in node.readings:
        if reading.name == "suppressed":
            return Text("− ", style="dim").append(_tokens(reading))
    return _tokens(node.readings[0])


def _measured(effect: CutEffect, name: str) -> tuple[Text, str, str, str, str]:
    return (
        Text(shown.cut(name, LONGEST_EDIT)),
        shown.NONE if effect.attributed is None else signed(effect.attributed),
        signed(effect.change if effect.logit_change is None else effect.logit_change),
        *_rated(effect.measured),
    )


def _rated(score: TargetScore | None) -> tuple[str, str]:
    if score is None:  # the target is no token
        return shown.NONE, shown.NONE
    return percent(score.probability), shown.rank(score.rank)


# ------------------------------------------------------------------ cells


def _table(title: str | Text, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in headings:
        words = heading in ("", "predicts", "writes", "attends to")
        label = heading.removesuffix(":")
        table.add_column(Text(label), justify="left" if words else "right", no_wrap=not words)
    return table


def _tokens(reading: FlowReading) -> Text:
    line = Text()
    for one in reading.tokens[:LISTED]:
        line.append(" " if line else "").append(_cut(one.token.label))
        line.append(f" {one.probability:.2f}", style="dim")
    return line


def _cut(label: str) -> str:
    return shown.isolate(shown.cut(label, LONGEST))


def _score(reading: FlowReading) -> tuple[str, str]:
    score = reading.target
    if score is None:
        return shown.NONE, shown.NONE
    return percent(score.probability), shown.rank(score.rank)


def _effect(node: FlowNode) -> str:
    return shown.NONE if node.attributed is None else signed(node.attributed)
