"""Files of every layout give the latents and the reconstruction that its formulas say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description

from .written import LAYOUTS, random_parts


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.name)
def test_latents_and_reconstruction_are_those_of_the_formulas(layout, tmp_path):
    parts = random_parts(layout)
    sae = ue.load_sae(layout.write(parts).save(tmp_path), layout.place)
    says = sae.description
    assert (says.d_in, says.n, says.where) == (parts.d, parts.n, layout.where)
    x = torch.randn(7, parts.d)
    values = sae.encode(x)
    torch.testing.assert_close(values, layout.values(parts, x), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(sae.decode(values, x), layout.y(parts, x), atol=1e-6, rtol=1e-5)
    assert 0 < int((values != 0).sum()) < values.numel()


def test_what_few_latents_write_is_what_all_of_them_do():
    draw = torch.Generator().manual_seed(0)
    rows, x = torch.randn(30, 6, generator=draw), torch.randn(2, 6, generator=draw)
    says = Description("made up", "sae", "relu", 6, 6, 30, scale_out=2.0)
    sae = Autoencoder(says, Weights(rows.T, rows, torch.zeros(30), torch.zeros(6)))
    values = torch.zeros(2, 30)
    values[0, 3], values[1, 7], values[1, 29] = 2.0, -1.0, 0.5
    written = torch.stack([rows[3], -rows[7] / 2 + rows[29] / 4])
    torch.testing.assert_close(sae.written(values, x), written)
    leaf = values.clone().requires_grad_()
    (grad,) = torch.autograd.grad(sae.written(leaf, x).sum(), leaf)
    torch.testing.assert_close(grad, (rows.sum(-1) / 2).expand(2, 30))
    torch.testing.assert_close(sae.written(torch.zeros(2, 30), x), torch.zeros(2, 6))
    assert sae.like(x) is sae
    mixed = replace(sae, weights=replace(sae.weights, b_dec=torch.zeros(6, dtype=torch.float64)))
    assert {one.dtype for one in mixed.like(x).weights.named().values()} == {torch.float32}
