"""The self-check tries its edits as rows of one pass, and believes them only where it may."""

from __future__ import annotations

import pytest
import torch

from unembed.engine.checks.selfcheck import check
from unembed.engine.checks.trials import Trials
from unembed.engine.passes.hooks import Instrument
from unembed.models.tiny import tiny_model

from .test_selfcheck import every_key_its_own, from_another_layer, parallel_taken_for_sequential


@pytest.fixture
def passes(monkeypatch):
    """How many rows each pass had."""
    counted = []
    through = Instrument.through

    def count(self, call):
        counted.append(len(self.rows))
        return through(self, call)

    monkeypatch.setattr(Instrument, "through", count)
    return counted


def spoilt(model_of, name, spoil):
    """A module of its own, whose blocks add what `spoil` makes of a batch; and its anatomy."""
    module = tiny_model(name, dtype=torch.float32)
    known = model_of(name, torch.float32)
    for block in known.anatomy.blocks:

        def hook(_module, _args, output):
            states = output[0] if isinstance(output, tuple) else output
            states = spoil(states) if len(states) > 1 else states
            return (states, *output[1:]) if isinstance(output, tuple) else states

        module.get_submodule(block.module).register_forward_hook(hook)
    return module, known.anatomy


@pytest.mark.parametrize(("name", "n_makes"), [("llama", 1), ("gemma3", 1), ("qwen3_moe", 2)])
def test_each_block_is_one_pass(name, n_makes, model_of, passes):
    """And one more for a block of each make, with an edit of each site; three are of one row."""
    model = model_of(name, torch.float32)
    passes.clear()  # of loading it
    assert check(model.module, model.anatomy, model.kind).passed
    assert passes.count(1) == 3
    assert len(passes) == 3 + n_makes + model.anatomy.n_layers


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "gptj", "mixtral", "bert"])
def test_rows_and_passes_of_their_own_find_the_same(name, model_of, monkeypatch):
    model = model_of(name, torch.float32)
    together = check(model.module, model.anatomy, model.kind)
    monkeypatch.setattr(Trials, "_together", lambda self: (self.run, ()))
    alone = check(model.module, model.anatomy, model.kind)
    assert together.passed
    assert alone.passed
    assert together.errors == pytest.approx(alone.errors, abs=together.tolerance / 10)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("llama", from_another_layer("mixer", "maps")),
        ("gptj", parallel_taken_for_sequential),
        ("falcon", every_key_its_own),
    ],
)
def test_mistakes_are_refused_in_the_same_words(name, make, model_of, monkeypatch):
    model = model_of(name, torch.float32)
    wrong = make(model.anatomy)
    together = check(model.module, wrong, model.kind)
    monkeypatch.setattr(Trials, "_together", lambda self: (self.run, ()))
    alone = check(model.module, wrong, model.kind)
    assert not together.passed
    assert (together.fatal, together.reasons) == (alone.fatal, alone.reasons)


def mixed(states):
    """Rows that are not kept apart."""
    return states + 0.1 * states.mean(0)


def refused(states):
    raise RuntimeError("one text at a time")


def rounded(states):
    return states * (1 + 1e-6 * torch.arange(len(states))[:, None, None])


@pytest.mark.parametrize("spoil", [mixed, refused])
def test_a_model_that_does_not_answer_rows_is_proven_in_passes_of_their_own(
    spoil, model_of, passes
):
    module, anatomy = spoilt(model_of, "llama", spoil)
    passes.clear()  # of loading it
    report = check(module, anatomy)
    assert report.passed, (report.fatal, report.reasons)
    assert passes.count(1) > 15
    wrong = from_another_layer("feed_forward", "inputs")(anatomy)
    assert not check(module, wrong).passed


@pytest.mark.parametrize("name", ["gptj", "llama"])
def test_what_rounding_could_have_said_is_asked_again(name, model_of, passes):
    """Each row is off by its own small factor, so nothing is equal to the last bit."""
    module, anatomy = spoilt(model_of, name, rounded)
    report = check(module, anatomy)
    assert report.passed, (report.fatal, report.reasons)
    assert max(passes) > 3, "rows were tried"


def test_a_dead_edit_is_not_taken_for_one_that_is_felt(model_of, monkeypatch):
    """Rows that differ by rounding only, under edits that do nothing: the one row decides."""
    module, anatomy = spoilt(model_of, "llama", rounded)
    monkeypatch.setattr(Instrument, "_edited", lambda self, site_key, value: value)
    report = check(module, anatomy)
    assert "mlp_post" in report.reasons
    assert "does not take" in report.reasons["mlp_post"]
