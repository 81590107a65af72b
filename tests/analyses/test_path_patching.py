"""Path patching is a plain double-run loop over a second model, held by hand."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.errors import InputError, PromptError

from .slow import PROMPT
from .test_patch_grid import OTHER

WHY = ue.Objective.logit_diff([72, 5], 9)
HOLDING = {"nothing": ("attn_out", "mlp_out"), "mlps": ("attn_out",)}


def value_of(seen):
    logits = seen["logits"][-1].double()
    return float((logits[72] + logits[5]) / 2 - logits[9])


def slow(oracle, sender, receiver, through):
    """Two runs by hand: (layer, head) or (layer, None) for its feed-forward, to a head's z."""
    clean, other = oracle.run(PROMPT), oracle.run(OTHER)
    layer, head = sender
    own = f"L{layer}.{'mlp' if head is None else 'attn'}_out"
    changes = {
        f"L{at}.{out}": lambda value, name=f"L{at}.{out}": clean[name]
        for at in range(3)
        for out in HOLDING[through]
        if f"L{at}.{out}" != own
    }
    if head is None:
        changes[own] = lambda value: other[own]
    else:

        def heads(value):
            value = value.clone()
            flat = value.flatten(1)
            width = flat.shape[1] // 4
            own_part = slice(head * width, (head + 1) * width)
            flat[:, own_part] = other[f"L{layer}.z"].flatten(1)[:, own_part]
            return flat.reshape(value.shape)

        changes[f"L{layer}.z"] = heads
    told = oracle.run(PROMPT, changes)
    to_layer, to_head = receiver

    def put(value):
        flat = value.clone().flatten(1)
        width = flat.shape[1] // 4
        part = slice(to_head * width, (to_head + 1) * width)
        flat[:, part] = told[f"L{to_layer}.z"].flatten(1)[:, part]
        return flat.reshape(value.shape)

    return value_of(oracle.run(PROMPT, {f"L{to_layer}.z": put}))


@pytest.mark.parametrize("through", ["nothing", "mlps"])
@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_a_path_is_two_runs_by_hand(name, through, model_of, slow_of):
    model, oracle = model_of(name, torch.float64), slow_of(name, torch.float64).oracle
    senders = {"L0.H1": (0, 1), "L1.H3": (1, 3), "L0.mlp": (0, None)}
    found = ue.path_patch(model, PROMPT, OTHER, list(senders), ["L2.H1"], WHY, through=through)
    for order, sender in enumerate(senders.values()):
        wanted = slow(oracle, sender, (2, 1), through)
        assert float(found.values[order]) == pytest.approx(wanted, abs=1e-6), sender
    assert found.effects.abs().min() > 1e-6
    assert found.clean == pytest.approx(value_of(oracle.run(PROMPT)), abs=1e-6)
    assert found.columns()["sender"] == list(senders)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gptj"])
def test_all_senders_together_to_the_last_state_are_the_sum_of_writes(name, model_of):
    """To the end of the stream a sender tells what it writes, whatever lies between."""
    model = model_of(name, torch.float64)
    (sender,) = senders = ["L1.mlp"]
    found = ue.path_patch(model, PROMPT, OTHER, senders, ["L2.resid_post"], WHY)
    here, there = (model.run(one, ["mlp_out", "resid_post"]) for one in (PROMPT, OTHER))
    last = here["L2.resid_post"] + there["L1.mlp_out"] - here["L1.mlp_out"]
    wanted = model.run(PROMPT, WHY.required_capture(model), [ue.set_to("L2.resid_post", last)])
    assert float(found.values[0]) == pytest.approx(float(WHY.value(wanted)), abs=1e-9), sender


def test_what_is_no_edge_is_refused(model_of):
    model = model_of("gpt2", torch.float64)

    def asked(senders, receivers, **given):
        return ue.path_patch(model, PROMPT, OTHER, senders, receivers, WHY, **given)

    for senders, receivers, given, field in [
        ([], ["L2.H1"], {}, "senders"),
        (["L0.H1"], [], {}, "receivers"),
        (["L2.H1"], ["L1.H1"], {}, "receivers"),
        (["L2.H1"], ["L2.H1"], {}, "receivers"),
        (["L2.H1"], ["L2.H2.q"], {}, "receivers"),
        (["L2.N3"], ["L2.mlp_in"], {}, "receivers"),
        (["L2.mlp"], ["L2.resid_mid"], {}, "receivers"),
        (["L1.resid_post"], ["L2.H1"], {}, "senders"),
        (["L0.H1"], ["L2.H1"], {"through": "all"}, "through"),
        (["L0.H9"], ["L2.H1"], {}, "senders"),
    ]:
        with pytest.raises((InputError, ue.errors.TargetError)) as caught:
            asked(senders, receivers, **given)
        assert caught.value.field == field
    assert asked(["L1.H1"], ["L1.N3", "L1.resid_mid"]).rows
    assert asked(["L2.mlp"], ["L2.resid_post"]).rows
    beside = model_of("gptj", torch.float64)  # its branches read the same stream
    with pytest.raises(InputError, match="beside it"):
        ue.path_patch(beside, PROMPT, OTHER, ["L1.H1"], ["L1.mlp"], WHY)
    with pytest.raises(PromptError):
        ue.path_patch(model, PROMPT, OTHER[:-1], ["L0.H1"], ["L2.H1"], WHY)
