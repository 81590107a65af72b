"""Every weight of a module, and two summaries of all their bytes: a slow one and a quick one.

`digest_of_weights` tells any two sets of weights apart, wherever they are. `sums_of_weights` is for
one module at two moments: about three times as fast, since it only adds, and blind to nothing but
changes that keep all its sums, by row and by column. Whoever changes weights by accident makes none
such.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from unembed.models.maps import stored

CHUNK = 16 * 1024 * 1024  # numbers that are copied at once, where they lie on a device or apart
WORD = 8  # bytes
COLUMNS, ROWS = 64, 1024  # words that are added at once: 512 kB, which a processor keeps at hand


def digest_of_weights(module: nn.Module) -> str:
    """A hash of name, type, shape and every byte of every weight."""
    whole = hashlib.sha256()
    for name, weight in weights_of(module):
        whole.update(f"{name} {weight.dtype} {list(weight.shape)} ".encode())
        whole.update(_digest_of(weight))
    return whole.hexdigest()


def sums_of_weights(module: nn.Module) -> str:
    """Changes with any write to any weight but one that keeps all sums (the module's docstring)."""
    whole = hashlib.sha256()
    for _, weight in weights_of(module):
        for part in _parts(weight):
            for summed in _sums(part):
                whole.update(summed.cpu().numpy().data)
    return whole.hexdigest()


def _sums(part: Tensor) -> Iterator[Tensor]:
    """Of one weight, as words that wrap around; the rest, which fills no row, as it is."""
    data = part.view(torch.uint8)
    if data.storage_offset() % WORD:
        data = data.clone()
    n_rows = len(data) // (WORD * COLUMNS)
    whole = n_rows * WORD * COLUMNS
    rows = data[:whole].view(torch.int64).view(n_rows, COLUMNS)
    columns = torch.zeros(min(ROWS, n_rows), COLUMNS, dtype=torch.int64, device=part.device)
    for some in torch.split(rows, ROWS):
        columns[: len(some)] += some
        yield some.sum(dim=1)
    yield columns
    yield data[whole:]


def weights_of(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every weight once, by name, also where it lies in a file; of tied ones, the original."""
    tied = set(getattr(module, "all_tied_weights_keys", None) or ())
    seen: set[int] = set()
    for name in sorted(_names(module), key=lambda one: (one in tied, one)):
        owner, _, own = name.rpartition(".")
        holder = module.get_submodule(owner)
        held = getattr(holder, own)
        if id(held) in seen or (name in tied and held.is_meta):
            continue
        seen.add(id(held))
        weight = stored(holder, own)
        if weight is not None:
            yield name, weight.detach()


def _names(module: nn.Module) -> Iterator[str]:
    """Names of all parameters and of the buffers that are saved with them, tied ones too."""
    for prefix, child in module.named_modules(remove_duplicate=False):
        dot = f"{prefix}." if prefix else ""
        passing = child._non_persistent_buffers_set
        for name, value in (*child._parameters.items(), *child._buffers.items()):
            if value is not None and name not in passing:
                yield dot + name


def _digest_of(weight: Tensor) -> bytes:
    """SHA-1, which is three times as fast here as others: no one gains by a forged weight."""
    digest = hashlib.sha1(usedforsecurity=False)
    for part in _parts(weight):
        digest.update(part.cpu().view(torch.uint8).numpy().data)
    return digest.digest()


def _parts(weight: Tensor) -> Iterator[Tensor]:
    """The numbers of a weight in a row: as they lie in memory, or copied some at a time."""
    flat = weight.reshape(-1)
    step = len(flat) if _lies_in_memory(flat) else CHUNK
    for start in range(0, len(flat), max(step, 1)):
        yield flat[start : start + step].contiguous()


def _lies_in_memory(flat: Tensor) -> bool:
    return flat.device.type == "cpu" and flat.is_contiguous()
