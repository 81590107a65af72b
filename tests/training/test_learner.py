"""A step of learning is the one of the formulas, and learning finds what is there to be found."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unembed.engine.targets import SiteKey
from unembed.training.activations import Rows
from unembed.training.learner import Learner
from unembed.training.options import TrainOptions

from . import slow

READS, WRITES = SiteKey("mlp_in", 1), SiteKey("mlp_out", 1)
KINDS = ("topk", "batchtopk", "jumprelu")


def rows(n: int, d_in: int, d_out: int | None, dtype: torch.dtype, seed: int) -> Rows:
    """Made up; of one site x and y are the same."""
    draw = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(n, d_in, generator=draw, dtype=torch.float64).to(dtype) + 1
    if d_out is None:
        return Rows(x, x)
    return Rows(x, torch.randn(n, d_out, generator=draw, dtype=torch.float64).to(dtype) - 2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["fp64", "fp32"])
@pytest.mark.parametrize("transcodes", [False, True], ids=["sae", "skip-transcoder"])
@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_those_of_plain_loops(kind, transcodes, dtype):
    options = TrainOptions(
        latents=7, k=2, activation=kind, skip=transcodes, batch=4, tokens=40, learning_rate=0.02
    )
    d_out = 5 if transcodes else None
    learner = Learner(options, READS, WRITES if transcodes else READS, rows(30, 4, d_out, dtype, 0))
    learner.silent[:3] = options.dead_after
    p = {name: one.double().numpy().copy() for name, one in learner.params.items()}
    adam, facts = slow.Adam(p), learner.facts
    for step in range(4):
        batch = rows(4, 4, d_out, dtype, 1 + step)
        dead = np.flatnonzero(learner.dead.numpy()).tolist()
        assert dead or step
        learner.learn(batch)
        x, y = (one.double().numpy() for one in (batch.x, batch.y))
        g, values = slow.gradients(
            kind, p, x * facts["scale_in"], y * facts["scale_out"], 2, dead, facts["variance"],
            not transcodes,
        )  # fmt: skip
        # ten steps: the rate is at its largest from the first on, and falls in the last two
        adam.step(p, g, 0.02)
        assert [one == 0 for one in learner.silent.tolist()] == (values > 0).any(0).tolist()
    for name, one in learner.params.items():
        if dtype == torch.float64:
            np.testing.assert_allclose(one.numpy(), p[name], atol=1e-10, rtol=1e-9, err_msg=name)
        # in single precision a step is no good measure: it is a gradient over its own size
        moment = learner._moments[name].double().numpy()
        scale = abs(adam.m[name]).max() * (1e-9 if dtype == torch.float64 else 1e-2)
        np.testing.assert_allclose(moment, adam.m[name], atol=scale, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_dictionary_is_found(kind):
    draw = torch.Generator().manual_seed(3)
    n, d, k = 24, 16, 2
    truth = torch.randn(n, d, generator=draw)
    truth = truth / truth.norm(dim=-1, keepdim=True)
    codes = torch.zeros(20_000, n)
    for _ in range(k):
        one = torch.randint(n, (len(codes), 1), generator=draw)
        codes.scatter_(1, one, 1 + torch.rand(len(codes), 1, generator=draw))
    x = 10 * (codes @ truth) + 5
    options = TrainOptions(
        latents=32, k=k, activation=kind, batch=250, tokens=75_000, learning_rate=0.02,
        dead_after=2_000,
    )  # fmt: skip
    learner = Learner(options, READS, READS, Rows(x, x))
    for step in range(options.n_steps):
        order = torch.arange(250) + 250 * (step % 80)
        learner.learn(Rows(x[order], x[order]))
    sae = learner.autoencoder("SAELens")
    found = sae.weights.W_dec
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(32))
    assert float((truth @ found.T).max(-1).values.median()) > 0.97
    values = sae.encode(x)
    left = (x - sae.decode(values, x)).square().sum() / (x - x.mean(0)).square().sum()
    assert float(left) < 0.15
    assert 0.6 * k < float((values > 0).sum() / len(x)) < 1.5 * k


def test_what_comes_out_is_in_the_activations_own_units():
    for reads, writes, d_out in ((READS, READS, None), (READS, WRITES, 5)):
        options = TrainOptions(latents=7, k=2, batch=4, tokens=40, skip=d_out is not None)
        some = rows(30, 4, d_out, torch.float64, 0)
        learner = Learner(options, reads, writes, some)
        for step in range(5):
            learner.learn(rows(4, 4, d_out, torch.float64, step))
        sae, (into, out) = learner.autoencoder("x"), (
            learner.facts[one] for one in ("scale_in", "scale_out")
        )  # fmt: skip
        with torch.no_grad():
            values = learner._active(learner._pre(some.x * into))
            written = learner._written(values, some.x * into) / out
        torch.testing.assert_close(sae.encode(some.x), values / out)
        torch.testing.assert_close(sae.decode(sae.encode(some.x), some.x), written)


def test_a_learner_goes_on_from_its_state_to_the_last_bit():
    options = TrainOptions(latents=7, k=2, activation="batchtopk", batch=4, tokens=40)
    whole = Learner(options, READS, READS, rows(30, 4, None, torch.float32, 0))
    for step in range(6):
        if step == 3:
            half = Learner(options, READS, READS, rows(30, 4, None, torch.float32, 9))
            half.take({name: one.clone() for name, one in whole.state().items()})
        whole.learn(rows(4, 4, None, torch.float32, step))
    for step in range(3, 6):
        half.learn(rows(4, 4, None, torch.float32, step))
    ends = whole.state(), half.state()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
