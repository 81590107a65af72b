"""What of a model is needed to read texts: its tokenizer, and some facts.

It has no weights, so that it can be sent to a process that only reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unembed.engine.model import Model
from unembed.engine.names.tokens import Token, TokenReader
from unembed.models.labels import Labels
from unembed.settings import Settings


class TextReader:
    """Reads texts as a model does that is no encoder-decoder (a `Vocabulary`)."""

    has_encoder = False
    decoder_start: int | None = None

    def __init__(self, model: Model) -> None:
        self.tokenizer: Any = model.tokenizer
        self.settings: Settings = model.settings
        self.max_positions: int = model.max_positions
        self.name: str = model.name
        self.vocab_size: int = model.vocab_size
        self.kind: str = model.kind
        self.labels: Labels | None = model.labels
        self.n_token_types: int = model.n_token_types
        self.placeholders: Mapping[int, str] = dict(model.placeholders)

    def token(self, token_id: int) -> Token:
        """The token with this id."""
        return TokenReader(self.tokenizer).token(token_id)

    def named(self, text: str) -> int | None:
        """The id of the token whose text or name this is."""
        return TokenReader(self.tokenizer).named(text)

    def tokens(self, ids: Sequence[int]) -> tuple[Token, ...]:
        """The tokens with these ids."""
        return tuple(self.token(int(one)) for one in ids)
