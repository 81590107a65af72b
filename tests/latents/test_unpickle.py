"""A file of torch's becomes safetensors number by number, in little memory."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest
import torch
from safetensors import safe_open

from unembed.latents import unpickle

MIB = 1024**2
EARLY = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool)


def read(path):
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 - no iterator


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "a.pt", tmp_path / "b.safetensors"


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, one in wanted.items():
        assert (found[name].dtype, found[name].shape) == (one.dtype, one.shape), name
        same = found[name].contiguous().view(-1).view(torch.uint8)
        assert torch.equal(same, one.detach().contiguous().view(-1).view(torch.uint8)), name


@pytest.fixture
def held():
    """Of every type, transposed, repeated, shared, of no rows and of no axes."""
    drawn = torch.Generator().manual_seed(0)
    plain = torch.randn(33, 20, generator=drawn)
    found = {str(kind): (plain * 9).abs().to(kind) for kind in unpickle.TYPES}
    return found | {
        "turned": plain.T,
        "again": plain,
        "every other": plain[::2, 3:],
        "one row": plain[:1].expand(5, 20),
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "none": torch.zeros(0, 4),
        "trained": torch.nn.Parameter(plain[0]),
    }


@pytest.mark.parametrize("how", ["mapped", "packed", "of an early torch"])
def test_every_tensor_is_what_it_was(how, held, paths, monkeypatch):
    source, to = paths
    monkeypatch.setattr(unpickle, "PART_BYTES", 500)  # some rows of each
    monkeypatch.setattr(unpickle, "MOST_REPEATED", 17)
    if how == "of an early torch":  # which had no more types than these
        held = {name: one for name, one in held.items() if one.dtype in EARLY}
    saved = {"inner": held, "k": 7, "name": "x"}
    torch.save(saved, source, _use_new_zipfile_serialization=how != "of an early torch")
    if how == "packed":
        with zipfile.ZipFile(source) as opened:
            records = {one: opened.read(one) for one in opened.namelist()}
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in records.items():
                packed.writestr(name, content)
    assert unpickle._can_be_mapped(str(source)) == (how == "mapped")
    assert unpickle.main(str(source), str(to)) == 0
    found, said = read(to)
    assert_same(found, {f"inner.{name}": one for name, one in held.items()})
    assert said == {"values": '{"k": 7, "name": "x"}'}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.zeros(3, dtype=torch.complex64), "complex64"),
        (torch.eye(3).to_sparse(), "sparse"),
        (torch.zeros(1).expand(10**12), "repeat 4"),
    ],
)
def test_what_it_cannot_hold_is_said_in_a_line(value, said, paths, capsys):
    source, to = paths
    torch.save({"W": value}, source)
    assert unpickle.main(str(source), str(to)) == unpickle.FAILED
    line = capsys.readouterr().out
    assert said in line
    assert line.count("\n") == 1
    assert not to.exists()


SCRIPT = """
import sys
from unembed.latents.unpickle import main
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(one.split()[1]) * 1024 for one in lines if one.startswith("VmHWM"))
before = peak()
assert main(*sys.argv[1:]) == 0
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_it_takes_its_size_once(paths):
    source, to = paths
    drawn = torch.arange(8 * MIB, dtype=torch.float32).view(4096, 2048)  # 32 MiB
    torch.save({"W_dec": drawn, "W_enc": (drawn + 1).T}, source)
    # `resource` would count what this process had when it started the other one
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, source, to], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 115 * MIB  # mapped once, and what torch takes; two copies are 128
    assert_same(read(to)[0], {"W_dec": drawn, "W_enc": (drawn + 1).T})
