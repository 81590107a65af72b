"""Figures published for GPT-2 small, medium and XL, as data. Where each is from: docs/published.md.

Layers, neurons and heads are numbered from 0, ranks from 1; probabilities are fractions.
"""

from __future__ import annotations

from dataclasses import dataclass

JAPAN = "The capital of Japan is the city of"
MARY = "When Mary and John went to the store, John gave a drink to"
NEEDLE = "The Space Needle is located in downtown"

# How far a probability may be from the published one: computed on other machines, and XL in halves.
FP32 = 1e-4
FP16 = 2e-2


@dataclass(frozen=True)
class Reading:
    """What the stream predicts at the last position; `top` may name fewer tokens than were."""

    top: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()  # of the first tokens of `top`
    target_probability: float | None = None
    target_rank: int | None = None


@dataclass(frozen=True)
class Dominant:
    """A sub-update: |activation| times the norm of the value vector."""

    neuron: int
    score: float
    activation: float | None = None


@dataclass(frozen=True)
class Trace:
    """One layer on one prompt."""

    model: str
    prompt: str
    layer: int
    target: str | None = None
    before: Reading | None = None  # after attention, before the feed-forward
    after: Reading | None = None
    dominant: tuple[Dominant, ...] = ()  # largest first
    heads: tuple[tuple[int, float], ...] = ()  # norm of what each writes, largest first
    attn_norm: float | None = None  # of what the branch added
    mlp_norm: float | None = None
    precision: float = FP32

    @property
    def name(self) -> str:
        return f"{self.model}-L{self.layer}-{self.prompt[:24]}"


@dataclass(frozen=True)
class Vector:
    """Tokens that a value vector was published with; ? stands for any letter."""

    model: str
    node: str
    tokens: tuple[str, ...]
    least: int  # how many of them must be found
    prompt: str | None = None
    activation: float | None = None  # at the prompt's last position

    @property
    def name(self) -> str:
        return f"{self.model}-{self.node}"


def _dominant(*pairs: tuple[int, float]) -> tuple[Dominant, ...]:
    return tuple(Dominant(neuron, score) for neuron, score in pairs)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SMALL, MEDIUM, XL = "GPT2", "GPT2_MEDIUM", "GPT2_XL"

TRACES = (
    Trace(
        SMALL,
        MARY,
        9,
        " Mary",
        Reading(_words("Mary them his the Mrs"), target_probability=0.99094),
        Reading(_words("them Mary the him everyone"), target_probability=0.23067, target_rank=2),
        (
            Dominant(840, 17.714, 3.097),
            *_dominant((190, 11.036), (1304, 11.015), (1017, 9.632)),
        ),
    ),
    Trace(
        SMALL,
        MARY,
        10,
        " Mary",
        Reading(target_probability=0.92996),
        Reading(target_probability=0.60707),
        _dominant((1793, 18.459), (900, 15.382), (2178, 14.652), (379, 12.422)),
        heads=((7, 27.29), (2, 24.71), (10, 17.36), (0, 16.62)),
    ),
    Trace(
        SMALL,
        MARY,
        11,
        " Mary",
        Reading(target_probability=0.52644),
        Reading(_words("Mary them the John her"), target_probability=0.44603),
        _dominant((611, 25.993), (2910, 23.727), (1611, 15.606), (2397, 14.281)),
    ),
    Trace(SMALL, JAPAN, 8, " Tokyo", after=Reading(target_probability=0.10029, target_rank=1)),
    Trace(
        SMALL,
        JAPAN,
        9,
        " Tokyo",
        Reading(target_probability=0.78524),
        Reading(target_probability=0.85661),
        _dominant((1460, 29.841), (840, 19.606), (2416, 13.551)),
    ),
    Trace(
        SMALL,
        JAPAN,
        11,
        " Tokyo",
        after=Reading(_words("Tokyo Kyoto Osaka Nag Hiroshima"), target_probability=0.11855),
    ),
    Trace(
        MEDIUM,
        JAPAN,
        13,
        " Tokyo",
        after=Reading(
            _words("London San Los Chicago St"), target_probability=0.00889, target_rank=18
        ),
    ),
    Trace(
        MEDIUM,
        JAPAN,
        14,
        " Tokyo",
        Reading(_words("Tokyo San London Los Chicago"), target_probability=0.25764),
        Reading(target_probability=0.24481),
        (
            Dominant(1981, 10.585, 2.366),
            Dominant(3458, 10.304, 2.781),
            Dominant(3645, 7.421, 2.205),
            Dominant(412, 6.848, 2.695),
            Dominant(1462, 5.412),
        ),
        heads=((7, 17.779), (13, 10.342), (10, 5.124), (8, 5.049)),
        attn_norm=21.684,
        mlp_norm=33.274,
    ),
    Trace(MEDIUM, JAPAN, 16, " Tokyo", after=Reading(target_probability=0.99828)),
    Trace(
        MEDIUM,
        JAPAN,
        23,
        " Tokyo",
        after=Reading(_words("Tokyo Osaka Nag Kyoto Kobe"), target_probability=0.29029),
        dominant=_dominant((816, 31.746), (3304, 19.988), (213, 13.844)),
    ),
    Trace(
        XL,
        NEEDLE,
        20,
        after=Reading(_words("Chicago Manhattan Toronto"), (0.108, 0.057, 0.038)),
        dominant=_dominant((2950, 4.836), (2120, 3.738), (1927, 3.340)),
        precision=FP16,
    ),
    Trace(
        XL,
        NEEDLE,
        30,
        after=Reading(("Seattle",), (0.914,)),
        dominant=_dominant((3301, 4.461), (3541, 3.760)),
        precision=FP16,
    ),
    Trace(
        XL,
        NEEDLE,
        40,
        after=Reading(("Seattle",), (0.9995,)),
        dominant=_dominant((2003, 7.172), (3210, 6.895), (5151, 6.301)),
        precision=FP16,
    ),
    Trace(XL, NEEDLE, 47, after=Reading(("Seattle",), (0.9961,)), precision=FP16),
    Trace(
        XL,
        "The Eiffel Tower is in the middle of",
        24,
        after=Reading(("nowhere",), (0.943,)),
        precision=FP16,
    ),
    Trace(
        XL,
        "The Eiffel Tower is in the middle of",
        47,
        after=Reading(_words("Paris the"), (0.289, 0.284)),
        precision=FP16,
    ),
    Trace(
        XL,
        "You can find the Eiffel Tower in the city of",
        47,
        after=Reading(("Paris",), (0.523,)),
        precision=FP16,
    ),
    Trace(
        XL,
        "The Eiffel Tower remains the most iconic structure in",
        47,
        after=Reading(_words("Paris the"), (0.451, 0.388)),
        precision=FP16,
    ),
)

# Tokens of the projection of the bare value vector, W_U v.
PROJECTED = (
    Vector(MEDIUM, "L19.N770", _words("sh?t ass cr?p f?ck c?nt garbage trash"), 3),
    Vector(MEDIUM, "L12.N771", _words("delusional hypocritical arrogant nonsense"), 3),
    Vector(MEDIUM, "L18.N2669", _words("degener whining idiots stupid smug"), 3),
    Vector(MEDIUM, "L13.N668", _words("losers filthy disgr gad feces apes thous"), 3),
    Vector(MEDIUM, "L16.N255", _words("disgrace shameful coward unacceptable"), 3),
    Vector(MEDIUM, "L12.N882", _words("f?ck sh?t piss hilar stupidity poop"), 3),
    Vector(MEDIUM, "L19.N1438", _words("c?m c?ck orgasm missionary anal"), 3),
)

# Tokens of the value vector read like a state of the stream: final norm, then unembedding.
READ_AS_STATES = (
    Vector(MEDIUM, "L8.N3330", _words("drinks beverage beverages"), 3, MARY, 1.918),
    Vector(
        MEDIUM, "L12.N938", _words("wife daughters assistants girlfriends sons"), 5, MARY, 1.111
    ),
    Vector(MEDIUM, "L12.N3116", _words("us me him readers"), 4, MARY),
    Vector(MEDIUM, "L16.N3390", _words("himself his he"), 3, MARY),
    Vector(MEDIUM, "L20.N54", _words("them him"), 2, MARY),
    Vector(MEDIUM, "L21.N2475", _words("his himself her"), 3, MARY),
    Vector(MEDIUM, "L15.N2989", _words("opolis towns town township cities"), 5, JAPAN, 2.327),
    Vector(MEDIUM, "L17.N2707", _words("cities suburbs districts neighbourhoods towns"), 5, JAPAN),
    Vector(MEDIUM, "L18.N1794", _words("India Japan America England Germany"), 5, JAPAN, 2.283),
    Vector(MEDIUM, "L14.N3458", _words("north coastal west southwest"), 4, JAPAN, 2.781),
    Vector(MEDIUM, "L10.N730", _words("capitals respective coasts"), 3, JAPAN),
)

# Switched on together, each pre-activation 3 at all positions, they were published as making
# GPT-2 medium half as toxic. Only that the edit does what it says is checked.
STEERING = _words(
    "L13.N1852 L14.N72 L14.N1394 L15.N215 L16.N461 L16.N3208 L16.N4060 L17.N2920 L18.N1890 "
    "L22.N3769"
)
STEERING_VALUE = 3.0
