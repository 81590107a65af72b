"""What a node does to everything that reads what it writes: a trace from the other end.

The edge from a node to a reader is what the same edge is in a trace of the reader: the node's write
along the direction that the reader has in the stream. A trail carries on what values move: behind
a pair that is traced through `v` is that part of its write that comes of the write before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unembed.analyses.attribution.attribute import objective_of
from unembed.analyses.attribution.options import AttributionOptions, NodeKindName
from unembed.analyses.tools.directions import directions, directions_capture
from unembed.analyses.tools.effects import check_effects
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import in_words
from unembed.analyses.tracing.options import ReadBy, ReadKind, Through, TraceOptions
from unembed.analyses.tracing.readers import Readers, Reads
from unembed.analyses.tracing.reads import OF_NEURONS, OF_PAIRS
from unembed.analyses.tracing.result import Reader, Trace, UnlistedReaders
from unembed.analyses.tracing.written import Source, Written, source_of, without, written_of
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import request_of, run
from unembed.engine.passes.run import Run
from unembed.engine.targets import Lengths
from unembed.errors import InputError
from unembed.models.progress import Progress

KIND_OF: dict[ReadKind, NodeKindName] = {
    "score": "pair",
    "value": "pair",
    "neuron": "neuron",
    "latent": "latent",
}
OF_UPSTREAM = ("frozen", "pairs", "sort_by")


@dataclass(frozen=True)
class Step:
    """A node of a trail downstream; `carried`: only what its value has of the write before it."""

    source: Source
    through: Through | None

    @property
    def carried(self) -> bool:
        return self.through == "v"

    @property
    def name(self) -> str:
        return self.source.name + ("" if self.through is None else f":{self.through}")


def step_down(
    model: Loaded, name: str, through: Through | None, lengths: Lengths, field: str = "node"
) -> Step:
    """A node by its name, and what of its write is followed. Raises errors about `field`."""
    source = source_of(model, name, lengths, field)
    node = source.node
    kind = "" if node is None else "latent" if node.row.derived else node.row.kind
    ways: dict[str, tuple[Through, ...]] = {
        "pair": OF_PAIRS,
        "neuron": OF_NEURONS,
        "latent": OF_NEURONS[:1],
    }
    legal = ways.get(kind, ())
    if through is not None and through not in legal:
        raise InputError(
            f"{source.name} is not traced through {through!r}",
            field="through" if field == "node" else field,
            value=through,
            legal=", ".join(legal) or "nothing",
            fix="leave it out: all that the node writes is followed",
        )
    return Step(source, through)


def check_carried(steps: Sequence[Step]) -> None:
    """Raise InputError where a trail begins with a value that carries nothing."""
    if steps[0].carried:
        raise InputError(
            f"{steps[0].source.name} through its value carries what is written before it, and "
            "nothing is named there",
            field="through" if len(steps) == 1 else "trail",
            value=steps[0].name,
            legal="what writes first in trail",
            fix=f'trail=["embed@{steps[0].source.pair.key if steps[0].source.pair else 0}"], or '
            "no through: all that the pair writes is followed",
        )


def check_downstream(options: TraceOptions) -> None:
    """Raise InputError for options of traces of the other direction."""
    plain = TraceOptions()
    down = options.direction == "downstream"
    names = OF_UPSTREAM if down else ("measured",)
    for name in names:
        if getattr(options, name) != getattr(plain, name):
            raise InputError(
                f"{name} is an option of traces {'upstream' if down else 'downstream'}",
                field=name,
                value=str(getattr(options, name)),
                legal=str(getattr(plain, name)),
                fix=f"leave it out, or direction={'upstream' if down else 'downstream'!r}",
            )


@dataclass(frozen=True, eq=False)
class Downstream:
    """One trace downstream."""

    model: Loaded
    read: Read
    edits: tuple[Edit, ...]
    options: TraceOptions
    steps: Sequence[Step]
    cancel: Cancel | None
    progress: Progress | None

    def found(self) -> Trace:
        options, step = self.options, self.steps[-1]
        written = self._written()
        readers = self._readers(written, options.layers)
        objective, reason = self._objective()
        best = _Best(options.top_k)
        for of_layer in readers.all():
            for reads in of_layer:
                if options.kinds is None or KIND_OF[reads.kind] in options.kinds:
                    best.add(reads, self._kept(reads))
        found = best.found()
        direct = lost = None
        changes: dict[_Candidate, float] = {}
        if objective is not None:
            direct = self._direct(objective, written)
        if options.measured:
            taken = without(step.source, written, whole=not step.carried)
            changes = _measured(readers, taken, found)
            lost = None if objective is None else self._lost(objective, taken)
        return Trace(
            direction="downstream",
            node=step.source.name,
            through=step.through,
            trail=tuple(one.name for one in self.steps[:-1]),
            objective=None if objective is None else in_words(self.model, objective),
            words=self._words(),
            value=written.norm,
            tokens=self.model.tokens(self.read.ids),
            parts=(),
            rows=(),
            cost=self._cost(readers),
            provenance=self.model.provenance(),
            readers=tuple(one.row(changes.get(one)) for one in found),
            left_out=best.left_out(),
            direct=direct,
            measured=lost,
            notes=(*self.read.notes, *readers.notes(), *([] if reason is None else [reason])),
        )

    # ------------------------------------------------------------ what is written

    def _written(self) -> Written:
        """What the last step writes: all of it, or what values carried on of a write before."""
        first = max(at for at, step in enumerate(self.steps) if not step.carried)
        whole = self.steps[first].source
        written = written_of(self.model, self.read, self.edits, whole, self.cancel)
        for step in self.steps[first + 1 :]:
            written = self._carried(step, written)
        return written

    def _carried(self, step: Step, written: Written) -> Written:
        """What a pair moves of a write to its query."""
        pair = step.source.pair
        if pair is None:
            raise AssertionError("only a pair is traced through its value")
        layer, query, head = pair.layer or 0, pair.position or 0, pair.head or 0
        seen = self._readers(written, [layer]).layer(layer)
        found = None if seen is None else seen.carried()
        reads = found is not None and pair.key == written.position
        if seen is None or found is None or not reads or not bool(found.values.any()):
            raise InputError(
                f"the value of {pair.name} does not read what is written before it in the trail: "
                f"that is at position {written.position}",
                field="trail",
                value=step.name,
                legal=f"a pair whose key is at position {written.position}, in a layer behind what "
                "writes",
                fix="name in trail what writes first, and what reads that",
            )
        share = accurate(seen.seen[f"L{layer}.pattern"][head, query, written.position])
        return Written(layer, "attn", query, share * found.at(query, head, [0]))

    def _readers(self, written: Written, layers: Sequence[int] | None) -> Readers:
        return Readers(
            self.model,
            self.read,
            self.edits,
            written,
            layers,
            cancel=self.cancel,
            progress=self.progress,
        )

    # ------------------------------------------------------------ what reads

    def _kept(self, reads: Reads) -> Tensor:
        """Effects of the readers at positions that are listed; of others 0."""
        positions = self.options.positions
        if positions is None:
            return reads.effects
        n = len(self.read.ids)
        asked = {resolve_position(one, n, "positions") for one in positions}
        if reads.effects.dim() == 1 or reads.through == "q":
            return reads.effects if reads.position in asked else torch.zeros_like(reads.effects)
        kept = torch.zeros_like(reads.effects)
        kept[:, list(asked)] = reads.effects[:, list(asked)]
        return kept

    def _objective(self) -> tuple[Objective | None, str | None]:
        """What the direct effect is on; or why nothing is said of it."""
        options, model = self.options, self.model
        if options.target is None:
            if model.labels is not None:
                return None, "nothing is said of the score of a label: that is ue.attribute's"
            lens = model.capabilities()["lens"]
            if not lens.available:
                return None, f"nothing is said of an answer: {lens.reason}"
        asked = AttributionOptions(
            target=options.target, distractor=options.distractor, position=options.position
        )
        objective = objective_of(model, self.read, asked, self.edits)
        check_effects(objective)
        return objective, None

    def _direct(self, objective: Objective, written: Written) -> float:
        seen = self._seen(self.edits, directions_capture(self.model, objective))
        found = directions(seen, objective)
        if found.position != written.position:
            return 0.0
        return float(found.effects(self.model, written.parts).sum())

    def _lost(self, objective: Objective, taken: Edit) -> float:
        """What the objective loses in a run without the node."""
        capture = objective.required_capture(self.model)
        values = [
            float(objective.value(self._seen(edits, capture)))
            for edits in (self.edits, (*self.edits, taken))
        ]
        return values[0] - values[1]

    def _seen(self, edits: tuple[Edit, ...], capture: Sequence[str]) -> Run:
        return run(self.model, request_of(self.read, list(capture), edits), self.cancel)

    # ------------------------------------------------------------ in words

    def _words(self) -> str:
        step = self.steps[-1]
        if not step.carried:
            return f"write of {step.source.words}"
        return f"what {step.source.words} moves of {self.steps[-2].name}"

    def _cost(self, readers: Readers) -> str:
        layers, measured = len(readers.each), self.options.measured
        more = ", and again without the node" if measured else ""
        return f"the run, and {layers} layer{'s' * (layers != 1)} each by itself with a graph{more}"


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A reader that may be listed."""

    reads: Reads
    index: tuple[int, ...]
    effect: float

    def row(self, measured: float | None) -> Reader:
        reads = self.reads
        at, key = reads.place(self.index)
        return Reader(
            name=reads.name(self.index),
            kind=KIND_OF[reads.kind],
            reads=reads.kind,
            through=reads.through,
            layer=reads.layer,
            position=at,
            key=key,
            effect=self.effect,
            value=float(reads.values[self.index]),
            measured=measured,
        )


class _Best:
    """The k largest readers of each kind and way in, either way, and what is left out."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.kept: dict[tuple[ReadKind, ReadBy], list[_Candidate]] = {}
        self.counts: dict[tuple[ReadKind, ReadBy], int] = {}
        self.out: dict[tuple[ReadKind, ReadBy], float] = {}

    def add(self, reads: Reads, effects: Tensor) -> None:
        way = reads.kind, reads.through
        self.counts[way] = self.counts.get(way, 0) + int(effects.count_nonzero())
        found = [
            _Candidate(reads, index, float(effects[index]))
            for index in reads.largest(effects, self.k + 1)
        ]
        ranked = sorted([*self.kept.get(way, []), *found], key=lambda one: -abs(one.effect))
        self.kept[way] = ranked[: self.k]
        if ranked[self.k :]:
            self.out[way] = max(self.out.get(way, 0.0), abs(ranked[self.k].effect))

    def found(self) -> list[_Candidate]:
        return [one for way in sorted(self.kept, key=_order) for one in self.kept[way]]

    def left_out(self) -> tuple[UnlistedReaders, ...]:
        return tuple(
            UnlistedReaders(*way, self.counts[way] - len(self.kept[way]), self.out[way])
            for way in sorted(self.out, key=_order)
        )


def _order(way: tuple[ReadKind, ReadBy]) -> tuple[int, int]:
    """Scores by query and by key, values, neurons by gate and argument, latents."""
    return tuple(KIND_OF).index(way[0]), ("q", "k", "v", "gate", "pre").index(way[1])


def _measured(
    readers: Readers, taken: Edit, found: Sequence[_Candidate]
) -> dict[_Candidate, float]:
    """What readers lose without the node, layer by layer."""
    wanted = sorted({one.reads.layer for one in found})
    changes: dict[_Candidate, float] = {}
    for layer, measured in replace(readers, layers=wanted).measured(taken):
        for one in found:
            if one.reads.layer == layer:
                changes[one] = measured.change(one.reads, one.index)
    return changes
