"""An index of what latents write, of all autoencoders that are attached.

It is searched as that of the neurons' value vectors is. A latent that writes at several layers has
one vector for each. The lists of tokens, some hundred bytes for each latent, are kept on disk (see
`latent_lists`) and held in memory; the vectors themselves stay the autoencoders' own, and are
copied only where all fit `index_cache_bytes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch

from unembed.analyses.tools.projections import projection_of
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.nodes import LATENT
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError
from unembed.index.about import IndexAbout, Plan
from unembed.index.build import array_of, checked_top_k
from unembed.index.latent_lists import STRETCH, LatentLists, Lists, kept_texts
from unembed.index.store import Array
from unembed.index.vector_index import VectorIndex
from unembed.latents.autoencoder import Autoencoder
from unembed.latents.sae import STREAM, Attached, every
from unembed.models.progress import Progress

TOP_K = 50
Parts = Sequence[tuple[Attached, SiteKey]]


@torch.no_grad()
def latent_index(
    model: Model,
    *,
    projection: str = "raw",
    top_k: int = TOP_K,
    folder: Path | str | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> VectorIndex:
    """The latents of a model's autoencoders, to be searched by word, token and direction.

    Each is projected to the vocabulary once: the lists are kept for this autoencoder, to the last
    weight, and this model. One that was interrupted goes on after the last 8,192 latents.

    Args:
        top_k: tokens kept on either side of each latent's list.
        folder: where to keep them, instead of the cache; a folder "latents" is made in it.
        cancel: checked several times for every 512 latents; what was finished is kept.
        progress: called with ("projecting", latents done, latents).

    Raises:
        InputError: an unknown projection, or a bad top_k.
        CapabilityError: no autoencoder is attached that writes to the residual stream, or the model
            has no such projection.
        CancelledError: `cancel` was set.
    """
    chosen = projection_of(model, projection)
    parts = _of_stream(model)
    if not parts:
        raise CapabilityError(
            f"{model.name} has no autoencoder attached that writes to the residual stream",
            field="among",
            legal=f"one of {', '.join(STREAM)}",
            fix="model.attach(ue.load_sae(...)), or --sae on the command line",
        )
    vocab_size = len(model.unembedding.weight)
    plan = Plan(
        fingerprint=model.fingerprint,
        model=model.name,
        projection=chosen.name,
        top_k=checked_top_k(model, min(top_k, vocab_size)),
        d=model.anatomy.d_model,
        layers=tuple(one.layer for one, _ in parts),
        widths=tuple(one.sae.description.n for one, _ in parts),
        vocab_size=vocab_size,
    )
    cache = model.settings.cache_folder() / "index" / plan.fingerprint
    root = cache if folder is None else Path(folder).expanduser()

    def heard(stage: str, done: int, total: int) -> None:
        if cancel is not None:
            cancel.check()
        if progress is not None:
            progress(stage, done, total)

    lists = _lists(LatentLists(model, chosen, plan.top_k, root, heard), parts, cancel, heard)
    held = _joined(plan, lists)
    saes = tuple((one.sae, site) for one, site in parts)
    tables = HeldTables(held, saes, partial(kept_texts, model, root))
    stems = [one.stem for one, _ in parts]
    crosses = [one.sae.description.kind in ("clt", "crosscoder") for one, _ in parts]
    written = [site.name if some else "" for (_, site), some in zip(parts, crosses, strict=True)]
    about = _about(plan, held, max(lists, key=lambda one: one.made))
    return VectorIndex(model, plan, about, tables, LATENT, stems, written)


def _lists(
    kept: LatentLists, parts: Parts, cancel: Cancel | None, progress: Progress
) -> list[Lists]:
    """Those of all latents, in order."""
    total = sum(one.sae.description.n for one, _ in parts)
    found: list[Lists] = []
    done = 0
    for one, site in parts:
        n = one.sae.description.n
        for first in range(0, n, STRETCH):
            rows = range(first, min(first + STRETCH, n))

            def share(part: int, of: int, before: int = done, own: int = len(rows)) -> None:
                progress("projecting", before + own * part // of, total)

            found.append(kept.of(one.sae, site, rows, cancel, share))
            done += len(rows)
            progress("projecting", done, total)
    return found


def _joined(plan: Plan, lists: Sequence[Lists]) -> dict[str, Array]:
    """Everything but the vectors themselves, which the autoencoders have."""
    # name by name: both the parts and the whole would be twice as much
    held = {
        name: np.concatenate([one.held.pop(name) for one in lists]) for name in [*lists[0].held]
    }
    held["layer"] = np.repeat(np.array(plan.layers, np.int32), plan.widths)
    held["neuron"] = np.concatenate([np.arange(width, dtype=np.int32) for width in plan.widths])
    return held


def _about(plan: Plan, held: dict[str, Array], newest: Lists) -> IndexAbout:
    return IndexAbout(
        fingerprint=plan.fingerprint,
        model=plan.model,
        projection=plan.projection,
        top_k=plan.top_k,
        n_vectors=plan.n_vectors,
        d=plan.d,
        layers=plan.layers,
        bytes=sum(one.nbytes for one in held.values()),
        made=newest.made,
        versions=newest.versions,
    )


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
    read_texts: Callable[[], list[str]]

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
        return self.read_texts()
