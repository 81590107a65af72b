"""Traces and circuits, put in Python, on the command line and over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import unembed as ue
from unembed.engine.model import Model
from unembed.node_labels import Label
from unembed.workspace import Workspace

from ..server.asgi import post
from .faces import PROMPT, Face, Numbers

PAIRS = [
    {"clean": "The cat sat", "corrupted": "The sat sat", "answer": 5, "wrong": 40},
    {"clean": "The sat sat", "corrupted": "The cat sat", "answer": 40, "wrong": 5},
    {"clean": "The", "corrupted": "The cat sat", "answer": 5, "wrong": 40},
]
OTHER = "The sat sat"
NODE = "L1.H1@2<1"


def traced(answer: Any) -> Numbers:
    sides = [side for side in ("baseline", "edited") if answer[side]]
    return {
        side: {
            "value": answer[side]["value"],
            "rows": [[row["name"], row["direct"], row["total"]] for row in answer[side]["rows"]],
            "parts": [part["completeness"]["nodes"] for part in answer[side]["parts"]],
        }
        for side in sides
    }


def python_trace(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    found: Numbers = {}
    for side, some in {"baseline": [], "edited": edits}.items():
        if side == "baseline" or edits:
            trace = ue.trace(model, PROMPT, edits=some, **fields)
            found[side] = {
                "value": trace.value,
                "rows": [[row.name, row.direct, row.total] for row in trace.rows],
                "parts": [part.completeness.nodes for part in trace.parts],
            }
    return found


def readers(answer: Any) -> Numbers:
    sides = [side for side in ("baseline", "edited") if answer[side]]
    return {
        side: {
            "value": answer[side]["value"],
            "direct": answer[side]["direct"],
            "measured": answer[side]["measured"],
            "rows": [
                [row["name"], row["through"], row["effect"], row["measured"]]
                for row in answer[side]["readers"]
            ],
            "left out": [[out["n"], out["largest"]] for out in answer[side]["left_out"]],
        }
        for side in sides
    }


def python_downstream(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    found: Numbers = {}
    for side, some in {"baseline": [], "edited": edits}.items():
        if side == "baseline" or edits:
            trace = ue.trace(model, PROMPT, edits=some, **fields)
            found[side] = {
                "value": trace.value,
                "direct": trace.direct,
                "measured": trace.measured,
                "rows": [
                    [row.name, row.through, row.effect, row.measured] for row in trace.readers
                ],
                "left out": [[out.n, out.largest] for out in trace.left_out],
            }
    return found


def edges(answer: Any) -> Numbers:
    return {
        "numbers": [answer[name] for name in ("whole", "none", "value", "cmd", "cpr", "n_edges")],
        "edges": [[edge["source"], edge["target"], edge["effect"]] for edge in answer["edges"]],
    }


def python_circuit(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    asked = {k: v for k, v in fields.items() if k not in ("prompt", "corrupted")}
    found = ue.find_circuit(model, PROMPT, OTHER, **asked)
    names = ("whole", "none", "value", "cmd", "cpr", "n_edges")
    return {
        "numbers": [getattr(found, name) for name in names],
        "edges": [[edge.source, edge.target, edge.effect] for edge in found.edges],
    }


TRACE = {"node": NODE, "top_k": 6}
CIRCUIT = {
    "prompt": PROMPT,
    "corrupted": OTHER,
    "target": 40,
    "distractor": "a",
    "edges": 9,
    "measure": 1,
    "include": ["L0.H1>logits"],
    "shares": [0.2, 1],
}
FACES = {
    "trace": Face(
        "/api/trace",
        TRACE,
        python_trace,
        traced,
        lambda: ["trace", PROMPT, "--node", NODE, "--top-k", "6", "--json"],
    ),
    "circuit": Face(
        "/api/circuit",
        CIRCUIT,
        python_circuit,
        edges,
        lambda: [
            *("circuit", PROMPT, "--corrupted", OTHER, "--target", "#40", "--distractor", "a"),
            *("--edges", "9", "--measure", "1", "--shares", "0.2,1"),
            *("--include", "L0.H1>logits", "--json"),
        ],
        edits=False,
    ),
}


def test_a_trace_is_the_same_in_all_three(put):
    for edited in (False, True):
        put("trace", FACES["trace"], edited=edited)


def test_a_trace_downstream_is_the_same_in_all_three(put):
    asked = {"node": NODE, "through": "v", "trail": ["embed@1"], "top_k": 3}
    fields = {"direction": "downstream", "measured": True, "position": 2, **asked}

    def command():
        return [
            *("trace", PROMPT, "--node", NODE, "--through", "v", "--trail", "embed@1"),
            *("--direction", "downstream", "--measured", "--position", "2", "--top-k", "3"),
            "--json",
        ]

    face = Face("/api/trace", fields, python_downstream, readers, command)
    for edited in (False, True):
        put("trace", face, edited=edited)


def test_a_circuit_is_the_same_in_all_three(put):
    put("circuit", FACES["circuit"], edited=False)


def test_a_circuit_by_position_is_the_same_in_all_three(put):
    face = FACES["circuit"]
    fields = CIRCUIT | {"by_position": True, "include": ["L0.H1@-1>logits@-1", "L1.H0@1"]}

    def command():
        written = face.command()
        written[written.index("L0.H1>logits")] = "L0.H1@-1>logits@-1,L1.H0@1"
        return [*written, "--by-position"]

    put("circuit", replace(face, fields=fields, command=command), edited=False)


def test_tables_say_what_adds_up_and_what_was_measured(cli, source):
    status, out, err = cli("trace", source, PROMPT, "--node", NODE)
    assert status == 0, err
    assert "direct, at position 1" in " ".join(out.split())
    down = ("--direction", "downstream", "--measured", "--top-k", "2")
    status, out, err = cli("trace", source, PROMPT, "--node", "embed@1", *down)
    assert status == 0, err
    for words in (
        "write of token embedding at position 1",
        "score by its key",
        "not listed",
    ):
        assert words in " ".join(out.split())
    given = ("--corrupted", OTHER, "--target", "a", "--measure", "1", "--edges", "5")
    status, out, err = cli("circuit", source, PROMPT, *given)
    assert status == 0, err
    for words in ("within", "faithfulness 1.000", "CMD"):
        assert words in out


def test_what_is_kept_of_its_nodes_is_said_below_a_circuit(
    cli, source, model, tmp_path, monkeypatch
):
    """Of those alone that are in it, and with what it is worth."""
    path = tmp_path / "kept.sqlite3"
    monkeypatch.setenv("UNEMBED_WORKSPACE_PATH", str(path))
    given = ("--corrupted", OTHER, "--target", "a", "--edges", "5")
    nodes = json.loads(cli("circuit", source, PROMPT, *given, "--json")[1])["nodes"]
    every = [f"L{layer}.mlp" for layer in range(3)] + [
        f"L{n}.H{m}" for n in range(3) for m in range(4)
    ]
    labels = ue.Labels(model, Workspace(path))
    labels.keep([Label(name, f"words of {name}", "search", supported=False) for name in every])
    status, out, err = cli("circuit", source, PROMPT, *given)
    assert status == 0, err
    for name in every:
        line = f"{name}: words of {name} (not supported)"
        assert (line in out) == (name in nodes)
    assert 0 < len(set(every) & set(nodes)) < len(every)
    status, out, err = cli("circuit", source, PROMPT, *given, "--by-position")
    assert status == 0, err
    assert "(not supported)" in out


def test_scores_of_a_file_decide_which_edges_are_kept(app, cli, source, tmp_path):
    """The other way round than the estimator says, from the command line and over HTTP."""
    body = {"prompt": PROMPT, "corrupted": OTHER, "target": 40, "distractor": "a", "curve": False}
    n_edges = post(app, "/api/circuit", body | {"edges": 0}).json()["n_edges"]
    every = post(app, "/api/circuit", body | {"edges": n_edges}).json()["edges"]
    scores = [
        [f"{edge['source']}>{edge['target']}", float(place)] for place, edge in enumerate(every)
    ]
    answer = post(app, "/api/circuit", body | {"edges": 3, "scores": scores})
    assert answer.status == 200, answer.body
    found = answer.json()
    assert [edge["effect"] for edge in found["edges"]] == [n_edges - 1, n_edges - 2, n_edges - 3]
    assert found["estimator"] == "given"
    file = tmp_path / "scores.json"
    rated = [edge | {"effect": place} for place, edge in enumerate(every)]
    file.write_text(json.dumps({"edges": rated}))
    given = ("--corrupted", OTHER, "--target", "#40", "--distractor", "a", "--edges", "3")
    status, out, err = cli(
        "circuit", source, PROMPT, *given, "--no-curve", "--json", "--scores", str(file)
    )
    assert status == 0, err
    assert json.loads(out)["edges"] == found["edges"]
    answer = post(app, "/api/circuit", body | {"scores": [["embed>L0.mlp", 1.0]]})
    assert (answer.status, answer.error["field"]) == (400, "scores")
    file.write_text("{}")
    status, _, err = cli("circuit", source, PROMPT, *given, "--scores", str(file))
    assert (status, "cannot be read as a circuit" in err) == (2, True)


def test_what_is_too_large_or_wrong_names_its_field(app):
    for path, body, field in [
        ("/api/trace", {"node": "L1.attn@2"}, "node"),
        ("/api/trace", {"node": "L1.H1@1<2"}, "node"),
        ("/api/trace", {}, "node"),
        ("/api/trace", {"node": NODE, "through": "pre"}, "through"),
        ("/api/trace", {"node": NODE, "trail": ["L2.H0@2<1:x"]}, "trail"),
        ("/api/circuit", {}, "corrupted"),
        ("/api/circuit", {"corrupted": "The"}, "corrupted"),
        ("/api/circuit", {"corrupted": "x" * 300_000}, "corrupted"),
        ("/api/circuit", {"corrupted": OTHER, "measure": 500}, "measure"),
        ("/api/circuit", {"corrupted": OTHER, "edges": 100_000}, "edges"),
        ("/api/circuit", {"corrupted": OTHER, "include": ["L9.H0"]}, "include"),
        ("/api/circuit", {"corrupted": OTHER, "exclude": ["L0.H0>L0.H0.q"]}, "exclude"),
        ("/api/circuit", {"corrupted": OTHER, "measure_named": ["embed"]}, "measure_named"),
    ]:
        answer = post(app, path, body | {"prompt": PROMPT})
        assert (answer.status, answer.error["field"]) == (400, field), answer.body


def test_a_circuit_is_kept_listed_renamed_and_sent_from_the_command_line(
    cli, source, tmp_path, monkeypatch
):
    monkeypatch.setenv("UNEMBED_WORKSPACE_PATH", str(tmp_path / "kept.sqlite3"))

    def run(*words):
        status, out, err = cli(*words)
        assert status == 0, err
        return out

    given = ("--corrupted", OTHER, "--target", "a", "--edges", "5", "--no-curve", "--json")
    found = json.loads(run("circuit", source, PROMPT, *given, "--save", "mine"))
    (entry,) = json.loads(run("circuits", "list", "--json"))
    assert (entry["name"], entry["n_kept"]) == ("mine", 5)
    assert entry["faithfulness"] == pytest.approx(found["faithfulness"])
    assert json.loads(run("circuits", "show", "mine")) == found
    run("circuits", "export", "mine", str(tmp_path / "file.json"))
    run("circuits", "rename", entry["id"], "theirs")
    assert "theirs" in run("circuits", "list")
    run("circuits", "delete", "theirs")
    status, _, err = cli("circuits", "show", "theirs")
    assert status != 0
    assert "no kept circuit is called" in err
    run("circuits", "import", str(tmp_path / "file.json"))
    assert json.loads(run("circuits", "show", "mine")) == found
    (tmp_path / "bad.json").write_text('{"edges": []}')
    status, _, err = cli("circuits", "import", str(tmp_path / "bad.json"))
    assert status != 0
    assert "no saved circuit of Unembed" in err


def test_a_circuit_of_pairs_is_the_same_in_all_three(model, app, cli, source, tmp_path):
    file, scores = tmp_path / "pairs.jsonl", tmp_path / "scores.json"
    file.write_text("\n".join(json.dumps(one) for one in PAIRS))
    found = ue.circuit_pairs(model, ue.read_pairs(file), edges=5, curve=False)
    scores.write_text(found.to_mib())
    answer = post(app, "/api/circuit/pairs", {"pairs": PAIRS, "edges": 5, "curve": False})
    assert answer.status == 200, answer.body
    asked = ["circuit-pairs", source, "--pairs", str(file), "--edges", "5", "--no-curve"]
    status, out, err = cli(*asked, "--json")
    assert status == 0, err
    for said in (answer.json(), json.loads(out)):
        assert (said["n_pairs"], [one["pair"] for one in said["left_out"]]) == (2, [2])
        assert said["value"] == pytest.approx(found.value, rel=1e-4)
        assert [edge["effect"] for edge in said["edges"]] == pytest.approx(
            [edge.effect for edge in found.edges], rel=1e-4
        )
    status, out, err = cli(*asked, "--held-out", "1")
    assert status == 0, err
    assert "on 1 pair held out" in " ".join(out.split())
    assert "by pair:" in out
    status, out, err = cli(*asked, "--scores", str(scores))
    assert status == 0, err
    assert "mean of 2 pairs" in " ".join(out.split())
    assert "by scores that were given" in " ".join(out.split())
    assert "pair 2 is left out" in " ".join(err.split())


def test_pairs_of_a_circuit_are_checked(app):
    for body, field in [
        ({}, "pairs"),
        ({"pairs": PAIRS, "template": "ioi"}, "pairs"),
        ({"pairs": [PAIRS[0] | {"clean": ""}]}, "pairs[0].clean"),
        ({"pairs": PAIRS[:1], "scores": [["embed>logits", 1.0]]}, "scores"),
        ({"pairs": PAIRS[:1], "include": ["L9.H1"]}, "include"),
        ({"pairs": PAIRS[2:]}, "pairs"),
    ]:
        answer = post(app, "/api/circuit/pairs", body)
        assert (answer.status, answer.error["field"]) == (400, field), answer.body
