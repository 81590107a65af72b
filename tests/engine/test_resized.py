"""Models whose embedding was resized: fewer or more rows than the tokenizer has tokens."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.errors import PromptError, TargetError
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = [5, 9, 13, 22]
FAMILIES = ("gpt2", "llama", "bert")  # tied; apart; a head with a transform and a bias of its own


def resized(family: str, size: int):
    module = tiny_model(family)
    torch.manual_seed(0)
    module.resize_token_embeddings(size, mean_resizing=False)
    return module.eval()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [100, 128, 131, 192])
def test_every_row_is_a_token_whatever_the_tokenizer_has(family, size):
    module = resized(family, size)
    model = ue.load(module, tiny_tokenizer())
    run = model.run(PROMPT)
    with torch.no_grad():
        assert torch.equal(run.logits, module(torch.tensor([PROMPT])).logits[0])
    assert model.vocab_size == size
    assert float(run.distribution().sum()) == pytest.approx(1, abs=1e-5)
    assert len(run.top(size)) == size
    lens = ue.logit_lens(model, PROMPT, top_k=size)
    assert lens.top_ids.max() == size - 1
    last = model.run([*PROMPT, size - 1])  # the last row is a token that a prompt may have
    assert last.tokens[-1].id == size - 1
    with pytest.raises(PromptError, match=f"0-{size - 1}"):
        model.run([size])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_beyond_the_tokenizer_is_shown_by_its_number(family):
    model = ue.load(resized(family, 192), tiny_tokenizer())
    assert model.token(150).label == "⟨150⟩"
    found = ue.predictions(model, PROMPT, target=150)
    assert found.baseline.next_token.target.probability > 0
    assert model.generate([*PROMPT], 3).new_ids if model.kind == "causal" else True


@pytest.mark.parametrize("family", FAMILIES)
def test_an_added_token_is_one_that_a_prompt_and_a_target_name(tmp_path, family):
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<tool>", "naïve"])
    module = resized(family, len(tokenizer))
    module.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = ue.load(tmp_path)
    assert model.vocab_size == 130
    assert model.tokenize("a<tool>naïve")[-2:] == (128, 129)
    assert [model.token(one).text for one in (128, 129)] == ["<tool>", "naïve"]
    assert model.token_id("<tool>") == 128
    assert ue.predictions(model, "a<tool>", target="<tool>").baseline.next_token.target.rank >= 1


def test_a_token_without_a_row_is_refused_in_prompts_and_targets():
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<tool>"])
    model = ue.load(tiny_model("gpt2"), tokenizer)
    with pytest.raises(PromptError, match="token 1 of the prompt is 128"):
        model.run("a<tool>")
    with pytest.raises(TargetError, match="128"):
        model.token_id("<tool>")
    small = ue.load(resized("llama", 100), tiny_tokenizer())
    with pytest.raises(PromptError, match="0-99"):
        small.run("~ they} the")
