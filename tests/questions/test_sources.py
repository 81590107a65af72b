"""An encoder-decoder is asked the same in Python, over HTTP and on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

import unembed as ue
from unembed.engine.names.vocabulary import Sourced
from unembed.models.tiny import tiny_tokenizer
from unembed.server.app import create_app
from unembed.session import Session
from unembed.settings import Settings

from ..contract.encoder_decoders import build
from ..server.asgi import TOKEN, bearer, call, post
from .faces import read_json, same

SOURCE, PROMPT = "the cat sat on the mat", "he"
BODY = {"prompt": PROMPT, "source": SOURCE}
EMPTY = {"prompt": "he", "source": ""}
PATCH = {"target": "L1.mlp", "operation": "patch", "source": EMPTY}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where: Path = tmp_path_factory.mktemp("tiny-bart")
    build("bart").float().save_pretrained(where)
    tiny_tokenizer().save_pretrained(where)
    return where


@pytest.fixture(scope="module")
def model(folder: Path) -> ue.Model:
    return ue.load(folder)


@pytest.fixture
def app(model: ue.Model) -> Iterator[Any]:
    session = Session(model, Settings())
    yield create_app(session, session.settings, TOKEN, assets={})
    session.close()


def asked(model: ue.Model, name: str) -> Any:
    """What Python answers, put together without the question layer."""
    both = Sourced(SOURCE, PROMPT)
    if name == "predictions":
        return ue.predictions(model, both, sub_updates=3)
    if name == "lens":
        return ue.logit_lens(model, both, subblocks=True)
    if name == "flow":
        return ue.flow_graph(model.run(both, ue.flow_capture(model, [1])), [1], rest=True)
    if name == "component":
        run = model.run(both, ue.component_capture(model, "L1.X2"))
        return ue.component(run, "L1.X2")
    return model.generate(both, 3)


FIELDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "predictions": ({"sub_updates": 3}, ["--sub-updates", "3"]),
    "lens": ({"subblocks": True}, ["--subblocks"]),
    "component": ({"target": "L1.X2"}, ["--target", "L1.X2"]),
    "flow": ({"layers": [1], "rest": True}, ["--layers", "1", "--rest"]),
    "generate": ({"max_new_tokens": 3}, ["--max-new-tokens", "3"]),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_source_is_the_same_on_all_three_faces(name, model, app, folder, cli):
    fields, flags = FIELDS[name]
    found = asked(model, name)
    wanted = json.loads(found.to_json())
    answer = post(app, f"/api/{name}", BODY | fields)
    assert answer.status == 200, answer.body
    sent = read_json(answer, name)
    command = "run" if name == "predictions" else name
    status, out, err = cli(command, str(folder), PROMPT, "--source", SOURCE, "--json", *flags)
    assert status == 0, err
    printed = json.loads(out)
    if name in ("lens", "flow", "generate"):
        sent, printed = sent["baseline"], printed["baseline"]
    shared = set(sent) & set(wanted) - {"provenance"}
    assert "source_tokens" in shared
    same({key: sent[key] for key in shared}, {key: wanted[key] for key in shared}, "HTTP")
    same({key: printed[key] for key in shared}, {key: wanted[key] for key in shared}, "CLI")
    assert "".join(token["text"] for token in sent["source_tokens"]) == SOURCE


def test_the_prompt_may_be_empty_or_left_out(model, app, folder, cli):
    start = model.run(source=SOURCE)
    answer = post(app, "/api/predictions", {"prompt": "", "source": SOURCE})
    best = answer.json()["baseline"]["next_token"]["top"][0]
    assert best["token"]["id"] == start.top(1)[0].token.id
    status, out, err = cli("run", str(folder), "--source", SOURCE, "--json")
    assert status == 0, err
    assert json.loads(out)["baseline"]["next_token"]["top"][0]["token"] == best["token"]
    assert [token["id"] for token in answer.json()["tokens"]] == [2]


def test_another_source_is_another_run(app):
    """Also from the cache of runs, and of what was computed from them."""
    other = BODY | {"source": "the dog"}
    first, second = (
        post(app, "/api/predictions", body | {"sub_updates": 2}) for body in (BODY, other)
    )
    assert first.json()["baseline"] != second.json()["baseline"]
    assert post(app, "/api/predictions", BODY | {"sub_updates": 2}).json() == first.json()
    assert first.json()["baseline"]["updates"] != second.json()["baseline"]["updates"]


def test_edits_count_tokens_of_what_they_are_in(model, app):
    """The source has more tokens than the prompt: its last positions are none of the prompt."""
    n_source = len(model.run(source=SOURCE).source)
    last = n_source - 1
    for target in ("E1.mlp", "L1.cross_k", "E0.H1"):
        edit = {"target": target, "operation": "zero", "positions": [last]}
        answer = post(app, "/api/predictions", BODY | {"edits": [edit]})
        assert answer.status == 200, answer.body
        run = model.run(PROMPT, edits=[ue.zero(target, positions=[last])], source=SOURCE)
        best = answer.json()["edited"]["next_token"]["top"][0]
        assert best["logit"] == pytest.approx(run.top(1)[0].logit, abs=1e-5)
    far = {"target": "L1.cross_q", "operation": "zero", "positions": [last]}
    refused = post(app, "/api/predictions", BODY | {"edits": [far]})
    assert (refused.status, refused.error["field"]) == (400, "edits[0].positions")


def test_a_patch_is_from_the_same_source_or_another(model, app):
    others = {"": {"prompt": "she"}, "the dog": {"prompt": PROMPT, "source": "the dog"}}
    for source, named in others.items():
        edit = {"target": "L1.resid_post", "operation": "patch", "source": named}
        answer = post(app, "/api/predictions", BODY | {"edits": [edit | {"positions": [-1]}]})
        assert answer.status == 200, answer.body
        other = model.run(named["prompt"], ["L1.resid_post"], source=source or SOURCE)
        patch = ue.patch("L1.resid_post", other, positions=[-1])
        run = model.run(PROMPT, edits=[patch], source=SOURCE)
        best = answer.json()["edited"]["next_token"]["top"][0]
        assert best["logit"] == pytest.approx(run.top(1)[0].logit, abs=1e-5)


def test_a_patch_typed_names_another_source(model, folder, cli):
    typed = 'patch L1.resid_post positions=1 source="the dog" from=0 she'
    status, out, err = cli(
        "run", str(folder), PROMPT, "--source", SOURCE, "--json", "--edit", typed
    )
    assert status == 0, err
    other = model.run("she", ["L1.resid_post"], source="the dog")
    patch = ue.patch("L1.resid_post", other, positions=[1], source_positions=[0])
    run = model.run(PROMPT, edits=[patch], source=SOURCE)
    top = json.loads(out)["edited"]["next_token"]["top"][0]
    assert top["token"]["id"] == run.top(1)[0].token.id
    assert top["probability"] == pytest.approx(run.top(1)[0].probability, abs=1e-6)
    for wrong, said in (
        ('patch L1.resid_post source="the dog', "double quotes do not end"),
        ("zero L1.mlp source=x", "source= has no meaning for zero"),
    ):
        status, _, err = cli("run", str(folder), PROMPT, "--source", SOURCE, "--edit", wrong)
        assert status == 2
        assert said in " ".join(err.split())


def test_tokens_of_both_are_told(model, app):
    told = post(app, "/api/tokenize", BODY).json()
    run = model.run(PROMPT, source=SOURCE)
    assert tuple(token["id"] for token in told["tokens"]) == run.ids
    assert tuple(token["id"] for token in told["source_tokens"]) == run.source
    facts = call(app, "GET", "/api/model", headers=[bearer()]).json()
    assert (facts["has_encoder"], facts["n_encoder_layers"], facts["n_layers"]) == (True, 2, 3)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"prompt": "he"}, "source", "say what its encoder reads"),
        ({"prompt": "he", "source": ""}, "source", "source is empty"),
        ({"prompt": "he", "source": [5, 99999]}, "source[1]", "99999"),
        ({"prompt": "he", "source": 5}, "source", "text, messages, or a list"),
        ({"prompt": [5, 99999], "source": "a"}, "prompt[1]", "99999"),
        ({"prompt": "he", "source": "a" * 200_001}, "source", "200,000"),
        (
            BODY | {"edits": [PATCH]},
            "edits[0].source.source",
            "source is empty",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_source_is_said_of_it(app, body, field, words):
    refused = post(app, "/api/predictions", body)
    assert refused.status == 400, refused.body
    assert refused.error["field"] == field
    assert words in refused.error["message"]


def test_a_model_without_an_encoder_refuses_a_source(cli, source, folder):
    status, _, err = cli("run", source, "he", "--source", "the cat")
    assert status == 2
    assert "has no encoder" in err
    status, _, err = cli("run", str(folder), "he")
    assert status == 2
    assert "--source" in " ".join(err.split())
    status, _, err = cli("run", source)
    assert status == 2
    assert "the prompt is missing" in err


def test_a_source_is_read_from_standard_input(cli, folder):
    flags = ("--json", "--source")
    _, piped, _ = cli("run", str(folder), PROMPT, *flags, "-", stdin=SOURCE.encode() + b"\n")
    _, given, _ = cli("run", str(folder), PROMPT, *flags, SOURCE)
    assert piped == given


def test_a_head_of_cross_attention_says_where_it_looks_in_the_source(model):
    """Not where the head of the same number of the layer's own attention looks."""
    both = Sourced(SOURCE, "the cat")
    run = model.run(both, [*ue.component_capture(model, "L1.X2"), "L1.cross_pattern", "L1.pattern"])
    found = ue.component(run, "L1.X2")
    assert len(found.attends_to) == len(found.source_tokens) == len(run.source)
    assert torch.equal(torch.tensor(found.attends_to), run["L1.cross_pattern"][2, -1])
    own = ue.component(model.run(both, ue.component_capture(model, "L1.H2")), "L1.H2")
    assert torch.equal(torch.tensor(own.attends_to), run["L1.pattern"][2, -1])


def test_edits_of_both_stacks_are_measured_beside_a_flow_graph(model, app):
    """What is no node of the graph has no attribution, and its positions may be beyond it."""
    last = len(model.run(source=SOURCE).source) - 1
    targets = ("L1.X2", f"L1.X2@0<{last}", "E1.H1", "L1.cross_v", "L1.cross")
    edits: list[dict[str, Any]] = [{"target": one, "operation": "zero"} for one in targets]
    edits[0]["positions"] = edits[4]["positions"] = [0]
    edits[2]["positions"] = edits[3]["positions"] = [last]
    body = BODY | {"layers": [1], "position": 0, "edits": edits}
    answer = post(app, "/api/flow", body)
    assert answer.status == 200, answer.body
    shown = {node["id"]: node for node in answer.json()["baseline"]["nodes"]}
    cuts = answer.json()["effects"]["cuts"]
    found = [one["attributed"] for one in cuts]
    assert found[0] == pytest.approx(-shown["L1.X2"]["attributed"], rel=1e-4)
    assert found[4] == pytest.approx(-shown["L1.cross_out"]["attributed"], rel=1e-4)
    assert found[1] is not None
    assert found[2] is found[3] is None
    run = model.run(PROMPT, source=SOURCE)
    for order, target in enumerate(targets):
        positions = edits[order].get("positions")
        edited = model.run(PROMPT, edits=[ue.zero(target, positions=positions)], source=SOURCE)
        token = answer.json()["baseline"]["target"]["tokens"][0]["id"]
        change = float(edited.logits[0, token] - run.logits[0, token])
        assert cuts[order]["logit_change"] == pytest.approx(change, abs=1e-5)


@pytest.mark.parametrize("part", ["self", "cross", "encoder"])
def test_attention_of_each_part_is_the_same_on_all_three_faces(part, model, app, folder, cli):
    both = Sourced(SOURCE, PROMPT)
    wanted = ue.attention(model, [1], prompt=both, part=part, mass=0.9)
    answer = post(app, "/api/attention", BODY | {"layers": [1], "part": part, "mass": 0.9})
    assert answer.status == 200, answer.body
    arrays = load(answer.body)
    assert torch.equal(arrays["baseline.values"], wanted.values)
    assert torch.equal(arrays["baseline.edge_values"], wanted.edge_values)
    side = read_json(answer, "attention")["baseline"]
    keys = side["key_tokens"] or side["tokens"]
    assert [one["id"] for one in keys] == [one.id for one in wanted.seen]
    flags = ["--source", SOURCE, "--layers", "1", "--part", part, "--mass", "0.9", "--json"]
    status, out, err = cli("attention", str(folder), PROMPT, *flags)
    assert status == 0, err
    same(json.loads(out)["baseline"]["values"], wanted.values.tolist())
    small = load(post(app, "/api/thumbnails", BODY | {"part": part, "layers": [1]}).body)
    assert torch.equal(
        small["baseline.cells"],
        ue.head_thumbnails(model, both, part=part, layers=[1]).cells,
    )
    scores = post(app, "/api/heads", BODY | {"part": part, "kind": "entropy"}).json()
    found = ue.find_heads(model, both, "entropy", part=part)
    assert scores["heads"] == list(found.heads)
    same(scores["scores"][7], list(found.score("entropy").values()))


def test_a_part_that_a_model_has_not_is_refused_by_its_field(app):
    asked = BODY | {"layers": [0], "part": "encoder", "measure": "target", "target": 5}
    refused = post(app, "/api/attention", asked)
    assert refused.status == 422, refused.body
    assert "no direct effects" in refused.error["message"]
    assert refused.error["field"] == "measure"


def test_doctor_and_facts_say_what_there_is(cli, folder, model):
    status, out, err = cli("doctor", str(folder), "--json")
    assert status == 0, err
    report = json.loads(out)
    assert report["anatomy"]["encoder"].startswith("2 layers of 5 heads, which read --source")
    found = {one["name"]: one for one in report["capabilities"]}
    assert found["cross_pattern"]["available"]
    assert not found["encoder_effects"]["available"]
    assert "through the attention of the decoder" in found["encoder_effects"]["reason"]


def test_the_index_is_of_the_decoder_and_takes_states_of_both(model, tmp_path):
    session = Session(model, Settings(cache_dir=str(tmp_path)))
    try:
        app = create_app(session, session.settings, TOKEN, assets={})
        built = post(app, "/api/index/build", {"projection": "raw"})
        assert built.status == 200, built.body
        last = len(model.run(source=SOURCE).source) - 1
        for site, position in (
            ("L1.resid_mid_cross", -1),
            ("E1.resid_post", last),
            ("L0.cross_out", 0),
        ):
            state = BODY | {"site": site, "position": position}
            answer = post(app, "/api/index/similar", {"state": state})
            assert answer.status == 200, answer.body
        far = BODY | {"site": "L1.resid_post", "position": last}
        refused = post(app, "/api/index/similar", {"state": far})
        assert (refused.status, refused.error["field"]) == (400, "state.position")
        page = post(app, "/api/index/vector", {"target": "L1.N3"})
        assert page.status == 200, page.body
    finally:
        session.close()
