"""What can be chosen about one node. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from unembed.options import Count, Options, Position, option


class ComponentOptions(Options):
    """Where a node is read, and how many tokens of either side are listed."""

    position: Position = option(-1, "Where it writes; a negative one counts from the end.")
    top_k: Annotated[StrictInt, Field(ge=1)] = option(
        10,
        "Tokens listed of those that it promotes, and suppresses.",
        limit="max_k",
        flag="--top-k/-k",
    )
    downstream: Count = option(
        0,
        "Of each kind, how many of the later heads, neurons and latents are listed that read most "
        "of what it writes; 0: none, which saves a pass.",
        limit="max_k",
    )
