"""What can be chosen about a patching grid. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unembed.options import Count, Options, Position, Target, TokenRef, option

Patched = Literal["resid_pre", "resid_mid", "attn_out", "mlp_out", "heads", "patterns"]
Into = Literal["corrupted", "clean"]
BY_HEAD: tuple[Patched, ...] = ("heads", "patterns")  # whose grids are layer x head
Through = Literal["nothing", "mlps"]

_Layers = Annotated[tuple[Count, ...], Field(strict=False, min_length=1, max_length=4096)]
_Positions = Annotated[tuple[Position, ...], Field(strict=False, min_length=1, fail_fast=True)]


class PatchPlaces(Options):
    """What is patched, where, and into which of two prompts."""

    site: Patched = option(
        "resid_pre",
        "What is patched: a site at one position in each cell; or of one head what it writes, or "
        "where it looks, at all positions.",
    )
    into: Into = option(
        "corrupted",
        "Which prompt is run: the corrupted one with activations of the clean one, which shows "
        "what is enough, or the other way round, which shows what is needed.",
    )
    layers: _Layers | None = option(None, "0-based; absent: all that have the site.")
    positions: _Positions | None = option(
        None, "Where is patched; absent: everywhere.", limit="max_prompt_tokens"
    )


class PairsOptions(PatchPlaces):
    """What is patched, and into which prompt of each pair; answer less wrong answer is measured."""


class Measured(Options):
    """What is measured in the runs of two prompts."""

    target: Target | None = option(
        None, "What is measured; absent: the most likely token of the clean prompt less that of "
        "the corrupted one, or the label that the clean one gets."
    )  # fmt: skip
    distractor: TokenRef | None = option(None, "A token whose logit is taken off the target's.")
    position: Position = option(-1, "Where it is measured; a negative one counts from the end.")


class PatchOptions(Measured, PatchPlaces):
    """What is patched, into which of two prompts, and what is measured."""


class PathOptions(Measured):
    """What is measured along a path, and what of it is held."""

    through: Through = option(
        "nothing",
        "What lies between senders and receivers and is not held: nothing, so that it is the one "
        "edge; or feed-forwards, which go with the sender.",
    )
