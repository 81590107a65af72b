"""Turns a file of torch's into safetensors, in a process of its own: a pickle is a program.

Run as `python -m unembed.latents.unpickle FROM TO`. torch reads it with `weights_only=True`, which
builds tensors and plain values and refuses everything else. What is no tensor goes into the header,
as JSON under "values"; nested names are joined by dots.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from unembed.errors import LoadError

SECONDS = 600
FAILED = 3


def converted(path: Path, to: Path) -> None:
    """Write the tensors of `path` to `to`. Raises LoadError for what is more than tensors."""
    command = [sys.executable, "-m", "unembed.latents.unpickle", str(path), str(to)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise LoadError(
            f"{path.name} was not read within {SECONDS} seconds", field="source", value=str(path)
        ) from None
    if done.returncode == 0:
        return
    said = done.stdout.strip() or f"the process ended with status {done.returncode}"
    raise LoadError(
        f"{path.name} is not read: {said}",
        field="source",
        value=str(path),
        legal="a file of tensors and plain values, which torch reads with weights_only=True",
        fix="save its state dict as .safetensors",
    )


def flattened(value: Any, name: str = "") -> dict[str, Any]:
    """Tensors, numbers and texts of nested dicts, by their joined names."""
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for key, one in value.items():
            found |= flattened(one, f"{name}.{key}" if name else str(key))
        return found
    return {name: value} if isinstance(value, Tensor | int | float | str | bool) else {}


def main(source: str, to: str) -> int:
    """Convert; what is wrong is printed in a line."""
    try:
        held = flattened(torch.load(source, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever a broken or hostile file leads to
        print(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
        return FAILED
    tensors = {name: one.contiguous() for name, one in held.items() if isinstance(one, Tensor)}
    values = {name: one for name, one in held.items() if not isinstance(one, Tensor)}
    # two names of one memory are two tensors in the file
    tensors = {name: one.clone() for name, one in tensors.items()}
    save_file(tensors, to, metadata={"values": json.dumps(values)})
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
