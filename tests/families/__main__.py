"""`make families`: examine every type, each in a process of its own, and write the page.

python -m tests.families                 all of them, and the page
python -m tests.families bert t5         these, printed
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from .examine import TYPES, Finding, Kind, examine
from .page import PAGE, read, written

SECONDS = 300
AT_ONCE = int(os.environ.get("WORKERS", os.cpu_count() or 2))


def apart(model_type: str, kind: Kind) -> Finding:
    """Examine in a process of its own: what crashes or hangs there is a finding, too."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            json.dump(asdict(examine(model_type, kind)), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if not text:
        words = f"its process ended with signal {os.waitstatus_to_exitcode(status)}"
        return Finding(model_type, kind, "not built", words)
    return Finding(**json.loads(text))


def main(names: list[str]) -> int:
    """Examine all types, or those named, and write their lines. Fails where one is wrong."""
    unknown = set(names) - {name for all_ in TYPES.values() for name in all_}
    if unknown:
        print(f"transformers has no model type {', '.join(sorted(unknown))}")
        return 2
    chosen = [(name, kind) for kind, all_ in TYPES.items() for name in all_ if _is(name, names)]
    before = read(PAGE.read_text())[1] if names and PAGE.exists() else []
    lines = {(one.model_type, one.kind): one for one in before}
    examined = []
    for finding in _all(chosen):
        examined.append(finding)
        print(
            f"{finding.kind:8} {finding.model_type:28} {finding.verdict:10} {finding.words}"[:400]
        )
        sys.stdout.flush()
        lines[finding.model_type, finding.kind] = finding
    PAGE.write_text(written(lines.values()))
    return int(any(finding.verdict == "wrong" for finding in examined))


def _is(name: str, names: list[str]) -> bool:
    return not names or name in names


def _all(chosen: list[tuple[str, Kind]]) -> Iterator[Finding]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(lambda each: apart(*each), chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
