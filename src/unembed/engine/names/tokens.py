"""Tokens as people read them: visible white space, honest bytes.

A token's `text` is exactly what it stands for, with a replacement character for part of a
character; its `label` shows white space as ␣ ↵ ⇥ and a lone byte as ⟨0xE2⟩.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_LOOSE_BYTE = re.compile(r"⟨0x([0-9A-F]{2})⟩")
_VISIBLE = {" ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍"}
_BREAKS = re.compile(r"\r\n|[\t\n\r\u2028\u2029]")
_MOVING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Token:
    """One token of a vocabulary, as a person reads it."""

    id: int
    text: Annotated[str, "What it decodes to; a replacement for half a character."]
    label: Annotated[str, "Visible form: ␣ ↵ ⇥ for white space, ⟨0xE2⟩ for a lone byte."]
    special: bool = False


class TokenReader:
    """Turns token ids into Tokens, and remembers them. `tokenizer` may be None: ids stay ids."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._style = "none" if tokenizer is None else _style(tokenizer)
        self._special = set() if tokenizer is None else set(tokenizer.all_special_ids)
        # what was added to a vocabulary of bytes is spelled as it is read
        self._added = set(getattr(tokenizer, "added_tokens_decoder", None) or ())
        self._read = cache(self._make)

    def token(self, token_id: int) -> Token:
        """The token with this id."""
        return self._read(token_id)

    def named(self, text: str) -> int | None:
        """The id of the token whose text this is, or its name in the vocabulary, or its label.

        A text comes first: what is one token's text may be the name of another. None where there
        is none; the tokenizer may still read the text as one token.
        """
        if self._tokenizer is None:
            return None
        names = [text, text.replace(" ", "▁"), _byte_spelling(text)]
        if len(text) == 1 and ord(text) < 0x80:
            names.append(f"<0x{ord(text):02X}>")
        found = [one for name in dict.fromkeys(names) if (one := self._id_of(name)) is not None]
        own = next((one for one in found if self.token(one).text == text), None)
        if own is not None:
            return own
        loose = _LOOSE_BYTE.fullmatch(text)
        if loose:
            spelt = _spelling_of_bytes().get(int(loose[1], 16), "")
            names = [f"<0x{loose[1]}>", spelt]
            found = [one for name in names if (one := self._id_of(name)) is not None]
            return next((one for one in found if self.token(one).label == text), None)
        return self._id_of(text)

    def _id_of(self, name: str) -> int | None:
        """The id of what the vocabulary calls so."""
        found = self._tokenizer.convert_tokens_to_ids(name)
        if found is None or self._tokenizer.convert_ids_to_tokens(found) != name:
            return None
        return int(found)

    def _make(self, token_id: int) -> Token:
        raw = None
        if self._tokenizer is not None:
            raw = self._tokenizer.convert_ids_to_tokens(token_id)
        if raw is None:
            return Token(token_id, "", f"⟨{token_id}⟩")
        if token_id in self._special:
            return Token(token_id, raw, label(raw), special=True)
        literal = self._style == "bytes" and token_id in self._added
        data = None if literal else self._bytes(raw)
        if data is None:
            text = raw.replace("▁", " ") if self._style == "metaspace" else raw
            return Token(token_id, text, label(text))
        text = data.decode("utf-8", errors="replace")
        if self._style != "bytes" and self._id_of(text.replace(" ", "▁")) is not None:
            return Token(token_id, raw, label(raw))  # a spare: the character has a token of its own
        if "\ufffd" in text:
            return Token(token_id, text, _byte_label(data))
        return Token(token_id, text, label(text))

    def _bytes(self, raw: str) -> bytes | None:
        """The bytes that a token stands for, where its tokenizer works on bytes."""
        fallback = _BYTE.fullmatch(raw)
        if fallback:
            return bytes([int(fallback[1], 16)])
        if self._style == "bytes":
            table = _byte_of_character()
            if all(character in table for character in raw):
                return bytes(table[character] for character in raw)
        return None


def label(text: str) -> str:
    """The visible form of a token's text; never empty."""
    shown = "".join(_visible(character) for character in text)
    return shown or "⟨empty⟩"


def printable(text: str) -> str:
    """A text as one line that a terminal can be given: nothing in it moves a cursor or turns it.

    Characters of control, and those that turn the direction of writing, as ⟨U+001B⟩; the rest as
    it is, with a space for each tab and line break.
    """
    return _MOVING.sub(lambda found: _visible(found[0]), _BREAKS.sub(" ", text))


def _visible(character: str) -> str:
    if character in _VISIBLE:
        return _VISIBLE[character]
    if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Zs", "Co", "Cn"):
        return f"⟨U+{ord(character):04X}⟩"
    return character


def _byte_label(data: bytes) -> str:
    """Whole characters as themselves, loose bytes in brackets."""
    shown = []
    rest = data
    while rest:
        for length in range(min(4, len(rest)), 0, -1):
            try:
                shown.append(label(rest[:length].decode("utf-8")))
                break
            except UnicodeDecodeError:
                continue
        else:
            length = 1
            shown.append(f"⟨0x{rest[0]:02X}⟩")
        rest = rest[length:]
    return "".join(shown)


def _style(tokenizer: Any) -> str:
    """How the vocabulary writes its tokens: "bytes" (GPT-2), "metaspace" (Llama), or plain."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or backend.decoder is None:
        return "metaspace"
    described = json.dumps(json.loads(backend.decoder.__getstate__()))
    if "ByteLevel" in described:
        return "bytes"
    return "plain" if "WordPiece" in described else "metaspace"


@cache
def _byte_of_character() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes, read backwards."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in set(printable)]
    table.update({chr(256 + order): byte for order, byte in enumerate(others)})
    return table


@cache
def _spelling_of_bytes() -> dict[int, str]:
    """GPT-2's printable stand-in for each of the 256 bytes."""
    return {byte: character for character, byte in _byte_of_character().items()}


def _byte_spelling(text: str) -> str:
    """How a vocabulary of bytes writes a text."""
    spelling = _spelling_of_bytes()
    return "".join(spelling[byte] for byte in text.encode("utf-8", errors="replace"))
