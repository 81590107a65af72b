"""Requests to a server that speaks JSON: tried again, answers kept by what was asked.

Knows HTTP and no explanation. Redirects are not followed: they could lead texts elsewhere.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

LARGEST_ANSWER = 4 * 1024 * 1024  # bytes
LONGEST_WAIT = 60.0  # seconds between two tries: a server that asks for more is not waited for
_AGAIN = (408, 409, 429, 500, 502, 503, 504)


@dataclass
class Counts:
    """What became of requests so far. Failed ones have no answer; none of them is kept."""

    sent: int = 0
    kept: int = 0  # answered from the folder, and not sent
    again: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)  # of failures, by what went wrong

    def fail(self, reason: str) -> None:
        """One more answer that is none."""
        self.failed += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Sender:
    """Sends JSON and gives back JSON, or what went wrong after `tries`. Thread-safe.

    Args:
        url: where to.
        headers: with each request.
        folder: where answers are kept, by the hash of url and request; None keeps none.
        timeout: of one try, in seconds.
        loopback: the server is on this machine: no proxy is asked.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        folder: Path | None,
        *,
        timeout: float,
        tries: int,
        loopback: bool,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url, self._headers, self._folder = url, dict(headers), folder
        self._timeout, self._tries, self._sleep = timeout, tries, sleep
        proxies = [urllib.request.ProxyHandler({})] if loopback else []
        self._opener = urllib.request.build_opener(_Stay, *proxies)
        self._lock = threading.Lock()
        self.counts = Counts()

    def known(self, body: Mapping[str, Any]) -> bool:
        """Whether the answer is kept, so that nothing is sent."""
        place = self._place(body)
        return place is not None and place.exists()

    def send(
        self, body: Mapping[str, Any], stopped: threading.Event | None = None
    ) -> tuple[Any | None, str]:
        """The answer to a request, or None and what went wrong; no try is made once `stopped`."""
        kept = self._kept(body)
        if kept is not None:
            self._count("kept")
            return kept, ""
        reason = "no try was made"
        for number in range(self._tries):
            if stopped is not None and stopped.is_set():
                break
            if number:
                self._count("again")
            self._count("sent")
            answer, reason, wait = self._try(body, number)
            if answer is not None:
                return answer, ""
            if wait is None:
                break
            if number + 1 < self._tries:
                self._sleep(wait)
        return None, reason

    def failed(self, reason: str) -> None:
        """Count an answer that is none."""
        with self._lock:
            self.counts.fail(reason)

    def _count(self, name: str) -> None:
        with self._lock:
            setattr(self.counts, name, getattr(self.counts, name) + 1)

    def _try(self, body: Mapping[str, Any], number: int) -> tuple[Any | None, str, float | None]:
        """(answer, what went wrong, seconds to wait before the next try: None where none helps)."""
        data = json.dumps(body, ensure_ascii=False).encode()
        request = urllib.request.Request(self._url, data, self._headers, method="POST")
        pause = min(2.0**number, LONGEST_WAIT)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return _object(response.read(LARGEST_ANSWER + 1)), "", None
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in _AGAIN:
                    return None, f"status {error.code}", None
                asked = _seconds(error.headers.get("Retry-After"))
                wait = pause if asked is None else asked
                return None, f"status {error.code}", wait if wait <= LONGEST_WAIT else None
        except ValueError:
            return None, "the answer is no JSON", pause
        except TimeoutError:
            return None, "no answer in time", pause
        except (OSError, http.client.HTTPException) as error:
            late = isinstance(getattr(error, "reason", None), TimeoutError)
            return None, "no answer in time" if late else "no connection", pause

    def _place(self, body: Mapping[str, Any]) -> Path | None:
        if self._folder is None:
            return None
        said = json.dumps([self._url, body], sort_keys=True, ensure_ascii=False)
        name = hashlib.sha256(said.encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.json"

    def _kept(self, body: Mapping[str, Any]) -> Any | None:
        place = self._place(body)
        try:
            return None if place is None else _object(place.read_bytes())
        except (OSError, ValueError):
            return None  # not there, or half of it

    def keep(self, body: Mapping[str, Any], answer: Any) -> None:
        """Keep an answer that was good for something."""
        place = self._place(body)
        if place is None or place.exists():
            return
        draft = place.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(answer, ensure_ascii=False), "utf-8")
        draft.replace(place)


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > LARGEST_ANSWER:
        raise ValueError("too large")
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _seconds(header: str | None) -> float | None:
    """What Retry-After asks for: seconds, or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
