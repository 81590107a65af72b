"""Names of a flow graph's nodes and links, read: what of the model is cut when they are.

A link is cut where it is narrowest: "L14.H7.value@3>L14.H7" is the same cut as "L14.H7.value@3",
"L14.mlp_in>L14.N12.key" the same as "L14.N12". Behind a name may stand the position whose forward
pass is cut: "L14.z448@7"; at a key or value the first number is where it was made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from unembed.engine.names.sites import parse_target
from unembed.errors import TargetError

CutKind = Literal["pair", "query", "qkv", "norm", "z_row", "bias", "residual", "target"]

_L = r"L(?P<layer>\d+)\."
_AT = r"(?:@(?P<at>-?\d+))?"
_FORMS: tuple[tuple[CutKind, re.Pattern[str]], ...] = (
    ("pair", re.compile(rf"{_L}H(?P<head>\d+)\.(?:key|value)@(?P<key>\d+){_AT}")),
    ("query", re.compile(rf"{_L}H(?P<head>\d+)\.query{_AT}")),
    ("qkv", re.compile(rf"{_L}qkv{_AT}")),
    ("norm", re.compile(rf"{_L}norm{_AT}")),
    ("z_row", re.compile(rf"{_L}z(?P<row>\d+){_AT}")),
    ("bias", re.compile(rf"{_L}(?P<part>attn|mlp)_bias{_AT}")),
)
_NEURON_KEY = re.compile(rf"(?P<neuron>L\d+\.N\d+)\.key(?P<rest>{_AT})")
_STREAM = re.compile(rf"{_L}(?P<site>resid_pre|resid_mid|resid_post)")
# Where many links end: what comes in is the finer end.
_GATHERING = re.compile(r"L\d+\.(?:attn_out|mlp_out|resid_\w+|z|H\d+)")
_END = re.compile(r"(?P<stem>L\d+\.(?:H\d+\.(?:key|value)@\d+|[\w.]+?))" + _AT)
_NODE = re.compile(
    rf"{_L}(?:H(?P<head>\d+)(?:\.(?P<what>key|value)@(?P<key>\d+)|\.(?P<of_head>query))?"
    r"|N(?P<neuron>\d+)(?:\.(?P<of_neuron>key))?|z(?P<row>\d+)|(?P<site>\w+))"
)
_LINKS = {
    "resid_pre": ("norm", "attn_in", "mlp_in", "resid_mid", "resid_post"),
    "norm": ("attn_in", "mlp_in"),
    "attn_in": ("qkv",),
    "qkv": ("query",),
    "query": ("key", "value"),
    "key": ("value",),
    "value": ("head",),
    "head": ("z",),
    "z": ("row", "attn_bias"),
    "row": ("attn_out",),
    "attn_bias": ("attn_out",),
    "attn_out": ("resid_mid", "resid_post"),
    "resid_mid": ("mlp_in", "resid_post"),
    "mlp_in": ("neuron_key", "neuron", "mlp_bias", "mlp_out"),
    "neuron_key": ("neuron",),
    "neuron": ("mlp_out",),
    "mlp_bias": ("mlp_out",),
    "mlp_out": ("resid_post",),
}
_EXAMPLES = '"L14.H7", "L14.H7.value@3", "L14.z448", "L14.resid_pre>L14.resid_mid"'


@dataclass(frozen=True)
class CutName:
    """What a name stands for."""

    text: str
    kind: CutKind
    layer: int
    at: int | None = None  # the position whose forward pass is cut; None: not said
    head: int | None = None
    key: int | None = None
    row: int | None = None
    part: Literal["attn", "mlp"] | None = None
    site: str | None = None  # residual: where the stream comes from
    into: str | None = None  # and where it is taken out
    target: str | None = None  # an ordinary edit target, without its position


def parse_cut(name: str) -> CutName:
    """Read the id of a node or a link. Raises TargetError for what names neither."""
    source, arrow, end = name.partition(">")
    if arrow:
        return _link(name, source, end)
    for kind, form in _FORMS:
        match = form.fullmatch(name)
        if match is not None:
            return _made(name, kind, match.groupdict())
    column = _NEURON_KEY.fullmatch(name)
    return _target(name, column["neuron"] + column["rest"] if column else name)


def _made(name: str, kind: CutKind, found: dict[str, str | None]) -> CutName:
    numbers = {field: _number(found.get(field)) for field in ("at", "head", "key", "row")}
    part = found.get("part")
    return CutName(
        name,
        kind,
        layer=int(found["layer"] or 0),
        part=None if part is None else ("attn" if part == "attn" else "mlp"),
        at=numbers["at"],
        head=numbers["head"],
        key=numbers["key"],
        row=numbers["row"],
    )


def _number(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _target(name: str, text: str) -> CutName:
    try:
        target = parse_target(text)
    except TargetError:
        raise _unknown(name) from None
    if target.layer is None:
        raise _unknown(name)
    stem = text.partition("@")[0]
    if target.key is not None:
        return CutName(name, "pair", target.layer, target.position, target.head, target.key)
    return CutName(name, "target", target.layer, target.position, head=target.head, target=stem)


def _link(name: str, source: str, end: str) -> CutName:
    """The stream past a branch; otherwise the finer of the two ends."""
    match = _END.fullmatch(end)
    if match is None or not _joined(source, match["stem"]):
        raise _unknown(name)
    stem, at = match["stem"], _number(match["at"])
    past, into = _STREAM.fullmatch(source), _STREAM.fullmatch(stem)
    if past is not None and into is not None:
        return CutName(name, "residual", int(into["layer"]), at, site=source, into=stem)
    through = _GATHERING.fullmatch(stem) is not None or stem.endswith(".qkv")
    whole = source.endswith(".mlp_in") and stem.endswith(".mlp_out")
    found = parse_cut(source if through and not whole else stem)
    return replace(found, text=name, at=at)


def _joined(source: str, end: str) -> bool:
    """Whether a flow graph has such a link."""
    first, last = _NODE.fullmatch(source), _NODE.fullmatch(end)
    if first is None or last is None:
        return False
    (layer, left), (other, right) = _kind(first), _kind(last)
    follows = left == "resid_post" and right not in ("attn_out", "mlp_out")
    if follows:
        left, layer = "resid_pre", layer + 1
    alike = all(
        first[part] is None or last[part] is None or first[part] == last[part]
        for part in ("head", "key", "neuron")
    )
    return layer == other and right in _LINKS.get(left, ()) and alike


def _kind(match: re.Match[str]) -> tuple[int, str]:
    """(layer, what the node is)."""
    if match["of_neuron"]:
        return int(match["layer"]), "neuron_key"
    for part in ("what", "of_head"):
        if match[part] is not None:
            return int(match["layer"]), match[part]
    named = ("head", "neuron", "row")
    return int(match["layer"]), next((part for part in named if match[part]), match["site"])


def _unknown(name: str) -> TargetError:
    return TargetError(
        f"{name!r} names no node or link of a flow graph; write for example {_EXAMPLES}",
        field="name",
        value=name,
        legal=_EXAMPLES,
    )
