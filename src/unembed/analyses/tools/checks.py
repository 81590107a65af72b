"""Checks of arguments that several analyses take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unembed.errors import InputError

if TYPE_CHECKING:
    from unembed.engine.model import Model


def checked_layers(model: Model, layers: Sequence[int]) -> list[int]:
    """Layers of the model, ascending, each once. Raises InputError."""
    legal = f"0 to {model.anatomy.n_layers - 1}"
    if isinstance(layers, str | int):
        raise InputError(
            f"layers is {layers!r}; it must be a list of numbers, as in [10, 14]",
            field="layers",
            value=layers,
            legal=legal,
        )
    wrong = [layer for layer in layers if not _is_layer(layer, model.anatomy.n_layers)]
    if wrong or not layers:
        said = f"layer {wrong[0]!r} is not in this model" if wrong else "layers is empty"
        raise InputError(
            f"{said}: {model.name} has layers 0-{model.anatomy.n_layers - 1}",
            field="layers",
            value=wrong[0] if wrong else (),
            legal=legal,
        )
    return sorted(set(layers))


def _is_layer(layer: object, n_layers: int) -> bool:
    return isinstance(layer, int) and not isinstance(layer, bool) and 0 <= layer < n_layers
