"""What a partial pass is called with: the prompt's ids, and the caller's keywords.

Outputs that such a pass cannot give are switched off.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from unembed.engine.loaded import Loaded
from unembed.engine.names.prompts import check_length
from unembed.engine.names.token_ids import ids_of
from unembed.engine.passes.inputs import inputs_of, types_of
from unembed.errors import InputError, PromptError

SWITCHES = {
    "use_cache": "the cache of a pass that ends early would be half filled",
    "output_attentions": "name the attention modules instead",
    "output_hidden_states": "name the blocks instead",
    "return_dict": "what is returned is a dict of the named modules' outputs",
}
CACHES = ("past_key_values", "past_key_value", "layer_past", "cache_params", "cache")


@dataclass(frozen=True)
class _Parameters:
    """What a forward pass can be called with."""

    names: frozenset[str] = frozenset()
    in_order: tuple[str, ...] = ()
    takes_any: bool = False


def prepared(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], depth: int
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A module's call with caching and recording off, where the module knows of them.

    `depth` is how many calls up the warnings belong, as in `warnings.warn`.

    Raises InputError for a cache to continue from.
    """
    parameters = _parameters(module)
    given = dict(zip(parameters.in_order, args, strict=False)) | dict(kwargs)
    _refuse_caches(given)
    positional, named = list(args), dict(kwargs)
    for switch, reason in SWITCHES.items():
        if not _knows(module, parameters, switch):
            continue
        if given.get(switch):
            warnings.warn(
                f"{switch}={given[switch]!r} is ignored by partial_forward: {reason}",
                UserWarning,
                stacklevel=depth,
            )
        place = parameters.in_order.index(switch) if switch in parameters.in_order else len(args)
        if place < len(args):
            positional[place] = False
        else:
            named[switch] = False
    return tuple(positional), named


def _refuse_caches(given: Mapping[str, Any]) -> None:
    for name in CACHES:
        if given.get(name) is not None:
            raise InputError(
                f"{name} cannot be used in a partial pass: the layers up to the last one named "
                "would update the cache and those after it would not; leave it out and pass the "
                "whole sequence",
                field=name,
                value=type(given[name]).__name__,
                legal="None",
                fix=f"leave {name} out and pass the whole sequence",
            )


def _knows(module: nn.Module, parameters: _Parameters, switch: str) -> bool:
    """By its signature, or by **kwargs where its config has the same switch."""
    if switch in parameters.names:
        return True
    config = getattr(module, "config", None)
    has = switch in config if isinstance(config, Mapping) else hasattr(config, switch)
    return parameters.takes_any and has


def _parameters(module: nn.Module) -> _Parameters:
    if "forward" in vars(module):
        return _read(module.forward)
    forward = getattr(type(module), "forward", None)
    return _Parameters() if forward is None else _parameters_of(forward)


@lru_cache(maxsize=256)
def _parameters_of(forward: Callable[..., Any]) -> _Parameters:
    """Reading a signature costs more than a small module's forward pass."""
    read = _read(forward)
    return _Parameters(read.names, read.in_order[1:], read.takes_any)


def _read(forward: Callable[..., Any]) -> _Parameters:
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):  # compiled code has no signature
        return _Parameters()
    ordered = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return _Parameters(
        frozenset(one.name for one in parameters),
        tuple(one.name for one in parameters if one.kind in ordered),
        any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters),
    )


def prompt_ids(
    model: Loaded, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Token ids [batch, pos] by what the model calls them, and the other keywords."""
    rest = dict(kwargs)
    given = [*args, *([rest.pop("input_ids")] if "input_ids" in rest else [])]
    if len(given) != 1:
        raise PromptError(
            f"a Model takes one prompt (text, ids or a tensor of ids); {len(given)} were given. "
            "Write what else goes to the model as keywords, as in attention_mask=mask",
            field="prompt",
            value=len(given),
            legal="one prompt",
        )
    prompt = given[0]
    several = isinstance(prompt, Tensor) and prompt.dim() == 2 and len(prompt) > 1
    if isinstance(prompt, list | tuple) and prompt and not hasattr(prompt[0], "__index__"):
        raise PromptError(
            "a batch of prompts must be one tensor of ids [batch, pos]: "
            'model.tokenizer(texts, return_tensors="pt", padding=True) makes it, with the '
            "attention_mask that goes with it",
            field="prompt",
            value=type(prompt[0]).__name__,
            legal="text, ids, or a tensor of ids [pos] or [batch, pos]",
        )
    masked = rest.get("attention_mask") is not None and not isinstance(prompt, str)
    if not several and (model.has_encoder or not masked):
        read = model.read_prompt(prompt)
        ids = torch.tensor([read.ids], device=model.device)
        rest |= types_of(model, [read.segments], len(read.ids))
        return inputs_of(model, ids, [read.source]), _on_device(model, rest)
    if several:
        ids = _checked(model, prompt, masked)
    else:  # a mask of its own says which are pads
        ids = torch.tensor([ids_of(model, prompt)])
        check_length(model, tuple(ids[0].tolist()))
    return {"input_ids": ids.to(model.device)}, _on_device(model, rest)


def _on_device(model: Loaded, given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value.to(model.device) if isinstance(value, Tensor) else value
        for key, value in given.items()
    }


def _checked(model: Loaded, batch: Tensor, masked: bool) -> Tensor:
    """A batch of ids, each row a prompt; where a mask says which are pads, there may be some."""
    for row in batch:
        if masked:
            check_length(model, ids_of(model, row))
        else:
            model.tokenize(row)
    return batch
