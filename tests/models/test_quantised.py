"""Quantised checkpoints: refused before a download, by what their configuration says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoModelForCausalLM

import unembed as ue
from unembed.errors import LoadError
from unembed.models.quantised import check_quantised
from unembed.models.tiny import tiny_model

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
