"""One made-up language, a corpus of it, and the labels of its latents, made once."""

from __future__ import annotations

import pytest

import unembed as ue

from . import world

N_CHANCE = 60
TOKENS = 12_000


@pytest.fixture(scope="session")
def metrics():
    """scikit-learn's: a second of imports, which only the process pays that has a use for it."""
    from sklearn import metrics

    return metrics


@pytest.fixture(scope="session")
def planted():
    return world.planted()


@pytest.fixture(scope="session")
def corpus(planted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    model = world.model()
    path = world.write_conllu(world.sentences(), folder / "made-up.conllu")
    corpus = ue.index_corpus(model, path, "made-up", [0], folder=folder, kept="hidden")
    world.attach(model, [*planted, *[None] * N_CHANCE])
    return corpus


@pytest.fixture(scope="session")
def explained(corpus, planted):
    """Of latents with a meaning, and behind them of as many as there are by chance."""
    names = [f"L0.F{order}" for order in range(len(planted) + N_CHANCE)]
    return ue.explain(corpus, names, n_tokens=TOKENS)
