"""Quantised checkpoints: refused before a download, by what their configuration says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

import unembed as ue
from unembed.errors import LoadError
from unembed.models.quantised import check_quantised
from unembed.models.tiny import random_model, tiny_model

BITS = {"bits": 4, "group_size": 32}
METHODS = {
    "awq": {"quant_method": "awq", **BITS},
    "gptq": {"quant_method": "gptq", "desc_act": False, **BITS},
    "bitsandbytes": {"quant_method": "bitsandbytes", "load_in_4bit": True},
    "torchao": {"quant_method": "torchao", "quant_type": "int8_weight_only"},
    "compressed-tensors": {"quant_method": "compressed-tensors", "format": "pack-quantized"},
    "made-up": {"quant_method": "made-up"},
}


def stating(folder: Path, stated: dict[str, object]) -> Path:
    """A folder with a configuration alone: who asks for its weights fails."""
    config = tiny_model("llama").config.to_dict() | {
        "architectures": ["LlamaForCausalLM"],
        "quantization_config": stated,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_read_here_is_refused_by_its_configuration(tmp_path, monkeypatch, method):
    def asked(*_, **__):
        raise AssertionError("weights were asked for")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", asked)
    with pytest.raises(LoadError, match=f"is quantised .{method}., and its weights") as caught:
        ue.load(stating(tmp_path, METHODS[method]))
    assert caught.value.fix
    assert len(str(caught.value)) > 60


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["fp8", "mxfp4"])
def test_what_transformers_unpacks_on_the_cpu_is_let_through(tmp_path, method):
    folder = stating(tmp_path, {"quant_method": method})
    check_quantised(AutoConfig.from_pretrained(folder), "x")


def test_a_plain_configuration_is_not_asked_about():
    check_quantised(tiny_model("llama").config, "x")


class Opaque(Tensor):
    """As torchao's: a tensor that only its own products know what to do with."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func.__name__ in ("reshape", "view", "tolist"):
            raise NotImplementedError(f"{func.__name__} of a packed tensor")
        return super().__torch_function__(func, types, args, kwargs or {})


def test_weights_that_do_not_say_their_numbers_are_refused():
    module = tiny_model("llama")
    packed = module.model.layers[1].mlp.up_proj
    packed.weight = nn.Parameter(packed.weight.detach().as_subclass(Opaque), requires_grad=False)
    with pytest.raises(LoadError, match=r"layers.1.mlp.up_proj.weight .* is a Opaque") as caught:
        ue.load(module)
    assert caught.value.fix


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    widths = {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 16,
        "num_key_value_heads": 2, "intermediate_size": 128, "tie_word_embeddings": False,
    }  # fmt: skip
    random_model("llama", widths).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bits", [4, 8])
def test_bitsandbytes_runs_and_its_weights_are_what_its_maps_multiply_with(folder, bits):
    pytest.importorskip("bitsandbytes")
    config = BitsAndBytesConfig(load_in_4bit=bits == 4, load_in_8bit=bits == 8)
    module = AutoModelForCausalLM.from_pretrained(folder, quantization_config=config).eval()
    prompt = [5, 9, 13, 22]
    with torch.no_grad():
        logits = module(torch.tensor([prompt])).logits[0]
    model = ue.load(module)
    run = model.run(prompt, ["resid_post", "mlp_out", "attn_out"])
    assert torch.equal(run.logits, logits)
    heads = model.capabilities()["heads"]
    packed = module.model.layers[1].self_attn.o_proj.weight
    if getattr(getattr(packed, "quant_state", None), "packing_format_for_cpu", False):
        assert "packed for a kernel of this processor" in heads.reason
        return
    for branch, path in (("attn", "self_attn.o_proj"), ("mlp", "mlp.down_proj")):
        layer = module.get_submodule(f"model.layers.1.{path}")
        weight = model.output_weight(1, branch)
        with torch.no_grad():
            columns = layer(torch.eye(layer.in_features)[None])[0].float()
        error = (weight.float() - columns).abs().max() / columns.abs().max()
        assert error < (1e-5 if bits == 4 else 2e-2)  # 8 bits: what is given is rounded, too
    assert heads.available == (bits == 4)
    assert heads.available or "z·W_O + b = attn_out" in heads.reason
    assert model.capabilities()["lens"].available
