"""Figures of published flow graphs of GPT-2 small and medium. Where from: docs/published.md.

Ids are the graph's own: layers, heads, neurons and positions from 0. Ranks are from 1,
probabilities are fractions.
"""

from __future__ import annotations

from dataclasses import dataclass

from .figures import FP32, JAPAN, MARY, MEDIUM, SMALL

ARGENTINA = "Buenos Aires is the capital of"


@dataclass(frozen=True)
class Box:
    """One node. `top` may name fewer tokens than were published, but the first ones, in order."""

    node: str
    top: tuple[str, ...] = ()
    probability: float | None = None  # of the target
    rank: int | None = None
    norm: float | None = None
    activation: float | None = None
    attention: float | None = None
    precision: float = FP32  # of the probability


@dataclass(frozen=True)
class Flow:
    """One layer on one prompt."""

    model: str
    prompt: str
    layer: int
    target: str
    boxes: tuple[Box, ...]
    heads: tuple[int, ...] = ()  # largest first
    memory: tuple[tuple[int, str], ...] = ()  # head, token that it attends to most
    widths: tuple[tuple[str, str, float], ...] = ()  # from, to, width
    decimals: int = 3  # of norms, activations and attention scores

    @property
    def name(self) -> str:
        return f"{self.model}-L{self.layer}-{self.prompt[:24]}"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FLOWS = (
    Flow(
        MEDIUM,
        JAPAN,
        14,
        " Tokyo",
        (
            Box("L14.resid_pre", _words("London San Los Chicago St"), 0.00889, 18, 195.015),
            Box(
                "L14.attn_in",
                _words("London Chicago San Los Alexandria"),
                0.0281,
                6,
                precision=FP32,  # two decimals of a percentage
            ),
            Box("L14.attn_out", _words("Tokyo Osaka Yamato Kyoto Fuji"), 0.87889, 1, 21.684),
            Box("L14.resid_mid", (), 0.25764, 1, 199.304),
            Box("L14.mlp_in", (), 0.80939),
            Box("L14.mlp_out", _words("Conway Dav Alam"), norm=33.274),
            Box("L14.resid_post", (), 0.24481),
            Box("L14.H7", _words("Yamato Tok samurai Samurai Hiro"), norm=17.779),
            Box("L14.H13", _words("cities opolis usalem town markets"), norm=10.342),
            Box("L14.H10", norm=5.124),
            Box("L14.H8", norm=5.049),
            Box("L14.H7.value@3", _words("Yamato Tok samurai"), norm=23.306, attention=0.754),
            Box("L14.H13.value@1", _words("cities opolis town"), attention=0.359),
            Box("L14.H0.key@0", attention=0.813),
            Box("L14.N1981", activation=2.366),
            Box("L14.N3458", activation=2.781),
            Box("L14.N3645", activation=2.205),
            Box("L14.N412", activation=2.695),
            Box("L14.attn_bias", _words("ESV Replay")),
            Box("L14.mlp_bias", _words("a the to one more")),
        ),
        heads=(7, 13, 10, 8),
        memory=((7, "Japan"), (13, "capital"), (0, "The")),
        widths=(
            ("L14.H0.query", "L14.H0.key@0", 8.13),
            ("L14.N1981", "L14.mlp_out", 10.585),
            ("L14.N3458", "L14.mlp_out", 10.304),
            ("L14.N3645", "L14.mlp_out", 7.421),
            ("L14.N412", "L14.mlp_out", 6.848),
            ("L14.resid_pre", "L14.attn_in", 195.015),
            ("L14.resid_pre", "L14.resid_mid", 195.015),
            ("L14.resid_mid", "L14.mlp_in", 199.304),
        ),
    ),
    Flow(
        SMALL,
        MARY,
        9,
        " Mary",
        (
            Box("L9.H9", _words("Mary John McC"), 0.99981, 1),
            Box("L9.H9.value@1", (), 0.99999, attention=0.362),
            Box("L9.H6", _words("Mary Mary mary saints"), 0.17872, 2),
            Box("L9.H6.value@1", attention=0.492),
            Box("L9.attn_out", ("Mary",), 0.99504),
            Box("L9.resid_mid", (), 0.99094),
            Box("L9.resid_post", (), 0.23067, 2),
        ),
        memory=((9, "Mary"), (6, "Mary")),
    ),
    Flow(
        SMALL,
        MARY,
        10,
        " Mary",
        (
            Box("L10.H0", _words("Mary Catholics"), 0.73244, 1, 16.62),
            Box("L10.H2", norm=24.71),
            Box("L10.H10", (), 0.10848, 3, 17.36),
            Box("L10.H7", rank=50257, norm=27.29),
            Box("L10.H7.key@1", _words("Mary Mary Meredith"), 0.99497, attention=0.582),
        ),
        heads=(7, 2, 10, 0),
        memory=((7, "Mary"),),
        decimals=2,
    ),
    Flow(
        SMALL,
        MARY,
        11,
        " Mary",
        (
            Box("L11.H2", (), 0.93404),
            Box("L11.H10", rank=50257),
            Box("L11.H10.key@1", _words("Mary Clement"), 0.96746, attention=0.529),
            Box("L11.resid_post", (), 0.44603),
        ),
        memory=((10, "Mary"),),
    ),
    Flow(
        SMALL,
        ARGENTINA,
        8,
        " Argentina",
        (
            Box("L8.resid_pre", (), 0.005, precision=0.005),  # below 1%
            Box("L8.resid_post", (), 0.63, precision=0.01),  # about 63%
            Box("L8.H11", ("Argentina",)),
            Box("L8.H11.value@2", _words("Aires Argentine Argent Argentina")),
        ),
        heads=(11,),
        memory=((11, "Aires"),),
    ),
)
