"""Output is complete whatever the encoding of the terminal or pipe, and prompts may be anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

ENCODINGS = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


def called(source, *arguments, **changes):
    environment = {**os.environ, "COLUMNS": "160", **changes}
    environment.pop("PYTHONIOENCODING", None) if "PYTHONIOENCODING" not in changes else None
    return subprocess.run(
        [sys.executable, "-m", "unembed", *arguments[:1], source, *arguments[1:]],
        env=environment, capture_output=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("changes", ENCODINGS.values(), ids=ENCODINGS)
def test_a_terminal_that_is_not_utf8_gets_everything(changes, source):
    """Labels of spaces (␣) and the prompt's 日本 are not in these encodings."""
    table = called(source, "lens", "the cat", **changes)
    assert table.returncode == 0, table.stderr
    assert len(table.stdout.splitlines()) > 4
    answer = called(source, "run", "日本 is", "--json", **changes)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout.decode("ascii"))
    assert "".join(token["text"] for token in found["tokens"]).endswith(" is")
    assert len(found["tokens"]) == len("日本".encode()) + 2


@pytest.mark.parametrize("prompt", ["-5 + 3 =", "- a list", "-1", "--- a/file\n+++ b"])
def test_a_prompt_may_start_with_a_dash(cli, source, prompt):
    status, out, err = cli("run", source, prompt, "--top-k", "2", "--json")
    assert status == 0, err
    assert len(json.loads(out)["baseline"]["next_token"]["top"]) == 2
    assert json.loads(out) == json.loads(cli("run", source, "-k", "2", "--json", "--", prompt)[1])


def test_an_unknown_option_says_how_to_give_text(cli, source):
    status, _, err = cli("run", source, "-zz", "a prompt")
    assert status == 2
    assert "No such option" in err
    assert "behind --" in " ".join(err.split())
