"""From a word that a person types to the tokens of a vocabulary that are meant. Knows no model.

Matching: "word" takes every token that is the word, whatever its case and the white space before
it; "exact" the tokens whose text is exactly that (white space may be written as it is shown: ␣ ↵
⇥); "part" every token that contains it. A word that no token holds because the tokenizer splits it
is found by "part" through the tokens that it is split into, all of which count.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unembed.errors import InputError

MOST_WORDS, LONGEST_WORD = 32, 100
BETWEEN = b"\0"
Split = Callable[[str], Sequence[str]]
_SHOWN = str.maketrans({"␣": " ", "↵": "\n", "⇥": "\t", "␍": "\r"})


@dataclass(frozen=True, eq=False)
class Term:
    """A word and its tokens: one group of them, or one for each piece of a word that is split."""

    word: str
    groups: tuple[NDArray[np.int64], ...]


def listed(words: str | Sequence[str]) -> tuple[str, ...]:
    """Words as typed: a list, or one text with commas between; raises InputError."""
    parts = [part.strip() for part in words.split(",")] if isinstance(words, str) else list(words)
    found = tuple(dict.fromkeys(part for part in parts if isinstance(part, str) and part != ""))
    if any(not isinstance(part, str) for part in parts):
        raise _refused("words must be text", words, "text")
    if not 1 <= len(found) <= MOST_WORDS:
        raise _refused(
            f"there are {len(found)} words to search for; write 1 to {MOST_WORDS}",
            words,
            f"1 to {MOST_WORDS} words",
        )
    for word in found:
        if len(word) > LONGEST_WORD or _is_broken(word):
            raise _refused(
                f"{word[:20]!r} is no word to search for: it is longer than {LONGEST_WORD} "
                "characters or no valid Unicode",
                word,
                f"at most {LONGEST_WORD} characters",
            )
    return found


def _is_broken(word: str) -> bool:
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _refused(message: str, value: Any, legal: str) -> InputError:
    return InputError(message, field="words", value=value, legal=legal)


def folded(text: str) -> str:
    """A text without case and without white space before it."""
    return unicodedata.normalize("NFC", text).lstrip().casefold()


class Vocabulary:
    """The texts of all tokens, by id. `split` says into which texts the tokenizer cuts a word."""

    def __init__(self, texts: Sequence[str], split: Split) -> None:
        self._texts = texts
        self._split = split
        self._folded = [folded(text) for text in texts]
        # one run of bytes, searched in one step: a look at every text would take its time
        self._joined = BETWEEN.join(fold.encode("utf-8", "surrogatepass") for fold in self._folded)
        lengths = [len(fold.encode("utf-8", "surrogatepass")) + 1 for fold in self._folded]
        self._starts = np.cumsum([0, *lengths[:-1]])
        self._of_text: dict[str, list[int]] = defaultdict(list)
        self._of_folded: dict[str, list[int]] = defaultdict(list)
        for token, (text, fold) in enumerate(zip(texts, self._folded, strict=True)):
            if text:
                self._of_text[text].append(token)
            if fold:
                self._of_folded[fold].append(token)

    def term(self, word: str, match: str = "word") -> Term:
        """The tokens meant by a word; raises InputError where there are none, with what is near."""
        finders = {"word": self._as_word, "exact": self._as_text, "part": self._as_part}
        if match not in finders:
            raise InputError(
                f"match is {match!r}; it must be one of {', '.join(finders)}",
                field="match",
                value=match,
                legal=", ".join(finders),
            )
        if not folded(word) and match != "exact":
            raise _refused(f"{word!r} is no word", word, "at least one letter")
        tokens = finders[match](word)
        if tokens:
            return Term(word, (np.array(tokens, np.int64),))
        pieces = [piece for piece in self._split(word) if folded(piece)]
        if match == "part" and len(pieces) > 1:
            groups = [self._as_word(piece) for piece in pieces]
            return Term(word, tuple(np.array(group, np.int64) for group in groups if group))
        raise self._unknown(word, match, pieces)

    def _as_word(self, word: str) -> list[int]:
        return self._of_folded.get(folded(word).rstrip(), [])

    def _as_text(self, word: str) -> list[int]:
        return sorted(
            {*self._of_text.get(word, []), *self._of_text.get(word.translate(_SHOWN), [])}
        )

    def _as_part(self, word: str) -> list[int]:
        part = folded(word).rstrip().encode("utf-8")
        if BETWEEN in part:
            return [token for token, fold in enumerate(self._folded) if part.decode() in fold]
        places, place = [], self._joined.find(part)
        while place >= 0:
            places.append(place)
            place = self._joined.find(part, place + len(part))
        found: list[int] = np.unique(np.searchsorted(self._starts, places, "right") - 1).tolist()
        return found

    def _unknown(self, word: str, match: str, pieces: Sequence[str]) -> InputError:
        near = ", ".join(repr(one) for one in self.near(word)) or "none"
        if match == "exact":
            what = f"no token of this vocabulary is exactly {word!r}"
            fix = 'use match="word", which takes any case and leading white space'
        elif len(pieces) > 1:
            shown = ", ".join(repr(piece) for piece in pieces)
            what = f"{word!r} is no token of this vocabulary: it is split into {shown}"
            fix = 'use match="part", which finds it by these parts, or a word that is a token'
        else:
            what = f"{word!r} is no word of this vocabulary"
            fix = "use a word that is a token"
        return InputError(
            f"{what}; the nearest words are {near}",
            field="words",
            value=word,
            legal=near,
            fix=fix,
        )

    def near(self, word: str, n: int = 5) -> list[str]:
        """Words of the vocabulary that look most like this one, best first."""
        wanted = folded(word).rstrip()
        pairs = {wanted[start : start + 2] for start in range(len(wanted) - 1)} or {wanted}
        close = [one for one in self._of_folded if abs(len(one) - len(wanted)) <= 2]
        # Pairs of letters in common first: comparing letter by letter is slow for a whole
        # vocabulary.
        close.sort(key=lambda one: (-sum(pair in one for pair in pairs), len(one), one))
        return difflib.get_close_matches(wanted, close[:200], n, cutoff=0.5)
