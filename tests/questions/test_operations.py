"""The table of edit operations is whole: each is made, typed, described and checked."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from unembed.cli.edits import parse_edit
from unembed.errors import EditError
from unembed.questions.editing import MAKERS
from unembed.questions.experiment import EditSpec
from unembed.questions.operations import OPERATIONS, OperationName, described, grammar

NAMES = [row.name for row in OPERATIONS]
TYPED = {"nothing": "", "number": " 2", "vector": " 1,2.5", "source": " Another prompt"}
GIVEN: dict[str, Any] = {"number": 2.0, "vector": [1.0, 2.5]}


def test_every_operation_has_its_row_and_is_made():
    assert list(get_args(OperationName)) == NAMES
    assert set(MAKERS) == set(NAMES)


@pytest.mark.parametrize("row", OPERATIONS, ids=NAMES)
def test_it_is_typed_and_sent_alike(row):
    typed = parse_edit(f"{row.name} L1.N2{TYPED[row.takes]}", 0)
    sent = EditSpec(target="L1.N2", operation=row.name, value=GIVEN.get(row.takes), source=None)
    if row.takes == "source":
        assert typed.source.prompt == "Another prompt"
    else:
        assert typed == sent
    typed.check("edits[0]")
    assert f'"{row.typed}"' in grammar()
    assert f'"{row.name}" {row.sentence}' in described()


@pytest.mark.parametrize("row", OPERATIONS, ids=NAMES)
@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("value", 2.0),
        ("value", [1.0, 2.5]),
        ("source", {"prompt": "a", "positions": None}),
        ("stage", "pre"),
        ("sign", -1),
        ("positions", [0, 1]),
    ],
    ids=str,
)
def test_a_part_without_a_meaning_is_refused(row, part, value):
    has_meaning = {
        "value": row.takes == "vector" or (row.takes == "number" and value == 2.0),
        "source": row.takes == "source",
        "stage": row.stage,
        "sign": row.sign,
        "positions": not row.one_position,
    }[part]
    needed = {"number": {"value": 1.0}, "vector": {"value": 1.0}, "source": {"source": SOURCE}}
    data = {"target": "L1.N2", "operation": row.name} | needed.get(row.takes, {}) | {part: value}
    spec = EditSpec.model_validate(data)
    if has_meaning:
        spec.check("edits[3]")
        return
    with pytest.raises(EditError) as caught:
        spec.check("edits[3]")
    assert caught.value.field == f"edits[3].{part}"
    assert row.name in caught.value.message


SOURCE = {"prompt": "a", "positions": None}


@pytest.mark.parametrize("row", OPERATIONS, ids=NAMES)
def test_what_it_needs_is_asked_for(row):
    spec = EditSpec(target="L1.N2", operation=row.name)
    if row.takes == "nothing":
        spec.check("edits[0]")
        return
    with pytest.raises(EditError, match="is missing") as caught:
        spec.check("edits[0]")
    assert caught.value.field == ("edits[0].source" if row.takes == "source" else "edits[0].value")
