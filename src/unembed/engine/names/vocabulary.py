"""What must be known of a model to read its prompts, and what reading one gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from unembed.engine.names.tokens import Token
from unembed.engine.targets import Lengths
from unembed.errors import PromptError
from unembed.models.labels import Labels
from unembed.settings import Settings


class Vocabulary(Protocol):
    """What must be known of a model to read its prompts."""

    tokenizer: Any
    settings: Settings
    max_positions: int

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def vocab_size(self) -> int:
        """How many token ids there are."""

    @property
    def has_encoder(self) -> bool:
        """Whether it is an encoder-decoder, which reads a source beside its prompt."""

    @property
    def decoder_start(self) -> int | None:
        """The token that its decoder starts every text with."""

    @property
    def kind(self) -> str:
        """Whether it continues a text ("causal") or fills gaps in it ("masked")."""

    @property
    def labels(self) -> Labels | None:
        """What its head says of a text; None of a language model, which continues one."""

    @property
    def n_token_types(self) -> int:
        """How many types of token it tells apart, as the two texts of a pair; 0: none."""

    @property
    def placeholders(self) -> Mapping[int, str]:
        """What each token stands for that a picture or sound takes the place of."""

    def token(self, token_id: int) -> Token:
        """The token with this id."""

    def named(self, text: str) -> int | None:
        """The id of the token whose text or name this is."""

    def tokens(self, ids: Sequence[int]) -> tuple[Token, ...]:
        """The tokens with these ids."""


@dataclass(frozen=True)
class Sourced:
    """The prompt of an encoder-decoder.

    Args:
        source: what its encoder reads: text, token ids, or what a tokenizer returns.
        prompt: what its decoder goes on with, in the same forms; its start token where left out.
            A text has that token put in front; ids are taken as they are.
    """

    source: Any
    prompt: Any = None


@dataclass(frozen=True)
class SentencePair:
    """Two texts that an encoder reads together, as its tokenizer puts them."""

    first: str
    second: str


@dataclass(frozen=True)
class Read:
    """A prompt as the model gets it; those that are equal give equal runs."""

    ids: tuple[int, ...]
    # sentences: what was done to it, or what to know of it
    notes: tuple[str, ...] = field(default=(), compare=False)
    source: tuple[int, ...] = ()  # for the encoder of an encoder-decoder
    segments: tuple[int, ...] = ()  # of a sentence pair: 0 or 1, which text each token is of

    @property
    def lengths(self) -> Lengths:
        """How many tokens it has."""
        return Lengths(len(self.ids), len(self.source))

    @property
    def prompt(self) -> tuple[int, ...] | Sourced | Read:
        """The same as a prompt."""
        if self.segments:
            return self
        return Sourced(self.source, self.ids) if self.source else self.ids


WHOLE = (Sourced, SentencePair, Read)
"""Classes of which each is one prompt."""


def named_in(model: Vocabulary, ids: Iterable[int]) -> str:
    """The text of some tokens, for a sentence."""
    return " ".join(model.token(token).text for token in ids)


def check_encodable(text: str) -> None:
    """Raise PromptError for half of a surrogate pair, which no tokenizer reads."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PromptError(
            f"the prompt is not valid Unicode: character {error.start} is half of a pair",
            field="prompt",
            value=f"character {error.start}",
            legal="valid Unicode",
        ) from None
