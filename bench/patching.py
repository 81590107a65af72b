"""What a patching grid costs, beside the naive loop: one plain pass with one hook for every cell.

    python bench/patching.py [--strict] [--quick] [--threads N]

GPT-2 small's shape with random weights; every layer's residual stream at every position, of prompts
of 15 and of 64 tokens that differ in their middle token: cells before it change nothing. And of
prompts that differ in their second token, where every cell is a run. The loop is timed on some
cells, and counted for all.

Beside each figure stands how many times fewer products are left: those of the layers from the
patched one on, at positions from the patched one on, without the vocabulary. What is gained beyond
that is speed: products of one core here are 2.4 times as fast with a hundred tokens as with 15, and
1.3 times as with 64. So where every cell of 64 tokens is a run, no grid of exact numbers can be 20
times faster than the loop. `--quick` leaves that figure out, and patches two layers of 64 tokens.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import partial
from itertools import product

import torch
from torch import Tensor

import unembed as ue
from _harness import Figure, parser, ratio, report
from overhead import loaded

WHY = ue.Objective.logit_diff(7, 9)
EVERY, EVERY_QUICKLY = 12, 36  # of the loop's cells one is timed
LAYERS = tuple(range(12))
MIDDLE = (4, 7)  # with as many layers behind them, on average


@torch.no_grad()
def naive(
    model: ue.Model,
    ids: list[int],
    other: list[int],
    layers: Sequence[int] = LAYERS,
    some: int = 1,
) -> Tensor:
    """The grid of these layers by plain hooks, or every so many of its cells."""
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
    values = torch.full((len(layers), len(ids)), float("nan"))
    cells = list(product(range(len(layers)), range(len(ids))))
    for row, position in cells[::some]:
        layer = layers[row]

        def put(
            _: object, args: tuple[Tensor, ...], layer: int = layer, at: int = position
        ) -> object:
            states = args[0].clone()
            states[:, at] = kept[layer][:, at]
            return (states, *args[1:])

        handle = blocks[layer].register_forward_pre_hook(put)
        logits = model.module(tokens, use_cache=False).logits[0, -1]
        handle.remove()
        values[row, position] = logits[7] - logits[9]
    return values


def fewer_products(model: ue.Model, n_tokens: int, first: int, layers: Sequence[int]) -> float:
    """How many times as many products the loop takes as are left for the grid, at least."""
    anatomy = model.anatomy
    unit = anatomy.d_model**2
    block, n_layers, last = 12 * unit, anatomy.n_layers, anatomy.n_layers - 1
    each = n_tokens * (n_layers * block + anatomy.vocab_size * anatomy.d_model)
    left = 0
    for layer, position in product(layers, range(first, n_tokens)):
        tokens = n_tokens - position
        # Of the last layer only keys and values are needed, but at the position that is read.
        left += (last - layer) * block * tokens + 2 * unit * tokens + 10 * unit
    return len(layers) * n_tokens * each / left


def figure_of(
    n_tokens: int, first: int, promise: float, budget: float, some: int, layers: Sequence[int]
) -> Figure:
    """The grid against the loop; how often faster it must be is `promise`."""
    model, ids = loaded("GPT-2 small")
    prompt = list(ids[:n_tokens])
    other = [*prompt]
    other[first] = 77
    grid = partial(ue.patch_grid, model, prompt, other, WHY, layers=layers)
    share = partial(naive, model, prompt, other, layers, some)
    found, wanted = grid().values, share()
    there = ~wanted.isnan()
    difference = float((found[there] - wanted[there]).abs().max())
    measured = ratio(f"{n_tokens} tokens, from {first} on", grid, share, 1.0, budget)
    counted = math.ceil(len(layers) * n_tokens / some)
    times = len(layers) * n_tokens / counted / measured.value
    fewer = fewer_products(model, n_tokens, first, layers)
    name = f"{len(layers)} layers x {n_tokens} tokens, from {first} on: share of the loop's time"
    detail = (
        f"{times:.1f} times faster, with {fewer:.1f} times fewer products; {difference:.1e} apart "
        f"at most; {measured.detail}"
    )
    return Figure(name, 1 / times, 1 / promise, detail)


def main() -> int:
    chosen = parser("What a patching grid costs.").parse_args()
    torch.set_num_threads(chosen.threads)
    budget, some, layers = (1.0, EVERY_QUICKLY, MIDDLE) if chosen.quick else (60.0, EVERY, LAYERS)
    figures = [
        figure_of(15, 7, 12, budget, some, LAYERS),
        figure_of(15, 1, 12, budget, some, LAYERS),
        figure_of(64, 32, 20, budget, some, layers),
    ]
    if not chosen.quick:
        figures.append(figure_of(64, 1, 7, budget, some, LAYERS))
    title = f"Patching: GPT-2 small's shape, float32, threads: {torch.get_num_threads()}"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
