"""Weights mapped from their files, or read when they are used: the same numbers, less memory."""

from __future__ import annotations

import gc
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from accelerate.utils.offload import OffloadedWeightsLoader
from torch import nn
from transformers import AutoModelForMaskedLM, GPT2Config, GPT2LMHeadModel, PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaAttention
from transformers.utils import logging

import unembed as ue
from unembed.errors import InputError, LoadError
from unembed.models.representatives import find_stack
from unembed.models.tiny import random_model, tiny_model, tiny_tokenizer
from unembed.settings import Settings

from ..contract.wiring import NAMES, REPRESENTATIVES

PROMPT = [5, 9, 13, 22, 7, 40]
MODES = ("low_memory", "stream")
linux = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A family's tiny model on disk, in several shards."""

    @cache
    def save(name: str, dtype: torch.dtype = torch.float32) -> str:
        folder = tmp_path_factory.mktemp(name)
        tiny_model(name, dtype=dtype).save_pretrained(folder, max_shard_size="60KB")
        tiny_tokenizer().save_pretrained(folder)
        return str(folder)

    return save


@pytest.fixture(scope="session")
def plain_of(checkpoint, proven):
    """The same in memory as usual, once for all modes."""

    @cache
    def load(name: str) -> ue.Model:
        with proven(name, torch.float32):
            return ue.load(checkpoint(name))

    return load


def assert_same_run(ours, theirs):
    assert ours.captured == theirs.captured
    for site in theirs.captured:
        assert torch.equal(ours[site], theirs[site]), site
    assert torch.equal(ours.logits, theirs.logits)


# ---------------------------------------------------------------- the same numbers


@pytest.mark.parametrize(
    ("name", "mode"),
    # how weights lie in files differs by family, how they are mapped or read from there does not
    [*((name, "low_memory") for name in NAMES), *((name, "stream") for name in REPRESENTATIVES)],
)
def test_the_same_model_to_the_last_bit(name, mode, checkpoint, plain_of):
    plain, lean = plain_of(name), ue.load(checkpoint(name), **{mode: True})
    assert lean.anatomy == plain.anatomy
    assert lean.fingerprint == plain.fingerprint
    assert lean.capabilities() == plain.capabilities()
    sites = ["embed", "resid_mid", "attn_out", "mlp_out", "resid_post"]
    capture = [site for site in sites if plain.capabilities()[site].available]
    assert_same_run(lean.run(PROMPT, capture), plain.run(PROMPT, capture))
    edits = [ue.zero("L1.attn"), ue.scale("L0.mlp", 2.0)]
    edited = lean.run(PROMPT, capture, edits)
    assert_same_run(edited, plain.run(PROMPT, capture, edits))
    assert not torch.equal(edited.logits, plain.run(PROMPT).logits)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["gpt2", "gemma2", "mixtral", "bert", "gptj", "olmo2", "falcon"])
def test_the_lens_reads_the_same_unembedding(name, mode, checkpoint, plain_of):
    plain, lean = plain_of(name), ue.load(checkpoint(name), **{mode: True})
    ours, theirs = (ue.logit_lens(model, PROMPT) for model in (lean, plain))
    for key, array in theirs.arrays().items():
        assert torch.equal(ours.arrays()[key].nan_to_num(), array.nan_to_num()), key


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "qwen3_moe", "bloom"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_a_streamed_model_continues_a_text(name, use_cache, checkpoint, plain_of):
    plain, lean = plain_of(name), ue.load(checkpoint(name), stream=True)
    options = {"max_new_tokens": 6, "edits": [ue.zero("L1.mlp")], "use_cache": use_cache}
    ours, theirs = (model.generate(PROMPT, **options) for model in (lean, plain))
    assert ours.new_ids == theirs.new_ids


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
def test_the_type_is_that_of_the_file_unless_another_is_asked_for(name, mode, checkpoint):
    folder = checkpoint(name, torch.bfloat16)
    assert ue.load(folder, **{mode: True}).dtype == torch.bfloat16
    wide, plain = ue.load(folder, dtype="float32", **{mode: True}), ue.load(folder)
    assert wide.dtype == plain.dtype == torch.float32
    assert_same_run(wide.run(PROMPT, ["resid_post"]), plain.run(PROMPT, ["resid_post"]))


@pytest.mark.parametrize("name", ["gptj", "gpt2"])
def test_an_untied_head_is_not_taken_for_a_tied_one(name, tmp_path):
    """A loader that renames every key loses an untied head and says nothing."""
    module = tiny_model(name)
    head = module.get_output_embeddings()
    module.config.tie_word_embeddings = False
    head.weight = nn.Parameter(torch.randn_like(head.weight))
    module.save_pretrained(tmp_path)
    expected = module(torch.tensor([PROMPT])).logits[0]
    for mode in MODES:
        assert torch.equal(ue.load(tmp_path, **{mode: True}).run(PROMPT).logits, expected)


# ---------------------------------------------------------------- memory


def mappings() -> dict[str, list[range]]:
    """The addresses at which this process has files mapped."""
    found: dict[str, list[range]] = {}
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6:
            start, end = (int(part, 16) for part in fields[0].split("-"))
            found.setdefault(fields[5], []).append(range(start, end))
    return found


@linux
@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3", "opt"])
def test_mapped_weights_have_no_second_copy(name, checkpoint):
    folder = checkpoint(name)
    model = ue.load(folder, low_memory=True)
    shards = {path: where for path, where in mappings().items() if path.startswith(folder)}
    assert len(shards) > 1
    for key, weight in model.module.named_parameters():
        inside = [weight.data_ptr() in part for parts in shards.values() for part in parts]
        assert any(inside), key


def test_loading_draws_no_random_numbers(checkpoint):
    folder = checkpoint("llama")
    before = torch.get_rng_state()
    ue.load(folder, low_memory=True)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("mode", MODES)
def test_loading_leaves_transformers_as_it_was(mode, checkpoint):
    """Loaders that patch from_pretrained for the whole process break every other model's."""

    def state():
        return (
            vars(PreTrainedModel)["from_pretrained"],
            nn.Linear,
            torch.get_default_dtype(),
            logging.get_verbosity(),
            logging.is_progress_bar_enabled(),
        )

    before = state()
    ue.load(checkpoint("gpt2"), **{mode: True})
    assert state() == before
    other = AutoModelForMaskedLM.from_pretrained(checkpoint("bert"))
    assert not any(weight.is_meta for weight in other.parameters())


@pytest.fixture
def reads(monkeypatch):
    """Names of the weights that are read from disk, in order."""
    read: list[str] = []
    original = OffloadedWeightsLoader.__getitem__

    def noted(self, key):
        read.append(key)
        return original(self, key)

    monkeypatch.setattr(OffloadedWeightsLoader, "__getitem__", noted)
    return read


def test_a_stream_reads_only_the_blocks_that_run(checkpoint, reads):
    model = ue.load(checkpoint("gemma3"), stream=True)
    reads.clear()
    model.run(PROMPT, ["L1.resid_post"], logits="none")
    blocks = {key.split(".")[2] for key in reads if ".layers." in key}
    assert blocks == {"0", "1"}
    assert not any("lm_head" in key for key in reads)


def test_a_stream_lets_go_of_each_weight(checkpoint):
    model = ue.load(checkpoint("llama"), stream=True)
    held: list[int] = []

    def note(*_: object) -> None:
        held.append(sum(not weight.is_meta for weight in model.module.parameters()))

    for block in model.anatomy.blocks:
        model.module.get_submodule(block.module).register_forward_hook(note)
    model.run(PROMPT)
    assert held == [0] * model.anatomy.n_layers


def test_a_failed_run_holds_no_weights(checkpoint):
    model = ue.load(checkpoint("llama"), stream=True)

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    handle = model.module.get_submodule(model.anatomy.blocks[1].module).register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="no"):
        model.run(PROMPT)
    handle.remove()
    assert all(weight.is_meta for weight in model.module.parameters())
    assert torch.equal(model.run(PROMPT).logits, ue.load(checkpoint("llama")).run(PROMPT).logits)


def test_loading_computes_with_one_block_of_each_kind(checkpoint, monkeypatch):
    """How much of a large file that leaves untouched: bench/load.py."""
    computed: set[int] = set()
    original = LlamaAttention.forward

    def noted(self, *args, **kwargs):
        computed.add(self.layer_idx)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(LlamaAttention, "forward", noted)
    model = ue.load(checkpoint("llama"), low_memory=True)
    assert computed == {0}
    model.run(PROMPT)
    assert computed == {0, 1, 2}


def test_what_streaming_converts_is_deleted_with_the_model(checkpoint, tmp_path):
    settings = Settings(cache_dir=str(tmp_path))
    model = ue.load(checkpoint("mixtral"), stream=True, settings=settings)
    (folder,) = (tmp_path / "streamed").iterdir()
    assert any(folder.iterdir())
    model.run(PROMPT)
    del model
    gc.collect()
    assert not folder.exists()


def test_a_load_that_fails_leaves_no_folder(checkpoint, tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in Path(checkpoint("mixtral")).iterdir():
        if not path.name.startswith("model-00002"):
            (folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(LoadError):
        ue.load(folder, stream=True, settings=Settings(cache_dir=str(tmp_path)))
    assert not list((tmp_path / "streamed").iterdir())


# ---------------------------------------------------------------- one block of each kind


def test_blocks_that_are_built_alike_are_one_kind():
    stack = find_stack(tiny_model("llama"))
    assert stack is not None
    assert stack.kinds == (0, 0, 0)
    assert stack.skipped == {"model.layers.1", "model.layers.2"}


@pytest.mark.parametrize(
    "name, kinds",
    [
        ("gemma3", (0, 1, 0, 1)),  # sliding and full attention
        ("gpt_neo", (0, 1, 0, 1)),  # local and global, told apart by a buffer
        ("qwen3_moe", (0, 1, 0)),  # experts and a plain feed-forward
        ("gpt2-inverse-layer", (0, 1, 2)),  # a scale that depends on the layer
    ],
)
def test_blocks_that_differ_are_kinds_of_their_own(name, kinds):
    stack = find_stack(tiny_model(name))
    assert stack is not None
    assert stack.kinds == kinds


def test_what_was_proven_is_said(checkpoint):
    assert ue.load(checkpoint("gemma3"), low_memory=True).report.layers == (0, 1)
    assert ue.load(checkpoint("gemma3")).report.layers is None
    assert ue.load(checkpoint("albert"), low_memory=True).report.layers is None  # a shared block


def test_a_model_that_cannot_be_understood_is_refused_all_the_same(tmp_path):
    """Doge adds the stream times a vector of weights."""
    config = {"hidden_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4}
    random_model("doge", config | {"intermediate_size": 52}).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(LoadError, match="any known order"):
        ue.load(tmp_path, low_memory=True)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("mode", MODES)
def test_a_module_is_in_memory_already(mode):
    with pytest.raises(InputError, match=f"{mode}.*in memory already"):
        ue.load(tiny_model("gpt2"), **{mode: True})


@pytest.mark.parametrize("mode", MODES)
def test_packed_weights_cannot_be_mapped(mode):
    with pytest.raises(InputError, match="packed"):
        ue.load("some.gguf", **{mode: True})


def test_streaming_computes_on_the_cpu(checkpoint):
    with pytest.raises(InputError, match="stream computes on the CPU") as caught:
        ue.load(checkpoint("gpt2"), stream=True, device="auto")
    assert caught.value.field == "device"


def test_a_pickled_checkpoint_is_refused_with_the_command_that_converts_it(tmp_path):
    folder = tmp_path / "it's old"
    module = GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=32, n_head=2, vocab_size=128))
    module.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(module.state_dict(), folder / "pytorch_model.bin")
    for mode in ({}, {"low_memory": True}, {"stream": True}):
        with pytest.raises(LoadError, match="pickled ones are not read") as caught:
            ue.load(folder, **mode)
    command = caught.value.fix
    assert command is not None
    python = f"'{sys.executable}'"
    subprocess.run(command.replace("python", python, 1), shell=True, check=True, timeout=240)
    model = ue.load(f"{folder}-safetensors", low_memory=True)
    module.eval()
    assert torch.equal(model.run(PROMPT).logits, module(torch.tensor([PROMPT])).logits[0])
