"""One pass that collects examples of all nodes of some layers, and keeps them beside a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.names.taps import why_not
from unembed.engine.targets import SiteKey
from unembed.index.corpus.collected import CollectedAbout, Kind, Table, write_table
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.examples import looked_for
from unembed.index.corpus.measures import Measures
from unembed.index.corpus.options import Examples, ExamplesOptions
from unembed.index.corpus.states import CONTEXT
from unembed.models.progress import Progress

NODES_AT_ONCE = 65_536  # of one pass: their sums and samples take a gigabyte or two


def kinds_of(asked: Examples) -> tuple[Kind, ...]:
    """Which nodes `examples` of a build means."""
    return tuple(kind for kind in get_args(Kind) if asked in (kind, "both"))


def tables_of(model: Model, layers: Sequence[int], kinds: Sequence[Kind]) -> list[Table]:
    """Of each layer the nodes of these kinds that it has."""
    every: list[Table] = [(kind, layer) for layer in layers for kind in kinds]
    return [table for table in every if width_of(model, table)]


def tables_missing(corpus: Corpus, layers: Sequence[int], kinds: Sequence[Kind]) -> list[Table]:
    """Those whose examples are not kept."""
    there = _kept(corpus)
    return [one for one in tables_of(corpus.model, layers, kinds) if one not in there]


def collect(
    corpus: Corpus, tables: Sequence[Table], cancel: Cancel | None, progress: Progress | None
) -> CollectedAbout:
    """Keep examples of every node of these tables; what about.json is to say.

    One pass over the corpus for as many tables as memory holds; neurons and heads have samples of
    their own, so that the many neurons do not leave few tokens for the heads. Raises
    CancelledError, and LoadError where the disk is full; what about.json said before stays true.
    """
    model = corpus.model
    for group in _groups(model, tables):
        by_kind = [[one for one in group if one[0] == kind] for kind in get_args(Kind)]
        some = [own for own in by_kind if own]
        measured = [
            Measures(model, [name for one in own for name in _nodes(model, one)]) for own in some
        ]
        found = looked_for(corpus, measured, ExamplesOptions(), cancel, progress)
        for own, each in zip(some, found, strict=True):
            start = 0
            for table in own:
                end = start + width_of(model, table)
                numbers = [[_number(other.node) for other in one.alike] for one in each[start:end]]
                write_table(corpus.columns.rows, table, each[start:end], numbers)
                start = end
    return CollectedAbout(ExamplesOptions(), frozenset({*_kept(corpus), *tables}))


def _kept(corpus: Corpus) -> frozenset[Table]:
    about = corpus.collected.about
    return frozenset() if about is None or about.options != ExamplesOptions() else about.tables


def _groups(model: Model, tables: Sequence[Table]) -> list[list[Table]]:
    groups: list[list[Table]] = []
    held = 0
    for table in tables:
        width = width_of(model, table)
        if not groups or held + width > NODES_AT_ONCE:
            groups.append([])
            held = 0
        groups[-1].append(table)
        held += width
    return groups


def width_of(model: Model, table: Table) -> int:
    """How many nodes a layer has of a kind; 0 where they cannot be told apart."""
    kind, layer = table
    site = "mlp_post" if kind == "neurons" else CONTEXT
    if why_not(model.anatomy, SiteKey(site, layer)) is not None:
        return 0
    block = model.block(layer)
    return block.d_mlp if kind == "neurons" else block.attention.n_heads


def _nodes(model: Model, table: Table) -> list[str]:
    kind, layer = table
    letter = "N" if kind == "neurons" else "H"
    return [f"L{layer}.{letter}{number}" for number in range(width_of(model, table))]


def _number(node: str) -> int:
    """Of a neuron or head, by its name: "L1.N5", "L2.H3"."""
    return int(node.rpartition(".")[2][1:])
