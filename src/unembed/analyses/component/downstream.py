"""Where a node acts: the readers of its write that a page of it lists (`tracing.readers`)."""

from __future__ import annotations

from unembed.analyses.component.result import Downstream
from unembed.analyses.tracing.options import ReadKind
from unembed.analyses.tracing.readers import Readers, Reads
from unembed.analyses.tracing.written import Written
from unembed.engine.cancel import Cancel
from unembed.engine.passes.run import Run


def downstream(
    seen: Run, written: Written, k: int, cancel: Cancel | None = None
) -> tuple[Downstream, ...]:
    """The k readers of each kind that a write acts on most, either way.

    Scores are read from the write's own position by their query, and from the last one by their
    key; values from the last one. Of gated neurons it is the gate.

    Args:
        seen: whose tokens and edits are run once more.
    """
    last = len(seen.ids) - 1
    readers = Readers(seen.model, seen, seen.edits, written, queries=[last], cancel=cancel)
    found: dict[ReadKind, list[Downstream]] = {}
    for of_layer in readers.all():
        gated = any(reads.through == "gate" for reads in of_layer)
        for reads in of_layer:
            if not (gated and reads.kind == "neuron" and reads.through == "pre"):
                found.setdefault(reads.kind, []).extend(_largest(reads, k))
    kinds: tuple[ReadKind, ...] = ("score", "value", "neuron", "latent")
    return tuple(
        one
        for kind in kinds
        for one in sorted(found.get(kind, ()), key=lambda one: -abs(one.effect))[:k]
        if one.effect
    )


def _largest(reads: Reads, k: int) -> list[Downstream]:
    return [
        Downstream(
            reads.name(index),
            reads.kind,
            reads.through,
            float(reads.effects[index]),
            float(reads.values[index]),
        )
        for index in reads.largest(reads.effects, k)
    ]
