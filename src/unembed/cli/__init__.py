"""The command line: demo, serve, run, lens, flow, index, search, doctor. Parses, asks, prints.

Computes nothing itself.

Errors are sentences on standard error, with exit status 2 for what the user can mend. Nothing here
imports torch before a command needs a model: `unembed --help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from unembed.cli import flow_options, index_command, lens_options, options
from unembed.cli.loading import Loading, quiet_libraries
from unembed.errors import UnembedError
from unembed.settings import Settings

USER_ERROR = 2
INTERRUPTED = 130

app = typer.Typer(
    name="unembed",
    help="See what a transformer language model computes, and change it while it computes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(asked: bool) -> None:
    if asked:
        from unembed import __version__

        typer.echo(f"unembed {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """See what a transformer language model computes, and change it while it computes."""


@app.command()
@options.with_settings
def demo(
    *,
    settings: Settings,
    token: options.Token = None,
    allow_host: options.AllowHost = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open the browser.")
    ] = False,
) -> None:
    """Serve the demo model, Gemma 3 270M, and open the app in the browser."""
    from unembed.cli.serving import demo_loading, serve

    serve(
        demo_loading(settings),
        settings,
        token=token,
        hosts=allow_host or [],
        browser=not no_browser,
    )


@app.command()
@options.with_settings
@options.with_loading
def serve(
    *,
    loading: Loading,
    settings: Settings,
    token: options.Token = None,
    allow_host: options.AllowHost = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
) -> None:
    """Serve a model to the app and to HTTP clients."""
    from unembed.cli import serving

    serving.serve(loading, settings, token=token, hosts=allow_host or [], browser=open_browser)


@app.command()
@options.with_loading
def run(
    *,
    loading: Loading,
    prompt: options.Prompt,
    top_k: options.TopK = 10,
    position: Annotated[int, typer.Option(help="Position to read; -1 is the last.")] = -1,
    target: Annotated[
        str | None, typer.Option(help='Token to follow through the layers: " Tokyo", or #1234.')
    ] = None,
    edit: options.Edits = None,
    as_json: options.Json = False,
) -> None:
    """What a model predicts after a prompt, in every layer, with and without edits."""
    from unembed.cli import inspecting

    fields = {"top_k": top_k, "position": position, "target": target}
    inspecting.run(loading, prompt, edit or [], fields, as_json=as_json)


@app.command()
@options.with_loading
def lens(
    *,
    loading: Loading,
    prompt: options.Prompt,
    kind: lens_options.Kind = "probability",
    positions: lens_options.Positions = None,
    layer_step: lens_options.LayerStep = 1,
    no_embedding: lens_options.NoEmbedding = False,
    subblocks: lens_options.Subblocks = False,
    decoder: lens_options.Decoder = "final_norm",
    target: lens_options.Target = None,
    follow: lens_options.Follow = "final",
    kl_floor: lens_options.KlFloor = None,
    top_k: options.TopK = 10,
    edit: options.Edits = None,
    top_down: lens_options.TopDown = False,
    html: lens_options.Html = None,
    as_json: options.Json = False,
) -> None:
    """The grid of what every layer predicts at every position, with and without edits."""
    from unembed.cli import lens_command as command

    fields = {
        "positions": command.parse_positions(positions),
        "layer_step": layer_step,
        "include_embedding": not no_embedding,
        "subblocks": subblocks,
        "decoder": decoder,
        "target": target,
        "follow": follow,
        "kl_floor": kl_floor,
        "top_k": top_k,
    }
    shown = command.Shown(kind, top_down, html, as_json)
    command.lens(loading, prompt, edit or [], fields, shown)


@app.command()
@options.with_loading
@flow_options.with_flow_options
def flow(
    *,
    loading: Loading,
    prompt: options.Prompt,
    layers: flow_options.Layers,
    target: flow_options.Target = None,
    position: flow_options.Position = -1,
    edit: options.Edits = None,
    config: flow_options.Config = None,
    colour_by: flow_options.ColourBy = "rank",
    palette: flow_options.Palette = None,
    html: flow_options.Html = None,
    as_json: options.Json = False,
    changes: dict[str, Any],
) -> None:
    """How information flows through chosen layers, in words: heads, memories, neurons."""
    from unembed.cli import flow_command as command

    fields = {"layers": command.parse_layers(layers), "position": position, "target": target}
    shown = command.Shown(colour_by, palette, html, as_json)
    command.flow(loading, prompt, edit or [], fields, config, changes, shown)


app.add_typer(index_command.index_app, name="index")


@app.command()
@options.with_loading
def search(
    *,
    loading: Loading,
    words: Annotated[
        str | None,
        typer.Argument(help='Words, with commas between: "music, album".', metavar="[WORDS]"),
    ] = None,
    token: Annotated[
        str | None, typer.Option(help='Instead of words: one token, " music" or #1234.')
    ] = None,
    similar: Annotated[
        str | None, typer.Option(help="Instead of words: a neuron, L12.N512.")
    ] = None,
    match: Annotated[
        str, typer.Option(help="word (any case and leading space), exact, or part (of a token).")
    ] = "word",
    every: Annotated[bool, typer.Option("--all", help="All of the words, not any.")] = False,
    side: Annotated[
        str, typer.Option(help="What vectors do to the token: promoted, suppressed or both.")
    ] = "promoted",
    bm25: Annotated[bool, typer.Option("--bm25", help="Rank by plain BM25.")] = False,
    layers: Annotated[str | None, typer.Option(help='First and last layer: "3-9".')] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = 20,
    offset: Annotated[int, typer.Option(min=0, help="How many to skip.")] = 0,
    projection: index_command.ProjectionFlag = "raw",
    as_json: options.Json = False,
) -> None:
    """Value vectors by the words that they promote, by a token, or near another one."""
    question = index_command.Question(
        words=words,
        token=token,
        similar=similar,
        match=match,
        combine="all" if every else "any",
        side=side,
        ranking="bm25" if bm25 else "strength",
        layers=index_command.parse_layers(layers),
        limit=limit,
        offset=offset,
    )
    index_command.search(loading, projection, question, as_json=as_json)


@app.command()
@options.with_loading
def doctor(
    *,
    loading: Loading,
    as_json: options.Json = False,
) -> None:
    """What was found out about a model: its anatomy, what works, the self-check, versions."""
    from unembed.cli import inspecting

    inspecting.doctor(loading, as_json=as_json)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point."""
    quiet_libraries()
    try:
        app(args=None if arguments is None else list(arguments), prog_name="unembed")
    except UnembedError as error:
        _complain(error)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped.")
        sys.exit(INTERRUPTED)


def _complain(error: UnembedError) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    message = error.message.encode("utf-8", "backslashreplace").decode().rstrip(".")
    console.print(f"Error: {message}.")
    if error.fix:
        console.print(f"Try:   {error.fix}")
