"""Texts of the tiny tokenizer's own alphabet, and one training that nobody interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

import unembed as ue

SMALL = {
    "latents": 48, "k": 3, "batch": 32, "buffer": 256, "tokens": 1600, "uses": 2, "held_out": 60,
    "checkpoint": 400, "learning_rate": 0.003, "dead_after": 200, "context": 32,
}  # fmt: skip
SITE = "L1.resid_post"


def write_text(path: Path) -> None:
    """Something to learn from."""
    lines = (f"The cat {at} sat on mat {7 * at}. A dog ran {3 * at} banks." for at in range(60))
    path.write_text("\n\n".join(lines))


@pytest.fixture(scope="session")
def text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "some.txt"
    write_text(path)
    return path


@pytest.fixture(scope="session")
def model(model_of) -> ue.Model:
    return model_of("gpt2")


@pytest.fixture(scope="session")
def whole(model, text, tmp_path_factory) -> ue.SaeTraining:
    """For reading only."""
    return ue.train_sae(model, text, SITE, folder=tmp_path_factory.mktemp("whole"), **SMALL)
