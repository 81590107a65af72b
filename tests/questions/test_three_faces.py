"""Every question gives the same numbers in Python, on the command line and over HTTP.

Each has its numbers compared in a file of its own; here is what holds for several.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

import unembed as ue
from unembed.engine.model import Model
from unembed.questions.table import QUESTIONS
from unembed.server.app import create_app
from unembed.session import Session
from unembed.settings import Settings

from ..server.asgi import TOKEN, post
from . import (
    test_attention,
    test_attribution,
    test_circuits,
    test_component_and_generate,
    test_corpus,
    test_explanations,
    test_flow,
    test_graphs,
    test_index,
    test_labels,
    test_lens,
    test_predictions,
)
from .faces import PROMPT, same

FACES = (
    test_predictions.FACES
    | test_labels.FACES
    | test_lens.FACES
    | test_attention.FACES
    | test_attribution.FACES
    | test_circuits.FACES
    | test_graphs.FACES
    | test_flow.FACES
    | test_component_and_generate.FACES
    | test_index.FACES
    | test_corpus.FACES
    | test_explanations.FACES
)
WITHOUT_A_COMMAND = {"thumbnails", "vector", "browse", "clusters", "cluster"}


BY_ITSELF = {
    "circuit_pairs",  # the same: see test_circuits
    "patch_pairs",  # its command reads a file: see test_attribution
    "corpus_build",  # of files that are sent: see tests/server/test_corpus_building.py
    "sae_train",  # the same: see tests/server/test_training.py, tests/training/test_cli.py
}


def test_no_question_is_missing():
    assert set(FACES) | BY_ITSELF == {question.name for question in QUESTIONS}
    assert {name for name, face in FACES.items() if face.command is None} == WITHOUT_A_COMMAND


@pytest.mark.parametrize("edit", ["on L1.N5 sign=-1", "on L1.N5"])
def test_a_neuron_is_switched_on_either_way_round_by_all_three(edit, cli, source, model, app):
    sign = -1 if "sign" in edit else 1
    run = model.run(PROMPT, ue.presets_capture(model, "L1.N5"))
    switch = ue.turn_on(run, "L1.N5", sign)
    face = FACES["predictions"]
    wanted = face.python(model, face.fields, [switch])
    spec = {"target": "L1.N5", "operation": "on", "sign": sign}
    answer = post(app, face.path, face.fields | {"prompt": PROMPT, "edits": [spec]})
    same(face.http(answer.json()), wanted)
    command, *rest = face.command()
    status, out, err = cli(command, source, *rest, "-e", edit)
    assert status == 0, err
    same(face.http(json.loads(out)), wanted)


@pytest.mark.parametrize(
    ("name", "flags", "of"),
    [
        ("predictions", [], lambda side: [side["next_token"]["objective"]]),
        ("flow", ["--layers", "1"], lambda side: [one["attributed"] for one in side["nodes"]]),
    ],
)
def test_an_objective_is_spelled_alike(name, flags, of, cli, source, app):
    text = 'logit_diff("a", ["b", 9])'
    body = {"prompt": PROMPT, "target": text} | ({"layers": [1]} if flags else {})
    sent = post(app, f"/api/{name}", body).json()
    command = {"predictions": "run"}.get(name, name)
    status, out, err = cli(command, source, PROMPT, *flags, "--target", text, "--json")
    assert status == 0, err
    found, wanted = (
        [value for value in of(side) if value is not None]
        for side in (json.loads(out)["baseline"], sent["baseline"])
    )
    assert wanted
    assert found == pytest.approx(wanted, rel=1e-4, abs=1e-6)
    refused = post(app, f"/api/{name}", body | {"target": 'logit_diff("a")'})
    assert (refused.status, refused.error["field"]) == (400, "target")
    assert "log_prob(" in refused.error["legal"]


def test_a_limit_is_one_limit(cli, source, make_limited, monkeypatch):
    """Counted before anything is drawn, the same number in the same words."""
    app = make_limited(max_flow_vectors=100)
    refused = post(app, "/api/flow", {"prompt": PROMPT, "layers": [1]})
    monkeypatch.setenv("UNEMBED_MAX_FLOW_VECTORS", "100")
    status, _, err = cli("flow", source, PROMPT, "--layers", "1")
    assert (refused.status, status) == (413, 2)
    words = refused.error["message"].rstrip(".").lower()
    assert "would read up to" in words
    assert words in " ".join(err.split()).lower()


@pytest.fixture
def make_limited(model: Model, cache: Any) -> Any:
    sessions = []

    def make(**limits: int) -> Any:
        settings = Settings(cache_dir=str(cache), **limits)
        sessions.append(Session(model, settings))
        return create_app(sessions[-1], settings, TOKEN, assets={})

    yield make
    for session in sessions:
        session.close()


# ---------------------------------------------------------------- the demo model


@pytest.mark.demo
def test_the_demo_models_graph_attributes_the_same_everywhere(cli, demo_model, monkeypatch):
    """Zeroing a head that the graph draws: once HTTP knew what it was worth, and no other face."""
    prompt = "The capital of Japan is the city of"
    model = demo_model
    # loaded once for all: what the command line knows of its own process is not so here
    monkeypatch.setattr("unembed.engine.load.load", lambda *_, **__: model)
    monkeypatch.setattr(model.identity.watched, "trust", lambda: None)
    run = model.run(prompt, ue.flow_capture(model, [14], -1))
    graph = ue.flow_graph(run, [14])
    wanted = -graph.node("L14.H3").attributed
    assert abs(wanted) == pytest.approx(0.02515, abs=2e-4)
    settings = Settings()
    session = Session(model, settings)
    try:
        app = create_app(session, settings, TOKEN, assets={})
        edit = {"target": "L14.H3", "operation": "zero", "positions": [-1]}
        answer = post(app, "/api/flow", {"prompt": prompt, "layers": [14], "edits": [edit]})
    finally:
        session.close()
    (sent,) = answer.json()["effects"]["cuts"]
    flags = ["--layers", "14", "-e", "zero L14.H3 positions=-1", "--json"]
    status, out, err = cli("flow", "gemma3-270m", prompt, *flags)
    assert status == 0, err
    (printed,) = json.loads(out)["effects"]["cuts"]
    for found in (sent, printed):
        assert found["attributed"] == pytest.approx(wanted, rel=1e-4)
    assert sent["logit_change"] == pytest.approx(printed["logit_change"], abs=1e-5)
