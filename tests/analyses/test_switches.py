"""Neurons switched on and off: by how much, and with which runs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.analyses.sub_updates.sub_updates import sub_updates, sub_updates_capture
from unembed.analyses.sub_updates.switches import presets_capture, turn_off, turn_on
from unembed.analyses.tools.writes import neuron_writes
from unembed.errors import CapabilityError, EditError, TargetError
from unembed.models.tiny import tiny_model

from .slow import PROMPT

N_NEW = 7


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "gptj"])
def test_generation_with_turned_neurons_is_the_same_with_and_without_a_cache(name, model_of):
    model = model_of(name, torch.float64)
    run = model.run(PROMPT, ["mlp_post"])
    edits = [turn_on(run, "L1.N5"), turn_off("L2.N3"), turn_off("L0.H1")]
    with_cache = model.generate(PROMPT, N_NEW, edits).new_ids
    assert with_cache == model.generate(PROMPT, N_NEW, edits, use_cache=False).new_ids


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "granite", "olmo2", "bert"])
def test_turned_on_it_writes_as_much_as_the_strongest_of_its_layer(name, model_of):
    model = model_of(name, torch.float64)
    run = model.run(PROMPT, sub_updates_capture(model))
    strongest = sub_updates(run, k=1, effects=0).layer(1).neurons.shown[0]
    edit = turn_on(run, "L1D7")
    assert edit.target == "L1.N7"
    value = abs(strongest.score) / unit_norm(run, 7)
    assert edit.value == pytest.approx(value, rel=1e-6)
    assert turn_on(run, "L1.N7", -1).value == -edit.value
    on = model.run(PROMPT, ["L1.mlp_post"], [edit])
    assert on["L1.N7"].tolist() == [edit.value] * len(PROMPT)
    if model.post_norm(1, "mlp") is None:
        written = neuron_writes(on, 1, [7])[-1, 0]
        assert float(written.norm()) == pytest.approx(abs(strongest.score), rel=1e-6)


def unit_norm(run, neuron):
    """Norm of what one unit of activation writes at the last position."""
    write = neuron_writes(run, 1, [neuron])[-1, 0]
    return float(write.norm() / run[f"L1.N{neuron}"][-1].abs())


def test_only_neurons_are_switched_on_and_only_by_runs_that_can_tell(model_of):
    with pytest.raises(TargetError, match=r"L1\.mlp_post was not captured"):
        turn_on(model_of("gpt2").run(PROMPT), "L1.N5")
    with pytest.raises(CapabilityError, match="expert"):
        presets_capture(model_of("mixtral"), "L1.N5")


def test_a_neuron_that_cannot_write_is_not_turned_on():
    module = tiny_model("gpt2")
    nn.init.zeros_(module.transformer.h[1].mlp.c_proj.weight[5])
    model = ue.load(module)
    run = model.run(PROMPT, ["mlp_post"])
    with pytest.raises(EditError, match="value vector of zero"):
        turn_on(run, "L1.N5")
    silent = model.run(PROMPT, ["mlp_post"], [ue.zero("L1.mlp_post")])
    with pytest.raises(EditError, match="no neuron of its layer wrote"):
        turn_on(silent, "L1.N6")
