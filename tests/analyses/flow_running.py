"""A run and its flow graph, as the tests of the flow graph ask for them."""

from __future__ import annotations

import unembed as ue

from .slow import PROMPT

TARGET = 77


def drawn(model, layers, ids=PROMPT, edits=(), target=TARGET, position=-1, **options):
    """The run, and the graph of these layers."""
    capture = ue.flow_capture(model, layers, position)
    run = model.run(ids, capture=capture, edits=list(edits))
    return run, ue.flow_graph(run, layers, target=target, position=position, **options)
