"""What training comes to beside SAELens, on the same activations in the same order.

    make bench-trainers          makes an environment of its own with it, and runs this

A TopK autoencoder of one site of the demo model, with as many latents, the same k, batches, rate
and schedule. Both are written to files, read by `load_sae`, and measured on rows that neither saw.
SAELens begins with a decoder bias of zero, which at a site with a large mean takes most of so few
steps: it is shown as it is, and with its bias begun at the mean as ours is. One thread; seconds of
CPU of the steps alone.

Latents are dead that are active at none of the last rows of the training, as many as `DEAD`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.sae_trainer import SAETrainer
from torch import Tensor

import unembed as ue
from unembed.latents.load import places
from unembed.latents.saving import layout_of, save_sae
from unembed.training.activations import Activations, Rows
from unembed.training.learner import DECAY, WARMUP, Learner
from unembed.training.options import TrainOptions
from unembed.training.texts import held_out, texts_of

GUIDES = sorted((Path(__file__).parents[1] / "docs" / "guides").glob("*.md"))
SITE, HELD_OUT = "L6.resid_post", 2048
DEAD = 50_000  # tokens without which a latent is taken for dead


def rows_of(model: ue.Model, tokens: int) -> tuple[Tensor, Tensor]:
    """Activations that are learnt from, and others."""
    texts = texts_of(model, GUIDES, 128, "text")
    own, among = held_out(texts, HELD_OUT, 0)
    reads, _ = places(SITE)
    of = Activations(model, reads, reads, texts)
    order = np.random.default_rng(0).permutation(among)
    counts = np.cumsum(texts.counts[order])
    some = order[: int(np.searchsorted(counts, tokens)) + 1].tolist()
    return of.rows(some).x, of.rows(own.tolist()).x


def batches(rows: Tensor, asked: TrainOptions) -> Iterator[Tensor]:
    """The same for both: all rows in an order of their own, again and again."""
    n = len(rows) // asked.batch
    for step in range(asked.n_steps):
        use, place = divmod(step, n)
        order = torch.from_numpy(np.random.default_rng([1, use]).permutation(len(rows)))
        yield rows[order[place * asked.batch : (place + 1) * asked.batch]]


def ours(rows: Tensor, asked: TrainOptions, folder: Path) -> float:
    """Train, write, and say how many seconds the steps took."""
    site, _ = places(SITE)
    start = time.process_time()
    learner = Learner(asked, site, site, Rows(rows, rows))
    for batch in batches(rows, asked):
        learner.learn(Rows(batch, batch))
    taken = time.process_time() - start
    folder.mkdir()
    save_sae(learner.autoencoder(layout_of("sae", "topk")), folder, {})
    return taken


def theirs_at_mean(rows: Tensor, asked: TrainOptions, folder: Path) -> float:
    """The same by SAELens' trainer, its decoder bias begun at the mean."""
    return theirs(rows, asked, folder, at_mean=True)


def theirs(rows: Tensor, asked: TrainOptions, folder: Path, *, at_mean: bool = False) -> float:
    """The same by SAELens' trainer."""
    config = TopKTrainingSAEConfig(
        d_in=rows.shape[1],
        d_sae=asked.latents,
        k=asked.k,
        normalize_activations="expected_average_only_in",
        apply_b_dec_to_input=True,
        metadata=SAEMetadata(model_name="gemma3-270m", hook_name="blocks.6.hook_resid_post"),
    )
    torch.manual_seed(asked.seed)
    sae = TopKTrainingSAE(config)
    if at_mean:  # in units of its own: a mean length of sqrt(d)
        sae.b_dec.data = rows.mean(0) * rows.shape[1] ** 0.5 / rows.norm(dim=-1).mean()
    trainer = SAETrainer(
        SAETrainerConfig(
            total_training_samples=asked.n_steps * asked.batch,
            train_batch_size_samples=asked.batch,
            lr=asked.rate,
            lr_end=asked.rate / 10,
            lr_warm_up_steps=int(WARMUP * asked.n_steps),
            lr_decay_steps=int(DECAY * asked.n_steps),
            dead_feature_window=DEAD // asked.batch,
            n_batches_for_norm_estimate=8,
        ),
        sae,
        ahead(rows, asked),
    )
    start = time.process_time()
    trainer.fit()
    taken = time.process_time() - start
    sae.save_inference_model(str(folder))
    with torch.no_grad():
        few, read = rows[:64], ue.load_sae(folder, SITE)
        own, wanted = sae.decode(sae.encode(few)), read.decode(read.encode(few), few)
    torch.testing.assert_close(wanted, own, rtol=1e-3, atol=1e-3 * float(own.abs().max()))
    return taken


def ahead(rows: Tensor, asked: TrainOptions) -> Iterator[Tensor]:
    """The batches that its scale is measured on, which it does not learn from, and then all."""
    for number, batch in enumerate(batches(rows, asked)):
        if number == 8:
            break
        yield batch
    yield from batches(rows, asked)


def measured(folder: Path, rows: Tensor, asked: TrainOptions, others: Tensor) -> tuple[float, ...]:
    """Explained, active and dead."""
    sae = ue.load_sae(folder, SITE)
    values = sae.encode(others)
    left = (others - sae.decode(values, others)).square().sum()
    whole = (others - others.mean(0)).square().sum()
    last = rows[: min(len(rows), DEAD)]
    alive = torch.zeros(asked.latents, dtype=torch.bool)
    for part in torch.split(last, 1024):
        alive |= (sae.encode(part) > 0).any(0)
    explained = 1 - float(left / whole)
    return explained, float((values > 0).sum() / len(values)), int((~alive).sum())


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    flags.add_argument("--tokens", type=int, default=8_000, help="different ones")
    flags.add_argument("--uses", type=int, default=8, help="how often each is learnt from")
    flags.add_argument("--rates", type=float, nargs="*", default=[1e-3])
    chosen = flags.parse_args()
    torch.set_num_threads(1)
    model = ue.load("gemma3-270m")
    rows, others = rows_of(model, chosen.tokens)
    table = Table(
        title=f"TopK, 2,048 latents, k = 32, {SITE}; {chosen.uses} x {len(rows):,} tokens"
    )
    for heading in ("rate", "by", "explained", "active", "dead", "tokens a second"):
        table.add_column(heading, justify="left" if heading == "by" else "right")
    for rate in chosen.rates:
        asked = TrainOptions(
            latents=2048, k=32, batch=512, tokens=chosen.uses * len(rows), learning_rate=rate,
            dead_after=DEAD,
        )  # fmt: skip
        each = {"Unembed": ours, "SAELens": theirs, "SAELens, bias at the mean": theirs_at_mean}
        for name, train in each.items():
            with TemporaryDirectory() as place:
                folder = Path(place) / "sae"
                taken = train(rows, asked, folder)
                explained, active, dead = measured(folder, rows, asked, others)
            rapid = asked.n_steps * asked.batch / taken
            cells = f"{explained:.1%}", f"{active:.1f}", f"{dead:,.0f}", f"{rapid:,.0f}"
            table.add_row(f"{rate:g}", name, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
