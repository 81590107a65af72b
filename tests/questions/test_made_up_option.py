"""An option is one line in one file: a made-up one is everywhere, and nothing else was touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINE = """
    sharpness: Positive = option(3, "How sharp the reading is.", limit="max_k")
"""
ASKED = """
import json
import unembed as ue
from unembed.errors import InputError
from unembed.questions import documents, limits
from unembed.questions.requests import LensRequest
from unembed.server import schema
from unembed.settings import Settings

refused = []
for make in (
    lambda: ue.LensOptions(sharpness=0),
    lambda: ue.LensOptions().changed(sharpness="3"),
    lambda: limits.check(LensRequest(prompt="a", sharpness=101), Settings()),
):
    try:
        make()
    except InputError as error:
        refused.append([error.field, error.message])
document = schema.document()
print(json.dumps({
    "python": [ue.LensOptions().sharpness, ue.LensOptions(sharpness=7).sharpness],
    "refused": refused,
    "http": document["components"]["schemas"]["LensRequest"]["properties"]["sharpness"],
    "docs": [line for line in documents.markdown().splitlines() if "sharpness" in line],
    "app": documents.typescript().partition('"sharpness": ')[2].partition("}")[0] + "}",
}))
"""


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a copy of the sources with one more line in the lens's options."""
    copy = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__", "static")
    shutil.copytree(ROOT / "src" / "unembed", copy / "unembed", ignore=ignored)
    options = copy / "unembed" / "analyses" / "lens" / "options.py"
    options.write_text(options.read_text("utf-8").rstrip() + LINE, "utf-8")
    return os.environ | {"PYTHONPATH": str(copy), "COLUMNS": "200", "TERM": "dumb"}


def run(patched: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=patched, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_reaches_python_http_the_docs_and_the_app(patched):
    found = json.loads(run(patched, "-c", ASKED))
    assert found["python"] == [3, 7]
    assert found["refused"] == [
        ["sharpness", "sharpness is 0; it must be an integer from 1"],
        ["sharpness", "sharpness is '3'; it must be an integer from 1"],
        ["sharpness", "sharpness is 101; the limit is 100."],
    ]
    assert found["http"]["default"] == 3
    assert found["http"]["description"] == "How sharp the reading is."
    (row,) = found["docs"]
    cells = ["`sharpness`", "`--sharpness`", "3", "an integer from 1", "`max_k`"]
    assert [cell.strip() for cell in row.strip("|").split("|")][:5] == cells
    app = json.loads(found["app"])
    assert (app["default"], app["low"], app["limit"]) == (3, 1, "max_k")


def test_it_is_a_flag(patched):
    text = " ".join(run(patched, "-m", "unembed", "lens", "--help").split())
    assert "--sharpness" in text
    assert "How sharp the reading is." in text


def test_nothing_of_it_is_there_otherwise():
    assert "sharpness" not in (ROOT / "docs" / "reference" / "questions.md").read_text("utf-8")
