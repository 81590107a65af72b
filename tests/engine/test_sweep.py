"""A sweep is its runs, in order, in fewer passes."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.engine import sweep as module
from unembed.errors import CancelledError, EditError, InputError, TargetError, TooLargeError
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = "the cat is on the"
PROMPTS = [PROMPT, "a", "the cat", "in the on is a the"]
EDITS = [
    ue.zero("L2.H1"), ue.zero("L0.H3"), (), [ue.scale("L1.attn", 2.0), ue.zero("L2.mlp@-1")],
    ue.zero("final_norm@0"), ue.zero("embed@1"), ue.zero("L1.H0.pattern"),
]  # fmt: skip


def fresh(**settings):
    return ue.load(tiny_model("gpt2"), tiny_tokenizer(), settings=ue.Settings(**settings))


def agree(found, expected):
    assert (found.ids, [one.key for one in found.edits]) == (
        expected.ids,
        [one.key for one in expected.edits],
    )
    assert found.activations.keys() == expected.activations.keys()
    for name, value in expected.activations.items():
        torch.testing.assert_close(found.activations[name], value, rtol=1e-5, atol=2e-5)
    if expected.logits is not None:
        torch.testing.assert_close(found.logits, expected.logits, rtol=1e-5, atol=2e-5)


@pytest.fixture
def passes(monkeypatch):
    """(rows, layer entered) of every batch."""
    seen = []
    real = module.run_rows

    def counted(model, requests, *rest):
        start = requests[0].start
        seen.append((len(requests), 0 if start is None else start[0]))
        return real(model, requests, *rest)

    monkeypatch.setattr(module, "run_rows", counted)
    return seen


@pytest.mark.parametrize("capture", [(), ("L2.z",), ("resid_post", "L1.pattern@-1")])
def test_edits_of_one_prompt_are_the_runs_in_order(gpt2, capture):
    found = ue.sweep(gpt2, PROMPT, EDITS, capture=capture)
    assert len(found) == len(EDITS)
    assert found.values is None
    for run, edits in zip(found, EDITS, strict=True):
        edits = [edits] if isinstance(edits, ue.Edit) else edits
        agree(run, gpt2.run(PROMPT, capture, edits, logits="last"))


def test_prompts_of_any_length_are_the_runs_in_order(gpt2):
    for run, prompt in zip(ue.sweep(gpt2, PROMPTS, capture=["L1.z"]), PROMPTS, strict=True):
        agree(run, gpt2.run(prompt, ["L1.z"], logits="last"))


def test_each_prompt_with_its_edit(bert):
    edits = [(), ue.zero("L1.H1"), ue.zero("L0.attn"), ()]
    found = ue.sweep(bert, PROMPTS, edits, logits="all")
    for run, prompt, edit in zip(found, PROMPTS, edits, strict=True):
        agree(run, bert.run(prompt, edits=[edit] if isinstance(edit, ue.Edit) else []))


@pytest.mark.parametrize("objective", [
    ue.Objective.logit_diff(7, 9), ue.Objective.log_prob(7), ue.Objective.activation("L1.N3"),
])  # fmt: skip
def test_an_objective_is_measured_and_what_it_needs_is_not_kept(gpt2, objective):
    found = ue.sweep(gpt2, PROMPT, EDITS[:4], objective=objective, capture=["L0.z"])
    assert found.values.shape == (4,)
    for run, value, edits in zip(found, found.values, EDITS, strict=False):
        edits = [edits] if isinstance(edits, ue.Edit) else edits
        alone = gpt2.run(PROMPT, objective.required_capture(gpt2), edits)
        torch.testing.assert_close(value, objective.value(alone), rtol=1e-5, atol=2e-5)
        assert run.captured == ("L0.z",)
        assert run.logits is None


def test_a_batch_enters_at_the_first_layer_that_an_edit_touches(gpt2, passes, monkeypatch):
    monkeypatch.setattr(module, "USEFUL_TOKENS", 1)
    ue.sweep(gpt2, PROMPT, [ue.zero("L2.H1"), ue.zero("L1.H1"), ue.zero("L2.H0")])
    assert passes == [(1, 1), (2, 2)]


def test_a_capture_before_the_edit_is_computed(gpt2, passes):
    ue.sweep(gpt2, PROMPT, [ue.zero("L2.H1"), ue.zero("L2.H0")], capture=["L1.z", "embed"])
    assert passes == [(2, 0)]


def test_batches_obey_the_budget(passes):
    model = fresh(sweep_bytes=1)
    ue.sweep(model, PROMPTS)
    assert [rows for rows, _ in passes] == [1] * 4


def test_no_logits_of_every_position_are_made(gpt2):
    """[row, 1, vocab] and no more, though the rows end at different positions."""
    shapes = []
    hook = gpt2.module.lm_head.register_forward_hook(lambda *call: shapes.append(call[2].shape))
    ue.sweep(gpt2, PROMPTS)
    hook.remove()
    assert shapes == [(4, 1, gpt2.vocab_size)]


def test_rows_hold_no_more_than_their_own(gpt2):
    run = ue.sweep(gpt2, PROMPT, EDITS, capture=["L1.z"])[0]
    for held in (run.logits, run["L1.z"]):
        assert held.untyped_storage().nbytes() == held.numel() * held.element_size()


def test_everything_is_checked_before_anything_runs(gpt2, passes):
    wrong = [
        ([ue.zero("L0.H1"), ue.zero("L9.H1")], TargetError, "edits[1][0].target"),
        ([ue.zero("L0.H1"), "L0.H1"], EditError, "edits[1][0]"),
        ([ue.zero("L0.H1"), ue.zero("L0.H1@77")], TargetError, "edits[1][0].positions"),
    ]
    for edits, error, field in wrong:
        with pytest.raises(error) as caught:
            ue.sweep(gpt2, PROMPT, edits)
        assert caught.value.field == field
    with pytest.raises(InputError, match="2 rows of edits for 4 prompts"):
        ue.sweep(gpt2, PROMPTS, [(), ()])
    with pytest.raises(InputError, match="nothing to sweep"):
        ue.sweep(gpt2, PROMPT, [])
    with pytest.raises(TooLargeError, match="max_capture_bytes"):
        ue.sweep(fresh(max_capture_bytes=2000), PROMPT, EDITS, capture=["resid_post"])
    assert passes == []


def test_cancel_and_progress():
    model, cancel, seen = fresh(sweep_bytes=1), ue.Cancel(), []

    def progress(stage, done, total):
        seen.append((stage, done, total))
        if done == 2:
            cancel.cancel()

    with pytest.raises(CancelledError):
        ue.sweep(model, PROMPTS, cancel=cancel, progress=progress)
    assert seen == [("sweep", 0, 4), ("sweep", 1, 4), ("sweep", 2, 4)]
    assert model.run(PROMPT).logits.isfinite().all()


def test_notes_about_a_prompt_stay_with_its_row():
    """The text has the token that the tokenizer would put before it: it is not put there again."""
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer(add_bos=True))
    texts = ["<bos>the cat", "the cat"]
    found = ue.sweep(model, texts)
    assert [run.notes for run in found] == [model.run(text).notes for text in texts]
    assert found[0].notes
