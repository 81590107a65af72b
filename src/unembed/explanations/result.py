"""Labels of components, with how well they do and what chance would give, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from unembed.analyses.tools.projections import TokenScore
from unembed.explanations.scores import Judged, Simulated, supported
from unembed.result import TABLE_ROW, Axes, Columns, Result, columns_of

Kind = Literal[
    "position",
    "repeated",
    "repeated pair",
    "brackets",
    "quotes",
    "shape",
    "piece",
    "pos",
    "entity",
    "token",
    "lemma",
    "prefix",
    "suffix",
    "previous",
    "bigram",
    "says",
]


@dataclass(frozen=True)
class Agreement:
    """How well a label tells where a node is active, on sentences that it was not made from."""

    precision: Annotated[float, "Share of the tokens it describes where the node is active."]
    recall: Annotated[float, "Share of the tokens where the node is active that it describes."]
    f1: float
    low: Annotated[float, "Lower end of the interval of F1, 95%, over sentences."]
    high: Annotated[float, "Upper end."]
    auc: Annotated[
        float, "Chance that the node is stronger at a token it describes than at another one."
    ]


@dataclass(frozen=True)
class Null:
    """What is left of a score where activations are shuffled: means, and 95% of the shuffles."""

    f1: float
    low: float
    high: float
    auc: float
    auc_low: float
    auc_high: float


@dataclass(frozen=True)
class Effect:
    """What an edit of a node does to the tokens that it promotes, at the tokens of some sentences.

    Changes of logits, less the mean change of all logits.
    """

    n: Annotated[int, "At how many tokens, each of another sentence."]
    mean: Annotated[float, "Of the promoted tokens' logits."]
    low: Annotated[float, "Lower end of its interval, 95%, over sentences."]
    high: Annotated[float, "Upper end."]
    chance: Annotated[float, "Of as many other tokens of the corpus, the mean of sets drawn."]
    chance_low: Annotated[float, "What 2.5% of these sets are below."]
    chance_high: Annotated[float, "What 2.5% of them are above."]


@dataclass(frozen=True)
class Cause:
    """Whether a node raises the tokens that it promotes."""

    steered: Annotated[
        Effect | None,
        "Set to its strongest at tokens where it is not active; null of heads and branches.",
    ]
    ablated: Annotated[Effect, "Set to 0 at tokens where it is active."]

    @property
    def raises(self) -> bool | None:
        """Whether steering raises them more than other tokens, intervals counted."""
        found = self.steered
        return None if found is None else found.low > max(0.0, found.chance_high)

    @property
    def lowers(self) -> bool:
        """Whether they fall without it, more than other tokens do."""
        return self.ablated.high < min(0.0, self.ablated.chance_low)

    also: ClassVar[tuple[str, ...]] = ("raises", "lowers")


@dataclass(frozen=True)
class Candidate:
    """The best label of another family."""

    label: str
    kind: Kind
    f1: Annotated[float, "On the sentences that labels are made from."]


@dataclass(frozen=True)
class Written:
    """What a language model wrote of a node, and how well a judge could use it."""

    text: Annotated[str | None, "null: see `reason`."]
    reason: Annotated[str | None, "Why there is none."]
    by: Annotated[str, "Who wrote it: a model, and where it is."]
    style: Annotated[str, "What it was shown: pairs, examples, or near misses beside them."]
    judge: Annotated[str | None, "Who judged it; null: nobody did."]
    chance_labels: Annotated[
        tuple[str, ...], "What it wrote of shuffled activations; judged in the same way."
    ]
    simulation: Simulated | None
    detection: Annotated[Judged | None, "Is the node active anywhere in the text?"]
    fuzzing: Annotated[Judged | None, "Are the marked tokens those where it is active?"]

    @property
    def supported(self) -> bool | None:
        """Whether every score that could be had is above both nulls; None: nobody judged."""
        if self.judge is None:
            return None
        return supported(self.simulation, self.detection, self.fuzzing)

    also: ClassVar[tuple[str, ...]] = ("supported",)


@dataclass(frozen=True)
class Explanation:
    """One node, and what it does in words."""

    node: str
    measured: Annotated[str, 'What is measured: "mlp_post", "norm of the write", "latent".']
    label: Annotated[str | None, 'In words: "words that end in ing"; null: see `reason`.']
    kind: Annotated[Kind | None, "The family of predicates that the label is of."]
    values: Annotated[tuple[str, ...], "The tokens, words, endings ... that it names."]
    supported: Annotated[bool, "Whether its F1 is above that of both nulls, intervals counted."]
    reason: Annotated[str | None, "Why there is no label, or why it is not supported."]
    threshold: Annotated[float, "Active is whatever is above."]
    density: Annotated[float, "Share of the held-out tokens where it is active."]
    n_active: Annotated[int, "How many held-out tokens that are."]
    n_described: Annotated[int, "Held-out tokens that the label describes."]
    held_out: Agreement | None
    shuffled: Annotated[Null | None, "The same label, of a node whose activations are shuffled."]
    searched: Annotated[Null | None, "Labels made from shuffled activations, in the same way."]
    promotes: Annotated[
        tuple[TokenScore, ...] | None,
        "Tokens that what it writes raises most, past later layers; null where there are none.",
    ]
    cause: Annotated[
        Cause | None,
        "Whether it raises what it promotes; null unless asked for, or not to be told.",
    ]
    others: Annotated[tuple[Candidate, ...], "The best of other families, best first."]
    written: Annotated[Written | None, "What a language model wrote; null: none was asked."] = None


@dataclass(frozen=True, repr=False)
class Explanations(Result):
    """Labels of some nodes, in the order in which they were asked for."""

    axes: ClassVar[Axes] = dict.fromkeys(
        ("f1", "f1_low", "f1_high", "precision", "recall", "auc", "null_f1"), (TABLE_ROW,)
    )

    corpus: str
    n_sentences: Annotated[int, "How many were looked at."]
    n_tokens: Annotated[int, "In these, without special ones."]
    n_held_out: Annotated[int, "Of them in sentences that no label was made from."]
    items: tuple[Explanation, ...]

    def summary(self) -> str:
        n = sum(item.supported for item in self.items)
        labelled = f"{len(self.items)} nodes in {self.corpus}, {n} with a supported label"
        asked = [item.written for item in self.items if item.written is not None]
        had = sum(one.text is not None for one in asked)
        return f"{labelled}; {had} of {len(asked)} in words of {asked[0].by}" if asked else labelled

    def columns(self) -> Columns:
        """One row for each node."""
        return columns_of(map(_row, self.items))


def _row(item: Explanation) -> dict[str, object]:
    held = item.held_out
    nulls = [one for one in (item.shuffled, item.searched) if one is not None]
    promoted = item.promotes or ()
    steered = None if item.cause is None else item.cause.steered
    return {
        "node": item.node,
        "label": item.label,
        "kind": item.kind,
        "supported": item.supported,
        "f1": None if held is None else held.f1,
        "f1_low": None if held is None else held.low,
        "f1_high": None if held is None else held.high,
        "null_f1": max((one.high for one in nulls), default=None),
        "precision": None if held is None else held.precision,
        "recall": None if held is None else held.recall,
        "auc": None if held is None else held.auc,
        "density": item.density,
        "promotes": " ".join(one.token.label for one in promoted),
        "steered": None if steered is None else steered.mean,
        "ablated": None if item.cause is None else item.cause.ablated.mean,
        "reason": item.reason,
        "written": None if item.written is None else item.written.text,
    }
