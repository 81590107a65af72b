"""A language model behind an OpenAI-compatible server: `RemoteModel`.

llama.cpp's server, Ollama, vLLM, LM Studio, `transformers serve` and hosted services speak so.
Texts leave the machine only where that was agreed to, unless the server is on this machine.
"""

from __future__ import annotations

import ipaddress
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from unembed.errors import InputError
from unembed.explanations.language.asking import Answer, Ask, Between, Found, Plan, Price
from unembed.explanations.language.sending import Counts, Sender

_LOGPROBS = {"logprobs": True, "top_logprobs": 5}
_NO_LOGPROBS = ("status 400", "status 422")  # of a server that knows none, so asked without
_LOOK = 0.2  # seconds between two calls of `between`

Consent = Callable[[Plan], bool]


class RemoteModel:
    """A `LanguageModel` over HTTP.

    Args:
        base_url: of the server, up to before /chat/completions: "http://127.0.0.1:8080/v1".
        model: what the server calls it.
        consent: asked before texts leave this machine, once for each list of questions; without one
            nothing leaves. True agrees to all. Not asked where the server is on this machine, or
            all answers are kept.
        price: money for a million tokens, (sent, answered), for the estimate that `consent` gets.
        key_variable: the environment variable that the key is in; none is sent where it is empty.
        folder: where answers are kept, so that what was asked is not asked again; None: nowhere.
        concurrency: how many requests at once.
        timeout: of one request, in seconds.
        tries: of one request.
        between: see `Between`.

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
        price: tuple[float, float] | None = None,
        key_variable: str = "OPENAI_API_KEY",
        folder: Path | str | None = None,
        concurrency: int = 4,
        timeout: float = 60.0,
        tries: int = 5,
        between: Between | None = None,
        **sending: Any,
    ) -> None:
        self._host, self._loopback = place_of(base_url)
        key = os.environ.get(key_variable, "")
        if key and not self._loopback and not base_url.startswith("https:"):
            raise InputError(
                f"the key in {key_variable} would be sent to {self._host} in the open",
                field="base_url",
                value=base_url,
                legal="an address with https",
            )
        self.model, self._consent, self._concurrency = model, consent, concurrency
        self._price, self._between = Price.of(price), between
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
    def name(self) -> str:
        """See `LanguageModel`."""
        return f"{self.model} at {self._host}"

    @property
    def counts(self) -> Counts:
        """What became of the requests so far."""
        return self._sender.counts

    def plan(self, asks: Sequence[Ask]) -> Plan:
        """What these questions would send; what is kept already is not in it."""
        fresh = [one for one in asks if not self._sender.known(self._body(one))]
        said = sum(len(message["content"]) for one in fresh for message in one.messages)
        most = sum(one.most for one in fresh)
        return Plan(self._host, self.model, len(fresh), said, most, self._price)

    def ask(
        self, asks: Sequence[Ask], read: Callable[[int, Answer], Found | None]
    ) -> list[Found | None]:
        """See `LanguageModel`."""
        self._agreed(self.plan(asks))
        stopped = threading.Event()

        def one(place: int) -> Found | None:
            body = self._body(asks[place])
            answer, reason = self._sender.send(body, stopped)
            if reason in _NO_LOGPROBS and _LOGPROBS.keys() <= body.keys():
                body = {name: value for name, value in body.items() if name not in _LOGPROBS}
                answer, reason = self._sender.send(body, stopped)
            found = None if answer is None else read(place, _answer(answer))
            if found is None:
                self._sender.failed(reason or "the answer cannot be read")
            else:
                self._sender.keep(body, answer)
            return found

        threads = ThreadPoolExecutor(self._concurrency)
        try:
            sent = [threads.submit(one, place) for place in range(len(asks))]
            left = set(sent)
            while left:
                _, left = wait(left, None if self._between is None else _LOOK)
                if self._between is not None:
                    self._between(len(asks) - len(left), len(asks))
            return [future.result() for future in sent]
        finally:
            stopped.set()
            threads.shutdown(wait=False, cancel_futures=True)

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
                fix="consent=lambda plan: input(plan.words) == 'yes'",
            )

    def _body(self, ask: Ask) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": list(ask.messages),
            "temperature": 0,
            "max_tokens": ask.most,
        }
        return body | _LOGPROBS if ask.verdict else body


def place_of(base_url: str) -> tuple[str, bool]:
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


def _answer(answer: Any) -> Answer:
    """What was said; nothing where the shape is another one."""
    try:
        choice = answer["choices"][0]
        said = choice["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return Answer("")
    try:
        likely = choice["logprobs"]["content"][0]["top_logprobs"]
    except (KeyError, IndexError, TypeError):
        likely = []
    some = [one for one in likely if isinstance(one, dict)] if isinstance(likely, list) else []
    return Answer(said if isinstance(said, str) else "", tuple(some))
