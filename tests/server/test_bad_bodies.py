"""Bodies that a client should not send: each is refused, never a fault, and the field is named."""

from __future__ import annotations

import time

import pytest

from unembed.server import parsing

from . import bad_bodies, bad_view_bodies
from .asgi import bearer, call, post
from .bad_bodies import PREDICTIONS

CASES = [*bad_bodies.CASES, *bad_view_bodies.CASES]


@pytest.mark.parametrize(
    ("path", "raw", "status", "field"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_bad_body_is_refused_and_its_field_named(app, path, raw, status, field):
    answer = call(app, "POST", path, headers=[bearer()], body=raw)
    assert answer.status == status, answer.body
    assert answer.error.get("field") == (field or "body"), answer.error
    assert len(answer.error["message"]) > 10
    assert len(answer.body) < 2000


def test_there_are_enough_of_them():
    assert len(CASES) > 250
    assert len({case[0] for case in CASES}) == len(CASES)


def test_the_server_works_after_all_of_them(app):
    for _, path, raw, *_ in CASES:
        call(app, "POST", path, headers=[bearer()], body=raw)
    assert post(app, PREDICTIONS, {"prompt": "Hello"}).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b'{"prompt": "' + b'\\"' * 2_000_000,
        b'{"prompt": ' + b'["' * 2_000_000,
        b'{"prompt": [' + b"true," * 800_000 + b"true]}",
        b'{"prompt": "a", "edits": [' + b"0," * 2_000_000 + b"0]}",
        b'{"prompt": [' + b"1" * 4_000_000 + b"]}",
        b'{"prompt": "a", "top_k": 0.' + b"1" * 4_000_000 + b"}",
        b"{" + b",".join(b'"%d":0' % n for n in range(300_000)) + b"}",
        b'{"prompt": "a", "prompt"' + b" " * 4_000_000 + b":1}",
    ],
    ids=lambda raw: raw[:24].decode(),
)
def test_a_large_bad_body_is_refused_quickly(app, raw):
    start = time.process_time()
    assert call(app, "POST", PREDICTIONS, headers=[bearer()], body=raw).status == 400
    assert time.process_time() - start < 3


def test_without_the_depth_check_a_deep_body_gets_through_to_the_parser(app, monkeypatch):
    monkeypatch.setattr(parsing, "_check_depth", lambda *_: None)
    with pytest.raises(RecursionError):
        parsing.parse(b"[" * 100_000, 32)
