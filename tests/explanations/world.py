"""A language made up of stems and endings, texts in it, and latents that mean one thing each.

Every word is a token. A latent's meaning is a function of a sentence's words alone; its values are
noisy: it misses one place in twenty, and now and then is active where it should not be.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import unembed as ue
from unembed.engine.derived import Derived
from unembed.engine.nodes import LATENT
from unembed.models.tiny import tiny_model

STEMS = (
    *("bak", "dol", "fim", "gat", "hun", "jop", "kel", "lar", "mib", "nod", "pur", "rast", "sev"),
    *("tig", "vom", "wex", "zar", "undal", "undor", "unpik", "remol", "rekas", "retun", "brom"),
    *("clet", "drup", "flan", "grit"),
)
ENDINGS = {"": "NOUN", "s": "NOUN", "ing": "VERB", "ed": "VERB", "ly": "ADV"}
FIXED = {
    "the": "DET",
    "a": "DET",
    "of": "ADP",
    "in": "ADP",
    "and": "CCONJ",
    "ong": "INTJ",
    "soon": "ADV",
}
MARKS = ("(", ")", '"', ".")
SENTENCES = 700


@dataclass(frozen=True)
class Word:
    form: str
    lemma: str
    pos: str


WORDS = [
    *(Word(stem + end, stem, pos) for stem in STEMS for end, pos in ENDINGS.items()),
    *(Word(form, form, pos) for form, pos in FIXED.items()),
    *(Word(mark, mark, "PUNCT") for mark in MARKS),
]
BY_FORM = {word.form: word for word in WORDS}
VOCABULARY = ["<pad>", "<unk>", *BY_FORM]


def sentences(seed: int = 0) -> list[list[str]]:
    """Some common words, many rare ones; a part in brackets here, a quotation there."""
    rng = np.random.default_rng(seed)
    content = [word.form for word in WORDS if word.lemma in STEMS]
    weights = 1 / (5 + np.arange(len(content)))
    order = rng.permutation(len(content))
    found = []
    for _ in range(SENTENCES):
        n = int(rng.integers(12, 28))
        drawn = rng.choice(len(content), n, p=weights / weights.sum())
        words = [content[order[at]] for at in drawn]
        fixed = rng.random(n) < 0.35
        words = [
            str(rng.choice([*FIXED])) if own else w for own, w in zip(fixed, words, strict=False)
        ]
        for opening, closing in ("()", '""'):
            if rng.random() < 0.4:
                start = int(rng.integers(0, len(words) - 4))
                end = start + int(rng.integers(2, 5))
                words = [*words[:start], opening, *words[start:end], closing, *words[end:]]
        found.append([*words, "."])
    return found


def write_conllu(texts: Sequence[Sequence[str]], path: Path) -> Path:
    """The texts as Universal Dependencies, each word with its lemma and part of speech."""
    blocks = []
    for words in texts:
        rows = []
        for number, form in enumerate(words, 1):
            word = BY_FORM[form]
            rows.append(f"{number}\t{form}\t{word.lemma}\t{word.pos}\t_\t_\t0\troot\t_\t_")
        blocks.append("\n".join(rows))
    path.write_text("\n\n".join(blocks) + "\n")
    return path


def tokenizer() -> PreTrainedTokenizerFast:
    """One token for each word."""
    vocab = {word: order for order, word in enumerate(VOCABULARY)}
    backend = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>")


def model(dtype: torch.dtype = torch.float32) -> ue.Model:
    module = tiny_model("gpt2", dtype=dtype, vocab_size=len(VOCABULARY), n_positions=64)
    return ue.load(module, tokenizer=tokenizer())


# ---------------------------------------------------------------- what latents mean

Meaning = Callable[[Sequence[str], int], bool]  # of the words, and a place among them


@dataclass(frozen=True)
class Planted:
    """A latent, and the label that is right for it."""

    kind: str
    values: tuple[str, ...]
    holds: Meaning


def _before(words: Sequence[str], at: int) -> Sequence[str]:
    return words[:at]


def planted() -> list[Planted]:
    """Latents of every family that this language has."""
    return [
        *(_token(one) for one in ("the", "baking", "unpik", "doled", "ong", "brom", "fim")),
        *(_suffix(one) for one in ("ing", "ed", "ly", "s")),
        *(_prefix(one) for one in ("un", "re", "und", "b")),
        *(_lemma(one) for one in ("bak", "dol", "undal", "gat", "remol", "hun")),
        *(_pos(one) for one in ("NOUN", "VERB", "DET", "ADV")),
        *(_position(one) for one in (0, 1, 2, 5, 9)),
        *(_previous(one) for one in ("the", "of", "and", "(", "a")),
        *(_bigram(*one) for one in (("of", "the"), ("in", "a"), ("the", "ong"), ("and", "and"))),
        Planted("repeated", ("tokens that came before",), lambda w, at: w[at] in _before(w, at)),
        Planted("repeated pair", ("pairs that came before",), _repeated_pair),
        Planted("brackets", ("inside brackets",), _in_brackets),
        Planted("quotes", ("inside quotation marks",), _in_quotes),
        Planted("token", ("the", "ong"), lambda w, at: w[at] in ("the", "ong")),
    ]


def _token(form: str) -> Planted:
    return Planted("token", (form,), lambda w, at: w[at] == form)


def _suffix(end: str) -> Planted:
    return Planted("suffix", (f"-{end}",), lambda w, at: w[at].endswith(end) and w[at] != end)


def _prefix(start: str) -> Planted:
    return Planted("prefix", (f"{start}-",), lambda w, at: w[at].startswith(start))


def _lemma(stem: str) -> Planted:
    return Planted("lemma", (stem,), lambda w, at: BY_FORM[w[at]].lemma == stem)


def _pos(pos: str) -> Planted:
    return Planted("pos", (pos,), lambda w, at: BY_FORM[w[at]].pos == pos)


def _position(wanted: int) -> Planted:
    return Planted("position", (str(wanted),), lambda w, at: at == wanted)


def _previous(form: str) -> Planted:
    return Planted("previous", (form,), lambda w, at: at > 0 and w[at - 1] == form)


def _bigram(first: str, second: str) -> Planted:
    return Planted(
        "bigram",
        (f"{second} behind {first}",),
        lambda w, at: at > 0 and (w[at - 1], w[at]) == (first, second),
    )


def _repeated_pair(words: Sequence[str], at: int) -> bool:
    pairs = list(pairwise(words[:at]))
    return at > 0 and (words[at - 1], words[at]) in pairs


def _in_brackets(words: Sequence[str], at: int) -> bool:
    before = _before(words, at)
    return before.count("(") > before.count(")")


def _in_quotes(words: Sequence[str], at: int) -> bool:
    return _before(words, at).count('"') % 2 == 1


# ---------------------------------------------------------------- the latents of a model

MISSED, FALSE = 0.05, 0.0005


def attach(model: ue.Model, latents: Sequence[Planted | None]) -> None:
    """Make them latents of layer 0, read from what goes into it; None is one of chance alone."""
    module = model.module.transformer
    tokens, places = module.wte.weight.detach(), module.wpe.weight.detach()

    def encode(_: int, activation: torch.Tensor) -> torch.Tensor:
        bare = activation - places[: len(activation)].to(activation)
        ids = torch.cdist(bare.float(), tokens.float()).argmin(-1).tolist()
        words = [VOCABULARY[one] for one in ids]
        return torch.tensor(values(words, latents))

    row = replace(LATENT, site="resid_pre", derived="planted")
    model.derived["latent"] = Derived(row, {0: len(latents)}, encode, lambda *_: torch.zeros(1))


def values(words: Sequence[str], latents: Sequence[Planted | None]) -> np.ndarray:
    """[place, latent]: noise that the words decide, and so is the same each time."""
    rng = np.random.default_rng(zlib.crc32(" ".join(words).encode()))
    shape = (len(words), len(latents))
    size, luck = np.abs(1 + 0.2 * rng.standard_normal(shape)), rng.random(shape)
    holds = luck < 0.02
    for n, one in enumerate(latents):
        if one is not None:
            holds[:, n] = [one.holds(words, at) for at in range(len(words))]
    chance = np.array([one is None for one in latents])
    kept = np.where(holds, (luck >= MISSED) | chance, luck < FALSE)
    return np.where(kept, size, 0.0)
