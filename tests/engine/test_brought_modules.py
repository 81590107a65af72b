"""Modules and folders as people bring them: compiled, with adapters, quantised."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.errors import LoadError
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = [5, 9, 13, 22]


@pytest.mark.filterwarnings("ignore")  # torch.compile warns of torch itself
def test_a_compiled_module_is_what_is_inside():
    module = tiny_model("gpt2")
    model = ue.load(torch.compile(module), tiny_tokenizer())
    assert model.module is module
    expected = ue.load(module).run(PROMPT, ["L1.mlp_out"])
    found = model.run(PROMPT, ["L1.mlp_out"])
    assert torch.equal(found.logits, expected.logits)
    assert torch.equal(found["L1.mlp_out"], expected["L1.mlp_out"])


class LoraLinear(nn.Module):
    """As peft's: no nn.Linear, with the layer that it adapts inside."""

    def __init__(self, base):
        super().__init__()
        self.base_layer = base
        self.lora_A = nn.ModuleDict({"default": nn.Linear(base.in_features, 2, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(2, base.out_features, bias=False)})

    def forward(self, x):
        return self.base_layer(x) + self.lora_B["default"](self.lora_A["default"](x))


def adapt(module, chosen=lambda name: True):
    """LoRA at every chosen linear map of the blocks."""
    for name, child in list(module.model.layers.named_modules()):
        if isinstance(child, nn.Linear) and chosen(name):
            parent, _, last = name.rpartition(".")
            setattr(module.model.layers.get_submodule(parent), last, LoraLinear(child))
    return module


WHERE = {
    "every map": lambda name: True,
    "one layer": lambda name: name.startswith("1."),
    "q and v": lambda name: name.endswith(("q_proj", "v_proj")),
    "one v": lambda name: name == "2.self_attn.v_proj",
    "gate of one layer": lambda name: name == "0.mlp.gate_proj",
    "W_O of one layer": lambda name: name == "1.self_attn.o_proj",
}


@pytest.mark.parametrize("where", WHERE)
def test_lora_anywhere_says_to_merge_it(where):
    """Of q and v alone every site was right, and what was read of the weights was not adapted."""
    with pytest.raises(LoadError, match="adapter") as caught:
        ue.load(adapt(tiny_model("llama"), WHERE[where]))
    assert "merge_and_unload()" in caught.value.fix


def test_a_merged_adapter_is_the_model_that_it_made():
    torch.manual_seed(0)
    module, merged = adapt(tiny_model("llama"), WHERE["q and v"]), tiny_model("llama")
    expected = module(torch.tensor([PROMPT])).logits[0]
    for name, child in module.named_modules():
        if isinstance(child, LoraLinear):
            change = child.lora_B["default"].weight @ child.lora_A["default"].weight
            merged.get_submodule(name).weight.data += change
    assert not torch.allclose(tiny_model("llama")(torch.tensor([PROMPT])).logits[0], expected)
    torch.testing.assert_close(ue.load(merged).run(PROMPT).logits, expected, rtol=1e-5, atol=1e-5)


def test_learnt_prompts_say_that_the_model_is_inside():
    module = tiny_model("llama")
    module.get_base_model = lambda: module
    with pytest.raises(LoadError, match="no tokens to be shown at") as caught:
        ue.load(module)
    assert "get_base_model()" in caught.value.fix


def test_an_adapter_folder_says_how_to_merge_it(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "gpt2"}))
    with pytest.raises(LoadError, match=r"adapter .* for gpt2") as caught:
        ue.load(tmp_path)
    assert "merge_and_unload()" in caught.value.fix
    (tmp_path / "adapter_config.json").write_text("not JSON")
    with pytest.raises(LoadError, match="adapter"):
        ue.load(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_dynamic_int8_says_what_to_load():
    module = tiny_model("llama")
    try:
        packed = torch.ao.quantization.quantize_dynamic(module, {nn.Linear}, dtype=torch.qint8)
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"this torch has no quantised engine here: {error}")
    with pytest.raises(LoadError, match="quantised dynamically") as caught:
        ue.load(packed)
    assert "load_in_8bit" in caught.value.fix
