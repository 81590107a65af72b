"""A family that nobody listed works, or is refused with a sentence: never a wrong number."""

from __future__ import annotations

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
from unembed.errors import LoadError
from unembed.models.tiny import tiny_tokenizer

from .closeness import PROMPT
from .footprint import footprint
from .proving import available, check_edits, check_identities, check_reported, check_weights
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


@pytest.mark.parametrize("family", UNLISTED, ids=str)
def test_an_unlisted_family_is_right_or_refused(family: Unlisted):
    module = family.build()
    model = load(module)
    if str(family) in HOPELESS:
        assert isinstance(model, str)
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
