"""Many clients at once, over real sockets: every answer is what the same request gets alone."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import unembed as ue
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .asgi import TOKEN
from .fakes import NoLock

N_REQUESTS, N_CLIENTS = 400, 16
PROMPTS = ("The cat sat on the mat", "A man in the rain", "is it or not?")
Answers = list[tuple[int, bytes]]
_alone: Answers = []


def requests() -> list[tuple[str, dict[str, Any]]]:
    """400 requests, no two with the same edits, of every kind of analysis."""
    made = []
    for n in range(N_REQUESTS):
        layer, head, neuron = n % 3, n % 4, n % 52
        edits = [
            {"target": f"L{layer}.H{head}", "operation": "scale", "value": n / 100},
            {"target": f"L{(layer + 1) % 3}.N{neuron}", "operation": "set_to", "value": n / 50},
        ]
        if n % 7 == 0:
            source = {"prompt": PROMPTS[(n + 1) % 3], "positions": [1]}
            edits.append(
                {"target": "L1.mlp", "operation": "patch", "positions": [n % 3], "source": source}
            )
        body: dict[str, Any] = {"prompt": PROMPTS[n % 3], "edits": edits}
        path = ("predictions", "lens", "generate", "component")[n % 4]
        if path == "component":
            body["target"] = f"L{layer}.H{head}"
        if path == "lens":
            body |= {"decoder": ("final_norm", "last_block", "L1.mlp")[n // 4 % 3]}
            body |= {"positions": [0, -1], "follow": ("final", "next")[n // 4 % 2]}
        if path == "generate":
            body |= {"max_new_tokens": 2}
        made.append((f"/api/{path}", body))
    return made


def ask(connection: http.client.HTTPConnection, path: str, body: object) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body).encode(), headers)
    response = connection.getresponse()
    return response.status, response.read()


def one_by_one(port: int) -> Answers:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    answers = [ask(connection, *request) for request in requests()]
    connection.close()
    return answers


def all_at_once(port: int) -> Answers:
    made = requests()
    answers: Answers = [(0, b"")] * len(made)

    def client(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for n in reversed(range(first, len(made), N_CLIENTS)):
            answers[n] = ask(connection, *made[n])
        connection.close()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(N_CLIENTS)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return answers


@pytest.fixture
def alone(live: Any) -> Answers:
    """Computed once: the same requests on every server."""
    if not _alone:
        _alone.extend(one_by_one(live()[1]))
    return list(_alone)


@pytest.fixture
def often_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


def test_400_requests_of_16_clients_get_the_bytes_that_each_gets_alone(
    live, alone, often_switching
):
    assert {status for status, _ in alone} == {200}
    assert len(set(alone)) > N_REQUESTS * 0.7
    app, port = live()
    assert all_at_once(port) == alone
    assert not app.session.model.module._forward_hooks
    assert all_at_once(port) == alone  # now from the cache


def test_a_cache_too_small_to_keep_anything_changes_no_byte(live, alone):
    assert all_at_once(live(cache_bytes=0)[1]) == alone


@pytest.mark.filterwarnings("ignore")
def test_the_test_above_notices_hooks_that_runs_share(live, alone, often_switching):
    mutant = ue.load(tiny_model("gpt2", dtype=torch.float32), tokenizer=tiny_tokenizer())
    mutant._turn = NoLock()  # type: ignore[assignment]
    _, port = live(served=mutant, threads=8)
    assert all_at_once(port) != alone
