"""Models whose head gives labels: what it says, and everything but what needs a vocabulary."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

import unembed as ue
from unembed.engine.model import Model
from unembed.errors import CapabilityError
from unembed.models.tiny import is_masked, tiny_model, tiny_tokenizer

from ..cli.conftest import Cli, cli

__all__ = ["cli"]
PROMPT = [5, 9, 13, 22, 40]
NAMES = {0: "bad", 1: "fair", 2: "good"}
FAMILIES = [("bert", "text"), ("bert", "token"), ("llama", "text"), ("gpt2", "token")]


def labelled(family: str, of: str) -> nn.Module:
    """A tiny model with three labels."""
    auto = AutoModelForSequenceClassification if of == "text" else AutoModelForTokenClassification
    config = tiny_model(family).config
    config.id2label, config.label2id = NAMES, {name: order for order, name in NAMES.items()}
    torch.manual_seed(0)
    module: nn.Module = auto.from_config(config)
    for weight in module.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    return module.eval()


@pytest.fixture(params=FAMILIES, ids="-".join, scope="module")
def made(request: Any) -> tuple[nn.Module, Model]:
    module = labelled(*request.param)
    return module, ue.load(module, tiny_tokenizer())


@torch.no_grad()
def scores(module: nn.Module) -> torch.Tensor:
    return module(torch.tensor([PROMPT])).logits[0]


def test_what_its_head_says_is_kept_and_changes_with_an_edit(made):
    module, model = made
    run = model.run(PROMPT)
    assert torch.equal(run.label_scores, scores(module))
    assert run.label_scores.shape == ((3,) if model.labels.of == "text" else (len(PROMPT), 3))
    assert model.labels.names == ("bad", "fair", "good")
    added = module.get_submodule(model.block(1).attention.added.module)
    handle = added.register_forward_hook(
        lambda _, __, output: (
            (output[0] * 0, *output[1:]) if isinstance(output, tuple) else output * 0
        )
    )
    expected = scores(module)
    handle.remove()
    edited = model.run(PROMPT, edits=[ue.zero("L1.attn")])
    torch.testing.assert_close(edited.label_scores, expected, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(expected, run.label_scores)
    assert model.run(PROMPT, ["L1.z"], logits="none").label_scores is None


def test_what_needs_a_vocabulary_is_refused_with_the_reason(made):
    _, model = made
    run = model.run(PROMPT)
    assert run.logits is None
    assert model.vocab_size == 128
    for ask in (
        lambda: run.top(),
        lambda: ue.logit_lens(model, PROMPT),
        lambda: model.generate(PROMPT, 2),
        lambda: model.final_norm(torch.zeros(1, model.anatomy.d_model)),
    ):
        with pytest.raises(CapabilityError, match=r"3 labels \(bad, fair, good\)"):
            ask()
    assert repr(run)
    assert run._repr_html_()


def test_everything_else_works(made):
    _, model = made
    for name in ("heads", "neurons", "pattern", "resid_mid"):
        assert model.capabilities()[name].available, name
    direction = torch.linspace(-1, 1, model.anatomy.d_model)
    toward = ue.Objective.direction("L2.resid_post", direction)
    page = ue.component(model.run(PROMPT, ue.component_capture(model, "L1.H2")), "L1.H2")
    assert page.write_norm > 0
    assert (page.promotes, page.suppresses, page.method) == ((), (), None)
    parts = ue.sub_updates(model.run(PROMPT, ue.sub_updates_capture(model)))
    assert len(parts.layers) == model.anatomy.n_layers
    found = ue.sweep(model, PROMPT, [[ue.zero("L0.H1")], []], objective=toward)
    assert len(found.values) == 2
    stored = ue.partial_forward(model, ["L1.resid_post"], PROMPT)
    assert len(stored) == 1


def test_the_head_counts_in_the_fingerprint():
    module = labelled("bert", "text")
    before = ue.load(module).fingerprint
    module.classifier.weight.data += 1
    assert ue.load(module).fingerprint != before


@pytest.mark.parametrize(("family", "of"), FAMILIES)
def test_a_folder_of_it_is_one(tmp_path, family, of):
    module = labelled(family, of)
    module.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    model = ue.load(tmp_path)
    assert model.kind == ("masked" if is_masked(family) else "causal")
    assert model.labels.of == of
    torch.testing.assert_close(model.run(PROMPT).label_scores, scores(module))


def test_the_command_line_says_why_and_shows_the_rest(cli: Cli, tmp_path):
    labelled("llama", "text").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    for command in (["run"], ["lens"], ["generate"], ["flow", "--layers", "1"]):
        status, _, err = cli(command[0], str(tmp_path), "the cat", *command[1:])
        assert status == 2, command
        assert "one of 3 labels (bad, fair, good)" in " ".join(err.split())
    status, out, err = cli("component", str(tmp_path), "the cat", "--target", "L1.H2", "--json")
    assert status == 0, err
    assert json.loads(out)["target"] == "L1.H2"
    status, out, err = cli("component", str(tmp_path), "the cat", "--target", "L1.N2")
    assert status == 0, err
    status, out, err = cli("doctor", str(tmp_path))
    assert status == 0, err
    assert "labels" in out
