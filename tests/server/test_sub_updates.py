"""Sub-updates and presets over HTTP: what Python returns, and edits resolved where they belong."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
import torch

import unembed as ue
from unembed.analyses.sub_updates.sub_updates import sub_updates, sub_updates_capture
from unembed.engine.editing import edits as engine_edits
from unembed.engine.editing.edits import Edit
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .asgi import post

PROMPT = "The cat sat on the mat"
ON = {"target": "L1.N7", "operation": "on"}
LMD_ON = {"target": "L1.N7", "operation": "lmd_on"}
LMD_OFF = {"target": "L2.N3", "operation": "lmd_off"}


@pytest.fixture(scope="module")
def gated() -> Any:
    return ue.load(tiny_model("llama", dtype=torch.float32), tokenizer=tiny_tokenizer())


@pytest.fixture(scope="module")
def experts() -> Any:
    return ue.load(tiny_model("mixtral", dtype=torch.float32), tokenizer=tiny_tokenizer())


def predictions(app: Any, **fields: Any) -> Any:
    answer = post(app, "/api/predictions", {"prompt": PROMPT} | fields)
    assert answer.status == 200, answer.body
    return answer.json()


def unedited(model: Any, edits: tuple[Edit, ...] = (), layers: tuple[str, ...] = ()) -> Any:
    return model.run(PROMPT, [*sub_updates_capture(model), *layers], edits)


# ---------------------------------------------------------------- sub-updates


@pytest.mark.parametrize("position", [-1, 2])
def test_every_layer_has_the_numbers_of_python(app, model, position):
    side = predictions(app, sub_updates=4, position=position)["baseline"]
    layers = side["updates"]["layers"]
    found = sub_updates(unedited(model), position, 4)
    for layer, expected in zip(layers, found.layers, strict=True):
        for name in ("heads", "neurons"):
            branch, wanted = layer[name], getattr(expected, name)
            assert [one["node"] for one in branch["shown"]] == [one.node for one in wanted.shown]
            assert [one["score"] for one in branch["shown"]] == [one.score for one in wanted.shown]
            assert branch["explained"] == wanted.explained
            assert branch["added_norm"] == wanted.added_norm
            assert layer[f"{name}_reason"] is None
            first, other = branch["shown"][0], wanted.shown[0]
            ids = [one["token"]["id"] for one in first["promotes"]]
            assert ids == [one.token.id for one in other.promotes]


def test_shown_parts_biases_and_rest_share_out_the_whole(app):
    for layer in predictions(app, sub_updates=3)["baseline"]["updates"]["layers"]:
        for name, n in (("heads", 3), ("neurons", 3)):
            branch = layer[name]
            parts = [*branch["shown"], branch["bias"], branch["rest"]]
            assert sum(part["share"] for part in parts) == pytest.approx(1, abs=1e-5)
            assert len(branch["shown"]) == n
            sizes = [abs(one["score"]) for one in branch["shown"]]
            assert sizes == sorted(sizes, reverse=True)


def test_none_are_sent_unless_asked_for(app):
    assert predictions(app)["baseline"]["updates"] is None


def test_both_sides_are_taken_apart_each_in_its_own_run(app, model):
    edits = [{"target": "L0.N5", "operation": "set_to", "value": 9.0}]
    answer = predictions(app, sub_updates=2, edits=edits)
    ours, theirs = (
        answer[side]["updates"]["layers"][0]["neurons"] for side in ("baseline", "edited")
    )
    assert theirs["shown"][0]["node"] == "L0.N5" != ours["shown"][0]["node"]
    assert theirs["shown"][0]["activation"] == 9.0


def test_asking_for_them_changes_no_other_number(app):
    plain = predictions(app, edits=[ON])
    more = predictions(app, edits=[ON], sub_updates=2)
    for side in ("baseline", "edited"):
        assert more[side].pop("updates")
        assert plain[side].pop("updates") is None
    assert more == plain


def test_neurons_of_experts_say_why_there_are_none(make_app, experts):
    layers = predictions(make_app(served=experts), sub_updates=2)["baseline"]["updates"]["layers"]
    for layer in layers:
        assert layer["neurons"] is None
        assert "expert" in layer["neurons_reason"]
        assert layer["heads"] is not None
        assert layer["heads_reason"] is None


def test_more_than_the_limit_is_refused(app):
    answer = post(app, "/api/predictions", {"prompt": PROMPT, "sub_updates": 51})
    assert (answer.status, answer.error["field"]) == (400, "sub_updates")


# ---------------------------------------------------------------- presets


def expected_edits(model: Any) -> tuple[Edit, ...]:
    """The presets made by hand from the unedited run, each beside the request's edit."""
    run = model.run(PROMPT, ["L1.mlp_post", "L2.mlp_post"])
    on = ue.turn_on(run, "L2.N1")
    return (on, *ue.lm_debugger_on(run, "L1.N7"), *ue.lm_debugger_off("L2.N3"))


def asked_edits() -> list[dict[str, Any]]:
    return [{"target": "L2.N1", "operation": "on"}, LMD_ON, LMD_OFF]


@pytest.mark.parametrize("family", ["gpt2", "gated"])
def test_presets_are_resolved_against_the_unedited_run(app, make_app, model, gated, family):
    chosen = model if family == "gpt2" else gated
    served = app if family == "gpt2" else make_app(served=gated)
    answer = predictions(served, edits=asked_edits())
    run = chosen.run(PROMPT, edits=expected_edits(chosen))
    probabilities = torch.softmax(run.logits[-1].double(), dim=-1)
    for one in answer["edited"]["next_token"]["top"]:
        assert one["probability"] == pytest.approx(float(probabilities[one["token"]["id"]]), 1e-5)
    assert answer["kl"] > 0


def test_an_edit_before_a_preset_does_not_change_what_it_means(app, model):
    strong = {"target": "L0.mlp", "operation": "scale", "value": 30}
    answer = predictions(app, edits=[strong, LMD_ON], sub_updates=1)
    run = model.run(PROMPT, ["L1.mlp_post"])
    value = ue.lm_debugger_on(run, "L1.N7")[0].value
    edits = [engine_edits.scale("L0.mlp", 30), engine_edits.set_to("L1.N7.mlp_pre", value)]
    expected = torch.softmax(model.run(PROMPT, edits=edits).logits[-1].double(), dim=-1)
    top = answer["edited"]["next_token"]["top"][0]
    assert top["probability"] == pytest.approx(float(expected[top["token"]["id"]]), 1e-5)


def test_on_at_some_positions_only(app, model):
    answer = predictions(app, edits=[ON | {"positions": [0, -1]}], position=0)
    on = ue.turn_on(model.run(PROMPT, ["L1.mlp_post"]), "L1.N7")
    plain = predictions(app, edits=[ON], position=0)
    assert answer["edited"]["next_token"] == plain["edited"]["next_token"]  # causal
    again = predictions(app, edits=[{"target": "L1.N7", "operation": "set_to", "value": on.value}])
    assert predictions(app, edits=[ON])["edited"] == again["edited"]


@pytest.mark.parametrize("path", ["generate", "lens", "component"])
def test_every_analysis_knows_presets(app, model, path):
    run = model.run(PROMPT, ["L1.mlp_post"])
    value = ue.lm_debugger_on(run, "L1.N7")[0].value
    spelled = {"target": "L1.N7", "operation": "set_to", "value": value, "stage": "pre"}
    extra = {"generate": {"max_new_tokens": 4}, "lens": {}, "component": {"target": "L2.mlp"}}[path]
    answers = [
        post(app, f"/api/{path}", {"prompt": PROMPT, "edits": [edit]} | extra)
        for edit in (LMD_ON, spelled)
    ]
    assert [answer.status for answer in answers] == [200, 200]
    assert _arrays(answers[0].body) == _arrays(answers[1].body)


def _arrays(body: bytes) -> bytes:
    """Past the header of a lens answer; other answers whole."""
    if body[:1] == b"{":
        return body
    (size,) = struct.unpack("<Q", body[:8])
    assert json.loads(body[8 : 8 + size])
    return body[8 + size :]


def test_what_the_engine_says_of_a_preset_names_the_edit_of_the_request(make_app, gated):
    """One edit of the request is two of the engine's where the feed-forward is gated."""
    app = make_app(served=gated)
    edits = [LMD_ON, {"target": "L1.H0", "operation": "zero", "positions": [99]}]
    answer = post(app, "/api/predictions", {"prompt": PROMPT, "edits": edits})
    assert (answer.status, answer.error["field"]) == (400, "edits[1].positions")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (ON | {"target": "L1.H2"}, "target"),
        (LMD_ON | {"target": "L1.mlp"}, "target"),
        (LMD_OFF | {"target": "L1.N52"}, "target"),
        (LMD_OFF | {"target": "L1.N5@2"}, "target"),
        (ON | {"value": 1.0}, "value"),
        (ON | {"stage": "pre"}, "stage"),
        (LMD_ON | {"source": {"prompt": "x"}}, "source"),
        (ON | {"positions": []}, "positions"),
        (LMD_ON | {"positions": [99]}, "positions"),
    ],
)
def test_a_preset_that_makes_no_sense(app, spec, field):
    answer = post(app, "/api/predictions", {"prompt": PROMPT, "edits": [spec]})
    assert (answer.status, answer.error["field"]) == (400, f"edits[0].{field}"), answer.error


def test_a_preset_that_is_off_costs_nothing(app):
    off = ON | {"enabled": False}
    assert predictions(app, edits=[off])["edited"] is None
