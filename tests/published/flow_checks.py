"""From a model to the published flow graphs, and how close they must be. Held to an independent
computation on a tiny model by `test_flow_checks`."""

from __future__ import annotations

import unembed as ue
from unembed.analyses.flow.options import FlowOptions

from .checks import ROUNDING


def check_flow(model, published):
    """Everything wrong with one layer's graph."""
    layers = [published.layer]
    run = model.run(published.prompt, capture=ue.flow_capture(model, layers))
    options = FlowOptions(n_heads=0)
    graph = ue.flow_graph(run, layers, target=published.target, options=options)
    drawn = {node.id: node for node in graph.nodes}
    wrong = []
    for box in published.boxes:
        node = drawn.get(box.node)
        wrong += [f"{box.node}: not drawn"] if node is None else check_box(box, node, published)
    wrong += check_heads(published, graph) + check_memory(published, graph)
    return wrong + check_widths(published, graph)


def check_widths(published, graph):
    found = {(link.source, link.target): link.width for link in graph.links}
    return [
        f"{source}>{target}: width {found.get((source, target))}, published {width}"
        for source, target, width in published.widths
        if (source, target) not in found
        or abs(found[source, target] - width) > limit_of(width, published.decimals)
    ]


def limit_of(number, decimals):
    """How far from a published number is still the same: its last digit, and rounding."""
    return abs(number) * ROUNDING + 1.5 * 10**-decimals


def check_box(box, node, published):
    read, wrong = node.readings[0], []
    top = [one.token.text.strip() for one in read.tokens[: len(box.top)]]
    if top != list(box.top):
        wrong.append(f"{box.node}: {top}, published {box.top}")
    if box.probability is not None:
        off = abs(read.target.probability - box.probability)
        if off > box.precision:
            wrong.append(f"{box.node}: {read.target.probability:.5f}, published {box.probability}")
    if box.rank not in (None, read.target.rank):
        wrong.append(f"{box.node}: rank {read.target.rank}, published {box.rank}")
    pairs = {
        "norm": (read.norm, box.norm),
        "activation": (node.activation, box.activation),
        "attention": (node.attention, box.attention),
    }
    for name, (found, wanted) in pairs.items():
        if wanted is not None and abs(found - wanted) > limit_of(wanted, published.decimals):
            wrong.append(f"{box.node}: {name} {found:.3f}, published {wanted}")
    return wrong


def check_heads(published, graph):
    """The published ones write most, in their order."""
    heads = [node for node in graph.nodes if node.kind == "head"]
    heads.sort(key=lambda node: node.readings[0].norm, reverse=True)
    found = [node.id for node in heads[: len(published.heads)]]
    wanted = [f"L{published.layer}.H{head}" for head in published.heads]
    return [] if found == wanted else [f"heads: {found}, published {wanted}"]


def check_memory(published, graph):
    """What each head attends to most."""
    wrong = []
    for head, text in published.memory:
        prefix = f"L{published.layer}.H{head}.value@"
        values = [node for node in graph.nodes if node.id.startswith(prefix)]
        most = max(values, key=lambda node: node.attention)
        if most.token.text.strip() != text:
            wrong.append(f"head {head}: attends most to {most.token.text!r}, published {text!r}")
    return wrong
