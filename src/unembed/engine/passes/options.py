"""What can be chosen about a continuation. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from unembed.options import Count, Options, Temperature, option


class GenerationOptions(Options):
    """How many tokens, and how they are drawn."""

    max_new_tokens: Annotated[StrictInt, Field(ge=1)] = option(
        20, "Most tokens to add.", limit="max_new_tokens"
    )
    temperature: Temperature = option(0, "0 is greedy.")
    seed: Count = option(0, "Decides what is drawn where the temperature is not 0.")
