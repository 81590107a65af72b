"""What can be chosen about a trace. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unembed.analyses.attribution.options import NodeKindName
from unembed.options import Count, Name, Options, Position, Positive, Target, TokenRef, option

Through = Literal["qk", "q", "k", "v", "pre", "gate"]
Held = Literal["all", "none"]
Direction = Literal["upstream", "downstream"]
ReadBy = Literal["q", "k", "v", "pre", "gate"]
ReadKind = Literal["score", "value", "neuron", "latent"]
SortTraced = Literal["total", "direct", "write", "activation"]

_Kinds = Annotated[tuple[NodeKindName, ...], Field(strict=False, min_length=1, max_length=20)]
_Layers = Annotated[tuple[Count, ...], Field(strict=False, min_length=1, max_length=4096)]
_Positions = Annotated[tuple[Position, ...], Field(strict=False, min_length=1, fail_fast=True)]
_Trail = Annotated[tuple[Name, ...], Field(strict=False, max_length=64, fail_fast=True)]


class TraceOptions(Options):
    """Which way a node is traced, through what, towards what, and which nodes are listed."""

    direction: Direction = option(
        "upstream",
        "upstream: what every node before it does to it. downstream: what it does to all that "
        "reads what it writes, and to the answer.",
    )
    through: Through | None = option(
        None,
        "What is traced: of a pair of query and key qk (its score), q or k (its score with the "
        "other held), or v (what its value brings to what is traced towards); of a neuron pre, or "
        "gate; of a latent pre. Absent: qk, or what goes through the neuron's activation function. "
        "Downstream a pair's v is what its value carries of the write before it in the trail; "
        "anything else, or nothing, is all that the node writes.",
    )
    trail: _Trail = option(
        (),
        "Nodes traced before this one, from the objective on, each as NODE or NODE:THROUGH, as in "
        '"L15.H1@8<3:v": a value is traced towards what the last of them reads. Downstream from '
        "the first writer on.",
    )
    target: Target | None = option(
        None,
        "What a value is traced towards without a trail, and what downstream is the answer: a "
        "token, or an objective as text. Absent: the model's own most likely token.",
    )
    distractor: TokenRef | None = option(None, "A token whose logit is taken off the target's.")
    position: Position = option(
        -1, "Where the target is predicted; a negative one counts from the end."
    )
    frozen: Held = option(
        "none",
        "Norms further upstream whose scale totals hold at the run's value: none, or all. That "
        "before the node is always held.",
    )
    pairs: bool = option(
        True, "Heads by pair of query and key; without, each query's head as one node."
    )
    sort_by: SortTraced = option("total", "What nodes are listed by, largest either way first.")
    measured: bool = option(
        False, "Downstream: what readers, and the answer, lose in one run without the node, too."
    )
    top_k: Positive = option(
        20,
        "Nodes listed; downstream of each kind and way in.",
        limit="max_attributed_rows",
        flag="--top-k/-k",
    )
    kinds: _Kinds | None = option(None, "Of the nodes listed; absent: all.")
    layers: _Layers | None = option(None, "Of the nodes listed; absent: all.")
    positions: _Positions | None = option(
        None, "Of the nodes listed; absent: all.", limit="max_prompt_tokens"
    )
