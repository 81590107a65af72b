"""The equations between sites, computed from what a run captured and the model's own weights.

A failing identity means that a number which the app would show is wrong.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from .closeness import DTYPES, FP32_ROUNDING, OTHER_PROMPT, assert_close
from .oracle import Oracle
from .sites import all_sites
from .wiring import NAMES, weight_and_bias

pytestmark = [
    pytest.mark.parametrize("dtype", DTYPES, ids=str),
    pytest.mark.parametrize("name", NAMES),
]


@pytest.fixture
def oracle(name, dtype, oracle_of) -> Oracle:
    """Here only a table of modules: nothing is run by it."""
    return oracle_of(name, dtype)


@pytest.fixture
def run(oracle, name, dtype, model_of):
    return model_of(name, dtype).run(OTHER_PROMPT, capture=all_sites(oracle))


def mapped(oracle: Oracle, layer: int, path: str, states: Tensor) -> Tensor:
    weight, bias = weight_and_bias(oracle.part(layer, path))
    return states @ weight + bias


def part(oracle: Oracle, layer: int, path: str, states: Tensor) -> Tensor:
    """What a module makes of `[pos, d]`."""
    with torch.no_grad():
        return oracle.part(layer, path)(states[None])[0]


def test_the_stream_is_the_sum_of_what_is_added(oracle, run):
    w = oracle.wiring
    for layer in range(oracle.n_layers):
        pre, post = run[f"L{layer}.resid_pre"], run[f"L{layer}.resid_post"]
        attn, mlp = run[f"L{layer}.attn_out"], run[f"L{layer}.mlp_out"]
        if w.layout == "post":
            mid = run[f"L{layer}.resid_mid"]
            assert_close(part(oracle, layer, w.attn_post, pre + attn), mid)
            assert_close(part(oracle, layer, w.mlp_post, mid + mlp), post)
        else:
            assert_close(pre + attn + mlp, post)
        if w.layout == "sequential":
            assert_close(pre + attn, run[f"L{layer}.resid_mid"])
    assert_close(run["embed"], run["L0.resid_pre"])
    for layer in range(1, oracle.n_layers):
        assert torch.equal(run[f"L{layer}.resid_pre"], run[f"L{layer - 1}.resid_post"])


def test_the_branches_read_the_normed_stream(oracle, run):
    w = oracle.wiring
    for layer in range(oracle.n_layers):
        pre = run[f"L{layer}.resid_pre"]
        mid = pre if w.layout == "parallel" else run[f"L{layer}.resid_mid"]
        attn_in = pre if w.attn_norm is None else part(oracle, layer, w.attn_norm, pre)
        mlp_in = mid if w.mlp_norm is None else part(oracle, layer, w.mlp_norm, mid)
        assert_close(run[f"L{layer}.attn_in"], attn_in)
        assert_close(run[f"L{layer}.mlp_in"], mlp_in)


def test_rows_of_the_pattern_are_the_softmax_of_the_scores_and_sum_to_one(oracle, run, dtype):
    tolerance = FP32_ROUNDING if oracle.wiring.fp32_pattern else None
    for layer in range(oracle.n_layers):
        pattern, scores = run[f"L{layer}.pattern"], run[f"L{layer}.scores"]
        assert pattern.shape == (oracle.n_heads, len(OTHER_PROMPT), len(OTHER_PROMPT))
        assert (pattern >= 0).all()
        assert_close(pattern.sum(-1), torch.ones(pattern.shape[:2], dtype=dtype), tolerance)
        assert_close(scores.to(dtype).softmax(-1), pattern, tolerance)


def test_the_pattern_mixes_the_values_into_z(oracle, run):
    for layer in range(oracle.n_layers):
        pattern, value, z = (run[f"L{layer}.{site}"] for site in ("pattern", "v", "z"))
        value = value.repeat_interleave(pattern.shape[0] // value.shape[1], dim=1)
        assert_close(torch.einsum("hqk,khd->qhd", pattern, value), z)


def test_z_through_the_output_map_is_what_attention_adds(oracle, run):
    w = oracle.wiring
    for layer in range(oracle.n_layers):
        written = mapped(oracle, layer, w.o_proj, run[f"L{layer}.z"].flatten(-2))
        if w.attn_added is not None:
            written = part(oracle, layer, w.attn_added, written)
        assert_close(written * w.residual_multiplier, run[f"L{layer}.attn_out"])


def test_neurons_are_the_activation_of_their_maps_and_write_what_the_feed_forward_adds(oracle, run):
    w = oracle.wiring
    for layer in oracle.dense_layers:
        inside = run[f"L{layer}.mlp_in"]
        pre, post = run[f"L{layer}.mlp_pre"], run[f"L{layer}.mlp_post"]
        if w.gated:
            gate = run[f"L{layer}.mlp_gate"]
            expected = _gate_and_up(oracle, layer, inside)
            assert_close(gate, expected[0])
            assert_close(pre, expected[1])
            assert_close(part(oracle, layer, w.act, gate) * pre, post)
        else:
            assert_close(mapped(oracle, layer, w.mlp_first[0], inside), pre)
            assert_close(part(oracle, layer, w.act, pre), post)
        written = mapped(oracle, layer, w.mlp_out, post)
        if w.mlp_added is not None:
            written = part(oracle, layer, w.mlp_added, written)
        assert_close(written * w.residual_multiplier, run[f"L{layer}.mlp_out"])
    for layer in w.moe_layers:
        written = part(oracle, layer, w.mlp, run[f"L{layer}.mlp_in"])
        assert_close(written * w.residual_multiplier, run[f"L{layer}.mlp_out"])


def _gate_and_up(oracle: Oracle, layer: int, inside: Tensor) -> tuple[Tensor, Tensor]:
    w = oracle.wiring
    if w.gate_up is not None:
        gate, up = mapped(oracle, layer, w.gate_up, inside).chunk(2, dim=-1)
        return gate, up
    return mapped(oracle, layer, w.gate, inside), mapped(oracle, layer, w.up, inside)


def test_the_last_residual_unembeds_to_the_logits(oracle, run, name, dtype, model_of):
    w, model = oracle.wiring, model_of(name, dtype)
    last = run[f"L{oracle.n_layers - 1}.resid_post"]
    with torch.no_grad():
        final = w.final(oracle.model, last[None])[0]
    weight, bias = weight_and_bias(oracle.model.get_submodule(w.unembedding))
    logits = (final @ weight + bias) * w.logit_scale
    if w.logit_cap is not None:
        logits = w.logit_cap * torch.tanh(logits / w.logit_cap)
    assert_close(run["final_norm"], final)
    assert_close(run.logits, logits)
    assert_close(model.final_norm(last), final)
    assert_close(model.unembedding.logits(final), logits)
