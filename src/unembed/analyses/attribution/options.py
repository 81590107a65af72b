"""What can be chosen about an attribution. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unembed.options import Count, Name, Options, Position, Positive, Target, TokenRef, option

Frozen = Literal["final", "all", "none"]
Estimator = Literal["gradient", "integrated", "relp", "graddrop"]
EstimatorChoice = Literal["best", Estimator]
Against = Literal["zero", "mean", "prompt", "resample"]
Attending = Literal["none", "linear", "softmax"]
SortBy = Literal["total", "direct", "write", "activation", "measured"]

NodeKindName = Literal[
    "embed",
    "head",
    "pair",
    "cross_head",
    "query",
    "key",
    "neuron",
    "bias",
    "attn",
    "cross",
    "mlp",
    "mixer",
    "ple",
    "latent",
    "latent_bias",
    "error",
    "stream",
]

_Kinds = Annotated[tuple[NodeKindName, ...], Field(strict=False, min_length=1, max_length=20)]
_Layers = Annotated[tuple[Count, ...], Field(strict=False, min_length=1, max_length=4096)]
_Pairs = Annotated[tuple[Name, ...], Field(strict=False)]
_Positions = Annotated[tuple[Position, ...], Field(strict=False, min_length=1, fail_fast=True)]


class AttributionOptions(Options):
    """What is explained, how total effects are estimated, and which nodes are listed."""

    target: Target | None = option(
        None,
        "What is explained: a token, or an objective as text, which of a classifier is a label's "
        'score: label("POSITIVE"). Absent: the model\'s own most likely token or label there.',
    )
    distractor: TokenRef | None = option(None, "A token whose logit is taken off the target's.")
    position: Position = option(-1, "Where; a negative one counts from the end.")
    frozen: Frozen = option(
        "none",
        "Norms whose scale totals hold at the run's value: none, the one before the unembedding "
        "(so that in the last layer totals are direct effects), or all.",
    )
    estimator: EstimatorChoice = option(
        "best",
        "Activation times gradient; times the mean of gradients on the way to what it is compared "
        "with, layer by layer (integrated gradients); times a gradient by the rules of RelP: norms "
        "held, activation functions proportional, gates halved; or as large as the mean over "
        "layers of what is left with the gradient through one layer dropped (GradDrop). Best is "
        "what agreed best with measurement: integrated gradients against another prompt, with a "
        "pass for each branch of each layer, else the gradient.",
    )
    steps: Positive = option(
        5, "Gradients of each layer and branch that integrated gradients take.", le=100
    )
    against: Against = option(
        "zero",
        "What an activation is compared with: 0; its mean over the prompt, or over the reference "
        "prompts where there are any; what it is at that position of a reference prompt; or what "
        "it is at a position drawn from all of theirs.",
    )
    align: _Pairs = option(
        (),
        "Positions of the prompt, each with the one of a reference prompt that stands for it, in "
        "place of what their longest common stretches say.",
        limit="max_prompt_tokens",
        legal='a list of pairs, as in ["3=4", "5=7"]',
    )
    seed: Count = option(0, "Of the draw, where values are compared with drawn ones.")
    pairs: bool = option(
        True, "Heads by pair of query and key; without, each query's head as one node."
    )
    qk: Attending = option(
        "none",
        "Queries and keys of heads as nodes, beside the sums: none; by the gradient at each; or by "
        "the pattern that the softmax makes with one replaced, times the gradient there (AtP*).",
    )
    wholes: bool = option(
        False,
        "What branches add as a whole and the residual stream of each layer as nodes, too, beside "
        "the sums: the cells of patching grids.",
    )
    sort_by: SortBy = option("total", "What nodes are listed by, largest either way first.")
    top_k: Positive = option(20, "Nodes listed.", limit="max_attributed_rows", flag="--top-k/-k")
    kinds: _Kinds | None = option(None, "Of the nodes listed; absent: all.")
    layers: _Layers | None = option(None, "Of the nodes listed; absent: all.")
    positions: _Positions | None = option(
        None, "Of the nodes listed; absent: all.", limit="max_prompt_tokens"
    )
    verify: Count = option(
        0,
        "Of the nodes listed, how many are also measured, each by a run without it.",
        limit="max_attributed_rows",
    )
    verify_all: bool = option(
        False,
        "Measure every node, of the layers and positions named, in place of those listed; refused "
        "above max_measured_nodes.",
    )
    sample: Count = option(
        0,
        "Runs, each without a random part of the nodes that were not measured, for a bound on what "
        "any of them does; none, or at least 16.",
        limit="max_attributed_rows",
    )

    @property
    def settled(self) -> Estimator:
        """The estimator that is used, where the best is asked for, too."""
        if self.estimator != "best":
            return self.estimator
        return "integrated" if self.against == "prompt" else "gradient"
