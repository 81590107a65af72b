"""Partial forward passes of a Model: prompts, sites, and other work on the same modules."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.engine.partial.partial_forward import partial_forward
from unembed.errors import CapabilityError, InputError, PromptError, TargetError, TooLargeError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .conftest import PROMPT
from .partial_modules import clean


def fresh(name="gpt2", **options):
    return ue.load(tiny_model(name), tokenizer=tiny_tokenizer(), **options)


# ------------------------------------------------------------ prompts


def test_a_prompt_may_be_text_or_ids(gpt2):
    ids = gpt2.tokenize(PROMPT)
    expected = gpt2.run(PROMPT, capture=["L1.resid_post"])["L1.resid_post"][None]
    as_tensor = torch.tensor(ids)
    for prompt in (PROMPT, ids, list(ids), as_tensor, as_tensor[None]):
        found = partial_forward(gpt2, ["L1.resid_post", "h.1"], prompt)
        assert torch.equal(found["L1.resid_post"], expected)
        assert torch.equal(found["h.1"], expected)


def test_what_a_tokenizer_gives_can_be_passed_on(gpt2):
    texts = ["the cat", "the cat sat on the mat"]
    batch = gpt2.tokenizer(texts, return_tensors="pt", padding=True, padding_side="right")
    batch.pop("token_type_ids", None)
    found = partial_forward(gpt2, ["L2.resid_post", "L0.mlp_out"], **batch)
    assert found["L2.resid_post"].shape == (*batch["input_ids"].shape, gpt2.anatomy.d_model)
    short = partial_forward(gpt2, "L2.resid_post", texts[0])["L2.resid_post"]
    torch.testing.assert_close(found["L2.resid_post"][:1, : short.shape[1]], short)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([], "0 were given"),
        ([(1, 2), (3,)], "2 were given"),
        ([["the cat", "the mat"]], "one tensor of ids"),
        ([[[1, 2], [3, 4]]], "one tensor of ids"),
        ([""], "empty"),
        ([torch.zeros(2, 3)], "must hold integers"),
        ([torch.zeros(2, 0, dtype=torch.long)], "empty"),
        ([torch.tensor([[1, 2], [3, 999]])], "token 1 of the prompt is 999"),
        ([torch.tensor([[1, 2], [3, -1]])], "token 1 of the prompt is -1"),
        ([torch.ones(2, 1000, dtype=torch.long)], "1000 tokens"),
        ([torch.ones(1, 1, 1, dtype=torch.long)], "must hold integers"),
    ],
)
def test_what_is_no_prompt_is_refused(gpt2, prompts, message):
    with pytest.raises(PromptError, match=message):
        partial_forward(gpt2, "embed", *prompts)
    assert clean(gpt2.module)


# ------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resid_post", r"in every layer; say in which, as in L0\.resid_post"),
        ("L9.resid_post", "layers 0-2"),
        ("L1.H9", "heads 0-3"),
        ("L1.N99999", "neurons 0-51"),
        ("L1.resid_pots", "names no site or node"),
        ("L1.H1@77", "position 77"),
    ],
)
def test_a_site_that_is_not_there_is_refused(gpt2, name, message):
    with pytest.raises(TargetError, match=message):
        partial_forward(gpt2, ["embed", name], PROMPT)
    assert clean(gpt2.module)


def test_a_name_that_is_neither_module_nor_site_is_refused_with_both(gpt2):
    with pytest.raises(InputError, match=r"no module 'h\.1\.atn'.*h\.1\.attn.*L3\.resid_post"):
        partial_forward(gpt2, "h.1.atn", PROMPT)


def test_a_whole_site_and_its_parts_agree(gpt2):
    names = ["L1.z", "L1.H2", "L1.H2@3", "L1.pattern", "L1.H2.pattern", "L1.H2@3<1", "L0.N5@-1"]
    found = partial_forward(gpt2, [*names, "L0.mlp_post"], PROMPT)
    assert torch.equal(found["L1.H2"], found["L1.z"][:, :, 2])
    assert torch.equal(found["L1.H2@3"], found["L1.z"][:, 3, 2])
    assert torch.equal(found["L1.H2.pattern"], found["L1.pattern"][:, 2])
    assert torch.equal(found["L1.H2@3<1"], found["L1.pattern"][:, 2, 3, 1])
    assert torch.equal(found["L0.N5@-1"], found["L0.mlp_post"][:, -1, 5])


@pytest.mark.parametrize("site", ["q", "k", "v", "scores", "pattern"])
def test_attention_of_a_batch_is_that_of_each_row(gpt2, site):
    ids = torch.tensor([gpt2.tokenize(PROMPT)] * 3)
    ids[1] = ids[1].flip(0)
    names = ["L0.resid_post", f"L1.{site}"]
    found = partial_forward(gpt2, names, ids)[names[1]]
    rows = [partial_forward(gpt2, names, row[None])[names[1]] for row in ids]
    torch.testing.assert_close(found, torch.cat(rows), rtol=1e-5, atol=1e-5)
    assert torch.equal(rows[2][0], gpt2.run(PROMPT, capture=names)[names[1]])


def test_logits_with_labels_are_still_the_logits(gpt2):
    ids = torch.tensor([gpt2.tokenize(PROMPT)])
    found = partial_forward(gpt2, ["logits", "L0.resid_post"], ids, labels=ids)
    assert torch.equal(found["logits"][0], gpt2.run(PROMPT).logits)


def test_too_much_is_refused_before_anything_runs():
    model = fresh(settings=ue.Settings(max_capture_bytes=10_000))
    ids = torch.ones(8, 8, dtype=torch.long)
    assert partial_forward(model, "L0.resid_post", ids[:1])
    with pytest.raises(TooLargeError, match="max_capture_bytes"):
        partial_forward(model, "L0.resid_post", ids)


def test_what_the_model_cannot_do_is_refused(bert, gpt2):
    assert partial_forward(bert, "L1.resid_mid", PROMPT)
    with pytest.raises(CapabilityError, match="no mlp_gate"):
        partial_forward(gpt2, "L1.mlp_gate", PROMPT)


def test_a_streamed_model_gives_the_same_and_keeps_no_weight(tmp_path):
    tiny_model("llama").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    whole, streamed = ue.load(tmp_path), ue.load(tmp_path, stream=True)
    names = ["L1.resid_post", "L1.pattern", "layers.1.mlp.down_proj", "L0.mlp_post"]
    with torch.no_grad():
        expected, found = (partial_forward(one, names, PROMPT) for one in (whole, streamed))
    assert all(torch.equal(found[name], expected[name]) for name in names)
    assert {weight.device.type for weight in streamed.module.parameters()} == {"meta"}


# ------------------------------------------------------------ manners


def test_a_model_is_in_evaluation_mode():
    model = fresh()
    expected = partial_forward(model, "L1.resid_post", PROMPT)["L1.resid_post"]
    model.module.train()
    found = partial_forward(model, "L1.resid_post", PROMPT)["L1.resid_post"]
    assert torch.equal(found, expected)


def test_the_callers_gradient_mode_is_kept(gpt2):
    assert partial_forward(gpt2, "L0.resid_post", PROMPT)["L0.resid_post"].requires_grad
    with torch.no_grad():
        assert not partial_forward(gpt2, "L0.resid_post", PROMPT)["L0.resid_post"].requires_grad


def test_switches_are_off_and_caches_refused(gpt2):
    cache = gpt2.module(torch.tensor([[1, 2]]), use_cache=True).past_key_values
    with pytest.warns(UserWarning, match="use_cache=True is ignored") as seen:
        partial_forward(gpt2, "L0.resid_post", PROMPT, use_cache=True)
    assert seen[0].filename == __file__
    with pytest.raises(InputError, match="whole sequence"):
        partial_forward(gpt2, "L0.resid_post", PROMPT, past_key_values=cache)


def during(module, action):
    """Run `action` once, inside the next pass of a module."""
    results = []

    def hook(*_):
        if not results:
            results.append(None)
            results[0] = action()

    return module.register_forward_hook(hook), results


def test_a_block_that_swallows_the_end_of_a_pass_does_not_spoil_its_site(monkeypatch):
    model = fresh("albert")
    names = ["L0.resid_post"]
    expected = partial_forward(model, names, PROMPT)[names[0]]
    module = model.module.get_submodule("albert.encoder")
    forward = module.albert_layer_groups[0].forward

    def swallow(*args, **kwargs):
        try:
            return forward(*args, **kwargs)
        except BaseException:
            return args[0]

    monkeypatch.setattr(module.albert_layer_groups[0], "forward", swallow)
    assert torch.equal(partial_forward(model, names, PROMPT)[names[0]], expected)


def test_calls_may_be_nested(gpt2):
    """In a Model, in its module, and in a part of it: each sees its own pass only."""
    ids = torch.tensor([gpt2.tokenize(PROMPT)])
    names = ["L0.resid_post", "L2.resid_post", "h.1"]
    inner = [
        lambda: partial_forward(gpt2, ["L1.resid_post", "h.0"], "the mat"),
        lambda: partial_forward(gpt2.module, ["h.1", "h.0"], ids[:, :2]),
        lambda: partial_forward(gpt2.module.transformer, ["h.1", ""], ids[:, :2]),
        lambda: partial_forward(gpt2, ["L1.pattern", "L1.q"], "the mat"),
    ]
    outer = [
        lambda: partial_forward(gpt2, names, ids),
        lambda: partial_forward(gpt2.module, ["h.0", "h.2"], ids),
    ]
    with torch.no_grad():
        for outside in outer:
            for inside in inner:
                expected = outside(), inside()
                handle, results = during(gpt2.module.transformer.h[0], inside)
                found = outside()
                handle.remove()
                for actual, wanted in zip([found, results[0]], expected, strict=True):
                    assert all(torch.equal(actual[key], wanted[key]) for key in wanted)
    assert clean(gpt2.module)


def test_attention_inside_of_attention_is_refused(gpt2):
    block = gpt2.module.transformer.h[0]
    handle, _ = during(block, lambda: partial_forward(gpt2, "L1.pattern", "the mat"))
    with pytest.raises(InputError, match=r"L1\.pattern cannot be read here"):
        partial_forward(gpt2, ["L1.pattern", "L2.pattern"], PROMPT)
    handle.remove()
    assert clean(gpt2.module)


def test_attention_is_watched_in_its_own_pass_only(gpt2):
    names = ["L1.q", "L1.pattern"]
    expected = partial_forward(gpt2, names, PROMPT), partial_forward(gpt2, "L1.z", "the mat")
    block = gpt2.module.transformer.h[0]
    handle, results = during(block, lambda: partial_forward(gpt2, "L1.z", "the mat"))
    found = partial_forward(gpt2, names, PROMPT)
    handle.remove()
    assert all(torch.equal(found[name], expected[0][name]) for name in names)
    assert torch.equal(results[0]["L1.z"], expected[1]["L1.z"])


def test_layers_that_share_a_block_are_counted_in_their_own_pass_only():
    model = fresh("albert")
    names = ["L1.resid_post", "L2.resid_post"]
    expected = partial_forward(model, names, PROMPT), partial_forward(model, names, "the mat")
    block = model.module.get_submodule(model.anatomy.blocks[0].module)
    handle, results = during(block, lambda: partial_forward(model, names, "the mat"))
    found = partial_forward(model, names, PROMPT)
    handle.remove()
    for actual, wanted in zip([found, results[0]], expected, strict=True):
        assert all(torch.equal(actual[name], wanted[name]) for name in names)


@pytest.mark.parametrize("which", ["model", "module", "part", "around"])
def test_a_run_and_a_partial_pass_inside_of_each_other_are_refused(gpt2, which):
    ids = torch.tensor([gpt2.tokenize(PROMPT)])
    calls = {
        "model": lambda: partial_forward(gpt2, "h.1", ids),
        "module": lambda: partial_forward(gpt2.module, "h.1", ids),
        "part": lambda: partial_forward(gpt2.module.transformer, "h.1", ids),
        "around": lambda: partial_forward(nn.Sequential(gpt2.module.transformer), "0.h.1", ids),
    }
    call = calls[which]
    with pytest.raises(InputError, match="in the middle of a run"):
        gpt2.run(PROMPT, edits=[ue.zero("L0.attn")], progress=lambda *_: call())
    handle, _ = during(gpt2.module.transformer.h[0], lambda: gpt2.run(PROMPT))
    with pytest.raises(InputError, match="in the middle of a run"):
        call()
    handle.remove()
    assert clean(gpt2.module)


def test_another_module_may_be_used_inside_a_run(gpt2):
    other, ids, found = tiny_model("llama"), torch.tensor([[1, 2, 3]]), []
    gpt2.run(PROMPT, progress=lambda *_: found.append(partial_forward(other, "layers.0", ids)))
    assert torch.equal(found[0]["layers.0"], partial_forward(other, "layers.0", ids)["layers.0"])


@pytest.mark.parametrize("which", ["model", "module", "part", "around"])
def test_partial_passes_never_see_the_edits_of_other_threads(which):
    model = fresh()
    ids = torch.tensor([model.tokenize(PROMPT)])
    around = nn.Sequential(model.module.transformer)
    edits = [ue.zero("L0.attn"), ue.add("L0.resid_post", 3.0), ue.zero("L1.H0.pattern")]
    calls = {
        "model": lambda: partial_forward(model, ["h.1", "L1.pattern"], PROMPT)["h.1"],
        "module": lambda: partial_forward(model.module, "h.1", ids)["h.1"],
        "part": lambda: partial_forward(model.module.transformer, "h.1", ids)["h.1"],
        "around": lambda: partial_forward(around, "0.h.1", ids)["0.h.1"],
    }

    def run():
        return model.run(PROMPT, edits=edits, capture=["L1.resid_post"])["L1.resid_post"]

    with torch.no_grad():
        plain = calls[which]()
    edited = run()
    with ThreadPoolExecutor(8) as pool:

        def partial():
            with torch.no_grad():
                return calls[which]()

        jobs = [(pool.submit(partial), pool.submit(run)) for _ in range(50)]
        for one, other in jobs:
            assert torch.equal(one.result(), plain)
            assert torch.equal(other.result(), edited)
    assert clean(model.module)


def test_wrappers_of_the_same_models_in_another_order_do_not_block_each_other():
    models = [fresh(), fresh("llama")]
    parts = [model.module for model in models]
    ids = torch.tensor([[1, 2, 3]])

    class Both(nn.Module):
        def __init__(self, first, second):
            super().__init__()
            self.first, self.second = first, second

        def forward(self, tokens):
            self.first(tokens)
            return self.second(tokens).logits

    wrappers = [Both(*parts), Both(*reversed(parts))]
    expected = [partial_forward(one, "", ids)[""] for one in wrappers]
    results = [[], []]

    def many(key):
        results[key] = [partial_forward(wrappers[key], "", ids)[""] for _ in range(20)]

    threads = [threading.Thread(target=many, args=(key,), daemon=True) for key in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for key in (0, 1):
        assert len(results[key]) == 20
        assert all(torch.equal(one, expected[key]) for one in results[key])
