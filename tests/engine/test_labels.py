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
from unembed.errors import CapabilityError, InputError
from unembed.models.tiny import is_masked, tiny_model, tiny_tokenizer

from ..cli.conftest import Cli, cli
from .paired import bert_tokenizer

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


OTHER = [7, 3, 9]


def test_every_row_of_a_sweep_has_the_scores_of_a_run_of_its_own(made):
    _, model = made
    found = ue.sweep(model, [PROMPT, OTHER, PROMPT], [[], [], [ue.zero("L1.H2")]])
    for run, prompt in zip(found, (PROMPT, OTHER, PROMPT), strict=True):
        alone = model.run(prompt, edits=run.edits)
        torch.testing.assert_close(run.label_scores, alone.label_scores, rtol=1e-5, atol=1e-6)
    assert not torch.equal(found[0].label_scores, found[2].label_scores)
    best = [row.top_label for row in found.rows]
    if model.labels.of == "text":
        assert best == [model.labels.names[int(run.label_scores.argmax())] for run in found]
        assert found.columns()["top_label"] == best
    else:
        assert best == [None] * 3
        assert "top_label" not in found.columns()


def test_a_sweep_needs_no_padding_token():
    module = labelled("llama", "text")
    module.config.pad_token_id = None  # with one, transformers looks for the last token before it
    module.model.config.pad_token_id = None
    model = ue.load(module)
    found = ue.sweep(model, [PROMPT, OTHER])
    for run, prompt in zip(found, (PROMPT, OTHER), strict=True):
        with torch.no_grad():
            expected = module(torch.tensor([prompt])).logits[0]
        torch.testing.assert_close(run.label_scores, expected)


def test_label_scores_are_the_heads_own_and_softmax(made):
    module, model = made
    edit = ue.zero("L1.attn")
    found = ue.label_scores(model, PROMPT, edits=[edit], top_k=2)
    expected, after = scores(module), model.run(PROMPT, edits=[edit]).label_scores
    expected, after = (one.reshape(-1, 3).double() for one in (expected, after))
    assert len(found.rows) == len(expected) == (1 if model.labels.of == "text" else len(PROMPT))
    for order, row in enumerate(found.rows):
        assert row.position == (None if model.labels.of == "text" else order)
        assert [one.score for one in row.baseline] == sorted(
            (one.score for one in row.baseline), reverse=True
        )
        assert {one.label for one in row.baseline} >= {
            model.labels.names[int(side[order].argmax())] for side in (expected, after)
        }
        for side, read in ((expected, row.baseline), (after, row.edited)):
            chances = (side[order] - side[order].logsumexp(-1)).exp()
            for one in read:
                index = model.labels.names.index(one.label)
                assert one.score == pytest.approx(float(side[order, index]), rel=1e-5)
                assert one.probability == pytest.approx(float(chances[index]), rel=1e-5)
    again = ue.label_scores(model.run(PROMPT), edits=[edit], top_k=2)
    assert again.to_dict() == found.to_dict()
    assert set(found.columns()) >= {"label", "score", "edited_score"}
    assert "labels of" in repr(found)


def test_a_pair_of_texts_is_labelled_as_transformers_labels_it():
    module, tokenizer = labelled("bert", "text"), bert_tokenizer()
    model = ue.load(module, tokenizer)
    both = tokenizer("the cat", "a dog", return_tensors="pt")
    with torch.no_grad():
        expected = module(both["input_ids"], token_type_ids=both["token_type_ids"]).logits[0]
        apart = module(both["input_ids"]).logits[0]
    assert not torch.allclose(expected, apart)
    run = model.run("the cat", pair="a dog")
    torch.testing.assert_close(run.label_scores, expected)
    edit = ue.zero("L1.H2")
    (row,) = ue.label_scores(run, edits=[edit]).rows
    scores_of = model.run("the cat", pair="a dog", edits=[edit]).label_scores
    for one in row.edited:
        index = model.labels.names.index(one.label)
        assert one.score == pytest.approx(float(scores_of[index]))


@pytest.mark.parametrize(
    ("problem", "n_labels", "link"),
    [
        (None, 3, "softmax"),
        (None, 1, "none"),
        ("regression", 3, "none"),
        ("multi_label_classification", 3, "sigmoid"),
        ("single_label_classification", 3, "softmax"),
    ],
)
def test_probabilities_are_as_the_configuration_says(problem, n_labels, link):
    module = labelled("bert", "text")
    if n_labels == 1:
        module.config.num_labels = 1
        module.classifier = nn.Linear(module.config.hidden_size, 1).eval()
        module.num_labels = 1
    module.config.problem_type = problem
    model = ue.load(module)
    assert model.labels.link == link
    (row,) = ue.label_scores(model, PROMPT).rows
    for one in row.baseline:
        expected = {"sigmoid": float(torch.tensor(one.score).sigmoid()), "none": None}
        if link in expected:
            assert one.probability == (expected[link] and pytest.approx(expected[link], rel=1e-5))
    if link == "softmax":
        assert sum(one.probability for one in row.baseline) == pytest.approx(1)


def test_a_language_model_and_a_run_without_its_head_are_refused(made):
    _, model = made
    with pytest.raises(CapabilityError, match="it predicts tokens"):
        ue.label_scores(ue.load(tiny_model("gpt2")), PROMPT)
    with pytest.raises(InputError, match="did not reach the head"):
        ue.label_scores(model.run(PROMPT, ["L1.z"], logits="none"))
    with pytest.raises(InputError, match="needs a prompt"):
        ue.label_scores(model)
    with pytest.raises(InputError, match="leave prompt out"):
        ue.label_scores(model.run(PROMPT), PROMPT)


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
    for command in (["run"], ["lens"], ["generate"]):
        status, _, err = cli(command[0], str(tmp_path), "the cat", *command[1:])
        assert status == 2, command
        assert "one of 3 labels (bad, fair, good)" in " ".join(err.split())
    status, out, err = cli("component", str(tmp_path), "the cat", "--target", "L1.H2", "--json")
    assert status == 0, err
    assert json.loads(out)["target"] == "L1.H2"
    status, out, err = cli("component", str(tmp_path), "the cat", "--target", "L1.N2")
    assert status == 0, err
    edit = ("--edit", "zero L1.attn")
    status, out, err = cli("labels", str(tmp_path), "the cat", *edit, "--json")
    assert status == 0, err
    found = ue.label_scores(ue.load(tmp_path), "the cat", edits=[ue.zero("L1.attn")])
    assert json.loads(out) == json.loads(found.to_json())
    status, out, err = cli("labels", str(tmp_path), "the cat")
    assert status == 0, err
    assert "good" in out
    status, out, err = cli("doctor", str(tmp_path))
    assert status == 0, err
    assert "labels" in out
