"""Means and draws as edits: the same over HTTP and on the command line as in Python."""

from __future__ import annotations

import json

import pytest

import unembed as ue

from ..server.asgi import post
from .faces import PROMPT

TEXT = "The mat sat on a cat"


@pytest.mark.parametrize(
    ("source_of", "typed", "given"),
    [
        ({"take": "mean"}, "take=mean", {"take": "mean"}),
        (
            {"take": "mean", "positions": [1, 2]},
            "from=1,2 take=mean",
            {"take": "mean", "source_positions": [1, 2]},
        ),
        ({"take": "drawn", "seed": 4}, "take=drawn seed=4", {"take": "drawn", "seed": 4}),
    ],
    ids=["mean", "mean of some", "drawn"],
)
def test_the_three_faces_agree(source_of, typed, given, model, app, cli, source):
    other = model.run(TEXT, ["L1.z"])
    edit = ue.patch("L1.H2", other, **given)
    wanted = json.loads(ue.predictions(model, PROMPT, edits=[edit]).to_json())
    assert wanted["kl"] > 0
    body = {
        "target": "L1.H2",
        "operation": "patch",
        "source": {"prompt": TEXT, **source_of},
    }
    answer = post(app, "/api/predictions", {"prompt": PROMPT, "edits": [body]})
    assert answer.status == 200, answer.body
    status, out, err = cli("run", source, PROMPT, "--json", "--edit", f"patch L1.H2 {typed} {TEXT}")
    assert status == 0, err
    for said in (answer.json(), json.loads(out)):
        assert said["kl"] == pytest.approx(wanted["kl"], rel=1e-5)


def test_what_is_typed_wrong_is_said(cli, source):
    for typed, said in [
        ("patch L1.H2 take=median Hi", "take"),
        ("patch L1.H2 take=drawn seed=x Hi", "seed"),
        ("zero L1.H2 take=mean", "take= has no meaning"),
    ]:
        status, _, err = cli("run", source, PROMPT, "--edit", typed)
        assert status == 2
        assert said in " ".join(err.split())
