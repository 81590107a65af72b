"""The command line: what it prints, and that mistakes are sentences and exit status 2."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import typer

import unembed as ue
from unembed.cli import app
from unembed.server.wire import body_of


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


HEAVY = "('torch', 'transformers', 'fastapi', 'uvicorn', 'numpy')"


def test_help_and_the_module_do_without_torch():
    code = (
        "import sys, unembed.cli as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        f"loaded = [name for name in {HEAVY} if name in sys.modules]\n"
        "assert not loaded, loaded"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    for command in (
        "demo",
        "serve",
        "run",
        "lens",
        "flow",
        "component",
        "generate",
        "index",
        "search",
        "doctor",
    ):
        assert command in done.stdout


def test_every_command_has_help_without_torch():
    code = (
        "import sys, typer, unembed.cli as cli\n"
        "for command in typer.main.get_command(cli.app).commands:\n"
        "    try: cli.main([command, '--help'])\n"
        "    except SystemExit as end: assert not end.code, command\n"
        f"    assert not [name for name in {HEAVY} if name in sys.modules], command"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    group: Any = typer.main.get_command(app)  # typer does not say that it is one
    for command in group.commands:
        assert f"unembed {command}" in done.stdout


def test_run_prints_tables_and_json(cli, source):
    status, out, _ = cli("run", source, "The cat", "--top-k", "3", "--target", "a")
    assert status == 0
    assert "Next token" in out
    assert "after feed-forward" in out
    status, out, _ = cli("run", source, "The cat", "--top-k", "3", "--target", "#72", "--json")
    answer = body_of(ue.Predictions).model_validate_json(out)
    assert len(answer.baseline.next_token.top) == 3
    assert answer.target is not None
    assert answer.target.id == 72
    assert answer.edited is None


@pytest.mark.parametrize("flag", ["--low-memory", "--stream"])
def test_models_that_are_large_for_the_machine(cli, source, flag):
    _, plain, _ = cli("run", source, "The cat", "--json")
    status, lean, _ = cli("run", source, "The cat", "--json", flag)
    assert (status, lean) == (0, plain)
    _, report, _ = cli("doctor", source, "--json", flag)
    assert json.loads(report)["self-check"]["layers"] == [0]
    status, shown, _ = cli("doctor", source, flag)
    assert "Layer 0 checked; the others are built alike." in " ".join(shown.split())


def test_run_with_every_kind_of_edit(cli, source):
    edits = [
        "zero L1.H2",
        "scale L0.mlp 0.5 ",
        "scale L2.N7 positions=0,-1 2",
        "set_to L1.N5 stage=pre 1.5",
        "add L0.attn positions=1 " + ",".join(["0.5"] * 40),
        "patch L1.resid_post positions=1 from=0 Another prompt",
        "on L1.N3",
        "on L1.N3 positions=0,-1",
        "lmd_on L1.N3",
        "lmd_off L1D3",
    ]
    flags = [word for edit in edits for word in ("--edit", edit)]
    status, out, err = cli("run", source, "The cat", "--json", *flags)
    assert status == 0, err
    answer = body_of(ue.Predictions).model_validate_json(out)
    assert answer.edited is not None
    assert answer.kl is not None
    assert answer.kl > 0
    status, out, _ = cli("run", source, "The cat", *flags[:2])
    assert "baseline" in out
    assert "KL(baseline ‖ edited)" in out


def test_doctor_says_what_was_found_out(cli, source):
    status, out, _ = cli("doctor", source)
    assert status == 0
    for words in ("gpt2", "query heads", "mlp_gate", "no gate", "Self-check", "holds", "torch"):
        assert words in out
    status, out, _ = cli("doctor", source, "--json")
    report = json.loads(out)
    assert report["anatomy"]["layers"] == 3
    check = report["self-check"]
    assert max(check["errors"].values()) <= check["tolerance"]


@pytest.mark.parametrize("newline", [b"", b"\n", b"\r\n"])
def test_a_dash_reads_the_prompt_from_standard_input(cli, source, newline):
    text = "The cat 🐈"
    _, piped, _ = cli("run", source, "-", "--json", stdin=text.encode() + newline)
    _, given, _ = cli("run", source, text, "--json")
    assert piped == given


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "/no/such/folder", "x"], "no folder or file"),
        (["run", "SOURCE", ""], "the prompt is empty"),
        (["run", "SOURCE", "a" * 65], "at most 64"),
        (["run", "SOURCE", "a" * 200_001], "200,000"),
        (["run", "SOURCE", "x", "--position", "9"], "position 9"),
        (["run", "SOURCE", "x", "--top-k", "101"], "limit is 100"),
        (["run", "SOURCE", "x", "--target", "ab cd"], "is not one token"),
        (["run", "SOURCE", "x", "--edit", "zap L1.H2"], "is not an edit"),
        (["run", "SOURCE", "x", "--edit", "zero"], "is not an edit"),
        (["run", "SOURCE", "x", "--edit", "zero L9.H2"], "layer 9 is not in this model"),
        (["run", "SOURCE", "x", "--edit", "zero L1"], "names no site or node"),
        (["run", "SOURCE", "x", "--edit", "zero L1.H2 5"], "value"),
        (["run", "SOURCE", "x", "--edit", "scale L1.H2"], "value"),
        (["run", "SOURCE", "x", "--edit", "scale L1.H2 lots"], "lots"),
        (["run", "SOURCE", "x", "--edit", "scale L1.H2 nan"], "finite"),
        (["run", "SOURCE", "x", "--edit", "zero L1.H2 positions=a"], "integers"),
        (["run", "SOURCE", "x", "--edit", "zero L1.H2 stage=mid"], "stage"),
        (["run", "SOURCE", "x", "--edit", "patch L1.H2"], "prompt"),
        (["run", "SOURCE", "x", "--edit", "on L1.H2"], "neuron"),
        (["run", "SOURCE", "x", "--edit", "lmd_on L1.N2 3"], "no meaning"),
        (["run", "SOURCE", "x", "--dtype", "int3"], "dtype"),
        (["run", "SOURCE", "x", "--device", "toaster"], "toaster"),
        (["lens", "SOURCE", "x", "--top-k", "21"], "at most 20"),
        (["lens", "SOURCE", "x", "--positions", "1-"], "0,10-20"),
        (["lens", "SOURCE", "x", "--positions", "3-1"], "a range goes up"),
        (["lens", "SOURCE", "x", "--positions=-1-3"], "the same side"),
        (["lens", "SOURCE", "x", "--positions", "0-999999999"], "a range"),
        (["lens", "SOURCE", "x", "--positions", "0-9999"], "the limit is 4,096"),
        (["lens", "SOURCE", "x", "--positions", ""], "0,10-20"),
        (["lens", "SOURCE", "x", "--positions", "7"], "position 7 is not in this prompt"),
        (["lens", "SOURCE", "x", "--decoder", "L3"], "has layers 0-2"),
        (["lens", "SOURCE", "x", "--decoder", "lens"], "names no suffix"),
        (["lens", "SOURCE", "x", "--kl-floor", "0.5"], "kl_floor"),
        (["lens", "SOURCE", "x", "--kl-floor", "nan"], "kl_floor"),
        (["lens", "SOURCE", "x", "--target", "a", "--follow", "next"], "give one of them"),
        (["lens", "SOURCE", "x", "--html", "/no/such/folder/a.html"], "there is no folder"),
        (["lens", "SOURCE", "x", "--html", "/tmp"], "is a folder"),
        (["lens", "SOURCE", "\ud800"], "surrogate|half|Unicode"),
        (["doctor", "/no/such/file.gguf"], "/no/such/file.gguf"),
        (["serve", "SOURCE", "--port", "70000"], "70000"),
        (["serve", "SOURCE", "--max-k", "-1"], "--max-k"),
        (["serve", "SOURCE", "--token", "short"], "token"),
        (["serve", "SOURCE", "--host", "no.such.host.invalid"], "no.such.host.invalid"),
    ],
    ids=lambda value: (
        " ".join(value)[:60].encode("ascii", "replace").decode()
        if isinstance(value, list)
        else None
    ),
)
def test_a_mistake_is_a_sentence_and_status_2(cli, source, arguments, words):
    status, out, err = cli(*[source if word == "SOURCE" else word for word in arguments])
    assert status == 2, (out, err)
    assert re.search(words, err), err
    assert "Error" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "x", "y", "--top-k", "many"],
        ["fly"],
        ["serve", "x", "--fly"],
        ["lens", "x", "y", "--kind", "colour"],
        ["lens", "x", "y", "--layer-step", "0"],
    ],
)
def test_wrong_usage_is_status_2(cli, arguments):
    status, _, err = cli(*arguments)
    assert status == 2
    assert "Traceback" not in err


def test_environment_variables_are_settings(cli, source, monkeypatch):
    monkeypatch.setenv("UNEMBED_MAX_K", "4")
    assert cli("run", source, "x", "--top-k", "5")[0] == 2
    monkeypatch.setenv("UNEMBED_MAX_K", "many")
    status, _, err = cli("run", source, "x")
    assert (status, "UNEMBED_MAX_K" in err) == (2, True)


def test_standard_input_that_is_no_utf_8(cli, source):
    status, _, err = cli("run", source, "-", stdin=b"\xff\xfe")
    assert (status, "UTF-8" in err) == (2, True)


def test_the_version(cli):
    from unembed import __version__

    assert cli("--version") == (0, f"unembed {__version__}\n", "")


def test_edits_are_read_before_a_model_is_loaded(cli, monkeypatch):
    import unembed

    def load(*_: Any, **__: Any) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(unembed, "load", load)
    assert cli("run", "gpt2", "x", "--edit", "zap")[0] == 2


def test_a_note_says_what_was_done_to_the_prompt(cli, source):
    status, out, err = cli("run", source, "The cat<eos>", "--json")
    assert status == 0
    assert "Note: The prompt ends with <eos>" in err
    assert "Note" not in out


@pytest.mark.drawing
def test_attention_is_written_as_a_page_too(cli, source, tmp_path):
    page = tmp_path / "attention.html"
    flags = ["--layers", "1", "--html", str(page), "--edit", "zero L0.attn"]
    status, out, err = cli("attention", source, "The cat", *flags)
    assert status == 0, err
    assert "(edited)" in out
    assert str(page) in err.replace("\n", "")
    assert '"edited":{"queries"' in page.read_text("utf-8")
    status, _, err = cli(
        "attention", source, "The cat", *flags[:3], str(tmp_path / "no" / "a.html")
    )
    assert status != 0
    assert "there is no folder" in " ".join(err.split())
