"""Names of a flow graph's nodes and links, read: what of the model is cut when they are.

A link is cut where it is narrowest: "L14.H7.value@3>L14.H7" is the same cut as "L14.H7.value@3",
"L14.mlp_in>L14.N12.key" the same as "L14.N12". Behind a name may stand the position whose forward
pass is cut: "L14.z448@7"; at a key or value the first number is where it was made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, cast

from unembed.engine.names.sites import parse_target, perhaps_attached
from unembed.engine.nodes import CROSS, DIGITS, POSITION, SOURCE_SITES, UNREAD, Branch, number
from unembed.engine.targets import Target, node, site
from unembed.errors import TargetError

CutKind = Literal["zero", "bias", "residual"]

_L = rf"L{number('layer')}\."
_HEAD = rf"(?P<letter>[HX]){number('head')}"  # X: attends to an encoder
_AT = rf"(?:@(?P<at>{POSITION}))?"
_KEY = rf"@(?P<key>[0-9]{{1,{DIGITS['neuron']}}})"
_PAIR = re.compile(rf"{_L}{_HEAD}\.(?:key|value){_KEY}{_AT}")
_QUERY = re.compile(rf"{_L}H{number('head')}\.query{_AT}")
_READ = re.compile(rf"{_L}(?P<read>qkv|norm){_AT}")
_BIAS = re.compile(rf"{_L}(?P<branch>attn|cross|mlp)_bias{_AT}")
_READ_SITES = {"qkv": ("q", "k", "v"), "norm": ("attn_in", "mlp_in")}
_NEURON_KEY = re.compile(rf"(?P<neuron>L[0-9]+\.N[0-9]+)\.key(?P<rest>{_AT})")
_LATENT = re.compile(rf"{_L}(?:\w+\.)?F{number('index')}")
_STREAM = re.compile(rf"{_L}(?P<site>resid_pre|resid_mid|resid_mid_cross|resid_post)")
# Where many links end: what comes in is the finer end.
_GATHERING = re.compile(r"L\d+\.(?:attn_out|cross_out|mlp_out|resid_\w+|z|[HX]\d+)")
_END = re.compile(r"(?P<stem>L\d+\.(?:[HX]\d+\.(?:key|value)@\d+|[\w.]+?))" + _AT)
_NODE = re.compile(
    rf"{_L}(?:{_HEAD}(?:\.(?P<what>key|value){_KEY}|\.(?P<of_head>query))?"
    rf"|N{number('neuron')}(?:\.(?P<of_neuron>key))?|z{number('entry')}"
    rf"|(?:\w+\.)?F{number('index')}|(?P<site>\w+))"
)
_LINKS = {
    "resid_pre": (
        "norm",
        *("attn_in", "mixer_in", "mlp_in"),
        *("attn_out", "mixer_out", "mlp_out"),  # of a branch whose input is not known
        *("resid_mid", "resid_post"),
    ),
    "norm": ("attn_in", "mixer_in", "mlp_in"),
    "attn_in": ("qkv", "attn_out"),
    "mixer_in": ("mixer_out",),
    "mixer_out": ("resid_mid", "resid_post"),
    "qkv": ("query",),
    "query": ("key", "value"),
    "key": ("value",),
    "value": ("head",),
    "head": ("z",),
    "z": ("entry", "attn_bias"),
    "entry": ("attn_out",),
    "attn_bias": ("attn_out",),
    "attn_out": ("resid_mid", "resid_post"),
    "resid_mid": (
        *("mlp_in", "mlp_out", "ple_in", "resid_post"),
        *("cross_in", "resid_mid_cross"),  # of a block that attends to an encoder
    ),
    "cross_in": ("cross_value", "cross_bias", "cross_out"),
    "cross_value": ("cross_head",),
    "cross_head": ("cross_out",),
    "cross_bias": ("cross_out",),
    "cross_out": ("resid_mid_cross",),
    "resid_mid_cross": ("mlp_in", "mlp_out", "resid_post"),
    "mlp_in": ("neuron_key", "neuron", "mlp_bias", "mlp_out"),
    "neuron_key": ("neuron",),
    "neuron": ("mlp_out",),
    "mlp_bias": ("mlp_out",),
    "latent": ("attn_out", "mlp_out"),
    "mlp_out": ("ple_in", "resid_post"),
    "ple_in": ("ple_out",),
    "ple_out": ("resid_post",),
}
_LATENTS_OF = (  # which of them, only the model knows
    *("resid_pre", "resid_mid", "resid_mid_cross", "resid_post", "cross_out"),
    *("z", "attn_in", "mlp_in"),
)
_EXAMPLES = '"L14.H7", "L14.H7.value@3", "L14.z448", "L14.resid_pre>L14.resid_mid"'


@dataclass(frozen=True)
class CutName:
    """What a name stands for, as typed targets, which are not read again."""

    text: str
    kind: CutKind
    layer: int
    at: int | None = None  # the position whose forward pass is cut; None: not said
    targets: tuple[Target, ...] = ()  # zero: what is set to zero, of a pair with its key
    branch: Branch | None = None  # bias: of which branch
    site: Target | None = None  # residual: where the stream comes from
    into: Target | None = None  # and where it is taken out

    @property
    def what(self) -> tuple[object, ...]:
        """What is cut, however it is written: "L5.attn" and "L5.attn_out" are the same."""
        parts = [_of_one(one) for one in self.targets]
        streams = [None if one is None else one.site_key for one in (self.site, self.into)]
        return self.kind, self.layer, self.branch, *parts, *streams


def _of_one(target: Target) -> tuple[object, ...]:
    """A latent by its name: its site is not known before the model is there."""
    if is_latent(target):
        return (target.text.partition("@")[0].lower(),)
    return (*target.site_key, target.head, target.neuron, target.entry, target.key)


def is_latent(target: Target) -> bool:
    """Whether it is a node that was attached, read or not yet read."""
    return bool(target.row.derived) or target.row is UNREAD


def parse_cut(name: str | Target | CutName) -> CutName:
    """Read the id of a node or a link; what was read already is not read again.

    Raises TargetError for what names neither.
    """
    if isinstance(name, CutName):
        return name
    return _of_target(name.text, name) if isinstance(name, Target) else _read(name)


def _read(name: str) -> CutName:
    source, arrow, end = name.partition(">")
    if arrow:
        return _link(name, source, end)
    if found := _PAIR.fullmatch(name):
        kind = "cross_head" if found["letter"] == "X" else "head"
        head = node(kind, int(found["layer"]), int(found["head"])).at(None, int(found["key"]))
        return _zero(name, (head,), found["at"])
    if found := _QUERY.fullmatch(name):
        return _zero(name, (parse_target(f"L{found['layer']}.H{found['head']}.q"),), found["at"])
    if found := _READ.fullmatch(name):
        sites = _READ_SITES[found["read"]]
        return _zero(name, tuple(site(one, int(found["layer"])) for one in sites), found["at"])
    if found := _BIAS.fullmatch(name):
        branch = cast("Branch", found["branch"])
        return CutName(name, "bias", int(found["layer"]), _number(found["at"]), branch=branch)
    column = _NEURON_KEY.fullmatch(name)
    return _target(name, column["neuron"] + column["rest"] if column else name)


def _zero(name: str, targets: tuple[Target, ...], at: str | None) -> CutName:
    return CutName(name, "zero", targets[0].layer or 0, _number(at), targets)


def _number(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _target(name: str, text: str) -> CutName:
    try:
        target = perhaps_attached(text)
    except TargetError:
        raise _unknown(name) from None
    return _of_target(name, target)


def _of_target(name: str, target: Target) -> CutName:
    if target.encoder or target.site in SOURCE_SITES:  # its positions are of the source
        raise TargetError(
            f"{name!r} names no node or link of a flow graph: it is of the encoder, or of what is "
            "read of it, and a graph is of the decoder's stream at one position of the prompt",
            field="name",
            value=name,
            legal="nodes and links of the decoder",
            fix=f'edit it and look at what changes: ue.zero("{target.stem}")',
        )
    if target.layer is None:
        raise _unknown(name)
    whole = target.at(None, target.key)
    return CutName(name, "zero", target.layer, target.position, (whole,))


def _link(name: str, source: str, end: str) -> CutName:
    """The stream past a branch; otherwise the finer of the two ends."""
    match = _END.fullmatch(end)
    if match is None or not _joined(source, match["stem"]):
        raise _unknown(name)
    stem, at = match["stem"], _number(match["at"])
    past, into = _STREAM.fullmatch(source), _STREAM.fullmatch(stem)
    if past is not None and into is not None:
        begin, out = parse_target(source), parse_target(stem)
        return CutName(name, "residual", int(into["layer"]), at, site=begin, into=out)
    through = _GATHERING.fullmatch(stem) is not None or stem.endswith(".qkv")
    branch = source.rpartition(".")[2].removesuffix("_in")
    if last := _LATENT.fullmatch(stem):  # nothing flows on from one of the stream
        return replace(parse_cut(last[0]), text=name, at=at)
    whole = branch in ("attn", "cross", "mlp") and stem.endswith(f".{branch}_out")
    found = parse_cut(source if through and not whole else stem)
    return replace(found, text=name, at=at)


def _joined(source: str, end: str) -> bool:
    """Whether a flow graph has such a link."""
    first, last = _NODE.fullmatch(source), _NODE.fullmatch(end)
    if first is None or last is None:
        return False
    (layer, left), (other, right) = _kind(first), _kind(last)
    if right == "latent":
        return left in _LATENTS_OF and layer == other
    follows = left == "resid_post" and right not in ("attn_out", "mlp_out")
    if follows:
        left, layer = "resid_pre", layer + 1
    alike = all(
        first[part] is None or last[part] is None or first[part] == last[part]
        for part in ("letter", "head", "key", "neuron")
    )
    return layer == other and right in _LINKS.get(left, ()) and alike


def _kind(match: re.Match[str]) -> tuple[int, str]:
    """(layer, what the node is)."""
    if match["of_neuron"]:
        return int(match["layer"]), "neuron_key"
    numbered = ("head", "neuron", "entry")
    named = next((part for part in numbered if match[part]), match["site"] or "latent")
    kind = match["what"] or match["of_head"] or named
    return int(match["layer"]), f"{CROSS}{kind}" if match["letter"] == "X" else kind


def _unknown(name: str) -> TargetError:
    return TargetError(
        f"{name!r} names no node or link of a flow graph; write for example {_EXAMPLES}",
        field="name",
        value=name,
        legal=_EXAMPLES,
    )
