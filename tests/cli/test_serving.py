"""`unembed serve` as a process: the address it prints works, Ctrl-C ends it, mistakes are said."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from unembed.cli import serving


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from unembed.cli import main; main()", *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"CI": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"},
    )


@pytest.fixture
def served(source: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """(process, address, token)."""
    process = start("serve", source, "--port", "0")
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    found = re.search(r"(http://127\.0\.0\.1:\d+)/#token=(\S+)", "".join(lines))
    assert found, (lines, process.poll())
    yield process, found[1], found[2]
    process.kill()
    process.wait()


def get(address: str, path: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(address + path, headers=headers)) as answer:
        return json.load(answer)


def test_the_printed_address_and_token_work_and_ctrl_c_ends_it(served, cli):
    process, address, token = served
    assert get(address, "/api/model", token)["family"] == "gpt2"
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(address, "/api/model", "wrong")
    assert refused.value.code == 401
    refused.value.close()
    port = address.rpartition(":")[2]
    status, _, err = cli("serve", "no-model-is-loaded-for-this", "--port", port)
    assert status == 2
    assert f"port {port} is in use" in err
    assert "--port" in err
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Stopped." in out
    assert "Traceback" not in err
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0


def test_an_end_by_the_system_is_as_orderly(served):
    process, *_ = served
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, "Stopped." in out, err.count("Traceback")) == (0, True, 0)


def test_beyond_this_machine_there_is_a_warning(source):
    process = start("serve", source, "--host", "0.0.0.0", "--port", "0")
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if "Loading" in line:
            break
    process.kill()
    process.communicate()
    assert "beyond this machine" in seen
    assert "--allow-host" in seen


def test_a_token_may_come_from_the_environment(source, cli, monkeypatch):
    monkeypatch.setenv("UNEMBED_TOKEN", "short")
    status, _, err = cli("serve", source, "--port", "0")
    assert (status, "token" in err) == (2, True)
    assert "short" not in err


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ":0", "CI": "true"}, False),
        ("darwin", {}, True),
        ("win32", {}, True),
        ("darwin", {"CI": "1"}, False),
    ],
)
def test_a_browser_is_opened_where_a_person_is(monkeypatch, platform, variables, expected):
    for name in ("CI", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert serving.has_browser() is expected


def test_the_demo_names_its_licence_at_first_use(monkeypatch, tmp_path, capsys):
    from unembed.models import demo
    from unembed.settings import Settings

    settings = Settings(cache_dir=str(tmp_path))
    assert serving.demo_loading(settings).source == demo.NAME
    assert "Gemma Terms of Use" in capsys.readouterr().err
    demo.folder(settings).mkdir(parents=True)
    serving.demo_loading(settings)
    assert capsys.readouterr().err == ""
