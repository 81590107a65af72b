"""Which heads, memory positions, rows of W_O and neurons of a layer a flow graph shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.flow.result import LatentSelection, LayerSelection
from unembed.engine.capabilities import NO_ENCODER_EFFECTS
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import why_not
from unembed.engine.nodes import Branch
from unembed.errors import TargetError

if TYPE_CHECKING:
    from jaxtyping import Float


MOST_BY_THRESHOLD = 200  # of one branch; more could not be told apart
_BY_HAND = '"L14.H3", "L14.N512" or "L14.z448"'
_NEITHER = "it is no head, neuron, row of W_O or latent"


class Chosen:
    """What was named by hand, by layer. Raises TargetError for what this model does not have."""

    def __init__(self, model: Loaded, names: Sequence[str]) -> None:
        self.heads: dict[Branch, list[tuple[int, int]]] = {"attn": [], "cross": []}
        self.neurons: list[tuple[int, int]] = []
        self.z_rows: list[tuple[int, int]] = []
        self.latents: list[tuple[str, int]] = []
        for name in names:
            self._take(model, name)

    def of(self, layer: int, what: list[tuple[int, int]]) -> list[int]:
        """The numbers named of a layer."""
        return [number for named, number in what if named == layer]

    def _take(self, model: Loaded, name: str) -> None:
        target = model.node(name, "include")
        if target.layer is None or target.position is not None:
            raise _unknown(name, _NEITHER)
        if target.encoder:
            raise _unknown(name, NO_ENCODER_EFFECTS)
        if target.kind == "cross_head":
            reason = why_not(model.anatomy, target.site_key)
            if reason is not None:
                raise _unknown(name, reason)
        if target.kind in ("head", "cross_head"):
            self.heads[target.row.writes or "attn"].append((target.layer, target.head or 0))
        elif target.kind == "neuron":
            self.neurons.append((target.layer, target.neuron or 0))
        elif target.entry is not None:
            self.z_rows.append((target.layer, target.entry))
        elif target.row.derived and target.index is not None:
            stem = target.stem.removesuffix(str(target.index))
            self.latents.append((stem, target.index))
        else:
            raise _unknown(name, _NEITHER)


def _unknown(name: str, why: str) -> TargetError:
    return TargetError(
        f"{name!r} cannot be shown by hand: {why}; write for example {_BY_HAND}",
        field="include",
        value=name,
        legal=_BY_HAND,
    )


class Selector:
    """Chooses by the options; or as another graph did."""

    def __init__(
        self, model: Loaded, options: FlowOptions, like: Sequence[LayerSelection] | None
    ) -> None:
        self.options = options
        self.chosen = Chosen(model, options.include)
        self.like = None if like is None else {one.layer: one for one in like}
        self.notes: list[str] = []
        self.shown: list[LatentSelection] = []  # of the layer that is drawn

    def shared_norm(self, layer: int, alike: bool) -> bool:
        """Whether both branches' input has a node; edits of one of them must not hide it."""
        return alike if self.like is None else self.like[layer].norm

    def heads(
        self, layer: int, norms: Float[Tensor, " head"], added: float, branch: Branch
    ) -> tuple[int, ...]:
        """The heads that write most, in their order."""
        if self.like is not None:
            return self.like[layer].heads_of(branch)
        named = self.chosen.of(layer, self.chosen.heads[branch])
        count = self.options.n_heads or len(norms)
        best = self._best(norms, count, added, f"heads of layer {layer}")
        return tuple(sorted({*best, *named}))

    def memory(
        self, layer: int, rows: Float[Tensor, "shown key"], seen: Tensor, branch: Branch
    ) -> tuple[tuple[int, ...], ...]:
        """For each row of the pattern its largest entries, among positions that can be seen."""
        if self.like is not None:
            return self.like[layer].memory_of(branch)
        count = min(self.options.values_per_head, int(seen.sum()))
        masked = rows.masked_fill(~seen, -1.0)
        return tuple(tuple(row) for row in masked.topk(count).indices.tolist())

    def z_rows(self, layer: int, scores: Float[Tensor, " row"], added: float) -> tuple[int, ...]:
        """Rows of W_O: the largest scores, then the most negative."""
        if self.like is not None:
            return self.like[layer].z_rows
        named = self.chosen.of(layer, self.chosen.z_rows)
        return self._both_ends(scores, named, added, f"rows of W_O in layer {layer}")

    def neurons(
        self, layer: int, scores: Float[Tensor, " neuron"], added: float
    ) -> tuple[int, ...]:
        """Neurons: the largest scores, then the most negative."""
        if self.like is not None:
            return self.like[layer].neurons
        named = self.chosen.of(layer, self.chosen.neurons)
        return self._both_ends(scores, named, added, f"neurons of layer {layer}")

    def latents(
        self, layer: int, stem: str, scores: Float[Tensor, " n"], added: float
    ) -> tuple[int, ...]:
        """Active latents: the largest scores, then the most negative."""
        if self.like is not None:
            held = [one.numbers for one in self.like[layer].latents if one.stem == stem]
            self.shown.append(LatentSelection(stem, held[0] if held else ()))
            return self.shown[-1].numbers
        named = [number for of, number in self.chosen.latents if of == stem]
        active = scores.nonzero()[:, 0]
        some = scores[active]
        if self.options.threshold is not None:
            found = self._above(some.abs(), added, f"latents of {stem.removesuffix('.F')}")
        else:
            order = _tolist(some.argsort(descending=True, stable=True))
            top, left = order[: self.options.top_neurons], order[self.options.top_neurons :]
            negative = [one for one in left[::-1] if float(some[one]) < 0]
            found = [*top, *negative[: self.options.bottom_neurons]]
        numbers = [int(active[one]) for one in found]
        numbers += [one for one in dict.fromkeys(named) if one not in numbers]
        numbers.sort(key=lambda one: -float(scores[one]))
        self.shown.append(LatentSelection(stem, tuple(numbers)))
        return self.shown[-1].numbers

    def _best(self, norms: Tensor, count: int, added: float, what: str) -> list[int]:
        if self.options.threshold is not None:
            return self._above(norms, added, what)
        return _tolist(norms.topk(min(count, len(norms))).indices)

    def _both_ends(
        self, scores: Tensor, named: list[int], added: float, what: str
    ) -> tuple[int, ...]:
        if self.options.threshold is None:
            top = scores.topk(min(self.options.top_neurons, len(scores))).indices
            others = scores.index_fill(0, top, torch.inf)
            left = min(self.options.bottom_neurons, len(scores) - len(top))
            bottom = others.topk(left, largest=False).indices.flip(0)
            found = [*top.tolist(), *bottom.tolist()]
        else:
            found = self._above(scores.abs(), added, what)
        known = set(found)
        wanted = torch.tensor([*found, *(one for one in named if one not in known)])
        if not len(wanted):
            return ()
        order = scores.cpu()[wanted].argsort(descending=True, stable=True)
        return tuple(wanted[order].tolist())

    def _above(self, norms: Tensor, added: float, what: str) -> list[int]:
        """What writes at least so large a part of what was added."""
        least = (self.options.threshold or 0.0) * added
        found = norms.argsort(descending=True, stable=True)
        found = found[norms[found] >= least]
        if len(found) > MOST_BY_THRESHOLD:
            self.notes.append(
                f"{len(found):,} {what} pass the threshold; the {MOST_BY_THRESHOLD} largest are "
                "shown."
            )
        return _tolist(found[:MOST_BY_THRESHOLD])


def _tolist(indices: Tensor) -> list[int]:
    return [int(index) for index in indices.tolist()]
