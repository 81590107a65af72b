"""The one door: every byte from a client passes here first, and what no rule lets in stays out.

In order: no WebSockets, Host, Origin, the table of routes (default deny), token, headers of the
body, its size and its time. Every answer leaves with the security headers, whatever
made it. The body is read here, whole and bounded, and handed on; then the client's leaving is
passed through.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unembed.server import access
from unembed.server.access import Headers, Policy, Refused
from unembed.server.error_responses import FAILURE, error_response
from unembed.server.table import Entry, find
from unembed.settings import Settings

log = logging.getLogger("unembed.server")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


class Guard:
    """Middleware in front of everything."""

    def __init__(
        self, app: ASGIApp, policy: Policy, settings: Settings, entries: Sequence[Entry]
    ) -> None:
        self.app = app
        self.policy = policy
        self.settings = settings
        self.entries = tuple(entries)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Sealed(send, api=_raw_path(scope).startswith("/api/"))
        try:
            entry = self._admit(scope)
            inner = receive
            if scope["method"] == "POST":
                inner = await self._body(scope["headers"], receive)
            await self._answer(entry, scope, inner, answer)
        except Refused as refusal:
            await _refusal(refusal)(scope, receive, answer)
        except Exception:
            log.exception("the server failed on %s %s", scope["method"], _raw_path(scope))
            if not answer.started:
                await failure()(scope, receive, answer)

    async def _answer(self, entry: Entry, scope: Scope, receive: Receive, send: _Sealed) -> None:
        if entry.is_api and scope["query_string"]:
            query = scope["query_string"].decode("latin-1")
            raise Refused(400, "bad_request", "This route takes no query.", "query", query)
        await self.app(scope, receive, send)

    def _admit(self, scope: Scope) -> Entry:
        """The entry of the table that a request may use, or Refused."""
        headers, method, path = scope["headers"], scope["method"], _raw_path(scope)
        access.check_host(self.policy, headers)
        same_origin = access.check_origin(self.policy, headers, api=path.startswith("/api"))
        if access.values(headers, b"upgrade"):
            raise Refused(400, "bad_request", "This server has no WebSockets.", "Upgrade")
        entry = find(self.entries, path)
        if entry is None:
            raise Refused(404, "not_found", "There is nothing at this address.", "path", path)
        if method not in entry.methods:
            raise _MethodRefused(method, entry)
        if not entry.public or access.values(headers, b"authorization"):
            access.check_token(self.policy, headers, method=method, same_origin=same_origin)
        else:
            access.check_login(method, same_origin=same_origin)
        self._check_framing(headers, method)
        return entry

    def _check_framing(self, headers: Headers, method: str) -> None:
        lengths = access.values(headers, b"content-length")
        chunked = bool(access.values(headers, b"transfer-encoding"))
        if method != "POST":
            if chunked or lengths not in ([], ["0"]):
                raise Refused(400, "bad_request", f"{method} takes no body.", "body")
            return
        kinds = access.values(headers, b"content-type")
        if len(kinds) != 1 or not _is_json(kinds[0]):
            message = "The body must be sent as Content-Type: application/json, in UTF-8."
            raise Refused(415, "bad_media_type", message, "Content-Type", ", ".join(kinds) or None)
        coded = [one for one in access.values(headers, b"content-encoding") if one != "identity"]
        if coded:
            message = "The body must be sent uncompressed."
            raise Refused(415, "bad_media_type", message, "Content-Encoding", coded[0])
        if lengths and lengths[0].isascii() and lengths[0].isdigit():
            self._check_size(int(lengths[0][:20]))

    def _check_size(self, size: int) -> None:
        if size > self.settings.max_body_bytes:
            message = f"The body is larger than {self.settings.max_body_bytes:,} bytes."
            raise Refused(413, "too_large", message, "body")

    async def _body(self, headers: Headers, receive: Receive) -> Receive:
        """Read the body within the limits; return a receive that gives it, then what follows."""
        del headers
        seconds = self.settings.max_read_seconds
        try:
            async with asyncio.timeout(seconds):
                body = await self._read(receive)
        except TimeoutError:
            message = f"The body did not arrive within {seconds:g} seconds."
            raise Refused(408, "too_slow", message, "body") from None
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        return replay

    async def _read(self, receive: Receive) -> bytes:
        chunks, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(
                    400, "bad_request", "The client left before the body was sent.", "body"
                )
            chunk = message.get("body", b"")
            chunks.append(chunk)
            size += len(chunk)
            self._check_size(size)
            more = message.get("more_body", False)
        return b"".join(chunks)


class _MethodRefused(Refused):
    def __init__(self, method: str, entry: Entry) -> None:
        allowed = ", ".join(entry.methods)
        super().__init__(405, "bad_method", f"This address answers {allowed}.", "method", method)
        self.allowed = allowed


class _Sealed:
    """A send that adds the security headers and leaves no trace of the software behind."""

    def __init__(self, send: Send, *, api: bool) -> None:
        self._send = send
        self._api = api
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            added = dict(SECURITY_HEADERS)
            kept = [(k, v) for k, v in message.get("headers", []) if k.lower() not in added]
            kept = [(k, v) for k, v in kept if k.lower() != b"server"]
            if self._api or not any(k.lower() == b"cache-control" for k, _ in kept):
                kept = [(k, v) for k, v in kept if k.lower() != b"cache-control"]
                kept.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*kept, *SECURITY_HEADERS]}
        await self._send(message)


def failure() -> Response:
    """A fault of the server: what it was stays in the log."""
    return error_response(500, *FAILURE)


def _refusal(refusal: Refused) -> Response:
    headers = {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(refusal, _MethodRefused):
        headers["Allow"] = refusal.allowed
    if refusal.status in (408, 413):
        headers["Connection"] = "close"  # the rest of the body is not read
    return error_response(
        refusal.status,
        refusal.code,
        refusal.message,
        field=refusal.field,
        value=refusal.value,
        headers=headers,
    )


def _raw_path(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path: bytes = raw if isinstance(raw, bytes) else scope["path"].encode()
    return path.partition(b"?")[0].decode("latin-1")


def _is_json(kind: str) -> bool:
    media, _, rest = kind.partition(";")
    charset = rest.replace(" ", "").lower()
    return media.strip().lower() == "application/json" and charset in ("", "charset=utf-8")
