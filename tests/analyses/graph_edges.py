"""Every edge of an attribution graph, before any node is left out."""

from __future__ import annotations

from unembed.analyses.attribution_graph.build import run_for_graph
from unembed.analyses.attribution_graph.edges import Edges
from unembed.analyses.attribution_graph.held import held
from unembed.analyses.attribution_graph.sources import sources


def edges_of(model, prompt):
    read = model.read_prompt(prompt)
    seen = run_for_graph(model, read, len(read.ids) - 1)
    found = sources(seen)
    return Edges(held(seen, list(found.transcoded)), found)
