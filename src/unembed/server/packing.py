"""Arrays as safetensors bytes: a header of JSON, then numbers that a browser reads in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from safetensors.torch import save

if TYPE_CHECKING:
    from torch import Tensor

MEDIA_TYPE = "application/vnd.safetensors"


def pack(arrays: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Names -> arrays, and text under `__metadata__`."""
    contiguous = {name: array.detach().cpu().contiguous() for name, array in arrays.items()}
    packed: bytes = save(contiguous, dict(metadata))
    return packed
