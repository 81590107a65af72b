"""The flow graph of one layer against its floor, and against one projection after another.

    python bench/flow.py [--strict] [--quick] [--threads N]

The demo model, and GPT-2 medium's shape with random weights (24 layers, d_model 1,024, 50,257
tokens); ten tokens or fewer, layer 14, every option as it comes. The floor is one forward pass and
one product of all the graph's distinct vectors with the unembedding, nothing kept. The other way is
the same forward pass and then a softmax of a product of its own for each label, each hover text
and each colour that is an entropy, as VISIT draws its graph.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

import unembed as ue
from _harness import Figure, parser, ratio, report
from unembed.models.tiny import tiny_tokenizer

LAYER = 14
TOKENS_EACH = 5
FLOOR, ONE_BY_ONE = 1.5, 1 / 10


@dataclass(frozen=True)
class Case:
    """A model, a prompt and the graph of one layer."""

    model: ue.Model
    ids: tuple[int, ...]
    graph: ue.FlowGraph

    def ours(self) -> ue.FlowGraph:
        """The forward pass and the graph."""
        return drawn(self.model, self.ids)

    @torch.no_grad()
    def floor(self) -> None:
        """The forward pass and one product."""
        self.forward()
        rows = self.model.final_norm(self.graph.vectors)
        torch.mm(rows, self.model.unembedding.weight.T)

    @torch.no_grad()
    def one_by_one(self) -> list[list[int]]:
        """The forward pass, then a softmax for everything that is shown; the labels' tokens."""
        self.forward()
        labels = [self.read(node.readings[0].row) for node in self.graph.nodes if node.readings]
        for node in self.graph.nodes:
            for reading in node.readings:
                self.read(reading.row)
        for link in self.graph.links:
            if link.colour == "entropy" and link.row is not None:
                probabilities = self.softmax(link.row)
                -torch.linalg.vecdot(probabilities, probabilities.log2())
        return labels

    def forward(self) -> None:
        self.model.module(torch.tensor([self.ids]), use_cache=False)

    def softmax(self, row: int) -> Tensor:
        state = self.model.final_norm(self.graph.vectors[row, None])
        return (self.model.unembedding.weight @ state[0]).softmax(-1)

    def read(self, row: int) -> list[int]:
        found: list[int] = self.softmax(row).topk(TOKENS_EACH).indices.tolist()
        return found

    def projections(self) -> int:
        """How many products the other way takes."""
        nodes = [node for node in self.graph.nodes if node.readings]
        coloured = [
            one for one in self.graph.links if one.colour == "entropy" and one.row is not None
        ]
        return len(nodes) + sum(len(node.readings) for node in nodes) + len(coloured)


def drawn(model: ue.Model, ids: tuple[int, ...]) -> ue.FlowGraph:
    """One layer's graph, from a run of its own."""
    run = model.run(ids, capture=ue.flow_capture(model, [LAYER]), logits="last")
    return ue.flow_graph(run, [LAYER])


def gpt2_medium() -> tuple[ue.Model, tuple[int, ...]]:
    """Random weights, ten tokens."""
    torch.manual_seed(0)
    module = GPT2LMHeadModel(GPT2Config(n_embd=1024, n_layer=24, n_head=16)).eval()
    model = ue.load(module, tokenizer=tiny_tokenizer(module.config.vocab_size))
    return model, tuple(torch.randint(5, model.vocab_size, (10,)).tolist())


def demo_model() -> tuple[ue.Model, tuple[int, ...]]:
    """Gemma 3 270M: 18 layers, d_model 640, 262,144 tokens."""
    model = ue.load("gemma3-270m")
    return model, tuple(model.tokenize("The capital of Japan is the city of"))


SHAPES: dict[str, Callable[[], tuple[ue.Model, tuple[int, ...]]]] = {
    "GPT-2 medium": gpt2_medium,
    "demo model": demo_model,
}


def check(case: Case) -> None:
    """Both ways list the same tokens, or their times mean nothing."""
    nodes = [node for node in case.graph.nodes if node.readings]
    ours = [[one.token.id for one in node.readings[0].tokens] for node in nodes]
    same = [a == b for a, b in zip(ours, case.one_by_one(), strict=True)]
    if sum(same) < 0.97 * len(same):  # near ties may stand either way
        raise AssertionError("the two ways disagree about the tokens")


def figures_of(shape: str, budget: float) -> list[Figure]:
    """Against the floor, and against one product after another."""
    model, ids = SHAPES[shape]()
    case = Case(model, ids, drawn(model, ids))
    check(case)
    n_rows = len(case.graph.vectors)
    name = f"{shape}, one layer: graph / forward pass + one product of {n_rows} vectors"
    slow = f"{shape}, one layer: graph / forward pass + {case.projections()} products, one by one"
    return [
        ratio(name, case.ours, case.floor, FLOOR, budget),
        ratio(slow, case.ours, case.one_by_one, ONE_BY_ONE, budget),
    ]


def main() -> int:
    chosen = parser("The flow graph of one layer.").parse_args()
    torch.set_num_threads(chosen.threads)
    budget = 12.0 if chosen.quick else 60.0
    figures = [figure for shape in SHAPES for figure in figures_of(shape, budget)]
    title = f"Flow graph: float32, threads: {torch.get_num_threads()}"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
