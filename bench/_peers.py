"""What a patching grid costs, beside TransformerLens and nnsight.

    make bench-peers          makes an environment of its own with both, and runs this

GPT-2 small's shape with random weights, every layer's residual stream at every position, of two
prompts of 15 tokens that differ in the second one, so that nearly every cell is a run, or in the
middle one. `get_act_patch_resid_pre` of TransformerLens and a loop of nnsight's traces run every
cell of either, and must find the same numbers. One thread; seconds of CPU, as others may work on
the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from nnsight import NNsight
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformer_lens import patching
from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module

import unembed as ue
from overhead import loaded

WHY = ue.Objective.logit_diff(7, 9)
N_TOKENS = 15


def measured(logits: Tensor) -> Tensor:
    """Of logits [1, pos, vocab]: what all three measure."""
    return logits[0, -1, 7] - logits[0, -1, 9]


def of_lens(prompt: list[int], other: list[int], bridge: Any) -> Tensor:
    """The grid by TransformerLens."""
    _, cache = bridge.run_with_cache(torch.tensor([prompt]))
    found = patching.get_act_patch_resid_pre(bridge, torch.tensor([other]), cache, measured)
    return torch.as_tensor(found)


def of_nnsight(prompt: list[int], other: list[int], traced: Any) -> Tensor:
    """The grid by a loop of traces, as in its tutorials."""
    blocks = traced.transformer.h
    kept = []
    with traced.trace(torch.tensor([prompt])):
        for block in blocks:
            kept.append(block.input.clone().save())
    values = torch.zeros(len(kept), len(prompt))
    for layer, states in enumerate(kept):
        for position in range(len(prompt)):
            with traced.trace(torch.tensor([other])):
                changed = blocks[layer].input.clone()
                changed[:, position] = states[:, position]
                blocks[layer].input = changed
                logits = traced.lm_head.output.save()
            values[layer, position] = measured(logits)
    return values


def cpu_seconds(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """CPU time of a call, and what came of it."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    model, ids = loaded("GPT-2 small")
    prompt, ours = list(ids[:N_TOKENS]), {}
    for differing in (1, 7):
        other = [*prompt[:differing], 77, *prompt[differing + 1 :]]
        grid = partial(ue.patch_grid, model, prompt, other, WHY)
        grid()
        ours[differing] = min((cpu_seconds(grid) for _ in range(3)), key=lambda one: one[0])
    module = deepcopy(model.module)  # a bridge puts modules of its own in the place of some
    bridge = build_bridge_from_module(module, "GPT2LMHeadModel", hf_config=module.config)
    table = Table(title="A grid of 12 layers x 15 tokens, seconds of CPU", title_justify="left")
    headings = ("", "seconds", "times ours, from the second token", "from the middle one")
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left")
    table.add_row("Unembed", " / ".join(f"{seconds:.2f}" for seconds, _ in ours.values()))
    other = [prompt[0], 77, *prompt[2:]]
    for name, work, peer in (
        ("TransformerLens", of_lens, bridge),
        ("nnsight", of_nnsight, NNsight(model.module)),
    ):
        seconds, found = cpu_seconds(partial(work, prompt, other, peer))
        torch.testing.assert_close(ours[1][1].values, found, rtol=0, atol=1e-4)
        times = [f"{seconds / own:.1f}" for own, _ in ours.values()]
        table.add_row(name, f"{seconds:.2f}", *times)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
