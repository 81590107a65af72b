"""Names of sites and nodes: parsing, and checking them against a model.

L5.resid_post          a site                    L5.H2.pattern   one head of a site
L9.H6                  a head: its z             L9.H6@14        at one position
L9.H6@14<3             one query and key: an entry of the pattern
L12.N512, L12D512      a feed-forward neuron     L12.N512.mlp_pre  one neuron of a site
L14.z448               an entry of z, over all heads: what row 448 of W_O is multiplied with
L5.attn, L5.mlp        what a branch adds        embed
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from unembed.errors import TargetError
from unembed.models.anatomy import Anatomy

ATTENTION_SITES = ("q", "k", "v", "scores", "pattern")
LAYER_SITES = (
    "resid_pre",
    "attn_in",
    *ATTENTION_SITES,
    "z",
    "attn_out",
    "resid_mid",
    "mlp_in",
    "mlp_pre",
    "mlp_gate",
    "mlp_post",
    "mlp_out",
    "resid_post",
)
GLOBAL_SITES = ("embed", "final_norm", "logits")
SITES = ("embed", *LAYER_SITES, "final_norm", "logits")
HEAD_SITES = (*ATTENTION_SITES, "z")
NEURON_SITES = ("mlp_pre", "mlp_gate", "mlp_post")
NODE_SITES = {"attn": "attn_out", "mlp": "mlp_out"}

_AT = r"(?:@(?P<pos>-?\d+)(?:<(?P<key>-?\d+))?)?"
_FORMS = (
    re.compile(rf"L(?P<layer>\d+)\.H(?P<head>\d+){_AT}"),
    re.compile(rf"L(?P<layer>\d+)(?:\.N|D)(?P<neuron>\d+){_AT}", re.IGNORECASE),
    re.compile(rf"L(?P<layer>\d+)\.(?P<node>attn|mlp){_AT}"),
    re.compile(rf"L(?P<layer>\d+)(?:\.H(?P<head>\d+))?\.(?P<site>{'|'.join(LAYER_SITES)}){_AT}"),
    re.compile(rf"L(?P<layer>\d+)\.N(?P<neuron>\d+)\.(?P<site>{'|'.join(NEURON_SITES)}){_AT}"),
    re.compile(rf"L(?P<layer>\d+)\.(?P<site>z)(?P<entry>\d+){_AT}"),
    re.compile(rf"(?P<site>{'|'.join(GLOBAL_SITES)}){_AT}"),
)
EXAMPLES = '"L5.resid_post", "L9.H6", "L9.H6@14<3", "L12.N512", "L5.attn", "L5.mlp" or "embed"'


@dataclass(frozen=True)
class Target:
    """A parsed name: a site, and perhaps one head, neuron, entry or position of it."""

    text: str
    site: str
    layer: int | None = None
    head: int | None = None
    neuron: int | None = None
    entry: int | None = None
    position: int | None = None
    key: int | None = None
    kind: str = "site"

    @property
    def place(self) -> tuple[str, int | None]:
        """(site, layer): which activation this is a part of."""
        return self.site, self.layer


def parse_target(text: str, field: str = "target") -> Target:
    """Read a name; raises TargetError when it has no known form."""
    match = next((found for form in _FORMS if (found := form.fullmatch(text))), None)
    if match is None:
        raise TargetError(
            f"{text!r} names no site or node; write for example {EXAMPLES}",
            field=field,
            value=text,
            legal=EXAMPLES,
        )
    parts = match.groupdict()
    numbers = {
        name: int(parts[name])
        for name in ("layer", "head", "neuron", "entry", "key")
        if parts.get(name) is not None
    }
    position = None if parts.get("pos") is None else int(parts["pos"])
    site, kind = _site_and_kind(parts)
    if "key" in numbers and not (kind == "head" or (site in ("pattern", "scores"))):
        raise TargetError(
            f"{text!r} names a key position, which only heads have, as in L9.H6@14<3",
            field=field,
            value=text,
            legal=EXAMPLES,
        )
    if kind == "head" and "key" in numbers:
        site = "pattern"
    if "head" in numbers and site not in HEAD_SITES:
        raise TargetError(
            f"{text!r}: {site} is not divided into heads; {', '.join(HEAD_SITES)} are",
            field=field,
            value=text,
            legal=", ".join(HEAD_SITES),
        )
    return Target(text=text, site=site, position=position, kind=kind, **numbers)


def _site_and_kind(parts: dict[str, str | None]) -> tuple[str, str]:
    site = parts.get("site")
    if site is not None:
        return site, "embed" if site == "embed" else "site"
    if parts.get("neuron") is not None:
        return "mlp_post", "neuron"
    node = parts.get("node")
    return ("z", "head") if node is None else (NODE_SITES[node], node)


def check_target(target: Target, anatomy: Anatomy, name: str, field: str = "target") -> None:
    """Raise TargetError unless the model has this layer, head and neuron."""
    if target.layer is None:
        return
    _in_range("layer", target.layer, anatomy.n_layers, target, name, field)
    block = anatomy.blocks[target.layer]
    if target.head is not None:
        keys = target.site in ("k", "v")
        count = block.attention.n_kv_heads if keys else block.attention.n_heads
        word = "key/value head" if keys else "head"
        _in_range(word, target.head, count, target, name, field)
    if target.entry is not None:
        count = block.attention.n_heads * block.attention.d_head
        _in_range("z row", target.entry, count, target, name, field)
    if target.neuron is not None and block.mlp.kind != "experts":
        _in_range("neuron", target.neuron, block.mlp.d_mlp, target, name, field)


def _in_range(word: str, value: int, count: int, target: Target, name: str, field: str) -> None:
    if value >= count:
        where = "" if word == "layer" else f" in layer {target.layer}"
        raise TargetError(
            f"{word} {value} is not in this model: {name} has {word}s 0-{count - 1}{where}",
            field=field,
            value=target.text,
            legal=f"{word}s 0-{count - 1}",
        )


def resolve_position(position: int, n_positions: int, field: str = "position") -> int:
    """A position counted from the start; raises TargetError outside the prompt."""
    if not -n_positions <= position < n_positions:
        raise TargetError(
            f"position {position} is not in this prompt: it has {n_positions} tokens, "
            f"positions 0-{n_positions - 1} (or -{n_positions} to -1 from the end)",
            field=field,
            value=position,
            legal=f"-{n_positions} to {n_positions - 1}",
        )
    return position % n_positions
