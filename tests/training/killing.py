"""Trainings that are killed (kill -9) from within at a moment, or from outside after a time.

One process forks them all, before any thread is started, and loads everything once. What it trains
nobody interrupts has the bytes that every other one must end with.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from unembed.errors import LoadError
from unembed.latents.load import load_sae

FILES = ("cfg.json", "sae_weights.safetensors")
CHECKPOINT = "training.safetensors"
# checkpoints are frequent: a moment is likely to be in one
ASKED = {
    "latents": 48, "k": 3, "batch": 32, "buffer": 256, "tokens": 1600, "uses": 2, "held_out": 60,
    "checkpoint": 200, "learning_rate": 0.003, "dead_after": 200, "context": 32,
}  # fmt: skip
Moment = tuple[str, int]  # what it does, and for which time: it dies before, or half through

SERVER = """
import json, os, signal, sys, time
from pathlib import Path
import torch
import unembed as ue
from unembed.latents import saving
from unembed.models.tiny import tiny_model, tiny_tokenizer

torch.set_num_threads(1)
model = ue.load(tiny_model("gpt2"), tokenizer=tiny_tokenizer(), prove=False)

def die_at(what, count):
    '''Die before the count-th file takes its place or is removed, or with it half written.'''
    left = [count]
    def over():
        left[0] -= 1
        return not left[0]
    if what == "half":
        write = saving.save_file
        def half(tensors, path, **more):
            write(tensors, path, **more)
            if over():
                os.truncate(path, Path(path).stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
        saving.save_file = half
        return
    def hook(event, arguments):
        if event == what and any("training" in str(one) or "sae" in str(one) or "cfg" in str(one)
                                 for one in arguments) and over():
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

for line in sys.stdin:
    asked = json.loads(line)
    pid = os.fork()
    if pid == 0:
        if asked["moment"]:
            die_at(*asked["moment"])
        ue.train_sae(model, asked["text"], "L1.resid_post", folder=asked["folder"],
                     **asked["options"])
        os._exit(0)
    start = time.monotonic()
    if asked["after"] is not None:
        time.sleep(asked["after"])
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - start]), flush=True)
"""


class Trainings:
    """Trainings of one autoencoder, in folders; `whole` has what nobody interrupted made."""

    def __init__(self, folder: Path, text: Path, activation: str = "batchtopk") -> None:
        self.folder, self.text = folder, text
        self.options = ASKED | {"activation": activation}
        self.kills = 0
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        status, self.seconds = self.run(folder / "whole")
        assert status == 0, f"a training that nobody kills ended with {status}"
        self.wanted = self.kept(folder / "whole")

    def run(
        self, folder: Path, moment: Moment | None = None, after: float | None = None, **more: Any
    ) -> tuple[int, float]:
        """How a training ended (-9: killed), and how long it took."""
        asked = {
            "folder": str(folder),
            "text": str(self.text),
            "options": self.options | more,
            "moment": moment,
            "after": after,
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(asked), file=self._server.stdin, flush=True)
        status, seconds = json.loads(self._server.stdout.readline())
        self.kills += status == -signal.SIGKILL
        return status, seconds

    def kept(self, folder: Path) -> list[bytes]:
        """The files of an autoencoder."""
        return [(folder / name).read_bytes() for name in FILES]

    def look(self, folder: Path) -> bool:
        """Whether the autoencoder is whole. Raises AssertionError where it can be read half."""
        try:
            found = load_sae(folder)
        except LoadError:
            return False
        assert self.kept(folder) == self.wanted, "what can be read is not what is to be"
        assert found.description.n == ASKED["latents"]
        return True

    def end(self, folder: Path) -> None:
        """Go on to the end. Raises AssertionError where that is not as without a kill."""
        status, _ = self.run(folder)
        assert status == 0, f"it did not go on: {status}"
        assert self.kept(folder) == self.wanted, "what it became is not the same"
        left = {one.name for one in folder.iterdir()} - {*FILES, ".lock"}
        assert not left, f"left over: {left}"

    def trial(self, draw: random.Random, times: int) -> str:
        """Kill one so often at moments that are drawn, look, go on: what was found."""
        place = self.folder / f"trial-{draw.getrandbits(32):08x}"
        status, is_whole = 0, False
        for _ in range(times):
            status, _ = self.run(place, after=draw.uniform(0, 1.1 * self.seconds))
            assert status in (0, -signal.SIGKILL), f"the training ended with {status}"
            is_whole = self.look(place)
        self.end(place)
        return ("came through" if status == 0 else "killed") + (", whole" if is_whole else "")

    def close(self) -> None:
        """End the process that forks."""
        with self._server as process:
            assert process.stdin is not None
            process.stdin.close()
