"""What is held against a model of any family: arithmetic on what was captured, transformers' own
report, and edits. Each raises AssertionError where a number is not so.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

import torch
from torch import nn

import unembed as ue
from unembed.engine.model import Model
from unembed.errors import CapabilityError

from .closeness import FP32_ROUNDING, PROMPT, assert_close
from .sites import LAYER_SITES


class Built(Protocol):
    """A family: its name, and a fresh module of it."""

    def build(self) -> nn.Module: ...


def reason_against(model: Model, site: str) -> str | None:
    """Why a site cannot be had, or None where it can."""
    try:
        model.run(PROMPT, capture=[site], logits="none")
    except CapabilityError as refusal:
        return str(refusal)
    return None


def reasons_against(model: Model) -> dict[str, str]:
    """Why sites of layers cannot be had: before anything runs a refusal names the first of them."""
    names = [f"L{layer}.{site}" for layer in range(model.anatomy.n_layers) for site in LAYER_SITES]
    reasons: dict[str, str] = {}
    while True:
        try:
            model.run(PROMPT, capture=names, logits="none")
            return reasons
        except CapabilityError as error:
            refusal = error
        order = re.fullmatch(r"capture\[(\d+)\]", str(refusal.field))
        assert order, refusal
        reasons[names.pop(int(order[1]))] = str(refusal)


def available(model: Model) -> dict[int, list[str]]:
    """The sites that each layer has; for each of the others there must be a reason."""
    reasons = reasons_against(model)
    assert all(len(reason) > 30 for reason in reasons.values()), reasons
    found = {
        layer: [site for site in LAYER_SITES if f"L{layer}.{site}" not in reasons]
        for layer in range(model.anatomy.n_layers)
    }
    for site, capability in model.capabilities().items():
        if site in LAYER_SITES:
            assert capability.available == any(site in sites for sites in found.values())
            assert capability.available or len(capability.reason) > 15
    return found


def check_identities(model: Model, run: Any, sites: dict[int, list[str]]) -> None:
    for layer, found in sites.items():
        block = model.anatomy.blocks[layer]
        get = {site: run[f"L{layer}.{site}"] for site in found}
        assert {"resid_pre", "resid_post"} <= set(found)
        added = [sum(get[site] for site in step) for step in block.steps]
        assert block.branch_sites, "every block adds something"
        if block.passes_unchanged:  # see test_sums for the others
            assert_close(get["resid_pre"] + sum(added), get["resid_post"])
        if block.arrangement == "sequential" and block.passes_unchanged:
            assert_close(get["resid_pre"] + added[0], get["resid_mid"])
        if "pattern" in found:
            assert (get["pattern"] >= 0).all()
            assert (get["pattern"].sum(-1) <= 1 + FP32_ROUNDING).all()
        if {"pattern", "v", "z"} <= set(found):
            value = get["v"].repeat_interleave(get["z"].shape[1] // get["v"].shape[1], dim=1)
            mixed = torch.einsum("hqk,khd->qhd", get["pattern"], value.to(get["pattern"].dtype))
            if not block.attention.gated:  # see test_gates
                assert_close(mixed.to(get["z"].dtype), get["z"], FP32_ROUNDING)


def check_weights(model: Model, run: Any, sites: dict[int, list[str]]) -> None:
    """What the analyses will multiply: output maps, post-norms, multipliers and the unembedding."""
    for layer, found in sites.items():
        for part, inside, added in (("attn", "z", "attn_out"), ("mlp", "mlp_post", "mlp_out")):
            if inside not in found:
                continue
            bias, norm = model.output_bias(layer, part), model.post_norm(layer, part)
            inner = model.inner_norm(layer, part)
            with torch.no_grad():
                read = run[f"L{layer}.{inside}"].flatten(1)
                written = (read if inner is None else inner(read)) @ model.output_weight(
                    layer, part
                )
                written = written if bias is None else written + bias
                written = written if norm is None else norm(written)
            written = written * model.residual_multiplier(layer, part)
            assert_close(written, run[f"L{layer}.{added}"])
    if model.capabilities()["lens"].available:
        last = run[f"L{model.anatomy.n_layers - 1}.resid_post"]
        logits = model.unembedding.logits(model.final_norm(last))
        assert_close(logits.to(run.logits), run.logits)


def check_reported(family: Built, run: Any, sites: dict[int, list[str]]) -> None:
    """Against what transformers itself reports, where it reports anything of that shape."""
    module = family.build()
    module.config._attn_implementation = "eager"
    with torch.no_grad():
        try:
            out = module(torch.tensor([PROMPT]), output_hidden_states=True, output_attentions=True)
        except (TypeError, ValueError, RuntimeError):
            return
    states = out.hidden_states or ()
    if len(states) == len(sites) + 1:
        # Mamba and RWKV report what leaves each block, and the last state twice
        later = str(family) in ("mamba", "mamba2", "falcon_mamba", "rwkv")
        for layer in list(sites)[later:]:
            reported = states[layer - later][0].to(run.logits.dtype)
            own = run[f"L{layer}.resid_pre"].to(run.logits.dtype)
            assert_close(own, reported, 10 * FP32_ROUNDING)
    patterns = [
        pattern for pattern in getattr(out, "attentions", None) or () if pattern is not None
    ]
    if len(patterns) == len(sites):
        for layer, found in sites.items():
            if "pattern" in found and patterns[layer][0].shape == run[f"L{layer}.pattern"].shape:
                own = run[f"L{layer}.pattern"]
                expected = patterns[layer][0].to(own.dtype)
                if "swa" in str(family):  # reported from before the sink takes its share
                    expected = expected * (1 - run[f"L{layer}.sink"].T[..., None])
                assert_close(own, expected, 10 * FP32_ROUNDING)


def check_edits(model: Model, run: Any, sites: dict[int, list[str]]) -> None:
    """A patch of a run into itself changes nothing; another edit is felt, and only after it."""
    layer = 1
    for site in sites[layer]:
        name = f"L{layer}.{site}"
        same = model.run(PROMPT, edits=[ue.patch(name, run)])
        assert_close(same.logits, run.logits, 10 * FP32_ROUNDING)
        if site == "scores":
            continue  # zero unmasks; scaled zeros may stay
        at = _looked_at(run, layer) if site in ("k", "v") else 5
        changed = model.run(PROMPT, edits=[ue.zero(name, positions=[at])], capture=[name])
        index = (slice(None), at) if site == "pattern" else (at,)
        assert (changed[name][index] == 0).all()
        assert not torch.equal(changed.logits, run.logits), f"zeroing {name}@{at} was not felt"
        if model.kind == "causal":
            assert_close(changed.logits[:at], run.logits[:at], 10 * FP32_ROUNDING)
    if model.anatomy.blocks[layer].passes_unchanged:
        nodes = {"attn_out": "attn", "mixer_out": "mixer", "mlp_out": "mlp", "ple_out": "ple"}
        off = [ue.zero(f"L{layer}.{nodes[site]}") for site in sites[layer] if site in nodes]
        passed = model.run(
            PROMPT, edits=off, capture=[f"L{layer}.resid_pre", f"L{layer}.resid_post"]
        )
        assert_close(passed[f"L{layer}.resid_post"], passed[f"L{layer}.resid_pre"])


def _looked_at(run: Any, layer: int) -> int:
    """Position 5, or where sparse attention (DeepSeek 3.2) leaves it out what it looks at most.

    Of queries that look at several positions: one alone has all attention, whatever its key is.
    """
    name = f"L{layer}.pattern"
    if name not in run or bool(run[name][:, :, 5].any()):
        return 5
    pattern = run[name]
    several = (pattern > 0).sum(-1, keepdim=True) > 1
    return int((pattern * several).sum((0, 1)).argmax())
