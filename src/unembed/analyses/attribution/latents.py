"""Latents of attached autoencoders as nodes: what they write, the bias, and what is left over.

An autoencoder of what a branch adds takes the place of the branch's own nodes: latents, bias and
error sum to what was added, so completeness holds. Of a cross-layer transcoder what latents of all
layers write to a branch is taken off it: each latent is one row, with the effects of all its writes
together, and bias and error are the branch's own. An autoencoder of the stream itself divides once
more what other nodes wrote: its groups are `beside` the sums and not in them.

A latent's value is its own variable, as an edit has it: its total effect is value · gradient of
what it writes, and nothing is said of how other latents would change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from unembed.analyses.attribution.result import NodeGroup
from unembed.analyses.tools.directions import Directions
from unembed.analyses.tools.effects import STREAM as STREAM_SITES
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.writes import joins_stream
from unembed.engine.loaded import Loaded
from unembed.engine.nodes import Branch
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.errors import InputError
from unembed.latents.autoencoder import Autoencoder, active_in
from unembed.latents.sae import Split, every, split

WHY = "its nodes are the latents of an autoencoder"
BRANCHES: dict[str, Branch] = {"attn_out": "attn", "cross_out": "cross", "mlp_out": "mlp"}
# of the stream: the branch whose step ends there
STREAM: dict[str, Branch] = {"resid_mid": "attn", "resid_mid_cross": "cross", "resid_post": "mlp"}

SITES = (*BRANCHES, *STREAM, "resid_pre")


@dataclass(frozen=True, eq=False)
class Attached:
    """An autoencoder that is attached, with its two ends.

    Args:
        writes: the site that its bias and its error are of, the first that its latents write to.
        others: of a cross-layer transcoder, its layers before, whose latents write there too.
    """

    sae: Autoencoder
    reads: SiteKey
    writes: SiteKey
    stem: str
    others: tuple[Attached, ...] = ()

    @property
    def of_stream(self) -> bool:
        return self.writes.site not in BRANCHES

    @property
    def ends(self) -> tuple[SiteKey, ...]:
        """All sites that its latents write to."""
        return self.sae.description.ends

    @property
    def needed(self) -> tuple[SiteKey, ...]:
        """What `split` reads beside the site itself."""
        return (self.reads, *(one.reads for one in self.others))

    def split(self, run: Run) -> Split:
        """What it makes of its site in a run: `values` are its own, `written` is by all layers."""
        reads, writes = (run.activations[key].detach() for key in (self.reads, self.writes))
        if len(self.ends) == 1 and not self.others:
            return split(self.sae, reads, writes)
        return _split_of_several(self, run)


_VALUES: WeakKeyDictionary[Run, dict[SiteKey, tuple[Autoencoder, Tensor]]] = WeakKeyDictionary()
"""What layers of a cross-layer transcoder have in a run: each later layer asks for all of them."""


def _values(one: Attached, run: Run) -> Tensor:
    held = _VALUES.setdefault(run, {})
    sae, values = held.get(one.reads, (None, None))
    if values is None or sae is not one.sae:
        x = accurate(run.activations[one.reads].detach())
        values = one.sae.like(x).encode(x)
        held[one.reads] = one.sae, values
    return values


def _split_of_several(own: Attached, run: Run) -> Split:
    x = accurate(run.activations[own.reads].detach())
    whole = run.activations[own.writes].detach().to(x)
    written = torch.zeros_like(whole)
    for one in (*own.others, own):
        values = _values(one, run)
        active = active_in(values)
        rows = one.sae.directions_at(own.writes)[active].to(values)
        written = written + values[:, active] @ rows
    constant = own.sae.like(x).constant(x).expand_as(whole)
    return Split(_values(own, run), written, constant, whole - written - constant)


def attached_to(model: Loaded) -> list[Attached]:
    """All that are attached where something is added to the stream, or to the stream, by layer."""
    found: list[Attached] = []
    for one in every(model):
        reads, writes = one.sae.description.reads, one.sae.description.writes
        if one.sae.description.kind == "crosscoder":
            continue
        if reads is not None and writes is not None and writes.site in SITES:
            others = tuple(other for other in found if writes in other.ends)
            found.append(Attached(one.sae, reads, writes, one.stem, others))
    return found


def of_branch(model: Loaded, out: SiteKey) -> Attached | None:
    """The autoencoder of what a branch adds; None where there is none."""
    return next((one for one in attached_to(model) if one.writes == out), None)


def of_stream(model: Loaded, end: tuple[int, int] | None = None) -> list[Attached]:
    """Those that divide the stream, before it is read at step `end` of a layer."""
    found = [one for one in attached_to(model) if one.of_stream]
    return [one for one in found if end is None or place_of(one.writes) <= end]


def place_of(stream: SiteKey) -> tuple[int, int]:
    """The layer and step before which the stream is what a site of it says."""
    layer = stream.layer or 0
    if stream.site == "resid_post":
        return layer + 1, 0
    return layer, STREAM_SITES.index(stream.site)


def count(model: Loaded) -> int:
    """How many nodes they have at a position."""
    return sum(one.sae.description.n + 2 for one in attached_to(model))


def check(model: Loaded, against: str, sample: int, estimator: str = "gradient") -> None:
    """Raise InputError for what is not told of latents."""
    if not attached_to(model):
        return
    for field, wrong, legal in (("against", against != "zero", '"zero"'), ("sample", sample, "0")):
        if wrong:
            raise InputError(
                f"{model.name} has autoencoders attached, whose latents are compared with 0 and "
                "measured one by one",
                field=field,
                value=against if field == "against" else sample,
                legal=legal,
                fix="model.detach()",
            )
    if estimator == "graddrop":
        raise InputError(
            f"{model.name} has autoencoders attached, and no gradient is dropped past them",
            field="estimator",
            value=estimator,
            legal="gradient, integrated, relp",
            fix="model.detach()",
        )


@torch.no_grad()
def groups(
    one: Attached,
    run: Run,
    slopes: Mapping[SiteKey, Tensor],
    along: Mapping[SiteKey, Tensor],
    directions: Directions | None,
) -> Iterator[NodeGroup]:
    """Latents, bias and error of one, with what each does.

    Args:
        slopes: gradients where it writes; of a site without one nothing comes to what is explained.
        along: the same for latents, perhaps their mean on their way from 0.
    """
    parts, layer = one.split(run), one.reads.layer
    values = accurate(parts.values)
    slope = slopes[one.writes].reshape(len(values), -1).to(values)
    sae = one.sae.like(values)
    factor = sae.factor(run.activations[one.reads].detach().to(values))
    active = active_in(values)  # what a latent that is 0 does is 0
    some = values[:, active]
    at = -1 if directions is None else directions.position
    total, whole = torch.zeros_like(some), sae.directions_at(one.writes)[active] * 0
    direct: Tensor | None = None
    for key in one.ends:
        rows = sae.directions_at(key)[active]
        whole = whole + rows
        if key in slopes:
            along_here = along.get(key, slopes[key]).reshape(len(values), -1).to(values)
            total += some * (along_here * factor @ rows.T)
        way = None if directions is None else _way(run.model, directions, key)
        if way is not None:
            here = some[at] * (rows @ way.to(rows)) * factor[at]
            direct = here if direct is None else direct + here
    way = None if directions is None else _way(run.model, directions, one.writes)
    stem = one.stem
    yield NodeGroup(
        "latent",
        layer,
        stem,
        values,
        _spread(some.abs() * factor.abs() * whole.norm(dim=-1), active, values),
        None if direct is None else _spread(direct, active, values[at]),
        _spread(total, active, values),
        beside=one.of_stream,
    )
    for kind, written in (("latent_bias", parts.constant), ("error", parts.error)):
        written = accurate(written)
        yield NodeGroup(
            "latent_bias" if kind == "latent_bias" else "error",
            layer,
            f"{stem}_{'bias' if kind == 'latent_bias' else kind}",
            None,
            written.norm(dim=-1, keepdim=True),
            None if way is None else (written[at] @ way.to(written))[None],
            (written * slope.to(written)).sum(-1, keepdim=True),
            beside=one.of_stream,
        )


def _spread(found: Tensor, active: Tensor, like: Tensor) -> Tensor:
    """What was found of the active latents, among all: [..., n]."""
    return torch.zeros_like(like).index_copy_(-1, active, found)


def _way(model: Loaded, directions: Directions, writes: SiteKey) -> Tensor | None:
    """The direction of what is written there; None where what follows is a norm of the stream."""
    step = joins_stream(model, writes)
    if step is None:
        return None
    layer, branch = step
    return directions.embed if layer is None else directions.of(model, layer, branch)


def written_by(group: NodeGroup, run: Run, position: int) -> tuple[SiteKey, Tensor]:
    """Where a bias or an error is written, and what, at a position."""
    one = next(one for one in attached_to(run.model) if group.stem.startswith(f"{one.stem}_"))
    parts = one.split(run)
    written = parts.error if group.kind == "error" else parts.constant
    return one.writes, written[position]


def notes(model: Loaded, end: tuple[int, int] | None = None) -> Sequence[str]:
    """What is to be known of them, of those before step `end` of a layer."""
    inside = [
        one.sae.description.where
        for one in every(model)
        if one.sae.description.writes is not None and one.sae.description.writes.site not in SITES
    ]
    crossed = [
        one.sae.description.where
        for one in every(model)
        if one.sae.description.kind == "crosscoder"
    ]
    return [
        *(f"latents of {place} are no rows: they write inside of a branch" for place in inside),
        *(f"latents of {place} are no rows: they are a crosscoder's" for place in crossed),
        *_beside(model, end),
    ]


def _beside(model: Loaded, end: tuple[int, int] | None) -> list[str]:
    return [
        f"latents of {one.writes.name} divide once more what other nodes wrote: they are beside "
        "the sums"
        for one in of_stream(model, end)
    ]
