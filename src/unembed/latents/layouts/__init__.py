"""One module for each layout of files; `LAYOUTS` is all of them, the most particular first.

A layout's `recognises` looks at names and settings alone; its `read` gives an `Autoencoder`, or
a cross-layer transcoder, or raises LoadError for files that contradict themselves.
"""

from __future__ import annotations

from typing import Protocol

from unembed.latents.autoencoder import Autoencoder
from unembed.latents.cross_layer import LayeredAutoencoder
from unembed.latents.files import Files
from unembed.latents.layouts import (
    circuit_tracer,
    cross_layer,
    dictionary_learning,
    gemma_scope,
    gemma_scope_2,
    goodfire,
    llama_scope,
    llamascopium,
    openai,
    qwen_scope,
    saelens,
    sparsify,
)
from unembed.latents.layouts.common import Asked


class Layout(Protocol):
    """What a module of a layout has."""

    NAME: str

    def recognises(self, files: Files, /) -> bool:
        """Whether these may be its files, from names and settings."""

    def read(self, files: Files, asked: Asked, /) -> Autoencoder | LayeredAutoencoder | None:
        """What they hold; None where the tensors are another layout's."""


LAYOUTS: tuple[Layout, ...] = (
    cross_layer,
    saelens,
    llamascopium,
    sparsify,
    gemma_scope,
    gemma_scope_2,
    circuit_tracer,
    llama_scope,
    dictionary_learning,
    qwen_scope,
    openai,
    goodfire,
)
