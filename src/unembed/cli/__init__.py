"""The command line: one command for each question that is asked, and what serves and looks after.

Computes nothing itself. A question's command stands where its answer is printed; this lists them.

Errors are sentences on standard error, with exit status 2 for what the user can mend. Nothing here
imports torch before a command needs a model: `unembed --help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from unembed.cli import (
    attention_command,
    attribution_command,
    circuit_command,
    circuits_command,
    corpus_command,
    explain_command,
    flow_command,
    graph_command,
    index_command,
    inspecting,
    lens_command,
    node_labels_command,
    options,
    sae_command,
)
from unembed.cli.arguments import TextCommand
from unembed.cli.loading import Loading, quiet_libraries
from unembed.cli.output import as_typed, prepare_streams
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


for _asked in (  # in the order of `unembed --help`
    inspecting.run,
    inspecting.labels,
    lens_command.lens,
    attention_command.attention,
    attention_command.heads,
    attribution_command.attribute,
    circuit_command.trace,
    circuit_command.circuit,
    circuit_command.circuit_pairs,
    graph_command.graph,
    graph_command.edge,
    attribution_command.patch,
    attribution_command.patch_path,
    attribution_command.patch_pairs,
    flow_command.flow,
    inspecting.component,
    inspecting.generate,
    index_command.search,
):
    app.command(cls=TextCommand)(_asked)

for _other in (explain_command.explain, explain_command.score, inspecting.doctor):
    app.command()(_other)

app.add_typer(index_command.index_app, name="index")
app.add_typer(corpus_command.corpus_app, name="corpus")
app.add_typer(sae_command.sae_app, name="sae")
app.add_typer(node_labels_command.labels_app, name="node-labels")
app.add_typer(circuits_command.circuits_app, name="circuits")


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point."""
    quiet_libraries()
    prepare_streams()
    try:
        app(args=as_typed(sys.argv[1:] if arguments is None else arguments), prog_name="unembed")
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
