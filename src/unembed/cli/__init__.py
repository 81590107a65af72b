"""The command line: one command for each question that is asked, and what serves and looks after.

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

from unembed.cli import (
    attention_command,
    attribution_command,
    circuit_command,
    circuits_command,
    corpus_command,
    explain_command,
    flags,
    flow_command,
    graph_command,
    index_command,
    lens_command,
    node_labels_command,
    options,
    sae_command,
)
from unembed.cli.arguments import TextCommand
from unembed.cli.loading import Loading, Typed, quiet_libraries
from unembed.cli.output import as_typed, prepare_streams
from unembed.cli.pairs import Pairs
from unembed.errors import UnembedError
from unembed.questions import requests
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


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.PredictionsRequest)
def run(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What a model predicts after a prompt, in every layer, with and without edits."""
    from unembed.cli import inspecting

    inspecting.run(loading, prompt, edit or [], fields, as_json=as_json)


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.LabelsRequest)
def labels(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Which labels a model for classification gives, with and without edits."""
    from unembed.cli import inspecting

    inspecting.labels(loading, prompt, edit or [], fields, as_json=as_json)


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.LensRequest)
def lens(
    *,
    loading: Loading,
    prompt: Typed,
    kind: lens_command.Kind = "probability",
    edit: options.Edits = None,
    top_down: lens_command.TopDown = False,
    html: lens_command.Html = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """The grid of what every layer predicts at every position, with and without edits."""
    shown = lens_command.Shown(kind, top_down, html, as_json)
    lens_command.lens(loading, prompt, edit or [], fields, shown)


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.AttentionRequest)
def attention(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    against: attention_command.Against = None,
    rows: attention_command.Rows = 20,
    html: attention_command.Html = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What attention heads look at on a prompt, and what they move."""
    attention_command.attention(
        loading, prompt, edit or [], fields, rows, against=against, html=html, as_json=as_json
    )


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.HeadsRequest)
def heads(
    *,
    loading: Loading,
    prompt: Typed | None = None,
    edit: options.Edits = None,
    rows: attention_command.Rows = 10,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What each attention head does: previous token, induction, punctuation ..."""
    attention_command.heads(loading, prompt, edit or [], fields, rows, as_json=as_json)


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.AttributeRequest)
def attribute(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    references: attribution_command.References = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What every head, neuron and token does to an answer, estimated and measured."""
    attribution_command.attribute(
        loading, prompt, edit or [], fields, references or [], as_json=as_json
    )


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.TraceRequest)
def trace(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What made a neuron fire, or a head look where it looks; or what reads what a node writes."""
    circuit_command.trace(loading, prompt, edit or [], fields, as_json=as_json)


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.CircuitRequest)
def circuit(
    *,
    loading: Loading,
    prompt: Typed,
    corrupted: circuit_command.Corrupted = None,
    scores: circuit_command.Scores = None,
    save: circuit_command.Save = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Which edges between nodes carry an answer, and how much of it they carry alone."""
    circuit_command.circuit(loading, prompt, corrupted, scores, fields, save=save, as_json=as_json)


@app.command("circuit-pairs", cls=TextCommand)
@options.with_loading
@flags.with_options(requests.CircuitPairsRequest)
def circuit_pairs(
    *,
    loading: Loading,
    pairs: Pairs = None,
    scores: circuit_command.Scores = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """The same over many pairs of prompts, of a file or a template, in the mean."""
    circuit_command.circuit_pairs(loading, pairs, scores, fields, as_json=as_json)


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.GraphRequest)
def graph(
    *,
    loading: Loading,
    prompt: Typed,
    viewer: graph_command.Viewer = None,
    html: graph_command.Html = None,
    estimate: graph_command.Estimate = False,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Which latents of transcoders (--sae) make which others, and the answer."""
    if estimate:
        graph_command.estimate(loading, prompt, fields, as_json=as_json)
    else:
        graph_command.graph(loading, prompt, fields, viewer=viewer, html=html, as_json=as_json)


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.EdgeRequest)
def edge(
    *,
    loading: Loading,
    prompt: Typed,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """One edge of an attribution graph, measured by taking its source out."""
    graph_command.edge(loading, prompt, fields, as_json=as_json)


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.PatchRequest)
def patch(
    *,
    loading: Loading,
    prompt: Typed,
    corrupted: attribution_command.Corrupted,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Which activations of one prompt bring its answer back in the run of another."""
    attribution_command.patch(loading, prompt, corrupted, fields, as_json=as_json)


@app.command("patch-path", cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.PatchPathRequest)
def patch_path(
    *,
    loading: Loading,
    prompt: Typed,
    corrupted: attribution_command.Corrupted,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What nodes tell others, and what that does to the answer: path patching."""
    attribution_command.patch_path(loading, prompt, corrupted, fields, as_json=as_json)


@app.command("patch-pairs", cls=TextCommand)
@options.with_loading
@flags.with_options(requests.PatchPairsRequest)
def patch_pairs(
    *,
    loading: Loading,
    pairs: Pairs = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """The same over many pairs of prompts, of a file or a template: means with intervals."""
    attribution_command.patch_pairs(loading, pairs, fields, as_json=as_json)


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.FlowRequest)
def flow(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    config: flow_command.Config = None,
    colour_by: flow_command.ColourBy = "rank",
    palette: flow_command.Palette = None,
    html: flow_command.Html = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """How information flows through chosen layers, in words: heads, memories, neurons."""
    shown = flow_command.Shown(colour_by, palette, html, as_json)
    flow_command.flow(loading, prompt, edit or [], fields, config, shown)


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.ComponentRequest)
def component(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    html: options.PageHtml = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """One head, neuron or layer: what it writes on a prompt, and which tokens that promotes."""
    from unembed.cli import inspecting

    inspecting.component(loading, prompt, edit or [], fields, html=html, as_json=as_json)


@app.command(cls=TextCommand)
@options.with_loading
@options.with_prompt
@flags.with_options(requests.GenerateRequest)
def generate(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """How a prompt goes on, with and without edits."""
    from unembed.cli import inspecting

    inspecting.generate(loading, prompt, edit or [], fields, as_json=as_json)


app.add_typer(index_command.index_app, name="index")
app.add_typer(corpus_command.corpus_app, name="corpus")
app.add_typer(sae_command.sae_app, name="sae")
app.add_typer(node_labels_command.labels_app, name="node-labels")
app.add_typer(circuits_command.circuits_app, name="circuits")


@app.command(cls=TextCommand)
@options.with_loading
@flags.with_options(*index_command.SEARCHES.values())
def search(
    *,
    loading: Loading,
    words: index_command.Words = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Value vectors by the words that they promote, by a token, or near another one."""
    index_command.search(loading, words, fields, as_json=as_json)


@app.command()
@options.with_loading
@flags.with_options(requests.ExplainRequest)
def explain(
    *,
    loading: Loading,
    server: explain_command.Server = None,
    server_model: explain_command.ServerModel = None,
    prompts_folder: explain_command.Prompts = None,
    price: explain_command.Price = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What neurons, heads and other nodes do, in words, each label tested against chance."""
    naming = explain_command.Naming(server, server_model, prompts_folder, price)
    explain_command.explain(loading, fields, naming, as_json=as_json)


@app.command()
@options.with_loading
@flags.with_options(requests.ScoreRequest)
def score(
    *,
    loading: Loading,
    server: explain_command.Server = None,
    server_model: explain_command.ServerModel = None,
    prompts_folder: explain_command.Prompts = None,
    price: explain_command.Price = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """How well words of your own tell what a node does, to a language model that judges."""
    naming = explain_command.Naming(server, server_model, prompts_folder, price)
    explain_command.score(loading, fields, naming, as_json=as_json)


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
