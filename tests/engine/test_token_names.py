"""Every token of every vocabulary can be named, and its text names it."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import unembed as ue
from unembed.engine.names.tokens import TokenReader
from unembed.models.tiny import tiny_model, tiny_tokenizer

WORDS = ("T", "o", "k", "y", "To", "kyo", "Tokyo", "a", "é", "日", "the", "ing", ".")
SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>", "<mask>")


def byte_level():
    return tiny_tokenizer(400)


def word_piece():
    pieces = [*SPECIAL, *WORDS, *(f"##{word}" for word in WORDS), "[X]"]
    backend = Tokenizer(
        models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")


def pieces_of_sentences(spare_bytes: bool):
    """▁Tokyo beside Tokyo, ▁ alone, runs of ▁, and 256 bytes, of which some are spare."""
    words = [*WORDS, *(f"▁{word}" for word in WORDS), "▁", "▁▁", "▁▁▁", "▁T", "▁To"]
    words += ["A", "\t"] if spare_bytes else []
    found = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    return list(dict.fromkeys(found))


def sentence_piece(prefix: str, spare_bytes: bool = True):
    pieces = pieces_of_sentences(spare_bytes)
    merges = [("T", "o"), ("k", "y"), ("▁", "T"), ("▁T", "o"), ("▁", "▁")]
    merges = [(a, b) for a, b in merges if a + b in pieces]
    backend = Tokenizer(
        models.BPE(
            {piece: i for i, piece in enumerate(pieces)}, merges, unk_token="<unk>",
            byte_fallback=True, fuse_unk=True,
        )
    )  # fmt: skip
    backend.normalizer = normalizers.Sequence(
        [*([normalizers.Prepend("▁")] if prefix else []), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")


def unigram():
    pieces = [(piece, -float(i)) for i, piece in enumerate(pieces_of_sentences(True))]
    backend = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    backend.decoder = decoders.Metaspace(prepend_scheme="always")
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")


TOKENIZERS = {
    "byte-level": byte_level,
    "word-piece": word_piece,
    "sentence-piece with a dummy prefix": lambda: sentence_piece("▁"),
    "sentence-piece without": lambda: sentence_piece(""),
    "its bytes are its letters": lambda: sentence_piece("▁", spare_bytes=False),
    "unigram": unigram,
}


def assert_nameable(tokenizer, token_ids):
    """By its text; where that is part of a character, by its name in the vocabulary."""
    reader = TokenReader(tokenizer)
    for token_id in token_ids:
        token, name = reader.token(token_id), tokenizer.convert_ids_to_tokens(token_id)
        if name is None:
            continue
        if "\ufffd" in token.text:
            assert reader.named(name) == token_id, (token, name)
        else:
            assert reader.named(token.text) == token_id, (token, name)


@pytest.mark.parametrize("make", TOKENIZERS.values(), ids=TOKENIZERS)
def test_every_token_is_named_by_its_text(make):
    tokenizer = make()
    assert_nameable(tokenizer, range(len(tokenizer)))


def test_tokens_of_the_demo_model_are_named_by_their_text():
    """Special tokens, bytes and runs of spaces and breaks are the first; of words every seventh."""
    from unembed.models import demo
    from unembed.settings import Settings

    folder = demo.folder(Settings.from_environment())
    if not folder.is_dir():
        pytest.skip("the demo model was not converted yet")
    tokenizer = demo.tokenizer(folder)
    assert_nameable(tokenizer, [*range(1000), *range(1000, len(tokenizer), 7)])


@pytest.mark.parametrize("make", [lambda: sentence_piece("▁"), unigram])
def test_with_and_without_the_space_are_two_tokens(make):
    model = ue.load(tiny_model("llama", vocab_size=400), make())
    ours, theirs = model.token_id(" Tokyo"), model.token_id("Tokyo")
    assert model.tokenizer.convert_ids_to_tokens([ours, theirs]) == ["▁Tokyo", "Tokyo"]
    assert model.token_id("▁Tokyo") == ours
    assert model.token(ours).text == " Tokyo"
    run = model.run([ours, theirs])
    assert model.token_id(run.top(1)[0].token.text) == run.top(1)[0].token.id


def test_a_loose_byte_is_named_by_its_label():
    for tokenizer in (sentence_piece("▁"), byte_level()):
        reader = TokenReader(tokenizer)
        labels = {reader.token(i).label: i for i in range(len(tokenizer))}
        assert reader.named("⟨0xE2⟩") == labels["⟨0xE2⟩"]
        assert reader.named("⟨0x41⟩") is None  # it is whole: A


def test_a_text_that_no_token_has_is_read_by_the_tokenizer():
    model = ue.load(tiny_model("bert", vocab_size=400), word_piece())
    assert model.token_id(" Tokyo") == model.token_id("Tokyo")
    with pytest.raises(ue.errors.TargetError, match="not one token"):
        model.token_id("Tokyo the")
