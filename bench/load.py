"""Loading a checkpoint that is large for the machine: memory, time to the first answer, bytes read.

A checkpoint of at least 5 GB in several shards is made on the spot and removed afterwards. Every
way of loading runs in a process of its own, with the files dropped from the page cache first.

    .venv/bin/python bench/load.py [--gigabytes 5] [--folder DIR] [--keep]
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from _harness import Figure, parser, report

SHAPE = {
    "vocab_size": 32_000,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
    "max_position_embeddings": 2048,
}
BLOCKS_PER_SHARD = 4
PROMPT = list(range(100, 132))
SAMPLE_SECONDS = 0.002
CONTROL_GROUPS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)


# ---------------------------------------------------------------- the checkpoint


def make_checkpoint(folder: Path, gigabytes: float) -> None:
    """A Llama in bfloat16, its blocks equal but for a rotation of their rows: only sizes matter."""
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    one = LlamaForCausalLM(LlamaConfig(**SHAPE, num_hidden_layers=1)).to(torch.bfloat16)
    weights = one.state_dict()
    block = {name: value for name, value in weights.items() if ".layers.0." in name}
    block_bytes = sum(value.nbytes for value in block.values())
    rest = {name: value for name, value in weights.items() if name not in block}
    n_layers = -(-int(gigabytes * 1e9) // block_bytes)
    shards = [rest]
    for layer in range(n_layers):
        if layer % BLOCKS_PER_SHARD == 0:
            shards.append({})
        shards[-1] |= {name.replace(".0.", f".{layer}."): name for name in block}
    weight_map = {}
    for order, shard in enumerate(shards):
        file = f"model-{order + 1:05}-of-{len(shards):05}.safetensors"
        tensors = {
            name: block[value].roll(order, 0) if isinstance(value, str) else value
            for name, value in shard.items()
        }
        save_file(tensors, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(tensors, file)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config = LlamaConfig(**SHAPE, num_hidden_layers=n_layers, dtype="bfloat16")
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(folder)


def shards_of(folder: Path) -> list[Path]:
    """The files with weights."""
    return sorted(folder.glob("*.safetensors"))


def forget(folder: Path) -> None:
    """Drop the files from the page cache, so that what is read comes from the disk."""
    for path in shards_of(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# ---------------------------------------------------------------- one way of loading


@dataclass
class Peak:
    """The most anonymous memory above what was there before, in bytes."""

    anonymous: int = 0


def status(field: str) -> int:
    """A line of this process's status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def read_from_disk() -> int:
    """Bytes that this process made the disk deliver, read-ahead included."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


@contextmanager
def watched() -> Iterator[Peak]:
    """Samples anonymous memory while the context lasts."""
    peak, done, before = Peak(), threading.Event(), status("RssAnon")

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            peak.anonymous = max(peak.anonymous, status("RssAnon") - before)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def plain(folder: str) -> None:
    """transformers' own loading, in the type of the file."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    with torch.no_grad():
        int(model(torch.tensor([PROMPT]), use_cache=False).logits[0, -1].argmax())


def whole_copy(folder: str) -> None:
    """transformers' own loading in float32, as every loader did before weights could be mapped."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        int(model(torch.tensor([PROMPT]), use_cache=False).logits[0, -1].argmax())


def low_memory(folder: str) -> None:
    """Anatomy, proof and all."""
    import unembed as ue

    ue.load(folder, low_memory=True).run(PROMPT, logits="last").top(1)


def first_quarter(folder: str) -> None:
    """Loading, and then the first quarter of the blocks only."""
    import unembed as ue

    model = ue.load(folder, low_memory=True)
    last = model.anatomy.n_layers // 4 - 1
    model.run(PROMPT, [f"L{last}.resid_post"], logits="none")


def stream(folder: str) -> None:
    """With captures, an edit and the lens, under a limit of a third of the checkpoint."""
    import unembed as ue

    model = ue.load(folder, stream=True)
    model.run(PROMPT, ["resid_post"], [ue.zero("L1.mlp")], logits="last").top(1)


def streamed_lens(folder: str) -> None:
    """The whole lens of a streamed model."""
    import unembed as ue

    ue.logit_lens(ue.load(folder, stream=True), PROMPT)


WAYS: dict[str, Callable[[str], None]] = {
    way.__name__: way
    for way in (plain, whole_copy, low_memory, first_quarter, stream, streamed_lens)
}


def child(way: str, folder: str, group: str = "") -> None:
    """Run one way of loading and print what it took, as JSON."""
    import unembed.engine.load  # noqa: F401 - imports are not what is measured

    if group:
        (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
    before = read_from_disk()
    start = time.perf_counter()
    with watched() as peak:
        WAYS[way](folder)
    took = {
        "seconds": time.perf_counter() - start,
        "anonymous": peak.anonymous,
        "resident": status("VmHWM"),
        "read": read_from_disk() - before,
    }
    print(json.dumps(took))


@contextmanager
def memory_limit(limit: int) -> Iterator[str]:
    """A control group that may hold this much, page cache included; "" where none can be made."""
    for parent, file in CONTROL_GROUPS:
        group = parent / f"unembed-bench-{os.getpid()}"
        try:
            group.mkdir()
            (group / file).write_text(str(limit))
        except OSError:
            continue
        try:
            yield str(group)
        finally:
            group.rmdir()
        return
    print("no control group can be made here: the limit is not enforced", file=sys.stderr)
    yield ""


def measure(way: str, folder: Path, limit: int = 0) -> dict[str, float]:
    """One way of loading in a process of its own, from the disk."""
    print(f"measuring: {way}", file=sys.stderr)
    forget(folder)
    with memory_limit(limit) if limit else nullcontext("") as group:
        command = [sys.executable, __file__, "--child", way, str(folder), group]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{way} failed ({done.returncode}):\n{done.stderr}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured | {"limit": limit if group else 0}


# ---------------------------------------------------------------- the table


def figures(folder: Path) -> list[Figure]:
    """Every promise, and beside it what transformers alone takes."""
    size = sum(path.stat().st_size for path in shards_of(folder))
    third = size // 3
    found = {way: measure(way, folder) for way in ("plain", "whole_copy", "low_memory")}
    found["first_quarter"] = measure("first_quarter", folder)
    found |= {way: measure(way, folder, third) for way in ("stream", "streamed_lens")}

    def took(way: str) -> str:
        one = found[way]
        limit = f", limit of {one['limit'] / 1e9:.2f} GB in force" if one["limit"] else ""
        return (
            f"{one['seconds']:.1f} s to the answer, {one['anonymous'] / 1e9:.2f} GB anonymous, "
            f"{one['resident'] / 1e9:.2f} GB resident, {one['read'] / 1e9:.2f} GB read{limit}"
        )

    for way in found:
        print(f"{way:14} {took(way)}")
    return [
        Figure(
            "low_memory: anonymous / weights",
            found["low_memory"]["anonymous"] / size,
            1.05,
            took("low_memory"),
        ),
        Figure(
            "low_memory: anonymous / float32 copy's",
            found["low_memory"]["anonymous"] / found["whole_copy"]["anonymous"],
            1.0,
            took("whole_copy"),
        ),
        Figure(
            "first quarter: read / file",
            found["first_quarter"]["read"] / size,
            0.30,
            took("first_quarter"),
        ),
        Figure(
            "stream: resident / checkpoint",
            found["stream"]["resident"] / size,
            1 / 3,
            took("stream"),
        ),
        Figure(
            "stream, lens: resident / checkpoint",
            found["streamed_lens"]["resident"] / size,
            1 / 3,
            took("streamed_lens"),
        ),
    ]


def main() -> int:
    """Make the checkpoint, measure, remove it."""
    flags = parser(__doc__ or "")
    flags.add_argument("--gigabytes", type=float, default=5.0, help="size of the checkpoint")
    flags.add_argument(
        "--folder", type=Path, help="where to make it; by default a temporary folder"
    )
    flags.add_argument("--keep", action="store_true", help="keep the checkpoint, and use it again")
    chosen = flags.parse_args()
    parent = chosen.folder or Path(tempfile.mkdtemp())
    folder = parent / f"checkpoint-{chosen.gigabytes:g}"
    try:
        if not (folder / "config.json").exists():
            print(f"making a checkpoint of {chosen.gigabytes:g} GB in {folder}", file=sys.stderr)
            folder.mkdir(parents=True, exist_ok=True)
            make_checkpoint(folder, chosen.gigabytes)
        title = f"Loading {chosen.gigabytes:g} GB in {len(shards_of(folder))} shards"
        return report(title, figures(folder), strict=chosen.strict)
    finally:
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:5])
    else:
        sys.exit(main())
