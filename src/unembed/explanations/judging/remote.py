"""A language model behind an OpenAI-compatible server as a judge: `RemoteJudge`.

llama.cpp's server, Ollama, vLLM, LM Studio and hosted services speak so. Texts of a corpus leave
the machine only where that was agreed to, unless the server is on this machine.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from unembed.errors import InputError
from unembed.explanations.judging.judge import Passage
from unembed.explanations.judging.prompting import Prompts, read_activations, read_verdict
from unembed.explanations.judging.sending import Counts, Sender

Answer = TypeVar("Answer")
CHARACTERS_OF_A_TOKEN = 4  # about, for an estimate
ANSWER_TOKENS = {"simulate": 12, "detect": 4, "fuzz": 4}  # of each token of a text; of an answer
_LOGPROBS = {"logprobs": True, "top_logprobs": 5}
_NO_LOGPROBS = ("status 400", "status 422")  # of a server that knows none, so asked without


@dataclass(frozen=True)
class Plan:
    """What is about to be sent, for who agrees to it."""

    host: str
    model: str
    requests: int
    characters: int

    @property
    def tokens(self) -> int:
        """About how many, answers not counted."""
        return self.characters // CHARACTERS_OF_A_TOKEN

    @property
    def words(self) -> str:
        """In a sentence."""
        return (
            f"{self.requests:,} requests with some {self.tokens:,} tokens of your texts go to "
            f"{self.host} ({self.model})"
        )


Consent = Callable[[Plan], bool]


class RemoteJudge:
    """A judge that asks a language model over HTTP.

    Args:
        base_url: of the server, up to before /chat/completions: "http://127.0.0.1:8080/v1".
        model: what the server calls it.
        consent: asked before texts leave this machine, once for each list of them; without one
            nothing leaves. True agrees to all. Not asked where the server is on this machine, or
            all answers are kept.
        key_variable: the environment variable that the key is in; none is sent where it is empty.
        prompts: a folder of prompts in place of the package's own.
        folder: where answers are kept, so that what was asked is not asked again; None: nowhere.
        concurrency: how many requests at once.
        timeout: of one request, in seconds.
        tries: of one request.

    `counts` says what became of the requests. Answers that cannot be read are failures, too.

    Raises InputError for an address that is none, or a key that would go over the network in the
    open; where texts would leave without consent, when they would.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        consent: Consent | bool = False,
        key_variable: str = "OPENAI_API_KEY",
        prompts: Path | str | None = None,
        folder: Path | str | None = None,
        concurrency: int = 4,
        timeout: float = 60.0,
        tries: int = 5,
        **sending: Any,
    ) -> None:
        self._host, self._loopback = _place(base_url)
        key = os.environ.get(key_variable, "")
        if key and not self._loopback and not base_url.startswith("https:"):
            raise InputError(
                f"the key in {key_variable} would be sent to {self._host} in the open",
                field="base_url",
                value=base_url,
                legal="an address with https",
            )
        self.model, self._consent, self._concurrency = model, consent, concurrency
        self._prompts = Prompts(prompts)
        headers = {"Content-Type": "application/json"}
        self._sender = Sender(
            f"{base_url.rstrip('/')}/chat/completions",
            headers | ({"Authorization": f"Bearer {key}"} if key else {}),
            None if folder is None else Path(folder),
            timeout=timeout,
            tries=tries,
            loopback=self._loopback,
            **sending,
        )

    @property
    def counts(self) -> Counts:
        """What became of the requests so far."""
        return self._sender.counts

    def simulate(
        self, explanation: str, passages: Sequence[Passage]
    ) -> list[tuple[float, ...] | None]:
        """See `Judge`."""

        def read(answer: Any, passage: Passage) -> tuple[float, ...] | None:
            return read_activations(_text(answer), len(passage.tokens))

        return self._ask("simulate", explanation, passages, read)

    def detect(self, explanation: str, passages: Sequence[Passage]) -> list[float | None]:
        """See `Judge`."""
        return self._ask("detect", explanation, passages, _verdict)

    def fuzz(self, explanation: str, passages: Sequence[Passage]) -> list[float | None]:
        """See `Judge`."""
        return self._ask("fuzz", explanation, passages, _verdict)

    def plan(self, kind: str, explanation: str, passages: Sequence[Passage]) -> Plan:
        """What "simulate", "detect" or "fuzz" would send; what is kept already is not in it."""
        bodies = [self._body(kind, explanation, passage) for passage in passages]
        fresh = [body for body in bodies if not self._sender.known(body)]
        said = sum(len(one["content"]) for body in fresh for one in body["messages"])
        return Plan(self._host, self.model, len(fresh), said)

    def _ask(
        self,
        kind: str,
        explanation: str,
        passages: Sequence[Passage],
        read: Callable[[Any, Passage], Answer | None],
    ) -> list[Answer | None]:
        self._agreed(self.plan(kind, explanation, passages))

        def one(passage: Passage) -> Answer | None:
            body = self._body(kind, explanation, passage)
            answer, reason = self._sender.send(body)
            if reason in _NO_LOGPROBS and _LOGPROBS.keys() <= body.keys():
                body = {name: value for name, value in body.items() if name not in _LOGPROBS}
                answer, reason = self._sender.send(body)
            found = None if answer is None else read(answer, passage)
            if found is None:
                self._sender.failed(reason or "the answer cannot be read")
            else:
                self._sender.keep(body, answer)
            return found

        with ThreadPoolExecutor(self._concurrency) as threads:
            return list(threads.map(one, passages))

    def _agreed(self, plan: Plan) -> None:
        if self._loopback or not plan.requests:
            return
        agreed = self._consent if isinstance(self._consent, bool) else self._consent(plan)
        if not agreed:
            raise InputError(
                f"nothing was sent: {plan.words}, and nobody agreed to that",
                field="consent",
                value=plan.host,
                legal="True, or a function that is asked",
                fix="RemoteJudge(..., consent=lambda plan: input(plan.words) == 'yes')",
            )

    def _body(self, kind: str, explanation: str, passage: Passage) -> dict[str, Any]:
        n = len(passage.tokens) if kind == "simulate" else 1
        body: dict[str, Any] = {
            "model": self.model,
            "messages": self._prompts.messages(kind, explanation, passage),
            "temperature": 0,
            "max_tokens": 32 + ANSWER_TOKENS[kind] * n,
        }
        return body if kind == "simulate" else body | _LOGPROBS


def _place(base_url: str) -> tuple[str, bool]:
    """The host, and whether it is this machine. Raises InputError."""
    try:
        parts = urlsplit(base_url)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        host = None
    if not host:
        raise InputError(
            f"base_url is {base_url!r}; it must be an address with http or https",
            field="base_url",
            value=base_url,
            legal='"http://127.0.0.1:8080/v1"',
        )
    if host == "localhost":
        return host, True
    try:
        return host, ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host, False


def _text(answer: Any) -> str:
    """What was said; nothing where the shape is another one."""
    try:
        said = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return ""
    return said if isinstance(said, str) else ""


def _verdict(answer: Any, _: Passage) -> float | None:
    try:
        likely = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    except (KeyError, IndexError, TypeError):
        likely = []
    some = [one for one in likely if isinstance(one, dict)] if isinstance(likely, list) else []
    return read_verdict(_text(answer), some)
