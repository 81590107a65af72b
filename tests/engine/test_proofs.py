"""What was proven of a model is not proven again, until anything is another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

import unembed as ue
from unembed.engine.checks import proofs, selfcheck
from unembed.engine.checks.report import Report
from unembed.errors import LoadError
from unembed.models import fingerprint
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.settings import Settings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "WORTH_KEEPING", 0)
    tiny_model("gpt2").save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def load(tmp_path):
    settings = replace(Settings(), cache_dir=str(tmp_path / "cache"))
    return lambda source, **options: ue.load(source, settings=settings, **options)


@pytest.fixture
def checks(monkeypatch):
    """One entry for each time that a model is proven."""
    done, check = [], selfcheck.check

    def checked(*args):
        done.append(args)
        return check(*args)

    monkeypatch.setattr(selfcheck, "check", checked)
    return done


def kept(tmp_path):
    return list((tmp_path / "cache" / "proofs").iterdir())


def test_a_second_start_finds_the_proof_of_the_first(folder, load, checks):
    first, second = load(folder), load(folder)
    assert len(checks) == 1
    assert second.report == first.report
    assert second.report.errors
    assert second.anatomy == first.anatomy


def test_another_weight_file_is_proven_anew(folder, load, checks):
    load(folder)
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-4:] = b"\x00\x00\x80\x3f"
    weights.write_bytes(data)
    load(folder)
    assert len(checks) == 2


def test_a_weight_file_of_another_time_is_proven_anew(folder, load, checks):
    load(folder)
    os.utime(folder / "model.safetensors", ns=(1, 1))
    load(folder)
    assert len(checks) == 2


@pytest.mark.parametrize("package", proofs.COMPUTING)
def test_other_versions_are_proven_anew(folder, load, checks, package, monkeypatch):
    load(folder)
    version = proofs.version
    monkeypatch.setattr(proofs, "version", lambda name: "9" if name == package else version(name))
    load(folder)
    assert len(checks) == 2


def test_other_source_of_the_package_is_proven_anew(folder, load, checks, monkeypatch):
    load(folder)
    monkeypatch.setattr(proofs, "_own_source", lambda: "edited")
    load(folder)
    assert len(checks) == 2


def test_another_dtype_is_proven_anew(folder, load, checks):
    load(folder)
    load(folder, dtype="float64")
    assert len(checks) == 2


def test_another_anatomy_is_proven_anew(folder, load, checks, monkeypatch):
    from unembed.engine import load as module

    load(folder)
    discover = module.discover
    monkeypatch.setattr(module, "discover", lambda *args: replace(discover(*args), family="other"))
    load(folder)
    assert len(checks) == 2


def test_one_who_asks_for_it_gets_it_proven(folder, load, checks):
    load(folder)
    load(folder, prove=True)
    assert len(checks) == 2


def test_a_module_is_always_proven(load, checks):
    for _ in range(2):
        load(tiny_model("gpt2"))
    assert len(checks) == 2


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"tolerance": 2e-05, "errors": {}}', '{"tolerance": 2e-05}',
     '{"tolerance": 1.0, "errors": {"a = b": 0.0}}', '{"tolerance": 2e-05, "errors": {"a": NaN}}',
     '{"tolerance": 2e-05, "errors": {"a": "x"}}', "[" * 100_000],
)  # fmt: skip
def test_what_cannot_be_read_is_proven_again_and_replaced(folder, load, checks, tmp_path, text):
    load(folder)
    (path,) = kept(tmp_path)
    whole = path.read_text()
    path.write_text(text)
    load(folder)
    assert len(checks) == 2
    assert json.loads(path.read_text()) == json.loads(whole)


KILLS = [
    (function, moment, old)
    for function in ("fdopen", "fsync", "replace")
    for moment in ("before", "after")
    for old in (None, '{"tolerance": 2e-05, "errors": {"a = b": 3e-07}, "gated": []}')
]
KILLED = """
import json, os, signal, sys
from pathlib import Path
from unembed.engine.checks import proofs
from unembed.engine.checks.report import Report

for path, (function, moment, _) in zip(sys.argv[2:], json.loads(sys.argv[1]), strict=True):
    if child := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        continue
    made = getattr(os, function)

    def killed(*args, **kwargs):
        if moment == "after":
            made(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(os, function, killed)
    proofs.Proof(Path(path)).keep(Report(2e-5, {"a = b": 1e-7}))
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the kills are of forked processes")
def test_a_kill_at_any_moment_leaves_the_old_proof_or_the_new(tmp_path):
    paths = [tmp_path / str(number) / "proof.json" for number in range(len(KILLS))]
    for path, (_, _, old) in zip(paths, KILLS, strict=True):
        path.parent.mkdir()
        if old is not None:
            path.write_text(old)
    command = [sys.executable, "-c", KILLED, json.dumps(KILLS), *map(str, paths)]
    subprocess.run(command, check=True)
    for path, (function, moment, old) in zip(paths, KILLS, strict=True):
        found = proofs.Proof(path).read(2e-5)
        is_new = function == "replace" and moment == "after"
        wanted = {"a = b": 1e-7} if is_new else None if old is None else {"a = b": 3e-7}
        assert (None if found is None else found.errors) == wanted, (function, moment, old)
        later = Report(2e-5, {"a = b": 5e-7})
        proofs.Proof(path).keep(later)  # what is left behind is in no one's way
        assert proofs.Proof(path).read(2e-5) == later


def test_a_torn_proof_is_none(tmp_path):
    path = tmp_path / "one.json"
    proofs.Proof(path).keep(Report(2e-5, {"a = b": 1e-7}))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert proofs.Proof(path).read(2e-5) is None
        path.write_bytes(whole[:length] + bytes(len(whole) - length))
        assert proofs.Proof(path).read(2e-5) is None


def test_what_failed_is_not_kept(folder, load, tmp_path, monkeypatch):
    check = selfcheck.check

    def failing(*args):
        report = check(*args)
        report.reasons["scores"] = "made up"
        return report

    monkeypatch.setattr(selfcheck, "check", failing)
    assert load(folder).capabilities()["scores"].reason == "made up"
    assert not (tmp_path / "cache" / "proofs").exists()

    def fatal(*args):
        report = check(*args)
        report.fatal = "made up"
        return report

    monkeypatch.setattr(selfcheck, "check", fatal)
    with pytest.raises(LoadError, match="made up"):
        load(folder)
    assert not (tmp_path / "cache" / "proofs").exists()


def test_a_cache_that_cannot_be_written_costs_time_only(folder, load, checks, tmp_path):
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "proofs").write_text("not a folder")
    for _ in range(2):
        load(folder)
    assert len(checks) == 2
