"""The oracle itself: it agrees with transformers' own outputs, and every edit it makes is felt."""

from __future__ import annotations

import pytest
import torch

from unembed.models.tiny import is_masked, tiny_model

from .closeness import DTYPES, FP32_ROUNDING, PROMPT, assert_close, relative_error
from .wiring import NAMES, wiring

_ATTENTION = ("attn_in", "q", "k", "v", "scores", "pattern", "z", "attn_out")
_NEURONS = ("mlp_pre", "mlp_gate", "mlp_post")
SITES = ("resid_pre", *_ATTENTION, "resid_mid", "mlp_in", *_NEURONS, "mlp_out", "resid_post")


def uneven(value: torch.Tensor) -> torch.Tensor:
    """A change that no norm takes back."""
    return value * torch.linspace(0.5, 1.5, value.shape[-1], dtype=value.dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_the_slow_model_is_the_plain_model(name, dtype, oracle_of):
    with torch.no_grad():
        plain = tiny_model(name, dtype=dtype)(torch.tensor([PROMPT])).logits[0]
    assert_close(oracle_of(name, dtype).run(PROMPT)["logits"], plain)


@pytest.mark.parametrize("name", NAMES)
def test_patterns_and_states_are_those_that_transformers_reports(name, oracle_of):
    model = tiny_model(name, dtype=torch.float64)
    # Eager, because only eager attention can report its patterns.
    model.config._attn_implementation = "eager"
    with torch.no_grad():
        reported = model(torch.tensor([PROMPT]), output_attentions=True, output_hidden_states=True)
    oracle = oracle_of(name, torch.float64)
    seen = oracle.run(PROMPT)
    if name != "falcon-alibi":  # transformers adds its bias twice in eager mode, and only there
        for layer, pattern in enumerate(reported.attentions):
            assert_close(seen[f"L{layer}.pattern"], pattern[0], FP32_ROUNDING)
        # The last one of transformers has the final norm applied.
        for layer, states in enumerate(reported.hidden_states[:-1]):
            assert_close(seen[f"L{layer}.resid_pre"], states[0], FP32_ROUNDING)


@pytest.mark.parametrize("name", NAMES)
def test_every_site_is_seen_and_every_edit_is_felt(name, oracle_of):
    oracle = oracle_of(name, torch.float64)
    plain = oracle.run(PROMPT)
    missing = {"resid_mid"} if oracle.wiring.layout == "parallel" else set()
    missing |= set() if oracle.wiring.gated else {"mlp_gate"}
    for layer in range(oracle.n_layers):
        sites = (
            set(SITES) - missing - (set(_NEURONS) if layer in oracle.wiring.moe_layers else set())
        )
        assert {site for site in SITES if f"L{layer}.{site}" in plain} == sites
        for site in sorted(sites)[layer :: oracle.n_layers]:  # layers take turns
            edited = oracle.run(PROMPT, {f"L{layer}.{site}": uneven})
            error = relative_error(edited["logits"], plain["logits"])
            # A mistake in any site must be far above every tolerance.
            assert error > 3e-4, f"L{layer}.{site} barely matters: {error:.1e}"


@pytest.mark.parametrize("name", NAMES)
def test_each_layer_has_its_place(name, oracle_of):
    """States flow from block to block, also where blocks share their weights."""
    oracle = oracle_of(name, torch.float32)
    seen = oracle.run(PROMPT)
    for layer in range(1, oracle.n_layers):
        assert torch.equal(seen[f"L{layer}.resid_pre"], seen[f"L{layer - 1}.resid_post"])
    assert wiring(name).layout == "post" or not is_masked(name) or name == "modernbert"
