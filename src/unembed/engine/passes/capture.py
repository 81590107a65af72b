"""From what a caller asks to capture to the sites that a run keeps, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from unembed.engine.names.sites import check_target, parse_target, resolve_position
from unembed.engine.names.taps import attention_of, refuse, size_of, why_not
from unembed.engine.nodes import CROSS, GLOBAL_SITES, LAYER_SITES, NARROWED_SITES, PAIR_SITES, SITES
from unembed.engine.targets import Lengths, Name, SiteKey
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
    capture: Sequence[Name], anatomy: Anatomy, name: str, lengths: Lengths
) -> dict[SiteKey, Wanted]:
    """Sites to keep. "resid_post" is that site in every layer, "L3.pattern" in one.

    "E.resid_post" is that site in every layer of an encoder.

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
        everywhere = _in_every_layer(text)
        if everywhere is not None:
            for site_key in _layers_with(*everywhere, anatomy, name, field):
                site_keys[site_key] = Wanted()
            continue
        target = parse_target(text, field)
        check_target(target, anatomy, name, field)
        refuse(anatomy, target.site_key, name, field)
        wanted = Wanted()
        if target.site in NARROWED_SITES:
            row, n_queries = target.position, lengths.of(target.site_key)
            wanted = Wanted(
                None if target.head is None else (target.head,),
                None if row is None else (resolve_position(row, n_queries, field),),
            )
        site_keys[target.site_key] = _union(site_keys.get(target.site_key), wanted)
    return _aligned(site_keys)


def _in_every_layer(text: Name) -> tuple[str, bool] | None:
    """The site that is asked for in every layer, and whether in those of the encoder."""
    if text in LAYER_SITES:
        return str(text), False
    site = text[2:] if isinstance(text, str) and text.startswith("E.") else ""
    return (site, True) if site in LAYER_SITES else None


def _layers_with(
    site: str, encoder: bool, anatomy: Anatomy, name: str, field: str
) -> list[SiteKey]:
    if encoder:
        check_target(parse_target(f"E0.{site}"), anatomy, name, field)
    site_keys = [SiteKey(site, block.layer, encoder) for block in anatomy.stack(encoder).blocks]
    found = [site_key for site_key in site_keys if why_not(anatomy, site_key) is None]
    if not found:
        refuse(anatomy, site_keys[0], name, field)
    return found


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
    """What of an attention comes from one computation: keep the same heads and rows of it."""

    def attention(site_key: SiteKey) -> tuple[int | None, bool, bool]:
        return site_key.layer, site_key.encoder, site_key.site.startswith(CROSS)

    narrowed = [site_key for site_key in site_keys if site_key.site in NARROWED_SITES]
    for one in {attention(site_key) for site_key in narrowed}:
        together = [site_key for site_key in narrowed if attention(site_key) == one]
        wanted: Wanted | None = None
        for site_key in together:
            wanted = _union(wanted, site_keys[site_key])
        site_keys |= dict.fromkeys(together, wanted or Wanted())
    return site_keys


def capture_bytes(
    site_keys: Mapping[SiteKey, Wanted],
    anatomy: Anatomy,
    lengths: Lengths,
    bytes_each: int,
    *,
    together: bool = True,
) -> int:
    """Memory that the captures of one sequence take; not `together`: that the largest takes."""
    sizes = [0]
    for site_key, wanted in site_keys.items():
        size = size_of(anatomy, site_key, lengths)
        if wanted.heads is not None:
            n_heads = attention_of(anatomy, site_key).n_heads
            size = size // n_heads * len(wanted.heads)
        if wanted.queries is not None:
            size = size // lengths.of(site_key) * len(wanted.queries)
        sizes.append(size * bytes_each)
    return sum(sizes) if together else max(sizes)


def check_cost(total: int, limit: int) -> None:
    """Raise TooLargeError when captures of `total` bytes are more than `limit`."""
    if total > limit:
        raise TooLargeError(
            f"the captured activations would take {total / 2**20:,.0f} MiB; the limit is "
            f"{limit / 2**20:,.0f} MiB (max_capture_bytes)",
            field="capture",
            value=f"{total / 2**20:,.0f} MiB",
            legal=f"at most {limit / 2**20:,.0f} MiB",
            fix="capture fewer layers, heads or rows",
        )


def last_site(site_keys: Sequence[SiteKey]) -> SiteKey | None:
    """The site that a forward pass reaches last, to stop there; None where it must end."""
    order = {site: index for index, site in enumerate(SITES)}

    def when(site_key: SiteKey) -> tuple[bool, float, int]:
        site, layer, encoder = site_key
        if layer is None:
            return not encoder, -1 if site == "embed" else float("inf"), order[site]
        return not encoder, layer, order[site]

    if not site_keys or SiteKey("logits", None) in site_keys:
        return None
    last = max(site_keys, key=when)
    if last.site in GLOBAL_SITES or last.layer is None:
        return last
    # within a block the order of sites differs between models: go to its end
    return last._replace(site="resid_post")
