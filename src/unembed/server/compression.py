"""Compress text for clients on another machine; arrays, and this machine, get bytes as they are.

Measured, level 1: predictions of 18 layers shrink from 81 to 22 KB in 1 ms; a lens grid of
37 x 1,024 cells from 3.6 to 2.6 MB in 150 ms, which pays only on lines slower than 60 Mbit/s.
"""

from __future__ import annotations

import ipaddress

from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from unembed.server.packing import MEDIA_TYPE

_SMALLEST = 2048
_LEVEL = 1
_AS_THEY_ARE = (*DEFAULT_EXCLUDED_CONTENT_TYPES, MEDIA_TYPE)


class Compression:
    """gzip, where the client is far and asks for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._gzip = GZipMiddleware(
            app, minimum_size=_SMALLEST, compresslevel=_LEVEL, exclude_content_types=_AS_THEY_ARE
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._gzip if scope["type"] == "http" and not _is_near(scope) else self._plain
        await app(scope, receive, send)


def _is_near(scope: Scope) -> bool:
    client = scope.get("client")
    try:
        return client is None or ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return True
