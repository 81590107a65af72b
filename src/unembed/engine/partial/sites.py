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
from unembed.engine.names.sites import (
    ATTENTION_SITES,
    LAYER_SITES,
    Target,
    check_target,
    parse_target,
    resolve_position,
)
from unembed.engine.names.taps import SiteKey, refuse
from unembed.engine.partial.modules import Pass, attention_is_watched
from unembed.engine.passes.capture import check_cost
from unembed.engine.passes.hooks import Instrument, Wanted
from unembed.errors import InputError, TargetError

PAIRS = ("scores", "pattern")


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
    """Reads sites for one pass: values get a batch axis, and the pass ends when it has all."""

    def __init__(self, model: Loaded, targets: Sequence[Target], batch: int, n_positions: int):
        site_keys = {target.site_key: Wanted() for target in targets if target.site != "logits"}
        self.batch = batch
        self.passing: Pass | None = None
        super().__init__(model.module, model.anatomy, site_keys)
        each = model.dtype.itemsize * batch
        check_cost(site_keys, model.anatomy, n_positions, each, model.settings.max_capture_bytes)
        self._refuse_batches()
        self.begin(n_positions)

    @property
    def watches_attention(self) -> bool:
        return any(site in ATTENTION_SITES for site, _ in self.captures)

    def _refuse_batches(self) -> None:
        """Attention is watched without its batch axis."""
        inner = [f"L{layer}.{site}" for site, layer in self.captures if site in ATTENTION_SITES]
        if self.batch > 1 and inner:
            raise InputError(
                f"{inner[0]} can be read for one sequence at a time, and this batch has "
                f"{self.batch}: go through it row by row, as in "
                "[partial_forward(model, names, row[None]) for row in ids]",
                field="names",
                value=inner[0],
                legal="a batch of 1",
                fix="one call for each row of the batch",
            )
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
        shape = value.shape
        batched = value[None] if site_key[0] in ATTENTION_SITES else self._batched(site_key, value)
        onward: Tensor = self.passing.keep(site_key, batched)
        self.captured[site_key] = self.passing.found[site_key]
        return value if onward is batched else onward.reshape(shape)

    def _batched(self, site_key: SiteKey, value: Tensor) -> Tensor:
        """[batch * pos, ...] as [batch, pos, ...]."""
        rows = self.batch * self.n_positions
        if value.shape[0] != rows:
            raise InputError(
                f"{site_key[0]} has {value.shape[0]} rows for a batch of {self.batch} x "
                f"{self.n_positions} tokens: this model drops padding; give sequences of one "
                "length, or one at a time",
                field="names",
                value=site_key[0],
                legal="sequences without padding",
            )
        return value.reshape(self.batch, self.n_positions, *value.shape[1:])


def part_of(whole: Tensor, target: Target, n_positions: int) -> Tensor:
    """What a name means of its site's whole value, which has the batch in front."""
    pairs = target.site in PAIRS
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
