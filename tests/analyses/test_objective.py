"""What is explained: its value and gradient against all logits of a slow second model."""

from __future__ import annotations

import math

import pytest
import torch

import unembed as ue
from unembed.analyses.tools.effects import Writes, effects_capture, effects_on
from unembed.engine.targets import SiteKey
from unembed.errors import InputError, TargetError

from ..contract.wiring import REPRESENTATIVES
from .slow import OF_LOGITS, PROMPT

Objective = ue.Objective
LIMIT = {torch.float32: 5e-5, torch.float64: 1e-9}


def by_hand(slow, position, push=None):
    """Logits at a position, with something added to the last residual there."""
    last = f"L{slow.oracle.n_layers - 1}.resid_post"
    if push is None:
        return slow.oracle.run(PROMPT)["logits"][position]

    def added(value):
        rows = list(value.unbind())
        rows[position] = rows[position] + push
        return torch.stack(rows)

    return slow.oracle.run(PROMPT, {last: added}, grad=True)["logits"][position]


def near(found, wanted, dtype, scale=1.0):
    limit = LIMIT[dtype] * max(1.0, float(torch.as_tensor(wanted).abs().max())) * scale
    torch.testing.assert_close(found.double(), wanted.double(), rtol=0, atol=limit)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, torch.float64) for name in REPRESENTATIVES),
        ("gpt2", torch.float32),
        ("bert", torch.float32),
    ],
)
def test_values_and_gradients_are_those_of_all_logits(name, dtype, model_of, slow_of):
    model, slow = model_of(name, dtype), slow_of(name, dtype)
    for position in (-1, 4):
        push = torch.zeros(model.anatomy.d_model, dtype=dtype, requires_grad=True)
        logits = by_hand(slow, position, push)
        for made, slowly in OF_LOGITS.values():
            objective = made.at(position)
            wanted = slowly(logits)
            (slope,) = torch.autograd.grad(wanted, push, retain_graph=True)
            run = model.run(PROMPT, objective.required_capture(model), logits="none")
            found = objective.value(run)
            assert found.shape == ()
            near(found, wanted.detach(), dtype)
            near(objective.gradient(run), slope, dtype, scale=10)
            held = model.run(PROMPT)
            near(objective.value(held), wanted.detach(), dtype)


@pytest.mark.parametrize("name", ["gpt2", "gemma3-capped", "bert", "olmo2"])
def test_gradients_are_what_small_steps_say(name, model_of):
    model = model_of(name, torch.float64)
    last = model.anatomy.n_layers - 1
    torch.manual_seed(0)
    step = (
        torch.randn(model.anatomy.d_model, dtype=torch.float64) * 1e-2
    )  # Gemma's norms are float32
    for objective, _ in OF_LOGITS.values():
        capture = objective.required_capture(model)
        values = [
            objective.value(
                model.run(PROMPT, capture, [ue.add(f"L{last}.resid_post@-1", sign * step)])
            )
            for sign in (1, -1)
        ]
        gradient = objective.gradient(model.run(PROMPT, capture))
        slope = float(values[0] - values[1]) / 2
        assert slope == pytest.approx(float(gradient @ step), rel=5e-3, abs=1e-6)


SITES = {
    "L1.N7": ("L1.mlp_post", lambda x, w: x[7]),
    "L1.z9": ("L1.z", lambda x, w: x.flatten()[9]),
    "L1.N7.mlp_pre": ("L1.mlp_pre", lambda x, w: x[7]),
}


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_activations_and_directions_are_those_of_the_site(name, model_of, slow_of):
    model, slow = model_of(name, torch.float64), slow_of(name, torch.float64)
    sites = slow.oracle.run(PROMPT)
    dense = slow.oracle.dense_layers
    for node, (site, slowly) in SITES.items():
        if site not in sites or (".N" in node and 1 not in dense):
            continue
        objective = Objective.activation(node, position=4)
        run = model.run(PROMPT, objective.required_capture(model), logits="none")
        near(objective.value(run), slowly(sites[site][4], None), torch.float64)
        assert objective.gradient(run) == 1
    pair = Objective.activation("L1.H1@6<2")
    run = model.run(PROMPT, pair.required_capture(model), logits="none")
    near(pair.value(run), sites["L1.pattern"][1, 6, 2], torch.float64, scale=1e4)
    for site in ("L1.resid_post", "L1.H1", "L0.attn"):
        place = {"L1.H1": "L1.z", "L0.attn": "L0.attn_out"}.get(site, site)
        state = sites[place][3] if site != "L1.H1" else sites[place][3, 1]
        vector = torch.linspace(-1, 1, len(state), dtype=torch.float64)
        objective = Objective.direction(f"{site}@3", vector)
        run = model.run(PROMPT, objective.required_capture(model), logits="none")
        near(objective.value(run), state @ vector, torch.float64)
        assert torch.equal(objective.gradient(run), vector)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "gemma3-capped"])
def test_effects_on_an_objective_are_its_slope_along_the_write(name, model_of):
    """Norms frozen and no cap; in masked models what it loses without the write."""
    model = model_of(name, torch.float64)
    capture = [*effects_capture(model, 0), "L0.mlp_out", "final_norm"]
    run = model.run(PROMPT, capture)
    write = Writes(run["L0.mlp_out"][4, None], 0, "mlp")
    each = effects_on(run, [write], [Objective.logit(t, position=4) for t in range(128)])[0]
    made = [one.at(4) for one, _ in OF_LOGITS.values()]
    found = effects_on(run, [write], made)[0]
    logits = run.logits[4]
    if name == "bert":
        slowly = [float(how(logits) - how(logits - each)) for _, how in OF_LOGITS.values()]
    else:
        slopes = [slope(how, logits) for _, how in OF_LOGITS.values()]
        slowly = [float(one @ each) for one in slopes]
    assert found.tolist() == pytest.approx(slowly, rel=1e-6, abs=1e-9)


def slope(how, logits):
    given = logits.clone().requires_grad_()
    return torch.autograd.grad(how(given), given)[0]


def test_writes_together_have_the_effect_of_their_sum(model_of):
    for name in ("gpt2", "bert"):
        model = model_of(name, torch.float64)
        run = model.run(PROMPT, [*effects_capture(model, 0), "attn_out"])
        rows = run["L2.attn_out"][4]
        parts = [Writes(rows[None] * share, 2, "attn") for share in (0.25, 0.75)]
        objective = Objective.log_prob(72, position=4)
        together = effects_on(run, parts, [objective], joint=True)
        whole = effects_on(run, [Writes(rows[None], 2, "attn")], [objective])
        assert float(together) == pytest.approx(float(whole), rel=1e-9)


def test_gradients_reach_what_was_captured(model_of):
    model = model_of("gpt2", torch.float64)
    objective = Objective.logit_diff(72, 9)
    key, capture = SiteKey("z", 0), [*objective.required_capture(model), "L0.H1"]
    run = model.run(PROMPT, capture, grad=True)
    (found,) = torch.autograd.grad(objective.value(run), run.activations[key])
    held = model.run(PROMPT, ["L0.H1"], grad=True)
    wanted = torch.autograd.grad(held.logits[-1, 72] - held.logits[-1, 9], held.activations[key])
    torch.testing.assert_close(found, wanted[0])


def test_an_edit_of_what_the_unembedding_reads_counts(model_of):
    model = model_of("gpt2", torch.float64)
    objective = Objective.logit(72)
    run = model.run(
        PROMPT, objective.required_capture(model), [ue.scale("final_norm", 2.0)], logits="none"
    )
    wanted = model.run(PROMPT, edits=[ue.scale("final_norm", 2.0)]).logits[-1, 72]
    assert float(objective.value(run)) == pytest.approx(float(wanted))


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (Objective.logit(" Tokyo"), "logit of ' Tokyo'"),
        (Objective.logit_diff("a", ["b", 7]), "logit of 'a' less that of 'b', token 7"),
        (Objective.log_prob("a", position=3), "log probability of 'a' at position 3"),
        (Objective.logit_minus_mean("a"), "logit of 'a' less the mean of all"),
        (
            Objective.activation("L12D512@4"),
            "activation of feed-forward neuron 512 of layer 12 at position 4",
        ),
        (
            Objective.direction("L3.resid_post", torch.ones(2)),
            "a direction of the residual stream after feed-forward, layer 3",
        ),
    ],
)
def test_it_says_what_it_is(objective, words):
    assert objective.words == words


def test_what_makes_no_sense_is_refused(model_of):
    model = model_of("gpt2", torch.float64)
    run = model.run(PROMPT, ["L2.resid_post", "final_norm", "L1.resid_post"])
    refused = [
        (lambda: Objective.logit([]), InputError),
        (lambda: Objective.activation("L1.H2"), TargetError),
        (lambda: Objective.activation("L1.resid_post"), TargetError),
        (lambda: Objective.direction("L1.resid_post", torch.ones(2, 2)), InputError),
        (lambda: Objective.direction("L1.resid_post", torch.tensor([math.nan])), InputError),
        (lambda: Objective.direction("L1.resid_post", torch.ones(3)).value(run), InputError),
        (lambda: Objective.direction("L9.resid_post", torch.ones(40)).value(run), TargetError),
        (lambda: Objective.direction("L0.resid_post", torch.ones(40)).value(run), TargetError),
        (lambda: Objective.logit(9999).value(run), TargetError),
        (lambda: Objective.logit(72, position=10).value(run), TargetError),
        (lambda: Objective.activation("L1.N2").of_logits(model, run.logits), InputError),
    ]
    for make, error in refused:
        with pytest.raises(error) as caught:
            make()
        assert caught.value.field
