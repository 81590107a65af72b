"""What a judge of explanations is asked, whoever it is: a language model, a person, a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Passage:
    """A text as its tokens, some of which may be marked."""

    tokens: tuple[str, ...]
    marked: tuple[int, ...] = ()  # places among them


class Judge(Protocol):
    """Reads an explanation and texts, and knows nothing of activations.

    A list of answers is as long as that of the texts. An answer that could not be had is None: it
    is counted as failed, never taken for nought. Who cannot do one of the three answers None.
    """

    def simulate(
        self, explanation: str, passages: Sequence[Passage]
    ) -> Sequence[tuple[float, ...] | None]:
        """How active the node is at each token, on a scale that need not be that of activations."""

    def detect(self, explanation: str, passages: Sequence[Passage]) -> Sequence[float | None]:
        """How likely it is that the node is active anywhere in a text, from 0 to 1."""

    def fuzz(self, explanation: str, passages: Sequence[Passage]) -> Sequence[float | None]:
        """How likely it is that the marked tokens are those where the node is active, 0 to 1."""
