"""Masked tokens: the model gets its mask token there, the run keeps the prompt's."""

from __future__ import annotations

import pytest
import torch
from transformers import pipeline

import unembed as ue
from unembed.errors import CapabilityError, EditError, TargetError
from unembed.models.tiny import FAMILIES, is_masked, tiny_model, tiny_tokenizer

from ..contract.closeness import TOLERANCE, assert_close
from .paired import FIRST, SECOND, bert, bert_tokenizer

MASKED = [name for name in FAMILIES if is_masked(name)]
PROMPT = (1, 59, 109, 118, 72, 87, 80, 91, 121, 4)
SITES = ("embed", "L0.pattern", "L1.resid_post", "final_norm")


def replaced(model, ids, places):
    token = model.tokenizer.mask_token_id
    return [token if at in places else own for at, own in enumerate(ids)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", MASKED)
def test_masking_is_running_the_masked_ids(name, dtype, model_of):
    if dtype == torch.float64 and name not in ("bert", "modernbert"):
        return
    model = model_of(name, dtype)
    run = model.run(PROMPT, SITES, [ue.mask([3, -2])])
    wanted = model.run(replaced(model, PROMPT, (3, 8)), SITES)
    assert torch.equal(run.logits, wanted.logits)
    for site in SITES:
        assert torch.equal(run[site], wanted[site])
    with torch.no_grad():
        own = tiny_model(name, dtype=dtype)(torch.tensor([wanted.ids])).logits[0]
    assert torch.equal(run.logits, own)


def test_the_tokens_of_the_prompt_stay(model_of):
    model = model_of("bert")
    run = model.run(PROMPT, edits=[ue.mask([3])])
    assert run.ids == PROMPT
    assert run.masked == (3,)
    assert [token.id for token in run.seen_tokens] == replaced(model, PROMPT, (3,))
    lens = ue.logit_lens(model, PROMPT, edits=[ue.mask([3])], follow="input")
    assert lens.target_ids.tolist() == list(PROMPT), "what was masked is followed"


def test_masking_is_an_edit_like_others_and_comes_first(model_of):
    model = model_of("bert")
    edits = [ue.scale("embed", 2.0, positions=[3]), ue.mask(3), ue.zero("L1.H1")]
    run = model.run(PROMPT, edits=edits)
    wanted = model.run(replaced(model, PROMPT, (3,)), edits=[edits[0], edits[2]])
    assert torch.equal(run.logits, wanted.logits)
    assert run.edits == tuple(edits)
    assert run.key != model.run(PROMPT, edits=[edits[0], edits[2]]).key
    assert ue.mask([3, 5]).words == "mask embed at 3, 5"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_each_token_masked_in_turn_in_one_sweep(dtype, model_of):
    model = model_of("bert", dtype)
    edits = [[ue.mask(at)] for at in range(len(PROMPT))] + [[ue.mask(2), ue.zero("L2.H1")], []]
    for row, run in zip(edits, ue.sweep(model, PROMPT, edits, logits="all"), strict=True):
        assert_close(run.logits, model.run(PROMPT, edits=row).logits, TOLERANCE[dtype])


def test_the_baseline_beside_the_masked_run(model_of):
    model = model_of("bert")
    found = ue.predictions(model, PROMPT, position=3, edits=[ue.mask(3)])
    masked = model.run(replaced(model, PROMPT, (3,)))
    assert found.baseline.next_token.top[0].probability == pytest.approx(
        model.run(PROMPT).top(1, 3)[0].probability
    )
    assert found.edited.next_token.top[0].probability == pytest.approx(
        masked.top(1, 3)[0].probability
    )


def test_scores_of_heads_see_the_mask(model_of):
    model = model_of("bert")
    capture = ue.heads_capture(model)
    ids = (1, 59, 109, 59, 109)
    masked = ue.head_scores(model.run(ids, capture, [ue.mask(3)]))
    wanted = ue.head_scores(model.run(replaced(model, ids, (3,)), capture))
    assert masked.scores == wanted.scores


def test_predictions_for_the_mask_are_those_of_fill_mask():
    model = bert()
    words = bert_tokenizer()(FIRST)["input_ids"]
    fill = pipeline("fill-mask", model=tiny_model("bert"), tokenizer=bert_tokenizer(), top_k=5)
    for at in (2, 5):
        text = " ".join(
            "[MASK]" if place == at else word
            for place, word in enumerate(bert_tokenizer().convert_ids_to_tokens(words))
            if 0 < place < len(words) - 1
        )
        run = model.run(FIRST, edits=[ue.mask(at)])
        for ours, theirs in zip(run.top(5, at), fill(text), strict=True):
            assert ours.token.id == theirs["token"]
            assert ours.probability == pytest.approx(theirs["score"], abs=1e-6)


def test_a_token_of_a_pair_is_masked_with_its_segment():
    model = bert()
    run = model.run(FIRST, pair=SECOND, edits=[ue.mask(-3)])
    encoded = bert_tokenizer()(FIRST, SECOND, return_tensors="pt")
    encoded["input_ids"][0, -3] = model.tokenizer.mask_token_id
    with torch.no_grad():
        own = tiny_model("bert")(**encoded).logits[0]
    assert torch.equal(run.logits, own)
    assert run.segments == tuple(encoded["token_type_ids"][0].tolist())


@pytest.mark.parametrize(
    ("family", "tokenizer", "said"),
    [
        ("gpt2", tiny_tokenizer(), "only masked models"),
        ("bert", None, "without a tokenizer that has a mask token"),
    ],
)
def test_models_without_a_mask_say_so(family, tokenizer, said):
    model = ue.load(tiny_model(family), tokenizer=tokenizer)
    with pytest.raises(CapabilityError, match=said) as caught:
        model.run(PROMPT, edits=[ue.zero("L0.H0"), ue.mask(3)])
    assert caught.value.field == "edits[1].operation"
    assert said in (model.capabilities()["mask"].reason or "")


def test_positions_that_there_are_not_are_refused(model_of):
    model = model_of("bert")
    with pytest.raises(TargetError, match="10"):
        model.run(PROMPT, edits=[ue.mask(10)])
    with pytest.raises(EditError, match="positions is empty"):
        ue.mask([])
