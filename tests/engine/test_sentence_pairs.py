"""Two texts as one prompt: token types reach the model, segments say which text a token is of."""

from __future__ import annotations

import pytest
import torch
from transformers import BertForSequenceClassification

import unembed as ue
from unembed.engine.passes.forward import Request, run_rows
from unembed.errors import InputError, PromptError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..contract.closeness import TOLERANCE, assert_close
from .paired import FIRST, SECOND, bert, bert_tokenizer, roberta, roberta_tokenizer

PAIR = ue.SentencePair(FIRST, SECOND)


@pytest.fixture(scope="module")
def model():
    return bert()


def own_logits(dtype=torch.float32, **changed):
    """transformers' own, on a module of its own."""
    encoded = bert_tokenizer()(FIRST, SECOND, return_tensors="pt")
    with torch.no_grad():
        return tiny_model("bert", dtype=dtype)(**dict(encoded) | changed).logits[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_pair_is_what_transformers_makes_of_it(dtype):
    run = bert(dtype).run(FIRST, pair=SECOND)
    assert torch.equal(run.logits, own_logits(dtype))
    encoded = bert_tokenizer()(FIRST, SECOND)
    assert list(run.ids) == encoded["input_ids"]
    assert list(run.segments) == encoded["token_type_ids"]
    without = own_logits(dtype, token_type_ids=torch.zeros(1, len(run.ids), dtype=torch.long))
    assert (run.logits - without).abs().max() > 0.01, "the types tell"


def test_labels_of_a_pair_are_those_of_the_classifier():
    config = tiny_model("bert").config
    config.num_labels = 3
    torch.manual_seed(0)
    module = BertForSequenceClassification(config).eval()
    run = ue.load(module, tokenizer=bert_tokenizer()).run(FIRST, pair=SECOND)
    with torch.no_grad():
        own = module(**bert_tokenizer()(FIRST, SECOND, return_tensors="pt")).logits[0]
    assert torch.equal(run.label_scores, own)


def test_what_the_tokenizer_returns_is_the_same_pair(model):
    given = model.run(PAIR)
    for tensors in (None, "pt"):
        encoded = bert_tokenizer()(FIRST, SECOND, return_tensors=tensors)
        run = model.run(encoded)
        assert run.segments == given.segments
        assert torch.equal(run.logits, given.logits)
    padded = bert_tokenizer()(FIRST, SECOND, padding="max_length", max_length=30)
    assert model.run(padded).segments == given.segments
    assert model.run(dict(bert_tokenizer()(FIRST, SECOND))).segments == given.segments


def test_one_text_has_no_segments(model):
    assert model.run(FIRST).segments == ()
    assert model.run(bert_tokenizer()(FIRST)).segments == ()


def test_a_tokenizer_without_types_says_the_segments_all_the_same():
    model = roberta()
    run = model.run("the cat", pair="a dog")
    encoded = roberta_tokenizer()("the cat", "a dog", return_tensors="pt")
    with torch.no_grad():
        own = tiny_model("roberta")(**encoded).logits[0]
    assert torch.equal(run.logits, own)
    second = len(run.ids) - len(model.tokenizer("a dog", add_special_tokens=False).input_ids) - 1
    assert run.segments == tuple(int(at >= second) for at in range(len(run.ids)))
    assert model.run(model.tokenizer("the cat", "a dog")).segments == run.segments


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_ragged_pairs_in_a_batch_agree_with_each_alone(dtype):
    model = bert(dtype)
    prompts = [PAIR, FIRST, ue.SentencePair("a dog ran", "it hid where ?"), SECOND]
    swept = ue.sweep(model, prompts, logits="all")
    for prompt, run in zip(prompts, swept, strict=True):
        alone = model.run(prompt)
        assert run.segments == alone.segments
        assert_close(run.logits, alone.logits, TOLERANCE[dtype])


def test_a_sweep_of_edits_starts_from_the_pair(model):
    edits = [[], [ue.zero("L2.H1")], [ue.zero("L1.attn", positions=[2])]]
    for row, run in zip(edits, ue.sweep(model, PAIR, edits, logits="all"), strict=True):
        assert_close(run.logits, model.run(PAIR, edits=row).logits, 1e-5)


def test_two_texts_and_one_of_the_same_tokens_are_never_taken_for_each_other(model):
    pair = model.run(PAIR)
    one = model.run(list(pair.ids))
    assert pair.ids == one.ids
    assert pair.key != one.key
    assert pair.local_key != one.local_key
    assert not torch.equal(pair.logits, one.logits)
    batch = run_rows(model, [Request(pair.ids), Request(pair.ids, segments=pair.segments)])
    assert_close(batch[1].logits, pair.logits, 1e-5)
    assert_close(batch[0].logits, one.logits, 1e-5)


def test_analyses_read_the_pair(model):
    run = model.run(PAIR)
    lens = ue.logit_lens(model, PAIR)
    assert torch.equal(lens.top_logits[-1], run.logits.topk(lens.top_logits.shape[-1]).values)
    found = ue.predictions(model, PAIR, position=3, edits=[ue.zero("L0.H1")])
    edited = model.run(PAIR, edits=[ue.zero("L0.H1")])
    assert found.edited.next_token.top[0].probability == pytest.approx(
        edited.top(1, 3)[0].probability
    )
    lenses = ue.logit_lens(model, [PAIR, FIRST])
    assert torch.equal(lenses[0].top_logits, lens.top_logits)


def test_attribution_and_patching_read_the_pair(model):
    run, target = model.run(PAIR), model.token_id("dog")
    found = ue.attribute(model, PAIR, target, position=3)
    assert found.value == pytest.approx(float(run.logits[3, target]), abs=1e-5)
    other = ue.SentencePair(FIRST, "where was the cats ?")
    grid = ue.patch_grid(model, PAIR, other, target, position=3)
    assert grid.clean == pytest.approx(found.value, abs=1e-5)
    corrupted = model.run(other)
    assert grid.corrupted == pytest.approx(float(corrupted.logits[3, target]), abs=1e-5)
    edit = ue.patch("L1.resid_pre", model.run(PAIR, ["L1.resid_pre"]), positions=[9])
    wanted = model.run(other, edits=[edit]).logits[3, target]
    row = grid.layers.index(1)
    site = grid.values[row, grid.columns_at.index(9)]
    assert grid.site == "resid_pre", "of the edit above"
    assert float(site) == pytest.approx(float(wanted), abs=1e-5)


def test_partial_forward_gives_the_types_to_the_model(model):
    encoded = bert_tokenizer()(FIRST, SECOND)
    found = ue.partial_forward(model, ["L1.resid_post"], dict(encoded))["L1.resid_post"]
    wanted = model.run(PAIR, ["L1.resid_post"])["L1.resid_post"]
    assert torch.equal(found.reshape(wanted.shape), wanted)


def test_attention_between_two_texts_and_within_each(model):
    capture = ue.attention_capture(model, [1])
    run = model.run(PAIR, capture)
    whole = ue.attention(run, [1])
    within, across = (ue.attention(run, [1], between=one) for one in ("within", "across"))
    assert torch.equal(within.values + across.values, whole.values)
    assert whole.segments == within.segments == run.segments
    for query, own in enumerate(run.segments):
        for key, other in enumerate(run.segments):
            there, gone = (within, across) if own == other else (across, within)
            assert torch.equal(there.values[:, query, key], whole.values[:, query, key])
            assert not gone.values[:, query, key].any()
    queries = ue.attention(run, [1], between="across", queries=[-1, 2])
    assert torch.equal(queries.values, across.values[:, [2, len(run.ids) - 1]])
    ours = ue.attention(run, [1], between="across", special="renormalised")
    plain = torch.tensor([not token.special for token in run.tokens])
    kept = across.values * plain * plain[:, None]
    wanted = torch.nan_to_num(kept / kept.sum(-1, keepdim=True))
    torch.testing.assert_close(ours.values, wanted)


def test_between_is_refused_for_one_text(model):
    run = model.run(FIRST, ue.attention_capture(model, [1]))
    with pytest.raises(InputError, match="this prompt is one text") as caught:
        ue.attention(run, [1], between="across")
    assert caught.value.field == "between"


@pytest.mark.parametrize(
    ("family", "tokenizer", "said"),
    [
        ("gpt2", tiny_tokenizer(), "encoders such as BERT"),
        ("bert", None, "without a tokenizer"),
        ("distilbert", tiny_tokenizer(), "puts nothing between two texts"),
    ],
)
def test_models_without_a_pair_form_say_so(family, tokenizer, said):
    model = ue.load(tiny_model(family), tokenizer=tokenizer)
    with pytest.raises(PromptError, match=said) as caught:
        model.run("the cat", pair="a dog")
    assert caught.value.field == "pair"
    assert said in (model.capabilities()["pairs"].reason or "")


def test_encoder_decoders_take_no_pairs():
    from ..contract.encoder_decoders import SOURCE, build

    model = ue.load(build("t5"), tokenizer=tiny_tokenizer())
    with pytest.raises(PromptError, match="takes no sentence pairs"):
        model.run(ue.SentencePair("a", "b"))
    with pytest.raises(PromptError, match="takes no sentence pairs"):
        model.run("a", source=SOURCE, pair="b")


@pytest.mark.parametrize(
    ("first", "second", "field"),
    [([5, 6], "a dog", "prompt"), ("the cat", "", "pair"), ("", "a dog", "prompt")],
)
def test_both_must_be_texts(model, first, second, field):
    with pytest.raises(PromptError) as caught:
        model.run(first, pair=second)
    assert caught.value.field == field


def test_types_that_the_model_has_not_are_refused(model):
    encoded = dict(bert_tokenizer()(FIRST, SECOND))
    with pytest.raises(PromptError, match="token_type_ids"):
        model.run(encoded | {"token_type_ids": [2] * len(encoded["input_ids"])})
    with pytest.raises(PromptError, match="token_type_ids"):
        model.run(encoded | {"token_type_ids": [1]})


def test_a_pair_that_is_too_long_is_refused(model):
    with pytest.raises(PromptError, match="at most 64"):
        model.run("the cat " * 20, pair="a dog " * 20)
