"""Checks of arguments that several analyses take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from unembed.engine.loaded import Loaded
from unembed.errors import InputError, TooLargeError
from unembed.options import Options

Chosen = TypeVar("Chosen", bound=Options)


def chosen(
    options: Chosen, changes: Mapping[str, Any], checks: Mapping[str, Callable[[Any], object]]
) -> Chosen:
    """The options with some of them changed. Raises InputError.

    Args:
        checks: for an option whose range depends on the model, what refuses it with the model's own
            numbers.
    """
    try:
        return options.changed(**changes)
    except InputError as error:
        check = checks.get(error.field or "")
        if check is not None:
            check(changes[str(error.field)])
        raise


@contextmanager
def bounded_by_length(fix: str) -> Iterator[None]:
    """Around an analysis that says itself what is captured: what is too large is its prompt."""
    try:
        yield
    except TooLargeError as error:
        if error.field in ("capture", "logits"):
            error.field, error.fix = "prompt", fix
        raise


def checked_layers(model: Loaded, layers: Sequence[int], *, encoder: bool = False) -> list[int]:
    """Layers of the model, or of its encoder, ascending, each once. Raises InputError."""
    n_layers = model.anatomy.stack(encoder).n_layers
    whose = f"the encoder of {model.name}" if encoder else model.name
    legal = f"0 to {n_layers - 1}"
    if isinstance(layers, str | int):
        raise InputError(
            f"layers is {layers!r}; it must be a list of numbers, as in [10, 14]",
            field="layers",
            value=layers,
            legal=legal,
        )
    wrong = [layer for layer in layers if not _is_layer(layer, n_layers)]
    if wrong or not layers:
        said = f"layer {wrong[0]!r} is not in this model" if wrong else "layers is empty"
        raise InputError(
            f"{said}: {whose} has layers 0-{n_layers - 1}",
            field="layers",
            value=wrong[0] if wrong else (),
            legal=legal,
        )
    return sorted(set(layers))


def checked_top_k(model: Loaded, top_k: int) -> int:
    """How many tokens to list; raises InputError."""
    if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= model.vocab_size:
        raise InputError(
            f"top_k is {top_k}; this model has {model.vocab_size} tokens to list",
            field="top_k",
            value=top_k,
            legal=f"1 to {model.vocab_size}",
        )
    return top_k


def _is_layer(layer: object, n_layers: int) -> bool:
    return isinstance(layer, int) and not isinstance(layer, bool) and 0 <= layer < n_layers
