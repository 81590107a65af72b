"""Language models as judges: `RemoteJudge` behind a server, `LocalJudge` on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unembed.engine.model import Model
from unembed.explanations.judging.judge import Passage
from unembed.explanations.judging.prompting import Prompts, read_activations, read_verdict
from unembed.explanations.language.asking import Answer, Ask, Between, LanguageModel, Plan
from unembed.explanations.language.local import LocalModel
from unembed.explanations.language.remote import RemoteModel
from unembed.explanations.language.sending import Counts

ANSWER_TOKENS = {"simulate": 12, "detect": 4, "fuzz": 4}  # of each token of a text; of an answer


class ModelJudge:
    """A `Judge` that asks a language model.

    Args:
        language: who is asked.
        prompts: a folder of prompts in place of the package's own.

    `counts` says what became of the questions.
    """

    def __init__(self, language: LanguageModel, prompts: Path | str | None = None) -> None:
        self.language, self._prompts = language, Prompts(prompts)

    @property
    def name(self) -> str:
        """Who it is, for people."""
        return self.language.name

    @property
    def counts(self) -> Counts:
        """What became of the questions so far."""
        return self.language.counts

    def simulate(
        self, explanation: str, passages: Sequence[Passage]
    ) -> list[tuple[float, ...] | None]:
        """See `Judge`."""

        def read(place: int, answer: Answer) -> tuple[float, ...] | None:
            return read_activations(answer.text, len(passages[place].tokens))

        return self.language.ask(self.asks("simulate", explanation, passages), read)

    def detect(self, explanation: str, passages: Sequence[Passage]) -> list[float | None]:
        """See `Judge`."""
        return self.language.ask(self.asks("detect", explanation, passages), _verdict)

    def fuzz(self, explanation: str, passages: Sequence[Passage]) -> list[float | None]:
        """See `Judge`."""
        return self.language.ask(self.asks("fuzz", explanation, passages), _verdict)

    def asks(self, kind: str, explanation: str, passages: Sequence[Passage]) -> list[Ask]:
        """What is asked of each text: "simulate", "detect" or "fuzz"."""
        verdict = kind != "simulate"
        return [
            Ask(
                tuple(self._prompts.messages(kind, explanation, one)),
                32 + ANSWER_TOKENS[kind] * (1 if verdict else len(one.tokens)),
                verdict,
            )
            for one in passages
        ]


class RemoteJudge(ModelJudge):
    """A judge that asks a language model over HTTP, any OpenAI-compatible server.

    Args:
        base_url: of the server, up to before /chat/completions: "http://127.0.0.1:8080/v1".
        model: what the server calls it.
        prompts: a folder of prompts in place of the package's own.
        asking: of `RemoteModel`: `consent`, without which no text leaves this machine, `price`,
            `key_variable`, `folder`, `concurrency`, `timeout`, `tries`.

    Raises InputError as `RemoteModel` does.
    """

    def __init__(
        self, base_url: str, model: str, *, prompts: Path | str | None = None, **asking: Any
    ) -> None:
        self._remote = RemoteModel(base_url, model, **asking)
        super().__init__(self._remote, prompts)

    def plan(self, kind: str, explanation: str, passages: Sequence[Passage]) -> Plan:
        """What "simulate", "detect" or "fuzz" would send; what is kept already is not in it."""
        return self._remote.plan(self.asks(kind, explanation, passages))


class LocalJudge(ModelJudge):
    """A judge that asks a causal model through Unembed itself: nothing leaves the machine.

    Activations are simulated as in the paper, in one pass over each text: what the model expects
    behind every token, from 0 to 10. A verdict is the share of yes among yes and no. So there is
    always an answer, however little it may be worth: see its scores.

    Args:
        model: the judge, which need not be the model that is explained.
        prompts: a folder of prompts in place of the package's own.
        between: see `Between`.
    """

    def __init__(
        self, model: Model, *, prompts: Path | str | None = None, between: Between | None = None
    ) -> None:
        self._local = LocalModel(model, between=between)
        super().__init__(self._local, prompts)

    def simulate(
        self, explanation: str, passages: Sequence[Passage]
    ) -> list[tuple[float, ...] | None]:
        """See `Judge`."""
        asks = self.asks("simulate", explanation, passages)
        return [*self._local.rated(asks, [one.tokens for one in passages])]


def _verdict(_: int, answer: Answer) -> float | None:
    return read_verdict(answer.text, answer.likely)
