"""Sites of a Model in a partial pass: where each is seen, and its shape with the batch in front.

The hooks are those of a run (`hooks.Instrument`), made to act for their own call only and to end
the pass when everything has been seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import check_target, parse_target, resolve_position
from unembed.engine.names.taps import SiteKey, refuse
from unembed.engine.nodes import ATTENTION_SITES, LAYER_SITES, PAIR_SITES, Target
from unembed.engine.partial.modules import Pass, attention_is_watched
from unembed.engine.passes.capture import capture_bytes, check_cost
from unembed.engine.passes.hooks import Instrument, Row, Wanted
from unembed.errors import InputError, TargetError


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
        target = parse_target(name, "names")
    except TargetError:
        if re.match(r"L\d+[.ND]", name):  # meant as a site, and misspelt
            raise
        return None
    check_target(target, model.anatomy, model.name, "names")
    refuse(model.anatomy, target.site_key, model.name, "names")
    return target


class SiteReader(Instrument):
    """Reads sites for one pass: the pass ends when it has all."""

    def __init__(self, model: Loaded, targets: Sequence[Target], batch: int, n_positions: int):
        site_keys = {target.site_key: Wanted() for target in targets if target.site != "logits"}
        self.passing: Pass | None = None
        super().__init__(model.module, model.anatomy, [Row(site_keys)] * batch)
        each = model.dtype.itemsize * batch
        total = capture_bytes(site_keys, model.anatomy, n_positions, each)
        check_cost(total, model.settings.max_capture_bytes)
        self._refuse_nesting()
        self.begin([n_positions] * batch)

    @property
    def watches_attention(self) -> bool:
        return any(site in ATTENTION_SITES for site, _ in self.captures)

    def _refuse_nesting(self) -> None:
        """Of calls inside of each other, one may watch attention."""
        inner = [f"L{layer}.{site}" for site, layer in self.captures if site in ATTENTION_SITES]
        if inner and attention_is_watched():
            raise InputError(
                f"{inner[0]} cannot be read here: the partial_forward that this call is inside of "
                "reads attention, too",
                field="names",
                value=inner[0],
                legal="sites outside of attention",
            )

    # ------------------------------------------------------------ during the pass

    @property
    def _active(self) -> bool:
        return self.passing is not None and self.passing.active

    def here(self, site_key: SiteKey) -> bool:
        return self._active and super().here(site_key)

    def on(self, core: nn.Module, site: str, value: Tensor) -> Tensor:
        return super().on(core, site, value) if self._active else value

    def _enter_block(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        return super()._enter_block(module, args, kwargs) if self._active else None

    def _keep(self, site_key: SiteKey, value: Tensor) -> Tensor:
        if self.passing is None or site_key not in self.passing.missing:
            return value
        onward: Tensor = self.passing.keep(site_key, value)
        self._onward[site_key] = self.passing.found[site_key]
        return onward


def part_of(whole: Tensor, target: Target, n_positions: int) -> Tensor:
    """What a name means of its site's whole value, which has the batch in front."""
    pairs = target.site in PAIR_SITES
    if target.head is not None:
        whole = whole[:, target.head] if pairs else whole[:, :, target.head]
    if target.neuron is not None:
        whole = whole[:, :, target.neuron]
    if target.entry is not None:
        whole = whole.flatten(2)[:, :, target.entry]
    if target.position is not None:
        position = resolve_position(target.position, n_positions, "names")
        whole = whole[..., position, :] if pairs else whole[:, position]
    if target.key is not None:
        whole = whole[..., resolve_position(target.key, n_positions, "names")]
    return whole


def logits_of(output: Any, labelled: bool) -> Tensor:
    """The logits in what a model returns when it returns a tuple; with labels the loss is first."""
    found: Tensor = output[int(labelled)] if isinstance(output, tuple) else output.logits
    return found
