"""What is asked of a circuit, checked before anything is run."""

from __future__ import annotations

import json

from unembed.analyses.circuits.graph import Graph
from unembed.analyses.circuits.naming import edge_numbers, edges_by_hand
from unembed.analyses.circuits.options import CircuitEdges
from unembed.analyses.circuits.rating import edges_of
from unembed.engine.loaded import Loaded
from unembed.engine.names.vocabulary import Read
from unembed.errors import CapabilityError, InputError, PromptError, TooLargeError

BYTES_PER_EDGE = 48  # its effect and place in the order, and the masks of a pass


def check_predicts(model: Loaded) -> None:
    """Raises CapabilityError for a model that gives labels: its last edges end at no logits."""
    if model.labels is None:
        return
    what = "a text as a whole" if model.labels.of == "text" else "each token"
    raise CapabilityError(
        f"circuits of labels are not found: {model.name} gives {what} a label, and a circuit is of "
        "the logits of a token",
        field="model",
        value=model.name,
        legal="a model that predicts tokens",
        fix=f"ue.attribute(model, prompt, 'label({json.dumps(model.labels.names[0])})'), or "
        "ue.patch_grid with that target",
    )


def check_prompts(options: CircuitEdges, read: Read, other: Read | None) -> None:
    """Raises PromptError, InputError unless the other prompt is there where needed, as long."""
    needed = options.ablation == "patch" or options.estimator == "integrated"
    if needed and other is None:
        raise InputError(
            "edges that are left out carry what they carry in another prompt, and there is none",
            field="corrupted",
            legal="a prompt of as many tokens",
            fix='corrupted=..., or ablation="mean", estimator="gradient"',
        )
    if other is not None and options.ablation == "resample":
        if len(other.ids) == 1 < len(read.ids):
            raise PromptError(
                "what an edge carries is drawn from positions behind the first of the corrupted "
                "prompt, and it has one token",
                field="corrupted",
                value=1,
                legal="2 tokens or more",
            )
    elif other is not None and len(other.ids) != len(read.ids):
        raise PromptError(
            f"the prompt has {len(read.ids)} tokens and the corrupted one {len(other.ids)}; what "
            "an edge carries is replaced position by position, so they must have as many",
            field="corrupted",
            value=len(other.ids),
            legal=f"{len(read.ids)} tokens",
        )


def check_size(model: Loaded, options: CircuitEdges, graph: Graph, n_positions: int) -> None:
    """Raises TooLargeError, InputError for more than there is memory, runs or edges for."""
    parts = 2 * len(graph.sources) + len(graph.readers)  # writes of both prompts, and gradients
    each = parts * model.anatomy.d_model * model.dtype.itemsize
    most = model.settings.max_capture_bytes // each
    if n_positions > most:
        raise TooLargeError(
            f"what every node of {model.name} writes and reads at {n_positions:,} positions would "
            f"take {each * n_positions / 2**20:,.0f} MiB (max_capture_bytes)",
            field="prompt",
            value=n_positions,
            legal=f"at most {most:,} tokens",
            fix="a shorter prompt",
        )
    if graph.positions is not None:
        _check_edges(model, graph)
    measured = options.measure + len(options.measure_named)
    runs = 2 + (len(options.shares) if options.curve else 0) + 2 * measured
    limit = model.settings.max_circuit_runs
    if runs > limit:
        raise TooLargeError(
            f"this takes {runs:,} runs of circuits; the limit is {limit:,} (max_circuit_runs)",
            field="measure"
            if options.measure
            else "measure_named"
            if options.measure_named
            else "shares",
            value=runs,
            legal=f"at most {limit:,} runs",
            fix="measure fewer edges, or curve=False",
        )
    if options.edges > graph.n_edges:
        raise InputError(
            f"edges is {options.edges:,}; {model.name} has {graph.n_edges:,}",
            field="edges",
            value=options.edges,
            legal=f"0 to {graph.n_edges:,}",
        )


def _check_edges(model: Loaded, graph: Graph) -> None:
    """By position: that every edge's effect, its place in the order and masks have room."""
    each = len(graph.sources) * len(graph.readers) * BYTES_PER_EDGE
    most = model.settings.max_capture_bytes // each
    n_positions = graph.shape[-1]
    if n_positions > most:
        raise TooLargeError(
            f"{n_positions:,} positions of {model.name} have {graph.n_edges:,} edges by position, "
            f"which would take {each * n_positions / 2**20:,.0f} MiB (max_capture_bytes)",
            field="by_position",
            value=True,
            legal=f"at most {most:,} tokens",
            fix="a shorter prompt, or by_position=False",
        )


def check_names(options: CircuitEdges, graph: Graph) -> None:
    """Raises InputError for a name that the model has no edge, or node, of."""
    edges_by_hand(graph, edges_of(graph), options.include, options.exclude)
    for name in options.measure_named:
        if slice(None) in edge_numbers(graph, name, "measure_named"):
            raise InputError(
                f"{name} of measure_named has no position, and edges are those of each position",
                field="measure_named",
                value=name,
                legal='both ends at a position, as in "embed@0>L0.mlp@0"',
            )
