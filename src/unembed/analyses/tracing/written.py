"""What a node writes to the stream at its position, and what a head's value carries of a write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from unembed.analyses.tools.effects import Writes, stream_capture
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.moved import MovedValues, moved_capture
from unembed.analyses.tools.writes import (
    INSIDE,
    branch_output,
    joins_stream,
    latent_writes,
    node_of,
    write,
    write_capture,
)
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, add, zero
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.vocabulary import Read
from unembed.engine.nodes import Branch
from unembed.engine.passes.forward import request_of, run
from unembed.engine.targets import Lengths, SiteKey, Target, site
from unembed.errors import CapabilityError, TargetError
from unembed.latents.autoencoder import Autoencoder
from unembed.latents.sae import sae_of

if TYPE_CHECKING:
    from jaxtyping import Float

BIAS = re.compile(r"L(?P<layer>\d{1,4})\.(?P<branch>attn|cross|mlp)_bias@(?P<at>-?\d{1,7})")
LEGAL = (
    'what writes to the stream at a position: "embed@3", "L12.H1@14<2", "L12.H1@14", "L12.N512@4", '
    '"L6.F77@4", "L5.mlp@4", "L5.mlp_bias@4"'
)


@dataclass(frozen=True, eq=False)
class Written:
    """What a node writes: where it joins the stream, at which position, and the row itself.

    Args:
        own: whose latent writes it.
        also: of a latent that writes at several layers, what it writes in those behind the first.
    """

    layer: int | None  # None: of the embedding
    branch: Branch | None
    position: int
    row: Float[Tensor, "1 d_model"]
    own: Autoencoder | None = None
    also: tuple[Writes, ...] = ()

    @property
    def parts(self) -> tuple[Writes, ...]:
        """All that is written, the first layer first."""
        return (Writes(self.row, self.layer, self.branch), *self.also)

    @property
    def norm(self) -> float:
        """The length of all of it together."""
        rows = [accurate(one.rows) for one in self.parts]
        return float(torch.cat([one.to(rows[0]) for one in rows]).sum(0).norm())


@dataclass(frozen=True)
class Source:
    """A node at a position that writes to the stream, by its name."""

    name: str
    words: str
    layer: int | None
    branch: Branch | None
    position: int
    node: Target | None  # None: a bias

    @property
    def pair(self) -> Target | None:
        """The node, where it is a head's look from its position at a key."""
        return self.node if self.node is not None and self.node.key is not None else None


def source_of(model: Loaded, name: str, lengths: Lengths, field: str = "node") -> Source:
    """The node of a name. Raises errors about `field`: TargetError, CapabilityError."""
    bias, n_positions = BIAS.fullmatch(name), lengths.prompt
    if bias is not None:
        return _bias(model, bias, n_positions, field)
    node = model.node(name, field)
    if node.position is None or (node.key is None and not node.row.is_node) or node.encoder:
        raise TargetError(
            f"{name!r} cannot be traced downstream: "
            + ("at which position is missing" if node.position is None else "it writes nothing")
            + (" to the decoder's stream" if node.encoder else ""),
            field=field,
            value=name,
            legal=LEGAL,
            fix=f'"{node.stem}@3"' if node.row.is_node and not node.encoder else '"L12.N512@4"',
        )
    at = resolve_position(node.position, n_positions, field)
    if node.key is None:
        node_of(model, node)  # refuses what this model does not show
        layer, branch = _joins(model, node, field)
        node = node.at(at)
        return Source(node.name, node.words, layer, branch, at, node)
    branch = "cross" if node.row.kind == "cross_pair" else "attn"
    n_keys = lengths.source if branch == "cross" else n_positions
    key = resolve_position(node.key, n_keys, field)
    node = node.at(at, key)
    words = f"head {node.head} of layer {node.layer} from {at} to {key}"
    words += " of the source" if branch == "cross" else ""
    return Source(node.name, words, node.layer, branch, at, node)


def _bias(model: Loaded, found: re.Match[str], n_positions: int, field: str) -> Source:
    layer, branch = int(found["layer"]), cast(Branch, found["branch"])
    whole = node_of(model, model.node(f"L{layer}.{branch}", field))
    at = resolve_position(int(found["at"]), n_positions, field)
    words = f"bias of the {whole.words.removesuffix('s')} at position {at}"
    return Source(f"L{layer}.{branch}_bias@{at}", words, layer, branch, at, None)


def _joins(model: Loaded, node: Target, field: str) -> tuple[int | None, Branch | None]:
    """The layer and branch that a node writes through."""
    if not node.row.derived:
        return node.layer, node.row.writes
    says = sae_of(model, node).description
    crosses = says.kind == "crosscoder"
    joined = None if says.writes is None or crosses else joins_stream(model, says.writes)
    if joined is None:
        raise CapabilityError(
            f"{node.name} cannot be traced downstream: it "
            + (
                "is of a crosscoder, whose latents stand for states of the stream"
                if crosses
                else "writes behind a norm of the stream, or inside of a branch"
            ),
            field=field,
            value=node.name,
            legal="latents that write what joins the stream",
        )
    return joined


def written_of(
    model: Loaded, read: Read, edits: Sequence[Edit], source: Source, cancel: Cancel | None
) -> Written:
    """All that a node writes, in a run of its own."""
    capture = [*_capture(model, source), *stream_capture(model, source.layer)]
    seen = run(model, request_of(read, list(dict.fromkeys(capture)), edits), cancel)
    at, node = source.position, source.node
    own = sae_of(model, node) if node is not None and node.row.derived else None
    layer, branch = source.layer, source.branch
    pair = source.pair
    if pair is not None and branch is not None:
        share = seen[f"L{layer}.{_pattern(branch)}"][pair.head, at, pair.key]
        row = accurate(share) * _moved(MovedValues(seen, layer or 0, branch), pair)
    elif node is None and branch is not None:
        out = branch_output(seen, layer or 0, branch, at)
        if not out.has_bias:
            raise CapabilityError(f"{source.name} writes nothing: there is no bias", field="node")
        row = out.bias_write()
    elif node is not None and own is not None and len(own.description.ends) > 1:
        (_, row), *later = latent_writes(seen, node, at)
        also = [Writes(rows, key.layer, branch) for key, rows in later]
        return Written(layer, branch, at, row, own, tuple(also))
    else:
        row = write(seen, node.stem if node is not None else "embed")[at, None]
    return Written(layer, branch, at, row, own)


def _capture(model: Loaded, source: Source) -> list[str]:
    layer, branch = source.layer or 0, source.branch
    if source.pair is not None and branch is not None:
        return [*moved_capture(model, layer, branch), f"L{layer}.{_pattern(branch)}"]
    if source.node is None and branch is not None:
        return [f"L{layer}.{INSIDE[branch]}"]
    return [] if source.node is None else [*write_capture(model, source.node.stem)]


def _pattern(branch: Branch) -> str:
    return "cross_pattern" if branch == "cross" else "pattern"


def _moved(values: MovedValues, pair: Target) -> Float[Tensor, "1 d_model"]:
    """What one unit of a pair's attention moves."""
    return values.at(pair.position or 0, pair.head or 0, [pair.key or 0])


def without(source: Source, written: Written, *, whole: bool) -> Edit:
    """What takes a write out of a run; `whole`: the node itself is 0."""
    if whole and source.node is not None:
        return zero(source.name)
    key = SiteKey("embed", None) if written.branch is None else None
    key = SiteKey(f"{written.branch}_out", written.layer) if key is None else key
    return add(site(key.site, key.layer).at(written.position), -written.row[0])
