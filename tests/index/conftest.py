"""Tiny models, an index of each that is asked for, and a slow second way to read vectors."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch

from unembed.analyses.tools.vectors import layers_with_neurons, projected, value_vectors
from unembed.engine.model import Model
from unembed.index.build import build_index
from unembed.index.vector_index import VectorIndex

TOP_K = 12


@pytest.fixture(scope="session")
def index_of(model_of, tmp_path_factory) -> Callable[..., VectorIndex]:
    """An index of a tiny model, built once in a folder of its own; for reading only."""

    @cache
    def build(name: str, projection: str = "raw") -> VectorIndex:
        folder = tmp_path_factory.mktemp("index")
        return build_index(model_of(name), projection=projection, top_k=TOP_K, folder=folder)

    return build


@cache
def dense(model: Model, projection: str = "raw") -> tuple[torch.Tensor, torch.Tensor]:
    """All value vectors [n, d] and all their scores [n, vocab], in float64."""
    vectors = torch.cat([value_vectors(model, layer) for layer in layers_with_neurons(model)])
    rows = projected(model, vectors, projection).double()
    return vectors.double(), rows @ model.unembedding.weight.double().T
