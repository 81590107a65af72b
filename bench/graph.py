"""How long an attribution graph of the demo model takes, and one of its edges measured.

    python bench/graph.py [--strict] [--quick] [--threads N]

A prompt of 10 tokens, with a transcoder for every layer: random encoders of 4,096 latents, 32 of
them active at a token, so that as many latents are active as with trained ones. Processor seconds
of one call, the better of two: on one thread, the wall time of an idle machine.
"""

from __future__ import annotations

import sys
import time

import torch

import unembed as ue
from _harness import Figure, Work, parser, report, seconds
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places

PROMPT = "When Mary and John went to the old store"
LATENTS, ACTIVE = 4096, 32


def loaded() -> ue.Model:
    """The demo model with a made-up transcoder for every layer."""
    model = ue.load("gemma3-270m", dtype="float32")
    width = model.anatomy.d_model
    for layer in range(model.anatomy.n_layers):
        torch.manual_seed(layer)
        reads, writes = places(f"L{layer}.mlp_in>L{layer}.mlp_out")
        decoder = torch.nn.functional.normalize(torch.randn(LATENTS, width))
        encoder = torch.randn(width, LATENTS) / width**0.5
        says = Description(
            layout="made up",
            kind="transcoder",
            activation="topk",
            d_in=width,
            d_out=width,
            n=LATENTS,
            reads=reads,
            writes=writes,
            k=ACTIVE,
        )
        bias = torch.zeros(LATENTS), torch.zeros(width)
        model.attach(ue.Sae(says, Weights(encoder, decoder, *bias)), verify=False)
    return model


def processor_seconds(work: Work) -> float:
    """Of one call, in all threads of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def figure(name: str, work: Work, promise: float, times: int) -> Figure:
    """Processor seconds of the fastest call."""
    print(f"measuring: {name}", file=sys.stderr)
    best = min(processor_seconds(work) for _ in range(times))
    return Figure(name, best, promise, f"the best of {times}", " s")


def print_estimates(model: ue.Model, several: list[int]) -> None:
    """Seconds as estimated beside those taken, by how many latents are nodes."""
    for latents in several:
        start = time.perf_counter()
        found = ue.estimate_graph(model, PROMPT, latents=latents)
        asking = time.perf_counter() - start
        took = seconds(lambda n=latents: ue.attribution_graph(model, PROMPT, latents=n))
        print(
            f"{found.n_nodes:,} nodes: estimated {found.seconds:.1f} s in {asking:.1f} s, "
            f"{took:.1f} s taken; {found.memory / 1e6:,.0f} MB",
            file=sys.stderr,
        )


def main() -> int:
    chosen = parser("How long an attribution graph takes.").parse_args()
    torch.set_num_threads(chosen.threads)
    model, times = loaded(), 1 if chosen.quick else 2
    graph = ue.attribution_graph(model, PROMPT)
    edge = graph.edges[len(graph.edges) // 2]
    print_estimates(model, [200, 2000, graph.n_active])
    tokens = f"{len(graph.tokens)} tokens, {graph.n_active:,} active latents"
    every = graph.n_active
    figures = [
        figure(
            f"{tokens}: 2,000 of them nodes",
            lambda: ue.attribution_graph(model, PROMPT),
            60,
            times,
        ),
        figure(
            f"{tokens}: all of them nodes",
            lambda: ue.attribution_graph(model, PROMPT, latents=every),
            120,
            times,
        ),
        figure(
            "one edge measured, held and live",
            lambda: ue.measure_edge(model, PROMPT, edge.source, edge.target),
            15,
            times,
        ),
    ]
    title = f"Attribution graphs: gemma3-270m, float32, threads: {torch.get_num_threads()}"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
