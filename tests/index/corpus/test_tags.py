"""The tag of every token is its word's, in every script and with three kinds of tokenizers.

The slow second way: words are written down as pairs of a form and a tag, each character of a text
is given the tag of the form that it is part of, one after the other, and a token has the tag of the
word that most of its characters are of.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing

import pytest

from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.pieces import Piece
from unembed.index.corpus.reading import NOWHERE, read_sentence
from unembed.index.corpus.tagging import SpacyTagger

from .test_alignment import SENTENCES, model  # noqa: F401  (each kind of tokenizer)

# (form, tag) with a space behind where the text has one; "a+b" is written once, and is two words
GOLD = {
    "plain words": "The/D girl/N ran/V to/P a/D local/J pub/N./.",
    "sounds": "Ah/I-/.hah/I-/.hah/I!/.",
    "contractions": "I/R can't/X+T go/V;/. it/R's/X what/W'll/X happen/V,/.",
    "hyphens": "A/D well/A-/.known/J co/N-/.op/N's/X e-mail/N --/. whatve/Z-/.you/R-/.dont/Z./.",
    "accents": "Nai\u0308ve/J caf\u00e9/N r\u00e9sum\u00e9s/N./.",
    "emoji": "Great/J \U0001f44d\U0001f3fd/E!/. \U0001f468\u200d\U0001f469\u200d\U0001f467/E "
    "and/C \U0001f1ef\U0001f1f5/F too/A./.",
    "Chinese": "我们/R在/P北京/N学习/V中文/N。/.",
    "Arabic": "الكتابُ/N على/P الطاولة/D+N ./.",
    "Arabic clitics": "وكتابه/C+N+R جميل/J",
    "Thai": "ฉัน/R รัก/V ภาษา/N ไทย/J มาก/A".replace(" ", ""),
    "Japanese": "猫/Nが/P好き/Jです/X。/.",
    "Devanagari": "मुझे/R हिन्दी/N पसंद/V है/X ।/.",
}  # fmt: skip


def words_of(line):
    """The text, and its words as (form, tags, space behind)."""
    found = []
    for part in line.split(" "):
        held = ""
        forms = []
        at = 0
        while at < len(part):
            if part[at] == "/" and held:
                end = at + 2
                while end < len(part) and part[end] == "+":
                    end += 2
                forms.append((held, part[at + 1 : end].split("+")))
                held, at = "", end
            else:
                held += part[at]
                at += 1
        assert not held, line
        found += [(form, tags, order == len(forms) - 1) for order, (form, tags) in enumerate(forms)]
    return "".join(form + " " * space for form, _, space in found).strip(), found


def conllu(line):
    """A sentence as Universal Dependencies are written."""
    text, words = words_of(line)
    rows, number = [f"# text = {text}"], 1
    for form, tags, space in words:
        gap = "_" if space else "SpaceAfter=No"
        if len(tags) > 1:
            end = number + len(tags) - 1
            rows.append("\t".join([f"{number}-{end}", form, *"_" * 7, gap]))
            gap = "_"
        for tag in tags:
            row = [str(number), form, form.upper(), f"POS{tag}", f"TAG{tag}", "_", "0", f"dep{tag}"]
            rows.append("\t".join([*row, "_", gap]))
            number += 1
    return "\n".join(rows) + "\n"


def tags_by_character(text, words):
    """One entry for each character: the word that it is part of, and that word's tag; or None."""
    found = [None] * len(text)
    at = 0
    for order, (form, tag) in enumerate(words):
        while text[at : at + len(form)] != form:
            assert text[at].isspace()
            at += 1
        for place in range(at, at + len(form)):
            found[place] = order, tag
        at += len(form)
    return found


def expected(text, span, by_character):
    """The tag of most of a token's characters, the first word's of equals; "" of none."""
    own = Counter(by_character[at] for at in range(*span) if not text[at].isspace())
    del own[None]
    if not own:
        return ""
    most = max(own.values())
    return min(word for word, n in own.items() if n == most)[1]


def test_gold_tags_reach_every_piece_of_their_words(model, tmp_path):  # noqa: F811
    """Of a form that is two words, as "can't" is, the first one's."""
    (tmp_path / "gold.conllu").write_text("\n".join(map(conllu, GOLD.values())))
    corpus = index_corpus(model, tmp_path / "gold.conllu", "gold", [0], folder=tmp_path)
    assert corpus.about.n_sentences == len(GOLD)
    for number, (name, line) in enumerate(GOLD.items()):
        text, words = words_of(line)
        assert corpus.text(number) == text
        by_character = tags_by_character(text, [(form, tags[0]) for form, tags, _ in words])
        seen = set()
        for one in corpus.tokens(number):
            said = (one.pos, one.tag, one.dep)
            tag = "" if one.start is None else expected(text, (one.start, one.end), by_character)
            wanted = (f"POS{tag}", f"TAG{tag}", f"dep{tag}") if tag else (None, None, None)
            assert said == wanted, name
            seen.add(tag)
        assert len(seen) > 1, name


ENGLISH = tuple(name for name in SENTENCES if name != "Chinese")
PIPELINES = {"en": ENGLISH, "zh": ("Chinese",)}


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """(words, the sentence as a process tags it) of each text: each word is tagged by its length.

    No pipeline with a real tagger is needed, and every word has a tag that can be known.
    """
    spacy = pytest.importorskip("spacy")
    found = {}
    for language, names in PIPELINES.items():
        nlp = spacy.blank(language)
        ruler = nlp.add_pipe("attribute_ruler")
        for length in range(1, 40):
            pos = ("X", "NOUN")[length % 2]
            ruler.add([[{"LENGTH": length}]], {"TAG": f"OF{length}", "POS": pos})
        folder = tmp_path_factory.mktemp(language)
        nlp.to_disk(folder)
        with closing(SpacyTagger(str(folder))) as tagger:
            tagger.submit([Piece("", 0, SENTENCES[name], 1.0) for name in names], whole=True)
            for name, (sentence,) in zip(names, tagger.result(), strict=True):
                words = [one.text for one in nlp.make_doc(SENTENCES[name]) if not one.is_space]
                found[name] = words, sentence
    return found


@pytest.mark.parametrize("name", SENTENCES)
def test_tags_of_a_pipeline_reach_every_piece_of_their_words(model, name, tagged):  # noqa: F811
    text, (forms, sentence) = SENTENCES[name], tagged[name]
    (read,) = read_sentence(model, text, sentence, 400)
    by_character = tags_by_character(text, [(one, str(len(one))) for one in forms])
    for span, place in zip(read.spans, read.word_of, strict=True):
        length = "" if span == NOWHERE else expected(text, span, by_character)
        word = None if place < 0 else read.words[place]
        assert (word.tag if word else "") == (f"OF{length}" if length else ""), span
        assert word is None or word.pos == ("X", "NOUN")[int(length) % 2]
    assert any(place >= 0 for place in read.word_of)
