"""Weights that are larger than there is memory for are refused before any of them is read."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import unembed as ue
from unembed.errors import TooLargeError
from unembed.latents import files
from unembed.latents.memory import available, needed
from unembed.settings import Settings

from .written import LAYOUTS, random_parts

BY_NAME = {layout.name: layout for layout in LAYOUTS}
GIB = 1024**3
LARGE = Settings(max_sae_bytes=1000 * GIB)


def sparse(path, n_bytes):
    """A file of this size that takes nothing on the disk; its header says what it would hold."""
    entry = {"dtype": "F32", "shape": [n_bytes // 4], "data_offsets": [0, n_bytes]}
    header = json.dumps({"W_enc": entry}).encode()
    with path.open("wb") as raw:
        raw.write(len(header).to_bytes(8, "little") + header)
        raw.truncate(8 + len(header) + n_bytes)


@pytest.fixture
def unread(monkeypatch):
    """8 GiB of memory are left, and whoever reads weights is caught."""
    monkeypatch.setattr(files, "available", lambda: 8 * GIB)
    monkeypatch.setattr(files, "safe_open", lambda *args, **named: pytest.fail("it was read"))
    monkeypatch.setattr(files, "converted", lambda *args: pytest.fail("it was read"))


@pytest.mark.parametrize("name", ["saelens-standard", "openai-relu"])
def test_ten_gibibytes_where_eight_are_left_are_refused_unread(name, model, tmp_path, unread):
    layout = BY_NAME[name]
    source = layout.write(random_parts(layout)).save(tmp_path)
    weights = source if source.is_file() else source / "sae_weights.safetensors"
    sparse(weights, 10 * GIB)
    with pytest.raises(TooLargeError, match=r"10,240 MiB; 8,192 MiB of memory are left") as caught:
        ue.load_sae(source, settings=LARGE)
    assert weights.name in caught.value.message
    assert (caught.value.field, caught.value.legal) == ("source", "8,192 MiB")
    assert "more memory" in caught.value.fix
    assert model.derived == {}


def test_what_the_hub_says_is_too_large_is_not_fetched(tmp_path, monkeypatch, unread):
    import huggingface_hub

    class Listed:
        def __init__(self, path):
            self.path, self.size = path, 10 * GIB if path.endswith("npz") else 1

    class Api:
        def list_repo_tree(self, repository, inside, revision=None):
            return [Listed(f"{inside}/params.npz")]

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *args, **named: pytest.fail("!"))
    with pytest.raises(TooLargeError, match="8,192 MiB of memory are left"):
        ue.load_sae("google/gemma-scope-2b-pt-res/layer_1/width_16k/average_l0_1", settings=LARGE)


@pytest.mark.parametrize("name", ["gemma-scope", "saelens-standard", "goodfire"])
def test_weights_above_the_limit_are_not_read(tmp_path, name):
    layout = BY_NAME[name]
    path = layout.write(random_parts(layout)).save(tmp_path)
    with pytest.raises(TooLargeError, match="max_sae_bytes"):
        ue.load_sae(path, layout.place, settings=Settings(max_sae_bytes=100))


def test_what_a_file_takes_is_told_from_its_header(tmp_path):
    held = {
        "a": torch.zeros(50, 30, dtype=torch.bfloat16),
        "b": torch.zeros(7),
        "c": torch.zeros(()),
    }
    held["d"] = torch.zeros(5, dtype=torch.float64)
    save_file(held, tmp_path / "a.safetensors", metadata={"values": "{}"})
    assert needed(tmp_path / "a.safetensors") == 4 * (50 * 30 + 7 + 1) + 8 * 5
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros((100, 1000), np.float32))
    assert (tmp_path / "a.npz").stat().st_size < 10_000
    assert needed(tmp_path / "a.npz") == pytest.approx(400_000, abs=200)
    for name, content in (("cut.safetensors", b"\x09"), ("b.npz", b"PK"), ("x.pt", b"12345")):
        (tmp_path / name).write_bytes(content)
        assert needed(tmp_path / name) == len(content)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [10**30]},
        {"dtype": "F32", "shape": ["a", 10**12]},
        {"dtype": "F32", "shape": [float("inf")]},
        {"dtype": ["F32"], "shape": [4]},
        {"shape": None},
        7,
    ],
    ids=str,
)
def test_a_header_that_lies_takes_no_more_than_its_file_could(tmp_path, entry):
    header = json.dumps({"W_enc": entry}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert path.stat().st_size <= needed(path) <= 4 * path.stat().st_size


def test_what_is_left_is_that_of_the_machine_or_of_the_container(tmp_path):
    meminfo, group = tmp_path / "meminfo", tmp_path / "group"
    group.mkdir()
    assert available(meminfo, group) is None
    meminfo.write_text("MemTotal: 900 kB\nMemAvailable:   100 kB\nSwapFree: 20 kB\nHugePages: 0\n")
    assert available(meminfo, group) == 120 * 1024
    for limit, left in (("max", 120 * 1024), ("70000", 70000 - 60000 + 500), ("1000", 0)):
        (group / "memory.max").write_text(limit)
        (group / "memory.current").write_text("60000")
        (group / "memory.stat").write_text("anon 3\ninactive_file 500\n")
        assert available(meminfo, group) == left
    meminfo.write_text("MemTotal: 900 kB\n")
    assert available(meminfo, group) is None


def test_what_is_left_of_a_container_of_cgroups_1(tmp_path):
    meminfo, group = tmp_path / "meminfo", tmp_path / "group"
    meminfo.write_text("MemTotal: 900 kB\nMemAvailable:   100 kB\nSwapFree: 20 kB\n")
    memory = group / "memory"
    memory.mkdir(parents=True)
    assert available(meminfo, group) == 120 * 1024
    whole = ("9223372036854771712", 120 * 1024)  # what it says where there is no limit
    for limit, left in (whole, ("70000\n", 70000 - 60000 + 500), ("1000\n", 0)):
        (memory / "memory.limit_in_bytes").write_text(limit)
        (memory / "memory.usage_in_bytes").write_text("60000\n")
        (memory / "memory.stat").write_text("inactive_file 7\ntotal_inactive_file 500\n")
        assert available(meminfo, group) == left
    (group / "memory.max").write_text("max")  # both are there: the limit of the one that has one
    (memory / "memory.limit_in_bytes").write_text("70000")
    assert available(meminfo, group) == 70000 - 60000 + 500
