"""A family that nobody listed works, or is refused with a sentence: never a wrong number."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoModel,
    BertConfig,
    BertForQuestionAnswering,
    GPT2Config,
    T5Config,
    T5EncoderModel,
    ViTConfig,
    ViTModel,
)

import unembed as ue
from unembed.engine.model import Model
from unembed.errors import CapabilityError, LoadError
from unembed.models.tiny import tiny_tokenizer

from .closeness import FP32_ROUNDING, PROMPT, assert_close
from .footprint import footprint
from .sites import LAYER_SITES, NEURONS
from .unlisted import COMPLETE, HOPELESS, MIXED, UNLISTED, Unlisted

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families


def load(module: nn.Module) -> Model | str:
    """The model, or the sentence with which it was refused."""
    before = footprint(module)
    try:
        return ue.load(module, tokenizer=tiny_tokenizer())
    except LoadError as refusal:
        return str(refusal)
    finally:
        assert footprint(module) == before


def reason_against(model: Model, site: str) -> str | None:
    """Why a site cannot be had, or None where it can."""
    try:
        model.run(PROMPT, capture=[site], logits="none")
    except CapabilityError as refusal:
        return str(refusal)
    return None


def available(model: Model) -> dict[int, list[str]]:
    """The sites that each layer has; for each of the others there must be a reason."""
    found: dict[int, list[str]] = {}
    for layer in range(model.anatomy.n_layers):
        reasons = {site: reason_against(model, f"L{layer}.{site}") for site in LAYER_SITES}
        assert all(reason is None or len(reason) > 30 for reason in reasons.values()), reasons
        found[layer] = [site for site, reason in reasons.items() if reason is None]
    for site, capability in model.capabilities().items():
        if site in LAYER_SITES:
            assert capability.available == any(site in sites for sites in found.values())
            assert capability.available or len(capability.reason) > 15
    return found


@pytest.mark.parametrize("family", UNLISTED, ids=str)
def test_an_unlisted_family_is_right_or_refused(family: Unlisted):
    module = family.build()
    model = load(module)
    if str(family) in HOPELESS:
        assert HOPELESS[str(family)] in model
    if isinstance(model, str):
        assert str(family) not in (*COMPLETE, *MIXED), model
        assert len(model) > 60, model
        assert "Error" not in model
        return
    with torch.no_grad():
        plain = family.build()(torch.tensor([PROMPT])).logits[0]
    assert torch.equal(model.run(PROMPT).logits, plain)
    sites = available(model)
    names = [f"L{layer}.{site}" for layer, found in sites.items() for site in found]
    run = model.run(PROMPT, capture=names)
    assert torch.equal(run.logits, plain)
    check_identities(model, run, sites)
    if str(family) in COMPLETE:
        check_complete(model, sites)
    if str(family) in MIXED:
        kinds = {block.mixer.kind for block in model.anatomy.blocks if block.mixer is not None}
        assert MIXED[str(family)] in kinds
        assert kinds <= {MIXED[str(family)], "attention"}
    check_weights(model, run, sites)
    check_reported(family, run, sites)
    check_edits(model, run, sites)


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


def check_complete(model: Model, sites: dict[int, list[str]]) -> None:
    for layer, found in sites.items():
        block = model.anatomy.blocks[layer]
        missing = {"resid_mid"} if block.parallel else set()
        missing |= {"mixer_in", "mixer_out", "ple_in", "ple_out"}
        missing |= set() if block.attention.sink else {"sink"}
        missing |= {"mlp_gate"} if block.mlp.kind == "plain" else set()
        missing |= set(NEURONS) if block.mlp.kind == "experts" else set()
        assert set(found) == set(LAYER_SITES) - missing
    assert model.capabilities()["lens"].available


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


def check_reported(family: Unlisted, run: Any, sites: dict[int, list[str]]) -> None:
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
        changed = model.run(PROMPT, edits=[ue.zero(name, positions=[5])], capture=[name])
        index = (slice(None), 5) if site == "pattern" else (5,)
        assert (changed[name][index] == 0).all()
        assert not torch.equal(changed.logits, run.logits), f"zeroing {name} was not felt"
        if model.kind == "causal":
            assert_close(changed.logits[:5], run.logits[:5], 10 * FP32_ROUNDING)
    if model.anatomy.blocks[layer].passes_unchanged:
        nodes = {"attn_out": "attn", "mixer_out": "mixer", "mlp_out": "mlp", "ple_out": "ple"}
        off = [ue.zero(f"L{layer}.{nodes[site]}") for site in sites[layer] if site in nodes]
        passed = model.run(
            PROMPT, edits=off, capture=[f"L{layer}.resid_pre", f"L{layer}.resid_post"]
        )
        assert_close(passed[f"L{layer}.resid_post"], passed[f"L{layer}.resid_pre"])


_T5 = T5Config(d_model=40, d_kv=10, d_ff=52, num_layers=2, num_heads=4, vocab_size=128)
_BERT = BertConfig(
    hidden_size=40, num_hidden_layers=2, num_attention_heads=4, intermediate_size=52, vocab_size=128
)
_VIT = ViTConfig(hidden_size=40, num_hidden_layers=2, num_attention_heads=4, intermediate_size=52)
_GPT2 = GPT2Config(n_embd=40, n_layer=2, n_head=4, vocab_size=128)


@pytest.mark.parametrize(
    "build",
    [
        lambda: T5EncoderModel(_T5),
        lambda: BertForQuestionAnswering(_BERT),
        lambda: AutoModel.from_config(_BERT),
        lambda: AutoModel.from_config(_GPT2),
        lambda: ViTModel(_VIT),
        lambda: nn.Linear(4, 4),
    ],
    ids=["t5-encoder", "bert-questions", "bert-body", "gpt2-body", "vit", "no-transformer"],
)
def test_what_is_no_language_model_is_refused_with_a_sentence(build):
    module = build().eval()
    with pytest.raises(LoadError, match=r".{40}"):
        ue.load(module, tokenizer=tiny_tokenizer())
