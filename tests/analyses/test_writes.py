"""The writes of a branch's nodes and of its biases are what it added, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.analyses.tools.frozen import freeze
from unembed.analyses.tools.writes import (
    bias_write,
    head_writes,
    neuron_writes,
    write,
    write_capture,
)
from unembed.errors import CapabilityError, TargetError

from ..contract.wiring import REPRESENTATIVES
from .slow import PROMPT

DTYPES = (torch.float32, torch.float64)
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
SITES = ("z", "attn_out", "mlp_out")


def close(found, wanted):
    tolerance = TOLERANCE[wanted.dtype] * float(wanted.abs().max())
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_heads_and_bias_sum_to_attn_out(name, dtype, model_of):
    model = model_of(name, dtype)
    run = model.run(PROMPT, ["z", "attn_out"])
    for layer in range(model.anatomy.n_layers):
        heads = head_writes(run, layer)
        assert heads.shape == (len(PROMPT), model.anatomy.n_heads, model.anatomy.d_model)
        close(heads.sum(1) + bias_write(run, layer, "attn"), run[f"L{layer}.attn_out"])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_neurons_and_bias_sum_to_mlp_out(name, dtype, model_of, slow_of):
    model = model_of(name, dtype)
    layers = slow_of(name, dtype).oracle.dense_layers
    if not layers:
        pytest.skip("no layer has neurons")
    run = model.run(PROMPT, ["mlp_post", "mlp_out"])
    for layer in layers:
        neurons = neuron_writes(run, layer)
        close(neurons.sum(1) + bias_write(run, layer, "mlp"), run[f"L{layer}.mlp_out"])


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "olmo2"])
def test_half_precision_sums_as_far_as_it_goes(name, model_of):
    model = model_of(name, torch.bfloat16)
    run = model.run(PROMPT, ["z", "attn_out"])
    total = head_writes(run, 1).sum(1) + bias_write(run, 1, "attn")
    wanted = run["L1.attn_out"].float()
    assert (total.float() - wanted).abs().max() < 0.03 * wanted.abs().max()


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "granite", "bert"])
def test_one_node_at_a_time_is_the_same(name, model_of):
    model = model_of(name, torch.float64)
    run = model.run(PROMPT, ["z", "mlp_post", "attn_out", "mlp_out", "embed"])
    wanted = {
        "L1.H2": head_writes(run, 1)[:, 2],
        "L2.N7": neuron_writes(run, 2, [7])[:, 0],
        "L2D7": neuron_writes(run, 2)[:, 7],
        "L0.attn": run["L0.attn_out"],
        "L1.mlp": run["L1.mlp_out"],
        "embed": run["embed"],
    }
    for node, expected in wanted.items():
        close(write(model.run(PROMPT, write_capture(model, node)), node), expected)


def test_a_post_norm_is_applied_with_its_weight_and_the_scale_of_the_run(model_of):
    model = model_of("gemma2", torch.float64)
    run = model.run(PROMPT, ["mlp_post"])
    layer = model.module.model.layers[1]
    post, weight = run["L1.mlp_post"], layer.mlp.down_proj.weight
    product = post @ weight.T
    norm = layer.post_feedforward_layernorm
    scale = (product.pow(2).mean(-1, keepdim=True) + norm.eps).sqrt()
    wanted = post[:, 3, None] * weight[:, 3] * (1 + norm.weight) / scale
    torch.testing.assert_close(write(run, "L1.N3"), wanted.detach(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_zeroing_a_head_takes_its_write_away(name, model_of):
    model = model_of(name, torch.float64)
    run = model.run(PROMPT, ["z", "attn_out"], [ue.zero("L1.H0")])
    assert not head_writes(run, 1)[:, 0].any()
    close(head_writes(run, 1).sum(1) + bias_write(run, 1, "attn"), run["L1.attn_out"])
    silent = model.run(PROMPT, ["z", "attn_out"], [ue.zero("L1.z")])
    assert not head_writes(silent, 1).any()
    close(bias_write(silent, 1, "attn"), silent["L1.attn_out"])


@pytest.mark.parametrize("node", ["L1.resid_post", "L1.H0@3<2", "logits"])
def test_what_is_not_a_node_is_refused(node, model_of):
    with pytest.raises(TargetError, match="is not a node"):
        write_capture(model_of("gpt2"), node)


@pytest.mark.parametrize("node", ["L3.mlp", "L0.H4", "L0.N52"])
def test_a_node_that_the_model_does_not_have_is_refused(node, model_of):
    with pytest.raises(TargetError, match="is not in this model"):
        write_capture(model_of("gpt2"), node)


def test_neurons_of_experts_are_refused_with_the_reason(model_of):
    with pytest.raises(CapabilityError, match="expert"):
        write_capture(model_of("mixtral"), "L0.N3")


class NoNorm(nn.Module):
    def forward(self, x):
        return x.tanh()


@pytest.mark.parametrize(
    "norm", [nn.LayerNorm(16), nn.RMSNorm(16), nn.LayerNorm(16, bias=False)], ids=str
)
def test_norms_of_either_form_are_frozen(norm):
    norm = norm.double()
    g = torch.Generator().manual_seed(0)
    for parameter in norm.parameters():
        nn.init.normal_(parameter, generator=g)
    states = torch.randn(5, 16, generator=g, dtype=torch.float64) + 1
    states[2, 3] = 0
    parts = torch.randn(5, 4, 16, generator=g, dtype=torch.float64)
    parts[:, 3] = states - parts[:, :3].sum(1)
    frozen = freeze(norm, states)
    close(frozen.carry(parts).sum(1) + frozen.bias, norm(states).detach())
    moved = states - states.mean(-1, keepdim=True) if isinstance(norm, nn.LayerNorm) else states
    scale = (moved.pow(2).mean(-1, keepdim=True) + (norm.eps or 2.2e-16)).sqrt()
    part = parts[:, 0]
    if isinstance(norm, nn.LayerNorm):
        part = part - part.mean(-1, keepdim=True)
    close(frozen.carry(parts[:, 0]), (part * norm.weight / scale).detach())


def test_a_module_that_is_no_norm_is_refused():
    with pytest.raises(CapabilityError, match="NoNorm is not a norm"):
        freeze(NoNorm(), torch.randn(3, 8, generator=torch.Generator().manual_seed(1)))
