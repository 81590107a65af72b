"""Pages of nodes: what each writes, what makes it fire, what is like it, and where it is active.

Of any number of nodes from two passes over a corpus: what the pages of the app show one at a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar

from unembed.analyses.tools.writes import node_of
from unembed.engine.cancel import Cancel
from unembed.engine.targets import Target
from unembed.errors import CapabilityError, InputError
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.examples import find_examples
from unembed.index.corpus.examples_result import CorpusExamples
from unembed.index.corpus.measures import several
from unembed.index.corpus.options import ExamplesOptions
from unembed.index.live import LivePage, NearNode, live_pages, nearest
from unembed.latents.sae import what_is_attached
from unembed.models.progress import Progress
from unembed.result import TABLE_ROW, Axes, Columns, Result

EXAMPLES = ExamplesOptions()
_RANGE = re.compile(r"(L[0-9]{1,4}\.[HNF])([0-9]{1,9})-([0-9]{1,9})")
MOST_PAGES = 10_000


@dataclass(frozen=True)
class NodePage:
    """One node."""

    node: str
    vector: Annotated[LivePage | None, "Of a neuron or latent, from its weights."]
    reason: Annotated[str | None, "Why nothing is said of its weights."]
    near: Annotated[
        tuple[NearNode, ...],
        "Neurons of the layer, or latents of the autoencoder, that write in the most similar "
        "direction.",
    ]
    examples: CorpusExamples


@dataclass(frozen=True, repr=False)
class NodePages(Result):
    """Pages of nodes of one model, from one corpus."""

    axes: ClassVar[Axes] = {"density": (TABLE_ROW,), "most": (TABLE_ROW,)}

    model: str
    fingerprint: str
    corpus: str
    attached: Annotated[tuple[str, ...], "The autoencoders that the model has, in words."]
    items: tuple[NodePage, ...]

    def summary(self) -> str:
        return f"{len(self.items):,} nodes of {self.model} in {self.corpus}"

    def columns(self) -> Columns:
        """One row for each node."""
        shown = [one.examples for one in self.items]
        raised = [() if one.vector is None else one.vector.promoted for one in self.items]
        return {
            "node": [one.node for one in self.items],
            "density": [one.density for one in shown],
            "mean": [one.mean for one in shown],
            "most": [one.most for one in shown],
            "promoted": [[score.token.text for score in some[:10]] for some in raised],
        }

    def to_html(self, *, path: str | Path | None = None, **options: Any) -> str:
        """One HTML page without scripts that needs no network, written to `path` if one is given.

        See `html` of `unembed.figures.nodes`.
        """
        page: str = import_module("unembed.figures.nodes").html(self, path=path, **options)
        return page


def node_pages(
    corpus: Corpus,
    nodes: str | Sequence[str],
    *,
    projection: str = "raw",
    options: ExamplesOptions = EXAMPLES,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> NodePages:
    """What the pages of nodes show, of many at once.

    Args:
        nodes: "L6.F77", "L9.H6", "L12.N512", ranges of numbers, "L6.F0-99", or several of these.
        projection: how what they write is read as tokens: "raw" or "final_norm".
        options: how many examples of each; `changes` are single ones.
        progress: called with ("reading the corpus", tokens done, tokens).

    Raises:
        TargetError, CapabilityError: no such node.
        InputError: no nodes, or more than `MOST_PAGES`; weights changed since.
    """
    model = corpus.model
    named = _named(nodes)
    targets = [node_of(model, name) for name in named]
    found = find_examples(
        corpus, named, options=options, cancel=cancel, progress=progress, **changes
    )
    vectors, near, reasons = _of_weights(corpus, targets, projection)
    return NodePages(
        model=model.name,
        fingerprint=model.fingerprint,
        corpus=corpus.about.name,
        attached=tuple(one.words for one in what_is_attached(model)),
        items=tuple(
            NodePage(
                examples.node,
                vectors.get(order),
                reasons.get(order),
                near.get(order, ()),
                examples,
            )
            for order, examples in enumerate(found)
        ),
    )


def _of_weights(
    corpus: Corpus, targets: Sequence[Target], projection: str
) -> tuple[dict[int, LivePage], dict[int, tuple[NearNode, ...]], dict[int, str]]:
    """By number: what the weights say of each, those of one layer together; or why nothing."""
    groups: dict[tuple[str, int | None, str], list[int]] = {}
    for order, target in enumerate(targets):
        if target.row.has_vector or target.row.derived:
            groups.setdefault((target.kind, target.layer, target.site), []).append(order)
    pages: dict[int, LivePage] = {}
    near: dict[int, tuple[NearNode, ...]] = {}
    reasons: dict[int, str] = {}
    for orders in groups.values():
        some = [targets[order] for order in orders]
        try:
            pages |= zip(orders, live_pages(corpus.model, some, projection), strict=True)
            near |= zip(orders, nearest(corpus.model, some), strict=True)
        except CapabilityError as error:
            reasons |= dict.fromkeys(orders, error.message)
    return pages, near, reasons


def _named(nodes: str | Sequence[str]) -> list[str]:
    found: list[str] = []
    for text in several(nodes):
        match = _RANGE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            found.append(str(text))
        else:
            stem, first = match[1], int(match[2])
            last = min(int(match[3]), first + MOST_PAGES)
            found += [f"{stem}{number}" for number in range(first, last + 1)]
    if not 0 < len(found) <= MOST_PAGES:
        raise InputError(
            f"nodes names {len(found):,} nodes" if found else "nodes names none",
            field="nodes",
            value=len(found),
            legal=f'1 to {MOST_PAGES:,} nodes, as in "L6.F0-99"',
        )
    return found
