"""Compress answers for clients on another machine only.

On the same machine compressing costs more than it saves (docs/reference/http.md has the figures).
"""

from __future__ import annotations

import ipaddress

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_SMALLEST = 2048
_LEVEL = 3


class Compression:
    """gzip, where the client is far and asks for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._gzip = GZipMiddleware(app, minimum_size=_SMALLEST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._gzip if scope["type"] == "http" and not _is_near(scope) else self._plain
        await app(scope, receive, send)


def _is_near(scope: Scope) -> bool:
    client = scope.get("client")
    try:
        return client is None or ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return True
