"""Patches that take a mean over another run, or what is drawn from it, against plain hooks."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.engine.editing.drawing import draw
from unembed.errors import UnembedError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..contract.oracle import Oracle

PROMPT = (1, 59, 109, 118, 72, 87, 80)
OTHER = (1, 4, 91, 87, 5, 60, 12, 33, 9)  # of another length
NAMES = ("gpt2", "llama", "gemma3", "bert", "falcon")
PLACES = [
    ("L1.resid_post", "L1.resid_post", ...),
    ("L1.mlp", "L1.mlp_out", ...),
    ("L0.H2", "L0.z", (slice(None), 2)),
    ("L1.N5", "L1.mlp_post", (slice(None), 5)),
]


@pytest.fixture(scope="module", params=NAMES)
def both(request):
    return Oracle(request.param, torch.float64), ue.load(
        tiny_model(request.param, dtype=torch.float64)
    )


@pytest.mark.parametrize(("target", "site", "part"), PLACES, ids=lambda one: str(one)[:14])
def test_a_mean_and_a_draw_take_the_place_of_what_is_there(both, target, site, part):
    oracle, model = both
    there = oracle.run(OTHER)[site][part]
    other = model.run(OTHER, [site], logits="none")
    rows = draw(len(PROMPT), [len(OTHER)], 5)
    cases = [
        ({"take": "mean"}, there.mean(0), range(len(PROMPT))),
        ({"take": "mean", "source_positions": [2, -1]}, there[[2, -1]].mean(0), [3]),
        ({"take": "drawn", "seed": 5}, there[rows], range(len(PROMPT))),
        ({"take": "drawn", "seed": 5}, there[[rows[4], rows[6]]], [4, 6]),
    ]
    for given, value, at in cases:
        places = list(at)

        def change(seen, value=value, places=places):
            seen[part][places] = value.to(seen.dtype)
            return seen

        everywhere = len(places) == len(PROMPT)
        edit = ue.patch(target, other, positions=None if everywhere else places, **given)
        found = model.run(PROMPT, edits=[edit]).logits
        torch.testing.assert_close(
            found, oracle.run(PROMPT, {site: change})["logits"].to(found), atol=1e-9, rtol=1e-9
        )


def test_it_is_what_attribution_measures():
    """Mean ablation, and a draw, of heads over the prompt itself."""
    model = ue.load(tiny_model("gpt2", dtype=torch.float64), tiny_tokenizer())
    prompt, objective = "the cat sat on the mat", ue.Objective.logit(3)
    for against, take in (("mean", "mean"), ("resample", "drawn")):
        references = [] if against == "mean" else [prompt]
        given = {"references": references} if references else {}
        found = ue.attribute(
            model,
            prompt,
            objective,
            against=against,
            verify=3,
            kinds=["head"],
            pairs=False,
            **given,
        )
        run = model.run(prompt, ["z"])
        plain = float(run.logits[-1, 3])
        for row in found.rows[:3]:
            edit = ue.patch(row.name.partition("@")[0], run, positions=[row.position], take=take)
            lost = plain - float(model.run(prompt, edits=[edit]).logits[-1, 3])
            assert row.measured == pytest.approx(lost, abs=1e-9), (against, row.name)


def test_a_mean_is_exact_in_half_precision():
    """It is taken in float32: in half a sum of large numbers overflows."""
    model = ue.load(tiny_model("gpt2", dtype=torch.float16))
    run = model.run(PROMPT, ["L1.mlp_out"])
    large = ue.patch("L0.resid_post", model.run(PROMPT, ["L0.resid_post"]), take="mean")
    assert torch.isfinite(model.run(PROMPT, ["L1.mlp_out"], [large])["L1.mlp_out"]).all()
    edit = ue.patch("L1.mlp", run, take="mean")
    found = model.run(PROMPT, ["L1.mlp_out"], [edit])["L1.mlp_out"]
    wanted = run["L1.mlp_out"].double().mean(0).half()
    torch.testing.assert_close(found, wanted.expand_as(found), rtol=1e-3, atol=1e-4)


def test_runs_of_different_takes_are_different():
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    run = model.run("the cat sat", ["L1.mlp_out"])
    edits = [
        ue.patch("L1.mlp", run),
        ue.patch("L1.mlp", run, take="mean"),
        ue.patch("L1.mlp", run, take="drawn"),
        ue.patch("L1.mlp", run, take="drawn", seed=1),
    ]
    assert len({edit.key for edit in edits}) == 4


def test_what_cannot_be_taken_is_refused():
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    run = model.run("the cat sat", ["L1.pattern", "L1.z"])
    for make, field in [
        (lambda: ue.patch("L1.H1", run, take="median"), "take"),
        (lambda: ue.patch("L1.H1", run, take="drawn", source_positions=[1]), "source_positions"),
        (
            lambda: model.run("the cat", edits=[ue.patch("L1.pattern", run, take="mean")]),
            "edits[0].take",
        ),
        (
            lambda: model.run("the cat", edits=[ue.patch("L1.H1@1<0", run, take="drawn")]),
            "edits[0].take",
        ),
        (
            lambda: model.run(
                "the cat", edits=[ue.patch("L1.H1", run, take="mean", source_positions=[90])]
            ),
            "edits[0].source_positions",
        ),
        (
            lambda: model.run(
                "the cat", edits=[ue.patch("L1.H1", model.run("a", ["L1.z"]), take="drawn")]
            ),
            "edits[0].source",
        ),
    ]:
        with pytest.raises(UnembedError) as caught:
            make()
        assert caught.value.field == field


def test_a_mean_stands_at_new_tokens_too():
    """As any edit without positions: of the whole text that is there when each is predicted."""
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    run = model.run("the cat sat", ["L1.mlp_out", "L1.z", "L1.mlp_post"])
    whole = run["L1.mlp_out"].mean(0), run["L1.z"][:, 2].mean(0), run["L1.mlp_post"][:, 5].mean()
    for target, value in zip(("L1.mlp", "L1.H2", "L1.N5"), whole, strict=True):
        edit = ue.patch(target, run, take="mean")
        found = model.generate("the cat", 6, [edit])
        assert found.text == model.generate("the cat", 6, [ue.set_to(target, value)]).text
    edits = [ue.patch("L1.z", run, take="mean"), ue.set_to("L1.z", run["L1.z"].mean(0))]
    torch.testing.assert_close(*(model.run("a cat sat", edits=[one]).logits for one in edits))
