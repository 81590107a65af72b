"""HTTP below the guard: a request that is not HTTP, or whose head never ends, gets the same care.

uvicorn answers what h11 cannot parse by itself, as plain text with no security headers, and waits
for a request's head for ever. This subclass sends the one error shape and sets a time limit.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from unembed.server.error_responses import error_response
from unembed.server.guard import SECURITY_HEADERS


class GuardedProtocol(H11Protocol):
    """One connection."""

    max_read_seconds: ClassVar[float]
    _head_timer: asyncio.TimerHandle | None = None

    # Narrower than the standard library's, as uvicorn's own is.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.max_read_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waits_for_head = self.conn.their_state is h11.IDLE
        if not waits_for_head:
            self._stop_timer()
        elif self._head_timer is None and self.conn.trailing_data[0]:
            self._head_timer = self.loop.call_later(self.max_read_seconds, self._head_is_late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - of uvicorn
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        reply = error_response(400, "bad_request", "The request is not valid HTTP/1.1.")
        headers = [*reply.raw_headers, *SECURITY_HEADERS]
        headers += [(b"cache-control", b"no-store"), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(reply.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def protocol_class(max_read_seconds: float) -> type[H11Protocol]:
    """The protocol for uvicorn's `http=`, which makes one for each connection by itself."""
    return type("GuardedProtocol", (GuardedProtocol,), {"max_read_seconds": max_read_seconds})
