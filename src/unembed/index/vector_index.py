"""Asking an index: by word, by token, by direction, vector by vector.

Thread-safe for reading. Lists and norms are held in memory; the value vectors too, where they fit
`settings.index_cache_bytes`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unembed.analyses.tools.projections import scores_of, token_direction
from unembed.analyses.tools.vectors import value_vectors, vector_of
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.nodes import KINDS, NodeKind
from unembed.engine.targets import Target
from unembed.errors import InputError, TargetError
from unembed.index import clusters as clustering
from unembed.index.about import IndexAbout, Plan
from unembed.index.choices import best_rows, layer_rows, page
from unembed.index.hits import SHOWN_PROMOTED, SHOWN_SUPPRESSED, Hit, Hits, VectorPage
from unembed.index.matrix import IndexTables, ValueMatrix
from unembed.index.options import (
    BrowseOptions,
    ClustersOptions,
    SearchOptions,
    Side,
    SimilarOptions,
    TokenSearchOptions,
)
from unembed.index.rows import Rows
from unembed.index.tables import Tables
from unembed.index.weights import SameWeights
from unembed.index.word_search import WordSearch
from unembed.index.words import Vocabulary
from unembed.latents.sae import direction_of, every
from unembed.models.progress import Progress
from unembed.options import given

Array = NDArray[Any]
SIDES: tuple[Side, ...] = get_args(Side)
SEARCH, TOKEN, SIMILAR = SearchOptions(), TokenSearchOptions(), SimilarOptions()
BROWSE, CLUSTERS = BrowseOptions(), ClustersOptions()
NEURON = next(row for row in KINDS if row.kind == "neuron")


class VectorIndex:
    """The value vectors of one model, or what its latents write.

    Make one with `build_index`, `open_index` or `latent_index`.
    """

    def __init__(
        self,
        model: Model,
        plan: Plan,
        about: IndexAbout,
        tables: IndexTables,
        kind: NodeKind = NEURON,
        stems: Sequence[str] = (),
        written: Sequence[str] = (),
    ) -> None:
        """`stems`: of latents, what those of each part of the plan are called, "L6.F"; `written`:
        where they write with these vectors, of those that write at several sites."""
        self.kind = kind
        self._attached = _attached_to(model)
        self.about = about
        self.vectors = ValueMatrix(tables, plan.n_vectors, plan.d, model.settings.index_cache_bytes)
        self._model = model
        self._weights = SameWeights(model, plan.fingerprint)
        self._plan = plan
        self._tables = tables
        self._rows = Rows(model, plan, tables.columns(plan), stems, written)
        self._words = WordSearch(model, tables, self._rows, plan.vocab_size)
        self._lock = threading.Lock()
        self._kept: dict[str, Any] = {}

    @property
    def is_current(self) -> bool:
        """Whether the model still has the weights, or autoencoders, that the index is of."""
        same = self.kind is NEURON or self._attached == _attached_to(self._model)
        return same and self._weights.hold()

    def check_current(self) -> None:
        """Raise InputError where the model's weights, or autoencoders, were changed since."""
        if self.kind is not NEURON and self._attached != _attached_to(self._model):
            raise InputError(
                f"this index is of the latents of autoencoders that {self._model.name} does not "
                "have any more, or of fewer",
                field="model",
                fix="make it anew with latent_index",
            )
        if not self.is_current:
            raise InputError(
                f"this index is of {self._plan.fingerprint}, and the weights (or the tokenizer) of "
                f"{self._model.name} were changed since: it is {self._model.fingerprint} now",
                field="model",
                value=self._model.fingerprint,
                legal=f"an index of fingerprint {self._model.fingerprint}",
                fix="build it again with build_index, in another folder or with restart=True",
            )

    def __len__(self) -> int:
        return self.about.n_vectors

    def __repr__(self) -> str:
        about = self.about
        return (
            f"VectorIndex({about.model!r}, {about.projection}, vectors={about.n_vectors:,}, "
            f"top_k={about.top_k}, {about.bytes / 1e6:,.0f} MB)"
        )

    # ------------------------------------------------------------ searching

    def search(
        self,
        words: str | Sequence[str],
        *,
        options: SearchOptions = SEARCH,
        **changes: Any,
    ) -> Hits:
        """Vectors whose stored lists have these words.

        Args:
            words: "music, album", or a list.
            options: what counts as the word, how words are combined, what is ranked and how
                (docs/guides/vector-index.md has the formulas), and which part is listed.
            changes: single options, as in `match="part", layers=(3, 9)`.

        Raises:
            InputError: a word that no token matches (the message has the nearest words and how
                the tokenizer splits it), or an argument that is not legal.
        """
        self.check_current()
        asked = options.changed(**changes)
        sides = _sides(asked.side)
        scores, tokens = self._words.rank(words, asked, sides)
        rows = layer_rows(self._plan, asked.layers)
        found = np.flatnonzero(scores[rows.start : rows.stop] > 0) + rows.start
        order = found[np.argsort(-scores[found], kind="stable")]
        shown = page(order, asked.limit, asked.offset)
        matched = {row: self._rows.matched(row, tokens, sides) for row in shown}
        items = [self._rows.hit(row, scores[row], matched[row]) for row in shown]
        return Hits(len(found), tuple(items))

    def token(
        self,
        token: str | int,
        *,
        options: TokenSearchOptions = TOKEN,
        **changes: Any,
    ) -> Hits:
        """Vectors that promote (suppress) one token most: exact, over all vectors.

        The score is the projection's, W_U[token] · v; "both" sorts by its size. Raises TargetError
        unless it is exactly one token.
        """
        self.check_current()
        asked = options.changed(**changes)
        sides = _sides(asked.side)
        token_id = self._model.token_id(token)
        direction = token_direction(self._model, token_id, projection=self.about.projection)
        scores = self.vectors.times(direction).numpy()
        sizes = {"promoted": scores, "suppressed": -scores}
        size = np.max([sizes[one] for one in sides], axis=0)
        rows = layer_rows(self._plan, asked.layers)
        items = []
        for row in best_rows(size, rows, asked.limit, asked.offset):
            matched = scores_of(self._model, [token_id], [scores[row]])
            items.append(self._rows.hit(row, scores[row], matched))
        return Hits(len(rows), tuple(items))

    def similar(
        self,
        node_or_direction: str | Tensor,
        *,
        options: SimilarOptions = SIMILAR,
        **changes: Any,
    ) -> Hits:
        """Vectors nearest to a node ("L12.N512", itself left out) or to a direction [d_model].

        Of a latent that is attached ("L6.F77") what it writes is looked for among the neurons'; of
        one that writes at several layers all of it together, and among latents at its first.

        The score is the cosine in the residual stream; with `include_negative` vectors that point
        the opposite way count as near, too, and keep their sign.
        """
        self.check_current()
        asked = options.changed(**changes)
        row, direction = self._direction(node_or_direction)
        norms = self._rows.norms
        length = float(direction.norm())
        products = self.vectors.times(direction / length).numpy()
        cosines = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
        cosines = np.clip(cosines, -1.0, 1.0)
        near = np.abs(cosines) if asked.include_negative else cosines.copy()
        rows = layer_rows(self._plan, asked.layers)
        total = len(rows)
        if row is not None:
            near[row] = -np.inf
            total -= row in rows
        best = best_rows(near, rows, asked.limit, asked.offset, total)
        return Hits(total, tuple(self._rows.hit(one, cosines[one]) for one in best))

    # ------------------------------------------------------------ looking

    def vector(self, node: str) -> VectorPage:
        """One value vector by its name. Raises TargetError, or CapabilityError without neurons."""
        return self._page(self.row(node))

    def browse(
        self,
        layer: int,
        first: int | None = None,
        count: int | None = None,
        *,
        options: BrowseOptions = BROWSE,
        **changes: Any,
    ) -> list[VectorPage]:
        """Vectors of one layer by number, with the beginnings of their lists."""
        self.check_current()
        asked = options.changed(**given(first=first, count=count), **changes)
        first = asked.first
        rows = layer_rows(self._plan, (layer, layer))
        if first >= max(len(rows), 1):
            raise InputError(
                f"{self.kind.called} {first} is not in layer {layer}: it has {self.kind.plural} "
                f"0-{len(rows) - 1}",
                field="first",
                value=first,
                legal=f"0-{len(rows) - 1}",
            )
        start = rows.start + first
        shown = range(start, min(start + asked.count, rows.stop))
        return [self._page(row, SHOWN_PROMOTED, SHOWN_SUPPRESSED) for row in shown]

    def n_in(self, layer: int) -> int:
        """How many vectors of a layer there are."""
        return len(layer_rows(self._plan, (layer, layer)))

    def hit(self, node: str, score: float = 0.0) -> Hit:
        """A vector the way that hits show it."""
        return self._rows.hit(self.row(node), score)

    def row(self, node: str) -> int:
        """Where a vector stands in `vectors`; raises as `vector` does."""
        self.check_current()
        return self._rows.of(node)

    def node(self, row: int) -> str:
        """The name of the vector in this row."""
        return self._rows.name(row)

    def clusters(
        self,
        n: int | None = None,
        method: str | None = None,
        seed: int | None = None,
        *,
        options: ClustersOptions = CLUSTERS,
        cancel: Cancel | None = None,
        progress: Progress | None = None,
        **changes: Any,
    ) -> clustering.Clusters:
        """Vectors in n groups by direction, computed once and kept with the index.

        Args:
            n: how many groups; about thirty vectors in each unless said otherwise.
            method: "kmeans" (spherical k-means, scales) or "complete" (exact complete linkage by
                cosine distance, as LM-Debugger has it; takes n² memory).
            seed: of k-means; complete linkage has none.
            options: all three at once.

        Raises:
            InputError: n or method is not legal.
            TooLargeError: complete linkage would take more than `settings.max_linkage_bytes`.
        """
        self.check_current()
        asked = options.changed(**given(n=n, method=method, seed=seed), **changes)
        return clustering.obtain(self, asked, cancel, progress)

    # ------------------------------------------------------------ what is computed once

    @property
    def vocabulary(self) -> Vocabulary:
        """The words that can be searched for."""
        return self._words.vocabulary

    @property
    def tables(self) -> Tables:
        """The tables on disk. Raises InputError of an index of latents."""
        if not isinstance(self._tables, Tables):
            raise InputError(
                "clusters are kept with an index of neurons, and this one is of latents",
                field="among",
                value=self.kind.plural,
                legal="neurons",
            )
        return self._tables

    @property
    def norms(self) -> Array:
        """Length of every vector, by row."""
        return self._rows.norms

    @property
    def model(self) -> Model:
        """The model that the vectors are of."""
        return self._model

    def lists(self, side: str) -> tuple[Array, Array]:
        """Ids and scores [vectors, top_k] of one side, as stored."""
        return self._rows.lists(side)

    def warm(self) -> VectorIndex:
        """Prepare what the first queries would wait for."""
        _ = self.vocabulary, self._words.postings("promoted")
        if self.vectors.fits:
            self.vectors.whole()
        return self

    def memory(self, name: str) -> Any:
        """What was remembered under a name, or None."""
        with self._lock:
            return self._kept.get(name)

    def remember(self, name: str, value: object) -> None:
        """Keep something as long as the index is open."""
        with self._lock:
            self._kept[name] = value

    # ------------------------------------------------------------ parts of an answer

    def _direction(self, given: str | Tensor) -> tuple[int | None, Tensor]:
        if isinstance(given, str):
            target = self._model.node(given, "target")
            if bool(target.row.derived) == (self.kind is not NEURON):
                row = self.row(given)
                return row, self.vectors.rows([row])[0]
            given = self._written_by(target)
        direction = given.detach().float().cpu()
        d = self.about.d
        if direction.shape != (d,) or not bool(direction.isfinite().all()) or not direction.any():
            raise InputError(
                f"the direction must be {d} finite numbers that are not all zero; "
                f"its shape is {list(given.shape)}",
                field="direction",
                value=list(given.shape),
                legal=f"[{d}]",
            )
        return None, direction

    def _written_by(self, target: Target) -> Tensor:
        """Of a latent, or of a neuron in an index of latents."""
        if not target.row.derived:
            layer, neuron = vector_of(self._model, target)
            return value_vectors(self._model, layer)[neuron]
        latent = target
        found = direction_of(self._model, latent)
        if found is None:
            raise TargetError(
                f"{latent.text} writes no part of the residual stream, where vectors are compared",
                field="target",
                value=latent.text,
                legal="a latent of the stream, or of what a branch adds to it",
            )
        return found

    def _page(self, row: int, *shown: int) -> VectorPage:
        clusters = clustering.known(self, row) if self.kind is NEURON else {}
        return self._rows.page(row, clusters, *shown)


def _attached_to(model: Model) -> str:
    """What tells the autoencoders that a model has from others."""
    return ",".join(f"{one.stem}:{one.sae.fingerprint}" for one in every(model))


def _sides(side: Side) -> tuple[Side, ...]:
    return SIDES[:2] if side == "both" else (side,)
