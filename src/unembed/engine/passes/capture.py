"""From what a caller asks to capture to the sites that a run keeps, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from unembed.engine.names.sites import check_target, parse_target, resolve_position
from unembed.engine.names.taps import SiteKey, refuse, size_of, why_not
from unembed.engine.nodes import GLOBAL_SITES, LAYER_SITES, NARROWED_SITES, PAIR_SITES, SITES, Name
from unembed.errors import InputError, TooLargeError
from unembed.models.anatomy import Anatomy


@dataclass(frozen=True)
class Wanted:
    """What to keep of scores, sink or pattern: which heads and query positions; None is all."""

    heads: tuple[int, ...] | None = None
    queries: tuple[int, ...] | None = None

    def of(self, value: Tensor, site: str) -> Tensor:
        """The wanted part of [head, query, ...], which may have been computed in full."""
        if self.heads is None and self.queries is None:
            return value
        turned = value if site in PAIR_SITES else value.transpose(0, 1)  # a sink is [query, head]
        if self.heads is not None and turned.shape[0] != len(self.heads):
            turned = turned[list(self.heads)]
        if self.queries is not None and turned.shape[1] != len(self.queries):
            turned = turned[:, list(self.queries)]
        return turned if site in PAIR_SITES else turned.transpose(0, 1)


def plan_capture(
    capture: Sequence[Name], anatomy: Anatomy, name: str, n_positions: int
) -> dict[SiteKey, Wanted]:
    """Sites to keep. "resid_post" is that site in every layer, "L3.pattern" in one.

    Raises:
        TargetError: a name that this model does not have.
        CapabilityError: a site that cannot be seen in this model, with the reason.
    """
    if isinstance(capture, str):
        raise InputError(
            f"capture is a string; write capture=[{capture!r}]", field="capture", value=capture
        )
    site_keys: dict[SiteKey, Wanted] = {}
    for order, text in enumerate(capture):
        field = f"capture[{order}]"
        if text in LAYER_SITES:
            for layer in _layers_with(text, anatomy, name, field):
                site_keys[(text, layer)] = Wanted()
            continue
        target = parse_target(text, field)
        check_target(target, anatomy, name, field)
        refuse(anatomy, target.site_key, name, field)
        wanted = Wanted()
        if target.site in NARROWED_SITES:
            row = target.position
            wanted = Wanted(
                None if target.head is None else (target.head,),
                None if row is None else (resolve_position(row, n_positions, field),),
            )
        site_keys[target.site_key] = _union(site_keys.get(target.site_key), wanted)
    return _aligned(site_keys)


def _layers_with(site: str, anatomy: Anatomy, name: str, field: str) -> list[int]:
    layers = [
        block.layer for block in anatomy.blocks if why_not(anatomy, (site, block.layer)) is None
    ]
    if not layers:
        refuse(anatomy, (site, 0), name, field)
    return layers


def _union(old: Wanted | None, new: Wanted) -> Wanted:
    if old is None:
        return new
    heads = None if old.heads is None or new.heads is None else {*old.heads, *new.heads}
    rows = None if old.queries is None or new.queries is None else {*old.queries, *new.queries}
    return Wanted(
        None if heads is None else tuple(sorted(heads)),
        None if rows is None else tuple(sorted(rows)),
    )


def _aligned(site_keys: dict[SiteKey, Wanted]) -> dict[SiteKey, Wanted]:
    """What of a layer comes from one computation: keep the same heads and rows of it."""
    for layer in {layer for site, layer in site_keys if site in NARROWED_SITES}:
        together = [(site, layer) for site in NARROWED_SITES if (site, layer) in site_keys]
        wanted: Wanted | None = None
        for site_key in together:
            wanted = _union(wanted, site_keys[site_key])
        site_keys |= dict.fromkeys(together, wanted or Wanted())
    return site_keys


def capture_bytes(
    site_keys: Mapping[SiteKey, Wanted], anatomy: Anatomy, n_positions: int, bytes_each: int
) -> int:
    """Memory that the captures of one sequence take."""
    total = 0
    for site_key, wanted in site_keys.items():
        size = size_of(anatomy, site_key, n_positions)
        if wanted.heads is not None:
            n_heads = anatomy.blocks[site_key[1] or 0].attention.n_heads
            size = size // n_heads * len(wanted.heads)
        if wanted.queries is not None:
            size = size // n_positions * len(wanted.queries)
        total += size * bytes_each
    return total


def check_cost(total: int, limit: int) -> None:
    """Raise TooLargeError when captures of `total` bytes are more than `limit`."""
    if total > limit:
        raise TooLargeError(
            f"the captured activations would take {total / 2**20:,.0f} MiB; the limit is "
            f"{limit / 2**20:,.0f} MiB (max_capture_bytes): capture fewer layers, heads or rows",
            field="capture",
            value=f"{total / 2**20:,.0f} MiB",
            legal=f"{limit / 2**20:,.0f} MiB",
        )


def last_site(site_keys: Sequence[SiteKey], n_layers: int) -> SiteKey | None:
    """The site that a forward pass reaches last, to stop there; None where it must end."""
    order = {site: index for index, site in enumerate(SITES)}

    def when(site_key: SiteKey) -> tuple[int, int]:
        site, layer = site_key
        if layer is None:
            return (-1 if site == "embed" else n_layers, order[site])
        return layer, order[site]

    if not site_keys or ("logits", None) in site_keys:
        return None
    last = max(site_keys, key=when)
    layer = last[1]
    if last[0] in GLOBAL_SITES or layer is None:
        return last
    # within a block the order of sites differs between models: go to its end
    return "resid_post", layer
