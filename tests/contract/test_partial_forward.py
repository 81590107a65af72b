"""Partial forward passes in every family, against plain hooks on a whole pass."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
import torch

import unembed as ue
from unembed.engine.partial.partial_forward import partial_forward
from unembed.models.tiny import VARIANTS, is_masked, tiny_model

from .closeness import OTHER_PROMPT, PROMPT, assert_close
from .footprint import footprint
from .sites import ATTENTION, exists, layer_sites
from .wiring import NAMES, ODD, REPRESENTATIVES, blocks, wiring

# Names of modules are found in any module, and a pass ends after one of them the same way.
MODULES = (*REPRESENTATIVES, "gpt_neo", "codegen", "roberta", *ODD)
# Where a batch is masked, and texts are as long as they are: by each kind of attention.
MASKS = (*REPRESENTATIVES, "mistral", "gpt_neo", "codegen", "falcon-alibi", "roberta")
IDS = torch.tensor([PROMPT])
BATCH = torch.tensor([PROMPT, OTHER_PROMPT])
MASK = torch.ones_like(BATCH)
MASK[0, -3:] = 0


def wiring_of(name):
    return wiring(name if name in NAMES else VARIANTS[name].family)


def block_names(name, module):
    """The name of each layer's block, once where layers share it."""
    family = name if name in NAMES else VARIANTS[name].family
    by_module = {part: label for label, part in module.named_modules()}
    return list(dict.fromkeys(by_module[block] for block in blocks(family, module)))


def parts(name, module):
    """Block, attention, feed-forward and first map of q, k and v in the first, a middle and the
    last layer.
    """
    wired, labels = wiring_of(name), block_names(name, module)
    chosen = dict.fromkeys([labels[0], labels[len(labels) // 2], labels[-1]])
    inner = ["", f".{wired.attn}", f".{wired.mlp}", f".{wired.qkv[0]}"]
    return [label + part for label in chosen for part in inner]


@contextmanager
def plain_hooks(module, names):
    """What the first call of each module returns, kept by an ordinary hook."""
    seen = {}
    with ExitStack() as stack:
        for label in names:

            def keep(_module, _args, output, label=label):
                seen.setdefault(label, copied(output))

            stack.callback(module.get_submodule(label).register_forward_hook(keep).remove)
        yield seen


def copied(output):
    if isinstance(output, torch.Tensor):
        return output.clone()
    return tuple(copied(item) for item in output) if isinstance(output, tuple) else output


def assert_same(actual, expected):
    if isinstance(expected, tuple) and len(expected) == 1:
        expected = expected[0]
    if isinstance(expected, tuple):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    elif expected is None:
        assert actual is None
    else:
        assert torch.equal(actual, expected)


@contextmanager
def counting(module):
    """How often each module is called."""
    calls: Counter[str] = Counter()
    with ExitStack() as stack:
        for label, part in module.named_modules():

            def count(_module, _args, label=label):
                calls[label] += 1

            stack.callback(part.register_forward_pre_hook(count).remove)
        yield calls


@pytest.mark.parametrize("grad", [False, True], ids=["no-grad", "grad"])
@pytest.mark.parametrize("name", MODULES)
def test_values_are_those_of_plain_hooks_bit_for_bit(name, grad):
    module = tiny_model(name)
    names, before = parts(name, module), footprint(module)
    # a cache changes the last bits of some families' attention, and a partial pass has none
    uncached = {} if is_masked(name) else {"use_cache": False}
    for ids, options in ((IDS, {}), (BATCH, {"attention_mask": MASK})):
        with torch.set_grad_enabled(grad):
            with plain_hooks(module, names) as expected:
                whole = module(ids, **options, **uncached).logits
            together = partial_forward(module, names, ids, **options)
            assert list(together) == names
            for label in names:
                assert_same(together[label], expected[label])
                if not grad:
                    alone = partial_forward(module, label, ids, **options)[label]
                    assert_same(alone, expected[label])
            assert torch.equal(module(ids, **options, **uncached).logits, whole)
    assert footprint(module) == before


@pytest.mark.parametrize("name", MODULES)
def test_nothing_runs_after_the_last_module_asked_for(name):
    module, wired = tiny_model(name), wiring_of(name)
    labels = block_names(name, module)
    for last, label in enumerate(labels):
        with counting(module) as calls, torch.no_grad():
            partial_forward(module, [label, labels[0]], IDS)
        ran = [other for other in labels if calls[other]]
        if not name.startswith("albert"):
            assert ran == labels[: last + 1]
            assert all(calls[other] == 1 for other in ran)
        assert not calls[wired.unembedding]
    inside = f"{labels[-1]}.{wired.qkv[0]}"
    with counting(module) as calls, torch.no_grad():
        partial_forward(module, inside, IDS)
    assert not calls[f"{labels[-1]}.{wired.mlp}"]


@pytest.mark.parametrize("name", MODULES)
def test_gradients_reach_exactly_the_weights_before(name):
    module = tiny_model(name)
    labels = block_names(name, module)
    asked = labels[min(1, len(labels) - 1)]
    weights = dict(module.named_parameters())

    def gradients(output):
        tensor = output[0] if isinstance(output, tuple) else output
        found = torch.autograd.grad(tensor.pow(2).sum(), list(weights.values()), allow_unused=True)
        return {key: grad for key, grad in zip(weights, found, strict=True) if grad is not None}

    with plain_hooks(module, [asked]) as seen:
        module(IDS)
    expected = gradients(seen[asked])
    actual = gradients(partial_forward(module, asked, IDS)[asked])
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[key], expected[key]) for key in expected)
    assert any(key.startswith(f"{labels[0]}.") for key in actual)
    assert any("emb" in key or "wte" in key for key in actual)
    later = labels[labels.index(asked) + 1 :]
    assert not any(key.startswith(f"{other}.") for key in actual for other in later)


@pytest.mark.parametrize("name", MODULES)
def test_gradients_flow_from_later_outputs_to_earlier_ones(name):
    module = tiny_model(name)
    wired, labels = wiring_of(name), block_names(name, module)
    early, late = f"{labels[0]}.{wired.qkv[0]}", labels[-1]
    found = partial_forward(module, [early, late], IDS)
    last = found[late][0] if isinstance(found[late], tuple) else found[late]
    (actual,) = torch.autograd.grad(last.pow(2).sum(), found[early])

    push = torch.zeros_like(found[early], requires_grad=True)
    part, fresh = module.get_submodule(early), [True]

    def add(_module, _args, output):
        return output + push if fresh and fresh.pop() else None

    handle = part.register_forward_hook(add)
    with plain_hooks(module, [late]) as seen:
        module(IDS)
    handle.remove()
    value = seen[late][0] if isinstance(seen[late], tuple) else seen[late]
    (expected,) = torch.autograd.grad(value.pow(2).sum(), push)
    assert_close(actual, expected)


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_sites_of_a_model_are_what_a_run_captures(name, model_of, oracle_of):
    model, oracle = model_of(name, torch.float32), oracle_of(name, torch.float32)
    before = footprint(model.module)
    last = oracle.n_layers - 1
    names = [*layer_sites(oracle, 0), *layer_sites(oracle, last), "embed", "final_norm", "logits"]
    names += ["L1.H2", "L1.H2@3", "L1.H2@-1<3", "L1.H1.pattern", "L1.attn", "L1.mlp"]
    names += ["L1.N7"] if exists(oracle, 1, "mlp_post") else []
    run = model.run(PROMPT, capture=[one for one in names if one != "logits"])
    with torch.no_grad():
        found = partial_forward(model, names, PROMPT)
        assert list(found) == names
        for site in names:
            assert found[site].shape[0] == 1
            assert torch.equal(found[site][0], run[site]), site
        for site in layer_sites(oracle, 1)[REPRESENTATIVES.index(name) % 3 :: 3]:
            alone = partial_forward(model, site, IDS)[site][0]
            assert torch.equal(alone, model.run(PROMPT, capture=[site])[site]), site
    assert footprint(model.module) == before


@pytest.mark.parametrize("name", MASKS)
def test_sites_of_a_batch_are_those_of_its_rows(name, model_of, oracle_of):
    model, oracle = model_of(name, torch.float64), oracle_of(name, torch.float64)
    sites = [site for site in layer_sites(oracle, 1) if site.split(".")[1] not in ATTENTION]
    sites = [*sites, "embed", "final_norm", "logits"]
    n_seen = len(PROMPT) - 3
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            found = partial_forward(model, sites, BATCH, attention_mask=MASK)
    whole = model.run(OTHER_PROMPT, capture=[site for site in sites if site != "logits"])
    short = model.run(PROMPT[:n_seen], capture=[site for site in sites if site != "logits"])
    limit = 5e-6 if oracle.wiring.fp32_pattern else 1e-9
    for site in sites:
        assert found[site].shape[:2] == BATCH.shape
        assert_close(found[site][1].detach(), whole[site], limit)
        assert_close(found[site][0, :n_seen].detach(), short[site], limit)


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_a_model_runs_no_block_after_the_last_site(name, model_of, oracle_of):
    model = model_of(name, torch.float32)
    labels = block_names(name, model.module)
    for site in ("resid_pre", "q", "pattern", "z", "attn_out", "resid_post"):
        with counting(model.module) as calls, torch.no_grad():
            partial_forward(model, f"L1.{site}", PROMPT)
        assert not calls[wiring(name).unembedding]
        if name.startswith("albert"):
            continue
        assert not calls[labels[2]]
        if site in ("resid_pre", "q", "pattern"):
            assert not calls[f"{labels[1]}.{wiring(name).mlp_out}"]


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_gradients_flow_between_sites(name, model_of, oracle_of):
    """The same as through a run that keeps its graph."""
    model, oracle = model_of(name, torch.float64), oracle_of(name, torch.float64)
    sites = [site for site in layer_sites(oracle, 1) if site != "L1.resid_post"]
    run = model.run(PROMPT, capture=[*sites, "L1.resid_post"], grad=True)
    expected = torch.autograd.grad(
        run["L1.resid_post"].pow(2).sum(), [run[site] for site in sites], allow_unused=True
    )
    found = partial_forward(model, [*sites, "L1.resid_post"], PROMPT)
    actual = torch.autograd.grad(
        found["L1.resid_post"].pow(2).sum(), [found[site] for site in sites], allow_unused=True
    )
    for site, one, other in zip(sites, actual, expected, strict=True):
        assert (one is None) == (other is None), site
        if other is not None:
            assert_close(one[0], other, 1e-9)


def test_a_site_that_the_model_does_not_have_is_refused_with_the_reason(model_of):
    with pytest.raises(ue.errors.CapabilityError, match=r"no resid_mid.*parallel"):
        partial_forward(model_of("gptj", torch.float32), "L0.resid_mid", PROMPT)
    with pytest.raises(ue.errors.CapabilityError, match="gate"):
        partial_forward(model_of("gpt2", torch.float32), "L0.mlp_gate", PROMPT)


def test_layers_that_share_a_module_are_told_apart_by_their_sites(model_of, oracle_of):
    """By its module's name a shared block is its first call."""
    model, oracle = model_of("albert", torch.float32), oracle_of("albert", torch.float32)
    names = [f"L{layer}.resid_post" for layer in range(oracle.n_layers)]
    block = "albert.encoder.albert_layer_groups.0.albert_layers.0"
    with torch.no_grad():
        found = partial_forward(model, [*names, block], PROMPT)
    values = [found[name] for name in names]
    assert not any(torch.equal(values[0], other) for other in values[1:])
    first = found[block][0] if isinstance(found[block], tuple) else found[block]
    assert torch.equal(first, values[0])
