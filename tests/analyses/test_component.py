"""What a node promotes: direct effects against formulas written out by hand."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.component.component import component, component_capture
from unembed.analyses.tools.effects import Writes, effects_capture, effects_of, effects_on
from unembed.analyses.tools.objective import Objective
from unembed.errors import CapabilityError, InputError, TargetError

from ..contract.wiring import REPRESENTATIVES, weight_and_bias
from .slow import PROMPT

ALL = list(range(128))
SOME = ALL[::5]
FEW = ("gpt2", "gemma3", "mixtral")


def effect_on_tokens(run, writes, layer, part, position, tokens):
    objectives = [Objective.logit(token, position=position) for token in tokens]
    return effects_on(run, [Writes(writes, layer, part)], objectives)


def everything(model):
    sites = ["embed", "resid_pre", "attn_out", "mlp_out", "resid_post", "final_norm"]
    if model.capabilities()["resid_mid"].available:
        sites.append("resid_mid")
    return sites


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, torch.float64) for name in REPRESENTATIVES),
        *((name, torch.float32) for name in FEW),
    ],
    ids=str,
)
def test_effects_of_all_writes_sum_to_the_logits(name, dtype, model_of, slow_of):
    """But for soft caps and the biases of norms and unembedding, with every scale frozen."""
    model, w = model_of(name, dtype), slow_of(name, dtype).oracle.wiring
    run = model.run(PROMPT, everything(model))
    probe = effects_of(run, [Writes(run["embed"][4, None], None, None)], 4, 1)
    if probe.method == "difference" or w.layout == "post":
        pytest.skip("not linear: see the tests of differences")
    total = effect_on_tokens(run, run["embed"][4, None], None, None, 4, SOME)[0]
    for layer in range(model.anatomy.n_layers):
        for part in ("attn", "mlp"):
            added = run[f"L{layer}.{part}_out"][4, None]
            total = total + effect_on_tokens(run, added, layer, part, 4, SOME)[0]
    weight, _ = weight_and_bias(model.module.get_submodule(w.unembedding))
    read = run["final_norm"][4] - silent(model, w)
    wanted = (read @ weight * w.logit_scale).detach()[SOME]
    tolerance = (5e-5 if dtype == torch.float32 else 1e-6) * float(wanted.abs().max())
    torch.testing.assert_close(total, wanted, rtol=0, atol=tolerance)


def silent(model, w):
    """What a final norm says of nothing: its bias."""
    with torch.no_grad():
        return w.final(model.module, torch.zeros(1, 1, model.anatomy.d_model).to(model.dtype))[0, 0]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_the_frozen_final_norm_written_out(name, model_of):
    model = model_of(name, torch.float64)
    run = model.run(PROMPT, everything(model))
    write, last = run["L0.attn_out"][7], run["L2.resid_post"][7]
    if name == "gpt2":
        norm = model.module.transformer.ln_f
        write, last = write - write.mean(), last - last.mean()
    else:
        norm = model.module.model.norm
    eps = norm.eps if name == "gpt2" else norm.variance_epsilon
    read = write * norm.weight / (last.pow(2).mean() + eps).sqrt()
    wanted = (read @ model.module.lm_head.weight.T).detach()
    found = effect_on_tokens(run, run["L0.attn_out"][7, None], 0, "attn", 7, ALL)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)
    shown = component(
        model.run(PROMPT, component_capture(model, "L0.attn", 7)), "L0.attn", 7, top_k=4
    )
    assert shown.method == "frozen"
    best, worst = wanted.topk(4), (-wanted).topk(4)
    assert [one.token.id for one in shown.promotes] == best.indices.tolist()
    assert [one.token.id for one in shown.suppresses] == worst.indices.tolist()
    assert [one.logit for one in shown.promotes] == pytest.approx(best.values.tolist(), abs=1e-6)
    assert [one.logit for one in shown.suppresses] == pytest.approx(
        (-worst.values).tolist(), abs=1e-6
    )


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert", "albert", "electra"])
def test_in_masked_models_it_is_what_the_logits_lose(name, model_of, slow_of):
    model, slow = model_of(name, torch.float64), slow_of(name, torch.float64)
    run = model.run(PROMPT, everything(model))
    write = run["L0.mlp_out"][3]
    sites = slow.oracle.run(PROMPT)
    w = slow.oracle.wiring
    carried, n = write, slow.oracle.n_layers
    sums = [(w.attn_post, "resid_pre", "attn_out", layer, 0) for layer in range(n)] + [
        (w.mlp_post, "resid_mid", "mlp_out", layer, 1) for layer in range(n)
    ]
    for path, stream, added, layer, _ in sorted(sums, key=lambda step: (step[3], step[4]))[1:]:
        norm = slow.oracle.part(layer, path)
        total = sites[f"L{layer}.{stream}"][3] + sites[f"L{layer}.{added}"][3]
        scale = (total.var(unbiased=False) + norm.eps).sqrt()
        carried = (carried - carried.mean()) * norm.weight / scale
    last = sites[f"L{n - 1}.resid_post"][3]
    logits = slow.decode(torch.stack([last, last - carried.detach()]))
    wanted = logits[0] - logits[1]
    found = effect_on_tokens(run, write[None], 0, "mlp", 3, ALL)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    assert component(run, "L0.mlp", 3).method == "difference"


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_every_kind_of_node_can_be_shown(name, model_of, slow_of):
    model, dense = model_of(name), slow_of(name, torch.float32).oracle.dense_layers
    nodes = ["embed", "L0.attn", "L1.mlp", "L2.H1", *[f"L{layer}.N5" for layer in dense[:1]]]
    for node in nodes:
        run = model.run(PROMPT, component_capture(model, node, 4), logits="none")
        shown = component(run, node, 4, top_k=3)
        assert shown.position == 4
        assert len(shown.activation) == len(shown.tokens) == len(PROMPT)
        assert (shown.attends_to is None) == (shown.kind != "head")
        if shown.attends_to is not None:
            assert sum(shown.attends_to) == pytest.approx(1, abs=1e-5)
        if shown.kind != "neuron":
            assert shown.write_norm == pytest.approx(shown.activation[4])
        raised = [one.logit for one in shown.promotes]
        lowered = [one.logit for one in shown.suppresses]
        assert raised == sorted(raised, reverse=True)
        assert lowered == sorted(lowered)
        assert shown.resid_norm > 0


def test_a_head_shows_its_row_of_the_pattern_and_a_neuron_its_activation(model_of):
    model = model_of("llama")
    whole = model.run(PROMPT, ["pattern", "mlp_post", "resid_mid", "resid_pre"])
    run = model.run(PROMPT, component_capture(model, "L1.H3@5"))
    head = component(run, "L1.H3@5")
    assert head.position == 5
    assert list(head.attends_to) == pytest.approx(whole["L1.H3.pattern"][5].tolist())
    assert head.resid_norm == pytest.approx(float(whole["L1.resid_pre"][5].norm()))
    run = model.run(PROMPT, component_capture(model, "L1.N9"))
    neuron = component(run, "L1.N9")
    assert neuron.activation_name == "mlp_post"
    assert list(neuron.activation) == pytest.approx(whole["L1.mlp_post"][:, 9].tolist())
    assert neuron.resid_norm == pytest.approx(float(whole["L1.resid_mid"][-1].norm()))


def test_many_writes_are_read_in_one_product(model_of):
    model = model_of("gpt2", torch.float64)
    run = model.run(PROMPT, [*effects_capture(model, 1), "L1.attn_out"])
    together = effects_of(run, [Writes(run["L1.attn_out"], 1, "attn")], 4, 3)
    for row in range(len(PROMPT)):
        alone = effects_of(run, [Writes(run["L1.attn_out"][row, None], 1, "attn")], 4, 3)
        assert torch.equal(together.raised_ids[row], alone.raised_ids[0])
        torch.testing.assert_close(together.lowered[row], alone.lowered[0])


def test_an_edited_run_shows_the_edited_node(model_of):
    model = model_of("gpt2")
    capture = component_capture(model, "L1.N5")
    shown = component(model.run(PROMPT, capture, [ue.zero("L1.N5")]), "L1.N5")
    assert not any(shown.activation)
    assert shown.write_norm == 0


@pytest.mark.parametrize("k", [0, 129])
def test_a_k_outside_the_vocabulary_is_refused(k, model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, component_capture(model, "embed"))
    with pytest.raises(InputError, match=f"k is {k}"):
        component(run, "embed", top_k=k)


def test_what_cannot_be_shown_is_refused(model_of):
    with pytest.raises(TargetError):
        component_capture(model_of("gpt2"), "L0.resid_post")
    with pytest.raises(CapabilityError):
        component_capture(model_of("mixtral"), "L0.N1")
