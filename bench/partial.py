"""What a partial forward pass costs: as much as the blocks that it runs.

    python bench/partial.py [--strict] [--quick] [--threads N]

The demo model, and GPT-2 small's shape with random weights, 128 tokens. A pass to the end of block
k - 1, so through k of L blocks, against the base model's whole forward pass (no unembedding, no
cache). Each figure is that ratio over k / L: 1 is a cost in proportion.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2Model

import unembed as ue
from _harness import Figure, parser, ratio, report
from unembed.engine.partial.partial_forward import partial_forward

N_TOKENS = 128
SHARES = (0.25, 0.5, 0.75)


def gpt2_small() -> tuple[nn.Module, str]:
    """12 layers, d_model 768, and how its blocks are named."""
    torch.manual_seed(0)
    return GPT2Model(GPT2Config()).eval(), "h.{}"


def demo_model() -> tuple[nn.Module, str]:
    """18 layers, d_model 640: the module that a Model holds, without its head."""
    return ue.load("gemma3-270m").module.base_model, "layers.{}"


SHAPES = {"GPT-2 small": gpt2_small, "demo model": demo_model}


def figures_of(shape: str, budget: float) -> list[Figure]:
    """A pass to a quarter, to the middle and to three quarters."""
    module, block = SHAPES[shape]()
    n_layers: int = module.config.num_hidden_layers
    ids = torch.randint(5, 1000, (1, N_TOKENS))

    @torch.no_grad()
    def whole() -> Tensor:
        return module(ids, use_cache=False).last_hidden_state

    @torch.no_grad()
    def part(name: str) -> dict[str, Tensor]:
        return partial_forward(module, name, ids)

    figures = []
    for share in SHARES:
        n_run = round(share * n_layers)
        name = f"{shape}: {n_run} of {n_layers} blocks / whole base model, over {n_run}/{n_layers}"
        measured = ratio(name, partial(part, block.format(n_run - 1)), whole, 1.1, budget)
        detail = f"ratio {measured.value:.3f}; {measured.detail}"
        figures.append(replace(measured, value=measured.value * n_layers / n_run, detail=detail))
    return figures


def main() -> int:
    chosen = parser("What a partial forward pass costs.").parse_args()
    torch.set_num_threads(chosen.threads)
    budget = 5.0 if chosen.quick else 25.0
    figures = [figure for shape in SHAPES for figure in figures_of(shape, budget)]
    title = f"Partial forward: {N_TOKENS} tokens, float32, threads: {torch.get_num_threads()}"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
