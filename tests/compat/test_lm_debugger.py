"""LM-Debugger's "on" and "off" against hooks written by hand from what was published."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from itertools import count

import pytest
import torch

import unembed as ue
from unembed.analyses.sub_updates.switches import presets_capture, turn_off
from unembed.analyses.tools.writes import neuron_writes
from unembed.compat.lm_debugger import lm_debugger_off, lm_debugger_on
from unembed.errors import InputError, TargetError
from unembed.models.tiny import is_masked, tiny_model

from ..analyses.slow import PROMPT, TOLERANCE
from ..contract.footprint import footprint
from ..contract.wiring import REPRESENTATIVES, blocks, weight_and_bias, wiring

DTYPES = (torch.float32, torch.float64)
DENSE = [name for name in REPRESENTATIVES if 1 not in wiring(name).moe_layers]
CAUSAL = [name for name in DENSE if not is_masked(name)]
N_NEW = 7
SWITCHES = {"L1.N5": True, "L1.N9": False, "L0.N30": True, "L2.N11": False}


class ByHand:
    """A module, and LM-Debugger's interventions on it by plain forward hooks."""

    def __init__(self, name, dtype):
        self.module = tiny_model(name, dtype=dtype)
        self.w = wiring(name)
        self.blocks = blocks(name, self.module)

    @torch.no_grad()
    def largest_score(self, layer):
        """max_j |m_j| ‖v_j‖ at the last position; m is what goes into the second matrix."""
        seen = []
        out = self.blocks[layer].get_submodule(self.w.mlp_out)
        handle = out.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        self.module(torch.tensor([PROMPT]))
        handle.remove()
        here = seen[self.blocks[:layer].count(self.blocks[layer])]  # layers may share a module
        weight, _ = weight_and_bias(out)
        m = here.reshape(-1, here.shape[-1])[-1]
        return float((m.abs() * weight.norm(dim=1)).max())

    def first_maps(self):
        """(path, which columns are neurons' pre-activations) of every map before the activation."""
        if self.w.gate_up is not None:
            return [(self.w.gate_up, 2)]
        return [(path, 1) for path in self.w.mlp_first]

    @contextmanager
    def switched(self, switches):
        values = {
            node: self.largest_score(layer_of(node)) + 10e-3 if on else 0.0
            for node, on in switches.items()
        }
        with ExitStack() as stack:
            for node, value in values.items():
                block = self.blocks[layer_of(node)]
                turn = self.blocks[: layer_of(node)].count(block), self.blocks.count(block)
                for path, halves in self.first_maps():
                    hook = setter(int(node.partition(".N")[2]), value, halves, turn)
                    module = block.get_submodule(path)
                    stack.callback(module.register_forward_hook(hook).remove)
            yield

    @torch.no_grad()
    def logits(self, switches, ids=PROMPT):
        with self.switched(switches):
            return self.module(torch.tensor([ids])).logits[0]

    @torch.no_grad()
    def generate(self, switches):
        with self.switched(switches):
            return self.module.generate(
                torch.tensor([PROMPT]),
                attention_mask=torch.ones(1, len(PROMPT), dtype=torch.long),
                do_sample=False,
                max_new_tokens=N_NEW,
                eos_token_id=None,
            )[0, len(PROMPT) :].tolist()


def layer_of(node):
    return int(node[1 : node.index(".")])


def setter(neuron, value, halves, turn):
    """A hook that sets a neuron; of a module that n layers share, in the turn of one of them."""
    mine, n_layers = turn
    calls = count()

    def hook(_module, _args, output):
        if next(calls) % n_layers != mine:
            return output
        width = output.shape[-1] // halves
        for half in range(halves):
            output[..., half * width + neuron] = value
        return output

    return hook


def preset(model, switches):
    run = model.run(PROMPT, [site for node in switches for site in presets_capture(model, node)])
    return [
        edit
        for node, on in switches.items()
        for edit in (lm_debugger_on(run, node) if on else lm_debugger_off(node))
    ]


def close(found, wanted):
    tolerance = TOLERANCE[wanted.dtype] * float(wanted.abs().max())
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", DENSE)
def test_lm_debuggers_on_and_off_are_the_published_formula(name, dtype, model_of):
    model, by_hand = model_of(name, dtype), ByHand(name, dtype)
    plain = by_hand.logits({})
    chosen = {
        node: on for node, on in SWITCHES.items() if layer_of(node) not in by_hand.w.moe_layers
    }
    for switches in ({"L1.N5": True}, {"L1.N5": False}, chosen):
        wanted = by_hand.logits(switches)
        close(model.run(PROMPT, edits=preset(model, switches)).logits, wanted)
        assert not torch.equal(wanted, plain)


@pytest.mark.parametrize("name", CAUSAL)
def test_generation_under_the_preset_is_the_published_one_with_and_without_a_cache(name, model_of):
    """The value is measured on the prompt alone and held for every new token."""
    model, by_hand = model_of(name, torch.float64), ByHand(name, torch.float64)
    chosen = {
        node: on for node, on in SWITCHES.items() if layer_of(node) not in by_hand.w.moe_layers
    }
    wanted, edits = by_hand.generate(chosen), preset(model, chosen)
    for use_cache in (True, False):
        made = model.generate(PROMPT, N_NEW, edits, use_cache=use_cache).new_ids
        assert until_end(made) == until_end(wanted)


def until_end(ids):
    ids = list(ids)
    return ids[: ids.index(2) + 1] if 2 in ids else ids


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["gpt2", "opt", "starcoder2", "phi", "bloom"])
def test_off_is_no_activation_and_takes_the_part_away(name, dtype, model_of):
    model = model_of(name, dtype)
    sites = ["L1.mlp_post", "L1.mlp_out"]
    run = model.run(PROMPT, sites)
    off = model.run(PROMPT, sites, lm_debugger_off("L1.N5"))
    assert not off["L1.N5"].any()
    part = neuron_writes(run, 1, [5])[:, 0]
    close(off["L1.mlp_out"] + part, run["L1.mlp_out"])


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3", "phi3", "modernbert"])
def test_on_is_the_activation_function_of_the_largest_score(name, model_of):
    model, by_hand = model_of(name, torch.float64), ByHand(name, torch.float64)
    run = model.run(PROMPT, ["L1.mlp_post"])
    on = model.run(PROMPT, ["L1.mlp_post"], lm_debugger_on(run, "L1.N5"))
    largest = torch.tensor(by_hand.largest_score(1) + 10e-3, dtype=torch.float64)
    act = model.module.get_submodule(model.block(1).mlp.activation)
    wanted = act(largest) * (largest if by_hand.w.gated else 1)
    close(on["L1.N5"], wanted.expand(len(PROMPT)))


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert"])
def test_no_edits_change_nothing_and_edited_runs_leave_nothing_behind(name, model_of):
    model = model_of(name, torch.float32)
    before = footprint(model.module)
    plain = model.run(PROMPT).logits
    edits = preset(model, SWITCHES)
    first = model.run(PROMPT, edits=edits).logits
    assert torch.equal(model.run(PROMPT, edits=[]).logits, plain)
    assert torch.equal(model.run(PROMPT).logits, plain)
    with pytest.raises(TargetError):
        model.run(PROMPT, edits=[*edits, turn_off("L1.N999")])
    assert torch.equal(model.run(PROMPT, edits=edits).logits, first), "depends on earlier runs"
    assert torch.equal(model.run(PROMPT, edits=edits[::-1]).logits, first), "depends on the order"
    assert footprint(model.module) == before


def test_only_neurons_are_switched_and_only_by_runs_that_can_tell(model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, ["mlp_post"])
    for switch in (lm_debugger_off, lambda node: lm_debugger_on(run, node)):
        for node in ("L1.H2", "L1.mlp", "L1.N5@3", "L1.N5.mlp_pre"):
            with pytest.raises(TargetError):
                switch(node)
    with pytest.raises(TargetError, match="neuron 52 is not in this model"):
        lm_debugger_on(run, "L1.N52")
    with pytest.raises(InputError, match="without edits"):
        lm_debugger_on(model.run(PROMPT, ["mlp_post"], [ue.zero("L0.N1")]), "L1.N5")
