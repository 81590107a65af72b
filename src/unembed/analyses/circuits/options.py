"""What can be chosen about a circuit. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unembed.options import (
    Count,
    Floor,
    Name,
    Number,
    Options,
    Position,
    Positive,
    Target,
    TokenRef,
    option,
)

Ablation = Literal["patch", "zero", "mean", "resample"]
EdgeEstimator = Literal["gradient", "integrated"]

_Shares = Annotated[tuple[Floor, ...], Field(strict=False, min_length=1, max_length=50)]
_Names = Annotated[tuple[Name, ...], Field(strict=False)]
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
_NAMES = 'a list of names, as in ["L11.H3>L13.H3.q", "L9.H1"]'


class CircuitTarget(Options):
    """What is explained."""

    target: Target | None = option(
        None,
        "What is explained: a token, or an objective of logits as text. Absent: the most likely "
        "token, less that of the other prompt where there is one.",
    )
    distractor: TokenRef | None = option(None, "A token whose logit is taken off the target's.")
    position: Position = option(-1, "Where; a negative one counts from the end.")


class CircuitEdges(Options):
    """How edges are rated, and which of them are kept and measured."""

    ablation: Ablation = option(
        "patch",
        "What an edge that is left out carries: what its source writes in the other prompt, "
        "nothing, its mean over the prompt, or what it writes at a position drawn from the other "
        "prompt, of any length, or without one from the prompt itself.",
    )
    seed: Count = option(0, "Of that draw: one for all sources.")
    estimator: EdgeEstimator = option(
        "gradient",
        "Edges are rated by the change of the source times the gradient at what reads it (EAP), "
        "or times its mean on the way from the other prompt's embeddings (EAP-IG).",
    )
    steps: Positive = option(5, "Gradients that integrated gradients take.", le=100)
    by_position: bool = option(
        False,
        "Whether edges are those of each position by itself, as in L8.H1@5>L11.H3.q@5, in place of "
        "one over all positions.",
    )
    edges: Count = option(100, "How many edges are kept, largest effect first.")
    threshold: Number | None = option(
        None, "Keeps the edges whose effect is at least as large instead, either way."
    )
    include: _Names = option(
        (),
        "Edges kept beside these, and nodes: with every edge between one and the nodes of the "
        "circuit, the embedding and the logits.",
        limit="max_circuit_names",
        legal=_NAMES,
    )
    exclude: _Names = option(
        (),
        "Edges, and nodes with all of theirs, that are not kept, whatever else would keep them.",
        limit="max_circuit_names",
        legal=_NAMES,
    )
    curve: bool = option(
        True, "Whether faithfulness is measured with growing shares of the edges, too."
    )
    shares: _Shares = option(SHARES, "Which shares of all edges.", limit="max_circuit_runs")
    measure: Count = option(
        0,
        "Of the edges kept, how many are also measured: left out of the whole model, and of the "
        "circuit.",
        limit="max_circuit_runs",
    )
    measure_named: _Names = option(
        (),
        "Edges of the circuit that are measured beside those, by name.",
        limit="max_circuit_runs",
        legal='a list of edges of the circuit, as in ["L11.H3>L13.H3.q"]',
    )


class CircuitPairsOptions(CircuitEdges):
    """How edges are rated over pairs of prompts, and which are kept and measured."""

    held_out: Count = option(
        0,
        "So many pairs, the last ones, are held out: the circuit is found on the others, and what "
        "it carries is measured on these, too.",
        limit="max_pairs",
    )


class CircuitOptions(CircuitEdges, CircuitTarget):
    """What is explained, how edges are rated, and which of them are kept and measured."""
