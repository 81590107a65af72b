"""`unembed sae check` and `unembed sae train`: autoencoders held against a model, and learnt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from unembed.cli import options
from unembed.cli.flags import with_options
from unembed.cli.loading import Loading, load, progress_bar
from unembed.cli.output import print_json
from unembed.index.corpus.options import EngineOptions
from unembed.settings import Settings
from unembed.training.options import TrainOptions

if TYPE_CHECKING:
    from unembed.latents.check import SaeCheck
    from unembed.training.result import SaeTraining

KEPT = "What the last checkpoint has is kept: the same command goes on after it."

sae_app = typer.Typer(help="Sparse autoencoders and transcoders.", no_args_is_help=True)

Files = Annotated[
    str,
    typer.Argument(
        help="A folder, a file of weights, or owner/name/path in a repository of the hub.",
        metavar="SAE",
    ),
]
Site = Annotated[
    str | None,
    typer.Option(
        help="Where it belongs, as in L9.resid_post or L9.mlp_in>L9.mlp_out; absent: what its "
        "files say."
    ),
]
Scale = Annotated[
    float | None, typer.Option(help="What activations are multiplied with, where no file says.")
]
Subtract = Annotated[
    bool | None,
    typer.Option(
        "--subtract-bias/--keep-bias",
        help="Whether b_dec is taken off before the encoder; absent: what its layout does.",
    ),
]

Texts = Annotated[
    list[str],
    typer.Argument(
        help="A corpus of the model, or files: texts (UTF-8), .jsonl, .parquet.", metavar="CORPUS"
    ),
]
Trained = Annotated[
    str,
    typer.Option(
        "--site", help="L9.mlp_out; of a transcoder what it reads and writes: L9.mlp_in>L9.mlp_out."
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="The folder where it is kept; absent: one in the cache.")
]
Estimate = Annotated[
    bool, typer.Option("--estimate", help="Say what it would take, and train nothing.")
]


@sae_app.command("check")
@options.with_loading
def check(
    *,
    loading: Loading,
    sae: Files,
    site: Site = None,
    scale: Scale = None,
    subtract_bias: Subtract = None,
    as_json: options.Json = False,
) -> None:
    """How well an autoencoder explains a model on a fixed text, as its files say and otherwise."""
    settings = Settings.from_environment()
    model = load(loading, settings, Console(stderr=True))
    from unembed.latents.check import check_sae
    from unembed.latents.load import load_sae

    found = load_sae(sae, site, subtract_bias=subtract_bias, scale=scale, settings=settings)
    checked = check_sae(found, model)
    if as_json:
        print_json(checked.to_json())
    else:
        _print(Console(soft_wrap=True, highlight=False, markup=False), checked)


@sae_app.command("train")
@options.with_loading
@with_options(TrainOptions, EngineOptions)
def train(
    *,
    loading: Loading,
    corpus: Texts,
    site: Trained,
    out: Out = None,
    estimate: Estimate = False,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Train an autoencoder of a site, or a transcoder, on what the model computes over texts."""
    where = {name: fields.pop(name) for name in EngineOptions.model_fields if name in fields}
    on, asked = EngineOptions(**where), TrainOptions(**fields)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    model = load(loading, Settings.from_environment(), console)
    from unembed.training.estimate import estimate_training
    from unembed.training.train import train_sae

    source = corpus[0] if len(corpus) == 1 else corpus
    if estimate:
        taken = estimate_training(model, source, site, options=asked)
        print_json(taken.to_json()) if as_json else print(taken.summary())
        return
    try:
        with progress_bar(console, "Training") as progress:
            found = train_sae(
                model,
                source,
                site,
                folder=out,
                options=asked,
                engine=on.engine,
                workers=on.workers,
                progress=progress,
            )
    except KeyboardInterrupt:
        console.print(KEPT)
        raise
    if as_json:
        print_json(found.to_json())
    else:
        _print_trained(Console(soft_wrap=True, highlight=False, markup=False), found)


def _print_trained(console: Console, found: SaeTraining) -> None:
    table = Table("tokens", "explained", "active", "dead", "loss", box=None)
    for one in found.history:
        loss = "-" if one.losses is None else f"{one.losses.spliced:.3f}"
        shares = (f"{one.explained:.1%}", f"{one.active:.1f}", f"{one.dead:,}")
        table.add_row(f"{one.n_tokens:,}", *shares, loss)
    console.print(table)
    losses = found.last.losses
    if losses is not None:
        console.print(
            f"Loss on held-out tokens: {losses.clean:.3f} nats as it is, {losses.spliced:.3f} with "
            f"the site replaced, {losses.mean:.3f} by its mean, {losses.zero:.3f} by zero."
        )
    console.print(f"{found.summary()}.")
    console.print(found.folder)


def _print(console: Console, checked: SaeCheck) -> None:
    console.print(f"The {checked.sae}: {checked.summary()}.")
    if checked.declared is not None:
        console.print(f"Its files say that {checked.declared:g} are active.")
    table = Table("read", "explained", "active", box=None)
    for one in sorted(checked.readings, key=lambda one: one.left):
        table.add_row(one.words, f"{one.explained:.1%}", f"{one.active:.1f}")
    console.print(table)
    for sentence in (*checked.doubts, *checked.notes):
        console.print(f"Note: {sentence}.")
