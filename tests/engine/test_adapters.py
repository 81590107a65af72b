"""LoRA beside the weights, as peft puts it there: every number is that of the adapted model."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save_file
from torch import nn

import unembed as ue
from unembed.errors import LoadError
from unembed.models.loading import files_of
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.settings import Settings

from ..contract.closeness import assert_close

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore")  # peft's own
PROMPT = [5, 9, 13, 22, 40]
WHERE: dict[str, tuple[str, dict[str, Any]]] = {
    "every map": ("llama", {"target_modules": "all-linear"}),
    "q and v": ("llama", {"target_modules": ["q_proj", "v_proj"]}),
    "W_O of one layer": ("llama", {"target_modules": ["o_proj"], "layers_to_transform": [1]}),
    "feed-forward": ("gemma2", {"target_modules": ["gate_proj", "down_proj"]}),
    "unembedding": ("qwen3", {"target_modules": ["lm_head", "up_proj"]}),
    "Conv1D": ("gpt2", {"target_modules": ["c_attn", "c_proj", "c_fc"]}),
    "own code": ("gptj", {"target_modules": ["q_proj", "out_proj", "fc_out"]}),
    "masked": ("bert", {"target_modules": ["query", "dense"]}),
}


def adapted(family: str, options: dict[str, Any], dtype: torch.dtype = torch.float64) -> Any:
    """A peft model whose adapter changes something: peft's own starts at zero."""
    torch.manual_seed(0)
    found = peft.get_peft_model(
        tiny_model(family, dtype=dtype), peft.LoraConfig(r=4, lora_alpha=8, **options)
    )
    for name, weight in found.named_parameters():
        if "lora_" in name:
            weight.data = 0.3 * torch.randn_like(weight)
    return found.to(dtype).eval()


@torch.no_grad()
def logits_of(module: nn.Module) -> torch.Tensor:
    return module(input_ids=torch.tensor([PROMPT])).logits[0]


@pytest.mark.parametrize("where", WHERE)
def test_every_number_is_that_of_the_merged_model(where):
    module = adapted(*WHERE[where])
    model = ue.load(module)
    merged = ue.load(copy.deepcopy(module).merge_and_unload())
    sites = ["z", "mlp_post", "resid_mid", "attn_out", "resid_post"]
    sites = [one for one in sites if model.capabilities()[one].available]
    run, expected = model.run(PROMPT, sites), merged.run(PROMPT, sites)
    assert torch.equal(run.logits, logits_of(module))
    assert model.report.passed
    assert {name: one.available for name, one in model.capabilities().items()} == {
        name: one.available for name, one in merged.capabilities().items()
    }
    for name in run.captured:
        assert_close(run[name], expected[name])
    for layer in range(model.anatomy.n_layers):
        for branch in ("attn", "mlp"):
            found = model.output_weight(layer, branch).detach()
            assert_close(found, merged.output_weight(layer, branch).detach())
        for name, one in merged.input_maps(layer).items():
            assert_close(model.input_maps(layer)[name].weight.detach(), one.weight.detach())
    assert_close(model.unembedding.weight.detach(), merged.unembedding.weight.detach())
    lens, wanted = (ue.logit_lens(one, PROMPT, top_k=3) for one in (model, merged))
    assert torch.equal(lens.top_ids, wanted.top_ids)
    edits = [ue.zero("L1.H2"), ue.zero("L1.N3")]
    assert_close(model.run(PROMPT, edits=edits).logits, merged.run(PROMPT, edits=edits).logits)


def test_an_adapter_that_is_switched_is_another_model():
    module = adapted(*WHERE["every map"])
    model = ue.load(module)
    first, with_one = model.fingerprint, model.output_weight(1, "attn").detach().clone()
    logits = model.run(PROMPT).logits
    with module.disable_adapter():
        assert model.fingerprint != first
        plain = tiny_model("llama", dtype=torch.float64)
        assert torch.equal(model.run(PROMPT).logits, logits_of(plain))
        assert not torch.equal(model.output_weight(1, "attn").detach(), with_one)
    assert model.fingerprint == first
    module.add_adapter("second", peft.LoraConfig(r=2, target_modules="all-linear"))
    module.set_adapter("second")
    assert model.fingerprint != first
    assert not torch.equal(model.run(PROMPT).logits, logits)
    assert torch.equal(model.run(PROMPT).logits, logits_of(module))


def test_what_is_written_into_an_adapter_of_the_unembedding_shows():
    module = adapted(*WHERE["unembedding"])
    model = ue.load(module)
    assert model.unembedding is not None
    for name, weight in module.named_parameters():
        if "lm_head.lora_B" in name:
            weight.data *= 3
    run = model.run(PROMPT, ["L2.resid_post"])
    logits = model.unembedding.logits(model.final_norm(run["L2.resid_post"]))
    assert_close(logits.detach(), run.logits.detach())


@pytest.mark.parametrize(
    "options",
    [
        {"use_dora": True},
        {"lora_bias": True},
        {"target_modules": ["embed_tokens", "q_proj"]},
        {"modules_to_save": ["lm_head"]},
    ],
    ids=str,
)
def test_what_is_no_change_of_a_weight_alone_says_to_merge_it(options):
    module = adapted("llama", {"target_modules": ["q_proj", "o_proj"]} | options, torch.float32)
    with pytest.raises(LoadError, match="not LoRA of the plain kind") as caught:
        ue.load(module)
    assert "merge_and_unload()" in caught.value.fix


def test_other_adapters_and_learnt_prompts_are_refused():
    scaled = peft.IA3Config(
        target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]
    )
    with pytest.raises(LoadError, match="not LoRA of the plain kind"):
        ue.load(peft.get_peft_model(tiny_model("llama"), scaled))
    learnt = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    with pytest.raises(LoadError, match="no tokens to be shown at"):
        ue.load(peft.get_peft_model(tiny_model("llama"), learnt))


def test_a_folder_with_an_adapter_in_it_is_the_adapted_model(tmp_path):
    module = adapted(*WHERE["q and v"], torch.float32)
    tiny_model("llama").save_pretrained(tmp_path)
    module.save_pretrained(tmp_path)
    model = ue.load(tmp_path)
    torch.testing.assert_close(model.run(PROMPT).logits, logits_of(module))
    with pytest.raises(LoadError, match="whose weights lie in a file"):
        ue.load(tmp_path, low_memory=True)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[nn.Module, Path, Path]:
    """A base in one folder, an adapter of it in another; and the adapted module."""
    base, own = tmp_path / "base", tmp_path / "adapter"
    tiny_model("llama").save_pretrained(base)
    tiny_tokenizer().save_pretrained(base)
    module = adapted(*WHERE["every map"], torch.float32)
    module.peft_config["default"].base_model_name_or_path = str(base)
    module.save_pretrained(own)
    return module, base, own


def test_a_folder_with_an_adapter_alone_is_put_on_its_base(folders):
    module, base, own = folders
    model = ue.load(own)
    assert model.name == "adapter"
    assert model.tokenizer is not None
    assert torch.equal(model.run(PROMPT).logits, ue.load(module).run(PROMPT).logits)
    assert not torch.equal(model.run(PROMPT).logits, ue.load(base).run(PROMPT).logits)
    assert model.fingerprint != ue.load(base).fingerprint
    assert not any("lora" in name for name in ue.load(base).module.state_dict())
    half = ue.load(own, dtype="bfloat16")
    assert half.dtype == torch.bfloat16
    assert_close(
        half.run(PROMPT).logits.float(),
        ue.load(module.merge_and_unload(), dtype="bfloat16").run(PROMPT).logits.float(),
        0.1,
    )


def test_a_base_beside_the_adapter_and_its_own_tokenizer_are_found(folders):
    _, base, own = folders
    config = json.loads((own / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "../base"
    (own / "adapter_config.json").write_text(json.dumps(config))
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    tokenizer.save_pretrained(own)
    model = ue.load(own)
    assert model.capabilities()["chat"].available
    assert not ue.load(base).capabilities()["chat"].available
    assert {base, own} <= {file.parent for file in files_of(str(own), None, Settings())} | {
        file.parent.resolve() for file in files_of(str(own), None, Settings())
    }


def test_an_adapter_that_cannot_be_put_on_says_why_and_how_to_merge_it(folders):
    _, base, own = folders
    for options in ({"low_memory": True}, {"stream": True}):
        with pytest.raises(LoadError, match="as they lie in a file") as caught:
            ue.load(own, **options)
        assert "merge_and_unload()" in caught.value.fix
    weights = own / "adapter_model.safetensors"
    kept = weights.read_bytes()
    weights.rename(own / "adapter_model.bin")
    with pytest.raises(LoadError, match="pickled weights are not read"):
        ue.load(own)
    part = {name: one for name, one in load(kept).items() if "layers.1" not in name}
    save_file(part, weights)
    with pytest.raises(LoadError, match="missing adapter keys"):
        ue.load(own)
    weights.write_bytes(kept[:200])
    with pytest.raises(LoadError, match="merge it into its model"):
        ue.load(own)
    weights.write_bytes(kept)
    (base / "config.json").unlink()
    with pytest.raises(LoadError, match="that model is not on this machine"):
        ue.load(own)


def test_without_the_package_that_reads_it_an_adapter_says_so(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(LoadError, match="peft, is not installed"):
        ue.load(folders[2])
