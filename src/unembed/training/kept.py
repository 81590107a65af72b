"""The autoencoders of a model in a folder: those that were trained, and those that were begun."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from safetensors import SafetensorError, safe_open

from unembed.engine.model import Model
from unembed.errors import InputError, UnembedError
from unembed.latents.saving import CONFIG
from unembed.training import checkpoint
from unembed.training.checkpoint import measured
from unembed.training.options import Trained, TrainOptions
from unembed.training.result import Measured

ABOUT = "training"  # in the metadata of cfg.json
_UNREAD = (OSError, SafetensorError, ValueError, KeyError, TypeError, UnembedError)


@dataclass(frozen=True)
class TrainedSae:
    """An autoencoder or transcoder that was trained here, and how it went."""

    name: str
    sae: Annotated[str, "What it is, in words."]
    site: str
    texts: Annotated[str, "What it learnt from."]
    n_latents: int
    n_tokens: Annotated[int, "Learnt from; one that was used again counts again."]
    history: Annotated[tuple[Measured, ...], "At each checkpoint; the last is what came out."]


@dataclass(frozen=True)
class UnfinishedSae:
    """One whose training was stopped: it goes on from its last checkpoint."""

    name: str
    site: str
    texts: Annotated[str, "What it learns from."]
    corpus: Annotated[str | None, "The corpus that is; null of files, which are sent again."]
    n_latents: int
    k: int
    activation: Trained
    n_tokens: Annotated[int, "Learnt from so far."]
    n_wanted: Annotated[int, "Tokens to be learnt from in all."]
    history: tuple[Measured, ...]


@dataclass(frozen=True)
class Begun:
    """What a checkpoint says of how its training was begun."""

    site: str
    texts: str
    corpus: str | None
    options: TrainOptions
    n_tokens: int
    history: tuple[Measured, ...]


def autoencoders_in(cache: Path, model: Model) -> Path:
    """The folder of all that were trained of a model, in a cache."""
    return cache / "autoencoders" / model.fingerprint.replace(":", "-")


def trained(root: Path) -> tuple[TrainedSae, ...]:
    """Those in a folder that are whole, by name."""
    found = ((path.parent.name, _about(path)) for path in sorted(root.glob(f"*/{CONFIG}")))
    return tuple(_trained(name, about) for name, about in found if about is not None)


def unfinished(root: Path) -> tuple[UnfinishedSae, ...]:
    """Those in a folder that were begun and are not whole, by name."""
    return tuple(_unfinished(root))


def begun(folder: Path) -> Begun:
    """How the training of which a folder has a checkpoint was begun.

    Raises InputError where there is none, or it is of before such was kept.
    """
    try:
        return _begun(folder)
    except _UNREAD as error:
        raise InputError(
            f"{folder.name} has no training that can go on",
            field="name",
            value=folder.name,
            legal=", ".join(one.name for one in unfinished(folder.parent)) or "none was begun",
            fix="begin it: a name, the site and what it learns from",
        ) from error


def _begun(folder: Path) -> Begun:
    with safe_open(folder / checkpoint.NAME, "pt") as file:
        about = json.loads((file.metadata() or {})["about"])
        n_steps = int(file.get_tensor("step"))
    told = about["begun"]
    options = TrainOptions(**{**told["options"], "restart": False})
    return Begun(
        site=str(about["plan"]["site"]),
        texts=str(told["texts"]),
        corpus=told["corpus"],
        options=options,
        n_tokens=n_steps * options.batch,
        history=tuple(measured(one) for one in about["history"]),
    )


def _about(path: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())["metadata"][ABOUT]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _trained(name: str, about: Mapping[str, Any]) -> TrainedSae:
    rows = {key: about[key] for key in ("sae", "site", "texts", "n_latents", "n_tokens")}
    return TrainedSae(name=name, history=tuple(map(measured, about["history"])), **rows)


def _unfinished(root: Path) -> Iterator[UnfinishedSae]:
    for path in sorted(root.glob(f"*/{checkpoint.NAME}")):
        if (path.parent / CONFIG).exists():
            continue
        try:
            found = _begun(path.parent)
        except _UNREAD:
            continue
        options = found.options
        yield UnfinishedSae(
            name=path.parent.name,
            site=found.site,
            texts=found.texts,
            corpus=found.corpus,
            n_latents=options.latents,
            k=options.k,
            activation=options.activation,
            n_tokens=found.n_tokens,
            n_wanted=options.n_steps * options.batch,
            history=found.history,
        )
