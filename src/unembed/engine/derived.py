"""Nodes that a model has because maps were attached to it: the latents of an autoencoder.

A kind of derived nodes is one row of the table (`engine.nodes`) and two maps: from a site's
activation to the nodes' values, and back to what they stand for in it. What the maps do not
account for is the error; an edit keeps it, so that only what the edited nodes stand for changes:

    x' = x + decode(edited) - decode(encode(x))

Of a transcoder what is read and what is written are two sites: the change is made at the second.
One that writes to several sites has it made at each.
Attached to a model they are read, edited and named like any other node:

    model.derived["latent"] = Derived(row, counts, encode, decode)
    run = model.run(prompt, ["L6.F77"], [zero("L6.F12")])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from torch import Tensor

from unembed.engine.nodes import NodeKind
from unembed.engine.targets import SiteKey, Target
from unembed.errors import InputError, TargetError

if TYPE_CHECKING:
    from jaxtyping import Float


Kept = TypeVar("Kept")


@dataclass(frozen=True, eq=False)
class Derived:
    """A kind of nodes computed from a site.

    Args:
        row: what they are called. Its `derived` tells these maps from any others, and its number
            is `index`.
        counts: how many there are in each layer; a layer that is missing has none.
        encode: (layer, activation [pos, width]) -> values [pos, n].
        decode: (layer, values [pos, n], activation [pos, width]) -> what they stand for
            [pos, width of where it is written], of several sites side by side; linear in the
            values, but for what is added whatever they are.
        sites: where each layer's are read, of layers where that is not the row's site.
        fixed: why those of a layer are read and not edited, and what is done instead.
        writes: where each layer's write, of layers where that is not where they are read; sites of
            one width.
    """

    row: NodeKind
    counts: Mapping[int, int]
    encode: Callable[[int, Float[Tensor, "pos width"]], Float[Tensor, "pos n"]]
    decode: Callable[[int, Float[Tensor, "pos n"], Tensor], Float[Tensor, "pos width"]]
    sites: Mapping[int, str] = field(default_factory=dict)
    writes: Mapping[int, tuple[SiteKey, ...]] = field(default_factory=dict)

    fixed: Mapping[int, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        row = self.row
        if not row.derived or row.number != "index" or row.site is None:
            raise InputError(
                f"the row of {row.kind!r} is not that of derived nodes: it needs `derived`, a "
                'site, and number="index"',
                field="row",
                value=row.kind,
                legal='NodeKind(..., site="resid_post", number="index", derived="fingerprint")',
            )

    def placed(self, target: Target) -> Target:
        """The target of a node of this kind, at the site where its layer's are read."""
        site = self.sites.get(target.layer or 0)
        return target if site is None else replace(target, site=site)

    def check(self, target: Target, name: str, field: str) -> None:
        """Raise TargetError unless the layer has this one."""
        layer, index = target.layer or 0, target.index or 0
        count = self.counts.get(layer, 0)
        if index < count:
            return
        legal = f"{self.row.plural} 0-{count - 1}" if count else f"no {self.row.plural}"
        raise TargetError(
            f"{self.row.called} {index} is not in this model: {name} has {legal} in layer {layer}",
            field=field,
            value=target.text,
            legal=legal,
        )

    def stem(self, layer: int) -> str:
        """The names of a layer's without their number: "L6.F"."""
        return self.row.forms[0].format(layer=layer, index="")

    def without(self, layer: int) -> Derived:
        """The same with none in a layer."""
        return replace(
            self,
            counts=without(self.counts, layer),
            sites=without(self.sites, layer),
            writes=without(self.writes, layer),
        )

    def read(self, target: Target, activation: Tensor) -> Float[Tensor, " pos"]:
        """The values of one node, from its site's activation."""
        return self.encode(target.layer or 0, activation)[:, target.index]


def without(held: Mapping[int, Kept], layer: int) -> dict[int, Kept]:
    """What there is of all other layers."""
    return {one: kept for one, kept in held.items() if one != layer}


def without_stems(
    derived: Mapping[str, Derived], stems: Iterable[str], model: str
) -> dict[str, Derived]:
    """What is left, by kind, without the nodes of some stems; see `Model.detach`."""
    left = dict(derived)
    there = [one.stem(layer) for one in derived.values() for layer in one.counts]
    for stem in stems:
        at = {one.stem(layer): (kind, layer) for kind, one in left.items() for layer in one.counts}
        if stem not in at:
            raise TargetError(
                f"{model} has nothing attached whose nodes are called {stem} and a number",
                field="stem",
                value=stem,
                legal=", ".join(there) or "nothing is attached",
            )
        kind, layer = at[stem]
        if len(left[kind].counts) > 1:
            left[kind] = left[kind].without(layer)
        else:
            del left[kind]
    return left


class Attachable(Protocol):
    """What `Model.attach` takes."""

    def attached_to(self, model: Any, verify: bool) -> Derived:
        """Its nodes, together with those of its kind that the model has already.

        Raises what says that it does not fit the model; then nothing is attached.
        """
