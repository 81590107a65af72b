"""The lens, put in Python, on the command line and over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from safetensors.torch import load

import unembed as ue
from unembed.analyses.lens.grid import compare_lenses
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.lens.plan import plan_lens
from unembed.engine.model import Model

from .faces import PROMPT, Face, Numbers


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


LENS = {"layer_step": 2, "top_k": 3, "target": 72}
FACES = {
    "lens": Face(
        "/api/lens",
        LENS,
        _python_lens,
        _lens_arrays,
        lambda: ["lens", PROMPT, "--layer-step", "2", "-k", "3", "--target", "#72", "--json"],
        _lens_printed,
    ),
}


@pytest.mark.parametrize("edited", [False, True], ids=["baseline", "edited"])
@pytest.mark.parametrize("name", FACES)
def test_the_three_faces_give_the_same_numbers(name, edited, put):
    put(name, FACES[name], edited=edited)
