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
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.taps import EVERY, index_of, taken
from unembed.engine.nodes import KERNEL_SITES
from unembed.engine.partial.call import prepared, prompt_ids
from unembed.engine.partial.names import as_names, as_target, find_module
from unembed.engine.passes.capture import Wanted, capture_bytes, check_cost
from unembed.engine.passes.hooks import Instrument, Row
from unembed.engine.passes.outputs import Pass, attention_is_watched
from unembed.engine.targets import Lengths, SiteKey, Target
from unembed.errors import InputError
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

    Values are those of a whole pass with use_cache=False to the last bit. A pass that fills a cache
    reads keys and values from another place, and kernels may then add in another order: by 1e-6.

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
    with passing.alone(module):
        passing.through(lambda: module(*args, **kwargs))
    _check_complete(passing, found)
    return {name: _unwrapped(passing.found[one]) for name, one in found.items()}


def _through_model(
    model: Loaded, names: tuple[str, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The row pass over a batch, whose rows keep the named sites, with the caller's keywords."""
    targets = {name: target for name in names if (target := as_target(model, name)) is not None}
    example = '; sites are named as in "L3.resid_post", "embed" or "L9.H6"'
    keys: dict[str, Hashable] = {}
    for name in names:
        here = targets.get(name)
        if here is None or here.site == "logits":
            keys[name] = find_module(model.module, "" if here else name, example)
        else:
            keys[name] = here.site_key
    inputs, rest = prompt_ids(model, args, kwargs)
    _, options = prepared(model.module, (), rest, depth=4)
    tokens = inputs.get("decoder_input_ids", inputs["input_ids"])
    batch, n_source = inputs["input_ids"].shape
    lengths = Lengths(tokens.shape[1], 0 if model.anatomy.encoder is None else n_source)
    captures = {one.site_key: Wanted() for one in targets.values() if one.site != "logits"}
    each = model.dtype.itemsize * batch
    total = capture_bytes(captures, model.anatomy, lengths, each)
    check_cost(total, model.settings.max_capture_bytes)
    rows = [Row(captures)] * batch
    instrument = Instrument(model.module, model.anatomy, rows, awaited=list(keys.values()))
    instrument.watches_attention = _watches_attention(captures)
    instrument.begin([lengths] * batch)
    with instrument.alone(model.module), in_evaluation(model.module):
        instrument.through(lambda: model.module(**inputs, **options))
    _check_complete(instrument, keys)
    values: dict[str, Any] = {}
    for name, key in keys.items():
        value, target = instrument.found[key], targets.get(name)
        if target is not None and target.site == "logits":
            value = _logits_of(value, labelled=rest.get("labels") is not None)
        values[name] = _unwrapped(value) if target is None else _value_of(model, value, target)
    return values


def _watches_attention(captures: Mapping[SiteKey, Wanted]) -> bool:
    """Raises InputError where a pass around this one does: a kernel has one observer."""
    watched = [site_key.name for site_key in captures if site_key.site in KERNEL_SITES]
    if watched and attention_is_watched():
        raise InputError(
            f"{watched[0]} cannot be read here: the partial_forward that this call is inside of "
            "reads attention, too",
            field="names",
            value=watched[0],
            legal="sites outside of attention",
        )
    return bool(watched)


def _value_of(model: Loaded, whole: Tensor, target: Target) -> Tensor:
    """What a name means of its site's activation, which has the batch in front."""
    n_positions = whole.shape[-2] if target.is_pairs else whole.shape[1]
    n_keys = whole.shape[-1] if target.is_pairs else n_positions
    position: int | slice = EVERY
    if target.position is not None:
        position = resolve_position(target.position, n_positions, "names")
    key = EVERY if target.key is None else resolve_position(target.key, n_keys, "names")
    if target.row.derived:
        encode = model.attached(target, "names").encode
        whole = torch.stack([encode(target.layer or 0, row) for row in whole])
    return taken(whole, (EVERY, *index_of(target, whole.shape[-1], position, key)))


def _logits_of(output: Any, labelled: bool) -> Tensor:
    """The logits in what a model returns when it returns a tuple; with labels the loss is first."""
    found: Tensor = output[int(labelled)] if isinstance(output, tuple) else output.logits
    return found


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
