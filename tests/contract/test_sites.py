"""Every site of every layer is what the slow second model computes there."""

from __future__ import annotations

import pytest
import torch

from unembed.errors import CapabilityError, UnembedError

from .closeness import DTYPES, FP32_ROUNDING, PROMPT, TOLERANCE, assert_close, relative_error
from .sites import LAYER_SITES, NEURONS, all_sites, exists
from .wiring import NAMES


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prompt", [PROMPT, PROMPT[3:4], PROMPT[2:5] * 6], ids=["10", "1", "18"])
def test_every_site_is_what_the_slow_model_computes(prompt, name, dtype, model_of, oracle_of):
    """On prompts of one token, of ten, and of far more than every attention window."""
    oracle = oracle_of(name, dtype)
    expected = oracle.run(prompt)
    run = model_of(name, dtype).run(prompt, capture=all_sites(oracle))
    tolerance = FP32_ROUNDING if oracle.wiring.fp32_pattern else TOLERANCE[dtype]
    wrong = {}
    for site in all_sites(oracle):
        # Some families hand their kernel fp32 whatever they compute in.
        error = relative_error(run[site].double(), expected[site].double())
        if error > max(tolerance, TOLERANCE[dtype]):
            wrong[site] = f"{error:.1e}"
    assert not wrong


@pytest.mark.parametrize("name", NAMES)
def test_one_head_of_a_site_is_that_head(name, model_of):
    model = model_of(name, torch.float32)
    heads = ["L1.H2.q", "L1.H2.z", "L1.H2.pattern", "L1.H2.scores", "L1.H0.k", "L1.H0.v"]
    run = model.run(PROMPT, capture=heads)
    whole = model.run(PROMPT, capture=["q", "k", "v", "z", "pattern", "scores"])
    for site in ("q", "z"):
        assert torch.equal(run[f"L1.H2.{site}"], whole[f"L1.{site}"][:, 2])
    for site in ("k", "v"):
        assert torch.equal(run[f"L1.H0.{site}"], whole[f"L1.{site}"][:, 0])
    for site in ("pattern", "scores"):
        assert_close(run[f"L1.H2.{site}"], whole[f"L1.{site}"][2])


@pytest.mark.parametrize("name", NAMES)
def test_capabilities_are_what_the_model_has(name, model_of, oracle_of):
    oracle = oracle_of(name, torch.float32)
    capabilities = model_of(name, torch.float32).capabilities()
    for site in LAYER_SITES:
        there = any(exists(oracle, layer, site) for layer in range(oracle.n_layers))
        if site in ("mixer_in", "mixer_out", "sink", "ple_in", "ple_out"):  # few models have them
            assert not there
            assert site not in capabilities
            continue
        assert capabilities[site].available == there, capabilities[site]
        assert there or capabilities[site].reason.strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_site_that_is_not_there_is_refused_with_the_reason(name, model_of, oracle_of):
    oracle, model = oracle_of(name, torch.float32), model_of(name, torch.float32)
    for layer in range(oracle.n_layers):
        for site in LAYER_SITES:
            if not exists(oracle, layer, site):
                expected = CapabilityError if site in NEURONS[::2] else UnembedError
                with pytest.raises(expected, match=r".{20}"):
                    model.run(PROMPT, capture=[f"L{layer}.{site}"])


@pytest.mark.parametrize("name", NAMES)
def test_the_anatomy_counts_right(name, model_of, oracle_of):
    oracle, anatomy = oracle_of(name, torch.float32), model_of(name, torch.float32).anatomy
    seen = oracle.run(PROMPT)
    n_heads, d_head = seen["L0.q"].shape[1:]
    assert anatomy.n_layers == oracle.n_layers
    assert (anatomy.n_heads, anatomy.d_head) == (n_heads, d_head)
    assert anatomy.n_kv_heads == seen["L0.k"].shape[1]
    assert anatomy.d_model == seen["embed"].shape[1]
    if oracle.dense_layers:
        assert anatomy.d_mlp == seen[f"L{oracle.dense_layers[0]}.mlp_post"].shape[1]
    assert anatomy.parallel == (oracle.wiring.layout == "parallel")
