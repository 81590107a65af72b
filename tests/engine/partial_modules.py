"""Small modules for the tests of partial forward passes."""

from __future__ import annotations

import torch
from torch import nn

from unembed.engine.passes.outputs import _stack
from unembed.models.tiny import tiny_model

from ..contract.footprint import hooks

IDS = torch.tensor([[1, 59, 109, 118, 72, 87]])


def gpt2(**config):
    return tiny_model("gpt2", **config)


def stack_of(*modules):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(*(make() for make in modules))


def linear():
    return nn.Linear(4, 4)


def deep(n=4):
    return stack_of(*[linear] * n)


X = torch.linspace(-1, 1, 12).reshape(3, 4)


class Around(nn.Module):
    """A module whose forward pass is the given function of it."""

    def __init__(self, forward, **children):
        super().__init__()
        for name, child in children.items():
            setattr(self, name, child)
        self.does = forward

    def forward(self, *args, **kwargs):
        return self.does(self, *args, **kwargs)


def clean(module):
    """No hook on it, and no call that this thread is still in."""
    return hooks(module) == 0 and not _stack()
