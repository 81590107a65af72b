"""What later heads, neurons and latents read of one write, past all between, layer by layer.

A score, a pre-activation and a value are linear in the stream where the scale of the norms before
them is that of the run (see `reads`, whose directions these are, from the other end). The write is
carried along the stream to each place that reads it, and through that place's own code by
differentiating it twice: the model's maps need not be known. One layer at a time is computed, from
the stream before it, so that no more than one layer's scores are held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.attribution.latents import Attached, attached_to, place_of
from unembed.analyses.attribution.slopes import without_graph
from unembed.analyses.tools.effects import carried_to
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.moved import MovedValues
from unembed.analyses.tracing.options import ReadBy, ReadKind
from unembed.analyses.tracing.reads import READ, changes_before, stream_at
from unembed.analyses.tracing.written import Written
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import why_not
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.attention_inputs import norms_frozen
from unembed.engine.passes.forward import request_of, run
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float

End = tuple[int, int]
OF_HEADS = ("q", "k", "v", "z", "scores", "pattern")
INSIDE: tuple[tuple[ReadBy, str], ...] = (("gate", "mlp_gate"), ("pre", "mlp_pre"))


@dataclass(frozen=True, eq=False)
class Reads:
    """All readers of one kind in one layer, one way in, and what the write does to each.

    `effects` and `values` are [head, key] of a score by its query, [head, query] of one by its key
    and of values, [neuron] and [latent]. What cannot be looked at has no effect.
    """

    kind: ReadKind
    through: ReadBy
    layer: int
    stem: str
    position: int  # of the write
    effects: Tensor
    values: Tensor

    def place(self, index: Sequence[int]) -> tuple[int, int | None]:
        """Where a reader is, and of a pair where it looks."""
        if len(index) == 1:
            return self.position, None
        own, other = self.position, index[1]
        return (own, other) if self.through == "q" else (other, own)

    def largest(self, effects: Tensor, k: int) -> list[tuple[int, ...]]:
        """Where the k largest of such effects are, either way, largest first; never one of 0."""
        strength = effects.abs().flatten()
        best = strength.topk(min(k, len(strength))).indices
        places = torch.unravel_index(best[strength[best] > 0], effects.shape)
        return list(zip(*(axis.tolist() for axis in places), strict=True))

    def name(self, index: Sequence[int]) -> str:
        at, key = self.place(index)
        return f"{self.stem}{index[0]}@{at}" + ("" if key is None else f"<{key}")


@dataclass(frozen=True, eq=False)
class Readers:
    """What reads the stream behind a write, in one prompt with its edits.

    Args:
        layers: of the readers; all that come behind the write where absent.
        queries: of scores by their key, and of values; all where absent.
    """

    model: Loaded
    read: Read | Run
    edits: tuple[Edit, ...]
    written: Written
    layers: Sequence[int] | None = None
    queries: Sequence[int] | None = None
    cancel: Cancel | None = None
    progress: Progress | None = None
    saes: list[Attached] = field(init=False)

    def __post_init__(self) -> None:
        behind = [
            one
            for one in attached_to(self.model)
            if one.reads.site in READ and one.sae is not self.written.own
        ]
        object.__setattr__(self, "saes", behind)

    def all(self) -> Iterator[list[Reads]]:
        """Of each layer in turn, what reads there."""
        plain = self.plain(self.edits)
        layers = self.each
        for done, layer in enumerate(layers):
            if self.cancel is not None:
                self.cancel.check()
            if self.progress is not None:
                self.progress("tracing downstream", done, len(layers))
            with torch.inference_mode(False), torch.enable_grad():
                found = list(Layer(self, plain, layer, self.edits, grad=True).reads())
            yield found

    def measured(self, without: Edit) -> Iterator[tuple[int, Measured]]:
        """Of each layer the run beside one with a node taken out."""
        edits = (*self.edits, without)
        before, after = self.plain(self.edits), self.plain(edits)
        for layer in self.each:
            if self.cancel is not None:
                self.cancel.check()
            one = Layer(self, before, layer, self.edits, grad=False)
            yield layer, Measured(one, Layer(self, after, layer, edits, grad=False))

    def layer(self, layer: int) -> Layer | None:
        """One layer with a graph; None where it does not come behind the write, or has no heads."""
        if layer not in self.each:
            return None
        with torch.inference_mode(False), torch.enable_grad():
            found = Layer(self, self.plain(self.edits), layer, self.edits, grad=True)
        return found if found.heads else None

    @property
    def each(self) -> list[int]:
        """Layers that may read the write."""
        n_layers = self.model.anatomy.n_layers
        found = range(self.written.layer or 0, n_layers)
        return [layer for layer in found if self.layers is None or layer in self.layers]

    def notes(self) -> list[str]:
        """What is no reader here, and why."""
        found: dict[str, list[int]] = {}
        for layer in self.each:
            anatomy = self.model.anatomy
            heads = next((w for s in OF_HEADS if (w := why_not(anatomy, SiteKey(s, layer)))), None)
            if heads is not None:
                found.setdefault(f"heads are no readers: {heads}", []).append(layer)
            inside = [why_not(anatomy, SiteKey(one, layer)) for _, one in INSIDE]
            if all(inside):
                found.setdefault(f"neurons are no readers: {inside[1]}", []).append(layer)
        said = [f"of {_layers(layers)} {why}" for why, layers in found.items()]
        if self.model.has_encoder:
            said.append(
                "heads that look at the source are not listed: they read it by their queries, as a "
                "trace upstream of them tells"
            )
        return said

    def plain(self, edits: tuple[Edit, ...]) -> Run:
        """A run without a graph: the stream before every layer, and what carries writes along."""
        model = self.model
        capture = [f"L{layer}.resid_pre" for layer in range(model.anatomy.n_layers)]
        capture += changes_before(model, (model.anatomy.n_layers, 0))
        return run(model, request_of(self.read, list(dict.fromkeys(capture)), edits), self.cancel)


class Layer:
    """One layer, computed from the stream before it, with what reads there."""

    def __init__(
        self, whole: Readers, plain: Run, layer: int, edits: tuple[Edit, ...], *, grad: bool
    ) -> None:
        self.whole, self.model, self.written = whole, whole.model, whole.written
        self.plain, self.layer = plain, layer
        self.own = self.model.anatomy.layer_of_keys(layer)
        self.heads = all(
            why_not(self.model.anatomy, SiteKey(one, layer)) is None for one in OF_HEADS
        )
        self.neurons = [
            (through, f"L{layer}.{one}")
            for through, one in INSIDE
            if why_not(self.model.anatomy, SiteKey(one, layer)) is None
        ]
        self.before_mlp: End = (layer, len(self.model.block(layer).steps) - 1)
        self.saes = [one for one in whole.saes if one.reads.layer == layer]
        self.seen = self._run(edits, grad)

    @property
    def at(self) -> int:
        return self.written.position

    def _run(self, edits: tuple[Edit, ...], grad: bool) -> Run:
        behind = any(self._end_of(one.reads)[0] > self.layer for one in self.saes)
        last = min(self.layer + behind, self.model.anatomy.n_layers - 1)
        start = self.model.anatomy.entry(self.layer, last)
        # what is done to the stream that it starts from was done
        kept = [one for one in edits if (one.node.site, one.node.layer) != ("resid_pre", start)]
        stream = self.plain[f"L{start}.resid_pre"].detach().clone().requires_grad_(grad)
        request = request_of(
            self.whole.read, self._capture(), kept, start=(start, stream), grad=grad
        )
        with ExitStack() as stack:
            for layer in {start, self.layer} if grad else ():
                block = self.model.module.get_submodule(self.model.block(layer).module)
                stack.enter_context(norms_frozen(block))
            return run(self.model, request, self.whole.cancel)

    def _capture(self) -> list[str]:
        found = []
        if self.heads:
            found += [f"L{one}.resid_pre" for one in (self.own, self.layer)]
            found += [f"L{self.layer}.q", f"L{self.own}.k", f"L{self.own}.v", f"L{self.layer}.z"]
            # whole: of a part of them a pass with a graph makes all of the layer's output
            found += [f"L{self.layer}.scores", f"L{self.layer}.pattern"]
        if self.neurons:
            found += [stream_at(self.before_mlp, self.model), *(one for _, one in self.neurons)]
        for one in self.saes:
            found += [stream_at(self._end_of(one.reads), self.model), self._read_at(one.reads)]
        return list(dict.fromkeys(found)) or [f"L{self.layer}.resid_pre"]

    # ------------------------------------------------------------ what reads

    def reads(self) -> Iterator[Reads]:
        if self.heads:
            yield self._scores("q")
            yield self._scores("k")
            moved = self._values()
            if moved is not None:
                yield moved
        for through, site in self.neurons:
            made = self.seen[site]
            effects = accurate(self._along(made, self.before_mlp)[self.at])
            yield self._reads("neuron", through, "N", effects, accurate(made[self.at]))
        for one in self.saes:
            made = self.latents(one)
            effects = accurate(self._along(made, self._end_of(one.reads)))
            yield replace(self._reads("latent", "pre", "", effects, accurate(made)), stem=one.stem)

    def _reads(
        self, kind: ReadKind, through: ReadBy, letter: str, effects: Tensor, values: Tensor
    ) -> Reads:
        stem = f"L{self.layer}.{letter}"
        return Reads(kind, through, self.layer, stem, self.at, effects, values)

    def _scores(self, side: ReadBy) -> Reads:
        """By the query at the write's position, or by the key there."""
        layer, at = self.layer, self.at
        own = layer if side == "q" else self.own
        made, scores = self.seen[f"L{own}.{side}"], self.seen[f"L{layer}.scores"]
        part = scores[:, at] if side == "q" else scores[:, :, at]
        effects = accurate(pushed(part, made, self._along(made, (own, 0))))
        values = accurate(part)
        usable = values.isfinite()
        if side == "k":
            asked = torch.zeros_like(usable)
            asked[:, self._queries(usable.shape[1])] = True
            usable &= asked
        return self._reads("score", side, "H", torch.where(usable, effects, 0.0), values)

    def _values(self) -> Reads | None:
        """The norm of what each head moves of it to every query, and of all that it moves there."""
        moved, whole = self.carried(), self.moving(self.seen[f"L{self.own}.v"][self.at])
        if moved is None or whole is None:
            return None
        shares = accurate(self.seen[f"L{self.layer}.pattern"][:, :, self.at])
        queries = self._queries(shares.shape[1])
        effects, values = torch.zeros_like(shares), torch.zeros_like(shares)
        for head in range(len(shares)):
            share = shares[head, queries].abs()
            effects[head, queries] = moved.norms(head, queries)[:, 0].to(share) * share
            values[head, queries] = whole.norms(head, queries)[:, 0].to(share) * share
        return self._reads("value", "v", "H", effects, values)

    def carried(self) -> MovedValues | None:
        """What heads move of the write; None where what they move is not known."""
        values = self.seen[f"L{self.own}.v"]
        return self.moving(self._along(values, (self.own, 0))[self.at])

    def moving(self, values: Float[Tensor, "kv_head d_head"]) -> MovedValues | None:
        """Values of one token, as what they are in the stream at any query."""
        try:
            found = MovedValues(without_graph(self.seen), self.layer)
        except CapabilityError:
            return None
        found.values = values.detach()[None]
        return found

    def latents(self, one: Attached) -> Float[Tensor, " latent"]:
        """What the activation functions of latents are given at the write's position."""
        whole = self.seen[self._read_at(one.reads)][self.at, None]
        whole = whole.to(torch.promote_types(whole.dtype, torch.float32))
        return one.sae.like(whole).before_activations(whole)[0]

    # ------------------------------------------------------------ inside

    def _along(self, made: Tensor, end: End) -> Tensor:
        """How `made` changes with the write, as its own code has it: what `made` has of it."""
        stream, here = self.seen[stream_at(end, self.model)], self.written
        whole = torch.zeros_like(stream)
        for one in here.parts:
            rows = carried_to(self.plain, one.rows, one.layer, one.branch, here.position, end)
            whole[here.position] += rows[0].to(whole)
        return pushed(made, stream, whole)

    def _queries(self, n: int) -> list[int]:
        """The queries that are asked about, of those that may look at the write."""
        first = self.at if self.model.kind == "causal" else 0
        asked = range(n) if self.whole.queries is None else self.whole.queries
        return [query for query in asked if query >= first]

    def _end_of(self, reads: SiteKey) -> End:
        return self.before_mlp if reads.site == "mlp_in" else place_of(reads)

    def _read_at(self, reads: SiteKey) -> str:
        """Where it reads; of the stream as the next step reads it: behind a layer is before it."""
        return reads.name if reads.site == "mlp_in" else stream_at(self._end_of(reads), self.model)


@dataclass(frozen=True, eq=False)
class Measured:
    """One layer in the run, and in one without a node."""

    before: Layer
    after: Layer

    def change(self, reads: Reads, index: Sequence[int]) -> float:
        """What a reader's number is in the run, less what it is without; of values the norm."""
        if reads.kind == "value":
            return self._moved(reads, index)
        one, other = (float(self._number(side, reads, index)) for side in (self.before, self.after))
        return one - other

    def _number(self, side: Layer, reads: Reads, index: Sequence[int]) -> Tensor:
        if reads.kind == "score":
            at, key = reads.place(index)
            return side.seen[f"L{reads.layer}.scores"][index[0], at, key]
        if reads.kind == "latent":
            attached = next(one for one in side.saes if one.stem == reads.stem)
            return side.latents(attached)[index[0]]
        site = next(site for through, site in side.neurons if through == reads.through)
        return side.seen[site][reads.position, index[0]]

    def _moved(self, reads: Reads, index: Sequence[int]) -> float:
        head, query = index
        shared = []
        for side in (self.before, self.after):
            share = side.seen[f"L{reads.layer}.pattern"][head, query, reads.position]
            shared.append(accurate(share) * accurate(side.seen[f"L{side.own}.v"][reads.position]))
        moved = self.before.moving(shared[0] - shared[1])
        return float("nan") if moved is None else float(moved.at(query, head, [0]).norm())


def pushed(made: Tensor, given: Tensor, change: Tensor) -> Tensor:
    """What `made`, linear in `given`, has of a part of it: the transpose of the transpose."""
    if not bool(change.any()):
        return torch.zeros_like(made)
    one = torch.zeros_like(made, requires_grad=True)
    (back,) = torch.autograd.grad(made, given, one, create_graph=True)
    (found,) = torch.autograd.grad(back, one, change.to(back), retain_graph=True)
    return found.detach()


def _layers(layers: Sequence[int]) -> str:
    numbers = ", ".join(map(str, layers))
    return f"layer{'s' * (len(layers) > 1)} {numbers}"
