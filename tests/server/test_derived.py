"""Bodies of answers are made from the classes of the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from pydantic import ValidationError

from unembed.result import plain
from unembed.server.wire.derived import body_of

Shape = Literal["round", "square"]


@dataclass(frozen=True)
class Part:
    """One part."""

    also = ("double",)

    size: Annotated[float, "In metres."]
    shape: Shape = "round"

    @property
    def double(self) -> float:
        """Twice the size."""
        return 2 * self.size


@dataclass(frozen=True)
class Whole:
    """Some parts."""

    parts: Annotated[tuple[Part, ...], "Largest first."]
    best: Part | None
    weights: Mapping[str, tuple[int, ...]]
    vectors: Tensor  # noqa: F821
    note: Annotated[str | None, "What a reader must know."] = None


WHOLE = Whole((Part(2.0), Part(1.0, "square")), None, {"a": (1, 2)}, vectors=[1.0])


def test_a_body_has_the_fields_the_types_and_the_sentences_of_its_class():
    schema = body_of(Whole).model_json_schema(mode="serialization")
    assert schema["description"] == "Some parts."
    assert list(schema["properties"]) == ["parts", "best", "weights", "note"]
    assert schema["required"] == ["parts", "best", "weights", "note"]
    assert schema["additionalProperties"] is False
    parts = schema["properties"]["parts"]
    assert parts["description"] == "Largest first."
    assert parts["items"] == {"$ref": "#/$defs/Part"}
    part = schema["$defs"]["Part"]["properties"]
    assert part["size"] == {"description": "In metres.", "title": "Size", "type": "number"}
    assert part["shape"]["enum"] == ["round", "square"]
    assert part["double"]["description"] == "Twice the size."


def test_what_a_class_writes_is_what_its_body_takes():
    data = plain(WHOLE)
    assert data == {
        "parts": [
            {"size": 2.0, "shape": "round", "double": 4.0},
            {"size": 1.0, "shape": "square", "double": 2.0},
        ],
        "best": None,
        "weights": {"a": [1, 2]},
        "note": None,
    }
    assert body_of(Whole).model_validate(data).model_dump(mode="json") == data
    for wrong in ({"more": 1}, {"note": 1}, {"parts": [{"size": "2"}]}):
        with pytest.raises(ValidationError):
            body_of(Whole).model_validate(data | wrong)


def test_a_class_has_one_body():
    assert body_of(Part) is body_of(Part)
    assert body_of(Whole).model_fields["best"].annotation == body_of(Part) | None
