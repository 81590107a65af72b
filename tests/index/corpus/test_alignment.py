"""Every token's place in the text and the word it belongs to, for three kinds of tokenizers.

The slow second way: a token stands for the characters that are in its place, and belongs to the
word that has most of them, counted one by one.
"""

from __future__ import annotations

import unicodedata
from importlib.util import find_spec

import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

import unembed as ue
from unembed.index.corpus.pieces import Piece
from unembed.index.corpus.reading import NOWHERE, align, read_sentence
from unembed.index.corpus.tagging import PlainTagger, Sentence, SpacyTagger
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .conftest import PIPELINE

SENTENCES = {
    "plain words": "The girl ran to a local pub to escape the din of her city.",
    "sounds": "Do you know why they call me the Count? Because I love to count! Ah-hah-hah!",
    "contractions": "I can't believe they'd've gone; it's what'll happen, ain't it?",
    "hyphens": "A well-known co-op's e-mail -- state-of-the-art — whatve-you-dont.",
    "quotes": '"I told her not to!", said the spoiled little brother.',
    "accents": "Nai\u0308ve caf\u00e9 r\u00e9sum\u00e9s co\u00f6perate, \u00c5ngstr\u00f6m.",
    "emoji": "Great \U0001f44d\U0001f3fd! \U0001f468\u200d\U0001f469\u200d\U0001f467 and "
    "\U0001f1ef\U0001f1f5 too.",
    "Chinese": "我们在北京学习中文。",
    "Arabic": "الكتابُ على الطاولة.",
    "Thai": "ฉันรักภาษาไทยมาก",
    "spaces": "two  spaces\tand a tab",
    "masked": "The <mask> ran to a <mask>.",
}  # fmt: skip
LANGUAGES = {"Chinese": "zh", "Arabic": "ar", "Thai": "th"}
SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>", "<mask>"]


def byte_level():
    return tiny_tokenizer(400, add_bos=True)


def word_piece():
    """Lower case, without accents; Chinese one character at a time, as BERT's."""
    backend = Tokenizer(models.WordPiece(unk_token="<unk>"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=SPECIALS, show_progress=False, limit_alphabet=1000
    )
    backend.train_from_iterator(SENTENCES.values(), trainer)
    return wrapped(backend, "<bos> $A <eos>")


def sentence_piece():
    """Spaces are part of words; what has no token is spelled in bytes."""
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = ["▁", "▁the", "▁to", "▁co", "n", "'", "t", "e", "a", "-", ".", "▁love",
              "北京", "كتاب", "รัก"]  # fmt: skip
    scores = [(piece, 0.0) for piece in SPECIALS]
    scores += [(piece, -2.0 - 0.1 * order) for order, piece in enumerate(pieces)]
    scores += [(piece, -9.0) for piece in bytes_]
    backend = Tokenizer(models.Unigram(scores, unk_id=3, byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return wrapped(backend, "<bos> $A")


def wrapped(backend, template):
    used = [(name, place) for place, name in enumerate(SPECIALS) if name in template]
    backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=used)
    names = {f"{name[1:-1]}_token": name for name in SPECIALS}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


MAKERS = {"byte-level": byte_level, "word-piece": word_piece, "sentence-piece": sentence_piece}


@pytest.fixture(scope="module", params=MAKERS)
def model(request):
    family = "bert" if request.param == "word-piece" else "llama"
    module = tiny_model(family, vocab_size=400, max_position_embeddings=512)
    return ue.load(module, tokenizer=MAKERS[request.param](), prove=False)


def slowly(text, span, words):
    """The word with most of the characters in a place, the first of equals."""
    chars = {at for at in range(*span) if not text[at].isspace()}
    shared = [len(chars & set(range(*word))) for word in words]
    return shared.index(max(shared)) if shared and max(shared) else -1


@pytest.mark.parametrize("name", SENTENCES)
def test_every_token_has_its_place_and_its_word(model, name):
    text = SENTENCES[name]
    (read,) = read_sentence(model, text, Sentence(0, len(text), ()), 512)
    spans = read.spans
    assert read.ids == model.tokenize(text)
    assert all(0 <= start <= end <= len(text) for start, end in spans if (start, end) != NOWHERE)
    covered = {at for start, end in spans for at in range(max(start, 0), end)}
    lost = {at for at, one in enumerate(text) if not one.isspace()} - covered
    kinds = {unicodedata.category(text[at]) for at in lost}
    assert kinds <= {"Cf", "Mn"}, "all but accents and joiners, which BERT's normalizer takes out"
    PLAIN.submit([Piece("", 0, text, 1.0)], whole=True)
    ((sentence,),) = PLAIN.result()
    words = [(word.start, word.end) for word in sentence.words]
    assert list(align(text, spans, words)) == [slowly(text, span, words) for span in spans]


PLAIN = PlainTagger()


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [  # one token for each character of the first text: which word has it
        ("can't", [(0, 2), (2, 5)], "00111"),
        ("co-op", [(0, 2), (2, 3), (3, 5)], "00122"),
        ("a b", [(0, 1), (2, 3)], "0.1"),
    ],
)
def test_each_character_belongs_to_its_word(text, words, expected):
    spans = [(at, at + 1) for at in range(len(text))]
    found = "".join("." if one < 0 else str(one) for one in align(text, spans, words))
    assert found == expected


def test_a_token_over_two_words_belongs_to_the_one_it_has_more_of():
    assert align("can't", [(0, 3), (0, 5), (3, 5)], [(0, 2), (2, 5)]) == (0, 1, 1)
    assert align("ab cd", [(1, 4)], [(0, 2), (3, 5)]) == (0,)
    assert align("ab", [(0, 2), NOWHERE, (0, 0)], []) == (-1, -1, -1)
    assert align(" a", [(0, 2), NOWHERE, (0, 1)], [(1, 2)]) == (0, -1, -1)


@pytest.fixture(scope="module")
def english():
    tagger = SpacyTagger(PIPELINE)
    yield tagger
    tagger.close()


def tagged(model, tagger, text, longest=400):
    """(token text, the word's form, its part of speech) of every token."""
    tagger.submit([Piece("", 0, text, 1.0)], whole=True)
    ((sentence,),) = tagger.result()
    (read,) = read_sentence(model, text, sentence, longest)
    return [
        ("" if span == NOWHERE else text[slice(*span)], *labels(read, place))
        for span, place in zip(read.spans, read.word_of, strict=True)
    ]


def labels(read, place):
    if place < 0:
        return None, None
    word = read.words[place]
    return read.text[word.start : word.end], word.pos


def test_tags_of_spacy_reach_every_piece_of_a_word(model, english):
    found = tagged(model, english, SENTENCES["sounds"])
    of = {form: {pos for _, one, pos in found if one == form} for form in ("Count", "count", "Ah")}
    assert of == {"Count": {"NOUN"}, "count": {"VERB"}, "Ah": {"INTJ"}}
    assert "".join(text.strip() for text, form, _ in found if form == "count") == "count"


def test_contractions_are_two_words_and_nothing_is_rewritten(model, english):
    found = tagged(model, english, "I can't go.")
    forms = list(dict.fromkeys(form for _, form, _ in found if form))
    assert {"I", "go", "."} <= set(forms) <= {"I", "ca", "n't", "go", "."}
    assert all(text.strip() in "I can't go." for text, _, _ in found)


def test_masks_and_special_tokens_shift_nothing(model, english):
    found = tagged(model, english, SENTENCES["masked"])
    ran = [(form, pos) for text, form, pos in found if text.strip() and text.strip() in "ran"]
    assert ("ran", "VERB") in ran
    assert {form for text, form, _ in found if text.strip() == "."} == {"."}
    ids = model.tokenize(SENTENCES["masked"])
    assert ids.count(4) == 2
    assert [found[at][0] for at, one in enumerate(ids) if one in (1, 2)] == [""] * (
        2 if model.kind == "masked" else 1
    )


@pytest.mark.parametrize("name", LANGUAGES)
def test_other_scripts_are_words_of_their_own_pipelines(name):
    text = SENTENCES[name]
    if name == "Thai" and find_spec("pythainlp") is None:  # spaCy asks for it
        with pytest.raises(ue.errors.InputError, match=r"'blank:th': .*PyThaiNLP") as caught:
            SpacyTagger("blank:th")
        assert caught.value.field == "spacy"
        return
    tagger = SpacyTagger(f"blank:{LANGUAGES[name]}")
    tagger.submit([Piece("", 0, text, 1.0)], whole=True)
    ((sentence,),) = tagger.result()
    tagger.close()
    forms = [text[word.start : word.end] for word in sentence.words]
    assert "".join(forms) == "".join(text.split())
    assert len(forms) > 1


def test_a_long_sentence_is_cut_between_words_and_keeps_its_labels(model, english):
    text = " ".join([SENTENCES["plain words"][:-1]] * 6) + "."
    english.submit([Piece("", 0, text, 1.0)], whole=True)
    ((sentence,),) = english.result()
    parts = list(read_sentence(model, text, sentence, 40))
    assert len(parts) > 1
    assert max(len(part.ids) for part in parts) <= 40
    assert " ".join(part.text.strip() for part in parts) == text
    assert [part.whole for part in parts] == [False] * len(parts)
    forms = [part.text[word.start : word.end] for part in parts for word in part.words]
    assert forms == [text[word.start : word.end] for word in sentence.words]
    girls = [word for part in parts for word in part.words if word.lemma == "girl"]
    assert {word.pos for word in girls} == {"NOUN"}
    heads = [(part, word) for part in parts for word in part.words if word.head >= 0]
    assert all(word.head < len(part.words) for part, word in heads)
