"""Answers to bytes: results as JSON, lens and attention as arrays, continuations token by token.

Runs on the thread that computes. Computes nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch

from unembed.engine.names.tokens import Token
from unembed.engine.passes.generation import NewToken
from unembed.errors import EditError
from unembed.questions import generation
from unembed.questions.generation import GenerationComparison
from unembed.questions.requests import GenerateRequest
from unembed.result import ArrayComparison, Side, plain
from unembed.server.packing import pack
from unembed.session import Job, Session

if TYPE_CHECKING:
    from torch import Tensor


def as_json(answer: object) -> str:
    """A result as it is sent: what `to_json` writes, on one line.

    Raises EditError where a number is not finite: JSON has no infinity, and what led there is
    nearly always an edit.
    """
    try:
        return json.dumps(plain(answer), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise EditError(
            "the result is not finite: with these edits, or in this precision, the model's "
            "numbers overflow",
            field="edits",
            fix="use smaller values, or load the model with --dtype float32",
        ) from None


def json_bytes(answer: object) -> bytes:
    """`as_json`, encoded."""
    return as_json(answer).encode()


def array_bytes(name: str, answer: ArrayComparison[Any]) -> bytes:
    """The arrays of both sides, and below the question's name what says how to read them."""
    arrays = {name: _sent(array) for name, array in answer.arrays().items()}
    return pack(arrays, {name: as_json(answer.header())})


def _sent(array: Tensor) -> Tensor:
    """Ids and ranks as U32, numbers as F32, bytes as they are; id -1, no token, is 4294967295."""
    if array.dtype == torch.uint8:
        return array
    if array.is_floating_point():
        return array.to(torch.float32)
    return torch.where(array < 0, array + 2**32, array).to(torch.uint32)


# ---------------------------------------------------------------- continuations


@dataclass(frozen=True)
class GenerateToken:
    """One server-sent event named `token` of `POST /api/generate/stream`.

    The sides take turns, one token each, while both go on. The last event is `end`, a
    `GenerationComparison`, or `error`, an `ErrorBody`.
    """

    side: Side
    index: Annotated[int, "0 for the first new token of its side."]
    token: Token
    probability: Annotated[float, "Its share of the distribution at temperature 1."]


def generate(
    session: Session, job: Job, request: GenerateRequest, tell: Callable[[GenerateToken], None]
) -> GenerationComparison:
    """Continue the prompt, with the edits and without; `tell` gets each token as it is made."""

    def told(side: Side, index: int, new: NewToken) -> None:
        tell(GenerateToken(side, index, new.token, new.probability))

    return generation.answer(session, job, request, told)
