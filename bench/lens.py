"""The lens against the way it is usually computed: all logits of all rows, held.

    python bench/lens.py [--strict] [--quick] [--threads N]

GPT-2 small's shape with random weights: 12 layers, 256 positions, 50,257 tokens. Both sides start
from the same captured states and end in the same numbers: top 10 with probabilities, probability
and rank of the final top token, entropy, KL from the last row. The plain way keeps every logit in
float32, takes a softmax of them all and sorts them all. Memory is measured in processes of their
own, the last time with 2,048 positions and 262,144 tokens: for few rows, since the lens reads some
4,096 states at a time however many there are.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, GPT2Config, GPT2LMHeadModel

import unembed as ue
from _harness import Figure, extra_bytes, in_fresh_process, parser, ratio, report
from unembed.analyses.lens.grid import lens_of_run
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.lens.plan import LensPlan, plan_lens
from unembed.models.tiny import tiny_tokenizer

TOP = 10


def gpt2_small() -> nn.Module:
    """12 layers, d_model 768, vocabulary 50,257: a lens of 13 rows."""
    return GPT2LMHeadModel(GPT2Config())


def wide_vocabulary() -> nn.Module:
    """Two layers with the width and the vocabulary of Gemma 3 270M: a lens of 3 rows."""
    return Gemma3ForCausalLM(
        Gemma3TextConfig(
            vocab_size=262_144,
            hidden_size=640,
            intermediate_size=1024,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=1,
            head_dim=128,
        )
    )


SHAPES = {"gpt2": (gpt2_small, 256), "wide": (wide_vocabulary, 2048)}


@dataclass(frozen=True)
class Case:
    """A run to be read, and how."""

    model: ue.Model
    run: ue.Run
    plan: LensPlan

    def ours(self) -> ue.LensResult:
        """The lens."""
        return lens_of_run(self.run, self.plan)

    @torch.no_grad()
    def plainly(self) -> dict[str, Tensor]:
        """The same numbers from all logits [row, position, vocabulary] at once."""
        *inner, final = self.plan.capture
        states = [*(self.model.final_norm(self.run[site]) for site in inner), self.run[final]]
        logits = torch.stack([state @ self.model.unembedding.weight.T for state in states])
        probabilities = logits.softmax(-1)
        order = logits.argsort(-1, descending=True)
        targets = order[-1, :, :1].expand(len(states), -1, 1)
        found = {
            "top_ids": order[..., :TOP].clone(),
            "top_probabilities": probabilities.gather(-1, order[..., :TOP]),
            "probability": probabilities.gather(-1, targets)[..., 0],
            "rank": 1 + (order == targets).int().argmax(-1),
        }
        del order, logits
        logs = probabilities.log()
        found["entropy"] = -torch.linalg.vecdot(probabilities, logs)
        last = probabilities[-1]
        found["kl"] = torch.stack([torch.linalg.vecdot(last, logs[-1] - row) for row in logs])
        return found


def case(shape: str) -> Case:
    """A model of a shape with random weights, run once."""
    torch.manual_seed(0)
    make, n_positions = SHAPES[shape]
    module = make().eval()
    model = ue.load(module, tokenizer=tiny_tokenizer(module.config.vocab_size))
    ids = torch.randint(5, model.vocab_size, (n_positions,)).tolist()
    plan = plan_lens(model, n_positions, LensOptions(top_k=TOP))
    return Case(model, model.run(ids, plan.capture, logits="none"), plan)


def check(found: ue.LensResult, wanted: dict[str, Tensor]) -> None:
    """Both ways say the same, or their times mean nothing."""
    for name, values in wanted.items():
        ours = getattr(found, name)
        if ours.is_floating_point():
            torch.testing.assert_close(ours.float(), values, rtol=1e-3, atol=1e-5)
        elif float((ours == values).float().mean()) < 0.99:  # near ties may stand either way
            raise AssertionError(f"the two ways disagree about {name}")


def memory(shape: str, side: str) -> int:
    """Extra memory of one side, in bytes, measured in a process of its own."""
    return int(in_fresh_process(["--memory-of", f"{shape}/{side}"]).split()[-1])


def memory_ratio() -> Figure:
    """How much of the plain way's memory the lens takes."""
    ours, plainly = memory("gpt2", "ours"), memory("gpt2", "plainly")
    return Figure(
        "lens, 13 rows x 256, vocabulary 50,257: extra memory / the plain way's",
        ours / plainly,
        1 / 20,
        f"{ours / 1e6:,.0f} MB / {plainly / 1e6:,.0f} MB at their peaks, above what the run holds",
    )


def large_memory() -> Figure:
    """Extra memory where all logits of three rows would take 6 GB."""
    return Figure(
        "lens, 3 rows x 2,048, vocabulary 262,144: extra memory",
        memory("wide", "ours") / 1e6,
        1000,
        "more rows take their states and results, no more working memory",
        " MB",
    )


def main() -> int:
    flags = parser("The lens against all logits of all rows.")
    flags.add_argument(
        "--memory-of", choices=[f"{shape}/{side}" for shape in SHAPES for side in SIDES]
    )
    chosen = flags.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.memory_of:
        shape, side = chosen.memory_of.split("/")
        print(extra_bytes(partial(SIDES[side], case(shape))))
        return 0
    small = case("gpt2")
    check(small.ours(), small.plainly())
    name = "lens, 13 rows x 256, vocabulary 50,257: time / the plain way's"
    budget = 30.0 if chosen.quick else 150.0
    figures = [ratio(name, small.ours, small.plainly, 1 / 5, budget)]
    del small
    figures += [memory_ratio(), large_memory()]
    title = f"Lens: float32, threads: {torch.get_num_threads()}"
    return report(title, figures, strict=chosen.strict)


SIDES = {"ours": Case.ours, "plainly": Case.plainly}


if __name__ == "__main__":
    sys.exit(main())
