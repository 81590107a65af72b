"""What observing costs, beside the model alone.

    python bench/overhead.py [--strict] [--quick] [--threads N]

GPT-2 small's shape with random weights, 64 tokens: runs against the plain forward pass, and the
full lens grid against the plain product `states @ W_U.T` of the same states held in full; that at
the demo model's vocabulary too, with the extra memory it takes.
"""

from __future__ import annotations

import sys
from functools import partial

import torch
from torch import Tensor, nn
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, GPT2Config, GPT2LMHeadModel

import unembed as ue
from _harness import Figure, extra_bytes, in_fresh_process, parser, ratio, report
from unembed.analyses.lens.grid import lens_of_run
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.lens.plan import LensPlan, plan_lens
from unembed.engine.nodes import LAYER_SITES
from unembed.models.tiny import tiny_tokenizer

N_TOKENS = 64
STREAM = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")


def gpt2_small() -> nn.Module:
    """12 layers, d_model 768, vocabulary 50,257: a lens of 13 rows."""
    return GPT2LMHeadModel(GPT2Config())


def demo_shape() -> nn.Module:
    """The shape of Gemma 3 270M: 18 layers, d_model 640, vocabulary 262,144; a lens of 19 rows."""
    return Gemma3ForCausalLM(
        Gemma3TextConfig(
            vocab_size=262_144,
            hidden_size=640,
            intermediate_size=2048,
            num_hidden_layers=18,
            num_attention_heads=4,
            num_key_value_heads=1,
            head_dim=256,
        )
    )


SHAPES = {"GPT-2 small": gpt2_small, "demo model": demo_shape}


def loaded(shape: str) -> tuple[ue.Model, tuple[int, ...]]:
    """A model of a shape with random weights, and a prompt for it."""
    torch.manual_seed(0)
    module = SHAPES[shape]().eval()
    model = ue.load(module, tokenizer=tiny_tokenizer(module.config.vocab_size))
    ids = torch.randint(5, model.vocab_size, (N_TOKENS,)).tolist()
    return model, tuple(ids)


def runs(model: ue.Model, ids: tuple[int, ...], budget: float) -> list[Figure]:
    """Runs with more and more captured, each against the model's own forward pass."""
    tokens = torch.tensor([ids])

    @torch.no_grad()
    def plain() -> Tensor:
        return model.module(tokens, use_cache=False).logits

    can = model.capabilities()
    every = [site for site in LAYER_SITES if site in can and can[site].available]
    wanted = [
        ("run, nothing captured / plain forward", [], 1.02),
        ("run, residual, attn_out and mlp_out sites / plain forward", STREAM, 1.05),
        ("run, every site with all patterns / plain forward", [*every, "final_norm"], 1.6),
    ]
    return [
        ratio(name, partial(model.run, ids, capture), plain, promise, budget)
        for name, capture, promise in wanted
    ]


def lens(model: ue.Model, ids: tuple[int, ...], budget: float) -> list[Figure]:
    """The grid of a run against the product that it cannot do without."""
    plan = plan_lens(model, len(ids), LensOptions())
    run = model.run(ids, plan.capture, logits="none")
    states = decoded(run, plan)
    weight = model.unembedding.weight

    @torch.no_grad()
    def product() -> Tensor:
        return states @ weight.T

    size = f"{len(states) // N_TOKENS} rows x {N_TOKENS}, vocabulary {model.vocab_size:,}"
    name = f"lens grid, {size}: {{}} / states @ W_U.T"
    return [
        ratio(
            name.format("top 10 with probabilities"),
            partial(model.unembedding.read, states, k=10),
            product,
            1.6,
            budget,
        ),
        ratio(
            name.format("the same, and rank, KL, entropy, final norm"),
            partial(lens_of_run, run, plan),
            product,
            1.6,
            budget,
        ),
    ]


@torch.no_grad()
def decoded(run: ue.Run, plan: LensPlan) -> Tensor:
    """What the unembedding reads of every cell."""
    *inner, final = plan.capture
    states = [run.model.final_norm(run[name]) for name in inner]
    return torch.stack([*states, run[final]], 1).flatten(0, 1)


def print_lens_memory(shape: str) -> None:
    """In a process of its own: the extra memory of the grid, in bytes."""
    model, ids = loaded(shape)
    plan = plan_lens(model, len(ids), LensOptions())
    run = model.run(ids, plan.capture, logits="none")
    print(extra_bytes(partial(lens_of_run, run, plan)))


def lens_memory(shape: str) -> Figure:
    """Extra memory of the lens grid."""
    extra = int(in_fresh_process(["--lens-memory-of", shape]).split()[-1])
    return Figure(
        f"lens grid, {shape}'s vocabulary: extra memory",
        extra / 1e6,
        600,
        "peak in a process of its own, above what it held when the run was done",
        " MB",
    )


def main() -> int:
    flags = parser("What observing costs, beside the model alone.")
    flags.add_argument("--lens-memory-of", choices=SHAPES)
    chosen = flags.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.lens_memory_of:
        print_lens_memory(chosen.lens_memory_of)
        return 0
    budget = 5.0 if chosen.quick else 25.0
    figures: list[Figure] = []
    for shape in SHAPES:
        model, ids = loaded(shape)
        if shape == "GPT-2 small":
            figures += runs(model, ids, budget)
        figures += lens(model, ids, budget)
        del model
        figures.append(lens_memory(shape))
    title = f"Overhead: {N_TOKENS} tokens, float32, threads: {torch.get_num_threads()}"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
