"""What can be chosen about the predictions of one position. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from unembed.options import Options, Position, Target, TokenRef, option


class PredictionsOptions(Options):
    """Which position is read, how many tokens are listed, which ones are followed."""

    position: Position = option(-1, "Position to read; a negative one counts from the end.")
    top_k: Annotated[StrictInt, Field(ge=1)] = option(
        10, "Tokens listed for each distribution.", limit="max_k", flag="--top-k/-k"
    )
    target: Target | None = option(
        None,
        'Token followed through the layers; or an objective, as text: log_prob(" Tokyo").',
    )
    distractor: TokenRef | None = option(None, "Another one, to set beside it.")
    layers: bool = option(
        True,
        "Also what the residual stream predicts in every layer; without, the model's own output "
        "alone, for which no layer is read.",
        flag="--layers/--no-layers",
    )
    sub_updates: Annotated[StrictInt, Field(ge=0)] = option(
        0, "How many neurons and heads of each layer to take out; 0: none.", limit="max_sub_updates"
    )
