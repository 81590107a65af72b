"""Prompts for a language model that judges, and what its answers mean.

Prompts are the files in `prompts/`; another folder with files of these names takes their place. An
explanation and a text are put in as JSON, so that nothing in a text can end what it is quoted in.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from unembed.explanations.judging.judge import Passage
from unembed.explanations.language.asking import Message
from unembed.explanations.language.files import filled, prompt_texts, quoted

OWN = Path(__file__).parent / "prompts"
NAMES = ("system", "simulate", "detect", "fuzz")
LARGEST = 10.0  # of a simulated activation


class Prompts:
    """The texts of a folder. Raises InputError where one is missing."""

    def __init__(self, folder: Path | str | None = None) -> None:
        self._texts = prompt_texts(OWN, NAMES, folder)

    def messages(self, kind: str, explanation: str, passage: Passage) -> list[Message]:
        """What is asked of one text: "simulate", "detect" or "fuzz"."""
        shown = {"simulate": list(passage.tokens), "fuzz": _marked(passage)}
        fields = {
            "explanation": quoted(explanation),
            "text": quoted(shown.get(kind, "".join(passage.tokens))),
            "count": str(len(passage.tokens)),
        }
        return [
            {"role": "system", "content": self._texts["system"]},
            {"role": "user", "content": filled(self._texts[kind], fields)},
        ]


def _marked(passage: Passage) -> str:
    places = set(passage.marked)
    return "".join(
        f"<<{token}>>" if at in places else token for at, token in enumerate(passage.tokens)
    )


# ---------------------------------------------------------------- what is answered


def read_activations(answer: str, count: int) -> tuple[float, ...] | None:
    """The numbers of an answer to "simulate", from 0 to 10; None unless there are `count`."""
    start, end = answer.find("{"), answer.rfind("}")
    try:
        found = json.loads(answer[start : end + 1])["activations"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(found, list) or len(found) != count:
        return None
    if not all(type(one) in (int, float) and math.isfinite(one) for one in found):
        return None
    return tuple(min(max(float(one), 0.0), LARGEST) for one in found)


def read_verdict(answer: str, likely: Sequence[Mapping[str, object]] = ()) -> float | None:
    """The probability of yes: of its log probabilities where there are some, else 0 or 1.

    Args:
        likely: what may stand first in the answer, as {"token": ..., "logprob": ...}.
    """
    shares = {"yes": 0.0, "no": 0.0}
    for one in likely:
        word, logprob = _word(str(one.get("token", ""))), one.get("logprob")
        if word in shares and isinstance(logprob, int | float) and logprob <= 0:
            shares[word] += math.exp(logprob)
    total = sum(shares.values())
    if total > 0:
        return shares["yes"] / total
    return {"yes": 1.0, "no": 0.0}.get(_word(answer))


def _word(answer: str) -> str:
    """The first word of an answer in small letters."""
    found = re.match(r"\W*(\w+)", answer)
    return "" if found is None else found[1].casefold()
