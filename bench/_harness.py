"""Ratios of two pieces of work, measured alternately in one process, beside what was promised.

A shared machine is never quiet for long: both sides run in turn, on one thread unless more are
asked for, so that both meet the same noise; a ratio is that of the faster quarters. The test suite
runs nothing of this.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

Work = Callable[[], object]
FEWEST, MOST = 3, 300  # pairs


@dataclass(frozen=True)
class Figure:
    """One line of the table; kept if `value` is at most `promise`."""

    name: str
    value: float
    promise: float
    detail: str
    unit: str = ""

    @property
    def kept(self) -> bool:
        return self.value <= self.promise


def seconds(work: Work) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(name: str, work: Work, base: Work, promise: float, budget: float) -> Figure:
    """How many times as long `work` takes as `base`, measured for about `budget` seconds."""
    print(f"measuring: {name}", file=sys.stderr)
    work()
    base()
    gc.collect()
    gc.disable()
    try:
        pairs = _pairs(work, base, budget)
    finally:
        gc.enable()
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    value = _faster_quarter(ours) / _faster_quarter(theirs)
    each = median(own / other for own, other in pairs)
    detail = (
        f"{_faster_quarter(ours) * 1e3:.1f} ms / {_faster_quarter(theirs) * 1e3:.1f} ms, "
        f"{len(pairs)} pairs, median of pairs {each:.3f}"
    )
    return Figure(name, value, promise, detail)


def _pairs(work: Work, base: Work, budget: float) -> list[tuple[float, float]]:
    """Both in turn until the time is up, a few times at least."""
    end = time.perf_counter() + budget
    pairs: list[tuple[float, float]] = []
    while len(pairs) < FEWEST or (len(pairs) < MOST and time.perf_counter() < end):
        pairs.append(_pair(work, base, swapped=len(pairs) % 2 == 1))
    return pairs


def _pair(work: Work, base: Work, *, swapped: bool) -> tuple[float, float]:
    """Both once; who goes first changes, so that neither always finds the caches warm."""
    if swapped:
        other = seconds(base)
        return seconds(work), other
    own = seconds(work)
    return own, seconds(base)


def _faster_quarter(times: Sequence[float]) -> float:
    return quantiles(times, n=4)[0] if len(times) > 3 else min(times)


def extra_bytes(work: Work) -> int:
    """How far a call raises the memory of this process above what it holds before.

    Linux can forget the peak so far; elsewhere this sees only what exceeds that peak, so call it
    in a fresh process.
    """
    gc.collect()
    status, forget = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not forget.exists():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        work()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    ctypes.CDLL(None).malloc_trim(0)  # memory freed but kept would hide what the call takes
    forget.write_text("5")
    before = _field(status.read_text(), "VmRSS")
    work()
    return _field(status.read_text(), "VmHWM") - before


def _field(status: str, name: str) -> int:
    line = next(line for line in status.splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def in_fresh_process(arguments: Sequence[str]) -> str:
    """What this script prints when called with other arguments."""
    command = [sys.executable, sys.argv[0], *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def parser(description: str) -> argparse.ArgumentParser:
    """The flags that every figure has."""
    flags = argparse.ArgumentParser(description=description)
    flags.add_argument("--strict", action="store_true", help="exit 1 where a promise is not kept")
    flags.add_argument(
        "--threads",
        type=int,
        default=1,
        help="more on an idle machine only: threads wait for each other, and so for other work",
    )
    flags.add_argument("--quick", action="store_true", help="a fifth of the time")
    return flags


def report(title: str, figures: Sequence[Figure], *, strict: bool) -> int:
    """Print the table; the exit code."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("figure", "measured", "promised", "", "detail"):
        right = heading in ("measured", "promised")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.value:.3g}{figure.unit}" if figure.unit else f"{figure.value:.3f}",
            f"≤ {figure.promise:g}{figure.unit}",
            "kept" if figure.kept else "[bold]MISSED[/bold]",
            figure.detail,
        )
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    return 1 if strict and not all(figure.kept for figure in figures) else 0
