"""The guard: who gets in. Every route, with every token, from hostile Hosts and Origins."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from unembed.server import access, guard
from unembed.server.access import Policy
from unembed.server.guard import SECURITY_HEADERS, Guard
from unembed.server.table import API, PUBLIC, static_entries
from unembed.settings import Settings

from .asgi import HOST, ORIGIN, PORT, TOKEN, Answer, bearer, call, cookie, request

STATIC = ("/", "/index.html", "/favicon.svg", "/assets/app-1a2b.js")
ENTRIES = (*API, *static_entries(STATIC))
ROUTES = [
    (method, entry.path.replace("{job}", "a-job-of-mine"))
    for entry in ENTRIES
    for method in entry.methods
    if method != "HEAD"
]
WRONG = "b-token-for-the-tests-0123456789"
CREDENTIALS: dict[str, list[tuple[str, str]]] = {
    "nothing": [],
    "wrong bearer": [bearer(WRONG)],
    "empty bearer": [bearer("")],
    "shorter bearer": [bearer(TOKEN[:-1])],
    "basic": [("Authorization", f"Basic {TOKEN}")],
    "wrong cookie": [cookie(WRONG)],
    "cookie of another port": [("Cookie", f"unembed_token_9999={TOKEN}")],
    "cookie": [cookie()],
    "bearer": [bearer()],
    "wrong bearer and cookie": [bearer(WRONG), cookie()],
}
GOOD_HOSTS = (HOST, f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}")
BAD_HOSTS = (
    None,
    "",
    "127.0.0.1",
    "localhost",
    "127.0.0.1:9999",
    "evil.example",
    f"evil.example:{PORT}",
    f"127.0.0.1.evil.example:{PORT}",
    f"localhost.:{PORT}",
    f"127.0.0.1:{PORT}@evil.example",
    f"127.1:{PORT}",
    f"2130706433:{PORT}",
    f"0.0.0.0:{PORT}",
    f"::1:{PORT}",
    f"127.0.0.1:{PORT} ",
    f"127.0.0.1:{PORT},evil.example",
)
GOOD_ORIGINS = (ORIGIN, f"http://localhost:{PORT}")
BAD_ORIGINS = (
    "null",
    "",
    "http://evil.example",
    f"http://evil.example:{PORT}",
    "http://127.0.0.1",
    "http://127.0.0.1:9999",
    f"https://127.0.0.1:{PORT}",
    f"http://127.0.0.1:{PORT}.evil.example",
    f"http://127.0.0.1:{PORT}/",
    "file://",
    "chrome-extension://abcdefgh",
)


class Inner:
    """Stands where the application is, and counts who got there."""

    def __init__(self) -> None:
        self.reached = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"server", b"x")]})
        await send({"type": "http.response.body", "body": b"{}"})


def guarded(**changes: Any) -> tuple[Guard, Inner]:
    inner = Inner()
    policy = Policy.of(TOKEN, "127.0.0.1", PORT)
    return Guard(inner, policy, Settings(**changes), ENTRIES), inner


def is_public(method: str, path: str) -> bool:
    return any(
        f"{method} {path}" == public
        or (public.endswith("/*") and f"{method} {path}".startswith(public[:-1]))
        for public in PUBLIC
    )


def may_enter(
    method: str, path: str, credential: str, host: str | None, origin: str | None
) -> bool:
    """The rules, written down once more and apart from the code."""
    if host not in GOOD_HOSTS or origin not in (None, *GOOD_ORIGINS):
        return False
    if credential in ("wrong bearer", "empty bearer", "shorter bearer", "basic"):
        return False
    if credential == "wrong bearer and cookie":
        return False
    if is_public(method, path):
        return method == "GET" or origin is not None or credential == "bearer"
    return credential == "bearer" or (credential == "cookie" and origin is not None)


def matrix() -> Iterator[tuple[str, str, str, str | None, str | None]]:
    hosts, origins = (*GOOD_HOSTS, *BAD_HOSTS), (None, *GOOD_ORIGINS, *BAD_ORIGINS)
    for (method, path), credential in itertools.product(ROUTES, CREDENTIALS):
        for host in hosts:
            yield method, path, credential, host, None
            yield method, path, credential, host, ORIGIN
        for origin in origins:
            yield method, path, credential, HOST, origin


async def wrongs() -> AsyncIterator[str]:
    """Every case of the matrix where the guard and the rules differ."""
    guard_, inner = guarded()
    for method, path, credential, host, origin in matrix():
        before = inner.reached
        headers = list(CREDENTIALS[credential])
        headers += [("Origin", origin)] if origin is not None else []
        body = b"{}" if method == "POST" else None
        answer = await request(guard_, method, path, headers=headers, host=host, body=body)
        entered = inner.reached > before
        expected = may_enter(method, path, credential, host, origin)
        if entered != expected or (not entered and answer.status not in (401, 403)):
            yield f"{method} {path} {credential} {host} {origin}: {answer.status}"


async def first_wrong() -> str | None:
    return await anext(wrongs(), None)


def test_every_route_token_host_and_origin():
    assert sum(1 for _ in matrix()) > 5000
    assert asyncio.run(first_wrong()) is None


@pytest.mark.parametrize("check", ["check_host", "check_origin", "check_token", "check_login"])
def test_the_matrix_notices_a_guard_without(check, monkeypatch):
    monkeypatch.setattr(access, check, lambda *_, **__: True)
    assert asyncio.run(first_wrong())


def test_the_matrix_notices_a_path_made_public_by_accident(monkeypatch):
    from dataclasses import replace

    opened = tuple(replace(entry, public=True) for entry in ENTRIES)
    monkeypatch.setitem(globals(), "ENTRIES", opened)
    assert asyncio.run(first_wrong())


def test_the_public_list_is_the_table():
    listed = {f"{method} {e.path}" for e in ENTRIES if e.public for method in e.methods}
    listed = {entry for entry in listed if not entry.startswith("HEAD")}
    listed = {"GET /assets/*" if "/assets/" in entry else entry for entry in listed}
    assert listed == set(PUBLIC)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "weird"])
def test_a_page_of_another_origin_is_told_by_sec_fetch_site(site):
    guard_, inner = guarded()
    answer = call(guard_, "GET", "/api/model", headers=[cookie(), ("Sec-Fetch-Site", site)])
    assert (answer.status, inner.reached) == (403, 0)


def test_a_cookie_counts_for_our_own_pages():
    guard_, inner = guarded()
    headers = [cookie(), ("Sec-Fetch-Site", "same-origin")]
    assert call(guard_, "GET", "/api/model", headers=headers).status == 200
    assert inner.reached == 1


def test_a_link_from_elsewhere_opens_the_app_but_a_script_tag_does_not():
    guard_, _ = guarded()
    site = ("Sec-Fetch-Site", "cross-site")
    assert call(guard_, "GET", "/", headers=[site, ("Sec-Fetch-Mode", "navigate")]).status == 200
    assert call(guard_, "GET", "/", headers=[site, ("Sec-Fetch-Mode", "no-cors")]).status == 403
    headers = [site, ("Sec-Fetch-Mode", "navigate"), cookie()]
    assert call(guard_, "GET", "/api/model", headers=headers).status == 403


def test_over_plain_http_to_a_bound_address_browsers_send_no_origin_with_get():
    inner = Inner()
    policy = Policy.of(TOKEN, "192.168.1.5", PORT)
    guard_ = Guard(inner, policy, Settings(host="192.168.1.5"), ENTRIES)
    host = f"192.168.1.5:{PORT}"
    assert call(guard_, "GET", "/api/model", host=host, headers=[cookie()]).status == 200
    refused = call(guard_, "POST", "/api/lens", host=host, headers=[cookie()], body=b"{}")
    assert refused.status == 403


def test_further_names_are_let_in_only_when_asked_for():
    policy = Policy.of(TOKEN, "0.0.0.0", PORT, ["lab.example", "localhost:9000"])
    assert f"lab.example:{PORT}" in policy.hosts
    assert "localhost:9000" in policy.hosts
    assert not any(host.startswith("0.0.0.0") for host in policy.hosts)
    assert f"[fe80::1]:{PORT}" in Policy.of(TOKEN, "fe80::1", PORT).hosts
    assert "localhost" in Policy.of(TOKEN, "127.0.0.1", 80).hosts


@pytest.mark.parametrize("name", ["Host", "Origin", "Authorization", "Sec-Fetch-Site"])
def test_a_header_sent_twice_is_refused(name):
    values = {"Host": HOST, "Origin": ORIGIN, "Authorization": f"Bearer {TOKEN}"}
    value = values.get(name, "same-origin")
    guard_, inner = guarded()
    headers = [bearer(), (name, value), (name, value)]
    headers = headers[1:] if name == "Authorization" else headers
    assert call(guard_, "GET", "/api/model", headers=headers).status == 400
    assert inner.reached == 0


NOWHERE = [
    "/api",
    "/api/",
    "/api/model/",
    "/api//model",
    "//api/model",
    "/API/model",
    "/api/%6dodel",
    "/api/model%00",
    "/api/./model",
    "/api/jobs/../model",
    "/api/jobs/short/events",
    "/api/jobs/a-job-of-mine/events/",
    "/api/jobs/a%2djob-of-mine",
    "/api/jobs/" + "a" * 65,
    "/docs",
    "/redoc",
    "/openapi.json",
    "/api/openapi.json",
    "/assets",
    "/assets/",
    "/assets/../index.html",
    "/assets/..%2findex.html",
    "/assets/%2e%2e/settings.py",
    "/assets/....//app-1a2b.js",
    "/..",
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%5c..%5cwindows",
    "/assets/app-1a2b.js/",
    "/assets/app-1a2b.js%20",
    "/favicon.ico",
    "/server.py",
    "/index.html;x",
    "http://evil.example/api/model",
    "*",
    "",
    "/api/jobs/é-é-é-é-é",
]


@pytest.mark.parametrize("path", NOWHERE)
def test_what_is_not_in_the_table_is_nowhere(path):
    guard_, inner = guarded()
    answer = call(guard_, "GET", path, headers=[bearer()])
    assert (answer.status, inner.reached) == (404, 0)
    assert answer.error["code"] == "not_found"


@pytest.mark.parametrize(
    "method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "X"]
)
def test_methods_not_in_the_table_are_refused(method):
    guard_, inner = guarded()
    answer = call(guard_, method, "/api/model", headers=[bearer(), ("Origin", ORIGIN)])
    assert (answer.status, answer.header("Allow"), inner.reached) == (405, "GET", 0)


def test_a_preflight_of_another_origin_gets_no_permission():
    guard_, _ = guarded()
    headers = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")]
    answer = call(guard_, "OPTIONS", "/api/lens", headers=headers)
    assert answer.status == 403
    assert answer.header("Access-Control-Allow-Origin") is None


def test_api_routes_take_no_query():
    guard_, inner = guarded()
    assert call(guard_, "GET", "/api/model?x=1", headers=[bearer()]).status == 400
    assert inner.reached == 0
    assert call(guard_, "GET", "/?v=1&prompt=x").status == 200


def test_websockets_are_refused():
    async def connect() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        guard_, _ = guarded()
        await guard_({"type": "websocket", "path": "/api/model", "headers": []}, receive, send)
        return sent

    assert asyncio.run(connect()) == [{"type": "websocket.close", "code": 1008}]
    guard_, inner = guarded()
    upgrade = [bearer(), ("Connection", "Upgrade"), ("Upgrade", "websocket")]
    assert call(guard_, "GET", "/api/model", headers=upgrade).status == 400
    assert inner.reached == 0


# ---------------------------------------------------------------- bodies, before they are parsed


def sends(body: Any, *headers: tuple[str, str], pause: float = 0.0, **changes: Any) -> Answer:
    guard_, inner = guarded(**changes)
    answer = call(guard_, "POST", "/api/lens", headers=[bearer(), *headers], body=body, pause=pause)
    assert (inner.reached == 1) == (answer.status == 200)
    return answer


def test_a_declared_length_above_the_limit_is_refused_before_it_is_read():
    answer = sends(b"{}", ("Content-Length", str(10**30)), max_body_bytes=100)
    assert (answer.status, answer.error["field"]) == (413, "body")


def test_a_body_is_counted_while_it_comes():
    pieces = [b"x" * 60, b"x" * 60]
    assert sends(pieces, max_body_bytes=100).status == 413
    assert sends(pieces, max_body_bytes=120).status == 200
    assert sends(pieces, ("Content-Length", "2"), max_body_bytes=100).status == 413


def test_a_body_that_does_not_arrive_is_not_waited_for():
    answer = sends([b"{", b"}"], pause=0.2, max_read_seconds=0.1)
    assert (answer.status, answer.error["code"]) == (408, "too_slow")


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json; charset=utf-16",
        "application/jsonx",
        "",
        "application/json, text/plain",
        "application/vnd.api+json",
    ],
)
def test_only_json_is_taken(kind):
    assert sends(b"{}", ("Content-Type", kind)).status == 415


def test_json_in_utf_8_is_taken_and_compression_is_not():
    assert sends(b"{}", ("Content-Type", "Application/JSON; charset=UTF-8")).status == 200
    assert sends(b"{}", ("Content-Encoding", "gzip")).status == 415
    twice = [("Content-Type", "application/json"), ("Content-Type", "text/plain")]
    assert sends(b"{}", *twice).status == 415


@pytest.mark.parametrize("header", [("Content-Length", "2"), ("Transfer-Encoding", "chunked")])
def test_get_takes_no_body(header):
    guard_, inner = guarded()
    assert call(guard_, "GET", "/api/model", headers=[bearer(), header]).status == 400
    assert inner.reached == 0


def test_size_and_time_limits_are_what_refuses(monkeypatch):
    monkeypatch.setattr(guard.Guard, "_check_size", lambda *_: None)
    assert sends([b"x" * 60, b"x" * 60], max_body_bytes=100).status == 200


# ---------------------------------------------------------------- every answer


@pytest.mark.parametrize(
    "path, headers, status",
    [
        ("/", [], 200),
        ("/api/model", [bearer()], 200),
        ("/api/model", [], 401),
        ("/api/model", [("Origin", "null")], 403),
        ("/nowhere", [], 404),
    ],
)
def test_every_answer_carries_the_security_headers(path, headers, status):
    guard_, _ = guarded()
    answer = call(guard_, "GET", path, headers=headers)
    assert answer.status == status
    for name, value in SECURITY_HEADERS:
        assert answer.header(name.decode()) == value.decode()
    assert answer.header("Server") is None
    assert answer.header("Cache-Control") == "no-store"
    if status == 401:
        assert answer.header("WWW-Authenticate") == "Bearer"


def test_a_fault_says_nothing_of_the_inside(caplog):
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("/home/someone/secret.py line 7")

    guard_ = Guard(broken, Policy.of(TOKEN, "127.0.0.1", PORT), Settings(), ENTRIES)
    answer = call(guard_, "GET", "/api/model", headers=[bearer()])
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert answer.error["code"] == "internal"
    assert "secret" in caplog.text


def test_tokens_are_compared_in_constant_time(monkeypatch):
    seen = []
    real = access.hmac.compare_digest
    monkeypatch.setattr(access.hmac, "compare_digest", lambda a, b: seen.append(a) or real(a, b))
    guard_, _ = guarded()
    call(guard_, "GET", "/api/model", headers=[bearer("x")])
    call(guard_, "GET", "/api/model", headers=[bearer("é")])
    assert seen == [b"x", "é".encode("latin-1")]
