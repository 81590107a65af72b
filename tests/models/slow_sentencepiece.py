"""Sentencepiece's BPE as its paper and llama.cpp have it: the best-scored adjacent pair first.

Written from the description, slow, sharing nothing with `tokenizers`: the oracle for a tokenizer
that was rebuilt from a GGUF file's vocabulary.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import gguf

CONTROL, USER = 3, 4


class SlowSentencepiece:
    def __init__(self, path: Path) -> None:
        fields = gguf.GGUFReader(path).fields
        self.tokens = fields["tokenizer.ggml.tokens"].contents()
        scores = fields["tokenizer.ggml.scores"].contents()
        kinds = fields["tokenizer.ggml.token_type"].contents()
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
