"""Attribution and patching grids, put in Python, on the command line and over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

import unembed as ue
from unembed.engine.model import Model

from ..server.asgi import post
from .faces import PROMPT, Face, Numbers

OTHER = "The sat sat"
ROW = ("name", "write", "direct", "total", "measured")


def attributed(answer: Any) -> Numbers:
    sides = [side for side in ("baseline", "edited") if answer[side]]
    return {
        side: {
            "value": answer[side]["value"],
            "completeness": answer[side]["completeness"]["nodes"],
            "bound": (answer[side]["bound"] or {}).get("largest"),
            "rows": [[row[name] for name in ROW] for row in answer[side]["rows"]],
        }
        for side in sides
    }


def python_attribution(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    found: Numbers = {}
    for side, some in {"baseline": [], "edited": edits}.items():
        if side == "baseline" or edits:
            result = ue.attribute(model, PROMPT, edits=some, **fields)
            found[side] = {
                "value": result.value,
                "completeness": result.completeness.nodes,
                "bound": result.bound and result.bound.largest,
                "rows": [[getattr(row, name) for name in ROW] for row in result.rows],
            }
    return found


def _grid(answer: Any) -> Numbers:
    return {name: answer[name] for name in ("rows", "clean", "corrupted", "n_runs")}


def _python_grid(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    found = ue.patch_grid(model, PROMPT, OTHER, **fields)
    return {name: getattr(found, name) for name in ("rows", "clean", "corrupted", "n_runs")}


def _python_patch(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    return _python_grid(
        model, {k: v for k, v in fields.items() if k not in ("prompt", "corrupted")}, edits
    )


ATTRIBUTE = {"target": 40, "distractor": "a", "verify": 3, "top_k": 6, "frozen": "all"}
ATTRIBUTE |= {"against": "prompt", "references": [OTHER], "sample": 16, "align": ["1=2", "2=1"]}
PATCH = {
    "prompt": PROMPT,
    "corrupted": OTHER,
    "site": "heads",
    "target": 40,
    "distractor": "a",
    "layers": [1, 2],
}
PATHS = {
    "prompt": PROMPT,
    "corrupted": OTHER,
    "senders": ["L0.H1", "L0.mlp"],
    "receivers": ["L2.H1.q", "L2.H1.k"],
    "through": "mlps",
    "target": 40,
    "distractor": "a",
}


def _paths(answer: Any) -> Numbers:
    effects = {row["sender"]: row["effect"] for row in answer["rows"]}
    tokens = [[one["id"] for one in answer[side]] for side in ("tokens", "corrupted_tokens")]
    return {"effects": effects, "clean": answer["clean"], "tokens": tokens}


def _python_paths(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    given = {name: value for name, value in fields.items() if name not in ("prompt", "corrupted")}
    found = ue.path_patch(model, PROMPT, OTHER, **given)
    return {
        "effects": dict(zip(found.senders, found.effects.tolist(), strict=True)),
        "clean": found.clean,
        "tokens": [list(model.tokenize(PROMPT)), list(model.tokenize(OTHER))],
    }


FACES = {
    "attribute": Face(
        "/api/attribute",
        ATTRIBUTE,
        python_attribution,
        attributed,
        lambda: [
            *("attribute", PROMPT, "--target", "#40", "--distractor", "a", "--verify", "3"),
            *("--top-k", "6", "--frozen", "all", "--against", "prompt", "--reference", OTHER),
            *("--align", "1=2,2=1", "--sample", "16", "--json"),
        ],
    ),
    "patch": Face(
        "/api/patch",
        PATCH,
        _python_patch,
        _grid,
        lambda: [
            *("patch", PROMPT, "--corrupted", OTHER, "--site", "heads", "--target", "#40"),
            *("--distractor", "a", "--layers", "1-2", "--json"),
        ],
        edits=False,
    ),
    "patch_path": Face(
        "/api/patch/path",
        PATHS,
        _python_paths,
        _paths,
        lambda: [
            *("patch-path", PROMPT, "--corrupted", OTHER, "--senders", "L0.H1,L0.mlp"),
            *("--receivers", "L2.H1.q,L2.H1.k", "--through", "mlps", "--target", "#40"),
            *("--distractor", "a", "--json"),
        ],
        edits=False,
    ),
}


def test_attribution_is_the_same_in_all_three(put):
    for edited in (False, True):
        put("attribute", FACES["attribute"], edited=edited)


def test_a_grid_is_the_same_in_all_three(put):
    put("patch", FACES["patch"], edited=False)


def test_paths_are_the_same_in_all_three(put, cli, source):
    put("patch_path", FACES["patch_path"], edited=False)
    flags = ["--senders", "L0.H1", "--receivers", "L2.H1", "--target", "a"]
    status, out, err = cli("patch-path", source, PROMPT, "--corrupted", OTHER, *flags)
    assert status == 0, err
    assert "what is lost through L2.H1" in " ".join(out.split())
    assert "all else is held" in " ".join(out.split())


PAIRS = [
    {"clean": "The cat sat", "corrupted": "The sat sat", "answer": 5, "wrong": 40},
    {"clean": "The sat sat", "corrupted": "The cat sat", "answer": 40, "wrong": 5},
]


def test_pairs_are_the_same_in_all_three(model, app, cli, source, tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(json.dumps(one) for one in PAIRS))
    body = {"pairs": PAIRS, "site": "heads", "layers": [1]}
    answer = post(app, "/api/patch/pairs", body)
    assert answer.status == 200, answer.body
    found = ue.patch_pairs(model, ue.read_pairs(file), site="heads", layers=[1])
    there = [cell[0] for cell in answer.json()["rows"][0]]
    assert there == pytest.approx(found.restored[0].tolist(), rel=1e-4)
    flags = ["--site", "heads", "--layers", "1"]
    status, out, err = cli("patch-pairs", source, "--pairs", str(file), *flags, "--json")
    assert status == 0, err
    typed = [cell[0] for cell in json.loads(out)["rows"][0]]
    assert typed == pytest.approx(found.restored[0].tolist(), rel=1e-4)
    status, out, err = cli("patch-pairs", source, "--pairs", str(file), *flags)
    assert "2 pairs" in out
    assert "±" in out
    status, out, err = cli("patch-pairs", source, *flags)
    assert status == 2
    assert "pairs or a template" in " ".join(err.split())


def test_tables_say_what_adds_up_and_what_was_measured(cli, source):
    status, out, err = cli(
        "attribute", source, PROMPT, "--verify", "4", "--top-k", "6", "--sample", "16"
    )
    assert "95% sure" in out
    assert status == 0, err
    assert "measured" in out
    assert "beyond linear" in out
    assert "rest" in out
    status, out, err = cli("patch", source, PROMPT, "--corrupted", OTHER, "--target", "a")
    assert status == 0, err
    assert "share restored by resid_pre" in " ".join(out.split())
    status, out, err = cli("patch", source, PROMPT, "--corrupted", "The dogs sat on")
    assert status == 2
    assert "tokens and the corrupted one" in " ".join(err.split())


def test_what_is_too_large_or_wrong_names_its_field(app):
    for path, body, field in [
        ("/api/attribute", {"verify": 2000}, "verify"),
        ("/api/attribute", {"target": "no such token"}, "target"),
        ("/api/attribute", {"layers": [9]}, "layers"),
        ("/api/attribute", {"references": [OTHER]}, "against"),
        ("/api/attribute", {"references": ["a"], "against": "prompt"}, "references"),
        ("/api/attribute", {"references": ["x" * 300_000], "against": "mean"}, "references[0]"),
        ("/api/attribute", {"sample": 5}, "sample"),
        ("/api/patch", {"corrupted": "The"}, "corrupted"),
        ("/api/patch", {"corrupted": "x" * 300_000}, "corrupted"),
        ("/api/patch", {}, "corrupted"),
        ("/api/patch", {"corrupted": OTHER, "target": 5, "distractor": 5}, "distractor"),
        ("/api/patch/path", {"corrupted": OTHER, "senders": [], "receivers": ["L1.H0"]}, "senders"),
        ("/api/patch/path", PATHS | {"receivers": ["L0.H1"] * 20_001}, "receivers"),
        ("/api/patch/path", PATHS | {"senders": ["L9.H1"]}, "senders"),
        ("/api/patch/path", PATHS | {"corrupted": "The"}, "corrupted"),
        ("/api/patch/pairs", {}, "pairs"),
        ("/api/patch/pairs", {"pairs": PAIRS, "template": "ioi"}, "pairs"),
        ("/api/patch/pairs", {"template": "none"}, "template"),
        ("/api/patch/pairs", {"pairs": [PAIRS[0] | {"clean": ""}]}, "pairs[0].clean"),
        ("/api/patch/pairs", {"pairs": [PAIRS[0] | {"clean": "x" * 300_000}]}, "pairs[0].clean"),
    ]:
        prompt = {} if path.endswith("pairs") else {"prompt": PROMPT}
        answer = post(app, path, body | prompt)
        assert (answer.status, answer.error["field"]) == (400, field), answer.body
