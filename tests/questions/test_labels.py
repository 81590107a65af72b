"""The labels of a model for classification, put in Python, on the command line and over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import unembed as ue
from unembed.engine.model import Model
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.server.describe import model_info
from unembed.session import Session
from unembed.settings import Settings

from ..engine.test_labels import labelled
from ..server.asgi import bearer, call, post
from .faces import PROMPT, Face, Numbers
from .test_attribution import attributed, python_attribution


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tiny classifier, in the place of the language model of other questions."""
    folder: Path = tmp_path_factory.mktemp("classifier")
    labelled("bert", "text").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def model(source: str) -> Model:
    return ue.load(source)


def _labels(answer: Any) -> Numbers:
    (row,) = answer["rows"]
    return {
        side: row[side] and [(one["label"], one["score"], one["probability"]) for one in row[side]]
        for side in ("baseline", "edited")
    }


def _python(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    runs = [model.run(PROMPT), *([model.run(PROMPT, edits=edits)] if edits else [])]
    scores = [run.label_scores for run in runs]
    listed = {int(index) for one in scores for index in one.topk(fields["top_k"]).indices}
    order = sorted(listed, key=lambda index: -float(scores[0][index]))
    sides = [
        [
            (model.labels.names[index], float(one[index]), float(torch.softmax(one, -1)[index]))
            for index in order
        ]
        for one in scores
    ]
    return {"baseline": sides[0], "edited": sides[1] if edits else None}


FACES = {
    "labels": Face(
        "/api/labels",
        {"top_k": 2},
        _python,
        _labels,
        lambda: ["labels", PROMPT, "-k", "2", "--json"],
    ),
}


@pytest.mark.parametrize("edited", [False, True], ids=["baseline", "edited"])
def test_the_three_faces_give_the_same_numbers(edited, put):
    put("labels", FACES["labels"], edited=edited)


@pytest.mark.parametrize("edited", [False, True], ids=["baseline", "edited"])
def test_the_three_faces_attribute_a_label_with_the_same_numbers(edited, put):
    target = 'label("fair")'
    command = ["attribute", PROMPT, "--target", target, "--verify", "3", "--top-k", "6", "--json"]
    fields = {"target": target, "verify": 3, "top_k": 6}
    face = Face("/api/attribute", fields, python_attribution, attributed, lambda: command)
    put("attribute", face, edited=edited)


def test_a_label_that_the_model_does_not_have_says_which_it_has(app):
    asked = {"prompt": PROMPT, "target": 'label("great")'}
    answer = post(app, "/api/attribute", asked)
    assert answer.status == 400
    error = answer.json()["error"]
    assert error["field"] == "target"
    assert "'good'" in error["legal"]
    patched = post(
        app, "/api/patch", asked | {"target": 'label("good")', "corrupted": "The sat sat"}
    )
    assert patched.status == 200
    assert patched.json()["objective"] == "score of the label 'good'"


def test_what_predicts_no_tokens_and_what_gives_no_labels_says_so_over_http(app):
    for path, more in (
        ("/api/predictions", {}),
        ("/api/lens", {}),
        ("/api/generate", {}),
    ):
        answer = post(app, path, {"prompt": PROMPT} | more)
        assert answer.status == 422, path
        assert "3 labels (bad, fair, good)" in answer.json()["error"]["message"], path


def test_what_labels_are_given_to_is_said_of_a_model(app, model):
    told = call(app, "GET", "/api/model", headers=[bearer()])
    assert told.json()["labels_of"] == model.labels.of == "text"
    for other, given in ((labelled("gpt2", "token"), "token"), (tiny_model("gpt2"), None)):
        session = Session(ue.load(other, tiny_tokenizer()), Settings())
        assert model_info(session).labels_of == given
        session.close()


def test_a_grid_of_the_label_of_a_text_is_at_no_position(app):
    body = {"prompt": PROMPT, "corrupted": PROMPT, "position": 1, "layers": [0]}
    answer = post(app, "/api/patch", body).json()
    assert answer["position"] is None
    assert answer["objective"].startswith("score of the label")


def test_a_circuit_of_labels_is_refused(app):
    answer = post(app, "/api/circuit", {"prompt": PROMPT, "corrupted": PROMPT})
    error = answer.error
    assert (answer.status, error["code"], error["field"]) == (422, "not_capable", "model")
    assert "Circuits of labels are not found" in error["message"]
    assert "ue.patch_grid" in error["fix"]
