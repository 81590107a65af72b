"""The language model of checkpoints that take pictures or sound: all of it, and text alone.

The reference is the whole model of Hugging Face, given text.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

import unembed as ue
from unembed.engine.model import Model
from unembed.errors import PromptError
from unembed.models.tiny import tiny_tokenizer

from .closeness import PROMPT
from .multimodal import IMAGE, MULTIMODAL, multimodal_model

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families


@pytest.fixture(params=MULTIMODAL, scope="module")
def whole(request: Any) -> tuple[nn.Module, Model]:
    module = multimodal_model(request.param)
    answer(module)
    return module, ue.load(module, tiny_tokenizer())


@torch.no_grad()
def answer(module: nn.Module, **more: Any) -> Any:
    try:
        return module(torch.tensor([PROMPT]), use_cache=False, **more)
    except AttributeError as error:  # 5.24 has no image_outputs where Llama 4 read no image
        pytest.skip(f"transformers {transformers.__version__} cannot run it on a text: {error}")


def test_its_numbers_are_those_of_the_whole_model(whole):
    module, model = whole
    run = model.run(PROMPT, capture=["resid_pre"])
    theirs = answer(module, output_hidden_states=True)
    assert torch.equal(run.logits, theirs.logits[0])
    for layer in range(model.anatomy.n_layers):
        assert torch.equal(run[f"L{layer}.resid_pre"], theirs.hidden_states[layer][0])
    assert model.capabilities()["lens"].available
    assert model.capabilities()["heads"].available


def test_an_edit_is_a_hook_on_the_language_model(whole):
    module, model = whole

    def cut(_: nn.Module, __: Any, output: Any) -> Any:
        value: Tensor = output[0] if isinstance(output, tuple) else output
        value = value.clone()
        value[:, 2] = 0
        return (value, *output[1:]) if isinstance(output, tuple) else value

    added = model.block(1).mixer.added.module
    assert "vision" not in added
    handle = module.get_submodule(added).register_forward_hook(cut)
    try:
        expected = answer(module).logits[0]
    finally:
        handle.remove()
    found = model.run(PROMPT, edits=[ue.zero("L1.attn_out@2")]).logits
    if model.block(1).mixer.added.scale == 1:
        assert torch.equal(found, expected)
    assert not torch.equal(expected, model.run(PROMPT).logits)


def test_a_text_goes_on_as_transformers_goes_on(whole):
    module, model = whole
    theirs = module.generate(
        torch.tensor([PROMPT]), max_new_tokens=3, do_sample=False, eos_token_id=None
    )
    found = model.generate(PROMPT, 3)
    assert list(found.new_ids) == theirs[0, len(PROMPT) :].tolist()
    assert model.generate(PROMPT, 3, use_cache=False).new_ids == found.new_ids


def test_a_token_that_stands_for_a_picture_is_refused(whole):
    _, model = whole
    with pytest.raises(PromptError, match=r"token 1 of the prompt.*stands for (a picture|sound)"):
        model.run([5, IMAGE, 9])


def test_a_part_of_a_message_that_is_a_picture_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    model = ue.load(multimodal_model("llava"), tokenizer)
    said = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "hi"}]}
    with pytest.raises(PromptError, match="message 0 has a part of type 'image'"):
        model.run([said])


@pytest.mark.parametrize("name", ["llava", "llama4", "qwen2_5_vl", "phi4_multimodal"])
@pytest.mark.parametrize("low_memory", [False, True], ids=["read", "mapped"])
def test_a_folder_holds_its_language_model(tmp_path, name, low_memory):
    module = multimodal_model(name, torch.float32)
    module.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    model = ue.load(tmp_path, low_memory=low_memory)
    assert model.kind == "causal"
    assert torch.equal(model.run(PROMPT).logits, answer(module).logits[0])
