"""Binds the port and runs the server until it is stopped. Knows sockets and signals, no model."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import secrets
import socket
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import uvicorn
from starlette.types import ASGIApp

from unembed.errors import InputError
from unembed.server.protocol import protocol_class
from unembed.settings import Settings

_TOKEN_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_SHORTEST_TOKEN, _LONGEST_TOKEN = 16, 256
_GRACE_SECONDS = 3


def choose_token(given: str | None) -> str:
    """The user's token if it is fit to be one, or a random one."""
    if given is None:
        return secrets.token_urlsafe(24)
    fits = _SHORTEST_TOKEN <= len(given) <= _LONGEST_TOKEN and set(given) <= _TOKEN_CHARACTERS
    if not fits:
        legal = f"{_SHORTEST_TOKEN} to {_LONGEST_TOKEN} letters, digits, - _ . ~"
        raise InputError(
            f"The token is not fit to be one: it must be {legal}.",
            field="token",
            legal=legal,
            fix="Leave it out, and a random one is made.",
        )
    return given


def is_loopback(host: str) -> bool:
    """True when only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(settings: Settings) -> tuple[socket.socket, Settings]:
    """A bound socket, and the settings with the port that it really has; raises InputError."""
    host, port = settings.host, settings.port
    if not 0 <= port <= 65535:
        raise InputError(
            f"port {port} does not exist", field="port", value=port, legal="0 to 65535"
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"{host!r} is no address of this machine", field="host", value=host, legal="127.0.0.1"
        ) from error
    # With the protocol named, asyncio turns Nagle off; without, each answer waits 40 ms for an ACK.
    sock = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise _cannot_bind(settings, error) from error
    return sock, replace(settings, port=sock.getsockname()[1])


def _cannot_bind(settings: Settings, error: OSError) -> InputError:
    host, port = settings.host, settings.port
    if error.errno == errno.EADDRINUSE:
        return InputError(
            f"port {port} is in use already, perhaps by another Unembed",
            field="port",
            value=port,
            legal="a port that is free",
            fix=f"--port {_free_port_after(port)}",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        message, legal = f"port {port} needs more rights than you have", "1024 to 65535, or 0"
        return InputError(message, field="port", value=port, legal=legal, fix="--port 8420")
    message = f"{host!r} is no address of this machine"
    return InputError(message, field="host", value=host, legal="127.0.0.1")


def _free_port_after(port: int) -> int:
    for candidate in range(port + 1, min(port + 50, 65536)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", candidate))
            return candidate
    return 0


def address(settings: Settings, token: str) -> str:
    """What to open: the token is in the fragment, which no browser ever sends."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.port}/#token={quote(token, safe='')}"


def make_server(app: ASGIApp, settings: Settings, ready: Callable[[], None]) -> uvicorn.Server:
    """uvicorn, with what it would answer by itself taken in hand."""
    config = uvicorn.Config(
        app,
        http=protocol_class(settings.max_read_seconds),
        ws="none",
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        access_log=False,
        log_level="error",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return _Server(config, ready)


def serve(app: ASGIApp, sock: socket.socket, settings: Settings, ready: Callable[[], None]) -> None:
    """Run until interrupted; `ready` is called once requests are answered."""
    with contextlib.suppress(KeyboardInterrupt):
        make_server(app, settings, ready).run(sockets=[sock])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()
