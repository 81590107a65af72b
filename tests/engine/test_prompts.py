"""What counts as a prompt, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import processors

import unembed as ue
from unembed.engine.names.prompts import is_one
from unembed.errors import PromptError
from unembed.models.tiny import BOS, EOS, PAD, tiny_model, tiny_tokenizer

TEXT = "the cat sat"
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}"
    "{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{% if not loop.last %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture(scope="module")
def plain():
    return ue.load(tiny_model("gpt2"), tiny_tokenizer())


@pytest.fixture(scope="module")
def with_bos():
    tokenizer = tiny_tokenizer(add_bos=True)
    tokenizer.chat_template = TEMPLATE
    return ue.load(tiny_model("gpt2"), tokenizer)


def around(single: str, family: str = "gpt2"):
    """A model whose tokenizer puts special tokens around a text."""
    tokenizer = tiny_tokenizer()
    special = [("<bos>", BOS), ("<eos>", EOS)]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=special
    )
    return ue.load(tiny_model(family), tokenizer)


# ---------------------------------------------------------------- special tokens, once


def test_a_text_that_starts_with_bos_has_one(with_bos):
    ours, theirs = with_bos.run(f"<bos>{TEXT}"), with_bos.run(TEXT)
    assert ours.ids == theirs.ids
    assert ours.ids.count(BOS) == 1
    assert torch.equal(ours.logits, theirs.logits)
    assert theirs.notes == ()
    (note,) = ours.notes
    assert "starts with <bos>" in note
    assert "not added again" in note


def test_two_that_were_typed_are_two(with_bos):
    read = with_bos.read_prompt(f"<bos><bos>{TEXT}")
    assert read.ids.count(BOS) == 2
    assert any("starts with <bos> twice" in note for note in read.notes)


def test_ids_of_a_text_that_had_it_already_are_two_and_that_is_said(with_bos):
    doubled = with_bos.run(with_bos.tokenizer(f"<bos>{TEXT}"))
    assert doubled.ids.count(BOS) == 2
    (note,) = doubled.notes
    assert "starts with <bos> twice, as it was given" in note
    assert with_bos.run(with_bos.tokenizer(TEXT)).notes == ()


def test_where_none_is_added_the_text_is_as_typed(plain):
    read = plain.read_prompt(f"<bos>{TEXT}")
    assert read.ids == (BOS, *plain.tokenize(TEXT))
    assert read.notes == ()


def test_generation_and_the_lens_have_one_too(with_bos):
    assert with_bos.generate(f"<bos>{TEXT}", 1).prompt_ids == with_bos.tokenize(TEXT)
    doubled, once = (ue.logit_lens(with_bos, text) for text in (f"<bos>{TEXT}", TEXT))
    assert torch.equal(doubled.entropy, once.entropy)


def test_an_end_token_is_not_put_after_a_text_to_continue():
    model = around("<bos> $A <eos>")
    read = model.read_prompt(TEXT)
    assert read.ids == (BOS, *tiny_tokenizer()(TEXT)["input_ids"])
    assert any("<eos>" in note and "left out" in note for note in read.notes)
    typed = model.read_prompt(f"{TEXT}<eos>")
    assert typed.ids == (*read.ids, EOS)
    assert any("the end of a text" in note for note in typed.notes)


def test_a_masked_model_keeps_what_stands_around_a_text():
    model = around("<bos> $A <eos>", "bert")
    inside = tuple(tiny_tokenizer()(TEXT)["input_ids"])
    assert model.read_prompt(TEXT) == type(model.read_prompt(TEXT))((BOS, *inside, EOS))
    typed = model.read_prompt(f"<bos>{TEXT}<eos>")
    assert typed.ids == (BOS, *inside, EOS)
    assert len(typed.notes) == 2


# ---------------------------------------------------------------- messages


def test_messages_are_the_text_of_their_template(with_bos):
    said = [{"role": "user", "content": "hello"}]
    run = with_bos.run(said)
    assert run.ids == with_bos.tokenize("[user] hello[assistant]")
    assert run.ids.count(BOS) == 1
    text = with_bos.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    assert with_bos.run(text).ids == run.ids
    begun = [*said, {"role": "assistant", "content": "I am"}]
    assert with_bos.tokenize(begun) == with_bos.tokenize("[user] hello<eos>[assistant] I am")


@pytest.mark.parametrize("template", [TEMPLATE, TEMPLATE.replace("{{ bos_token }}", "")])
def test_messages_are_the_ids_that_transformers_makes_of_them(template):
    tokenizer = tiny_tokenizer(add_bos=True)
    tokenizer.chat_template = template
    said = [{"role": "user", "content": "hello"}]
    read = ue.load(tiny_model("gpt2"), tokenizer).read_prompt(said)
    theirs = tokenizer.apply_chat_template(said, add_generation_prompt=True)["input_ids"]
    assert read.ids == tuple(theirs)
    assert read.ids.count(BOS) == ("bos_token" in template)
    assert any("puts no <bos> in front" in note for note in read.notes) == (BOS not in read.ids)


def test_messages_that_cannot_be_read_say_why(plain, with_bos):
    with pytest.raises(PromptError, match="no chat template"):
        plain.run([{"role": "user", "content": "hello"}])
    with pytest.raises(PromptError, match="no system"):
        with_bos.run([{"role": "system", "content": "be good"}])


def test_a_batch_of_the_lens_may_hold_messages(with_bos):
    said = [{"role": "user", "content": "hello"}]
    alone = ue.logit_lens(with_bos, said)
    both = ue.logit_lens(with_bos, [said, with_bos.tokenizer(TEXT)])
    assert torch.equal(both[0].entropy, alone.entropy)
    assert both[1].prompt_ids == with_bos.tokenize(TEXT)


# ---------------------------------------------------------------- ids


@pytest.mark.parametrize("tensors", [None, "pt", "np"])
def test_what_a_tokenizer_returns_is_a_prompt(plain, tensors):
    encoded = plain.tokenizer(TEXT, return_tensors=tensors)
    expected = plain.run(TEXT)
    for given in (encoded, dict(encoded), {"input_ids": encoded["input_ids"]}):
        assert plain.run(given).ids == expected.ids
    assert plain.run(encoded["input_ids"]).ids == expected.ids
    assert plain.run(plain.tokenizer(TEXT)[0]).ids == expected.ids


@pytest.mark.parametrize(
    "given",
    [
        np.array([[5, 6, 7]]), np.array([5, 6, 7]), np.array([5, 6, 7], dtype=np.uint8),
        torch.tensor([[5, 6, 7]]), {"input_ids": [[5, 6, 7]]}, (5, 6, 7), range(5, 8),
        iter([5, 6, 7]),
    ],
)  # fmt: skip
def test_ids_come_in_many_types(plain, given):
    assert plain.tokenize(given) == (5, 6, 7)


@pytest.mark.parametrize(
    "given",
    [
        None, 5, 1.5, True, object(), b"the cat", np.array([1.5]), np.array(5),
        np.zeros((2, 2), int),
        torch.tensor(5), torch.zeros(2, 2, dtype=torch.long), ["the", "cat"], [[5], [6]], [[5, 6]],
        [5, "a"],
        {}, {"ids": [5]}, {"input_ids": None}, {"input_ids": "the"}, [None], [{"content": "x"}], [],
        "", {"input_ids": []}, np.array([True, False]),
        {"input_ids": [5, 6], "attention_mask": [1]},
    ],
)  # fmt: skip
def test_what_is_no_prompt_is_refused_in_our_words(plain, given):
    with pytest.raises(PromptError):
        plain.run(given)


def test_pads_with_their_mask_are_left_out():
    tokenizer = tiny_tokenizer()
    model = ue.load(tiny_model("gpt2"), tokenizer)
    expected = model.run(TEXT)
    for side in ("left", "right"):
        tokenizer.padding_side = side
        padded = tokenizer(TEXT, padding="max_length", max_length=20, return_tensors="pt")
        assert padded["input_ids"].shape == (1, 20)
        run = model.run(padded)
        assert run.ids == expected.ids
        assert torch.equal(run.logits, expected.logits)
        with pytest.raises(PromptError, match="padding and no text") as caught:
            model.run(padded["input_ids"])
        assert "attention_mask" in caught.value.fix
        with pytest.raises(PromptError, match="padding and no text"):
            model.run({"input_ids": padded["input_ids"]})


def test_a_mask_with_holes_is_refused(plain):
    with pytest.raises(PromptError, match="one stretch"):
        plain.run({"input_ids": [5, 6, 7], "attention_mask": [1, 0, 1]})
    with pytest.raises(PromptError, match="empty"):
        plain.run({"input_ids": [5, 6, 7], "attention_mask": [0, 0, 0]})


def test_padding_with_the_end_of_text_is_no_padding(plain):
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = "<eos>"
    assert ue.load(plain.module, tokenizer).tokenize([EOS, 6, 7]) == (EOS, 6, 7)
    assert plain.tokenize([5, PAD, 7]) == (5, PAD, 7)  # in the middle it stands for itself


def test_a_padded_batch_of_a_partial_forward_needs_its_mask(plain):
    batch = plain.tokenizer(["the cat", "the cat sat on"], padding=True, return_tensors="pt")
    found = ue.partial_forward(plain, ["L0.resid_post"], **batch)["L0.resid_post"]
    assert len(found) == 2
    with pytest.raises(PromptError, match="padding and no text"):
        ue.partial_forward(plain, ["L0.resid_post"], batch["input_ids"])


@pytest.mark.parametrize(
    ("prompts", "one"),
    [
        ("the cat", True),
        ([1, 2], True),
        (torch.tensor([1, 2]), True),
        (torch.tensor([[1, 2]]), True),
        (torch.tensor([[1, 2], [3, 4]]), False),
        ([torch.tensor([1, 2]), torch.tensor([3])], False),
        ([torch.tensor(1), torch.tensor(2)], True),
        (["the cat", [1, 2]], False),
        ([{"role": "user", "content": "hi"}], True),
        ([{"input_ids": [1]}, {"input_ids": [2]}], False),
        (5, True),
    ],
    ids=str,
)
def test_one_prompt_is_told_from_several(prompts, one):
    assert is_one(prompts) is one
