"""What an attribution costs, beside one forward and one backward pass of the plain model.

    python bench/attribution.py [--strict] [--quick] [--threads N]

GPT-2 small's shape with random weights, 64 tokens: every neuron, every pair of query and key of
every head, biases and embeddings, with direct and total effects, and the largest listed. Against
the plain model's forward pass and the gradient of a difference of two logits with respect to all
weights, and with respect to its embeddings alone. The memory that it takes is that of a process of
its own.
"""

from __future__ import annotations

import sys
from functools import partial

import torch
from torch import Tensor

import unembed as ue
from _harness import Figure, extra_bytes, in_fresh_process, parser, ratio, report
from overhead import loaded

WHY = ue.Objective.logit_diff(7, 9)


def figures_of(budget: float) -> list[Figure]:
    """Attribution of every node against the plain model's two passes."""
    model, ids = loaded("GPT-2 small")
    tokens = torch.tensor([ids])
    embed = model.module.get_input_embeddings()

    def gradient_of_embeddings() -> Tensor:
        states = embed(tokens).detach().requires_grad_()
        logits = model.module(inputs_embeds=states, use_cache=False).logits[0, -1]
        (found,) = torch.autograd.grad(logits[7] - logits[9], states)
        return found

    def backward() -> None:
        logits = model.module(tokens, use_cache=False).logits[0, -1]
        (logits[7] - logits[9]).backward()
        model.module.zero_grad(set_to_none=True)

    attribute = partial(ue.attribute, model, ids, WHY)
    by_head = partial(attribute, pairs=False)
    name = f"{attribute().n_nodes:,} nodes, {len(ids)} tokens / "
    return [
        ratio(f"{name}forward + backward", attribute, backward, 1.5, budget),
        ratio(
            f"{name}forward + gradient of embeddings",
            attribute,
            gradient_of_embeddings,
            1.5,
            budget,
        ),
        ratio(
            "heads whole, not by pair / forward + gradient of embeddings",
            by_head,
            gradient_of_embeddings,
            1.3,
            budget,
        ),
    ]


def print_memory(n_tokens: int) -> None:
    """In a process of its own: the extra memory of an attribution, in bytes."""
    model, ids = loaded("GPT-2 small")
    model.max_positions = 1024
    prompt = (ids * (n_tokens // len(ids) + 1))[:n_tokens]
    print(extra_bytes(partial(ue.attribute, model, prompt, WHY, pairs=False)))


def memory(n_tokens: int, promise: float) -> Figure:
    """Extra memory, heads whole."""
    extra = int(in_fresh_process(["--memory-of", str(n_tokens)]).split()[-1])
    detail = "peak in a process of its own, above the loaded model; heads not by pair"
    return Figure(f"{n_tokens:,} tokens: extra memory", extra / 1e6, promise, detail, " MB")


def main() -> int:
    flags = parser("What an attribution costs.")
    flags.add_argument("--memory-of", type=int)
    chosen = flags.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.memory_of:
        print_memory(chosen.memory_of)
        return 0
    figures = figures_of(5.0 if chosen.quick else 25.0)
    figures.append(memory(1000, 4000))
    title = f"Attribution: GPT-2 small's shape, float32, threads: {torch.get_num_threads()}"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
