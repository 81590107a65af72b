"""The hooks on one side of one module: what they hand out, and what they put back.

A module may carry several sites: the stream and what reads it, halves of one map, parts of a sum,
an activation times a number. What was not edited keeps its exact bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from unembed.engine.targets import SiteKey
from unembed.models.anatomy import Tap
from unembed.models.patching import first_tensor, with_tensor


class Visit(NamedTuple):
    """A site that is read and edited at a module; `first`: it is captured here."""

    site_key: SiteKey
    tap: Tap
    first: bool


class Visited(Protocol):
    """Who looks at activations: an `Instrument`."""

    parts: dict[SiteKey, list[Tensor]]

    def here(self, site_key: SiteKey) -> bool: ...
    def onward(self, site_key: SiteKey) -> Tensor | None: ...
    def by_row(self, site_key: SiteKey, value: Tensor) -> Tensor: ...
    def see(self, site_key: SiteKey, value: Tensor, capture: bool = True) -> Tensor: ...


def _order(visit: Visit) -> int:
    """The stream before the branches that read it, where one module's input is both."""
    site = visit.site_key.site
    if site == "embed":
        return 0
    return 1 if site.startswith("resid") else 2


class _Hook:
    def __init__(self, instrument: Visited, visits: Iterable[Visit]) -> None:
        self.instrument = instrument
        self.visits = sorted(visits, key=_order)

    def visit(self, tensor: Tensor) -> Tensor:
        for visit in self.visits:
            if self.instrument.here(visit.site_key):
                tensor = self._through(tensor, *visit)
        return tensor

    def _through(self, tensor: Tensor, site_key: SiteKey, tap: Tap, first: bool) -> Tensor:
        kept = self.instrument.onward(site_key)
        if not first and kept is not None:
            return kept.reshape(tensor.shape)  # one tensor for all maps that read the site
        flat = tensor.reshape(-1, tensor.shape[-1])
        part = flat if tap.half is None else flat.chunk(2, dim=-1)[tap.half]
        others = [one.reshape(part.shape) for one in self.instrument.parts.pop(site_key, ())]
        own, part = part, sum(others, part)
        value = part if tap.scale == 1.0 else part * tap.scale
        shaped = self.instrument.by_row(site_key, value)
        seen = self.instrument.see(site_key, shaped, capture=first)
        if seen is shaped:
            return tensor
        raw = seen.reshape(value.shape)
        seen_alike = raw == value
        if tap.scale != 1.0:  # what was not edited keeps its exact bits
            exact = raw / tap.scale
            raw = exact if torch.is_grad_enabled() else torch.where(seen_alike, part, exact)
        if others:
            raw = raw - sum(others, torch.zeros_like(raw))
            raw = raw if torch.is_grad_enabled() else torch.where(seen_alike, own, raw)
        if tap.half is not None:
            halves = list(flat.chunk(2, dim=-1))
            halves[tap.half] = raw
            raw = torch.cat(halves, dim=-1)
        raw = raw.reshape(tensor.shape)
        # the block also carries that tensor past the module: there, too, it must be edited
        return tensor.copy_(raw) if tap.in_place else raw


class InputHook(_Hook):
    """On what goes into a module."""

    def __call__(self, _module: nn.Module, args: Any, kwargs: Any) -> Any:
        given = first_tensor(args, kwargs)
        seen = self.visit(given)
        return None if seen is given else with_tensor(args, kwargs, seen)


class OutputHook(_Hook):
    """On what comes out of a module, the first of several."""

    def __call__(self, _module: nn.Module, _args: Any, output: Any) -> Any:
        several = isinstance(output, tuple | list)
        given = output[0] if several else output
        seen = self.visit(given)
        if seen is given:
            return None
        return type(output)([seen, *output[1:]]) if several else seen
