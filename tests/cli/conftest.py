"""A tiny model on disk, and the command line called in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest
import torch

import unembed as ue
from unembed.cli import main
from unembed.models.tiny import tiny_model, tiny_tokenizer

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tiny-gpt2")
    tiny_model("gpt2", dtype=torch.float32).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model(source: str) -> ue.Model:
    return ue.load(source)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """cli("run", ..., stdin=b"...") -> (exit status, stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "160")

    def call(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = 0
        try:
            main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call
