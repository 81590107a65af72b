"""Language models as explainers: `RemoteExplainer` behind a server, `LocalExplainer` here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from unembed.engine.model import Model
from unembed.errors import InputError
from unembed.explanations.explaining.explainer import Evidence, Looked, Shown, Style
from unembed.explanations.language.asking import Answer, Ask, Between, LanguageModel, Message, Plan
from unembed.explanations.language.files import filled, prompt_texts, quoted
from unembed.explanations.language.local import LocalModel
from unembed.explanations.language.remote import RemoteModel
from unembed.explanations.language.sending import Counts

OWN = Path(__file__).parent / "prompts"
NAMES = ("system", "pairs", "examples", "contrastive", "attention")
FILES = tuple(f"explain_{name}" for name in NAMES)
TEXTS, WINDOW = 5, 24
ANSWER_TOKENS = 40
LONGEST = 300  # characters of an explanation
LEVELS = 10  # of activations that are shown, from 0
_ANSWER = re.compile(r"(?i)^\W*(answer|explanation)\s*[:–-]\s*")
_OPENING = re.compile(r"(?i)^this (unit|neuron|head|attention head|latent|feature) ")
_REFUSED = re.compile(r"(?i)^(i am sorry|i'm sorry|sorry|i cannot|i can't|i can’t|as an ai)\b")


class ModelExplainer:
    """An `Explainer` that asks a language model.

    Args:
        language: who is asked.
        style: what it is shown: pairs of token and activation (Bills et al. 2023); examples with
            active tokens marked, and what the node makes likelier; or examples beside near misses.
            A head is shown by pairs of query and key, but for the last.
        texts: how many of either kind.
        window: the longest of them, in tokens.
        prompts: a folder of prompts in place of the package's own.

    `counts` says what became of the questions.
    """

    def __init__(
        self,
        language: LanguageModel,
        style: Style = "pairs",
        *,
        texts: int = TEXTS,
        window: int = WINDOW,
        prompts: Path | str | None = None,
    ) -> None:
        if style not in get_args(Style):
            legal = ", ".join(f'"{one}"' for one in get_args(Style))
            message = f"style is {style!r}; it must be one of {legal}"
            raise InputError(message, field="style", value=style, legal=legal)
        for name, number, least in (("texts", texts, 1), ("window", window, 4)):
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                legal = f"an integer from {least}"
                message = f"{name} is {number!r}; it must be {legal}"
                raise InputError(message, field=name, value=number, legal=legal)
        self.language: LanguageModel = language
        self.style, self.texts, self.window = style, texts, window
        self._texts = prompt_texts(OWN, FILES, prompts)

    @property
    def name(self) -> str:
        """See `Explainer`."""
        return self.language.name

    @property
    def counts(self) -> Counts:
        """What became of the questions so far."""
        return self.language.counts

    def write(self, evidence: Sequence[Evidence]) -> list[str | None]:
        """See `Explainer`."""
        return self.language.ask(self.asks(evidence), lambda _, answer: read_explanation(answer))

    def asks(self, evidence: Sequence[Evidence]) -> list[Ask]:
        """What is asked of each node."""
        return [Ask(tuple(self.messages(one)), ANSWER_TOKENS) for one in evidence]

    def messages(self, evidence: Evidence) -> list[Message]:
        """The prompt of one node."""
        kind: str = self.style
        if evidence.looked and kind != "contrastive":
            kind = "attention"
        asked = filled(self._texts[f"explain_{kind}"], fields_of(kind, evidence))
        return [
            {"role": "system", "content": self._texts["explain_system"]},
            {"role": "user", "content": asked},
        ]


class RemoteExplainer(ModelExplainer):
    """An explainer behind an OpenAI-compatible server.

    Args:
        base_url: of the server, up to before /chat/completions: "http://127.0.0.1:8080/v1".
        model: what the server calls it.
        style, texts, window, prompts: see `ModelExplainer`.
        asking: of `RemoteModel`: `consent`, without which no text leaves this machine, `price`,
            `key_variable`, `folder`, `concurrency`, `timeout`, `tries`.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        style: Style = "pairs",
        *,
        texts: int = TEXTS,
        window: int = WINDOW,
        prompts: Path | str | None = None,
        **asking: Any,
    ) -> None:
        self._remote = RemoteModel(base_url, model, **asking)
        super().__init__(self._remote, style, texts=texts, window=window, prompts=prompts)

    def plan(self, evidence: Sequence[Evidence]) -> Plan:
        """What these nodes would send; what is kept already is not in it."""
        return self._remote.plan(self.asks(evidence))


class LocalExplainer(ModelExplainer):
    """An explainer that is a causal model on this machine; nothing leaves it.

    Args:
        model: who explains, which need not be the model that is explained.
        style, texts, window, prompts: see `ModelExplainer`.
        between: see `Between`.
    """

    def __init__(
        self,
        model: Model,
        style: Style = "pairs",
        *,
        texts: int = TEXTS,
        window: int = WINDOW,
        prompts: Path | str | None = None,
        between: Between | None = None,
    ) -> None:
        language = LocalModel(model, between=between)
        super().__init__(language, style, texts=texts, window=window, prompts=prompts)


# ---------------------------------------------------------------- what is shown


def fields_of(kind: str, evidence: Evidence) -> Mapping[str, str]:
    """What the places of a prompt are filled with, each as JSON."""
    if kind == "pairs":
        rated = [_levels(text, evidence.peak) for text in evidence.texts]
        return {
            "texts": quoted(rated),
            "nonzero": quoted([[pair for pair in text if pair[1]] for text in rated]),
        }
    if kind == "attention":
        return {
            "texts": quoted([_looking(one) for one in evidence.looked]),
            "pairs": quoted(
                [[one.tokens[one.query], one.tokens[one.key]] for one in evidence.looked]
            ),
        }
    return {
        "texts": quoted([_marked(text) for text in evidence.texts]),
        "near": quoted([_marked(text) for text in evidence.near]),
        "promotes": quoted(list(evidence.promotes)),
    }


def _levels(text: Shown, peak: float) -> list[tuple[str, int]]:
    """Activations as integers from 0 to 10: floor(10 · max(x, 0) / peak), as in the paper."""
    levels = [int(LEVELS * max(value, 0.0) / peak) if peak > 0 else 0 for value in text.values]
    return list(zip(text.tokens, levels, strict=True))


def _marked(text: Shown) -> str:
    places = set(text.marked)
    return "".join(
        f"<<{token}>>" if at in places else token for at, token in enumerate(text.tokens)
    )


def _looking(text: Looked) -> str:
    shown = list(text.tokens)
    shown[text.key] = f"**{shown[text.key]}**"
    shown[text.query] = f"[[{shown[text.query]}]]"
    return "".join(shown)


# ---------------------------------------------------------------- what is answered


def read_explanation(answer: Answer) -> str | None:
    """The first line of what was said, as a phrase; None where nothing was, or it was refused."""
    lines = (" ".join(line.split()) for line in answer.text.splitlines())
    line = next((one for one in lines if one), "")
    line = _OPENING.sub("", _ANSWER.sub("", line)).strip("\"'“”`* ")
    line = "".join(one for one in line if one.isprintable())
    if not any(one.isalnum() for one in line) or _REFUSED.match(line):
        return None
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + "…"
