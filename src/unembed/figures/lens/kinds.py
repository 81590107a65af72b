"""What a cell of a lens can be coloured by: its values, their scale, and what they are called.

Figures and tables agree because both read this. Knows the result, no figure and no terminal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from unembed.analyses.lens.result import LensResult
from unembed.errors import InputError
from unembed.figures import text
from unembed.figures.grid import Scale

Kind = Literal["top", "logit", "probability", "rank", "kl", "entropy"]
KINDS: tuple[Kind, ...] = get_args(Kind)

CLIPPED = 5.0  # percent of the logits that may lie beyond either end of their scale


@dataclass(frozen=True)
class KindOfCell:
    """One way to read the grid."""

    name: str  # on a button
    title: str  # "{}" stands for the token that is scored
    unit: str
    meaning: str  # for a person who has not met it before
    short: Callable[[float], str]  # in a cell, at most five characters


CELLS: dict[Kind, KindOfCell] = {
    "top": KindOfCell(
        "Top token",
        "Top token of each cell, and its probability",
        "probability",
        "Each cell names the token that its row puts first; the colour is that token's "
        "probability, from 0 to 1.",
        text.number,
    ),
    "probability": KindOfCell(
        "Probability",
        "Probability of {}",
        "probability",
        "Probability that each row gives to {}, from 0 to 1: the softmax of the row's logits.",
        text.number,
    ),
    "logit": KindOfCell(
        "Logit",
        "Logit of {}",
        "logit",
        "Logit that each row gives to {}: the score before the softmax. The colours span the "
        "grid's values; outliers take the colour of the scale's end.",
        text.short,
    ),
    "rank": KindOfCell(
        "Rank",
        "Rank of {}",
        "rank, log scale",
        "Rank of {} among all tokens of the vocabulary: 1 + how many have a higher logit, so 1 "
        "is the best. The colour scale is logarithmic.",
        text.short_rank,
    ),
    "kl": KindOfCell(
        "KL",
        "KL(final ‖ row)",
        "nats",
        "Kullback-Leibler divergence of each row from the model's final distribution, "
        "KL(final ‖ row) = Σ p_final · ln(p_final / p_row), in nats; the final distribution is "
        "the reference. 0 is the same distribution; outliers take the colour of the scale's end.",
        text.short,
    ),
    "entropy": KindOfCell(
        "Entropy",
        "Entropy of each row",
        "nats",
        "Entropy of each row's distribution, −Σ p · ln p, in nats: 0 is certain, ln of the size "
        "of the vocabulary knows nothing.",
        text.short,
    ),
}

_SCORED = {
    "final": "each position's final top token",
    "next": "the true next token",
    "input": "the token at the position itself",
}


def check_kind(kind: str) -> Kind:
    """Raises InputError for what is no kind."""
    for known in KINDS:
        if kind == known:
            return known
    raise InputError(
        f"kind is {kind!r}; write one of {', '.join(KINDS)}",
        field="kind",
        value=kind,
        legal=", ".join(KINDS),
    )


def scored(result: LensResult) -> str:
    """The token that logit, probability and rank are of, in words."""
    return _SCORED[result.follow] if result.target is None else text.isolate(result.target.label)


def title(result: LensResult, kind: Kind) -> str:
    """What the colours are."""
    return CELLS[kind].title.format(scored(result))


def meaning(result: LensResult, kind: Kind) -> str:
    """What the colours are and how they were computed, for a reader who has only the picture."""
    return CELLS[kind].meaning.format(scored(result))


def values(result: LensResult, kind: Kind) -> list[list[float]]:
    """The numbers of a kind, [row][position]; NaN where there is none."""
    if kind == "top":
        found: list[list[float]] = result.top_probabilities[..., 0].tolist()
        return found
    found = getattr(result, kind).tolist()
    if kind == "rank":
        return [[rank if rank >= 1 else math.nan for rank in row] for row in found]
    return found


# ------------------------------------------------------------------ scales


def scale(result: LensResult, kind: Kind) -> Scale:
    """Brighter is nearer to a final answer: likelier, better ranked, closer, less undecided."""
    flat = sorted(value for row in values(result, kind) for value in row if math.isfinite(value))
    match kind:
        case "top" | "probability":
            return Scale(0, 1, tuple((share, f"{share:g}") for share in (0, 0.25, 0.5, 0.75, 1)))
        case "logit":
            return _logit_scale(flat)
        case "rank":
            return _rank_scale(largest_rank(result))
        case "kl":
            return _kl_scale(flat)
        case "entropy":
            most = math.log(largest_rank(result))
            return Scale(0, most, _ticks([*_steps(0, most)], 0), bright="low")


def largest_rank(result: LensResult) -> int:
    """The size of the vocabulary as far as the result shows it: a rank, an id, an entropy."""
    ids = max((token.id for token in result.vocabulary), default=0) + 1
    undecided = [value for row in result.entropy.tolist() for value in row if math.isfinite(value)]
    entropy = math.ceil(math.exp(max(undecided, default=0.0)) - 1e-3)
    return max(10, ids, int(result.rank.max()), entropy)


def _logit_scale(flat: Sequence[float]) -> Scale:
    least, most = _fences(flat)
    low = max(percentile(flat, CLIPPED), least)
    high = min(percentile(flat, 100 - CLIPPED), most)
    if high - low < 1e-6:
        low, high = low - 0.5, high + 0.5
    inside = [
        (value, text.number(value, 0 if high - low > 4 else 1)) for value in _steps(low, high)
    ]
    return Scale(low, high, tuple(inside))


def _rank_scale(most: int) -> Scale:
    powers = [10**exponent for exponent in range(int(math.log10(most)) + 1)]
    return Scale(
        1, most, tuple((power, text.short_rank(power)) for power in powers), bright="low", log=True
    )


def _kl_scale(flat: Sequence[float]) -> Scale:
    """Up to the greatest value that is no outlier: the row of the embedding can be fifty times
    as far as all others, and shall not flatten them."""
    most = max(min(max(flat, default=0.0), _fences(flat)[1]), 0.1)
    return Scale(0, most, _ticks(_steps(0, most), 0 if most > 4 else 2), bright="low")


def _fences(flat: Sequence[float]) -> tuple[float, float]:
    """Beyond them are outliers (Tukey 1977): one and a half times the middle half's width away.

    No value is one where the middle half is a single value.
    """
    low, high = percentile(flat, 25), percentile(flat, 75)
    if high - low < 1e-6:
        return -math.inf, math.inf
    return low - 1.5 * (high - low), high + 1.5 * (high - low)


def percentile(ascending: Sequence[float], percent: float) -> float:
    """Linear between neighbours, as numpy's; 0 of nothing."""
    if not ascending:
        return 0.0
    at = percent / 100 * (len(ascending) - 1)
    low = int(at)
    high = min(low + 1, len(ascending) - 1)
    return ascending[low] + (ascending[high] - ascending[low]) * (at - low)


def _steps(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from low to high: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [count * step for count in range(first, last + 1)]


def _ticks(at: Sequence[float], digits: int) -> tuple[tuple[float, str], ...]:
    return tuple((value, text.number(value, digits)) for value in at)
