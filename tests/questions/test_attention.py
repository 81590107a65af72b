"""Attention and the scores of heads, put in Python, on the command line and over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load

import unembed as ue
from unembed.engine.model import Model
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.server.app import create_app
from unembed.session import Session
from unembed.settings import Settings

from ..server.asgi import TOKEN, post
from .faces import PROMPT, Face, Numbers, read_json

ARRAYS = ("values", "combined", "edge_queries", "edge_keys", "edge_values")


def _arrays(body: bytes) -> Numbers:
    arrays = load(body)
    sides = [side for side in ("baseline", "edited") if f"{side}.values" in arrays]
    return {
        f"{side} {name}": arrays[f"{side}.{name}"].tolist() for side in sides for name in ARRAYS
    }


def _printed(answer: Any) -> Numbers:
    sides = [side for side in ("baseline", "edited") if answer[side]]
    return {f"{side} {name}": answer[side][name] for side in sides for name in ARRAYS}


def _python_attention(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    found: Numbers = {}
    for side, some in {"baseline": [], "edited": edits}.items():
        if side == "edited" and not edits:
            continue
        run = model.run(PROMPT, ue.attention_capture(model, **fields), some, logits="none")
        result = ue.attention(run, **fields)
        found |= {f"{side} {name}": getattr(result, name).tolist() for name in ARRAYS}
    return found


def _scores(answer: Any) -> Numbers:
    return {"heads": answer["heads"], "scores": [answer["scores"][0], answer["scores"][3]]}


def _python_heads(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    run = model.run(PROMPT, ["pattern"], edits, logits="none")
    found = ue.head_scores(run, kind=fields["kind"])
    scores = [list(found.score(kind).values()) for kind in ("previous", "same")]
    return {"heads": list(found.heads), "scores": scores}


def _small(body: bytes) -> Numbers:
    arrays = load(body)
    return {name: array.tolist() for name, array in arrays.items()}


def _python_thumbnails(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    found: Numbers = {}
    for side, some in {"baseline": [], "edited": edits}.items():
        if side == "edited" and not edits:
            continue
        result = ue.head_thumbnails(model, PROMPT, edits=some, **fields)
        found |= {f"{side}.{name}": getattr(result, name).tolist() for name in ("cells", "scale")}
    return found


ATTENTION = {"layers": [1, 2], "measure": "moved", "heads": [0, 2], "weights": [1, 2, 1, 0.5]}
ATTENTION |= {"mass": 0.6, "special": "renormalised"}
TYPED = ["--measure", "moved", "--heads", "0,2", "--weights", "1,2,1,0.5", "--mass", "0.6"]
FACES = {
    "attention": Face(
        "/api/attention",
        ATTENTION,
        _python_attention,
        _arrays,
        lambda: [
            "attention",
            PROMPT,
            "--layers",
            "1-2",
            *TYPED,
            "--special",
            "renormalised",
            "--json",
        ],
        _printed,
    ),
    "heads": Face(
        "/api/heads",
        {"kind": "same"},
        _python_heads,
        _scores,
        lambda: ["heads", PROMPT, "--kind", "same", "--json"],
    ),
    "thumbnails": Face("/api/thumbnails", {"size": 2}, _python_thumbnails, _small),
}


@pytest.mark.parametrize("edited", [False, True], ids=["baseline", "edited"])
@pytest.mark.parametrize("name", FACES)
def test_the_three_faces_give_the_same_numbers(name, edited, put):
    put(name, FACES[name], edited=edited)


def test_more_numbers_than_the_limit_are_refused_before_anything_runs(model, cache):
    settings = Settings(cache_dir=str(cache), max_attention_numbers=1000)
    session = Session(model, settings)
    try:
        app = create_app(session, settings, TOKEN, assets={})
        refused = post(app, "/api/attention", {"prompt": [7] * 20, "layers": [0]})
        assert refused.status == 413
        assert "4 heads, 20 queries and 20 keys is 1,600 numbers" in refused.error["message"]
        few = {"prompt": [7] * 20, "layers": [0], "heads": [1], "queries": [-1]}
        assert post(app, "/api/attention", few).status == 200
    finally:
        session.close()


def test_without_a_prompt_heads_are_scored_on_texts_that_repeat(app, model):
    answer = post(app, "/api/heads", {})
    assert answer.status == 200
    assert answer.json()["n_prompts"] == 4
    refused = post(app, "/api/heads", {"edits": [{"target": "L0.H1", "operation": "zero"}]})
    assert refused.status == 400
    assert "need a prompt" in refused.error["message"]


def test_a_typed_score_is_one_more_by_which_heads_are_sorted(app, cli, source):
    asked = {"prompt": PROMPT, "score": "previous - 0.5*same"}
    found = post(app, "/api/heads", asked).json()
    assert found["kind"] == found["kinds"][-1] == "previous - 0.5*same"
    scores = dict(zip(found["kinds"], found["scores"], strict=True))
    each = zip(scores["previous"], scores["same"], strict=True)
    assert scores[found["kind"]] == pytest.approx([one - 0.5 * other for one, other in each])
    status, out, err = cli("heads", source, PROMPT, "--score", asked["score"], "--json")
    assert status == 0, err
    assert json.loads(out)["scores"][-1] == pytest.approx(scores[found["kind"]], abs=1e-6)
    refused = post(app, "/api/heads", asked | {"score": "previous * same"})
    assert refused.status == 400
    assert refused.error["field"] == "score"


def test_thumbnails_asked_for_again_are_the_same_and_an_edit_changes_them(app):
    edit = {"target": "L0.H1", "operation": "zero"}
    first, again, edited = (
        post(app, "/api/thumbnails", {"prompt": PROMPT} | more).body
        for more in ({}, {}, {"edits": [edit]})
    )
    assert first == again
    arrays = load(edited)
    assert torch.equal(arrays["baseline.cells"], load(first)["baseline.cells"])
    assert not torch.equal(arrays["edited.cells"], arrays["baseline.cells"])
    assert arrays["edited.cells"].dtype == torch.uint8


EDITS = {
    "before": {"target": "L0.mlp", "operation": "scale", "value": 2},
    "at the start": {"target": "L2.resid_pre", "operation": "add", "value": 0.5},
    "just before it": {"target": "L1.resid_post", "operation": "add", "value": 0.5},
    "in the layer": {"target": "L2.H1", "operation": "zero"},
}


@pytest.mark.parametrize("edit", [None, *EDITS], ids=str)
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "albert", "falcon"])
def test_one_head_after_the_other_is_a_whole_pass_to_the_last_bit(name, edit):
    model = ue.load(tiny_model(name), tiny_tokenizer())
    session = Session(model, Settings())
    try:
        app = create_app(session, session.settings, TOKEN, assets={})
        specs = [] if edit is None else [EDITS[edit]]
        made = {
            None: [],
            "before": [ue.scale("L0.mlp", 2)],
            "at the start": [ue.add("L2.resid_pre", 0.5)],
            "just before it": [ue.add("L1.resid_post", 0.5)],
            "in the layer": [ue.zero("L2.H1")],
        }[edit]
        for layers, heads in (([2], [0]), ([2], [3]), ([1, 2], [1]), ([0], [2])):
            asked = {"layers": layers, "heads": heads, "measure": "moved"}
            body = asked | {"prompt": [5, 9, 7, 30], "edits": specs}
            arrays = load(post(app, "/api/attention", body).body)
            for side, edits in (("baseline", []), ("edited", made)):
                if side == "edited" and not specs:
                    continue
                wanted = ue.attention(model, **asked, prompt=[5, 9, 7, 30], edits=edits)
                assert torch.equal(arrays[f"{side}.values"], wanted.values)
    finally:
        session.close()


def test_layers_before_the_one_looked_at_are_computed_once(model):
    session, calls = Session(model, Settings()), []
    handle = model.module.get_submodule(model.block(0).mlp.output_map).register_forward_hook(
        lambda *_: calls.append(1)
    )
    try:
        app = create_app(session, session.settings, TOKEN, assets={})
        for head in range(4):
            post(app, "/api/attention", {"prompt": PROMPT, "layers": [2], "heads": [head]})
        assert len(calls) == 1
    finally:
        handle.remove()
        session.close()


OTHERS = {"as long": "The dog sat", "longer": "The cat sat on the mat", "shorter": "The cat"}


@pytest.mark.parametrize("edited", [False, True], ids=["plain", "edited"])
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_two_prompts_are_the_same_on_every_face(app, cli, source, model, other, edited):
    fields = {name: one for name, one in ATTENTION.items() if name != "layers"}
    edits = [ue.zero("L0.H1")] if edited else []
    capture = ue.attention_capture(model, [1, 2], **fields)
    runs = [model.run(one, capture, edits) for one in (PROMPT, other)]
    wanted = ue.compare_attention(*runs, [1, 2], **fields)
    asked = {"prompt": PROMPT, "against": other} | ATTENTION
    asked |= {"edits": [{"target": "L0.H1", "operation": "zero"}]} if edited else {}
    answer = post(app, "/api/attention", asked)
    assert answer.status == 200, answer.error
    found = _arrays(answer.body)
    words = ["--layers", "1-2", *TYPED, "--special", "renormalised", "--against", other, "--json"]
    words += ["--edit", "zero L0.H1"] if edited else []
    status, out, err = cli("attention", source, PROMPT, *words)
    assert status == 0, err
    printed = _printed(json.loads(out))
    for side, one in {"baseline": wanted.baseline, "edited": wanted.edited}.items():
        for name in ARRAYS:
            exact = getattr(one, name)
            assert found[f"{side} {name}"] == exact.tolist()
            assert torch.allclose(torch.tensor(printed[f"{side} {name}"]).float(), exact.float())
    said = read_json(answer, "attention")
    for side, run in zip(("baseline", "edited"), runs, strict=True):
        assert [one["id"] for one in said[side]["tokens"]] == list(run.ids)
        assert said[side]["queries"] == list(range(len(run.ids)))
    assert wanted.names == ("this prompt", "other prompt")


def test_two_prompts_are_named_where_people_read_them(app, cli, source):
    status, out, err = cli("attention", source, PROMPT, "--layers", "1", "--against", "A dog")
    assert status == 0, err
    assert "(this prompt)" in out
    assert "(other prompt)" in out
    assert "baseline" not in out


def test_another_prompt_is_refused_with_its_own_name(app, model, cache):
    whole = {"prompt": PROMPT, "layers": [0]}
    empty = post(app, "/api/attention", whole | {"against": ""})
    assert (empty.status, empty.error["field"]) == (400, "against")
    unknown = post(app, "/api/attention", whole | {"against": [1, 10**6]})
    assert (unknown.status, unknown.error["field"]) == (400, "against[1]")
    encoder = post(app, "/api/attention", whole | {"against": "a", "part": "encoder"})
    assert (encoder.status, encoder.error["field"]) == (400, "against")
    settings = Settings(cache_dir=str(cache), max_attention_numbers=4 * 2 * 20 * 20)
    session = Session(model, settings)
    try:
        small = create_app(session, settings, TOKEN, assets={})
        asked = {"prompt": [7] * 20, "layers": [0]}
        assert post(small, "/api/attention", asked | {"against": [8] * 20}).status == 200
        assert post(small, "/api/attention", asked | {"against": [8] * 21}).status == 413
        long = asked | {"against": "a" * (settings.max_prompt_chars + 1)}
        assert post(small, "/api/attention", long).error["field"] == "against"
    finally:
        session.close()
