"""Continuing a prompt."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from unembed.server.wire.base import Temperature, TokenText, Wire
from unembed.server.wire.experiments import Experiment


class GenerateRequest(Experiment):
    max_new_tokens: Annotated[StrictInt, Field(ge=1)] = 20
    temperature: Temperature = Field(0, description="0 is greedy.")
    seed: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)] = 0


class GenerateResponse(Wire):
    prompt_tokens: list[TokenText]
    baseline: list[TokenText]
    baseline_text: str
    edited: list[TokenText] | None = None
    edited_text: str | None = None
