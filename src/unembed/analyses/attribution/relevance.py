"""The rules of relevance patching (RelP; Jafari et al. 2025), as other gradients of the same pass.

The forward pass has the same values; on the way back a norm is linear with the scale that it had,
an activation function is a number times its argument, and each factor of a gated product gets half
of what comes back, so that what is given back is what came. Attention is differentiated as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from unembed.engine.loaded import Loaded
from unembed.engine.passes.attention_inputs import norms_frozen
from unembed.errors import CapabilityError
from unembed.models.anatomy import MlpAnatomy, Tap
from unembed.models.patching import forward_replaced


@contextmanager
def relevance_rules(model: Loaded) -> Iterator[None]:
    """The rules on, and off again on every way out. Raises CapabilityError where one has no place.

    Mixtures of experts are differentiated as they are, with norms held.
    """
    whole = model.module
    with ExitStack() as stack:
        stack.enter_context(norms_frozen(whole))
        activations: dict[str, bool] = {}
        for block in model.anatomy.blocks:
            mlp = block.feed_forward
            if mlp is None or mlp.kind == "experts":
                continue
            activations[_activation(model, block.layer, mlp)] = mlp.gate is not None
            if mlp.gate is not None and mlp.pre is not None:
                module = whole.get_submodule(mlp.pre.module)
                stack.callback(module.register_forward_hook(_halving(mlp.pre)).remove)
        for name, gated in activations.items():
            module = whole.get_submodule(name)
            stack.enter_context(forward_replaced(module, _proportional(module, gated)))
        yield


def _activation(model: Loaded, layer: int, mlp: MlpAnatomy) -> str:
    """The module of the activation function; raises CapabilityError where it is no module."""
    halves = mlp.pre is None or mlp.pre.side == "output"
    if mlp.activation is not None and (mlp.gate is None or halves):
        return mlp.activation
    raise CapabilityError(
        f"{model.name} has no relevance rules: the activation function of layer {layer} is not a "
        "module of its own",
        field="estimator",
        value="relp",
        legal="gradient, integrated",
    )


def _proportional(module: nn.Module, gated: bool) -> Callable[[Tensor], Tensor]:
    """f(x) as the number f(x)/x times x; behind a gate half of it."""
    plain = module.forward

    def rule(states: Tensor) -> Tensor:
        with torch.no_grad():
            output = plain(states)
            share = torch.where(states == 0, 0.0, output / states)
        found = output + share * (states - states.detach())
        return _half(found) if gated else found

    return rule


def _halving(tap: Tap) -> Callable[..., Any]:
    """What is multiplied with the gate: half of what comes back."""

    def hook(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        if tap.half is None:
            return _half(output)
        halves = list(output.chunk(2, dim=-1))
        halves[tap.half] = _half(halves[tap.half])
        return torch.cat(halves, dim=-1)

    return hook


def _half(values: Tensor) -> Tensor:
    """The same numbers, with half of the gradient."""
    return values.detach() + (values - values.detach()) / 2
