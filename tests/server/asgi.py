"""Calls an ASGI application with exactly the bytes that a test wants: headers twice, paths
undecoded, bodies in pieces. What a polite HTTP client would not send is what the guard is for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

PORT = 8420
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"
TOKEN = "a-token-for-the-tests-0123456789"
COOKIE = f"unembed_token_{PORT}"


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[0] if found else None

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json()["error"]


def bearer(token: str = TOKEN) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


def cookie(token: str = TOKEN) -> tuple[str, str]:
    return ("Cookie", f"{COOKIE}={token}")


async def request(
    app: Any,
    method: str,
    path: str,
    *,
    headers: Sequence[tuple[str, str]] = (),
    host: str | None = HOST,
    body: bytes | Sequence[bytes] | None = None,
    data: object = None,
    client: tuple[str, int] = ("127.0.0.1", 50000),
    gone: asyncio.Event | None = None,
    pause: float = 0.0,
) -> Answer:
    """One request. `gone` set: the client leaves; `pause` lies between pieces of a body."""
    raw_path, _, query = path.partition("?")
    sent = [("Host", host)] if host is not None else []
    sent += list(headers)
    if data is not None:
        body = json.dumps(data).encode()
    if body is not None and not any(k.lower() == "content-type" for k, _ in sent):
        sent.append(("Content-Type", "application/json"))
    chunks = [body] if isinstance(body, bytes) else list(body or [b""])
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": raw_path,
        "raw_path": raw_path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in sent],
        "client": client,
        "server": ("127.0.0.1", PORT),
        "state": {},
    }
    answer = Answer()
    left = gone or asyncio.Event()

    async def receive() -> dict[str, Any]:
        if chunks:
            await asyncio.sleep(pause)
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [
                (k.decode("latin-1"), v.decode("latin-1")) for k, v in message["headers"]
            ]
        else:
            answer.body += message.get("body", b"")

    await app(scope, receive, send)
    return answer


def call(app: Any, method: str, path: str, **options: Any) -> Answer:
    """The same, from a test that is not asynchronous."""
    return asyncio.run(asyncio.wait_for(request(app, method, path, **options), 60))


def post(app: Any, path: str, data: object, **options: Any) -> Answer:
    """A well-formed POST with the token."""
    return call(app, "POST", path, headers=[bearer()], data=data, **options)
