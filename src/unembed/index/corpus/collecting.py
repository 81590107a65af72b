"""One pass that collects examples of all nodes of some layers, and keeps them beside a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

from unembed.analyses.tools.writes import check_split
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.names.taps import why_not
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError
from unembed.index.corpus.collected import CollectedAbout, Kind, Table, write_table
from unembed.index.corpus.columns import TokenColumns
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.examples import looked_for
from unembed.index.corpus.measures import Measures
from unembed.index.corpus.options import Examples, ExamplesOptions
from unembed.index.corpus.passes import Span, runs_of, spans_of
from unembed.index.corpus.rows import Rows
from unembed.index.corpus.states import CONTEXT
from unembed.index.corpus.trial import clock
from unembed.models.progress import Progress

# of a node: 22 places of 17 bytes, 61 numbers of a histogram, others like it, and counts
BYTES_EACH = 1_000
TRIED = 600  # tokens that an estimate looks at, about
NODES_AT_ONCE = 65_536  # of one pass: their sums and samples take a gigabyte or two


def kinds_of(asked: Examples) -> tuple[Kind, ...]:
    """Which nodes `examples` of a build means."""
    return tuple(kind for kind in get_args(Kind) if asked in (kind, "both"))


def tables_of(model: Model, layers: Sequence[int], kinds: Sequence[Kind]) -> list[Table]:
    """Of each layer the nodes of these kinds that it has."""
    every: list[Table] = [(kind, layer) for layer in layers for kind in kinds]
    return [table for table in every if width_of(model, table)]


def check_kept(model: Model, layers: Sequence[int], asked: Examples) -> None:
    """Raise CapabilityError where `examples` of a build means nodes that cannot be told apart."""
    if "heads" not in kinds_of(asked):
        return
    for error in _why_unsplit(model, layers).values():
        raise CapabilityError(
            f"examples of heads cannot be kept: {error.message}",
            field="examples",
            value=asked,
            legal='"none" or "neurons"',
            fix='examples="neurons" (--examples neurons), or layers without such a norm',
        ) from error


def unsplit(model: Model) -> tuple[int, ...]:
    """Layers of whose heads no examples can be kept. Runs norms: for the thread that computes."""
    return tuple(_why_unsplit(model, range(model.anatomy.n_layers)))


def _why_unsplit(model: Model, layers: Sequence[int]) -> dict[int, CapabilityError]:
    found = {}
    for _, layer in tables_of(model, layers, ["heads"]):
        try:
            check_split(model, layer, "attn")
        except CapabilityError as error:
            found[layer] = error
    return found


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
        found = looked_for(model, corpus.columns, measured, ExamplesOptions(), cancel, progress)
        for own, each in zip(some, found, strict=True):
            start = 0
            for table in own:
                end = start + width_of(model, table)
                numbers = [[_number(other.node) for other in one.alike] for one in each[start:end]]
                write_table(corpus.columns.rows, table, each[start:end], numbers)
                start = end
    return CollectedAbout(ExamplesOptions(), frozenset({*_kept(corpus), *tables}))


@dataclass(frozen=True)
class Cost:
    """What examples of every node of some tables take."""

    bytes: int
    seconds: float


NOTHING = Cost(0, 0.0)


def cost(
    model: Model, rows: Rows, tables: Sequence[Table], tokens: float, cancel: Cancel | None
) -> Cost:
    """Of a corpus of so many tokens, from passes over some sentences of `rows`.

    Timed are the model, what is done with each token, and what is done at the end, of one table of
    each kind; the other tables are taken to be like it.
    """
    columns = TokenColumns(rows)
    spans = sorted(spans_of(columns), key=lambda span: span[1])
    spans = spans[:: max(1, sum(size for _, size in spans) // TRIED)]
    n = sum(size for _, size in spans)
    seconds = 0.0
    for kind in get_args(Kind):
        own = [one for one in tables if one[0] == kind]
        if own:
            among = sum(width_of(model, one) for one in own)
            measures = Measures(model, _nodes(model, own[-1]))
            forward = _seconds(partial(_passed, model, columns, measures, spans))
            ends, whole = (
                _seconds(partial(_tried, model, columns, measures, some, among, cancel))
                for some in (spans[:1], spans)
            )
            each = max(0.0, whole - ends - forward) / max(1, n)
            seconds += len(own) * (ends + tokens * each)
            if kind == tables[0][0]:
                seconds += len(_groups(model, tables)) * tokens * forward / max(1, n)
    return Cost(sum(BYTES_EACH * width_of(model, one) for one in tables), seconds)


def _passed(model: Model, columns: TokenColumns, measures: Measures, spans: Sequence[Span]) -> None:
    for _ in runs_of(model, columns, spans, measures.capture):
        pass


def _tried(
    model: Model,
    columns: TokenColumns,
    measures: Measures,
    spans: Sequence[Span],
    n_nodes: int,
    cancel: Cancel | None,
) -> None:
    asked = ExamplesOptions()
    looked_for(model, columns, [measures], asked, cancel, None, spans=spans, n_nodes=n_nodes)


def _seconds(work: Callable[[], object]) -> float:
    start = clock()
    work()
    return clock() - start


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
