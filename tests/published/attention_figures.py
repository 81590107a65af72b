"""What exBERT's server answered for BERT, as its authors recorded it (Hoover et al., 2019)."""

from __future__ import annotations

from dataclasses import dataclass, field

BERT = "BERT_CASED"
"""bert-base-cased: 12 layers of 12 heads."""


@dataclass(frozen=True)
class Recorded:
    """One recorded answer: one layer of one sentence. Heads and positions count from 0.

    The layer was not recorded: it is the one whose first head has the first number.
    """

    name: str
    model: str
    text: str | tuple[int, ...]
    masked: tuple[int, ...] = ()
    # (head, query) -> the first entries of that row of the pattern
    rows: dict[tuple[int, int], tuple[float, ...]] = field(default_factory=dict)
    # position -> the likeliest tokens there, with probabilities
    predicted: dict[int, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    # special tokens hidden or shown, mass -> how many pairs of all heads summed are kept
    kept: dict[tuple[str, float], int] = field(default_factory=dict)
    # special tokens hidden or shown -> the strongest pair of all heads summed
    strongest: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    # of one query, special tokens hidden: the pairs kept at 0.7, strongest first
    query: int | None = None
    seen: tuple[tuple[int, float], ...] = ()
    # of that position, special tokens hidden: what each head receives there, and sends
    received: tuple[float, ...] = ()
    sent: tuple[float, ...] = ()
    # (head, query, key) -> an entry of the pattern
    entries: dict[tuple[int, int, int], float] = field(default_factory=dict)


RECORDED = (
    Recorded(
        name="the girl",
        model=BERT,
        text="The girl ran to a local pub to escape the din of her city.",
        masked=(9,),
        rows={
            (0, 0): (0.7554, 0.00671, 0.00663, 0.00599, 0.01362),
            (5, 3): (0.34952, 0.00869, 0.01598, 0.02332, 0.04287, 0.01443),
        },
        predicted={
            9: (
                ("escape", 0.7474),
                ("join", 0.0259),
                ("enjoy", 0.0241),
                ("avoid", 0.0175),
                ("break", 0.0133),
            ),
            14: (("city", 0.9535), ("town", 0.0100), ("hometown", 0.0025)),
            0: ((".", 0.1618), (",", 0.0969), ("the", 0.0482)),
        },
        kept={
            ("hidden", 0.0): 0,
            ("hidden", 0.1): 15,
            ("hidden", 0.5): 47,
            ("hidden", 0.7): 86,
            ("hidden", 0.9): 159,
            ("hidden", 1.0): 237,
            ("shown", 0.0): 0,
            ("shown", 0.1): 17,
            ("shown", 0.5): 42,
            ("shown", 0.7): 80,
            ("shown", 0.9): 182,
            ("shown", 1.0): 289,
        },
        strongest={"hidden": (8, 9, 2.7705), "shown": (16, 0, 8.4109)},
        query=9,
        seen=((10, 2.0929), (8, 1.9065), (9, 1.0325), (11, 0.7430), (15, 0.6962)),
        received=(
            *(0.11361, 0.06352, 0.09268, 0.08269, 0.12151, 0.09457),
            *(0.06125, 0.06265, 0.07303, 0.08741, 0.14285, 0.05977),
        ),
        sent=(
            *(0.04845, 0.05298, 0.0457, 0.05498, 0.05877, 0.04026),
            *(0.02266, 0.05583, 0.03831, 0.04551, 0.01959, 0.05882),
        ),
        entries={(4, 9, 8): 0.988, (11, 9, 10): 0.9981, (3, 9, 10): 0.6939},
    ),
    Recorded(
        name="the brother",
        model=BERT,
        text='"I told her not to!", said the spoiled little brother.',
        rows={
            (0, 0): (0.80387, 0.00491, 0.00647, 0.00355, 0.00585),
            (5, 3): (0.36945, 0.04755, 0.00989, 0.00635, 0.00472, 0.02703),
        },
        predicted={1: ((".", 0.7292),)},
        kept={("hidden", 0.5): 45, ("hidden", 0.7): 76, ("hidden", 0.9): 142},
        entries={(4, 9, 8): 0.992, (11, 9, 10): 0.9831},
    ),
)
