"""What many edited runs cost: as much as one batch of as many rows.

    python bench/sweep.py [--strict] [--quick] [--threads N]

The demo model, 9 tokens, 32 ablations of one head each, spread over all layers. Against one plain
forward pass over 32 rows, with logits at the last position as the sweep has them and with all; and
against 32 runs of one row, where the figure is how much of their time the sweep takes.
"""

from __future__ import annotations

import sys
from functools import partial

import torch
from torch import Tensor

import unembed as ue
from _harness import Figure, parser, ratio, report

PROMPT = "The capital of Japan is the city of"
N_ROWS = 32


def ablations(model: ue.Model) -> list[ue.Edit]:
    """One head each, evenly over the model."""
    heads = [
        f"L{block.layer}.H{head}"
        for block in model.anatomy.blocks
        for head in range(block.attention.n_heads)
    ]
    return [ue.zero(heads[order * len(heads) // N_ROWS]) for order in range(N_ROWS)]


def figures_of(model: ue.Model, budget: float) -> list[Figure]:
    """The sweep against a plain batch and against runs of their own."""
    ids, edits = model.tokenize(PROMPT), ablations(model)
    tokens = torch.tensor([ids] * N_ROWS)

    @torch.no_grad()
    def plain(**options: int) -> Tensor:
        return model.module(tokens, use_cache=False, **options).logits

    def alone() -> list[ue.Run]:
        return [model.run(ids, edits=[edit], logits="last") for edit in edits]

    swept = partial(ue.sweep, model, ids, edits)
    last = partial(plain, logits_to_keep=1)
    name = f"{N_ROWS} ablations of one head, {len(ids)} tokens / "
    return [
        ratio(f"{name}plain batch, last logits", swept, last, 1.3, budget),
        ratio(f"{name}plain batch, all logits", swept, plain, 1.3, budget),
        ratio(f"{name}one run each", swept, alone, 1 / 2.5, budget),
    ]


def main() -> int:
    chosen = parser("What many edited runs cost.").parse_args()
    torch.set_num_threads(chosen.threads)
    figures = figures_of(ue.load("gemma3-270m"), 15.0 if chosen.quick else 60.0)
    title = f"Sweep: float32, threads: {torch.get_num_threads()}"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
