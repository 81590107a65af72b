"""How long `unembed demo` takes from the start of its process to its first answer.

    python bench/start.py [--strict] [--quick]

The demo model is converted, and its fingerprint known, as after the first use. Every other start
finds no record of the self-check and so proves the model again: that is the baseline of the ratio.
CPU seconds are what the process used until then, which other work on the machine disturbs less than
the clock. Python keeps what it compiled, as it does of installed packages.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from _harness import Figure, parser, report
from unembed.models import demo
from unembed.settings import Settings

SECONDS = 6.0
PAIRS = 5


def start(cache: Path) -> tuple[float, float]:
    """Wall and CPU seconds until the server says that it is well."""
    begun = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "unembed", "demo", "--port", "0", "--no-browser"],
        env=_environment(cache),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout
        found = (re.search(r"(http://127\.0\.0\.1:\d+)/", line) for line in server.stdout)
        address = next(match[1] for match in found if match)
        with urllib.request.urlopen(f"{address}/api/health", timeout=60) as answer:
            assert answer.status == 200
        return time.perf_counter() - begun, _cpu_seconds(server.pid)
    finally:
        server.terminate()
        server.wait(timeout=20)


def _environment(cache: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "UNEMBED_CACHE_DIR": str(cache), "PYTHONUNBUFFERED": "1"}


def _fingerprinted(cache: Path) -> None:
    """A server that is ended at once is ended before the fingerprint is kept, each time anew."""
    code = "import unembed; unembed.load('gemma3-270m').fingerprint"
    subprocess.run([sys.executable, "-c", code], env=_environment(cache), check=True)


def _cpu_seconds(process: int) -> float:
    """User and system time of a process; not a number where there is no /proc."""
    file = Path(f"/proc/{process}/stat")
    if not file.exists():
        return float("nan")
    fields = file.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _fastest(starts: list[tuple[float, float]]) -> tuple[float, float]:
    """The least of each."""
    wall, cpu = zip(*starts, strict=True)
    return min(wall), min(cpu)


def main() -> int:
    chosen = parser("How long `unembed demo` takes until it answers.").parse_args()
    settings = Settings.from_environment()
    models = demo.ensure(settings).parent
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        (cache / "models").symlink_to(models)
        _fingerprinted(cache)
        start(cache)  # files are in memory, and the record is there
        recorded, proven = [], []
        for _ in range(2 if chosen.quick else PAIRS):
            recorded.append(start(cache))
            shutil.rmtree(cache / "proofs", ignore_errors=True)
            proven.append(start(cache))
    (wall, cpu), (wall_proven, cpu_proven) = _fastest(recorded), _fastest(proven)
    detail = f"{wall:.1f} s / {wall_proven:.1f} s; CPU {cpu:.1f} s / {cpu_proven:.1f} s"
    figures = [
        Figure("start to first answer", wall, SECONDS, f"the fastest of {len(recorded)}", " s"),
        Figure("start / start that proves the model again", wall / wall_proven, 0.95, detail),
    ]
    return report("Start of the demo", figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
