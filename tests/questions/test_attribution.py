"""Attribution and patching grids, put in Python, on the command line and over HTTP."""

from __future__ import annotations

from typing import Any

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
            "bound": answer[side]["bound"]["largest"],
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
                "bound": result.bound.largest,
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
ATTRIBUTE |= {"against": "prompt", "references": [OTHER], "sample": 16}
PATCH = {
    "prompt": PROMPT,
    "corrupted": OTHER,
    "site": "heads",
    "target": 40,
    "distractor": "a",
    "layers": [1, 2],
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
            *("--sample", "16", "--json"),
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
}


def test_attribution_is_the_same_in_all_three(put):
    for edited in (False, True):
        put("attribute", FACES["attribute"], edited=edited)


def test_a_grid_is_the_same_in_all_three(put):
    put("patch", FACES["patch"], edited=False)


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
    ]:
        answer = post(app, path, body | {"prompt": PROMPT})
        assert (answer.status, answer.error["field"]) == (400, field), answer.body
