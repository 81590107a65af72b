"""What was proven of a model before, so that its next start need not prove it again.

A proof is kept in the cache under everything that it depends on: the model's files by size, times
and inode, how they were loaded, the anatomy that it is a proof of, the versions of the packages
that compute, and this package's own source. When any of these is another one, there is no proof.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from unembed.engine.checks.report import Report
from unembed.models.anatomy import Anatomy
from unembed.models.maps import device_of, input_embeddings
from unembed.models.pretrained import Checkpoint

COMPUTING = ("torch", "transformers", "safetensors", "accelerate", "unembed")


class Proof:
    """The place in the cache of the proof of one anatomy of one model."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, tolerance: float) -> Report | None:
        """What was proven; None if nothing was, or it cannot be read."""
        try:
            stated = json.loads(self.path.read_bytes())
            errors = {str(equation): float(error) for equation, error in stated["errors"].items()}
            gated = {int(layer) for layer in stated["gated"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if stated.get("tolerance") != tolerance or not errors:
            return None
        if not all(math.isfinite(error) and error >= 0 for error in errors.values()):
            return None
        return Report(tolerance, errors, gated=gated)

    def keep(self, report: Report) -> None:
        """In one step, and only what was proven in full; a cache that is read-only costs time."""
        if not report.passed:
            return
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(prefix=".draft-", dir=self.path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                stated = {"tolerance": report.tolerance, "errors": report.errors}
                json.dump(stated | {"gated": sorted(report.gated)}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.path)


def proof_of(
    folder: Path, checkpoint: Checkpoint, anatomy: Anatomy, skipped: frozenset[str] = frozenset()
) -> Proof | None:
    """Where the proof of this anatomy is kept; None for a model whose files are not remembered."""
    if checkpoint.kept is None:
        return None
    weight = input_embeddings(checkpoint.module).weight
    depends_on: list[Any] = [
        checkpoint.kept.key,
        checkpoint.kind,
        type(checkpoint.module).__name__,
        str(weight.dtype),
        str(device_of(input_embeddings(checkpoint.module))),
        _kernel(checkpoint.module),
        asdict(anatomy),
        sorted(skipped),
        _versions(),
        _own_source(),
    ]
    text = json.dumps(depends_on, sort_keys=True, default=repr)
    return Proof(folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json")


def _kernel(module: torch.nn.Module) -> str:
    """Which attention it computes with."""
    return str(getattr(module.config, "_attn_implementation", None))


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in COMPUTING:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@cache
def _own_source() -> str:
    """Changes with every edit of what loads, runs and checks models."""
    root = Path(__file__).parents[2]
    stats = [
        (str(path.relative_to(root)), path.stat().st_size, path.stat().st_mtime_ns)
        for part in ("models", "engine")
        for path in sorted((root / part).rglob("*.py"))
    ]
    return hashlib.sha256(json.dumps(stats).encode()).hexdigest()
