"""Building an index: layer after layer, resumable, published in one step."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from unembed.analyses.tools.checks import chosen
from unembed.analyses.tools.projections import Projection, projection_of
from unembed.analyses.tools.vectors import layers_with_neurons, value_vectors
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.names.tokens import TokenReader
from unembed.engine.reading.extremes import extremes
from unembed.errors import InputError
from unembed.index.about import Plan
from unembed.index.folder import IndexFolder
from unembed.index.opening import check_same, open_folder
from unembed.index.options import MOST_TOP_K, BuildOptions
from unembed.index.store import Array
from unembed.index.tables import Tables
from unembed.index.vector_index import VectorIndex
from unembed.models.progress import Progress

DEFAULTS = BuildOptions()


def build_index(
    model: Model,
    *,
    options: BuildOptions = DEFAULTS,
    folder: Path | str | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> VectorIndex:
    """Project every value vector of a model to its vocabulary, and keep the result on disk.

    An index that is there already is opened; a build that was interrupted goes on after the last
    layer that it finished. Until the new index is whole, the old one stays.

    Args:
        options: how vectors are read, how many tokens are kept, of which layers; `restart` builds
            anew, whatever is there, an index of another model included.
        changes: single options, as in `projection="final_norm", layers=(3, 9)`.
        folder: where to keep it, instead of the cache; the projection is a folder below.
        cancel: checked several times a layer; what was finished is kept.
        progress: called with ("projecting", vectors done, vectors), of those that were left to do.

    Raises:
        InputError: an unknown projection, a bad top_k, layers that have no neurons, or an index of
            another model in `folder`.
        CapabilityError: a model without neurons, or without this projection.
        LoadError: the disk is full or cannot be written.
        CancelledError: `cancel` was set.
    """
    asked = chosen(options, changes, {"top_k": partial(checked_top_k, model)})
    with Builder(model, asked, folder) as builder:
        if builder.prepare(progress=progress):
            while builder.remaining:
                builder.step(cancel, progress)
            builder.finish()
    return open_folder(model, builder.folder, asked.projection)


class Builder:
    """A build in steps of one layer, for whoever has other work to do between them.

    with Builder(model) as builder:
        if builder.prepare():
            while builder.remaining:
                builder.step()
            builder.finish()
    """

    def __init__(
        self,
        model: Model,
        options: BuildOptions = DEFAULTS,
        folder: Path | str | None = None,
    ) -> None:
        self.model = model
        self.projection: Projection = projection_of(model, options.projection)
        layers = _checked_layers(model, options.layers)
        top_k = checked_top_k(model, options.top_k)
        self.plan = _plan(model, self.projection, top_k, layers)
        self.folder = IndexFolder.of(model, options.projection, folder)
        self._restart = options.restart
        self.remaining: list[int] = []
        self._todo = 0
        self._held = ExitStack()

    def __enter__(self) -> Builder:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def prepare(self, *, progress: Progress | None = None) -> bool:
        """Take the lock and find out what is left to do; False if the index is there already."""
        self._held.enter_context(self.folder.locked(progress))
        if self._restart:
            self.folder.forget_broken_pointer()
            self.folder.drop_drafts()
        elif self._is_there():
            return False
        self.tables = Tables(self.folder, self.folder.draft(self.plan))
        self.remaining = self._remaining_layers()
        self._todo = self._n_remaining()
        return True

    def step(self, cancel: Cancel | None = None, progress: Progress | None = None) -> None:
        """Build the next layer that is left, and keep it."""
        layer = self.remaining[0]
        done = self._todo - self._n_remaining()
        own = self._widths[layer]

        def share(part: int, parts: int) -> None:
            if progress is not None:
                progress("projecting", done + own * part // parts, self._todo)

        vectors = value_vectors(self.model, layer)
        weight = self.model.unembedding.weight
        rows = self.projection(vectors).to(weight.device)
        ends = extremes(rows, weight, self.plan.top_k, cancel, share)
        columns = {
            "top_ids": array_of(ends.raised_ids),
            "top_scores": array_of(ends.raised),
            "bottom_ids": array_of(ends.lowered_ids),
            "bottom_scores": array_of(ends.lowered),
        }
        self.tables.append(labelled(layer, vectors, columns))
        self.remaining.pop(0)

    def finish(self) -> None:
        """Publish what was built."""
        self.tables.write_texts(texts_of(self.model))
        self.folder.publish(self.tables.version, self.plan, {"versions": versions_of(self.model)})

    @property
    def _widths(self) -> dict[int, int]:
        return dict(zip(self.plan.layers, self.plan.widths, strict=True))

    def _n_remaining(self) -> int:
        return sum(self._widths[layer] for layer in self.remaining)

    def _is_there(self) -> bool:
        """Whether what is published is what was asked for; raises if it is of another model."""
        published = self.folder.published()
        if published is None:
            return False
        plan, _ = self.folder.read(published)
        check_same(self.model, plan, self.folder)
        return plan.matches(self.plan)

    def _remaining_layers(self) -> list[int]:
        """Layers that the draft lacks. A draft that is no beginning of the plan is thrown away."""
        kept = self.tables.rows_kept()
        planned = np.repeat(self.plan.layers, self.plan.widths)
        ends = np.cumsum(self.plan.widths)
        whole = len(kept) in (0, *ends) and np.array_equal(kept, planned[: len(kept)])
        if not whole:
            self.folder.drop_drafts()
            self.tables = Tables(self.folder, self.folder.draft(self.plan))
            kept = []
        return [layer for layer, end in zip(self.plan.layers, ends, strict=True) if end > len(kept)]


def _plan(model: Model, projection: Projection, top_k: int, layers: tuple[int, ...]) -> Plan:
    return Plan(
        fingerprint=model.fingerprint,
        model=model.name,
        projection=projection.name,
        top_k=top_k,
        d=model.anatomy.d_model,
        layers=layers,
        widths=tuple(model.block(layer).mlp.d_mlp for layer in layers),
        vocab_size=len(model.unembedding.weight),
    )


def _checked_layers(model: Model, layers: tuple[int, ...] | None) -> tuple[int, ...]:
    every = layers_with_neurons(model)
    if layers is None:
        return every
    first, last = layers
    chosen = tuple(layer for layer in every if first <= layer <= last)
    if not chosen or first < 0 or last > every[-1]:
        raise InputError(
            f"layers {first}-{last} cannot be indexed: {model.name} has neurons in layers "
            f"{every[0]}-{every[-1]}",
            field="layers",
            value=f"{first}-{last}",
            legal=f"{every[0]}-{every[-1]}",
        )
    return chosen


def checked_top_k(model: Model, top_k: int) -> int:
    """How many tokens a list has; raises InputError."""
    most = min(MOST_TOP_K, len(model.unembedding.weight))
    if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= most:
        raise InputError(
            f"top_k is {top_k}; it must be 1 to {most}",
            field="top_k",
            value=top_k,
            legal=f"1 to {most}",
        )
    return top_k


def labelled(layer: int, vectors: Tensor, columns: dict[str, Array]) -> dict[str, Array]:
    """The columns of the vectors of one layer, numbered from 0."""
    n = len(vectors)
    return {
        "layer": np.full(n, layer, np.int32),
        "neuron": np.arange(n, dtype=np.int32),
        "norm": array_of(vectors.norm(dim=-1)),
        "vector": array_of(vectors),
        **columns,
    }


def array_of(tensor: Tensor) -> Array:
    """On disk, float32 and int32."""
    kind = np.float32 if tensor.is_floating_point() else np.int32
    found: Array = tensor.detach().cpu().numpy().astype(kind)
    return found


def texts_of(model: Model) -> list[str]:
    """The text of every token. A reader of its own: the model's keeps every token it was asked."""
    if model.tokenizer is None:
        return []
    reader = TokenReader(model.tokenizer)
    texts = (reader.token(token).text for token in range(len(model.unembedding.weight)))
    return [text.encode("utf-8", "replace").decode() for text in texts]


def versions_of(model: Model) -> dict[str, str]:
    """What an index was made with."""
    found = dict(model.provenance())
    names = ("unembed", "torch", "transformers")
    return {name: found[name] for name in names} | {"lancedb": _version("lancedb")}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a build of its own, without metadata
        return "unknown"
