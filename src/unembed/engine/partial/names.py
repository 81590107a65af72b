"""From a name to the module, site or node, or to an error that says which names there are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from torch import nn

from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import refuse
from unembed.engine.nodes import LAYER_SITES
from unembed.engine.targets import Target
from unembed.errors import InputError, TargetError

N_SHOWN = 12


def as_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """One name or several; raises InputError for anything else."""
    given = (names,) if isinstance(names, str) else names
    if not isinstance(given, Iterable):
        raise InputError(
            f"names is a {type(names).__name__}; it must be a name or several, as in "
            '["h.0", "h.1"]',
            field="names",
            value=repr(names),
            legal="a name or several",
        )
    found = tuple(given)
    for name in found:
        if not isinstance(name, str):
            raise InputError(
                f"{name!r} in names is a {type(name).__name__}; a name is a string, as in "
                "named_modules()",
                field="names",
                value=repr(name),
                legal="strings",
            )
    if not found:
        raise InputError(
            'names is empty; name at least one module, as in ["h.0"]',
            field="names",
            value="[]",
            legal="at least one name",
        )
    return found


def as_target(model: Loaded, name: str) -> Target | None:
    """The site or node of this name, checked against the model; None for any other name.

    Raises:
        TargetError: a layer, head or neuron that the model does not have.
        CapabilityError: a site that cannot be seen in it, with the reason.
    """
    if name in LAYER_SITES:
        raise TargetError(
            f"{name!r} is in every layer; say in which, as in L0.{name}",
            field="names",
            value=name,
            legal=f"L0.{name} to L{model.anatomy.n_layers - 1}.{name}",
        )
    try:
        target = model.read_name(name, "names")
    except TargetError:
        if re.match(r"L\d+[.ND]", name):  # meant as a site, and misspelt
            raise
        return None
    target = model.node(target, "names")
    refuse(model.anatomy, target.site_key, model.name, "names")
    return target


def find_module(module: nn.Module, name: str, example: str = "") -> nn.Module:
    """The module of this name, with or without the prefix of the base model.

    Raises:
        InputError: no such module, or one that is never called (a ModuleList).
    """
    for spelling in _spellings(module, name):
        try:
            found = nn.Module.get_submodule(module, spelling)  # a ScriptModule refuses its own
        except AttributeError:
            continue
        _refuse_uncalled(found, name)
        return found
    raise _unknown(module, name, example)


def _spellings(module: nn.Module, name: str) -> list[str]:
    prefix = getattr(module, "base_model_prefix", "")
    if not isinstance(prefix, str) or not prefix:
        return [name]
    inner = "" if name == prefix else name.removeprefix(f"{prefix}.")
    return [name, f"{prefix}.{name}", inner]


def _refuse_uncalled(found: nn.Module, name: str) -> None:
    """A container without a forward pass gives no output: say so before anything runs."""
    own = getattr(type(found), "forward", None)  # compiled code has none
    if own is not nn.Module.forward or "forward" in vars(found):
        return
    children = [f"{name}.{child}" if name else child for child, _ in found.named_children()]
    inside = f"name what is in it: {_shown(children)}" if children else "it has nothing in it"
    raise InputError(
        f"{name!r} is a {type(found).__name__}, which is never called and has no output; {inside}",
        field="names",
        value=name,
        legal=_shown(children),
    )


def _unknown(module: nn.Module, name: str, example: str) -> InputError:
    known = [other for other, _ in module.named_modules() if other]
    prefix = f"{getattr(module, 'base_model_prefix', '')}."
    short = [other.removeprefix(prefix) for other in known]  # as people write them
    near = get_close_matches(name, dict.fromkeys([*short, *known]), n=5, cutoff=0.5)
    near = near or sorted(known, key=lambda other: other.count("."))[:N_SHOWN]
    nearest = f"; the nearest names are {', '.join(near)}" if near else ""
    return InputError(
        f"{type(module).__name__} has no module {name!r}{nearest}{example}; "
        "dict(module.named_modules()) lists them all",
        field="names",
        value=name,
        legal=", ".join(near) or '""',
    )


def _shown(names: list[str]) -> str:
    rest = len(names) - N_SHOWN
    return ", ".join(names[:N_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
