"""Files of every layout give the latents and the reconstruction that its formulas say."""

from __future__ import annotations

import pytest
import torch

import unembed as ue

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
