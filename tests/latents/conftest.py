"""One tiny model for all, and files of torch read in this process: starting one takes seconds."""

from __future__ import annotations

from functools import cache

import pytest
import torch

import unembed as ue
from unembed.latents import check, files, sample, unpickle
from unembed.models.tiny import tiny_model, tiny_tokenizer


@pytest.fixture(scope="session")
def model():
    return ue.load(tiny_model("gpt2", dtype=torch.float32), tokenizer=tiny_tokenizer())


@pytest.fixture(autouse=True)
def read_here(monkeypatch, request):
    """`test_sources` has the tests that start the process."""
    if "process" not in request.fixturenames:
        monkeypatch.setattr(files, "converted", lambda path, to: unpickle.main(str(path), str(to)))


@pytest.fixture
def process():
    """Asked for by what shall be read in a process of its own, as it is for users."""


@pytest.fixture
def kept_activations(monkeypatch, model):
    """The model's activations on the text, computed once for each list of sites."""
    once = cache(lambda keys: sample.activations(model, keys))
    monkeypatch.setattr(check, "activations", lambda _, keys: once(tuple(keys)))
