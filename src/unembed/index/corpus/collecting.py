"""One pass that collects examples of all neurons of some layers, and keeps them beside a corpus."""

from __future__ import annotations

from collections.abc import Sequence

from unembed.engine.cancel import Cancel
from unembed.index.corpus.collected import CollectedAbout, write_layer
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.examples import looked_for
from unembed.index.corpus.measures import Measures
from unembed.index.corpus.options import ExamplesOptions
from unembed.models.progress import Progress

NEURONS_AT_ONCE = 65_536  # of one pass: their sums and samples take a gigabyte or two


def layers_missing(corpus: Corpus, layers: Sequence[int]) -> list[int]:
    """Layers whose examples are not kept, of those that have neurons."""
    about = corpus.collected.about
    there = () if about is None or about.options != ExamplesOptions() else about.layers
    return [one for one in layers if one not in there and _width(corpus, one)]


def collect(
    corpus: Corpus, layers: Sequence[int], cancel: Cancel | None, progress: Progress | None
) -> CollectedAbout:
    """Keep examples of every neuron of these layers; what about.json is to say.

    One pass over the corpus for as many layers as memory holds. Raises CancelledError, and
    LoadError where the disk is full; what about.json said before stays true.
    """
    asked, about = ExamplesOptions(), corpus.collected.about
    kept = () if about is None or about.options != asked else about.layers
    for group in _groups(corpus, layers):
        nodes = [f"L{layer}.N{one}" for layer in group for one in range(_width(corpus, layer))]
        found = looked_for(corpus, Measures(corpus.model, nodes), asked, cancel, progress)
        start = 0
        for layer in group:
            own = found[start : start + _width(corpus, layer)]
            numbers = [[_number(other.node) for other in one.alike] for one in own]
            write_layer(corpus.columns.rows, layer, own, numbers)
            start += len(own)
    return CollectedAbout(asked, tuple(sorted({*kept, *layers})))


def _groups(corpus: Corpus, layers: Sequence[int]) -> list[list[int]]:
    groups: list[list[int]] = []
    held = 0
    for layer in layers:
        width = _width(corpus, layer)
        if not groups or held + width > NEURONS_AT_ONCE:
            groups.append([])
            held = 0
        groups[-1].append(layer)
        held += width
    return groups


def _width(corpus: Corpus, layer: int) -> int:
    return corpus.model.block(layer).d_mlp


def _number(node: str) -> int:
    return int(node.rpartition("N")[2])
