"""What can be chosen about attention patterns. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from unembed.options import Count, Number, Options, Position, Target, TokenRef, option

Measure = Literal["attention", "moved", "target"]
Combine = Literal["mean", "sum"]
Between = Literal["all", "within", "across"]
Special = Literal["shown", "hidden", "renormalised"]
Part = Literal["self", "cross", "encoder"]
HeadKind = Literal[
    "previous",
    "next",
    "first",
    "same",
    "repeated",
    "induction",
    "punctuation",
    "entropy",
    "distance",
]

# Lists of JSON and of Python become tuples, so that options can be keys of a cache.
_Heads = Annotated[tuple[Count, ...], Field(strict=False, min_length=1, max_length=4096)]
_Layers = Annotated[tuple[Count, ...], Field(strict=False, min_length=1, max_length=4096)]
_Weights = Annotated[tuple[Number, ...], Field(strict=False, min_length=1, max_length=65_536)]
_Queries = Annotated[tuple[Position, ...], Field(strict=False, min_length=1, fail_fast=True)]
ScoreText = Annotated[StrictStr, Field(min_length=1, max_length=500)]
ThumbnailSize = Annotated[StrictInt, Field(ge=1, le=128)]
_Mass = Annotated[float, Field(ge=0, le=1)] | Annotated[int, Field(ge=0, le=1)]


_PART = (
    "Of encoder-decoders: the decoder's own attention; its attention to the encoder (cross); or "
    "the encoder's own."
)
_LAYERS = "Whose heads, 0-based; absent: all that have any."


class HeadsOptions(Options):
    """Whose scores are wanted, and by which of them heads are sorted."""

    kind: HeadKind = option("induction", "The score that the heads are sorted by.")
    score: ScoreText | None = option(
        None,
        "A score of one's own, by which the heads are then sorted: others added up, each with a "
        'factor, as in "induction - 0.5*first".',
    )
    layers: _Layers | None = option(None, _LAYERS)
    part: Part = option("self", _PART)


class ThumbnailsOptions(Options):
    """Whose patterns are shown small, and how small."""

    layers: _Layers | None = option(None, _LAYERS)
    part: Part = option("self", _PART)
    size: ThumbnailSize = option(32, "Most rows, and most columns, of one head's pattern.")


class AttentionOptions(Options):
    """Which heads are shown, what a pair of positions is measured by, and which pairs are kept."""

    part: Part = option("self", _PART)
    heads: _Heads | None = option(None, "0-based, of each layer; absent: all.")
    measure: Measure = option(
        "attention",
        "The pattern itself; the norm of what it moves, its weight times the value through W_O and "
        "what follows; or the direct effect of that on the target.",
    )
    combine: Combine = option("mean", "How several heads become one pattern.")
    weights: _Weights | None = option(
        None, "A factor of each head shown, layer by layer, in what they become; absent: 1."
    )
    special: Special = option(
        "shown",
        "Special tokens: as they are; hidden, their rows and columns 0; or hidden, and the rest of "
        "each row of the pattern made to sum to 1.",
    )
    between: Between = option(
        "all",
        "Of a sentence pair: every pair of positions, those within one text, or those across both; "
        "all others are 0, and renormalised with special tokens.",
    )
    mass: _Mass = option(
        0.7, "Pairs kept of each query: the fewest that hold this part of its row; 1: all."
    )
    queries: _Queries | None = option(
        None, "Positions that look; absent: all.", limit="max_prompt_tokens"
    )
    target: Target | None = option(None, "What effects are on, with the measure of that name.")
    distractor: TokenRef | None = option(None, "A token whose logit is taken off the target's.")
