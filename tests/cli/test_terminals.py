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


BETWEEN = b"-- the next command --"
# One process for all commands: its start is most of what they take.
CALLS = """
import json, sys
from unembed.cli import main

between, *calls = map(json.loads, sys.argv[1:])
for arguments in calls:
    try:
        main(arguments)
    except SystemExit as end:
        if end.code:
            raise
    sys.stdout.flush()
    sys.stdout.buffer.write(between.encode())
    sys.stdout.buffer.flush()
"""


def printed(*calls: list[str], **changes: str) -> list[bytes]:
    """What the command line writes in another encoding than UTF-8."""
    environment = {**os.environ, "COLUMNS": "160", **changes}
    environment.pop("PYTHONIOENCODING", None) if "PYTHONIOENCODING" not in changes else None
    said = [json.dumps(one) for one in (BETWEEN.decode(), *calls)]
    done = subprocess.run(
        [sys.executable, "-c", CALLS, *said],
        env=environment, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *outputs, rest = done.stdout.split(BETWEEN)
    assert not rest
    return outputs


@pytest.mark.parametrize("changes", ENCODINGS.values(), ids=ENCODINGS)
def test_a_terminal_that_is_not_utf8_gets_everything(changes, source):
    """Labels of spaces (␣) and the prompt's 日本 are not in these encodings."""
    table, answer = printed(
        ["lens", source, "the cat"], ["run", source, "日本 is", "--json"], **changes
    )
    assert len(table.splitlines()) > 4
    found = json.loads(answer.decode("ascii"))
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
