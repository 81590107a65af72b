"""Which token is scored at each position, and how far each row is from the last."""

from __future__ import annotations

import pytest
import torch

from unembed.analyses.lens.grid import compare_lenses, logit_lens
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.lens.plan import plan_lens
from unembed.errors import CapabilityError, InputError, TargetError
from unembed.models.tiny import FAMILIES, MASK

from ..contract.wiring import REPRESENTATIVES
from .slow import PROMPT, TOLERANCE, assert_lens, assert_rank, divergence

DTYPES = (torch.float64,)  # float32: see tests/contract
MASKED = ("bert", "roberta", "distilbert", "albert", "electra", "modernbert")


def test_all_masked_families_are_here():
    assert set(MASKED) <= set(FAMILIES)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", [name for name in REPRESENTATIVES if not name.startswith(MASKED)])
def test_following_the_next_token_scores_it_at_every_position_but_the_last(
    name, dtype, model_of, slow_of
):
    found = logit_lens(model_of(name, dtype), PROMPT, top_k=3, follow="next")
    logits = slow_of(name, dtype).rows(found.rows)
    assert found.target_ids.tolist() == [*PROMPT[1:], -1]
    ids = torch.tensor(PROMPT[1:]).expand(len(found.rows), -1)
    known = logits[:, :-1]
    assert_rank(found.rank[:, :-1], ids, known, TOLERANCE[dtype])
    for array, wanted in ((found.logit, known), (found.probability, known.softmax(-1))):
        chosen = wanted.gather(-1, ids[..., None])[..., 0]
        torch.testing.assert_close(
            array[:, :-1].double(), chosen, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
        )
        assert array[:, -1].isnan().all()
    assert not found.rank[:, -1].any()
    assert found.kl[:, -1].isfinite().all()


@pytest.mark.parametrize("name", ["gpt2", *MASKED])
def test_following_the_input_scores_the_token_at_the_position_itself(name, model_of, slow_of):
    found = logit_lens(model_of(name, torch.float64), PROMPT, top_k=3, follow="input")
    logits = slow_of(name, torch.float64).rows(found.rows)
    assert_lens(found, logits, torch.tensor(PROMPT), 1e-10)


@pytest.mark.parametrize("follow", ["final", "next", "input"])
def test_the_prompts_own_next_tokens_are_always_said(follow, model_of):
    found = logit_lens(model_of("gpt2"), PROMPT, follow=follow, positions=[0, 4, -1])
    assert found.next_ids.tolist() == [PROMPT[1], PROMPT[5], -1]
    assert found.token(PROMPT[5]).id == PROMPT[5]


@pytest.mark.parametrize("name", MASKED)
def test_a_masked_prompt_is_read_at_masked_and_ordinary_positions(name, model_of):
    model = model_of(name)
    prompt = [*PROMPT[:4], MASK, *PROMPT[5:]]
    found = logit_lens(model, prompt, top_k=3)
    with torch.no_grad():
        logits = model.module(torch.tensor([prompt])).logits[0].double()
    for position in (4, 5):
        assert found.tokens[position].id == prompt[position]
        best = logits[position].softmax(-1).max()
        assert float(found.probability[-1, position]) == pytest.approx(float(best), abs=2e-5)
        assert int(found.rank[-1, position]) == 1
    assert set(found.next_ids.tolist()) == {-1}


@pytest.mark.parametrize("name", MASKED)
def test_a_masked_model_has_no_next_token_to_follow(name, model_of):
    with pytest.raises(CapabilityError, match="masked model") as caught:
        logit_lens(model_of(name), PROMPT, follow="next")
    assert caught.value.field == "follow"
    assert 'follow="input"' in caught.value.fix


def test_a_target_and_something_else_to_follow_are_refused(model_of):
    with pytest.raises(InputError, match="both say which token") as caught:
        logit_lens(model_of("gpt2"), PROMPT, target=3, follow="next")
    assert caught.value.field == "follow"


@pytest.mark.parametrize("follow", ["", "last", None, 1, ["final"]])
def test_following_something_else_is_refused(follow, model_of):
    with pytest.raises(InputError, match='"final", "next", "input"') as caught:
        logit_lens(model_of("gpt2"), PROMPT, follow=follow)
    assert caught.value.field == "follow"


def test_a_target_that_does_not_exist_is_refused_before_the_run(model_of, monkeypatch):
    model = model_of("gpt2")
    monkeypatch.setattr(type(model), "run", lambda *args, **kwargs: pytest.fail("it ran"))
    with pytest.raises(TargetError):
        logit_lens(model, PROMPT, target=128)


def test_a_prompt_of_one_token_has_no_next_one(model_of):
    found = logit_lens(model_of("gpt2"), [5], follow="next")
    assert found.next_ids.tolist() == [-1]
    assert found.probability.isnan().all()
    assert not found.rank.any()


# ---------------------------------------------------------------- divergence with a floor


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("name", "floor"),
    [
        *((name, 1 / 1280) for name in REPRESENTATIVES),
        *(("gemma2", floor) for floor in (1 / 128, 1e-9)),
    ],
)
def test_a_floor_clips_both_distributions(name, floor, dtype, model_of, slow_of):
    found = logit_lens(model_of(name, dtype), PROMPT, top_k=1, kl_floor=floor)
    logits = slow_of(name, dtype).rows(found.rows)
    wanted = divergence(logits[-1], logits, floor)
    torch.testing.assert_close(
        found.kl.double(), wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
    )
    assert not found.kl[-1].any()
    assert found.kl_floor == floor


def test_a_floor_changes_nothing_but_the_divergence(model_of):
    plain = logit_lens(model_of("gpt2"), PROMPT)
    floored = logit_lens(model_of("gpt2"), PROMPT, kl_floor=1 / 1280)
    for name, array in plain.arrays().items():
        assert torch.equal(floored.arrays()[name], array) == (name != "kl")


def test_a_floor_is_a_second_walk_and_progress_covers_it(model_of):
    seen = []
    logit_lens(model_of("gpt2"), PROMPT, kl_floor=1e-4, progress=lambda *step: seen.append(step))
    done = [done / total for stage, done, total in seen if stage == "projecting"]
    assert done == sorted(done)
    assert done[-1] == 1


def test_a_floor_holds_between_two_runs_too(model_of):
    model = model_of("gpt2", torch.float64)
    plan = plan_lens(model, len(PROMPT), LensOptions(kl_floor=1 / 128))
    run = model.run(PROMPT, plan.capture)
    assert not compare_lenses(run, run, plan).kl_between.any()


@pytest.mark.parametrize("floor", [0, 0.0, -1e-3, 0.5, 1, float("nan"), float("inf"), "1e-5", True])
def test_a_floor_that_is_none_is_refused(floor, model_of):
    with pytest.raises(InputError, match=r"at most 0\.00781") as caught:
        logit_lens(model_of("gpt2"), PROMPT, kl_floor=floor)
    assert caught.value.field == "kl_floor"
