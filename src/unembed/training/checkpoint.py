"""Where training stands, in one file that is whole or as it was before: a kill leaves the last."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from unembed.errors import InputError, LoadError
from unembed.latents.saving import save_tensors
from unembed.training.learner import Learner
from unembed.training.result import Losses, Measured

NAME = "training.safetensors"
FORMAT = 1  # raise it when the same numbers mean something else


def save(
    folder: Path,
    learner: Learner,
    plan: Mapping[str, Any],
    seen: Sequence[Measured],
    begun: Mapping[str, Any],
) -> None:
    """Keep a learner, what was measured, and with what it was begun.

    Raises LoadError where it cannot be written.
    """
    history = [asdict(one) for one in seen]
    about = {"plan": dict(plan), "history": history, "begun": dict(begun)}
    save_tensors(learner.state(), folder / NAME, {"about": json.dumps(about)})


def saved(folder: Path, plan: Mapping[str, Any]) -> tuple[dict[str, Tensor], list[Measured]] | None:
    """What is kept in a folder; None where nothing is.

    Raises:
        InputError: it is of other options, texts, or another model.
        LoadError: it cannot be read.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            names = file.keys()  # an open file is no dict: it cannot be gone through
            tensors = {name: file.get_tensor(name) for name in names}
        history = [measured(one) for one in about["history"]]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise LoadError(
            f"{NAME} in {folder} cannot be read: {str(error).splitlines()[0]}",
            field="folder",
            value=str(folder),
            fix="begin anew with restart=True (--restart)",
        ) from error
    check_same(folder, about["plan"], plan)
    return tensors, history


def check_same(folder: Path, there: Any, plan: Mapping[str, Any]) -> None:
    """Raise InputError where what is in the folder is of another training."""
    wanted = json.loads(json.dumps(plan))
    if there == wanted:
        return
    there = there if isinstance(there, dict) else {}
    differs = [name for name in wanted if there.get(name) != wanted[name]]
    told = "; ".join(f"{one} {there.get(one)!r}, asked for {wanted[one]!r}" for one in differs)
    raise InputError(
        f"{folder} has an autoencoder of another training already: {told or 'of other options'}",
        field="folder",
        value=str(folder),
        fix="choose another folder; restart=True (--restart) replaces it",
    )


def measured(data: Mapping[str, Any]) -> Measured:
    """Read back from JSON; raises KeyError or TypeError."""
    losses = data["losses"]
    return Measured(**{**data, "losses": None if losses is None else Losses(**losses)})
