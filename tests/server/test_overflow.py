"""Numbers that leave the range of their type are blamed on what made them: an edit, or the type."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .asgi import post

HUGE = {"target": "L1.mlp_out", "operation": "scale", "value": 1e30}
BODIES = {
    "/api/predictions": {},
    "/api/lens": {},
    "/api/component": {"target": "L1.mlp"},
    "/api/flow": {"layers": [1]},
}


@pytest.fixture
def narrow():
    """A model whose own numbers overflow; its weights grew after loading, which refuses such."""
    model = ue.load(tiny_model("llama").half(), tiny_tokenizer())
    with torch.no_grad():
        model.module.model.layers[1].mlp.down_proj.weight.mul_(3e4)
    return model


@pytest.mark.parametrize("path", BODIES)
def test_where_nothing_was_edited_the_type_is_to_blame(path, make_app, narrow):
    answer = post(make_app(served=narrow), path, {"prompt": "The cat sat", **BODIES[path]})
    assert answer.status != 200
    assert answer.error["field"] == "dtype", answer.error
    assert "edits" not in answer.error["message"]
    assert "float32" in str(answer.error)


@pytest.mark.parametrize("path", ["/api/predictions", "/api/lens"])
def test_where_an_edit_did_it_the_edit_is_to_blame(path, app):
    answer = post(app, path, {"prompt": "The cat", "edits": [{**HUGE, "value": 1e38}]})
    if answer.status != 200:
        assert answer.error["field"] == "edits"
