"""Training an autoencoder against plain passes, and attributions with one attached to every layer.

    python bench/sae.py [MODEL FILE...] [--latents 16384] [--site L9.mlp_out] [--strict] [--quick]

MODEL is a folder or hub id, by default the demo model; the files are texts, by default the guides
of these documents. Training reads each token once, and its passes end at the site; the plain passes
are whole, over the same sequences, with nothing kept: what the training adds is one step of 4,096
latents for each token. Seconds are those of the processor: what a machine with nothing else to do
takes on one thread. Attribution is that of one prompt, with a random autoencoder of what the
feed-forward adds in every layer, and without. The check on load is of an autoencoder of so many
latents that explains its site exactly; the pages are of 1,000 of them, from a corpus of the files,
written as one HTML file.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import unembed as ue
from _harness import Figure, Work, parser, ratio, report, seconds
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.training.activations import Activations, Rows
from unembed.training.learner import Learner
from unembed.training.options import TrainOptions
from unembed.training.texts import Texts, texts_of

DOCS = Path(__file__).parents[1] / "docs"
PROMPT = "The capital of Japan is the city of"
BATCH = 1024


def training_figure(model: ue.Model, texts: Texts, site: str, tokens: int) -> Figure:
    """Activations and steps of so many tokens, once each, against the passes."""
    reads, writes = places(site)
    options = TrainOptions(latents=4096, k=32, batch=BATCH, tokens=tokens)
    of = Activations(model, reads, writes, texts)
    counts, sequences = 0, []
    for number, count in enumerate(texts.counts.tolist()):
        if counts >= tokens:
            break
        sequences.append(number)
        counts += count
    learner = Learner(options, reads, writes, of.rows(sequences[:8]))
    parts: list[float] = []

    def train() -> None:
        start = time.perf_counter()
        rows = of.rows(sequences)
        parts.append(time.perf_counter() - start)
        for first in range(0, len(rows), BATCH):
            learner.learn(Rows(rows.x[first : first + BATCH], rows.y[first : first + BATCH]))

    taken = seconds(train)
    bare = seconds(lambda: plain_passes(model, texts, sequences))
    n = sum(len(texts.sequence(one)) for one in sequences)
    detail = (
        f"{n / taken:,.0f} / {n / bare:,.0f} tokens a second; activations alone "
        f"{n / parts[0]:,.0f}, steps alone {n / (taken - parts[0]):,.0f}"
    )
    return Figure(f"training on {n:,} tokens at {site} / plain passes", taken / bare, 2.0, detail)


@torch.no_grad()
def plain_passes(model: ue.Model, texts: Texts, sequences: list[int]) -> None:
    """The model's own passes over the sequences, those of one length together."""
    by_length: dict[int, list[tuple[int, ...]]] = {}
    for number in sequences:
        ids = texts.sequence(number)
        by_length.setdefault(len(ids), []).append(ids)
    for length, rows in by_length.items():
        at_once = max(1, 2048 // length)
        for first in range(0, len(rows), at_once):
            model.module.base_model(torch.tensor(rows[first : first + at_once]))


def random_sae(model: ue.Model, layer: int, n: int) -> ue.Sae:
    """A TopK autoencoder of what the feed-forward adds: 32 latents are active at each position."""
    d = model.anatomy.d_model
    draw = torch.Generator().manual_seed(layer)
    rows = torch.randn(n, d, generator=draw)
    rows = rows / rows.norm(dim=-1, keepdim=True)
    site, _ = places(f"L{layer}.mlp_out")
    says = Description("made up", "sae", "topk", d, d, n, reads=site, writes=site, k=32)
    return ue.Sae(says, Weights(rows.T.contiguous(), rows, torch.zeros(n), torch.zeros(d)))


def processor_seconds(work: Work) -> float:
    """Of one call, whatever else the machine does."""
    start = time.process_time()
    work()
    return time.process_time() - start


def exact_sae(model: ue.Model, site: str, n: int) -> ue.Sae:
    """Each entry of the site and its opposite as latents, and others that are never active."""
    d, (reads, writes) = model.anatomy.d_model, places(site)
    both = torch.cat([torch.eye(d), -torch.eye(d), torch.zeros(n - 2 * d, d)])
    bias = torch.cat([torch.zeros(2 * d), -torch.ones(n - 2 * d)])
    says = Description("made up", "sae", "relu", d, d, n, reads=reads, writes=writes)
    return ue.Sae(says, Weights(both.T.contiguous(), both, bias, torch.zeros(d)))


def check_figure(model: ue.Model, site: str, n: int) -> Figure:
    """What a load adds that holds the autoencoder against the model."""
    sae, found = exact_sae(model, site, n), []
    taken = processor_seconds(lambda: found.append(ue.check_sae(sae, model)))
    detail = f"{found[0].explained:.1%} explained, {len(found[0].readings)} readings tried"
    return Figure(f"check on load of {n:,} latents at {site}", taken, 10, detail, "s")


def pages_figure(model: ue.Model, files: list[Path], site: str, n: int) -> Figure:
    """The pages of 1,000 latents, from passes over the corpus to the file."""
    layer = int(site[1:].partition(".")[0])
    with TemporaryDirectory() as folder:
        corpus = ue.index_corpus(model, files, "bench", folder=folder)
        model.attach(exact_sae(model, site, n))
        page = Path(folder) / "latents.html"

        def write() -> None:
            ue.node_pages(corpus, f"L{layer}.F0-999").to_html(path=page)

        taken = processor_seconds(write)
        size = page.stat().st_size / 1e6
        model.detach()
    detail = (
        f"{60_000 / taken:,.0f} pages a minute, {corpus.about.n_tokens:,} tokens, {size:.0f} MB"
    )
    return Figure(f"pages of 1,000 of {n:,} latents", taken, 120, detail, "s")


def main() -> int:
    flags = parser(__doc__.partition("\n")[0])
    flags.add_argument("model", nargs="?", default="gemma3-270m")
    flags.add_argument("files", nargs="*", default=sorted(DOCS.glob("guides/*.md"))[:4])
    flags.add_argument("--latents", type=int, default=16_384, help="of each layer's autoencoder")
    flags.add_argument("--site", default="L9.mlp_out", help="what is trained")
    chosen = flags.parse_args()
    torch.set_num_threads(chosen.threads)
    model, bare = ue.load(chosen.model), ue.load(chosen.model)
    texts = texts_of(model, chosen.files, 128, "text")
    figures = [training_figure(model, texts, chosen.site, 1024 if chosen.quick else 4096)]
    figures.append(check_figure(model, chosen.site, chosen.latents))
    figures.append(pages_figure(model, chosen.files[:2], chosen.site, chosen.latents))
    for layer in range(model.anatomy.n_layers):
        model.attach(random_sae(model, layer, chosen.latents), verify=False)
    figures.append(
        ratio(
            f"attribution with {chosen.latents:,} latents in every layer / without",
            lambda: ue.attribute(model, PROMPT, " Tokyo", distractor=" Kyoto"),
            lambda: ue.attribute(bare, PROMPT, " Tokyo", distractor=" Kyoto"),
            1.6,
            5 if chosen.quick else 30,
        )
    )
    title = f"Autoencoders: {model.name}; {chosen.threads} threads, load {os.getloadavg()[0]:.1f}"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
