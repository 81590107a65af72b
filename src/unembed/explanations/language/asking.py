"""What a language model is asked, whoever it is, and what it would cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from unembed.errors import InputError
from unembed.explanations.language.sending import Counts

Found = TypeVar("Found")
Message = dict[str, str]
Between = Callable[[int, int], None]
"""Called with (answers so far, questions) while answers are waited for. It may raise, which ends
the waiting: what was not sent yet is not sent."""
CHARACTERS_OF_A_TOKEN = 4  # about, for an estimate
PER = 1_000_000  # tokens that a price is of


@dataclass(frozen=True)
class Ask:
    """One question: messages, the most tokens of an answer, whether yes or no is wanted."""

    messages: tuple[Message, ...]
    most: int
    verdict: bool = False


@dataclass(frozen=True)
class Answer:
    """What was said, and what may have stood first in it: {"token": ..., "logprob": ...}."""

    text: str
    likely: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True)
class Price:
    """Money for a million tokens: of what is sent, and of answers."""

    sent: float
    answered: float

    @classmethod
    def of(cls, given: tuple[float, float] | None) -> Price | None:
        """From a pair of numbers. Raises InputError where they are no prices."""
        if given is None:
            return None
        numbers = [one for one in given if isinstance(one, int | float) and math.isfinite(one)]
        if len(given) != 2 or len(numbers) != 2 or min(numbers) < 0:
            legal = "two numbers from 0: for a million tokens sent, and answered"
            message = f"price is {given!r}; it must be {legal}"
            raise InputError(message, field="price", value=str(given), legal=legal)
        return cls(*map(float, numbers))


@dataclass(frozen=True)
class Plan:
    """What is about to be sent, for who agrees to it."""

    host: str
    model: str
    requests: int
    characters: int
    answer_tokens: int = 0  # at most
    price: Price | None = None

    @property
    def tokens(self) -> int:
        """About how many are sent, answers not counted."""
        return self.characters // CHARACTERS_OF_A_TOKEN

    @property
    def money(self) -> float | None:
        """About how much at most, in whatever the price is in; None where none was given."""
        if self.price is None:
            return None
        return (self.tokens * self.price.sent + self.answer_tokens * self.price.answered) / PER

    @property
    def words(self) -> str:
        """In a sentence."""
        cost = "" if self.money is None else f", which costs about {self.money:.4f} at most"
        return (
            f"{self.requests:,} requests with some {self.tokens:,} tokens of your texts go to "
            f"{self.host} ({self.model}){cost}"
        )


class LanguageModel(Protocol):
    """Answers questions. What it could not answer, or what cannot be read, is None and counted."""

    @property
    def name(self) -> str:
        """Who it is, for people: "gpt-x at api.example"."""

    @property
    def counts(self) -> Counts:
        """What became of the questions so far."""

    def ask(
        self, asks: Sequence[Ask], read: Callable[[int, Answer], Found | None]
    ) -> list[Found | None]:
        """The answers, each as `read(place, answer)` takes it: None is a failure."""
