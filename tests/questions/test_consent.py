"""On a terminal who sits there is asked before texts leave; without one nothing does."""

from __future__ import annotations

import io
import os
import re
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from unembed.cli import main
from unembed.cli.loading import progress_bar
from unembed.cli.terminal import Terminal

from ..explanations.stub import said, server, yes
from .test_explanations import corpus

__all__ = ["corpus"]
ASKED = re.compile(rb"About (\d+) requests .* go to models\.example \(large\).*\[y/N\] ", re.S)
Typed = Callable[..., tuple[int, str]]


@dataclass
class Network:
    """What was opened to models.example, which is a stub."""

    url: str = ""
    opened: list[str] = field(default_factory=list)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """Every connection is seen; there is one machine elsewhere."""
    found, connect = Network(), socket.create_connection

    def opened(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        assert address[0] == "models.example"
        found.opened.append(address[0])
        return connect(("127.0.0.1", address[1]), *rest, **more)

    monkeypatch.setattr(socket, "create_connection", opened)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with server(lambda body, _: (200, yes() if "logprobs" in body else said("cats"), {})) as (
        url,
        _,
    ):
        found.url = url.replace("127.0.0.1", "models.example")
        yield found


@pytest.fixture
def command(source: str, corpus: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(cache))
    nodes = ["--name", "many", "--nodes", "L1.N5", "--n-tokens", "400"]
    return ["explain", source, *nodes, "--explainer", "server", "--server-model", "large"]


@pytest.fixture
def terminal(network: Network, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """terminal("explain", ..., typed=b"y\\n") -> (exit status, what was shown); at a real one.

    What is typed is typed once the question is there, and nothing is open by then.
    """

    def call(*arguments: str, typed: bytes) -> tuple[int, str]:
        ours, theirs = os.openpty()
        shown, over = bytearray(), threading.Event()

        def sit() -> None:
            answers = [typed]
            while not over.is_set():
                if not select.select([ours], [], [], 0.05)[0]:
                    continue
                shown.extend(os.read(ours, 65536))
                if answers and ASKED.search(bytes(shown)):
                    assert network.opened == []
                    os.write(ours, answers.pop())

        with open(theirs, "r+b", buffering=0) as raw:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw))
            monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, write_through=True))
            someone = threading.Thread(target=sit)
            someone.start()
            status = 0
            try:
                main(arguments)
            except SystemExit as end:
                status = int(end.code or 0)
            finally:
                over.set()
                someone.join(5)
                os.close(ours)
        return status, shown.decode()

    return call


def test_yes_at_a_terminal_sends_all_of_it_and_is_asked_once(terminal, network, command, capsys):
    status, shown = terminal(*command, "--judge", "server", "--server", network.url, typed=b"y\n")
    assert status == 0, shown
    assert network.opened != []
    assert shown.count("[y/N]") == 1
    assert int(ASKED.search(shown.encode())[1]) == 203  # what is written and what judges it
    assert "--price says it" in shown
    assert "“cats”" in capsys.readouterr().out


@pytest.mark.parametrize("typed", [b"n\n", b"\n", b"\x04", b"yes, but\n"], ids=repr)
def test_anything_else_sends_nothing(typed, terminal, network, command, capsys):
    status, shown = terminal(*command, "--server", network.url, "--price", "1,2", typed=typed)
    assert (status, network.opened) == (2, [])
    assert "which costs about" in shown
    assert "nothing was sent" in shown.casefold()
    assert capsys.readouterr().out == ""


def test_without_a_terminal_nothing_is_sent_and_scripts_say_so(network, command, cli):
    status, _, err = cli(*command, "--server", network.url, stdin=b"y\n")
    assert (status, network.opened) == (2, [])
    assert "--consent" in err
    assert "[y/N]" not in err
    score = [
        "score",
        *command[1:4],
        "--node",
        "L1.N5",
        "--explanation",
        "cats",
        "--judge",
        "server",
    ]
    score += ["--server", network.url, "--server-model", "large"]
    assert (cli(*score)[0], network.opened) == (2, [])
    assert cli(*command, "--server", network.url, "--consent")[0] == 0
    assert network.opened != []


def test_ctrl_c_at_the_question_lets_the_work_go(monkeypatch):
    console = Console(file=io.StringIO())
    asking, work, answered = Terminal(console), Future(), []

    def ended() -> str:
        raise KeyboardInterrupt

    def ask() -> None:
        answered.append(asking.agrees("Texts go elsewhere."))
        work.set_result(None)

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(readline=ended))
    someone = threading.Thread(target=ask)
    someone.start()
    with progress_bar(console, "Computing") as bars, pytest.raises(KeyboardInterrupt):
        asking.serve(work, bars)
    someone.join(5)
    assert answered == [False]
