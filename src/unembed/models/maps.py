"""Linear maps, whichever class holds their weight, and wherever it is kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unembed.errors import LoadError
from unembed.models.adapters import changes, is_adapted
from unembed.models.quantised import unpacked


def is_map(module: nn.Module) -> bool:
    """Whether the module is one matrix: nn.Linear and what states its widths alike, or Conv1D.

    So is one of these with LoRA beside it.
    """
    if is_adapted(module):
        return is_map(_base(module))
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() != 2:
        return False
    if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D":
        return True
    if next(module.children(), None) is not None:  # a wrapper hands out the weight that is inside
        return False
    widths = getattr(module, "out_features", None), getattr(module, "in_features", None)
    return widths == tuple(weight.shape)  # IBert's


def weight_in_out(module: nn.Module) -> Tensor:
    """The matrix as [d_in, d_out], so that x @ weight is what the map computes (a view).

    Of a streamed model: mapped from its file, so that only what is used of it is read.
    """
    if is_adapted(module):
        base = _base(module)
        change = sum(changes(module))
        turned = change if type(base).__name__ == "Conv1D" or isinstance(change, int) else change.T
        return weight_in_out(base) + turned
    weight = stored(module, "weight")
    if weight is None:
        raise LookupError(f"a {type(module).__name__} has no weight")
    weight = weight if weight.is_floating_point() else unpacked(module)
    return weight if type(module).__name__ == "Conv1D" else weight.T


def bias_of(module: nn.Module) -> Tensor | None:
    """The bias [d_out], or None."""
    module = _base(module) if is_adapted(module) else module
    return stored(module, "bias")


def _base(module: nn.Module) -> nn.Module:
    """The map that an adapter stands beside."""
    found: nn.Module = module.base_layer  # type: ignore[assignment]  # `is_adapted` says it has one
    return found


def stored(module: nn.Module, name: str) -> Tensor | None:
    """A module's own weight: the parameter, or in a streamed model what its file holds."""
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        return None
    if not weight.is_meta:
        return weight
    found: Tensor = _loading_hook(module).weights_map[name]
    return found.to(weight.dtype)


def named_tensor(module: nn.Module, name: str) -> Tensor:
    """The buffer or parameter of this name."""
    owner, _, own = name.rpartition(".")
    found = stored(module.get_submodule(owner), own)
    if found is None:
        raise LookupError(f"a {type(module).__name__} has no {name}")
    return found


def input_embeddings(module: nn.Module) -> nn.Embedding:
    """The token embedding of a model from transformers; nn.Module does not know of the method."""
    give = getattr(module, "get_input_embeddings", None)
    found: nn.Embedding | None = None if give is None else give()
    if found is None or not isinstance(getattr(found, "weight", None), Tensor):
        named = (*module.named_modules(), *module.named_parameters())
        path = next((path for path, each in named if each is found), None)
        said = "it names none" if path is None else f"what it names so, {path}, is none"
        raise LoadError(
            f"{type(module).__name__} has no table of token embeddings that its stream starts "
            f"from: {said}",  # Perceiver's are no tokens'
            field="source",
            value=type(module).__name__,
            legal="a language model that reads token ids",
        )
    return found


def device_of(module: nn.Module) -> torch.device:
    """Where a module with a weight computes; a streamed one has no numbers between its calls."""
    weight: Tensor = next(module.parameters())
    return torch.device(_loading_hook(module).execution_device) if weight.is_meta else weight.device


def _loading_hook(module: nn.Module) -> Any:
    """What accelerate reads this module's weights with when it is called."""
    hook: Any = getattr(module, "_hf_hook", None)
    for each in getattr(hook, "hooks", (hook,)):
        if getattr(each, "weights_map", None) is not None:
            return each
    raise LookupError(f"a {type(module).__name__} has no weights, in memory or in a file")


class Held:
    """Which tensors a map holds: another one once they are replaced or converted.

    What is written into them shows in views of them; a streamed map holds none between its calls.
    `others` are used with it, as a bias that is not its own.
    """

    def __init__(self, linear: nn.Module, *others: Tensor) -> None:
        self._adapted = is_adapted(linear)  # its weight is put together anew: no view of it
        found = (*(getattr(linear, name, None) for name in ("weight", "bias")), *others)
        tensors = [one for one in found if isinstance(one, Tensor) and not one.is_meta]
        self._tensors = tensors  # held, so that their ids and addresses are nobody else's
        self._where = [(id(one), one.data_ptr(), one.dtype, one.device) for one in tensors]

    def same(self, other: Held | None) -> bool:
        """Whether both saw the same tensors."""
        return not self._adapted and other is not None and self._where == other._where
