"""What a patching grid costs, beside the naive loop: one plain pass with one hook for every cell.

    python bench/patching.py [--strict] [--quick] [--threads N]

GPT-2 small's shape with random weights; every layer's residual stream at every position, of prompts
of 15 and of 64 tokens that differ in their middle token: cells before it change nothing. And of
prompts that differ in their second token, where every cell is a run: half of the positions and of
the layers of a plain pass are left to compute, a quarter of its products beside the vocabulary's,
and that bounds the figure. The loop is timed on some cells, and counted for all.
"""

from __future__ import annotations

import sys
from functools import partial

import torch
from torch import Tensor

import unembed as ue
from _harness import Figure, parser, ratio, report
from overhead import loaded

WHY = ue.Objective.logit_diff(7, 9)
EVERY = 12  # of the loop's cells


@torch.no_grad()
def naive(model: ue.Model, ids: list[int], other: list[int], some: int = 1) -> Tensor:
    """The grid by plain hooks, or every so many of its cells."""
    blocks = model.module.transformer.h
    kept: dict[int, Tensor] = {}
    handles = [
        block.register_forward_pre_hook(
            lambda _, args, layer=layer: kept.update({layer: args[0].clone()})
        )
        for layer, block in enumerate(blocks)
    ]
    model.module(torch.tensor([ids]), use_cache=False)
    for handle in handles:
        handle.remove()
    tokens = torch.tensor([other])
    values = torch.full((len(blocks), len(ids)), float("nan"))
    cells = [(layer, position) for layer in range(len(blocks)) for position in range(len(ids))]
    for layer, position in cells[::some]:

        def put(
            _: object, args: tuple[Tensor, ...], layer: int = layer, at: int = position
        ) -> object:
            states = args[0].clone()
            states[:, at] = kept[layer][:, at]
            return (states, *args[1:])

        handle = blocks[layer].register_forward_pre_hook(put)
        logits = model.module(tokens, use_cache=False).logits[0, -1]
        handle.remove()
        values[layer, position] = logits[7] - logits[9]
    return values


def figures_of(n_tokens: int, differing: int, promise: float, budget: float) -> list[Figure]:
    """The grid against the loop; how often faster it must be is `promise`."""
    model, ids = loaded("GPT-2 small")
    prompt = list(ids[:n_tokens])
    other = [*prompt]
    other[differing] = 77
    grid = partial(ue.patch_grid, model, prompt, other, WHY)
    found, wanted = grid().values, naive(model, prompt, other, EVERY)
    there = ~wanted.isnan()
    difference = float((found[there] - wanted[there]).abs().max())
    share = partial(naive, model, prompt, other, EVERY)
    measured = ratio(f"{n_tokens} tokens", grid, share, 1.0, budget)
    times = EVERY / measured.value
    name = f"12 layers x {n_tokens} tokens, from {differing} on: share of the naive loop's time"
    detail = f"{times:.1f} times faster; {difference:.1e} apart at most; {measured.detail}"
    return [Figure(name, 1 / times, 1 / promise, detail)]


def main() -> int:
    chosen = parser("What a patching grid costs.").parse_args()
    torch.set_num_threads(chosen.threads)
    budget = 10.0 if chosen.quick else 60.0
    figures = figures_of(15, 7, 12, budget) + figures_of(64, 32, 20, budget)
    figures += figures_of(15, 1, 8, budget) + figures_of(64, 1, 7, budget)
    title = f"Patching: GPT-2 small's shape, float32, threads: {torch.get_num_threads()}"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
