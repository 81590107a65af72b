"""Continuing a prompt, at once or token by token."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unembed.server.wire.base import TokenText, Wire


class GenerateResponse(Wire):
    prompt_tokens: list[TokenText]
    baseline: list[TokenText]
    baseline_text: str
    edited: list[TokenText] | None = None
    edited_text: str | None = None


class GenerateToken(Wire):
    """One server-sent event named `token` of `POST /api/generate/stream`.

    The sides take turns, one token each, while both go on. The last event is `end`, a
    `GenerateResponse`, or `error`, an `ErrorBody`.
    """

    side: Literal["baseline", "edited"]
    index: int = Field(description="0 for the first new token of its side.")
    token: TokenText
    probability: float = Field(description="Its share of the distribution at temperature 1.")
