"""The footprint that the other tests compare does notice what a careless engine would leave."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.overrides import BaseTorchFunctionMode

from unembed.models.tiny import tiny_model

from .footprint import footprint


def forward_hook(model: nn.Module) -> Callable[[], None]:
    return model.model.layers[1].mlp.register_forward_hook(lambda *_: None).remove


def input_hook(model: nn.Module) -> Callable[[], None]:
    return model.lm_head.register_forward_pre_hook(lambda *_: None).remove


def hook_on_every_module(model: nn.Module) -> Callable[[], None]:
    return register_module_forward_hook(lambda *_: None).remove


def patched_method(model: nn.Module) -> Callable[[], None]:
    model.model.forward = model.model.forward
    return lambda: delattr(model.model, "forward")


def attention_implementation(model: nn.Module) -> Callable[[], None]:
    model.config._attn_implementation = "eager"
    return lambda: setattr(model.config, "_attn_implementation", "sdpa")


def kernel_of_the_family(model: nn.Module) -> Callable[[], None]:
    file = sys.modules[type(model).__module__]
    kernel = file.eager_attention_forward
    file.eager_attention_forward = lambda *args, **kwargs: kernel(*args, **kwargs)
    return lambda: setattr(file, "eager_attention_forward", kernel)


def function_mode(model: nn.Module) -> Callable[[], None]:
    mode = BaseTorchFunctionMode()
    mode.__enter__()
    return lambda: mode.__exit__(None, None, None)


def training(model: nn.Module) -> Callable[[], None]:
    model.train()
    return lambda: model.eval()  # type: ignore[return-value]


def frozen(model: nn.Module) -> Callable[[], None]:
    model.requires_grad_(False)
    return lambda: model.requires_grad_(True)  # type: ignore[return-value]


CARELESS = (
    forward_hook,
    input_hook,
    hook_on_every_module,
    patched_method,
    attention_implementation,
    kernel_of_the_family,
    function_mode,
    training,
    frozen,
)


@pytest.mark.parametrize("leave", CARELESS, ids=lambda leave: leave.__name__)
def test_what_is_left_behind_is_noticed(leave):
    model = tiny_model("llama")
    before = footprint(model)
    undo = leave(model)
    try:
        assert footprint(model) != before
    finally:
        undo()
    assert footprint(model) == before


def test_a_run_of_the_plain_model_leaves_nothing():
    model = tiny_model("llama")
    before = footprint(model)
    with torch.no_grad():
        model(torch.tensor([[1, 2, 3]]))
    assert footprint(model) == before
