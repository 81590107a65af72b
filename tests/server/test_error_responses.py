"""Errors on the wire: sentences, and values that are short, printable and valid."""

from __future__ import annotations

import json

import pytest

from unembed import errors
from unembed.server.error_responses import error_response, response_of, sentence, shown


@pytest.mark.parametrize(
    ("message", "field", "told"),
    [
        ("the prompt is empty", "prompt", "The prompt is empty."),
        ("layer 9 is not in this model", "edits[0].target", "Layer 9 is not in this model."),
        ("k is 0; it must be 1 or more", "k", "k is 0; it must be 1 or more."),
        ("edits[0].value is missing.", "edits[0].value", "edits[0].value is missing."),
        ("'ab' is not one token", "target", "'ab' is not one token."),
        ("gpt2-small cannot", None, "gpt2-small cannot."),
        ("Why?", None, "Why?"),
    ],
)
def test_messages_are_sentences(message, field, told):
    assert sentence(message, field) == told


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        ([1, None], "[1, null]"),
        (float("nan"), "NaN"),
        ("a\nb\u202e", "a\\nb\\u202e"),
        ("\ud800", "\\ud800"),
        ([0] * 9, "list of 9"),
        ({1, 2}, '"{1, 2}"'),
    ],
)
def test_values_are_shown_as_json_and_can_be_sent(value, text):
    assert shown(value) == text
    shown(value).encode("utf-8")


def test_long_values_are_cut():
    assert shown(10**5000) == "int"
    assert len(shown("x" * 10_000)) == 80
    assert shown("x" * 10_000).endswith("…")


def test_every_error_becomes_its_status_and_code():
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.UnembedError):
            reply = response_of(kind("it broke", field="x", value=3, legal="1 to 2", fix="try"))
            told = json.loads(bytes(reply.body))["error"]
            assert (reply.status_code, told["code"]) == (kind.status, kind.code)
            assert told["value"] == "3"
            assert (reply.headers.get("Retry-After") is not None) == (kind.status == 503)


def test_a_message_that_cannot_be_encoded_is_escaped():
    told = json.loads(bytes(error_response(400, "bad", "it has \ud800").body))["error"]["message"]
    assert told == "It has \\ud800."
