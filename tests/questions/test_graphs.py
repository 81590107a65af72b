"""Attribution graphs and their edges, put in Python, on the command line and over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

import unembed as ue
from unembed.analyses.attribution_graph.viewer import read_graph
from unembed.engine.model import Model
from unembed.node_labels import Label
from unembed.workspace import Workspace

from ..latents.fitted import fitted
from ..latents.written import LAYOUTS
from ..server.asgi import post
from .faces import PROMPT, Face, Numbers

PLACE = "L1.mlp_in>L1.mlp_out"
SOURCE: list[str] = []  # of the transcoder, written by `attached`


@pytest.fixture
def attached(model: Model, tmp_path: Any) -> Any:
    """The model with a transcoder, whose file the command line is given."""
    layout = next(one for one in LAYOUTS if one.name == "circuit-tracer")
    path = str(layout.write(fitted(layout, model, place=PLACE)).save(tmp_path))
    SOURCE[:] = [path]
    model.attach(ue.load_sae(path, PLACE), verify=False)
    yield model
    model.detach()


def typed() -> list[str]:
    return ["--sae", f"{SOURCE[0]}@{PLACE}"] if SOURCE else []


def of_graph(answer: Any) -> Numbers:
    return {
        "scores": [answer[name] for name in ("replacement", "completeness", "n_active")],
        "nodes": [[node["name"], node["influence"]] for node in answer["nodes"]],
        "edges": sorted([e["source"], e["target"], e["weight"]] for e in answer["edges"]),
    }


def python_graph(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    asked = {name: value for name, value in fields.items() if name != "prompt"}
    found = ue.attribution_graph(model, PROMPT, **asked)
    return {
        "scores": [found.replacement, found.completeness, found.n_active],
        "nodes": [[node.name, node.influence] for node in found.nodes],
        "edges": sorted([edge.source, edge.target, edge.weight] for edge in found.edges),
    }


def of_edge(answer: Any) -> Numbers:
    return {name: answer[name] for name in ("weight", "held", "live", "value")}


def python_edge(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    asked = {name: value for name, value in fields.items() if name != "prompt"}
    found = ue.measure_edge(model, PROMPT, asked.pop("sender"), asked.pop("receiver"), **asked)
    return {name: getattr(found, name) for name in ("weight", "held", "live", "value")}


GRAPH = {"prompt": PROMPT, "target": 40, "distractor": "a", "latents": 30, "node_threshold": 0.9}
EDGE = {"prompt": PROMPT, "sender": "L0.mlp@1", "receiver": "logit@2", "target": 40, "pairs": 3}
EDGE |= {"distractor": "a"}
FACES = {
    "graph": Face(
        "/api/graph",
        GRAPH,
        python_graph,
        of_graph,
        lambda: [
            *("graph", PROMPT, "--target", "#40", "--distractor", "a", "--latents", "30"),
            *("--node-threshold", "0.9", "--json", *typed()),
        ],
        edits=False,
    ),
    "edge": Face(
        "/api/graph/edge",
        EDGE,
        python_edge,
        of_edge,
        lambda: [
            *("edge", PROMPT, "--sender", "L0.mlp@1", "--receiver", "logit@2", "--pairs", "3"),
            *("--target", "#40", "--distractor", "a", "--json", *typed()),
        ],
        edits=False,
    ),
}


@pytest.mark.parametrize("name", FACES)
def test_it_is_the_same_in_all_three(name, put, attached):
    put(name, FACES[name], edited=False)


def test_tables_and_the_viewers_file(cli, source, attached, tmp_path):
    path = tmp_path / "graph.json"
    status, out, err = cli("graph", source, PROMPT, *typed(), "--viewer", str(path))
    assert status == 0, err
    assert "replacement" in out
    assert "no transcoder, so what the feed-forward adds is one node" in " ".join(out.split())
    found = read_graph(path.read_text("utf-8"))
    edge = found.edges[0]
    ends = ("--sender", edge.source, "--receiver", edge.target)
    status, out, err = cli("edge", source, PROMPT, *typed(), *ends)
    assert status == 0, err
    held, same = (
        next(line.split()[-1] for line in out.splitlines() if words in line)
        for words in ("the edge", "all else held")
    )
    assert held == same == f"{edge.weight:+.4f}"
    for flag in ("--viewer", "--html"):
        status, out, err = cli("graph", source, PROMPT, flag, str(tmp_path))
        assert (status, out) == (2, "")
        assert "is a folder" in err


def test_an_estimate_is_the_same_in_all_three(app, cli, source, attached):
    """Of all but the seconds, which are measured each time."""
    asked = {name: value for name, value in GRAPH.items() if name != "prompt"}
    python = ue.estimate_graph(attached, PROMPT, **asked).to_dict()
    http = post(app, "/api/graph/estimate", GRAPH).json()
    words = ("--target", "#40", "--distractor", "a", "--latents", "30", "--node-threshold", "0.9")
    status, out, err = cli("graph", source, PROMPT, *words, "--json", *typed(), "--estimate")
    assert status == 0, err
    typed_in = json.loads(out)
    for found in (python, http, typed_in):
        assert found.pop("seconds") > 0
    assert python == http == typed_in
    status, out, err = cli("graph", source, PROMPT, *typed(), "--estimate")
    assert status == 0, err
    assert "nodes before any is pruned" in out


@pytest.mark.drawing
def test_the_page_of_the_command_line(cli, source, attached, tmp_path):
    page = tmp_path / "graph.html"
    status, _, err = cli("graph", source, PROMPT, *typed(), "--html", str(page))
    assert status == 0, err
    assert "Replacement 0." in page.read_text("utf-8")


def test_nodes_have_the_words_that_are_kept_of_them(
    app, attached, cli, source, tmp_path, monkeypatch
):
    """Latents, and the feed-forward of a layer without a transcoder, at every position."""
    bare = post(app, "/api/graph", GRAPH).json()["nodes"]
    name = next(one["name"].partition("@")[0] for one in bare if one["kind"] == "latent")
    labels = ue.Labels(attached, Workspace(tmp_path / "kept.sqlite3"))
    labels.keep([Label(name, "rivers", "search", supported=False), Label("L0.mlp", "all", "hand")])
    said = {name: ("rivers", False), "L0.mlp": ("all", None)}
    wanted = [said.get(one["name"].partition("@")[0], (None, None)) for one in bare]
    assert len(set(wanted)) == 3

    monkeypatch.setenv("UNEMBED_WORKSPACE_PATH", str(tmp_path / "kept.sqlite3"))
    options = {key: value for key, value in GRAPH.items() if key != "prompt"}
    graph = labels.on(ue.attribution_graph(attached, PROMPT, **options))
    path = tmp_path / "graph.json"
    command = FACES["graph"].command()
    status, out, err = cli(command[0], source, *command[1:], "--viewer", str(path))
    assert status == 0, err
    for nodes in (graph.to_dict()["nodes"], json.loads(out)["nodes"]):
        assert [(one["words"], one["supported"]) for one in nodes] == wanted
        assert [one["label"] for one in nodes] == [one["label"] for one in bare]
    clerps = [one["clerp"] for one in json.loads(path.read_text("utf-8"))["nodes"]]
    assert [one for one in clerps if one in ("rivers (not supported)", "all")] == [
        {"rivers": "rivers (not supported)"}.get(words, words) for words, _ in wanted if words
    ]
    assert read_graph(path.read_text("utf-8")).nodes == graph.nodes


def test_a_workspace_that_cannot_be_read_costs_a_note_and_no_graph(
    app, attached, session, tmp_path
):
    broken = tmp_path / "broken.sqlite3"
    broken.write_text("no database, but long enough to be taken for one " * 10)
    session.workspace = Workspace(broken)
    answer = post(app, "/api/graph", GRAPH)
    assert answer.status == 200
    assert "could not be read" in answer.json()["notes"][-1]
    assert {one["words"] for one in answer.json()["nodes"]} == {None}


def test_what_is_wrong_names_its_field(app, attached):
    for path, body, field in [
        ("/api/graph", {"latents": 20_000}, "latents"),
        ("/api/graph", {"target": "log_prob(5)"}, "target"),
        ("/api/graph", {"node_threshold": 0}, "node_threshold"),
        ("/api/graph", {"distractor": "a"}, "distractor"),
        ("/api/graph", {"position": 9}, "position"),
        ("/api/graph/edge", {"sender": "embed@1"}, "receiver"),
        ("/api/graph/edge", {"sender": "L1.H0@1", "receiver": "logit:4@2"}, "sender"),
        ("/api/graph/edge", {"sender": "embed@1", "receiver": "L0.F3@2"}, "receiver"),
        ("/api/graph/edge", {"sender": "embed@1", "receiver": "logit@2"}, "target"),
        ("/api/graph/edge", {"sender": "embed@1", "receiver": "logit:9999999@2"}, "receiver"),
    ]:
        answer = post(app, path, body | {"prompt": PROMPT})
        assert answer.error["field"] == field, answer.body
        assert answer.status in (400, 413), answer.body


def test_a_model_without_transcoders_says_what_to_do(app):
    answer = post(app, "/api/graph", {"prompt": PROMPT})
    assert answer.status == 422
    assert "no transcoder" in answer.error["message"]
    assert json.dumps(answer.error).count("model.attach") == 1
