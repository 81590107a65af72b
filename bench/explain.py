"""Labels of 1,000 latents of the demo model, from an indexed corpus, without a language model.

    python bench/explain.py [MODEL FILE...] [--latents 1000] [--layer 9] [--strict] [--threads 2]

The latents are made up on the spot: each is the direction of one neuron's value vector, and TopK
keeps 32 of them at a token, about as many as a trained autoencoder has active. The files are texts,
by default the documents of this repository. What is timed is `ue.explain` with its defaults: the
pass over 20,000 tokens, what is promoted, labels, scores and both nulls. In seconds, and in seconds
of processors, which other work on the machine changes less: as many as that it takes on one core.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch

import unembed as ue
from _harness import Figure, parser, report, seconds
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places

DOCS = Path(__file__).parents[1] / "docs"
PROMISE = 300.0  # seconds
K = 32


def latents(model: ue.Model, layer: int, n: int) -> ue.Sae:
    """An autoencoder whose directions are those of neurons: of unit length, and not trained."""
    rows = model.output_weight(layer, "mlp").float()[:n]
    unit = rows / rows.norm(dim=-1, keepdim=True)
    site, _ = places(f"L{layer}.resid_post")
    width = model.anatomy.d_model
    says = Description("made up", "sae", "topk", width, width, len(unit), site, site, k=K)
    return ue.Sae(says, Weights(unit.T, unit, torch.zeros(len(unit)), torch.zeros(width)))


def main() -> int:
    flags = parser(__doc__.partition("\n")[0])
    flags.add_argument("model", nargs="?", default="gemma3-270m")
    flags.add_argument("files", nargs="*", default=sorted(DOCS.rglob("*.md")))
    flags.add_argument("--latents", type=int, default=1000)
    flags.add_argument("--layer", type=int, default=9)
    chosen = flags.parse_args()
    torch.set_num_threads(chosen.threads)
    model = ue.load(chosen.model)
    model.attach(latents(model, chosen.layer, chosen.latents), verify=False)
    names = [f"L{chosen.layer}.F{index}" for index in range(chosen.latents)]
    with tempfile.TemporaryDirectory(prefix="unembed-bench-") as folder:
        corpus = ue.index_corpus(model, chosen.files, "bench", [0], folder=folder, kept="hidden")
        kept: list[ue.Explanations] = []
        before = time.process_time()
        taken = seconds(lambda: kept.append(ue.explain(corpus, names)))
        used = time.process_time() - before
    found = kept[0]
    stages = f"{found.n_tokens:,} tokens; {found.summary()}"
    promise = PROMISE * max(1.0, chosen.latents / 1000)
    each = f"{1000 * used / chosen.latents:.0f} ms a latent, {used / promise:.2f} of the promise"
    figures = [
        Figure(f"labels of {chosen.latents:,} latents", taken, promise, stages, " s"),
        Figure("the same in processor seconds", used, promise, each, " s"),
    ]
    title = f"{chosen.model}, layer {chosen.layer}, {torch.get_num_threads()} threads"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
