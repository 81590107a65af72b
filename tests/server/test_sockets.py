"""Over real sockets: what a client may do below HTTP, latency, and leaving in the middle."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import time
from typing import Any

import pytest

from unembed.errors import InputError
from unembed.server import launch
from unembed.settings import Settings

from .asgi import TOKEN

PATIENCE = 20


def wait_until(true: Any) -> bool:
    end = time.monotonic() + PATIENCE
    while not true() and time.monotonic() < end:
        time.sleep(0.002)
    return bool(true())


def exchange(port: int, sent: bytes) -> bytes:
    """Send bytes and read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        line.sendall(sent)
        received = b""
        try:
            while chunk := line.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received


def head(port: int, first: str, *more: str) -> bytes:
    lines = [first, f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {TOKEN}", *more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_what_is_not_http_gets_the_one_error_shape_and_the_headers(live, sent):
    received = exchange(live()[1], sent)
    top, _, body = received.partition(b"\r\n\r\n")
    assert top.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501"))
    assert b"content-security-policy: default-src 'none'" in top.lower()
    assert json.loads(body)["error"]["code"] == "bad_request"


def test_no_software_is_named(live):
    received = exchange(live()[1], head(live()[1], "GET /api/model HTTP/1.1", "Connection: close"))
    assert b"\r\nserver:" not in received.lower()
    assert b"uvicorn" not in received.lower()


def test_a_head_or_a_body_that_never_ends_is_cut_off(live):
    _, port = live(max_read_seconds=0.3)
    start = time.monotonic()
    assert exchange(port, b"") == b""
    assert exchange(port, b"GET / HTTP/1.1\r\nHos") == b""
    late = head(
        port, "POST /api/lens HTTP/1.1", "Content-Type: application/json", "Content-Length: 9"
    )
    assert exchange(port, late + b"{").startswith(b"HTTP/1.1 408")
    assert time.monotonic() - start < 10


def test_a_chunked_body_is_counted_while_it_comes(live):
    _, port = live(max_body_bytes=1000)
    sent = head(
        port,
        "POST /api/lens HTTP/1.1",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
    )
    sent += (b"100\r\n" + b" " * 256 + b"\r\n") * 5
    assert b"HTTP/1.1 413" in exchange(port, sent)


def test_websockets_are_refused(live):
    _, port = live()
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA==")
    sent = head(port, "GET /api/model HTTP/1.1", "Connection: Upgrade, close", *upgrade)
    assert exchange(port, sent).startswith(b"HTTP/1.1 400")


def test_an_answer_does_not_wait_for_an_acknowledgement(live):
    """Without TCP_NODELAY each answer on a kept connection takes 40 ms more."""
    connection = http.client.HTTPConnection("127.0.0.1", live()[1])
    times = []
    for _ in range(10):
        start = time.perf_counter()
        connection.request("GET", "/api/health")
        connection.getresponse().read()
        times.append(time.perf_counter() - start)
    connection.close()
    assert min(times) < 0.03


class Layers:
    """Hooks of the test's own: counts blocks as they run, and holds the first one until told."""

    def __init__(self, model: Any) -> None:
        self.done = 0
        self.slow = 0.0
        blocks = [model.module.get_submodule(b.module) for b in model.anatomy.blocks]
        self._handles = [block.register_forward_hook(self._count) for block in blocks]

    def _count(self, *_: Any) -> None:
        self.done += 1
        time.sleep(self.slow)

    def remove(self) -> None:
        [handle.remove() for handle in self._handles]


@pytest.fixture
def layers(model: Any) -> Any:
    counted = Layers(model)
    yield counted
    counted.remove()


def test_a_client_that_leaves_stops_the_compute_within_one_layer(live, layers, model):
    """Generation without end would run 500 x 3 blocks; the connection breaks after some of them."""
    app, port = live()
    layers.slow = 0.05
    body = json.dumps({"prompt": "The cat", "max_new_tokens": 60}).encode()
    more = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    line = socket.create_connection(("127.0.0.1", port))
    line.sendall(head(port, "POST /api/generate HTTP/1.1", *more) + body)
    assert wait_until(lambda: layers.done >= 4)
    # Reset, not an orderly end: the client's process is gone.
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()
    job = next(iter(app.session._jobs.values()))
    assert wait_until(lambda: job.cancel.cancelled)
    seen = layers.done
    assert wait_until(lambda: job.is_over)
    assert job.state == "cancelled"
    assert layers.done <= seen + 1
    layers.slow = 0.0
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request("POST", "/api/predictions", b'{"prompt": "The cat"}', headers)
    assert connection.getresponse().status == 200
    connection.close()


# ---------------------------------------------------------------- binding


def test_a_busy_port_is_said_and_the_next_free_one_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} is in use") as caught:
            launch.bind(Settings(port=port))
    assert caught.value.field == "port"
    assert caught.value.fix is not None
    assert int(caught.value.fix.split()[1]) > port


@pytest.mark.parametrize(
    ("change", "field"), [({"port": 70000}, "port"), ({"host": "no.such.host.invalid"}, "host")]
)
def test_addresses_that_cannot_be_bound(change, field):
    with pytest.raises(InputError) as caught:
        launch.bind(Settings(**{"port": 0} | change))
    assert caught.value.field == field


def test_port_0_takes_a_free_one():
    sock, settings = launch.bind(Settings(port=0))
    with sock:
        assert settings.port == sock.getsockname()[1] != 0


@pytest.mark.parametrize("token", ["", "short", "x" * 300, "a token with spaces in it", "ä" * 20])
def test_tokens_that_are_not_fit_to_be_one(token):
    with pytest.raises(InputError, match="token"):
        launch.choose_token(token)


def test_a_random_token_is_long_and_never_the_same():
    first, second = launch.choose_token(None), launch.choose_token(None)
    assert first != second
    assert len(first) >= 32
    assert launch.choose_token(first) == first


@pytest.mark.parametrize(
    ("host", "near"),
    [
        *((host, True) for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8")),
        *((host, False) for host in ("0.0.0.0", "192.168.1.5", "::", "lab.example")),
    ],
)
def test_what_is_this_machine_alone(host, near):
    assert launch.is_loopback(host) is near


def test_the_printed_address_has_the_token_where_no_server_sees_it():
    assert launch.address(Settings(), "abc") == "http://127.0.0.1:8420/#token=abc"
    assert launch.address(Settings(host="0.0.0.0"), "abc").startswith("http://127.0.0.1:8420/")
    assert launch.address(Settings(host="::1"), "abc").startswith("http://[::1]:8420/")
