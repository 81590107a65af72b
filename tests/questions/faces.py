"""How a question is put in Python, on the command line and over HTTP, and answers compared.

Python puts the analyses together by itself there, with none of the question layer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import unembed as ue
from unembed.engine.model import Model
from unembed.questions.table import QUESTIONS
from unembed.server.wire.derived import body_of
from unembed.session import Session

PROMPT = "The cat sat"
EDIT = {"target": "L1.H2", "operation": "zero", "positions": [-1]}
Numbers = dict[str, Any]
# questions that are answered with arrays, and which those are
ARRAYS = {
    "lens": ue.LensResult.axes,
    "attention": ue.AttentionResult.axes,
    "thumbnails": ue.Thumbnails.axes,
}


@dataclass(frozen=True)
class Face:
    """How one question is put three times, and how its numbers are read."""

    path: str
    fields: dict[str, Any]  # of the request
    python: Callable[[Model, dict[str, Any], list[Any]], Numbers]
    http: Callable[[Any], Numbers]
    command: Callable[[], list[str]] | None = (
        None  # without SOURCE and edits; words of the command itself in the first
    )
    cli: Callable[[Any], Numbers] | None = None  # where it prints another shape than HTTP
    edits: bool = True
    passing: tuple[str, ...] = ()  # fields that are others each time


def same(found: Any, wanted: Any, where: str = "") -> None:
    """Equal in shape and words; numbers up to rounding."""
    if isinstance(wanted, dict):
        assert set(found) == set(wanted), where
        for name in wanted:
            same(found[name], wanted[name], f"{where}.{name}")
    elif isinstance(wanted, list | tuple):
        assert len(found) == len(wanted), where
        for order, one in enumerate(wanted):
            same(found[order], one, f"{where}[{order}]")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-4, abs=2e-6), where
    else:
        assert found == wanted, where


def read_json(answer: Any, name: str) -> Any:
    """The JSON of an answer; beside arrays it lies in their header."""
    if name not in ARRAYS:
        return answer.json()
    size = int.from_bytes(answer.body[:8], "little")
    return json.loads(json.loads(answer.body[8 : 8 + size])["__metadata__"][name])


def without_arrays(printed: Any, name: str) -> Any:
    arrays = {*ARRAYS.get(name, ()), "axes"}
    return {
        side: lens and {name: one for name, one in lens.items() if name not in arrays}
        for side, lens in printed.items()
        if side != "kl_between"
    }


def whole(session: Session, name: str, face: Face, body: Any, written: Any) -> None:
    """What HTTP writes is what the result writes in Python, and what the schema says of it."""
    (question,) = (one for one in QUESTIONS if one.name == name)
    asked = question.request.model_validate(body)
    job = session.submit(lambda job: question.answer(session, job, asked))
    result = job.future.result()
    data = json.loads(result.to_json())
    data = without_arrays(data, name) if name in ARRAYS else data
    same(lasting(face, data), lasting(face, written), "the result")
    body_of(type(result)).model_validate_json(json.dumps(written))


def lasting(face: Face, data: Any) -> Any:
    """Without what is another each time."""
    return {name: one for name, one in data.items() if name not in face.passing}
