"""What can be chosen about labels of components. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from unembed.options import Count, Number, Options, Positive, option


class ExplainOptions(Options):
    """How much of a corpus is looked at, what counts as active, and how labels are tested."""

    n_tokens: Annotated[StrictInt, Field(ge=100)] = option(
        20_000,
        "Tokens that are looked at, in whole sentences drawn at random; the half of the sentences "
        "that no label was made from says how well it does.",
        limit="max_explained_tokens",
    )
    threshold: Number | None = option(
        None,
        "Active is whatever is above; absent: halfway from a node's median to what it exceeds at "
        "one token in 1,000.",
    )
    joined: Annotated[StrictInt, Field(ge=1, le=10)] = option(
        3, "Most tokens, words or endings that one label joins."
    )
    says: Positive = option(
        10, "Tokens that a node promotes most: listed, and looked for behind it.", limit="max_k"
    )
    shuffles: Annotated[StrictInt, Field(ge=10, le=1000)] = option(
        20, "How often activations are shuffled, for each of the two nulls."
    )
    cause: bool = option(
        False,
        "Measure, too, whether a node raises the tokens that it promotes: it is set to its "
        "strongest where it is idle, and to 0 where it is active.",
    )
    prompts: Annotated[StrictInt, Field(ge=2, le=256)] = option(
        16, "At how many tokens of the corpus that is measured, for either."
    )
    seed: Count = option(0, "Which sentences are drawn, and how activations are shuffled.")


class ScoreOptions(Options):
    """What a judge of one explanation is shown."""

    n_tokens: Annotated[StrictInt, Field(ge=100)] = option(
        20_000, "Tokens of the corpus that texts are taken from.", limit="max_explained_tokens"
    )
    threshold: Number | None = option(
        None, "Active is whatever is above; absent: as for labels, by median and peak."
    )
    texts: Annotated[StrictInt, Field(ge=2, le=200)] = option(
        10, "Texts where the node is active, and as many where it is not, for each kind of score."
    )
    window: Annotated[StrictInt, Field(ge=4, le=512)] = option(
        32, "Longest text, in tokens: the part around where the node is strongest."
    )
    shuffles: Annotated[StrictInt, Field(ge=10, le=10_000)] = option(
        200, "How often the truth is shuffled, for what chance gives."
    )
    chance_labels: Annotated[StrictInt, Field(ge=0, le=20)] = option(
        2, "Labels made from shuffled activations that are judged in the same way."
    )
    seed: Count = option(0, "Which texts are drawn, and how the truth is shuffled.")


Asked = Literal["none", "own", "server"]
_WHO = "nobody; this model itself, which is free; or the server that the settings name."


class AskingOptions(Options):
    """Which language models say what nodes do in words of their own, and judge that."""

    explainer: Asked = option("none", f"Who writes, beside the label: {_WHO}")
    style: Literal["pairs", "examples", "contrastive"] = option(
        "pairs",
        "What it is shown: pairs of token and activation; marked texts, with what the node "
        "promotes; or these beside near misses. A head is shown by what looks at what.",
    )
    judge: Asked = option("none", f"Who judges what was written, beside two nulls: {_WHO}")
    consent: bool = option(
        False, "Texts of the corpus may go to that server where it is on another machine."
    )
