"""Lists of tokens of latents on disk: made once for an autoencoder, some thousands at a time.

    <root>/latents/
        tokens/                      the text of every token
        raw-50-1/                    projection, length of the lists, format
            <autoencoder>/           its fingerprint, taken anew from its weights
                L9.mlp_out.0/        a site that it writes to, and the first latent of the stretch
                    lists.safetensors

Promises: each folder is whole or absent, has one writer, and may be removed at any time. What is
damaged is made again. Where the disk refuses, lists are made and held in memory only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.projections import Projection
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.reading.extremes import Share, extremes
from unembed.engine.targets import SiteKey
from unembed.errors import LoadError
from unembed.index.about import FORMAT
from unembed.index.build import array_of, texts_of, versions_of
from unembed.index.store import Array
from unembed.latents.autoencoder import Autoencoder
from unembed.models.progress import Progress
from unembed.models.store import obtain

STRETCH = 8192  # a multiple of the rows of a tile, so that every score has the bits of the whole
LISTS, TEXTS = "lists.safetensors", "tokens.json"
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Lists:
    """Of some latents, in order: norms [n], ids and scores [n, top_k] of both sides."""

    held: dict[str, Array]
    made: str  # ISO 8601, UTC
    versions: Mapping[str, str]


class LatentLists:
    """Where the lists of a model's latents are kept, for one projection and length.

    Args:
        heard: called with what a wait for another process is called; it may raise.
    """

    def __init__(
        self, model: Model, projection: Projection, top_k: int, root: Path, heard: Progress
    ) -> None:
        self._model, self._projection, self._top_k = model, projection, top_k
        self._path = root / "latents" / f"{projection.name}-{top_k}-{FORMAT}"
        self._heard = heard
        self._fingerprints: dict[int, str] = {}

    def of(
        self, sae: Autoencoder, site: SiteKey, rows: range, cancel: Cancel | None, share: Share
    ) -> Lists:
        """Those of some latents of an autoencoder, as they write to a site."""
        folder = self._path / self._fingerprint(sae) / f"{site.name}.{rows.start}"
        expected = len(rows) * (16 * self._top_k + 4)

        def make() -> Lists:
            return self._project(sae, site, rows, cancel, share)

        return kept(folder, make, _write, _read, self._heard, expected)

    def _fingerprint(self, sae: Autoencoder) -> str:
        """Of the weights as they are: what the autoencoder remembers is of when it was made."""
        found = self._fingerprints.get(id(sae))
        if found is None:
            found = self._fingerprints[id(sae)] = replace(sae).fingerprint
        return found

    def _project(
        self, sae: Autoencoder, site: SiteKey, rows: range, cancel: Cancel | None, share: Share
    ) -> Lists:
        model, weight = self._model, self._model.unembedding.weight
        vectors = accurate(sae.directions_at(site)[rows.start : rows.stop])
        projected = self._projection(vectors.to(model.device)).to(weight.device)
        ends = extremes(projected, weight, self._top_k, cancel, share)
        held = {
            "norm": array_of(vectors.norm(dim=-1)),
            "top_ids": array_of(ends.raised_ids),
            "top_scores": array_of(ends.raised),
            "bottom_ids": array_of(ends.lowered_ids),
            "bottom_scores": array_of(ends.lowered),
        }
        return Lists(held, datetime.now(UTC).isoformat(timespec="seconds"), versions_of(model))


def kept_texts(model: Model, root: Path) -> list[str]:
    """The text of every token of a model, by id."""

    def write(path: Path, texts: list[str]) -> None:
        (path / TEXTS).write_text(json.dumps(texts), encoding="utf-8")

    def read(path: Path) -> list[str]:
        found: list[str] = json.loads((path / TEXTS).read_bytes())
        return found

    return kept(root / "latents" / "tokens", lambda: texts_of(model), write, read, _unheard)


def kept(
    folder: Path,
    make: Callable[[], Made],
    write: Callable[[Path, Made], None],
    read: Callable[[Path], Made],
    heard: Progress,
    bytes_needed: int = 0,
) -> Made:
    """What a folder holds, made first where it is missing or damaged, whatever the disk says."""
    made: list[Made] = []

    def build(draft: Path) -> None:
        made.append(make())
        write(draft, made[0])

    def waiting(stage: str, done: int, total: int) -> None:
        if stage != "saving":
            heard(stage, done, total)

    try:
        path = obtain(folder, build, waiting, bytes_needed=bytes_needed)
        return made[0] if made else read(path)
    except (LoadError, OSError, ValueError, KeyError, SafetensorError):
        return made[0] if made else make()


def _write(path: Path, lists: Lists) -> None:
    said = {"made": lists.made, "versions": json.dumps(dict(lists.versions))}
    held = {name: np.ascontiguousarray(one) for name, one in lists.held.items()}
    (path / LISTS).write_bytes(save(held, said))  # a full disk is an OSError here


def _read(path: Path) -> Lists:
    with safe_open(path / LISTS, "numpy") as file:
        said = file.metadata()
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it has no iterator
    return Lists(held, said["made"], json.loads(said["versions"]))


def _unheard(_: str, __: int, ___: int) -> None:
    """Nobody follows it."""
