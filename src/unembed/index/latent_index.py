"""An index of what latents write, held in memory: of the first autoencoder of each layer.

It is searched as that of the neurons' value vectors is. Making one projects every latent to the
vocabulary once, seconds for some thousands; nothing of it is on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import torch

from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.projections import projection_of
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.nodes import LATENT
from unembed.engine.reading.extremes import extremes
from unembed.errors import CapabilityError
from unembed.index.about import IndexAbout, Plan
from unembed.index.build import array_of, labelled, texts_of, versions_of
from unembed.index.store import Array
from unembed.index.vector_index import VectorIndex
from unembed.latents.sae import STREAM, attached
from unembed.models.progress import Progress

TOP_K = 50


@torch.no_grad()
def latent_index(
    model: Model,
    *,
    projection: str = "raw",
    top_k: int = TOP_K,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> VectorIndex:
    """The latents of a model's autoencoders, to be searched by word, token and direction.

    Args:
        top_k: tokens kept on either side of each latent's list.
        progress: called with ("projecting", latents done, latents).

    Raises:
        InputError: an unknown projection.
        CapabilityError: no autoencoder is attached that writes to the residual stream, or the model
            has no such projection.
    """
    chosen = projection_of(model, projection)
    layers = _layers(model)
    if not layers:
        raise CapabilityError(
            f"{model.name} has no autoencoder attached that writes to the residual stream",
            field="among",
            legal=f"one of {', '.join(STREAM)}",
            fix="model.attach(ue.load_sae(...)), or --sae on the command line",
        )
    vocab_size = len(model.unembedding.weight)
    widths = tuple(attached(model)[layer].description.n for layer in layers)
    plan = Plan(
        fingerprint=model.fingerprint,
        model=model.name,
        projection=chosen.name,
        top_k=min(top_k, vocab_size),
        d=model.anatomy.d_model,
        layers=layers,
        widths=widths,
        vocab_size=vocab_size,
    )
    parts: list[dict[str, Array]] = []
    done = 0
    for layer, width in zip(layers, widths, strict=True):
        before = done

        def share(part: int, of: int, before: int = before, width: int = width) -> None:
            if progress is not None:
                progress("projecting", before + width * part // of, plan.n_vectors)

        vectors = accurate(attached(model)[layer].directions)
        rows = chosen(vectors.to(model.device)).to(model.unembedding.weight.device)
        ends = extremes(rows, model.unembedding.weight, plan.top_k, cancel, share)
        lists = {
            "top_ids": array_of(ends.raised_ids),
            "top_scores": array_of(ends.raised),
            "bottom_ids": array_of(ends.lowered_ids),
            "bottom_scores": array_of(ends.lowered),
        }
        parts.append(labelled(layer, vectors, lists))
        done += width
    held = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    about = IndexAbout(
        fingerprint=plan.fingerprint,
        model=plan.model,
        projection=plan.projection,
        top_k=plan.top_k,
        n_vectors=plan.n_vectors,
        d=plan.d,
        layers=layers,
        bytes=sum(one.nbytes for one in held.values()),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions_of(model),
    )
    return VectorIndex(model, plan, about, HeldTables(held, texts_of(model)), LATENT)


def _layers(model: Model) -> tuple[int, ...]:
    """Whose autoencoder writes to the stream."""
    ends = {layer: sae.description.writes for layer, sae in attached(model).items()}
    return tuple(
        sorted(layer for layer, key in ends.items() if key is not None and key.site in STREAM)
    )


@dataclass(frozen=True, eq=False)
class HeldTables:
    """What the tables of an index on disk would give."""

    held: dict[str, Array]
    tokens: list[str]

    def columns(self, _: Plan) -> dict[str, Array]:
        """Everything but the vectors themselves, in order."""
        return {name: one for name, one in self.held.items() if name != "vector"}

    def vectors(self, rows_at_once: int) -> Iterator[Array]:
        """The vectors, in order, some [rows, d] at a time."""
        for start in range(0, len(self.held["vector"]), rows_at_once):
            yield self.held["vector"][start : start + rows_at_once]

    def take_vectors(self, rows: Sequence[int]) -> Array:
        """The vectors of some rows [rows, d], in the order asked for."""
        found: Array = self.held["vector"][list(rows)]
        return found

    def texts(self) -> list[str]:
        """The text of every token, by id."""
        return self.tokens
