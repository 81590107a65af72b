"""Masked tokens and pairs knocked out, asked for over HTTP and on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import unembed as ue
from unembed.models.tiny import tiny_model
from unembed.server.app import create_app
from unembed.session import Session
from unembed.settings import Settings

from ..cli.conftest import Cli, cli
from ..engine.paired import FIRST, bert_tokenizer
from ..server.asgi import TOKEN, post

__all__ = ["cli"]
MASK = {"target": "embed", "operation": "mask", "positions": [3, -2]}
CUT = {"target": "L1.H2", "operation": "knock_out", "pairs": [[4, 2], [-1, 0]]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("masked")
    tiny_model("bert", dtype=torch.float32).save_pretrained(path)
    bert_tokenizer().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> ue.Model:
    return ue.load(folder)


@pytest.fixture
def app(model: ue.Model) -> Iterator[Any]:
    session = Session(model, Settings())
    yield create_app(session, session.settings, TOKEN, assets={})
    session.close()


@pytest.fixture(scope="module")
def masked_ids(model: ue.Model) -> list[int]:
    ids = list(model.tokenize(FIRST))
    for place in (3, -2):
        ids[place] = model.tokenizer.mask_token_id
    return ids


def asked(app: Any, name: str, **body: Any) -> Any:
    answer = post(app, f"/api/{name}", body)
    assert answer.status == 200, answer.body
    return answer.json()


def test_predictions_are_those_of_the_masked_tokens_beside_the_prompts(app, model, masked_ids):
    found = asked(app, "predictions", prompt=FIRST, edits=[MASK], position=3)
    baseline, edited = model.run(FIRST).top(1, 3)[0], model.run(masked_ids).top(1, 3)[0]
    for side, wanted in (("baseline", baseline), ("edited", edited)):
        top = found[side]["next_token"]["top"][0]
        assert top["token"]["id"] == wanted.token.id
        assert top["probability"] == pytest.approx(wanted.probability, abs=1e-6)
    assert [token["id"] for token in found["tokens"]] == list(model.tokenize(FIRST))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("component", {"target": "L1.H1", "position": 3}),
        ("heads", {"kind": "same"}),
    ],
)
def test_every_question_can_be_asked_with_a_mask(name, options, app, masked_ids):
    ours = asked(app, name, prompt=FIRST, edits=[MASK], **options)
    theirs = asked(app, name, prompt=masked_ids, **options)
    assert_alike(ours, theirs)


def test_the_flow_graph_of_a_mask_is_that_of_the_masked_tokens(app, model, masked_ids):
    capture = ue.flow_capture(model, [1, 2], 3)
    drawn = {"target": "dog", "position": 3}
    runs = [model.run(FIRST, capture, [ue.mask([3, -2])]), model.run(masked_ids, capture)]
    ours, theirs = (ue.flow_graph(run, [1, 2], **drawn).header() for run in runs)
    assert_alike(ours, theirs)
    found = asked(app, "flow", prompt=FIRST, edits=[MASK], layers=[1, 2], **drawn)
    assert found["edited"]["target"] == found["baseline"]["target"]


def assert_alike(ours: Any, theirs: Any) -> None:
    """The same, but for the tokens of the prompt and the last bits of numbers."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - {"tokens", "token", "provenance"}:
            assert_alike(ours[name], theirs[name])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_alike(one, other)
    elif isinstance(ours, float):
        assert ours == pytest.approx(theirs, abs=1e-5)
    else:
        assert ours == theirs


def test_a_mask_on_the_command_line_is_that_edit(cli: Cli, folder, app):
    code, typed, error = cli(
        "run", str(folder), FIRST, "-e", "mask embed positions=3,-2", "--position", "3", "--json"
    )
    assert code == 0, error
    sent = asked(app, "predictions", prompt=FIRST, edits=[MASK], position=3)
    assert json.loads(typed) == sent


def test_knocking_out_over_http_is_that_of_python(app, model):
    for renormalise in (False, True):
        edits = [CUT | {"renormalise": renormalise}]
        found = asked(app, "predictions", prompt=FIRST, edits=edits, position=3)
        edit = ue.knock_out("L1.H2", [(4, 2), (-1, 0)], renormalise=renormalise)
        wanted = model.run(FIRST, edits=[edit]).top(1, 3)[0]
        top = found["edited"]["next_token"]["top"][0]
        assert top["token"]["id"] == wanted.token.id
        assert top["probability"] == pytest.approx(wanted.probability, abs=1e-6)


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        ({"target": "L1.H2", "operation": "mask", "positions": [3]}, "target"),
        ({"target": "embed", "operation": "mask", "positions": [99]}, "positions"),
        ({"target": "embed", "operation": "mask"}, "positions"),
        ({"target": "embed@3", "operation": "mask", "positions": [3]}, "positions"),
        (CUT | {"pairs": [[1, 2], [99, 0]]}, "pairs"),
        (CUT | {"pairs": [[1, 2, 3]]}, "pairs[0]"),
        (CUT | {"target": "L1.mlp"}, "target"),
        (CUT | {"positions": [3]}, "positions"),
        (CUT | {"pairs": None, "between": "across"}, "between"),
    ],
    ids=str,
)
def test_what_is_wrong_names_its_field(edit, field, app):
    off = {"target": "L0.H0", "operation": "zero", "enabled": False}
    answer = post(app, "/api/predictions", {"prompt": FIRST, "edits": [off, edit]})
    assert answer.status in (400, 422)
    assert answer.error["field"] == f"edits[1].{field}"


def test_more_pairs_than_the_limit_are_refused(model):
    session = Session(model, Settings(max_edit_pairs=1))
    try:
        app = create_app(session, session.settings, TOKEN, assets={})
        answer = post(app, "/api/predictions", {"prompt": FIRST, "edits": [CUT]})
        assert answer.error["field"] == "edits[0].pairs"
    finally:
        session.close()
