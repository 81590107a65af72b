"""Building a corpus against the plain forward passes of its sentences, its size, and its searches.

    python bench/corpus.py [MODEL FILE...] [--spacy PIPELINE] [--layers 0,3,5] [--strict] [--quick]
                           [--open FOLDER] [--memory] [--estimate]

MODEL is a folder or hub id, by default the demo model; the files are texts, read line by line, by
default the guides of these documents. The build is whole: reading,
tokens, labels (where a pipeline is named), states, writing. The plain passes are those of the same
token ids, sorted by length, 64 at once, with nothing kept. Both once each: in seconds, and in
seconds of processors, which other work on the machine changes less. The model has --threads; spaCy
is a process of its own beside it, and the title says how many cores there are for both.

Memory is that of builds of a text that is made up, with a tiny model, each in a process of its own,
and of one ten times as long: `--memory` measures that alone. `--estimate` prints what was estimated
against what a build took, and nothing else.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch

import unembed as ue
from _harness import Figure, extra_bytes, in_fresh_process, parser, report, seconds
from unembed.cli.flags import parse_layers
from unembed.index.corpus.estimate import CorpusEstimate
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.settings import Settings

PROCESSES = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
MEMORY_TOKENS = 150_000
LIMIT = 150.0  # milliseconds, at the median
ROWS = 64  # sentences of a plain pass
DOCS = Path(__file__).parents[1] / "docs"
PROMPT = "The girl ran to a local pub to escape the din of her city."


def processor_seconds(who: int) -> float:
    """Of this process, or of those that it started and that ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def build_figures(
    corpus: ue.Corpus, model: ue.Model, taken: float, used: float, beside: float
) -> list[Figure]:
    """A build that took and used so many seconds, against the plain passes of its sentences."""
    rows = [ids for _, ids in corpus._rows.ids(0)]
    before = time.process_time()
    bare = seconds(lambda: plain_passes(model, rows))
    bare_used = time.process_time() - before
    n = len(corpus)
    rates = f"{n / taken:,.0f} / {n / bare:,.0f} tokens a second"
    cores = f"{used:.0f} s / {bare_used:.0f} s, and {beside:.0f} s in spaCy's process"
    return [
        Figure(f"build of {n:,} tokens / plain passes", taken / bare, 1.25, rates),
        Figure("the same in processor seconds", used / bare_used, 1.25, cores),
    ]


@torch.no_grad()
def plain_passes(model: ue.Model, rows: Sequence[Sequence[int]]) -> None:
    """The model's own passes over all sentences."""
    rows = sorted(rows, key=len)
    for start in range(0, len(rows), ROWS):
        batch = rows[start : start + ROWS]
        width = max(map(len, batch))
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in batch])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in batch])
        model.module.base_model(ids, attention_mask=mask)


def estimate_figures(said: CorpusEstimate, corpus: ue.Corpus, taken: float) -> list[Figure]:
    """What was said of a build before it, against what it took."""
    tokens, size = len(corpus), corpus.about.bytes
    pairs = {
        "tokens": (said.tokens, tokens, f"{said.tokens:,} of {tokens:,}"),
        "disk": (said.bytes, size, f"{said.bytes / 1e6:,.0f} of {size / 1e6:,.0f} MB"),
        "time": (said.seconds, taken, f"{said.seconds:.0f} of {taken:.0f} s"),
    }
    return [
        Figure(f"{name} estimated, off by", abs(found / wanted - 1), 0.15, detail)
        for name, (found, wanted, detail) in pairs.items()
    ]


def search_figures(corpus: ue.Corpus, times: int) -> list[Figure]:
    """Searches of one client and of eight, with the prompt's pass: by lists, exact, of heads."""
    figures = []
    for by in ("hidden", "context"):
        if not any((site.site == "z") == (by == "context") for site in corpus.sites):
            continue
        recall = corpus.search(PROMPT, by=by).recall
        ways: dict[str, dict[str, Any]] = {"exact": {"exact": True}}
        if recall is not None:
            ways = {f"recall {recall:.3f}": {}, **ways}
        if by == "context":
            ways["two heads, exact"] = {"heads": (0, 1)}
        for (way, options), clients in product(ways.items(), (1, 8)):
            for _ in range(2):  # vectors are read at the first, bounds are made at the second
                corpus.search(PROMPT, by=by, **options)
            used = time.process_time()
            taken = milliseconds(corpus, times, clients, by=by, **options)
            each = 1000 * (time.process_time() - used) / len(taken)
            worst = statistics.quantiles(taken, n=20)[-1]
            name = f"{way}, by {by}, {clients} client{'s' * (clients > 1)}, {len(corpus):,} tokens"
            detail = f"95th percentile {worst:.0f} ms; {each:.0f} ms of a processor each"
            figures.append(Figure(name, statistics.median(taken), LIMIT, detail, " ms"))
    return figures


def milliseconds(corpus: ue.Corpus, times: int, clients: int, **options: Any) -> list[float]:
    """How long each search took, of clients that each ask so many times, one after the other."""
    n_tokens = len(corpus.model.tokenize(PROMPT))
    taken: list[float] = []

    def ask() -> None:
        for order in range(times):
            start = time.perf_counter()
            corpus.search(PROMPT, order % n_tokens, **options)
            taken.append(1000 * (time.perf_counter() - start))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def memory_figures(tokens: int) -> list[Figure]:
    """Peaks of builds of about so many tokens, and of ten times as many."""
    sizes = (tokens, 10 * tokens)
    peaks = [in_fresh_process(["--peak-of", str(size)]).split()[-2:] for size in sizes]
    figures = []
    for said, (small, large) in zip(
        ("above what was held", "of the whole process"), zip(*peaks, strict=True), strict=True
    ):
        detail = (
            f"{int(large) / 1e6:,.0f} / {int(small) / 1e6:,.0f} MB for {sizes[1]:,} / "
            f"{sizes[0]:,} tokens"
        )
        name = f"memory of a build / of a tenth of it, {said}"
        figures.append(Figure(name, int(large) / int(small), 1.2, detail))
    return figures


def peak_of(tokens: int) -> tuple[int, int]:
    """How far a build of about so many tokens raises the memory of this process, and to what."""
    torch.set_num_threads(1)
    settings = replace(Settings(), exact_search_tokens=100 * MEMORY_TOKENS)  # no lists
    model = ue.load(tiny_model("gemma3"), tokenizer=tiny_tokenizer(), settings=settings)
    with tempfile.TemporaryDirectory(prefix="unembed-bench-") as folder:
        small, large = Path(folder, "small.txt"), Path(folder, "large.txt")
        small.write_text(PROMPT)
        each = len(model.tokenize(PROMPT))
        with large.open("w") as file:
            file.writelines(f"{PROMPT} {number}\n" for number in range(tokens // each))
        options: dict[str, Any] = {"folder": folder, "split": "lines"}
        ue.index_corpus(model, small, "small", [1], **options)
        raised = extra_bytes(lambda: ue.index_corpus(model, large, "large", [1], **options))
    return raised, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def machine() -> str:
    """What this ran on."""
    cores = f"{torch.get_num_threads()} of {os.cpu_count()} cores for the model"
    return f"{cores}, load {os.getloadavg()[0]:.1f}"


def main() -> int:
    flags = parser(__doc__.partition("\n")[0])
    flags.add_argument("model", nargs="?", default="gemma3-270m")
    flags.add_argument("files", nargs="*", default=sorted(DOCS.glob("guides/*.md")))
    flags.add_argument("--spacy", help="a pipeline of spaCy")
    flags.add_argument("--layers", default="0", help="whose states are kept")
    flags.add_argument("--open", type=Path, help="the folder of a corpus: searches of it alone")
    flags.add_argument("--memory", action="store_true", help="measure that alone")
    flags.add_argument("--estimate", action="store_true", help="hold that against a build alone")
    flags.add_argument("--peak-of", type=int, help=argparse.SUPPRESS)
    chosen = flags.parse_args()
    if chosen.peak_of is not None:
        print(*peak_of(chosen.peak_of))
        return 0
    if chosen.memory:
        memory = memory_figures(MEMORY_TOKENS // (5 if chosen.quick else 1))
        return report("Memory of a build", memory, strict=chosen.strict)
    torch.set_num_threads(chosen.threads)
    model = ue.load(chosen.model)
    times = 5 if chosen.quick else 25
    if chosen.open is not None:
        corpus = ue.open_corpus(model, chosen.open.name, folder=chosen.open.parent)
        title = f"Searches of {corpus.about.summary()}; {machine()}"
        return report(title, search_figures(corpus, times), strict=chosen.strict)
    layers = parse_layers(chosen.layers)
    options = {"split": "lines", "spacy": chosen.spacy}
    with tempfile.TemporaryDirectory(prefix="unembed-bench-") as folder:
        small = Path(folder, "small.txt")
        small.write_text(PROMPT)  # so that nothing is loaded for the first time below
        ue.index_corpus(model, small, "small", layers, folder=folder, **options)
        said = ue.estimate_corpus(model, chosen.files, layers, **options)

        before = [processor_seconds(who) for who in PROCESSES]
        start = time.perf_counter()
        ue.index_corpus(model, chosen.files, "bench", layers, folder=folder, **options)
        taken = time.perf_counter() - start
        used, beside = (
            processor_seconds(who) - b for who, b in zip(PROCESSES, before, strict=True)
        )
        corpus = ue.open_corpus(model, "bench", folder=folder)
        n = len(corpus)
        numbers = sum(site.width for site in corpus.sites)
        each = corpus.about.bytes / n
        title = f"Corpus: {corpus.about.summary()}; {machine()}"
        estimated = estimate_figures(said, corpus, taken)
        if chosen.estimate:
            return report(title, estimated, strict=chosen.strict)
        figures = [
            *build_figures(corpus, model, taken, used, beside),
            *memory_figures(MEMORY_TOKENS // (5 if chosen.quick else 1)),
            Figure(
                "bytes of a token / 2 x numbers",
                each / (2 * numbers),
                1.15,
                f"{each:,.0f} bytes for {numbers:,} numbers",
            ),
            *estimated,
            *search_figures(corpus, times),
        ]
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
