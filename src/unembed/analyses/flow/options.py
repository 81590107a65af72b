"""What a flow graph shows and how wide its links are: every number, with VISIT's defaults.

Knows no model. Colours are not here: see `unembed.figures.flow_palettes`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from unembed.errors import InputError

TargetMode = Literal["first", "whole"]
SMALLEST_WIDTH = 0.51  # of links whose width is an attention score: thinner ones cannot be seen


@dataclass(frozen=True)
class FlowOptions:
    """Which heads, neurons and values are shown, and the factors of the links' widths.

    Raises InputError for a number outside its range.
    """

    top_neurons: int = 18  # of a feed-forward, and rows of W_O: the largest scores
    bottom_neurons: int = 7  # the most negative scores
    n_heads: int = 10  # those that write most; 0: all
    values_per_head: int = 2  # positions with the highest attention
    threshold: float | None = None  # instead of counts: least ‖write‖ / ‖added‖ of what is shown
    include: tuple[str, ...] = ()  # shown by hand, beside the others: "L14.H3", "L14.N512"
    rest: bool = False  # nodes for what is not shown, so that links sum to what was added
    attn_bias: bool = True
    mlp_bias: bool = True
    merge_neurons: bool = False  # one node for a neuron's key and its value
    merge_values: bool = False  # one node for the key and the value of a position
    target_mode: TargetMode = "first"  # of a target of several tokens: its first, or all of it
    k: int = 5  # tokens listed for each vector
    default_width: float = 7.0
    query_factor: float = 0.2
    attention_factor: float = 10.0
    memory_factor: float = 1.3
    head_factor: float = 1.8
    neuron_factor: float = 1.5

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                _refuse(name, value, f"an integer from {least}")
        for name in (row.name for row in fields(self)):
            if name.endswith(("_width", "_factor")):
                self._check_number(name)
        if self.threshold is not None:
            self._check_number("threshold")
        if self.target_mode not in get_args(TargetMode):
            _refuse("target_mode", self.target_mode, '"first" or "whole"')
        include: object = self.include
        if isinstance(include, str):
            _refuse("include", self.include, 'a list of names, as in ["L14.H3", "L14.N512"]')

    def _check_number(self, name: str) -> None:
        value = getattr(self, name)
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not math.isfinite(value) or value < 0:
            _refuse(name, value, "a number from 0")


_LEAST = {
    "top_neurons": 0,
    "bottom_neurons": 0,
    "n_heads": 0,
    "values_per_head": 1,
    "k": 1,
}


def changed(options: FlowOptions, changes: Mapping[str, Any]) -> FlowOptions:
    """The options with some of them changed. Raises InputError for one that is not there."""
    names = [row.name for row in fields(FlowOptions)]
    unknown = next((name for name in changes if name not in names), None)
    if unknown is not None:
        raise InputError(
            f"a flow graph has no option {unknown!r}; it has {', '.join(names)}",
            field=unknown,
            value=changes[unknown],
            legal=", ".join(names),
        )
    return replace(options, **changes)


def _refuse(name: str, value: object, legal: str) -> None:
    raise InputError(
        f"{name} is {value!r}; it must be {legal}", field=name, value=value, legal=legal
    )
