"""A batch of prompts is each prompt run alone: padding touches no number."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.lens.grid import logit_lens
from unembed.errors import InputError, PromptError, TargetError

from .slow import PROMPT

TEXTS = ["the cat", "a much longer sentence of more tokens", "x"]
IDS = [list(PROMPT), [5, 6, 7], [9]]
FAMILIES = ["gpt2", "llama", "gemma3", "gptj", "bert", "albert"]


def assert_equal(found, wanted):
    assert found.prompt_ids == wanted.prompt_ids
    assert found.rows == wanted.rows
    assert found.tokens == wanted.tokens
    for name, array in wanted.arrays().items():
        assert array.numpy().tobytes() == found.arrays()[name].numpy().tobytes(), name


@pytest.mark.parametrize("decoder", ["final_norm", "last_block"])
@pytest.mark.parametrize("batch", [TEXTS, tuple(TEXTS), IDS, [torch.tensor(ids) for ids in IDS]])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_prompt_of_a_batch_is_as_if_alone(name, batch, decoder, model_of):
    model = model_of(name)
    options = {"top_k": 3, "positions": slice(-2, None), "subblocks": True, "decoder": decoder}
    found = logit_lens(model, batch, **options)
    assert isinstance(found, list)
    assert len(found) == len(batch)
    for one, prompt in zip(found, batch, strict=True):
        assert_equal(one, logit_lens(model, prompt, **options))


def test_the_rows_of_a_tensor_are_a_batch_unless_there_is_one(model_of):
    model = model_of("gpt2")
    ids = torch.tensor([PROMPT, PROMPT[::-1]])
    found = logit_lens(model, ids)
    assert [one.prompt_ids for one in found] == [PROMPT, PROMPT[::-1]]
    assert_equal(found[0], logit_lens(model, ids[:1]))
    assert_equal(found[0], logit_lens(model, ids[0]))


def test_a_batch_of_one_text_is_a_list_of_one(model_of):
    found = logit_lens(model_of("gpt2"), ["the cat"])
    assert_equal(found[0], logit_lens(model_of("gpt2"), "the cat"))
    assert len(found) == 1


def test_edits_act_in_every_prompt_of_a_batch(model_of):
    model, edits = model_of("gpt2"), [ue.zero("L1.mlp")]
    for one, text in zip(logit_lens(model, TEXTS, edits=edits), TEXTS, strict=True):
        assert_equal(one, logit_lens(model, text, edits=edits))


@pytest.mark.parametrize(
    "batch, field",
    [
        (["the cat", ""], "prompt[1]"),
        ([[5], [5, 128]], "prompt[1][1]"),
        ([[5], []], "prompt[1]"),
        ([[5], None], "prompt[1]"),
        (["the cat", 5], "prompt[1]"),
        ([[[5]]], "prompt[0][0]"),
        (torch.zeros(2, 2, 2, dtype=torch.long), "prompt[0]"),
        (torch.zeros(2, 0, dtype=torch.long), "prompt[0]"),
        (torch.zeros(2, 2), "prompt[0]"),
        ([], "prompt"),
    ],
)
def test_a_bad_prompt_is_named_and_nothing_is_run(batch, field, model_of, monkeypatch):
    model = model_of("gpt2")
    monkeypatch.setattr(type(model), "run", lambda *args, **kwargs: pytest.fail("it ran"))
    with pytest.raises(PromptError) as caught:
        logit_lens(model, batch)
    assert caught.value.field == field


def test_a_position_that_one_prompt_does_not_have_is_refused_before_any_run(model_of, monkeypatch):
    model = model_of("gpt2")
    monkeypatch.setattr(type(model), "run", lambda *args, **kwargs: pytest.fail("it ran"))
    with pytest.raises(TargetError, match="position 2") as caught:
        logit_lens(model, [[5, 6, 7], [9]], positions=2)
    assert isinstance(caught.value, InputError)


def test_progress_goes_through_the_whole_batch(model_of):
    seen = []
    logit_lens(model_of("gpt2"), TEXTS, progress=lambda *step: seen.append(step))
    prompts = list(dict.fromkeys(stage.partition(":")[0] for stage, _, _ in seen))
    assert prompts == [f"prompt {order} of 3" for order in (1, 2, 3)]
    projecting = [done / total for stage, done, total in seen if stage.endswith("projecting")]
    assert projecting == sorted(projecting)
    assert projecting[-1] == 1
