"""Loading: every kind of source, and every refusal."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

import unembed as ue
from tests.engine.conftest import PROMPT
from unembed.errors import CapabilityError, InputError, LoadError, TargetError
from unembed.models.fingerprint import fingerprint
from unembed.models.tiny import tiny_model, tiny_tokenizer


@pytest.fixture
def folder(tmp_path):
    tiny_model("gpt2").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    return tmp_path


def test_a_folder_gives_the_numbers_of_its_module(folder):
    model = ue.load(folder)
    assert torch.equal(
        model.run(PROMPT).logits, ue.load(tiny_model("gpt2"), tiny_tokenizer()).run(PROMPT).logits
    )
    assert model.name == folder.name
    assert model.kind == "causal"


def test_dtype_and_device_are_chosen(folder):
    assert ue.load(folder, dtype="bf16").dtype == torch.bfloat16
    assert ue.load(folder, dtype=torch.float64).dtype == torch.float64
    with pytest.raises(InputError, match="dtype is 'int3'"):
        ue.load(folder, dtype="int3")
    with pytest.raises(InputError, match="device 'nope'"):
        ue.load(folder, device="nope")


def test_a_masked_folder_is_a_masked_model(tmp_path):
    tiny_model("bert").save_pretrained(tmp_path)
    model = ue.load(tmp_path)
    assert model.kind == "masked"
    with pytest.raises(ue.errors.PromptError, match="without a tokenizer"):
        model.run(PROMPT)
    assert model.run([5, 6, 7]).top(1)


def test_a_checkpoint_without_a_head_predicts_nothing(tmp_path):
    tiny_model("bert").bert.save_pretrained(tmp_path)
    model = ue.load(tmp_path, tiny_tokenizer())
    run = model.run(PROMPT, ["resid_post"])
    assert run.logits is None
    with pytest.raises(CapabilityError, match="no language-model head"):
        run.top()
    with pytest.raises(CapabilityError, match="no language-model head"):
        model.final_norm(run["L0.resid_post"])
    assert not model.capabilities()["logits"].available


def test_a_checkpoint_with_missing_weights_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    tiny_model("gpt2").save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(LoadError, match="random numbers"):
        ue.load(tmp_path)


def test_an_encoder_without_a_head_has_one_fingerprint(tmp_path):
    """The head that transformers adds is drawn at random, and an index is of a fingerprint."""
    tiny_model("bert").bert.save_pretrained(tmp_path)
    found = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.add(ue.load(tmp_path).fingerprint)
        assert torch.initial_seed() == seed
    assert len(found) == 1


def test_pickled_weights_are_not_read(tmp_path):
    module = tiny_model("gpt2")
    module.config.save_pretrained(tmp_path)
    torch.save(module.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(LoadError, match="safetensors"):
        ue.load(tmp_path)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("/no/such/folder", "no folder or file"),
        ("/no/such/file.gguf", "no file"),
        ("./nowhere", "no folder or file"),
    ],
)
def test_a_source_that_is_not_there_is_refused(source, words):
    with pytest.raises(LoadError, match=words) as caught:
        ue.load(source)
    assert caught.value.field == "source"


def test_a_hub_id_without_a_network_says_so(monkeypatch):
    # the variable of that name is read when the library is imported
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(LoadError, match="could not be loaded"):
        ue.load("nobody/no-such-model")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(LoadError, match=r"config\.json"):
        ue.load(tmp_path)


@pytest.mark.parametrize("module", [nn.Linear(2, 2), tiny_model("bert").bert])
def test_a_module_that_is_no_language_model_is_refused(module):
    with pytest.raises(LoadError):
        ue.load(module)


def test_an_encoder_decoder_whose_encoder_shares_its_blocks_is_refused():
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=64, d_model=16, d_kv=4, d_ff=32, num_layers=2, num_heads=4,
        decoder_start_token_id=0,
    )  # fmt: skip
    module = T5ForConditionalGeneration(config).eval()
    module.encoder.block[1] = module.encoder.block[0]
    with pytest.raises(LoadError, match="several layers of its encoder"):
        ue.load(module)


def test_fingerprints_tell_models_apart():
    first = fingerprint(tiny_model("gpt2"))
    assert first == fingerprint(tiny_model("gpt2"))
    assert first != fingerprint(tiny_model("gpt2", seed=1))
    assert first != fingerprint(tiny_model("gpt2", dtype=torch.float64))


def test_a_target_token_is_exactly_one_token(gpt2):
    one = gpt2.token(gpt2.run(PROMPT).ids[2])
    assert gpt2.token_id(one.id) == one.id
    with pytest.raises(TargetError, match="not one token"):
        gpt2.token_id("the cat sat on the mat")
    for bad in (-1, 10**9, True, None, 1.5):
        with pytest.raises(TargetError):
            gpt2.token_id(bad)


def test_the_public_names_are_these():
    assert ue.__all__ == sorted(ue.__all__)
    for name in ue.__all__:
        assert getattr(ue, name) is not None
    with pytest.raises(AttributeError):
        ue.nothing  # noqa: B018 (asking for it is the test)


def test_anatomies_are_data(gpt2):
    with pytest.raises(dataclasses.FrozenInstanceError):
        gpt2.anatomy.n_layers = 3
    assert "layers=3" in repr(gpt2)
