"""What was published of why GPT-2 small says what it says: indirect objects, induction, years.

Sources: Wang et al. 2022 (indirect objects in GPT-2 small); the notebooks "Exploratory Analysis"
and "Direct Logit Attribution" of TransformerLens; Hanna et al. 2023 (greater-than); Jafari et al.
2025 (RelP, its table of GPT-2 small); Mueller et al. 2025 (MIB, its rows of GPT-2 small).

Heads are (layer, head).
"""

from __future__ import annotations

from dataclasses import dataclass, field

SMALL = "GPT2"
START = "<|endoftext|>"  # what the notebooks put before every prompt
TEMPLATES = (
    ("When{} and{} went to the shops,{} gave the bag to", (" John", " Mary"), (" Mary", " John")),
    ("When{} and{} went to the park,{} gave the ball to", (" Tom", " James"), (" Tom", " James")),
    ("When{} and{} went to the shops,{} gave an apple to", (" Dan", " Sid"), (" Dan", " Sid")),
    ("After{} and{} went to the park,{} gave a drink to", (" Martin", " Amy"), (" Martin", " Amy")),
)  # text, names as they stand there, who is the answer of the first and of the second prompt


@dataclass(frozen=True)
class Answered:
    """A prompt, its answer and the wrong one, and how much more likely the answer's logit is."""

    prompt: str
    answer: str
    wrong: str
    difference: float


def _eight(differences):
    asked = [
        (text.format(*names, answers[1 - order]), answers[order], answers[1 - order])
        for text, names, answers in TEMPLATES
        for order in range(2)
    ]
    return tuple(
        Answered(START + text, answer, wrong, difference)
        for (text, answer, wrong), difference in zip(asked, differences, strict=True)
    )


EIGHT = _eight((3.3368, 3.2018, 2.7098, 3.7976, 1.7206, 5.2815, 2.6010, 5.7676))


@dataclass(frozen=True)
class Direct:
    """What heads add to a difference of logits at the last token, mean over prompts.

    Published with value biases folded into the layer's: what a head writes is less its b_V W_O.
    """

    name: str
    asked: tuple[Answered, ...]
    heads: dict[tuple[int, int], float] = field(default_factory=dict)
    highest: tuple[tuple[int, int], ...] = ()  # in order
    lowest: tuple[tuple[int, int], ...] = ()  # in any


DIRECT = (
    Direct("eight prompts", EIGHT, {(9, 9): 2.9856}, ((9, 9), (9, 6)), ((10, 7), (11, 10))),
    Direct(
        "one prompt",
        EIGHT[:1],
        {
            (9, 9): 1.9583,
            (9, 6): 1.6281,
            (10, 7): -1.4267,
            (11, 1): -0.9117,
            (11, 10): -0.9042,
            (10, 0): 0.6370,
            (10, 10): 0.4524,
            (8, 10): 0.4264,
        },
    ),
)


@dataclass(frozen=True)
class Likely:
    """The most likely tokens, with probabilities and with logits less their mean."""

    prompt: str
    tokens: tuple[tuple[str, float, float], ...]


LIKELY = Likely(
    START + "After John and Mary went to the store, John gave a bottle of milk to",
    ((" Mary", 0.7007, 18.09), (" John", 0.0453, 15.35)),
)


@dataclass(frozen=True)
class Ablated:
    """One head that writes nothing at the last token, its value bias aside: the mean difference."""

    head: tuple[int, int]
    asked: tuple[Answered, ...]
    before: float
    after: float


ABLATED = Ablated((9, 9), EIGHT, 3.5521, 2.9173)


@dataclass(frozen=True)
class Traced:
    """Which heads made another look, or say, what it does: at least so many of those published."""

    name: str
    prompt: str
    head: tuple[int, int]
    query: str  # the token that it looks from, its last occurrence
    key: str  # and to
    occurrence: int  # which of that token
    through: str
    heads: frozenset[tuple[int, int]]
    among: int  # the first so many heads upstream
    least: int
    after: tuple[str, str] | None = None  # a head traced before, and to what it looks from there


INHIBITION = frozenset({(7, 3), (7, 9), (8, 6), (8, 10)})
DUPLICATES = frozenset({(5, 5), (5, 8), (5, 9), (6, 9), (0, 1), (0, 10), (3, 0)})
TRACED = (
    Traced("query", EIGHT[0].prompt, (9, 9), " to", " Mary", 0, "q", INHIBITION, 8, 3),
    Traced(
        "value",
        EIGHT[0].prompt,
        (8, 6),
        " to",
        " John",
        1,
        "v",
        DUPLICATES,
        8,
        2,
        ("L9.H9", " Mary"),
    ),
)


@dataclass(frozen=True)
class Inducing:
    """Induction scores on random tokens that come twice, and who tells the first of them where."""

    scores: dict[tuple[int, int], float]
    traced: tuple[int, int]
    by: tuple[int, int]
    among: int


INDUCING = Inducing(
    {(5, 5): 0.932, (6, 9): 0.913, (7, 10): 0.910, (5, 1): 0.908, (7, 2): 0.833},
    (5, 5),
    (4, 11),
    3,
)


@dataclass(frozen=True)
class Years:
    """Which feed-forwards add most to years after one less years up to it."""

    prompt: str
    year: int
    layers: frozenset[int]


YEARS = Years("The war lasted from the year 1732 to the year 17", 32, frozenset({8, 9, 10, 11}))


@dataclass(frozen=True)
class Circuits:
    """MIB's rows of a method: the area between its curve and 1, and how far from it is the same."""

    name: str
    estimator: str | None  # None: edges in random order
    cmd: float
    within: float


CIRCUITS = (
    Circuits("random", None, 0.75, 0.2),
    Circuits("EAP", "gradient", 0.03, 0.05),
    Circuits("EAP-IG", "integrated", 0.03, 0.05),
)


@dataclass(frozen=True)
class Agreeing:
    """How estimates agree with patching of one site at every layer and position: Pearson's r."""

    site: str  # of a patching grid
    stem: str  # of the nodes: "L3.mlp"
    gradient: float
    relp: float
    within: float


AGREEING = (
    Agreeing("resid_pre", "resid_pre", 0.753, 0.968, 0.15),
    Agreeing("attn_out", "attn", 0.979, 0.962, 0.1),
    Agreeing("mlp_out", "mlp", 0.195, 0.992, 0.3),
)
