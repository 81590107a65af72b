"""Many clients at once, over real sockets: every answer is what the same request gets alone."""

from __future__ import annotations

import http.client
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import unembed as ue
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .asgi import TOKEN
from .fakes import NoLock

N_REQUESTS, N_CLIENTS = 400, 16
N_FEWER = 150  # of every kind too; where it is the server that is another one
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
        if n % 5 == 0:
            preset = ("on", "lmd_on", "lmd_off")[n // 5 % 3]
            edits.append({"target": f"L{layer}.N{(neuron + 1) % 52}", "operation": preset})
        made.append(_asked(n, f"L{layer}.H{head}", body))
    return made


def _asked(n: int, head: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The n-th request: one of ten kinds."""
    state = body | {"site": "L1.resid_post"}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("predictions", body),
        ("predictions", body | {"sub_updates": 3}),
        ("lens", body | {"decoder": ("final_norm", "last_block", "L1.mlp")[n // 10 % 3]}),
        ("lens", body | {"positions": [0, -1], "follow": ("final", "next")[n // 10 % 2]}),
        ("component", body | {"target": head}),
        ("generate", body | {"max_new_tokens": 2}),
        ("generate/stream", body | {"max_new_tokens": 3, "temperature": 1, "seed": n}),
        ("index/similar", {"state": state, "limit": 5}),
        ("index/search", {"words": ["a", "t"][: 1 + n % 2], "side": "both", "offset": n // 10}),
        ("index/vector", {"target": f"L{n % 3}.N{n // 10 % 52}"}),
    ]
    path, asked = kinds[n % 10]
    return f"/api/{path}", asked


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


def all_at_once(port: int, number: int = N_REQUESTS) -> Answers:
    made = requests()[:number]
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
def serve(live: Any, built: Path) -> Callable[..., tuple[Any, int]]:
    """A server whose model has an index."""
    return lambda **changes: live(**{"cache_dir": str(built)} | changes)


@pytest.fixture
def alone(serve: Any) -> Answers:
    """Computed once: the same requests on every server."""
    if not _alone:
        _alone.extend(one_by_one(serve()[1]))
    return list(_alone)


@pytest.fixture
def often_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


def test_400_requests_of_16_clients_get_the_bytes_that_each_gets_alone(
    serve, alone, often_switching
):
    assert {status for status, _ in alone} == {200}
    assert len(set(alone)) > N_REQUESTS * 0.7
    app, port = serve()
    assert all_at_once(port) == alone
    assert not app.session.model.module._forward_hooks
    assert all_at_once(port) == alone  # now from the cache


def test_a_cache_too_small_to_keep_anything_changes_no_byte(serve, alone):
    assert all_at_once(serve(cache_bytes=0)[1], N_FEWER) == alone[:N_FEWER]


def test_an_index_that_is_being_built_changes_no_byte(serve, alone, built, tmp_path):
    shutil.copytree(built, tmp_path / "own")
    _, port = serve(cache_dir=str(tmp_path / "own"))
    statuses: list[int] = []
    over = threading.Event()

    def build_again_and_again() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body = {"projection": "final_norm", "restart": True}
        while not over.is_set():
            statuses.append(ask(connection, "/api/index/build", body)[0])
        connection.close()

    builder = threading.Thread(target=build_again_and_again)
    builder.start()
    answers = all_at_once(port, N_FEWER)
    over.set()
    builder.join()
    assert answers == alone[:N_FEWER]
    assert set(statuses) == {200}


@pytest.mark.filterwarnings("ignore")
def test_the_tests_above_notice_hooks_that_runs_share(serve, alone, often_switching):
    mutant = ue.load(tiny_model("gpt2", dtype=torch.float32), tokenizer=tiny_tokenizer())
    mutant._exclusive_use = NoLock()  # type: ignore[assignment]
    _, port = serve(served=mutant, threads=8)
    assert all_at_once(port, N_FEWER) != alone[:N_FEWER]
