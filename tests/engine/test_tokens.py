"""Tokens as people read them."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from unembed.engine.names.tokens import TokenReader, label


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" Tokyo", "␣Tokyo"),
        ("\n\n", "↵↵"),
        ("\t", "⇥"),
        ("\u200b", "⟨U+200B⟩"),
        ("\u202e", "⟨U+202E⟩"),
        ("\u00a0", "⟨U+00A0⟩"),
        ("\x00", "⟨U+0000⟩"),
        ("", "⟨empty⟩"),
        ("שלום", "שלום"),
        ("🙂", "🙂"),
    ],
)
def test_white_space_and_invisible_characters_are_shown(text, shown):
    assert label(text) == shown


def byte_level(pieces):
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def test_a_lone_byte_is_shown_as_a_byte_and_a_whole_character_as_itself():
    reader = TokenReader(byte_level(["a", "Ġthe", "ðŁ", "Ļ", "ðŁĻĤ", "ĠÃ", "Ċ"]))
    tokens = [reader.token(i) for i in range(7)]
    assert [token.label for token in tokens] == [
        "a",
        "␣the",
        "⟨0xF0⟩⟨0x9F⟩",
        "⟨0x99⟩",
        "🙂",
        "␣⟨0xC3⟩",
        "↵",
    ]
    assert tokens[1].text == " the"
    assert tokens[2].text == "\ufffd"


def test_sentencepiece_spaces_and_fallback_bytes():
    tokenizer = Tokenizer(
        models.BPE({"▁Tokyo": 0, "<0xE2>": 1, "<0x0A>": 2, "x": 3}, [], byte_fallback=True)
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    reader = TokenReader(PreTrainedTokenizerFast(tokenizer_object=tokenizer))
    assert [reader.token(i).label for i in range(4)] == ["␣Tokyo", "⟨0xE2⟩", "↵", "x"]
    assert reader.token(0).text == " Tokyo"


def test_without_a_tokenizer_a_token_is_its_id():
    token = TokenReader(None).token(7)
    assert (token.text, token.label) == ("", "⟨7⟩")


def test_an_id_that_the_tokenizer_lacks_is_its_id():
    assert TokenReader(byte_level(["a"])).token(9).label == "⟨9⟩"
