"""What a training will take is what it takes: of time and memory, by counting both."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.errors import InputError, TooLargeError
from unembed.training import checks
from unembed.training import estimate as estimating
from unembed.training.activations import Activations, Rows
from unembed.training.learner import Learner

from .conftest import SITE, SMALL

A_STEP = 40.0  # of a made-up clock; a token of a pass is 1


class Clock:
    """Time that passes and steps take, and nothing else."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        each, learn = Activations.each, Learner.learn

        def counted(self_, sequences):
            for number, found in each(self_, sequences):
                self.now += len(found[0])
                yield number, found

        def step(self_, rows):
            self.now += A_STEP
            return learn(self_, rows)

        patch.setattr(Activations, "each", counted)
        patch.setattr(Learner, "learn", step)
        patch.setattr(estimating.time, "perf_counter", lambda: self.now)


@pytest.mark.parametrize("changes", [{}, {"uses": 1, "tokens": 3200}], ids=["used twice", "once"])
def test_seconds_are_those_of_the_passes_and_steps_that_training_makes(
    model, text, tmp_path, monkeypatch, changes
):
    asked = SMALL | changes
    clock = Clock(monkeypatch)
    found = ue.estimate_training(model, text, SITE, **asked)
    before = clock.now
    ue.train_sae(model, text, SITE, folder=tmp_path, **asked)
    assert found.seconds == pytest.approx(clock.now - before, rel=0.35)
    assert found.tokens_per_second == pytest.approx(asked["tokens"] / found.seconds)


def test_memory_is_no_less_than_what_is_held(model, text):
    found = ue.estimate_training(model, text, SITE, **SMALL)
    d, n = model.anatomy.d_model, SMALL["latents"]
    rows = Rows(torch.randn(64, d), torch.randn(64, d))
    options = ue.TrainOptions(**SMALL)
    learner = Learner(options, *checks.ends_of(model, SITE, options), rows)
    held = sum(one.nbytes for one in learner.state().values())  # with what Adam keeps
    gradients = sum(one.nbytes for one in learner.params.values())
    buffer = SMALL["buffer"] * d * 4
    step = 3 * SMALL["batch"] * n * 4  # before and behind the activation, and backwards
    least = held + gradients + buffer + step
    assert least < found.memory < 4 * least
    assert found.disk == 8 * 4 * 2 * n * d
    wide = ue.estimate_training(model, text, "L1.mlp_in>L1.mlp_out", **SMALL)
    assert wide.memory - found.memory == 2 * SMALL["buffer"] * d * 4  # two sites are held


def test_tokens_of_a_corpus_are_those_that_can_be_learnt_from(model, text, tmp_path):
    corpus = ue.index_corpus(model, text, "some", [0], folder=tmp_path)
    found = ue.estimate_training(model, corpus, SITE, **SMALL)
    own = sum(len(ids) - 1 for ids in corpus.token_ids())
    assert found.n_own == pytest.approx(own, rel=0.05)


def test_what_cannot_be_trained_has_no_estimate(model, text, monkeypatch):
    with pytest.raises(InputError, match="k is 49"):
        ue.estimate_training(model, text, SITE, **SMALL | {"k": 49})
    needed = ue.estimate_training(model, text, SITE, **SMALL).memory
    monkeypatch.setattr(checks, "available", lambda: needed // 4)
    with pytest.raises(TooLargeError, match="MiB are left") as error:
        ue.estimate_training(model, text, SITE, **SMALL)
    assert error.value.field in ("latents", "buffer")
    monkeypatch.setattr(checks, "available", lambda: None)  # a system that says nothing
    assert ue.estimate_training(model, text, SITE, **SMALL).memory == needed
