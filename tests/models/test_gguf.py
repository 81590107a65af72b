"""A GGUF file gives exactly the model that was written into it, or a LoadError."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import small_gguf
import torch
from gguf import GGMLQuantizationType, quants
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma2Config, Gemma3TextConfig

from unembed.errors import LoadError
from unembed.models import gguf, gguf_facts
from unembed.models.gguf_header import Header

IDS = torch.tensor([[2, 270, 268, 30, 5, 269, 271, 265, 40, 3, 262, 263, 2, 2, 275, 276]])


def logits(module: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return module(IDS).logits


@pytest.mark.parametrize("family", ["gemma3", "llama"])
def test_the_written_model_comes_back(tmp_path: Path, family: str) -> None:
    written = getattr(small_gguf, family)()
    module, _ = gguf.load_gguf(small_gguf.write(tmp_path / "m.gguf", written))
    torch.testing.assert_close(logits(module), logits(written), rtol=1e-5, atol=1e-5)
    assert {p.dtype for p in module.parameters()} == {torch.float32}


def test_a_stretched_rope_of_gemma3_reaches_its_full_attention_layers_only(tmp_path: Path) -> None:
    rope = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    written = small_gguf.gemma3(rope_parameters=rope)
    stated = {"gemma3.rope.scaling.type": "linear", "gemma3.rope.scaling.factor": 8.0}
    path = small_gguf.write(tmp_path / "m.gguf", written, extra=stated)
    module, _ = gguf.load_gguf(path)
    torch.testing.assert_close(logits(module), logits(written), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(logits(module), logits(small_gguf.gemma3()), atol=1e-4)


def test_quantised_blocks_are_unpacked_to_what_gguf_says_they_hold(tmp_path: Path) -> None:
    written = small_gguf.gemma3()
    dense = written.model.layers[0].mlp.gate_proj.weight.detach().numpy()
    kind = GGMLQuantizationType.Q8_0
    path = small_gguf.write(tmp_path / "m.gguf", written, without=("blk.0.ffn_gate.weight",))
    with pytest.raises(LoadError, match=r"missing keys: .*layers\.0\.mlp\.gate_proj"):
        gguf.load_gguf(path)
    packed = quants.quantize(dense, kind)
    expected = quants.dequantize(packed, kind)
    assert 0 < np.abs(expected - dense).max() < 0.01
    _write_quantised(path, written, packed, kind)
    module, _ = gguf.load_gguf(path)
    np.testing.assert_array_equal(
        module.model.layers[0].mlp.gate_proj.weight.detach().numpy(), expected
    )


def _write_quantised(path: Path, model, packed: np.ndarray, kind: GGMLQuantizationType) -> None:
    add = small_gguf.gguf.GGUFWriter.add_tensor

    def add_tensor(self, name: str, array: np.ndarray) -> None:
        if name == "blk.0.ffn_gate.weight":
            add(self, name, packed, raw_dtype=kind)
        else:
            add(self, name, array)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_gguf.gguf.GGUFWriter, "add_tensor", add_tensor)
        small_gguf.write(path, model)


def test_the_module_is_plain_and_saves_as_such(tmp_path: Path, capfd) -> None:
    heard: list[tuple[str, int, int]] = []
    path = small_gguf.write(tmp_path / "m.gguf", small_gguf.gemma3())
    module, tokenizer = gguf.load_gguf(
        path, torch.bfloat16, lambda stage, done, total: heard.append((stage, done, total))
    )
    assert not hasattr(module.config, "quantization_config")
    assert {p.dtype for p in module.parameters()} == {torch.bfloat16}
    module.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "saved", dtype=torch.bfloat16)
    assert torch.equal(logits(again), logits(module))
    text = "the cat\n\n ate<start_of_turn> ∞ é"
    assert AutoTokenizer.from_pretrained(tmp_path / "saved")(text) == tokenizer(text)
    assert heard[0][1] == 0
    assert heard[-1][1] == heard[-1][2] > 0


def test_nothing_is_drawn_on_the_terminal(tmp_path: Path, capfd) -> None:
    path = small_gguf.write(tmp_path / "m.gguf", small_gguf.gemma3())
    capfd.readouterr()
    gguf.load_gguf(path)
    assert capfd.readouterr() == ("", "")


def test_the_tokenizer_keeps_specials_newlines_bytes_and_spaces_apart(tmp_path: Path) -> None:
    path = small_gguf.write(tmp_path / "m.gguf", small_gguf.gemma3())
    _, tokenizer = gguf.load_gguf(path)
    spelled = tokenizer.convert_ids_to_tokens(tokenizer("the cat\n\n\n<start_of_turn>é").input_ids)
    assert spelled == [
        "<bos>",
        *("t", "he", "▁cat", "\n\n", "\n", "<start_of_turn>", "<0xC3>", "<0xA9>"),
    ]


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"gemma3.final_logit_softcapping": 30.0}, "final_logit_softcapping to 30.0.*None"),
        ({"gemma3.attention.clamp_kqv": 8.0}, "clamp_kqv to 8.0.*nothing"),
        ({"gemma3.rope.scaling.type": "yarn"}, "scaling.type to 'yarn'.*'none'"),
        ({"gemma3.rope.dimension_count": 4}, "dimension_count to 4.*16"),
        ({"split.count": 3}, "one part of a split file"),
    ],
)
def test_what_transformers_would_drop_is_refused(tmp_path: Path, stated: dict, says: str) -> None:
    path = small_gguf.write(tmp_path / "m.gguf", small_gguf.gemma3(), extra=stated)
    with pytest.raises(LoadError, match=says):
        gguf.load_gguf(path)


def test_a_tensor_that_no_parameter_takes_is_refused(tmp_path: Path) -> None:
    factors = {"rope_freqs.weight": np.linspace(1, 8, 4, dtype=np.float32)}
    path = small_gguf.write(tmp_path / "m.gguf", small_gguf.llama(), tensors=factors)
    with pytest.raises(LoadError, match=r"rope_freqs\.weight was not understood"):
        gguf.load_gguf(path)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tokenizer": False}, "holds no tokenizer"),
        ({"architecture": "clip"}, r"\(clip\) cannot be loaded.*not supported"),
        ({"without": ("token_embd.weight",)}, "missing keys: .*embed_tokens"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, options: dict, says: str) -> None:
    path = small_gguf.write(tmp_path / "m.gguf", small_gguf.gemma3(), **options)
    with pytest.raises(LoadError, match=says) as caught:
        gguf.load_gguf(path)
    assert caught.value.field == "source"
    assert caught.value.fix


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(LoadError, match=r'pip install "unembed\[gguf\]"'):
        gguf.load_gguf(tmp_path / "m.gguf")


@pytest.mark.parametrize(
    ("architecture", "config", "scale"),
    [
        ("gemma3", Gemma3TextConfig(num_hidden_layers=62, hidden_size=5376, head_dim=128), 168),
        ("gemma3", Gemma3TextConfig(num_hidden_layers=34, hidden_size=2560, head_dim=256), 256),
        ("gemma2", Gemma2Config(num_hidden_layers=46, hidden_size=4608, head_dim=128), 144),
        ("gemma2", Gemma2Config(num_hidden_layers=42, hidden_size=3584, head_dim=256), 256),
    ],
)
def test_the_query_scale_follows_the_published_configs(
    architecture: str, config: Gemma3TextConfig, scale: int
) -> None:
    config.num_attention_heads = 32
    header = Header(Path("m.gguf"), {"general.architecture": architecture}, (), {}, 0)
    gguf_facts.complete(header, config)
    assert config.query_pre_attn_scalar == scale
