"""Sentencepiece's BPE as its paper and llama.cpp have it: the best-scored adjacent pair first.

Written from the description, slow, sharing nothing with `tokenizers`: the oracle for a tokenizer
that was rebuilt from a GGUF file's vocabulary.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

CONTROL, USER = 3, 4
# How the file writes numbers of each kind; beside them there are strings and arrays.
NUMBERS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
STRING, ARRAY = 8, 9


def metadata(path: Path) -> dict[str, Any]:
    """What a GGUF file says of itself; the package `gguf` takes 11 s for this vocabulary."""
    with path.open("rb") as file:
        *_, n_fields = _numbers(file, "IIQQ")  # magic, version, number of tensors
        return {_value(file, STRING): _value(file, *_numbers(file, "I")) for _ in range(n_fields)}


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == STRING:
        return file.read(*_numbers(file, "Q")).decode()
    if kind != ARRAY:
        return _numbers(file, NUMBERS[kind])[0]
    kind, length = _numbers(file, "IQ")
    if kind in NUMBERS:
        return _numbers(file, f"{length}{NUMBERS[kind]}")
    return [_value(file, kind) for _ in range(length)]


def _numbers(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    """As they stand, one after the other and little end first."""
    return struct.unpack(f"<{layout}", file.read(struct.calcsize(f"<{layout}")))


class SlowSentencepiece:
    def __init__(self, path: Path) -> None:
        fields = metadata(path)
        self.tokens = fields["tokenizer.ggml.tokens"]
        scores = fields["tokenizer.ggml.scores"]
        kinds = fields["tokenizer.ggml.token_type"]
        self.ids = {token: place for place, token in enumerate(self.tokens)}
        self.scores = dict(zip(self.tokens, scores, strict=True))
        whole = {t for t, kind in zip(self.tokens, kinds, strict=True) if kind in (CONTROL, USER)}
        self.whole = sorted(whole, key=len, reverse=True)

    def encode(self, text: str) -> list[int]:
        ids = [self.ids["<bos>"]]
        rest = ""
        while text:
            token = next((t for t in self.whole if text.startswith(t)), None)
            if token is None:
                rest, text = rest + text[0], text[1:]
                continue
            ids += [*self._merge(rest), self.ids[token]]
            rest, text = "", text[len(token) :]
        return ids + self._merge(rest)

    def _merge(self, text: str) -> list[int]:
        pieces = list(text.replace(" ", "▁"))
        while True:
            pairs = [
                (-self.scores[left + right], place)
                for place, (left, right) in enumerate(pairwise(pieces))
                if left + right in self.ids
            ]
            if not pairs:
                return [number for piece in pieces for number in self._spell(piece)]
            _, place = min(pairs)
            pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]

    def _spell(self, piece: str) -> list[int]:
        if piece in self.ids:
            return [self.ids[piece]]
        return [self.ids[f"<0x{byte:02X}>"] for byte in piece.encode()]
