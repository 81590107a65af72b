"""Who may talk to the server: Host, Origin and token of one request, judged from its headers alone.

Pure functions over headers; the guard calls them in order. A browser on another page can send any
body to 127.0.0.1, but it cannot lie about Origin, Host or Sec-Fetch-Site: those three, and a token
that it does not know, keep it out.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Headers = Sequence[tuple[bytes, bytes]]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
SAFE_METHODS = ("GET", "HEAD")
_WILDCARDS = ("0.0.0.0", "::", "")


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """A request that goes no further; the guard turns it into an answer."""

    def __init__(
        self, status: int, code: str, message: str, field: str, value: object = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.field, self.value = (
            status,
            code,
            message,
            field,
            value,
        )


@dataclass(frozen=True)
class Policy:
    """What is let in: a token, and the names under which this server is addressed."""

    token: str
    port: int
    hosts: frozenset[str]

    @classmethod
    def of(cls, token: str, host: str, port: int, extra: Iterable[str] = ()) -> Policy:
        """Loopback names, the bound host when it is a name of its own, and what the user adds."""
        bound = [] if host in _WILDCARDS else [f"[{host}]" if ":" in host else host]
        names = {*LOOPBACK, *bound, *extra}
        hosts = {name if _has_port(name) else f"{name}:{port}" for name in names}
        if port == 80:
            hosts |= {name for name in names if not _has_port(name)}
        return cls(token, port, frozenset(name.lower() for name in hosts))

    @property
    def cookie(self) -> str:
        """Cookies do not know ports: the name tells servers on one machine apart."""
        return f"unembed_token_{self.port}"

    @property
    def origins(self) -> frozenset[str]:
        """The origins of this server's own pages."""
        return frozenset(f"http://{host}" for host in self.hosts)

    def knows(self, token: bytes) -> bool:
        """Compared in constant time."""
        return hmac.compare_digest(token, self.token.encode())


def _has_port(name: str) -> bool:
    return ":" in name.rpartition("]")[2]


def values(headers: Headers, name: bytes) -> list[str]:
    """Every value of a header, in order."""
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


def _single(headers: Headers, name: bytes) -> str | None:
    found = values(headers, name)
    if len(found) > 1:
        label = name.decode().title()
        raise Refused(400, "bad_request", f"The request has {len(found)} {label} headers.", label)
    return found[0] if found else None


def check_host(policy: Policy, headers: Headers) -> None:
    """A name that rebinds to this address is not one of ours."""
    host = _single(headers, b"host")
    if host is None or host.lower() not in policy.hosts:
        told = (
            "sends no Host"
            if host is None
            else "addresses the server by a name that is not its own"
        )
        raise Refused(403, "refused", f"The request {told}.", "Host", host)


def check_origin(policy: Policy, headers: Headers, *, api: bool) -> bool:
    """Refuse other origins; True when the headers prove that the request is same-origin."""
    origin = _single(headers, b"origin")
    site = _single(headers, b"sec-fetch-site")
    if origin is not None and origin.lower() not in policy.origins:
        raise Refused(403, "refused", "The request comes from another origin.", "Origin", origin)
    if site in ("cross-site", "same-site"):
        navigates = values(headers, b"sec-fetch-mode") == ["navigate"]
        if api or not navigates:
            message = "The request comes from a page of another origin."
            raise Refused(403, "refused", message, "Sec-Fetch-Site", site)
    return origin is not None or site == "same-origin"


def check_token(policy: Policy, headers: Headers, *, method: str, same_origin: bool) -> None:
    """Bearer token, or cookie of a request that is provably same-origin."""
    authorization = _single(headers, b"authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not policy.knows(token.encode("latin-1")):
            raise Refused(401, "unauthorized", "The token is wrong.", "Authorization")
        return
    if not any(policy.knows(cookie) for cookie in _cookies(headers, policy.cookie)):
        message = "The request has no valid token: open the address that the server printed."
        raise Refused(401, "unauthorized", message, "Authorization")
    if not same_origin and not _tells_no_origin(headers, method):
        message = "A cookie counts only for requests from this server's own pages."
        raise Refused(403, "refused", message, "Origin")


def check_login(method: str, *, same_origin: bool) -> None:
    """Signing in sets a cookie: only this server's own pages may."""
    if method not in SAFE_METHODS and not same_origin:
        message = "The request names no Origin, and has no bearer token that would do instead."
        raise Refused(403, "refused", message, "Origin")


def _cookies(headers: Headers, name: str) -> list[bytes]:
    pairs = [pair.strip() for line in values(headers, b"cookie") for pair in line.split(";")]
    return [
        value.encode("latin-1")
        for key, _, value in (p.partition("=") for p in pairs)
        if key == name
    ]


def _tells_no_origin(headers: Headers, method: str) -> bool:
    """Over plain HTTP to a name that is not loopback, browsers send no Sec-Fetch-Site, and with GET
    no Origin. Such a request changes nothing and no other origin can read its answer."""
    host = (values(headers, b"host") or [""])[0].rpartition(":")[0]
    silent = not values(headers, b"sec-fetch-site")
    return method in SAFE_METHODS and silent and host.lower() not in LOOPBACK
