"""What can be chosen about one node. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from unembed.options import Options, Position, option


class ComponentOptions(Options):
    """Where a node is read, and how many tokens of either side are listed."""

    position: Position = option(-1, "Where it writes; a negative one counts from the end.")
    top_k: Annotated[StrictInt, Field(ge=1)] = option(
        10,
        "Tokens listed of those that it promotes, and suppresses.",
        limit="max_k",
        flag="--top-k/-k",
    )
