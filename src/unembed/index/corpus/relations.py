"""What each head looks at over a corpus: the relations that its attention follows.

For each token of the texts that has a token of a relation in sight, the token that a head attends
to most is looked at (special ones left out): `share` is how often it is one of the relation's.
`base` is how often it would be, were it any token in sight alike. A relation between neighbours is
also followed by a head that only counts tokens: `distance_share` is how often the best fixed
distance would have hit (Clark et al., 2019, have the same comparison).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unembed.analyses.tools.checks import checked_layers
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.names.taps import why_not
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError, InputError
from unembed.index.corpus.columns import Mask, TokenColumns, check_label
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.options import HeadRelationsOptions
from unembed.index.corpus.passes import Span, drawn, runs_of, spans_of
from unembed.index.corpus.relations_result import HeadRelation, HeadRelations
from unembed.index.corpus.summing import wilson
from unembed.index.store import Array
from unembed.models.progress import Progress

DEFAULTS = HeadRelationsOptions()
FARTHEST = 8  # fixed distances that are compared with
TOKENS_AT_ONCE = 512  # whole patterns of all layers are large
LISTING = ("min_count", "relation", "sort", "limit")  # options that need no other pass
PLAIN = ("self", "previous", "next", "same word", "same lemma", "entity", "head", "child")


def head_relations(
    corpus: Corpus,
    *,
    options: HeadRelationsOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> HeadRelations:
    """The relations that heads follow above chance, in sentences drawn from a corpus.

    Args:
        options: of which layers, in how many sentences, and what is listed; `changes` are single
            ones, as in `layers=(3,), sort="share"`.
        cancel: checked before every layer.
        progress: called with ("reading the corpus", tokens done, tokens).

    "head" is the word that a token's word depends on, "child" one that depends on it; "head: det"
    and "child: det" are those of one label: a determiner that looks at its noun, a noun that looks
    at its determiner. "entity" is any token of a named entity other than itself.

    Raises InputError for a layer that there is not, weights changed since, or a corpus without a
    sentence; CapabilityError where no layer has attention with heads.
    """
    asked = options.changed(**changes)
    return count_relations(corpus, asked, cancel, progress).listed(asked)


def count_relations(
    corpus: Corpus,
    asked: HeadRelationsOptions,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> RelationCounts:
    """The pass over the corpus; which of its counts are listed (`LISTING`) means nothing here."""
    corpus.check_current()
    model, columns = corpus.model, corpus.columns
    layers = _layers(model, asked.layers)
    spans = [span for span in spans_of(columns) if span[1] > 1]
    if not spans:
        raise InputError(
            f"the corpus {corpus.about.name!r} has no sentence to look at", field="corpus"
        )
    chosen = [spans[at] for at in drawn(np.arange(len(spans)), asked.sentences, asked.seed)]
    names, words = _relations(columns), columns.words()
    counts = RelationCounts(
        corpus.about.name,
        len(chosen),
        sum(int(words[first : first + size].sum()) for first, size in chosen),
        names,
        {one: model.block(one).attention.n_heads for one in layers},
    )
    capture = [f"L{layer}.pattern" for layer in layers]
    for span, run in runs_of(
        model, columns, chosen, capture, at_once=TOKENS_AT_ONCE, cancel=cancel, progress=progress
    ):
        first, size = span
        own = words[first : first + size]
        seen = own[None, :] & own[:, None]
        if model.kind == "causal":
            seen &= np.tri(size, dtype=bool)
        counts.add(run, masks_of(columns, span, names), seen)
    return counts


def _layers(model: Model, layers: Sequence[int] | None) -> list[int]:
    every = range(model.anatomy.n_layers)
    chosen = checked_layers(model, every if layers is None else layers)
    found = [one for one in chosen if why_not(model.anatomy, SiteKey("pattern", one)) is None]
    if not found:
        raise CapabilityError(
            f"no layer of {model.name} that was asked for has attention with heads",
            field="layers",
            value=list(chosen),
            legal="layers with attention",
        )
    return found


def _size(one: HeadRelation, sort: str) -> float:
    if sort == "gain":
        return one.share - max(one.base, one.distance_share)
    size: float = getattr(one, sort)
    return size


# ---------------------------------------------------------------- relations


def _relations(columns: TokenColumns) -> tuple[str, ...]:
    """All that this corpus has labels for."""
    labels = sorted(name for name in columns.labels("dep").names if name and name != "ROOT")
    plain = PLAIN if labels else tuple(one for one in PLAIN if one not in ("head", "child"))
    return (*plain, *(f"{way}: {label}" for label in labels for way in ("head", "child")))


def masks_of(columns: TokenColumns, span: Span, names: Sequence[str]) -> Mask:
    """[relation, query, key]: whether the key is one of the relation's for the query."""
    first, size = span
    rows = slice(first, first + size)
    word, head = (columns.numbers(name)[rows] for name in ("word", "head"))
    at, is_word = np.arange(size), word >= 0
    both = is_word[:, None] & is_word[None, :]
    same = both & (word[:, None] == word[None, :])
    depends = both & ~same & (head[:, None] == word[None, :])  # the query on the key
    lemma, entity, dep = (columns.labels(name) for name in ("lemma", "entity", "dep"))
    lemmas, named = lemma.codes[rows], np.array([bool(one) for one in entity.names])
    has_lemma = np.array([bool(one) for one in lemma.names])[lemmas]
    deps = np.array(dep.names, object)[dep.codes[rows]]
    found = {
        "self": at[:, None] == at[None, :],
        "previous": at[None, :] == at[:, None] - 1,
        "next": at[None, :] == at[:, None] + 1,
        "same word": same & (at[:, None] != at[None, :]),
        "same lemma": both & ~same & (lemmas[:, None] == lemmas[None, :]) & has_lemma[:, None],
        "entity": named[entity.codes[rows]][None, :] & (at[:, None] != at[None, :]),
        "head": depends,
        "child": depends.T,
    }
    masks = np.zeros((len(names), size, size), bool)
    for order, name in enumerate(names):
        way, _, label = name.partition(": ")
        masks[order] = found[way]
        if label:
            masks[order] &= (deps == label)[:, None] if way == "head" else (deps == label)[None, :]
    return masks


# ---------------------------------------------------------------- counting


@dataclass(frozen=True)
class _Sums:
    """Of one layer: [head, relation]."""

    hits: NDArray[np.float64]
    mass: NDArray[np.float64]


class RelationCounts:
    """How often, over all sentences; as much however many there are."""

    def __init__(
        self,
        corpus: str,
        n_sentences: int,
        n_tokens: int,
        names: Sequence[str],
        heads: dict[int, int],
    ) -> None:
        self.corpus, self.n_sentences, self.n_tokens = corpus, n_sentences, n_tokens
        self.names = tuple(names)
        n = len(names)
        self.n, self.base = np.zeros(n), np.zeros(n)
        self.distances = np.zeros((2 * FARTHEST + 1, n))
        self.layers = {
            layer: _Sums(np.zeros((some, n)), np.zeros((some, n))) for layer, some in heads.items()
        }

    def add(self, run: Run, masks: Mask, seen: Mask) -> None:
        """One sentence: its relations, and which keys each query has in sight."""
        masks = masks & seen
        n_seen = seen.sum(1)
        related = masks.sum(2)  # [relation, query]
        counts = (related > 0) & (n_seen > 1)
        self.n += counts.sum(1)
        self.base += np.where(counts, related / np.maximum(n_seen, 1), 0).sum(1)
        size, query = len(n_seen), np.arange(len(n_seen))
        for order, distance in enumerate(range(-FARTHEST, FARTHEST + 1)):
            inside = (query + distance >= 0) & (query + distance < size)
            at = query[inside]
            self.distances[order] += (masks[:, at, at + distance] & counts[:, at]).sum(1)
        for layer, sums in self.layers.items():
            pattern: Array = run[f"L{layer}.pattern"].double().cpu().numpy()
            most = np.where(seen, pattern, -1.0).argmax(-1)  # [head, query]
            met = masks[:, query[None, :], most]  # [relation, head, query]
            sums.hits[...] += (met & counts[:, None, :]).sum(2).T
            given = np.einsum("hqk,rqk->hrq", pattern, masks.astype(np.float64))
            sums.mass[...] += np.where(counts[None], given, 0).sum(2)

    def listed(self, asked: HeadRelationsOptions) -> HeadRelations:
        """Those that were asked for, the largest first. Raises InputError for no relation."""
        for one in asked.relation or ():
            check_label("relation", one, self.names)
        items = self._items(asked.min_count)
        total = len(items)
        if asked.relation is not None:
            items = [one for one in items if one.relation in asked.relation]
        items.sort(key=lambda one: -_size(one, asked.sort))
        return HeadRelations(
            corpus=self.corpus,
            n_sentences=self.n_sentences,
            n_tokens=self.n_tokens,
            relations=self.names,
            total=total,
            items=tuple(items[: asked.limit]),
        )

    def _items(self, least: int) -> list[HeadRelation]:
        """Each head with each relation that enough tokens have in sight."""
        best = self.distances.argmax(0)
        found = []
        for order, name in enumerate(self.names):
            n = int(self.n[order])
            if n < least:
                continue
            base = float(self.base[order]) / n
            apart = float(self.distances[best[order], order]) / n
            for layer, sums in self.layers.items():
                for head in range(len(sums.hits)):
                    count = int(sums.hits[head, order])
                    low, high = wilson(count, n)
                    found.append(
                        HeadRelation(
                            f"L{layer}.H{head}", layer, head, name, n, count / n, base,
                            count / n / base, low / base, high / base,
                            float(sums.mass[head, order]) / n,
                            int(best[order]) - FARTHEST, apart,
                        )
                    )  # fmt: skip
        return found
