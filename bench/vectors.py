"""The vector index against the bare matrix product, and its queries against the clock.

    python bench/vectors.py [--strict] [--quick] [--threads N] [--full]

On the demo model: 36,864 value vectors of 640 numbers, a vocabulary of 262,144 tokens. The build is
measured on one layer (2,048 vectors, the whole vocabulary), both sides in turn: what the build does
for a layer, writing it included, and one product of the same sizes in the same tiles, with nothing
kept. With --full, also all 18 layers once each, the build to its published end. Queries are asked
of an index with the real sizes; its lists are drawn at random, as projecting
them takes minutes; with --full it is the one that was built. Memory is measured in a process of its
own.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch

import unembed as ue
from _harness import Figure, extra_bytes, in_fresh_process, parser, ratio, report, seconds
from unembed.analyses.tools.projections import projection_of
from unembed.analyses.tools.vectors import value_vectors
from unembed.engine.reading import extremes as tiles
from unembed.index.build import Builder, build_index
from unembed.index.opening import open_index
from unembed.index.options import BuildOptions
from unembed.index.vector_index import VectorIndex

LAYER = 9
LIMIT = 100.0  # milliseconds, at the median
WORDS = ("music", "doctor, hospital", "France", "war, peace", "computer", "song", "river, sea")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on disk that goes again."""
    path = Path(tempfile.mkdtemp(prefix="unembed-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def one_layer(model: ue.Model, path: Path) -> None:
    """What the build does for a layer, from weights to disk."""
    with Builder(model, BuildOptions(restart=True), path) as builder:
        builder.prepare()
        builder.remaining = [LAYER]
        builder.step()


@torch.no_grad()
def bare_product(rows: torch.Tensor, weight: torch.Tensor) -> None:
    """The product of the same sizes, nothing kept."""
    for part in torch.split(rows, tiles.TILE_ROWS):
        width = tiles.TILE_BYTES // (4 * len(part))
        buffer = part.new_empty(len(part), width)
        for start in range(0, len(weight), width):
            chunk = weight[start : start + width]
            torch.mm(part, chunk.T, out=buffer[:, : len(chunk)])


def layer_figure(model: ue.Model, budget: float) -> Figure:
    """Build of a layer over the bare product."""
    rows = projection_of(model, "raw")(value_vectors(model, LAYER))
    weight = model.unembedding.weight
    with folder() as path:
        return ratio(
            f"one layer ({len(rows):,} x {rows.shape[1]} x {len(weight):,}): build / bare product",
            lambda: one_layer(model, path),
            lambda: bare_product(rows, weight),
            1.5,
            budget,
        )


def full_figure(model: ue.Model, path: Path) -> Figure:
    """The whole build over the bare products of all layers, each once."""
    print("measuring: the whole build", file=sys.stderr)
    build = seconds(lambda: build_index(model, folder=path))
    weight, bare = model.unembedding.weight, 0.0
    for layer in range(model.anatomy.n_layers):
        bare += seconds(partial(bare_product, value_vectors(model, layer), weight))
    detail = f"{build:.0f} s / {bare:.0f} s, once each"
    return Figure("whole build / bare products", build / bare, 1.5, detail)


def memory_figure() -> Figure:
    """What a layer's build takes above the loaded model."""
    used = int(in_fresh_process(["--memory"]).split()[-1])
    detail = "one layer, the whole vocabulary, LanceDB included; other layers take the same again"
    return Figure("extra memory of the build", used / 1e6, 1000, detail, " MB")


def memory() -> int:
    """Measured in this process: the first thing that it does with the index."""
    model = ue.load("gemma3-270m")
    with folder() as path:
        return extra_bytes(lambda: one_layer(model, path))


# ------------------------------------------------------------------ queries


def drawn_index(model: ue.Model, path: Path) -> VectorIndex:
    """An index of the real sizes with the real vectors, whose lists are drawn, not projected."""
    draw = np.random.default_rng(0)
    vocab_size = len(model.unembedding.weight)
    with Builder(model, folder=path) as builder:
        builder.prepare()
        for layer in builder.remaining:
            vectors = value_vectors(model, layer).float().numpy()
            shape = (len(vectors), 50)
            scores = -np.sort(-draw.normal(10, 2, shape).astype(np.float32), axis=1)
            # Skewed as real lists are: some tokens stand in many of them.
            ids = (vocab_size * draw.random((2, *shape)) ** 3).astype(np.int32)
            builder.tables.append(
                {
                    "layer": np.full(len(vectors), layer, np.int32),
                    "neuron": np.arange(len(vectors), dtype=np.int32),
                    "norm": np.linalg.norm(vectors, axis=1),
                    "vector": vectors,
                    "top_ids": ids[0],
                    "top_scores": scores,
                    "bottom_ids": ids[1],
                    "bottom_scores": -scores,
                }
            )
        builder.remaining = []
        builder.finish()
    return open_index(model, folder=path)


def size_figure(index: VectorIndex) -> Figure:
    """Bytes on disk for each vector, the vocabulary's texts included."""
    each = index.about.bytes / index.about.n_vectors
    floor = 4 * index.about.d + 16 * index.about.top_k
    detail = f"{index.about.bytes / 1e6:.0f} MB; vector and lists alone are {floor:,} bytes"
    return Figure("index size per vector", each, 1.25 * floor, detail, " B")


def questions(index: VectorIndex) -> dict[str, Callable[[int], object]]:
    """One of each kind; the number varies what is asked."""
    vocab_size = len(index.model.unembedding.weight)
    return {
        "keyword": lambda turn: index.search(WORDS[turn % len(WORDS)]),
        "part of a word": lambda turn: index.search("comput", match="part", offset=turn % 20),
        "token": lambda turn: index.token(turn * 7919 % vocab_size),
        "similar": lambda turn: index.similar(index.node(turn * 7919 % len(index))),
    }


def asked(ask: Callable[[int], object], clients: int, turns: int) -> list[float]:
    """Milliseconds of every query, when so many ask at once, each one after the other."""
    times: list[float] = []

    def client(number: int) -> None:
        for turn in range(turns):
            start = time.perf_counter()
            ask(number * turns + turn)
            times.append(1e3 * (time.perf_counter() - start))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def query_figures(index: VectorIndex, turns: int) -> list[Figure]:
    """Median against the limit, with the 95th percentile beside it."""
    index.warm()
    figures = []
    for name, ask in questions(index).items():
        ask(0)
        for clients in (1, 8):
            print(f"measuring: {name}, {clients} clients", file=sys.stderr)
            times = asked(ask, clients, turns)
            late = statistics.quantiles(times, n=20)[-1]
            detail = f"median; 95th percentile {late:.1f} ms, {len(times)} queries"
            label = f"{name} search, {clients} client{'s' * (clients > 1)}"
            figures.append(Figure(label, statistics.median(times), LIMIT, detail, " ms"))
    return figures


def main() -> int:
    flags = parser("The vector index on the demo model.")
    flags.add_argument("--full", action="store_true", help="also build the whole index: minutes")
    flags.add_argument("--memory", action="store_true", help="print what one layer takes")
    chosen = flags.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.memory:
        print(memory())
        return 0
    figures = [memory_figure()]
    model = ue.load("gemma3-270m")
    figures.append(layer_figure(model, 30.0 if chosen.quick else 150.0))
    with folder() as path:
        if chosen.full:
            figures.append(full_figure(model, path))
        index = open_index(model, folder=path) if chosen.full else drawn_index(model, path)
        figures.append(size_figure(index))
        figures += query_figures(index, 20 if chosen.quick else 100)
    title = f"Vector index: float32, threads: {torch.get_num_threads()}"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
