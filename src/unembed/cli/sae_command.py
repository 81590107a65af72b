"""`unembed sae check`: an autoencoder's files, held against a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from unembed.cli import options
from unembed.cli.loading import Loading, load
from unembed.cli.output import print_json
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.latents.check import SaeCheck

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
