"""Every question gives the same numbers in Python, on the command line and over HTTP.

Python puts the analyses together by itself here, with none of the question layer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from safetensors.torch import load

import unembed as ue
from unembed.analyses.component.component import component, component_capture
from unembed.analyses.flow.cuts import attributed
from unembed.analyses.predictions.predictions import (
    compare_predictions,
    layer_predictions,
    predictions_capture,
)
from unembed.engine.model import Model
from unembed.index.build import build_index
from unembed.index.live import live_page
from unembed.index.opening import open_index
from unembed.questions.table import QUESTIONS
from unembed.server.app import create_app
from unembed.server.wire import body_of
from unembed.session import Session
from unembed.settings import Settings

from ..server.asgi import TOKEN, post

PROMPT = "The cat sat"
Numbers = dict[str, Any]


@dataclass(frozen=True)
class Face:
    """How one question is put three times, and how its numbers are read."""

    path: str
    fields: dict[str, Any]  # of the request
    python: Callable[[Model, dict[str, Any], list[Any]], Numbers]
    http: Callable[[Any], Numbers]
    command: Callable[[], list[str]] | None = None  # without SOURCE and edits
    cli: Callable[[Any], Numbers] | None = None  # where it prints another shape than HTTP
    edits: bool = True


# ---------------------------------------------------------------- predictions


def _top(side: Any) -> list[tuple[int, float]]:
    return [(one["token"]["id"], one["probability"]) for one in side["next_token"]["top"]]


def _predictions(answer: Any) -> Numbers:
    sides = {name: answer[name] for name in ("baseline", "edited") if answer.get(name)}
    found: Numbers = {name: _top(side) for name, side in sides.items()}
    for name, side in sides.items():
        found[f"{name} ranks"] = [one["resid_post"]["target"]["rank"] for one in side["layers"]]
    return found | {"kl": answer.get("kl")}


def _python_predictions(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    capture = predictions_capture(model)
    options = {"top_k": fields["top_k"], "target": fields["target"]}
    baseline, kl = model.run(PROMPT, capture), None
    sides = {"baseline": layer_predictions(baseline, fields["position"], **options).baseline}
    if edits:
        edited = model.run(PROMPT, capture, edits)
        both = compare_predictions(baseline, edited, fields["position"], **options)
        sides, kl = {"baseline": both.baseline, "edited": both.edited}, both.kl
    found: Numbers = {"kl": kl}
    for name, side in sides.items():
        found[name] = [(one.token.id, one.probability) for one in side.next_token.top]
        found[f"{name} ranks"] = [one.resid_post.target.rank for one in side.layers]
    return found


# ---------------------------------------------------------------- lens


def _lens_arrays(body: bytes) -> Numbers:
    arrays = load(body)
    sides = [side for side in ("baseline", "edited") if f"{side}.rank" in arrays]
    found: Numbers = {f"{side} rank": arrays[f"{side}.rank"].tolist() for side in sides}
    found |= {f"{side} kl": arrays[f"{side}.kl"].tolist() for side in sides}
    between = arrays.get("kl_between")
    return found | {"between": None if between is None else between.tolist()}


def _lens_printed(answer: Any) -> Numbers:
    sides = [side for side in ("baseline", "edited") if answer[side]]
    found: Numbers = {f"{side} rank": answer[side]["rank"] for side in sides}
    found |= {f"{side} kl": answer[side]["kl"] for side in sides}
    return found | {"between": answer.get("kl_between")}


def _python_lens(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    from unembed.analyses.lens.grid import compare_lenses
    from unembed.analyses.lens.options import LensOptions
    from unembed.analyses.lens.plan import plan_lens

    found: Numbers = {"between": None}
    sides = {"baseline": ue.logit_lens(model, PROMPT, **fields)}
    if edits:
        ids = model.tokenize(PROMPT)
        plan = plan_lens(model, len(ids), LensOptions(**fields))
        runs = [model.run(ids, plan.capture, some, logits="none") for some in ([], edits)]
        both = compare_lenses(*runs, plan)
        sides = {"baseline": both.baseline, "edited": both.edited}
        found["between"] = both.kl_between.tolist()
    for side, result in sides.items():
        found |= {f"{side} rank": result.rank.tolist(), f"{side} kl": result.kl.tolist()}
    return found


# ---------------------------------------------------------------- flow


def _nodes(side: Any) -> list[tuple[str, float | None]]:
    return [(node["id"], node["attributed"]) for node in side["nodes"]]


def _flow(answer: Any) -> Numbers:
    sides = [side for side in ("baseline", "edited") if answer.get(side)]
    found: Numbers = {side: _nodes(answer[side]) for side in sides}
    effects = answer.get("effects") or {}
    alone = effects.get("cuts", [])
    found["alone"] = [(one["attributed"], one["logit_change"]) for one in alone]
    together = effects.get("together")
    change = None if together is None else (together["attributed"], together["logit_change"])
    return found | {"together": change}


def _python_flow(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    options = {name: fields[name] for name in fields if name != "layers"}
    capture = ue.flow_capture(model, fields["layers"], fields["position"])
    run = model.run(PROMPT, capture, logits="all")
    graph = ue.flow_graph(run, fields["layers"], **options)
    found: Numbers = {"baseline": _python_nodes(graph), "alone": [], "together": None}
    if not edits:
        return found
    edited = model.run(PROMPT, capture, edits, logits="all")
    drawn = ue.flow_graph(edited, fields["layers"], like=graph, **options)
    token, position = fields["target"], graph.position
    before = run.logits[position, token]
    change = float(edited.logits[position, token] - before)
    worth = attributed(run, edits[0].target, position, token)
    found |= {"edited": _python_nodes(drawn), "alone": [(worth, change)]}
    return found


def _python_nodes(graph: Any) -> list[tuple[str, float | None]]:
    return [(node.id, node.attributed) for node in graph.nodes]


# ---------------------------------------------------------------- one node, continuations


def _component(answer: Any) -> Numbers:
    sides = ("promotes", "suppresses")
    found = {side: [(one["token"]["id"], one["logit"]) for one in answer[side]] for side in sides}
    return found | {"norm": answer["write_norm"], "activation": answer["activation"]}


def _python_component(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    node, position = fields["target"], fields["position"]
    run = model.run(PROMPT, component_capture(model, node, position), edits, logits="none")
    found = component(run, node, position, fields["top_k"])
    sides = {"promotes": found.promotes, "suppresses": found.suppresses}
    lists = {side: [(one.token.id, one.logit) for one in listed] for side, listed in sides.items()}
    return lists | {"norm": found.write_norm, "activation": list(found.activation)}


def _generated(answer: Any) -> Numbers:
    sides = [side for side in ("baseline", "edited") if answer.get(side)]
    return {side: [token["id"] for token in answer[side]["new_tokens"]] for side in sides}


def _python_generate(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    found = {"baseline": list(model.generate(PROMPT, **fields).new_ids)}
    if edits:
        found["edited"] = list(model.generate(PROMPT, edits=edits, **fields).new_ids)
    return found


# ---------------------------------------------------------------- the vector index


def _hits(answer: Any) -> Numbers:
    return {
        "total": answer["total"],
        "items": [(one["node"], one["score"]) for one in answer["items"]],
    }


def _python_hits(hits: Any) -> Numbers:
    return {"total": hits.total, "items": [(one.node, one.score) for one in hits.items]}


def _clusters(answer: Any) -> Numbers:
    return {"sizes": [one["size"] for one in answer["items"]]}


def _python_browse(model: Model, fields: dict[str, Any], _: list[Any]) -> Numbers:
    pages = open_index(model).browse(fields["layer"], fields["first"], fields["count"])
    width = model.anatomy.blocks[fields["layer"]].mlp.d_mlp
    return {"total": width, "items": [(page.node, page.norm) for page in pages]}


def _python_cluster(model: Model, fields: dict[str, Any], _: list[Any]) -> Numbers:
    one = open_index(model).clusters(n=fields["n"]).cluster(fields["cluster"])
    return {"size": one.size, "central": list(one.members[:10])}


LENS = {"layer_step": 2, "top_k": 3, "target": 72}
FLOW = {"layers": [1], "target": 72, "position": -1, "n_heads": 0, "top_neurons": 3}
FACES = {
    "predictions": Face(
        "/api/predictions",
        {"top_k": 4, "target": 72, "position": -1},
        _python_predictions,
        _predictions,
        lambda: ["run", PROMPT, "--top-k", "4", "--target", "#72", "--json"],
    ),
    "lens": Face(
        "/api/lens",
        LENS,
        _python_lens,
        _lens_arrays,
        lambda: ["lens", PROMPT, "--layer-step", "2", "-k", "3", "--target", "#72", "--json"],
        _lens_printed,
    ),
    "flow": Face(
        "/api/flow",
        FLOW,
        _python_flow,
        _flow,
        lambda: [
            *("flow", PROMPT, "--layers", "1", "--target", "#72", "--n-heads", "0"),
            *("--top-neurons", "3", "--json"),
        ],
    ),
    "component": Face(
        "/api/component",
        {"target": "L1.H2", "position": 2, "top_k": 3},
        _python_component,
        _component,
        lambda: [
            *("component", PROMPT, "--target", "L1.H2", "--position", "2", "-k", "3", "--json")
        ],
    ),
    "generate": Face(
        "/api/generate",
        {"max_new_tokens": 4, "temperature": 0.5, "seed": 3},
        _python_generate,
        _generated,
        lambda: [
            *("generate", PROMPT, "--max-new-tokens", "4", "--temperature", "0.5"),
            *("--seed", "3", "--json"),
        ],
    ),
    "search": Face(
        "/api/index/search",
        {"words": ["he", "a"], "combine": "all", "side": "both", "limit": 5},
        lambda model, fields, _: _python_hits(open_index(model).search(**fields)),
        _hits,
        lambda: ["search", "he, a", "--all", "--side", "both", "--limit", "5", "--json"],
        edits=False,
    ),
    "token": Face(
        "/api/index/token",
        {"token": 72, "side": "suppressed", "limit": 4},
        lambda model, fields, _: _python_hits(open_index(model).token(**fields)),
        _hits,
        lambda: ["search", "--token", "#72", "--side", "suppressed", "--limit", "4", "--json"],
        edits=False,
    ),
    "similar": Face(
        "/api/index/similar",
        {"target": "L1.N7", "limit": 4},
        lambda model, _, __: _python_hits(open_index(model).similar("L1.N7", limit=4)),
        _hits,
        lambda: ["search", "--similar", "L1.N7", "--limit", "4", "--json"],
        edits=False,
    ),
    "vector": Face(
        "/api/index/vector",
        {"target": "L1.N7"},
        lambda model, _, __: {"norm": live_page(model, "L1.N7").norm},
        lambda answer: {"norm": answer["norm"]},
        edits=False,
    ),
    "browse": Face(
        "/api/index/browse",
        {"layer": 1, "first": 2, "count": 3},
        _python_browse,
        _hits,
        edits=False,
    ),
    "clusters": Face(
        "/api/index/clusters",
        {"n": 5},
        lambda model, _, __: {"sizes": list(open_index(model).clusters(n=5).sizes)},
        _clusters,
        edits=False,
    ),
    "cluster": Face(
        "/api/index/cluster",
        {"n": 5, "cluster": 1},
        _python_cluster,
        lambda answer: {
            "size": answer["size"],
            "central": [one["node"] for one in answer["central"]],
        },
        edits=False,
    ),
}
WITHOUT_A_COMMAND = {"vector", "browse", "clusters", "cluster"}
EDIT = {"target": "L1.H2", "operation": "zero", "positions": [-1]}


def test_no_question_is_missing():
    assert list(FACES) == [question.name for question in QUESTIONS]
    assert {name for name, face in FACES.items() if face.command is None} == WITHOUT_A_COMMAND


@pytest.fixture(scope="module")
def cache(tmp_path_factory: Any) -> Any:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def model(source: str, cache: Any) -> Model:
    found = ue.load(source, settings=Settings(cache_dir=str(cache)))
    build_index(found)
    return found


@pytest.fixture
def session(model: Model, cache: Any) -> Any:
    made = Session(model, Settings(cache_dir=str(cache)))
    yield made
    made.close()


@pytest.fixture
def app(session: Session) -> Any:
    return create_app(session, session.settings, TOKEN, assets={})


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


@pytest.mark.parametrize("edited", [False, True], ids=["baseline", "edited"])
@pytest.mark.parametrize("name", FACES)
def test_the_three_faces_give_the_same_numbers(
    name, edited, cli, source, model, session, app, cache, monkeypatch
):
    face = FACES[name]
    if edited and not face.edits:
        pytest.skip("asked of weights, not of a run")
    made = [ue.zero("L1.H2", positions=[-1])] if edited else []
    wanted = face.python(model, face.fields, made)
    body = dict(face.fields)
    if face.edits:
        body |= {"prompt": PROMPT, "edits": [EDIT] if edited else []}
    answer = post(app, face.path, body)
    assert answer.status == 200, answer.body
    same(face.http(answer.body if name == "lens" else answer.json()), wanted, "HTTP")
    written = read_json(answer, name)
    whole(session, name, body, written)
    if face.command is None:
        return
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(cache))
    command, *rest = face.command()
    flags = ["-e", "zero L1.H2 positions=-1"] if edited else []
    status, out, err = cli(command, source, *rest, *flags)
    assert status == 0, err
    printed = json.loads(out)
    same((face.cli or face.http)(printed), wanted, "command line")
    same(without_arrays(printed) if name == "lens" else printed, written, "the whole JSON")


def read_json(answer: Any, name: str) -> Any:
    """The JSON of an answer; that of the lens lies in the header of its arrays."""
    if name != "lens":
        return answer.json()
    size = int.from_bytes(answer.body[:8], "little")
    return json.loads(json.loads(answer.body[8 : 8 + size])["__metadata__"]["lens"])


def without_arrays(printed: Any) -> Any:
    arrays = {*ue.LensResult.axes, "axes"}
    return {
        side: lens and {name: one for name, one in lens.items() if name not in arrays}
        for side, lens in printed.items()
        if side != "kl_between"
    }


def whole(session: Session, name: str, body: Any, written: Any) -> None:
    """What HTTP writes is what the result writes in Python, and what the schema says of it."""
    (question,) = (one for one in QUESTIONS if one.name == name)
    asked = question.request.model_validate(body)
    job = session.submit(lambda job: question.answer(session, job, asked))
    result = job.future.result()
    data = json.loads(result.to_json())
    same(without_arrays(data) if name == "lens" else data, written, "the result")
    body_of(type(result)).model_validate_json(json.dumps(written))


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
def test_the_demo_models_graph_attributes_the_same_everywhere(cli):
    """Zeroing a head that the graph draws: once HTTP knew what it was worth, and no other face."""
    prompt = "The capital of Japan is the city of"
    model = ue.load("gemma3-270m")
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
