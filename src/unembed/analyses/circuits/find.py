"""Finds the edges that an answer needs, and measures how much of it they carry alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from unembed.analyses.circuits.asked import Asked
from unembed.analyses.circuits.checks import (
    check_names,
    check_predicts,
    check_prompts,
    check_size,
)
from unembed.analyses.circuits.files import CircuitFile
from unembed.analyses.circuits.graph import Graph
from unembed.analyses.circuits.naming import effects_of_file
from unembed.analyses.circuits.options import CircuitEdges, CircuitOptions, CircuitPairsOptions
from unembed.analyses.circuits.result import Circuit
from unembed.analyses.circuits.running import graph_of
from unembed.analyses.circuits.search import Search
from unembed.analyses.patching.fitting import fitting_pairs
from unembed.analyses.patching.pairs import PromptPair
from unembed.analyses.tools.checks import chosen
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import OF_LOGITS, in_words, likeliest, measured_at
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.vocabulary import Read
from unembed.errors import InputError, TooLargeError
from unembed.models.progress import Progress
from unembed.options import Explained, given

DEFAULTS = CircuitOptions()
PAIRS_DEFAULTS = CircuitPairsOptions()


def find_circuit(
    model: Loaded,
    prompt: Prompt,
    corrupted: Prompt | None = None,
    target: str | int | Explained | None = None,
    *,
    options: CircuitOptions = DEFAULTS,
    scores: CircuitFile | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Circuit:
    """The edges between nodes that matter most to an objective, and how much they carry alone.

    Args:
        corrupted: another prompt of as many tokens, which differs where it matters; needed for
            `ablation="patch"`, of any length for "resample".
        target: a token, or a `ue.Objective` of logits, which says its own position.
        options: how edges are rated, which are kept and measured; `target` and `changes` are single
            ones, as in `distractor=" John", edges=200`.
        scores: of every edge, from `ue.load_circuit`, in place of what the estimator says.

    Raises:
        PromptError, TargetError, InputError: bad input; nothing was run, but for an edge of
            `measure_named` that turns out to be none of the circuit.
        CapabilityError: a model whose stream is not a sum of embedding, heads and feed-forwards, or
            which gives labels.
        TooLargeError: more runs than `max_circuit_runs`, more edges than the model has.
    """
    check_predicts(model)
    options = chosen(options, given(target=target) | changes, {})
    read = model.read_prompt(prompt)
    other = None if corrupted is None else model.read_prompt(corrupted)
    graph = _checked_graph(model, options, read, other)
    objective = _objective(model, read, other, options)
    graph = _answered(graph, objective, options)
    asked = Asked(model, read, other, objective, options, cancel)
    words = in_words(model, objective.at(-1))
    effects = None if scores is None else effects_of_file(graph, scores)
    return Search([asked], words, graph, options, progress, effects).circuit()


def circuit_pairs(
    model: Loaded,
    pairs: Sequence[PromptPair],
    *,
    options: CircuitPairsOptions = PAIRS_DEFAULTS,
    scores: CircuitFile | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Circuit:
    """One circuit of many pairs of prompts: effects, and what edges carry, in the mean over them.

    What is explained is the answer's logit less the wrong answer's, at the last position.
    Faithfulness is that of the means, as MIB's circuit track has it; `by_pair` has each pair's own.
    `held_out` of the pairs are not what it is found on, and it is measured on these, too; on pairs
    of another file by what `to_mib` writes, as `scores`.

    Args:
        pairs: of `ue.read_pairs`, `ue.pair_template`, or your own. One is left out, with the
            reason, where its prompts have different numbers of tokens or an answer is not one
            token; by position also where it has another number of tokens than most.
        options: how edges are rated, which are kept and measured; `changes` are single ones.
        scores: of every edge, from `ue.load_circuit`, in place of what the estimator says.

    Raises:
        InputError: no pairs, or none that fits; otherwise as `find_circuit`.
        TooLargeError: more pairs than `max_pairs`; otherwise as `find_circuit`.
    """
    check_predicts(model)
    model.require("lens")
    options = chosen(options, changes, {})
    fitting, left_out = fitting_pairs(model, pairs, aligned=options.by_position, what="a circuit")
    _check_held_out(options, len(fitting))
    asked, graph = list[Asked](), None
    for order in fitting:
        pair = pairs[order]
        read, other = model.read_prompt(pair.clean), model.read_prompt(pair.corrupted)
        try:
            found = _checked_graph(model, options, read, other)
        except TooLargeError as error:
            if error.field == "prompt":
                error.field = f"pairs[{order}].clean"
            raise
        objective = measured_at(model, pair.answer, pair.wrong, len(read.ids) - 1, len(read.ids))
        graph = graph or _answered(found, objective, options)
        asked.append(Asked(model, read, other, objective, options, cancel))
    if graph is None:
        raise AssertionError("a pair fits")
    effects = None if scores is None else effects_of_file(graph, scores)
    found_on, held = asked[: len(asked) - options.held_out], asked[len(asked) - options.held_out :]
    search = Search(
        found_on,
        "answer - wrong answer",
        graph,
        options,
        progress,
        effects,
        held,
        [(order, pairs[order].clean) for order in fitting],
    )
    return search.circuit(tuple(sorted(left_out, key=lambda one: one.pair)))


def _check_held_out(options: CircuitPairsOptions, n_fitting: int) -> None:
    if options.held_out >= n_fitting:
        raise InputError(
            f"held_out is {options.held_out:,}, of {n_fitting:,} pairs that a circuit can be made "
            "of: none is left to find it on",
            field="held_out",
            value=options.held_out,
            legal=f"at most {n_fitting - 1:,}",
        )


def _checked_graph(model: Loaded, options: CircuitEdges, read: Read, other: Read | None) -> Graph:
    """The edges of a model, all that is asked of them checked but for its position."""
    graph = graph_of(model)
    if options.by_position:
        graph = replace(graph, positions=len(read.ids))
    check_prompts(options, read, other)
    check_size(model, options, graph, len(read.ids))
    check_names(options, graph)
    return graph


def _answered(graph: Graph, objective: Objective, options: CircuitEdges) -> Graph:
    """With edges to the logits at the position of the answer alone, where edges have one."""
    if not options.by_position:
        return graph
    graph = replace(graph, answer=objective.position)
    check_names(options, graph)
    return graph


def _objective(model: Loaded, read: Read, other: Read | None, options: CircuitOptions) -> Objective:
    """What is explained, at its position counted from the start; an objective of logits."""
    model.require("lens")
    position, target = resolve_position(options.position, len(read.ids)), options.target
    distractor = options.distractor
    if target is None:
        likely = [likeliest(model, one, position) for one in (read, other) if one is not None]
        target = likely[0]
        if distractor is None and len(set(likely)) == 2:
            distractor = likely[1]
    objective = measured_at(model, target, distractor, position, len(read.ids))
    if not objective.is_of_logits:
        raise InputError(
            f"a circuit of the {objective.words} is not found here",
            field="target",
            value=objective.kind,
            legal=OF_LOGITS,
            fix="ue.trace(model, prompt, node) for a node inside the model",
        )
    return objective
