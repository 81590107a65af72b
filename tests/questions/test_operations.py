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
TYPED = {
    "nothing": "",
    "number": " 2",
    "vector": " 1,2.5",
    "source": " Another prompt",
    "pairs": " 3<1,-1<0",
}
GIVEN: dict[str, Any] = {"number": 2.0, "vector": [1.0, 2.5]}
PAIRS = [[3, 1], [-1, 0]]


def test_every_operation_has_its_row_and_is_made():
    assert list(get_args(OperationName)) == NAMES
    assert set(MAKERS) == set(NAMES)


@pytest.mark.parametrize("row", OPERATIONS, ids=NAMES)
def test_it_is_typed_and_sent_alike(row):
    places = [2, -1] if row.places == "named" else None
    where = " positions=2,-1" if places else ""
    typed = parse_edit(f"{row.name} L1.N2{where}{TYPED[row.takes]}", 0)
    sent = EditSpec(
        target="L1.N2",
        operation=row.name,
        value=GIVEN.get(row.takes),
        positions=places,
        pairs=PAIRS if row.takes == "pairs" else None,
    )
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
        ("pairs", [[1, 0]]),
        ("between", "across"),
        ("renormalise", True),
    ],
    ids=str,
)
def test_a_part_without_a_meaning_is_refused(row, part, value):
    has_meaning = {
        "value": row.takes == "vector" or (row.takes == "number" and value == 2.0),
        "source": row.takes == "source",
        "stage": row.stage,
        "sign": row.sign,
        "positions": row.places in ("any", "named"),
        "pairs": row.takes == "pairs",
        "between": row.takes == "pairs",
        "renormalise": row.takes == "pairs",
    }[part]
    needed = {"number": {"value": 1.0}, "vector": {"value": 1.0}, "source": {"source": SOURCE}}
    needed["pairs"] = {} if part in ("pairs", "between") else {"pairs": PAIRS}
    placed = {"positions": [0]} if row.places == "named" else {}
    data = {"target": "L1.N2", "operation": row.name, **placed}
    data |= needed.get(row.takes, {}) | {part: value}
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
    wanted = {"source": "source", "pairs": "pairs", "number": "value", "vector": "value"}
    part = "positions" if row.places == "named" else wanted.get(row.takes)
    if part is None:
        spec.check("edits[0]")
        return
    with pytest.raises(EditError, match="is missing") as caught:
        spec.check("edits[0]")
    assert caught.value.field == f"edits[0].{part}"


def test_pairs_are_named_in_one_way():
    made = {"operation": "knock_out", "renormalise": True}
    EditSpec.model_validate({"target": "L1.H2@3<1", **made}).check("edits[0]")
    for named in ({"pairs": PAIRS, "between": "across"}, {"pairs": PAIRS}):
        target = "L1.H2" if "between" in named else "L1.H2@3<1"
        with pytest.raises(EditError, match="already"):
            EditSpec.model_validate({"target": target, **made, **named}).check("edits[0]")


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("knock_out L1.H2 3<1", {"pairs": [[3, 1]]}),
        ("knock_out L1.attn renormalise=true across", {"between": "across", "renormalise": True}),
        ("knock_out L1.H2@3<1 renormalise=false", {}),
        ("mask embed positions=3,5", {"positions": [3, 5]}),
    ],
)
def test_edits_of_tokens_and_pairs_are_typed(typed, parts):
    operation, target, *_ = typed.split(" ")
    wanted = {"target": target, "operation": operation, **parts}
    assert parse_edit(typed, 0) == EditSpec.model_validate(wanted)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ("knock_out L1.H2 3-1", "edits[0].pairs"),
        ("knock_out L1.H2 3<1<2", "edits[0]"),
        ("knock_out L1.H2 renormalise=yes 3<1", "edits[0].renormalise"),
    ],
)
def test_what_is_no_pair_is_said(typed, field):
    with pytest.raises(EditError) as caught:
        parse_edit(typed, 0)
    assert caught.value.field == field
