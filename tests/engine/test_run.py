"""Asking for a run and reading it."""

from __future__ import annotations

import threading

import pytest
import torch

import unembed as ue
from tests.engine.conftest import PROMPT
from unembed.errors import (
    CancelledError,
    CapabilityError,
    InputError,
    PromptError,
    TargetError,
    TooLargeError,
)
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.settings import Settings


def test_shapes_are_those_that_the_docs_promise(gemma):
    run = gemma.run(PROMPT, capture=["resid_post", "L0.q", "L0.k", "L0.z", "L0.pattern", "embed"])
    pos, parts = len(run.ids), gemma.anatomy
    assert run["L2.resid_post"].shape == (pos, parts.d_model)
    assert run["embed"].shape == (pos, parts.d_model)
    assert run["L0.q"].shape == run["L0.z"].shape == (pos, parts.n_heads, parts.d_head)
    assert run["L0.k"].shape == (pos, parts.n_kv_heads, parts.d_head)
    assert run["L0.pattern"].shape == (parts.n_heads, pos, pos)
    assert run["L0.H1"].shape == (pos, parts.d_head)
    assert run["L0.H1.pattern"].shape == (pos, pos)
    assert run["L0.H1@2"].shape == (parts.d_head,)
    assert run["L0.H1@2<1"].shape == ()
    assert run.logits.shape == (pos, gemma.vocab_size)
    assert sorted(run.captured) == sorted(
        ["embed", "L0.q", "L0.k", "L0.z", "L0.pattern", *(f"L{i}.resid_post" for i in range(3))]
    )


def test_a_prompt_is_text_ids_or_a_tensor(gpt2):
    text = gpt2.run(PROMPT)
    ids = gpt2.run(list(text.ids))
    tensor = gpt2.run(torch.tensor(text.ids))
    batch = gpt2.run(torch.tensor([text.ids]))
    assert all(torch.equal(text.logits, other.logits) for other in (ids, tensor, batch))


@pytest.mark.parametrize(
    "prompt",
    ["", [], torch.tensor([], dtype=torch.long), [1.5], [True], [-1], [10**9], ["a"],
     torch.tensor([0.5]), torch.zeros(2, 3, dtype=torch.long), "\ud800", "a " * 100],
)  # fmt: skip
def test_a_prompt_that_cannot_be_used_is_refused(gpt2, prompt):
    with pytest.raises(PromptError) as caught:
        gpt2.run(prompt)
    assert caught.value.field.startswith("prompt")
    assert caught.value.legal


def test_a_prompt_at_the_limit_works_and_one_token_more_does_not(gpt2):
    limit = gpt2.max_positions
    assert gpt2.run([5] * limit).logits.shape[0] == limit
    with pytest.raises(PromptError, match=f"has {limit + 1} tokens"):
        gpt2.run([5] * (limit + 1))


def test_a_prompt_of_special_tokens_only_works(gpt2):
    ids = gpt2.tokenizer.all_special_ids[:3]
    assert gpt2.run(ids).tokens[0].special
    assert torch.isfinite(gpt2.run(ids).logits).all()


@pytest.mark.parametrize("text", ["🙂👩‍👩‍👧", "שלום עולם", "مرحبا", " \n\t ", "a\u0000b"])
def test_unusual_text_works(gpt2, text):
    run = gpt2.run(text)
    assert all(token.label for token in run.tokens)


def test_top_is_sorted_and_a_distribution_sums_to_one(gpt2):
    run = gpt2.run(PROMPT)
    top = run.top(k=5, position=2)
    assert [t.probability for t in top] == sorted((t.probability for t in top), reverse=True)
    assert float(run.distribution(2).sum()) == pytest.approx(1, abs=1e-6)
    assert top[0].logit == float(run.logits[2].max())
    for k in (0, -1, True, 10**9, 1.5):
        with pytest.raises(InputError, match="must be between 1 and"):
            run.top(k=k)
    with pytest.raises(TargetError, match="position 99"):
        run.top(position=99)


def test_logits_of_the_last_position_alone(gpt2):
    whole, last = gpt2.run(PROMPT), gpt2.run(PROMPT, logits="last")
    assert last.logits.shape[0] == 1
    torch.testing.assert_close(last.logits[-1], whole.logits[-1])
    assert last.top(1)[0].token == whole.top(1)[0].token
    with pytest.raises(TargetError, match='logits="all"'):
        last.top(position=0)
    with pytest.raises(InputError, match="no logits"):
        gpt2.run(PROMPT, logits="none").top()
    with pytest.raises(InputError, match="must be"):
        gpt2.run(PROMPT, logits="some")


def test_what_was_not_captured_says_how_to_capture_it(gpt2):
    run = gpt2.run(PROMPT, capture=["L0.H1.pattern", "L2.pattern@3"])
    with pytest.raises(TargetError, match=r"run again with capture=\['L1.resid_post'\]"):
        run["L1.resid_post"]
    with pytest.raises(TargetError, match=r"only heads \[1\]"):
        run["L0.pattern"]
    with pytest.raises(TargetError, match=r"head 2 .* only \[1\]"):
        run["L0.H2.pattern"]
    with pytest.raises(TargetError, match=r"only positions \[3\]"):
        run["L2.H0.pattern"]
    assert run["L2.H0.pattern@3"].shape == (len(run.ids),)
    assert "L0.H1.pattern" in run
    assert "L0.z" not in run


@pytest.mark.parametrize("capture", [["L9.z"], ["L0.H9.pattern"], ["foo"], ["L0.H0.pattern@99"]])
def test_a_capture_that_does_not_exist_is_refused(gpt2, capture):
    with pytest.raises(TargetError) as caught:
        gpt2.run(PROMPT, capture=capture)
    assert caught.value.field == "capture[0]"


def test_a_capture_given_as_one_string_is_refused_with_the_fix(gpt2):
    with pytest.raises(InputError, match=r"write capture=\['resid_post'\]"):
        gpt2.run(PROMPT, capture="resid_post")


def test_a_site_that_the_model_lacks_gives_the_reason(gpt2):
    with pytest.raises(CapabilityError, match="no gate"):
        gpt2.run(PROMPT, capture=["mlp_gate"])
    parallel = ue.load(tiny_model("gptj"), tiny_tokenizer())
    with pytest.raises(CapabilityError, match="parallel"):
        parallel.run(PROMPT, capture=["resid_mid"])
    experts = ue.load(tiny_model("mixtral"), tiny_tokenizer())
    with pytest.raises(CapabilityError, match="mixture of experts"):
        experts.run(PROMPT, edits=[ue.zero("L0.N1")])
    assert not experts.capabilities()["neurons"].available
    assert experts.capabilities()["heads"].available


def test_a_run_can_stop_after_a_site(gpt2):
    layers = []
    run = gpt2.run(
        PROMPT,
        capture=["L0.resid_post"],
        stop_after="L0.resid_post",
        progress=lambda _stage, done, _total: layers.append(done),
    )
    assert layers == [0]
    assert run.logits is None
    assert torch.equal(run["L0.resid_post"], gpt2.run(PROMPT, ["L0.resid_post"])["L0.resid_post"])


def test_without_logits_the_pass_ends_at_the_last_capture(gpt2):
    layers = []
    gpt2.run(
        PROMPT,
        ["L1.mlp_out"],
        logits="none",
        progress=lambda _stage, done, _total: layers.append(done),
    )
    assert layers == [0, 1]


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo", "llama", "bert", "albert", "bloom"])
def test_a_run_can_start_from_a_cached_residual(family):
    model = ue.load(tiny_model(family), tiny_tokenizer())
    whole = model.run(PROMPT, ["resid_pre"])
    for layer in range(model.anatomy.n_layers):
        later = model.run(PROMPT, start=(layer, whole[f"L{layer}.resid_pre"]))
        assert torch.equal(later.logits, whole.logits)
    assert torch.equal(model.run(PROMPT).logits, whole.logits)


def test_a_residual_of_another_run_counts_from_the_first_layer_on(gpt2):
    other = gpt2.run(PROMPT, ["embed"], edits=[ue.scale("embed", -2.0)])
    run = gpt2.run(PROMPT, start=(0, other["embed"]))
    assert torch.equal(run.logits, other.logits)


def test_a_residual_of_the_wrong_shape_is_refused(gpt2):
    with pytest.raises(InputError, match="shape"):
        gpt2.run(PROMPT, start=(1, torch.zeros(2, 40)))
    with pytest.raises(TargetError, match="layer 7"):
        gpt2.run(PROMPT, start=(7, torch.zeros(2, 40)))


def test_cancelling_stops_within_one_layer(gpt2):
    cancel, layers = ue.Cancel(), []

    def progress(_stage, done, _total):
        layers.append(done)
        if done == 1:
            cancel.cancel()

    with pytest.raises(CancelledError):
        gpt2.run(PROMPT, cancel=cancel, progress=progress)
    assert layers == [0, 1]
    with pytest.raises(CancelledError):
        gpt2.run(PROMPT, cancel=cancel)


def test_limits_are_checked_before_anything_runs():
    settings = Settings(max_capture_bytes=1000, max_logits_bytes=1000)
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer(), settings=settings)
    with pytest.raises(TooLargeError, match="max_capture_bytes"):
        model.run(PROMPT, ["resid_post"], logits="none")
    with pytest.raises(TooLargeError, match='logits="last"'):
        model.run(PROMPT)
    model.run(PROMPT, ["L0.H0.pattern@1"], logits="last")


def test_gradients_flow_when_asked_for(gpt2):
    run = gpt2.run(PROMPT, ["L0.resid_post"], grad=True)
    run["L0.resid_post"].retain_grad()
    run.logits[-1, 7].backward()
    assert run["L0.resid_post"].grad.abs().sum() > 0
    gpt2.module.zero_grad()
    every = gpt2.run(PROMPT, ["resid_mid", "pattern", "z", "mlp_post"], grad=True)
    for name in every.captured:
        every[name].retain_grad()
    every.logits[-1, 7].backward()
    assert all(every[name].grad is not None for name in every.captured)
    gpt2.module.zero_grad()
    assert not gpt2.run(PROMPT).logits.requires_grad


def test_many_threads_with_different_edits_give_what_one_by_one_gives(gpt2):
    edits = [[ue.scale(f"L{i % 3}.H{i % 4}", i / 7)] for i in range(60)]
    alone = [gpt2.run(PROMPT, edits=edit).logits for edit in edits]
    together: dict[int, torch.Tensor] = {}

    def work(first):
        for i in range(first, 60, 8):
            together[i] = gpt2.run(PROMPT, edits=edits[i]).logits

    threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(together[i], alone[i]) for i in range(60))


def test_a_model_left_in_training_mode_is_run_in_evaluation_mode():
    module = tiny_model("gpt2", resid_pdrop=0.5, embd_pdrop=0.5)
    model = ue.load(module, tiny_tokenizer())
    expected = model.run(PROMPT).logits
    module.train()
    assert torch.equal(model.run(PROMPT).logits, expected)


def test_a_run_says_where_it_came_from(gpt2):
    assert set(gpt2.run(PROMPT).provenance) == {
        "model", "fingerprint", "revision", "dtype", "device", "unembed", "torch", "transformers",
    }  # fmt: skip
    assert gpt2.run(PROMPT).nbytes == gpt2.run(PROMPT).logits.numel() * 4


def test_masked_models_do_not_generate(bert):
    with pytest.raises(CapabilityError, match="masked"):
        bert.generate(PROMPT)
    assert bert.run(PROMPT).top(3)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"max_new_tokens": True}, "max_new_tokens"),
        ({"max_new_tokens": 10**6}, "max_new_tokens"),
        ({"max_new_tokens": 62}, "max_new_tokens"),
        ({"temperature": -1.0}, "temperature"),
    ],
)
def test_generation_out_of_range_is_refused(gpt2, options, field):
    with pytest.raises(InputError) as caught:
        gpt2.generate(PROMPT, **options)
    assert caught.value.field == field


def test_sampling_is_repeatable_by_seed(gpt2):
    first = gpt2.generate(PROMPT, 8, temperature=1.5, seed=3)
    assert first.new_ids == gpt2.generate(PROMPT, 8, temperature=1.5, seed=3).new_ids
    others = {gpt2.generate(PROMPT, 8, temperature=1.5, seed=seed).new_ids for seed in range(4)}
    assert len(others) > 1


def test_logits_that_are_not_finite_are_refused_not_ranked():
    module = tiny_model("gpt2")
    model = ue.load(module, tiny_tokenizer())
    run = model.run(PROMPT, edits=[ue.scale("final_norm", 1e38)])
    with pytest.raises(CapabilityError, match="not finite in float32"):
        run.top(3)
    with pytest.raises(CapabilityError, match="not finite"):
        model.generate(PROMPT, 2, edits=[ue.scale("final_norm", 1e38)])
