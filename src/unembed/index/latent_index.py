"""An index of what latents write, of all autoencoders that are attached, held in memory.

It is searched as that of the neurons' value vectors is. A latent that writes at several layers has
one vector for each. Making one projects every latent to the
vocabulary once, seconds for some thousands; nothing of it is on disk. It holds the lists of tokens,
some hundred bytes for each latent; the vectors themselves stay the autoencoders' own, and are
copied only where all fit `index_cache_bytes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate

import numpy as np
import torch

from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.projections import projection_of
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.nodes import LATENT
from unembed.engine.reading.extremes import extremes
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError
from unembed.index.about import IndexAbout, Plan
from unembed.index.build import array_of, labelled, texts_of, versions_of
from unembed.index.store import Array
from unembed.index.vector_index import VectorIndex
from unembed.latents.autoencoder import Autoencoder
from unembed.latents.sae import STREAM, Attached, every
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
    parts_of = _of_stream(model)
    if not parts_of:
        raise CapabilityError(
            f"{model.name} has no autoencoder attached that writes to the residual stream",
            field="among",
            legal=f"one of {', '.join(STREAM)}",
            fix="model.attach(ue.load_sae(...)), or --sae on the command line",
        )
    vocab_size = len(model.unembedding.weight)
    layers = tuple(one.layer for one, _ in parts_of)
    widths = tuple(one.sae.description.n for one, _ in parts_of)
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
    for (one, site), width in zip(parts_of, widths, strict=True):
        before = done

        def share(part: int, of: int, before: int = before, width: int = width) -> None:
            if progress is not None:
                progress("projecting", before + width * part // of, plan.n_vectors)

        vectors = accurate(one.sae.directions_at(site))
        rows = chosen(vectors.to(model.device)).to(model.unembedding.weight.device)
        ends = extremes(rows, model.unembedding.weight, plan.top_k, cancel, share)
        lists = {
            "top_ids": array_of(ends.raised_ids),
            "top_scores": array_of(ends.raised),
            "bottom_ids": array_of(ends.lowered_ids),
            "bottom_scores": array_of(ends.lowered),
        }
        columns = labelled(one.layer, vectors, lists)
        del columns["vector"]  # the autoencoder has it
        parts.append(columns)
        done += width
    # name by name: both the parts and the whole would be twice as much
    held = {name: np.concatenate([part.pop(name) for part in parts]) for name in [*parts[0]]}
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
    tables = HeldTables(held, tuple((one.sae, site) for one, site in parts_of), texts_of(model))
    stems = [one.stem for one, _ in parts_of]
    crosses = [one.sae.description.kind in ("clt", "crosscoder") for one, _ in parts_of]
    written = [site.name if some else "" for (_, site), some in zip(parts_of, crosses, strict=True)]
    return VectorIndex(model, plan, about, tables, LATENT, stems, written)


def _of_stream(model: Model) -> list[tuple[Attached, SiteKey]]:
    """Those that write to the stream, by layer, with each site that they write to."""
    return [
        (one, key) for one in every(model) for key in one.sae.description.ends if key.site in STREAM
    ]


@dataclass(frozen=True, eq=False)
class HeldTables:
    """What the tables of an index on disk would give."""

    held: dict[str, Array]
    parts: tuple[tuple[Autoencoder, SiteKey], ...]
    tokens: list[str]

    def columns(self, _: Plan) -> dict[str, Array]:
        """Everything but the vectors themselves, in order."""
        return self.held

    def vectors(self, rows_at_once: int) -> Iterator[Array]:
        """The vectors, in order, some [rows, d] at a time."""
        for sae, site in self.parts:
            for part in torch.split(sae.directions_at(site), rows_at_once):
                yield array_of(part)

    def take_vectors(self, rows: Sequence[int]) -> Array:
        """The vectors of some rows [rows, d], in the order asked for."""
        starts = [0, *accumulate(sae.description.n for sae, _ in self.parts)]
        numbers = np.asarray(rows)
        found = np.empty((len(numbers), self.parts[0][0].description.d_out), np.float32)
        for first, (sae, site) in zip(starts, self.parts, strict=False):
            here = (numbers >= first) & (numbers < first + sae.description.n)
            if here.any():
                own = torch.from_numpy(numbers[here] - first)
                found[here] = array_of(sae.directions_at(site)[own])
        return found

    def texts(self) -> list[str]:
        """The text of every token, by id."""
        return self.tokens
