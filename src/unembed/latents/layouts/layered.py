"""What readers of cross-layer transcoders share: one set of layers, and places in each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Weights
from unembed.latents.cross_layer import CrossLayerTranscoder, LayeredAutoencoder
from unembed.latents.crosscoder import Crosscoder
from unembed.latents.description import Activation, Description, Kind
from unembed.latents.files import Files
from unembed.latents.layouts.common import Asked, made, relu_or

Ends = tuple[SiteKey | None, SiteKey | None]
"""What a layer reads, and its own site that it writes."""


def of_layers(files: Files, pattern: re.Pattern[str]) -> int:
    """How many layers files are numbered for. Raises LoadError unless they are 0, 1, 2, ..."""
    found = sorted(int(one[1]) for name in files.names if (one := pattern.fullmatch(name)))
    missing = [layer for layer in range(found[-1] + 1) if layer not in found]
    if missing:
        raise files.refusal(
            f"its files end with layer {found[-1]}, and those of layers "
            f"{', '.join(map(str, missing[:8]))} are missing",
            fix="the files of all layers",
        )
    return len(found)


def ends_of(asked: Asked, n_layers: int, said: Callable[[int], Ends]) -> list[Ends]:
    """Of each layer its places: as `asked` has them of the first, or as the files say."""
    if asked.reads is None or asked.writes is None:
        return [said(layer) for layer in range(n_layers)]
    found: list[Ends] = []
    for layer in range(n_layers):
        reads, writes = (
            key._replace(layer=(key.layer or 0) + layer) for key in (asked.reads, asked.writes)
        )
        found.append((reads, writes))
    return found


def layered(
    files: Files,
    *,
    layout: str,
    kind: Kind = "clt",
    orders: Sequence[Sequence[int]] | None = None,
    weights: Sequence[Weights],
    ends: Sequence[Ends],
    activation: Activation | None = None,
    k: int | None = None,
    declared_l0: float | None = None,
    model_name: str | None = None,
    notes: tuple[str, ...] = (),
) -> LayeredAutoencoder:
    """A cross-layer transcoder, or a crosscoder, of its layers; all must fit each other.

    `orders`: of each layer to which its latents write, its own first; absent: to all from it on.
    """
    _refuse_mixed(files, weights)
    orders = orders or [range(layer, len(weights)) for layer in range(len(weights))]
    layers = []
    for layer, held in enumerate(weights):
        reads = ends[layer][0]
        later = [ends[to][1] for to in orders[layer]]
        written = tuple(key for key in later if key is not None)
        says = Description(
            layout=layout,
            kind=kind,
            activation=activation or relu_or(held.threshold),
            d_in=held.W_enc.shape[0],
            d_out=len(held.b_dec),
            n=len(held.b_enc),
            reads=reads,
            writes=written[0] if written else None,
            also=written[1:],
            k=k,
            declared_l0=declared_l0,
            model_name=model_name,
            source=files.source,
            notes=notes,
        )
        layers.append(made(files, held, says))
    return (Crosscoder if kind == "crosscoder" else CrossLayerTranscoder)(tuple(layers))


def _refuse_mixed(files: Files, weights: Sequence[Weights]) -> None:
    """Raise LoadError for layers of different widths, or with thresholds in some only."""
    for what, found in (
        ("widths", {(one.W_enc.shape[0], len(one.b_dec)) for one in weights}),
        ("thresholds", {one.threshold is None for one in weights}),
        ("skips", {one.skip is None for one in weights}),
    ):
        if len(found) > 1:
            raise files.refusal(
                f"its layers differ in their {what}: they are not of one transcoder",
                fix="the files of all layers, of one transcoder",
            )
