"""Nodes that are attached to the model that is served: edits name them as any other."""

from __future__ import annotations

import torch

import unembed as ue
from unembed.engine.derived import Derived
from unembed.engine.nodes import NodeKind
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .asgi import post

PROMPT = "The cat sat on the mat"
ROW = NodeKind(
    "feature",
    ("L{layer}.F{index}",),
    "feature",
    "features",
    "feature {index} of layer {layer}",
    "L1.F7",
    site="resid_post",
    number="index",
    called="feature",
    derived="the first entries of the stream",
)


def test_an_edit_of_a_request_names_an_attached_node(make_app):
    model = ue.load(tiny_model("gpt2", dtype=torch.float32), tokenizer=tiny_tokenizer())
    eye = torch.eye(model.anatomy.d_model)[:12]
    model.derived["feature"] = Derived(
        ROW, {1: 12}, lambda _, x: x @ eye.T, lambda _, x, at: x @ eye
    )
    app = make_app(served=model)
    logits = model.run(PROMPT, edits=[ue.set_to("L1.F7", 9.0)]).logits
    body = {"prompt": PROMPT, "top_k": 1}
    edit = {"target": "L1.F7", "operation": "set_to", "value": 9.0}
    answer = post(app, "/api/predictions", body | {"edits": [edit]}).json()
    assert answer["edited"]["next_token"]["top"][0]["token"]["id"] == int(logits[-1].argmax())
    answer = post(app, "/api/predictions", body | {"edits": [edit | {"target": "L1.F12"}]})
    error = answer.json()["error"]
    assert (answer.status, error["field"]) == (400, "edits[0].target")
    assert "features 0-11" in error["message"]


def test_a_flow_graph_that_is_asked_for_a_latent_is_refused_in_words(make_app):
    model = ue.load(tiny_model("gpt2", dtype=torch.float32), tokenizer=tiny_tokenizer())
    reads, writes = places("L1.resid_post")
    d = model.anatomy.d_model
    says = Description("made up", "sae", "relu", d, d, d, reads=reads, writes=writes)
    held = Weights(torch.eye(d), torch.eye(d), torch.zeros(d), torch.zeros(d))
    model.attach(ue.Sae(says, held), verify=False)
    app = make_app(served=model)
    body = {"prompt": PROMPT, "target": 'activation("L1.F3")'}
    answer = post(app, "/api/flow", body | {"layers": [1]})
    error = answer.json()["error"]
    assert (answer.status, error["field"]) == (400, "target")
    assert "writes directly to the activation of F3 of layer 1" in error["message"]
    assert "ue.attribute(" in error["fix"]
    assert post(app, "/api/attribute", body).status == 200
