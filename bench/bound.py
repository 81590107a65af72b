"""Whether a planted important node is ever outside the bound on nodes that were not measured.

    python bench/bound.py [--strict] [--quick]

Small random GPT-2s, in each of which one neuron writes sixty times as much as the others. Printed:
in how many the neuron, measured, is outside the bound, and how wide that is beside it.
"""

from __future__ import annotations

import sys
from statistics import median

import torch

import unembed as ue
from _harness import Figure, parser, report
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = (72, 5, 33, 9, 21, 14, 60, 2, 41, 8)
WHY = ue.Objective.logit_diff(72, 9)
RUNS = 32


def planted(seed: int) -> tuple[ue.Model, str]:
    """A tiny model, and the neuron in it that matters."""
    torch.manual_seed(seed)
    model = ue.load(tiny_model("gpt2").double(), tiny_tokenizer())
    for block in model.module.transformer.h:
        for part in (block.mlp.c_fc, block.mlp.c_proj):
            torch.nn.init.normal_(part.weight, std=0.05)
    layer, neuron = int(torch.randint(3, ())), int(torch.randint(52, ()))
    with torch.no_grad():
        model.module.transformer.h[layer].mlp.c_proj.weight[neuron] *= 60
    return model, f"L{layer}.N{neuron}"


def main() -> int:
    chosen = parser("The bound on what was not measured.").parse_args()
    torch.set_num_threads(chosen.threads)
    n_models = 10 if chosen.quick else 100
    outside, widths = 0, []
    for seed in range(n_models):
        model, node = planted(seed)
        found = ue.attribute(model, PROMPT, WHY, sample=RUNS, pairs=False)
        edits = [ue.zero(f"{node}@{position}") for position in range(len(PROMPT))]
        values = ue.sweep(model, PROMPT, [(), *edits], objective=WHY).values
        worst = float((values[0] - values[1:]).abs().max())
        outside += worst > found.bound.largest
        widths.append(found.bound.largest / worst)
    detail = f"the bound is {median(widths):.1f} times the planted node in the median"
    name = f"{n_models} models, {RUNS} runs each: planted nodes outside the bound"
    return report("Bound", [Figure(name, outside, 0, detail)], strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
