"""Attached to any family, autoencoders change nothing, and what their latents write is theirs.

The numbers are those of plain passes whose site was set by hand.
"""

from __future__ import annotations

from itertools import cycle

import pytest
import torch

import unembed as ue
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.latents.sae import split
from unembed.models.tiny import is_masked

from ..contract.wiring import NAMES, REPRESENTATIVES

PROMPT = (1, 72, 5, 33, 9, 72)
CAUSAL = [name for name in NAMES if not is_masked(name)]
PLACES = ("L1.resid_post", "L1.mlp_in>L1.mlp_out", "L0.attn_out")
N, K = 20, 4
GOAL = ue.Objective.logit(7, position=-1)


def made(site: str, d: int) -> ue.Sae:
    """Latents, a bias and, of a transcoder, a skip, all at random: nearly all is error."""
    reads, writes = places(site)
    drawn = torch.Generator().manual_seed(len(site))
    enc, dec = torch.randn(2, N, d, generator=drawn, dtype=torch.float64) / d**0.5
    b_enc = torch.randn(N, generator=drawn, dtype=torch.float64) / 10
    b_dec = torch.randn(d, generator=drawn, dtype=torch.float64) / 10
    kind = "sae" if reads == writes else "transcoder"
    skip = torch.randn(d, d, generator=drawn, dtype=torch.float64) / d if kind != "sae" else None
    says = Description("made up", kind, "topk", d, d, N, reads=reads, writes=writes, k=K)
    return ue.Sae(says, Weights(enc.T.contiguous(), dec, b_enc, b_dec, skip=skip))


def attached(plain, *sites: str) -> ue.Model:
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    model.attach(*(made(site, plain.anatomy.d_model) for site in sites), verify=False)
    return model


def by_hand(sae: ue.Sae, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Values of the latents, and what is written however active they are."""
    held = sae.weights
    pre = x @ held.W_enc + held.b_enc
    chosen = pre >= pre.sort(-1, descending=True).values[:, K - 1 : K]
    constant = held.b_dec + (0 if held.skip is None else x @ held.skip)
    return pre.clamp(min=0) * chosen, constant.expand(len(x), -1)


@pytest.mark.parametrize("name", CAUSAL)
def test_latents_error_and_bias_are_the_site_and_leave_the_logits_as_they_are(name, model_of):
    plain = model_of(name, torch.float64)
    model = attached(plain, *PLACES)
    sites = sorted({end for place in PLACES for end in place.split(">")})
    run = model.run(PROMPT, sites)
    assert torch.equal(run.logits, plain.run(PROMPT).logits)
    for place in PLACES:
        sae, ends = made(place, plain.anatomy.d_model), place.split(">")
        values, constant = by_hand(sae, run[ends[0]])
        parts = split(sae, run[ends[0]], run[ends[-1]])
        torch.testing.assert_close(parts.values, values, atol=1e-10, rtol=1e-10)
        torch.testing.assert_close(parts.constant, constant, atol=1e-10, rtol=1e-10)
        written = values @ sae.weights.W_dec
        torch.testing.assert_close(parts.written, written, atol=1e-10, rtol=1e-10)
        whole = written + constant + parts.error
        torch.testing.assert_close(whole, run[ends[-1]], atol=1e-10, rtol=1e-10)
        spliced = plain.run(PROMPT, edits=[ue.set_to(ends[-1], whole)])
        torch.testing.assert_close(spliced.logits, run.logits, atol=1e-5, rtol=1e-5)
    # written anew by the engine itself: edits of latents that change nothing
    same = [ue.scale(f"{stem}{number}", 1.0) for stem in ("L1.F", "L0.F") for number in range(N)]
    torch.testing.assert_close(model.run(PROMPT, edits=same).logits, run.logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "place"), list(zip(REPRESENTATIVES, cycle(PLACES), strict=False)))
def test_ablating_a_latent_takes_exactly_its_write(name, place, model_of):
    plain = model_of(name, torch.float64)
    model, ends = attached(plain, place), place.split(">")
    run = plain.run(PROMPT, ends)
    sae = made(place, plain.anatomy.d_model)
    values, _ = by_hand(sae, run[ends[0]])
    number = int(values[-1].argmax())
    node = f"L{sae.description.reads.layer}.F{number}"
    written = values[:, number, None] * sae.weights.W_dec[number]
    assert written[-1].norm() > 0.1
    ablated = model.run(PROMPT, [ends[-1]], [ue.zero(node)])
    torch.testing.assert_close(ablated[ends[-1]], run[ends[-1]] - written, atol=1e-10, rtol=1e-10)
    without = plain.run(PROMPT, edits=[ue.set_to(ends[-1], run[ends[-1]] - written)])
    torch.testing.assert_close(ablated.logits, without.logits, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_direct_effects_with_several_attached_still_sum_to_the_objective(name, model_of):
    plain = model_of(name, torch.float64)
    model = attached(plain, *PLACES)
    found = ue.attribute(model, PROMPT, GOAL, pairs=False)
    before = ue.attribute(plain, PROMPT, GOAL, pairs=False)
    assert found.value == pytest.approx(before.value, abs=1e-10)
    assert found.completeness.rest == pytest.approx(before.completeness.rest, abs=1e-9)
    assert found.completeness.rest == pytest.approx(0, abs=1e-9)
    stems = {group.stem for group in found.groups if group.kind in ("latent", "error")}
    each = ("L1.F", "L1.mlp_in.F", "L0.F")
    assert stems == {*each, *(f"{stem}_error" for stem in each)}
