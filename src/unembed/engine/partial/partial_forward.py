"""A partial forward pass: the outputs of the named modules, without running what comes after.

Works on any module: names are those of `named_modules()`. On a Model, sites and nodes have names
too, and a prompt may be text.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unembed.engine.loaded import Loaded
from unembed.engine.names.prompts import check_length, ids_of
from unembed.engine.partial.arguments import prepared
from unembed.engine.partial.modules import Pass, alone
from unembed.engine.partial.names import as_names, find_module
from unembed.engine.partial.sites import SiteReader, as_target, logits_of, part_of
from unembed.errors import InputError, PromptError
from unembed.models.modes import in_evaluation


def partial_forward(
    module: nn.Module | Loaded, names: str | Iterable[str], *args: Any, **kwargs: Any
) -> dict[str, Any]:
    """Run a module until everything named has been seen; nothing that comes later runs.

        features = ue.partial_forward(gpt2, ["h.0", "h.1"], ids, attention_mask=mask)
        features["h.1"]  # [batch, pos, d_model]

    Args:
        module: any module, which is called with `args` and `kwargs`; or a Model, which is called
            with a prompt (text, ids or a tensor of ids [pos] or [batch, pos]) and keywords such as
            attention_mask.
        names: modules as in `named_modules()`, with or without the prefix of the base model
            ("h.0" or "transformer.h.0"); "" is the whole output. On a Model also sites and nodes:
            "L3.resid_post", "embed", "L3.H2.pattern", "L9.H6", "L12.N512".

    Returns:
        Name -> what that module returned the first time it was called, in the order of `names`.
        A tuple of one is unwrapped. Values are part of the graph unless the caller turned
        gradients off, and later values depend on earlier ones; what the module writes into them
        afterwards does not show. Sites are [batch, pos, d_model], heads' [batch, pos, head,
        d_head], pattern and scores [batch, head, query, key].

    use_cache, output_attentions, output_hidden_states and return_dict are off, whatever the config
    says, with a warning where the call asks for them. A plain module stays in the mode it is in; a
    Model is in evaluation mode. Calls may be nested, and made from several threads.

    Raises:
        InputError: a name that is not there, or is never called; a module that did not run; a
            cache to continue from.
        TargetError, CapabilityError: a site that this model does not have, and why.
        PromptError: a prompt that is none.
    """
    wanted = as_names(names)
    if isinstance(module, Loaded):
        return _through_model(module, wanted, args, kwargs)
    if not isinstance(module, nn.Module):
        raise InputError(
            f"the first argument is a {type(module).__name__}; it must be a module or a Model",
            field="module",
            value=type(module).__name__,
            legal="a torch.nn.Module or an unembed Model",
        )
    module = getattr(module, "_orig_mod", module)  # compiled code has no modules to stop after
    found = {name: find_module(module, name.removeprefix("_orig_mod.")) for name in wanted}
    args, kwargs = prepared(module, args, kwargs, depth=3)
    passing = Pass(list(found.values()))
    with alone(module, passing):
        passing.run(lambda: module(*args, **kwargs))
    _check_complete(passing, found)
    return {name: _unwrapped(passing.found[part]) for name, part in found.items()}


def _through_model(
    model: Loaded, names: tuple[str, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    targets = {name: target for name in names if (target := as_target(model, name)) is not None}
    example = '; sites are named as in "L3.resid_post", "embed" or "L9.H6"'
    keys: dict[str, Hashable] = {}
    for name in names:
        here = targets.get(name)
        if here is None or here.site == "logits":
            keys[name] = find_module(model.module, "" if here else name, example)
        else:
            keys[name] = here.site_key
    ids, rest = _prompt(model, args, kwargs)
    _, options = prepared(model.module, (), rest, depth=4)
    batch, n_positions = ids.shape
    reader = SiteReader(model, list(targets.values()), batch, n_positions)
    passing = reader.passing = Pass(list(keys.values()))
    passing.watches_attention = reader.watches_attention
    with alone(model.module, passing), in_evaluation(model.module), reader.installed():
        passing.run(lambda: model.module(ids, **options))
    _check_complete(passing, keys)
    labelled = rest.get("labels") is not None
    values: dict[str, Any] = {}
    for name, key in keys.items():
        value, target = passing.found[key], targets.get(name)
        if target is None:
            values[name] = _unwrapped(value)
        else:
            whole = logits_of(value, labelled) if target.site == "logits" else value
            values[name] = part_of(whole, target, n_positions)
    return values


def _prompt(
    model: Loaded, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Tensor, dict[str, Any]]:
    """Token ids [batch, pos] where the model wants them, and the other keywords."""
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
    if several:
        ids = _checked(model, prompt, masked)
    else:  # a mask of its own says which are pads
        ids = torch.tensor([ids_of(model, prompt) if masked else model.tokenize(prompt)])
        check_length(model, tuple(ids[0].tolist()))
    on_device = {
        key: value.to(model.device) if isinstance(value, Tensor) else value
        for key, value in rest.items()
    }
    return ids.to(model.device), on_device


def _checked(model: Loaded, batch: Tensor, masked: bool) -> Tensor:
    """A batch of ids, each row a prompt; where a mask says which are pads, there may be some."""
    for row in batch:
        if masked:
            check_length(model, ids_of(model, row))
        else:
            model.tokenize(row)
    return batch


def _check_complete(passing: Pass, keys: Mapping[str, Hashable]) -> None:
    """Nothing is silently missing."""
    missed = [name for name, key in keys.items() if key in passing.missing]
    if missed:
        ran = [name for name in keys if name not in missed]
        others = f" ({', '.join(map(repr, ran))} ran)" if ran else ""
        raise InputError(
            f"{', '.join(map(repr, missed))} did not run in this forward pass: the model takes "
            "another path for this input, or uses only the weights of the module, or calls its "
            f"forward method past its hooks, as compiled code does{others}",
            field="names",
            value=", ".join(missed),
            legal=", ".join(ran) or "modules that are called",
        )


def _unwrapped(value: Any) -> Any:
    """A tuple of one is what is in it."""
    return value[0] if type(value) is tuple and len(value) == 1 else value
