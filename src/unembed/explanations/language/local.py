"""A causal model, asked through Unembed itself: `LocalModel`. Nothing leaves the machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from unembed.engine.model import Model
from unembed.engine.names.texts import why_no_chat
from unembed.errors import CapabilityError, PromptError, UnembedError
from unembed.explanations.language.asking import Answer, Ask, Between, Found
from unembed.explanations.language.sending import Counts

LARGEST = 10  # of a rating
UNKNOWN = "unknown"  # what stands for the ratings of earlier tokens, as in the paper
_WORDS = ("yes", "no")


class LocalModel:
    """A `LanguageModel`: greedy, so the same question gets the same answer.

    With a chat template messages are put as it says. Without one they are a text that ends in
    "Answer:", and the answer is the first line behind it.

    Raises CapabilityError where the model continues no text, or has no tokenizer.
    """

    def __init__(self, model: Model, *, between: Between | None = None) -> None:
        if model.kind != "causal" or model.tokenizer is None or model.has_encoder:
            raise CapabilityError(
                f"{model.name} cannot be asked: it does not continue a text",
                field="model",
                value=model.name,
                legal="a causal model with a tokenizer",
            )
        self._model, self._between = model, between
        self._chats = why_no_chat(model.tokenizer) is None
        self._known: dict[str, tuple[int, ...]] = {}
        self.counts = Counts()

    @property
    def name(self) -> str:
        """See `LanguageModel`."""
        return f"{self._model.name} on this machine"

    def ask(
        self, asks: Sequence[Ask], read: Callable[[int, Answer], Found | None]
    ) -> list[Found | None]:
        """See `LanguageModel`."""
        found: list[Found | None] = []
        for place, one in enumerate(asks):
            self._tell(place, len(asks))
            answer = self._answered(one)
            said = None if answer is None else read(place, answer)
            if said is None and answer is not None:
                self.counts.fail("the answer cannot be read")
            found.append(said)
        self._tell(len(asks), len(asks))
        return found

    @torch.no_grad()
    def rated(
        self, asks: Sequence[Ask], texts: Sequence[Sequence[str]]
    ) -> list[tuple[float, ...] | None]:
        """What the model expects behind each token of each text, as a number from 0 to 10.

        Bills et al. 2023: behind the question stand all tokens, each with a tab and "unknown"; at
        every tab the numbers' probabilities give the mean, and one pass over the text gives all.
        Numbers that are no single token are left out, as 10 is in many vocabularies.
        """
        found: list[tuple[float, ...] | None] = []
        for place, (one, tokens) in enumerate(zip(asks, texts, strict=True)):
            self._tell(place, len(asks))
            self.counts.sent += 1
            try:
                found.append(self._rated(one, tokens))
            except UnembedError as error:
                self.counts.fail(error.message)
                found.append(None)
        self._tell(len(asks), len(asks))
        return found

    def _rated(self, ask: Ask, tokens: Sequence[str]) -> tuple[float, ...]:
        ids = list(self._ids(ask))
        tab, line, unknown = (self._pieces(text) for text in ("\t", "\n", UNKNOWN))
        places = []
        for token in tokens:
            ids += [*line, *self._pieces(token), *tab]
            places.append(len(ids) - 1)
            ids += unknown
        single = {n: one for n in range(LARGEST + 1) for one in self._single(str(n))}
        logits = self._model.run(ids, logits="all")["logits"]
        shares = logits[places][:, list(single.values())].double().softmax(-1)
        values = torch.tensor(list(single), dtype=torch.float64, device=shares.device)
        return tuple((shares @ values).tolist())

    @torch.no_grad()
    def _answered(self, ask: Ask) -> Answer | None:
        self.counts.sent += 1
        try:
            ids = self._ids(ask)
            if ask.verdict:
                return Answer("", self._verdict(ids))
            text = self._model.generate(ids, ask.most).text.strip()
        except UnembedError as error:
            self.counts.fail(error.message)
            return None
        return Answer(text if self._chats else text.partition("\n")[0])

    def _verdict(self, ids: Sequence[int]) -> tuple[dict[str, object], ...]:
        """Every token that says yes or no, with its log probability."""
        logits = self._model.run(ids, logits="last")["logits"]
        logprobs = logits[-1].double().log_softmax(-1)
        return tuple(
            {"token": word, "logprob": float(logprobs[one])}
            for word in _WORDS
            for one in self._saying(word)
        )

    def _saying(self, word: str) -> tuple[int, ...]:
        """The tokens that are a word, whatever its capitals, with a space in front or without."""
        if word not in self._known:
            forms = {f"{space}{one}" for space in ("", " ") for one in _cases(word)}
            self._known[word] = tuple(sorted({one for form in forms for one in self._single(form)}))
        return self._known[word]

    def _ids(self, ask: Ask) -> tuple[int, ...]:
        """The question as the model reads it; templates that know no system message get none."""
        text = "\n\n".join(one["content"] for one in ask.messages)
        if not self._chats:
            return self._model.read_prompt(f"{text}\nAnswer:").ids
        try:
            return self._model.read_prompt(list(ask.messages)).ids
        except PromptError:
            return self._model.read_prompt([{"role": "user", "content": text}]).ids

    def _single(self, text: str) -> tuple[int, ...]:
        """The token that is this text; none where it takes several, or the vocabulary has none."""
        pieces = self._pieces(text)
        known = len(pieces) == 1 and self._model.token(pieces[0]).text.strip() == text.strip()
        return pieces if known else ()

    def _pieces(self, text: str) -> tuple[int, ...]:
        tokenizer: Any = self._model.tokenizer
        return tuple(tokenizer.encode(text, add_special_tokens=False))

    def _tell(self, done: int, total: int) -> None:
        if self._between is not None:
            self._between(done, total)


def _cases(word: str) -> tuple[str, ...]:
    return (word, word.capitalize(), word.upper())
