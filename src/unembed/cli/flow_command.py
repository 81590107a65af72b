"""`unembed flow`: draw chosen layers of one forward pass, as tables, JSON, or a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from unembed.cli import options
from unembed.cli.flags import with_options
from unembed.cli.loading import Loading, Typed
from unembed.cli.output import print_json
from unembed.cli.questions import ask, request
from unembed.figures.files import check_path
from unembed.questions.requests import FlowRequest

if TYPE_CHECKING:
    from unembed.compat.visit import FlowConfig
    from unembed.questions.flow import FlowComparison
    from unembed.session import Job, Session

OUTPUT = "Output"

ColourBy = Annotated[
    Literal["rank", "entropy", "attention"],
    typer.Option(help="What colours the boxes of the page.", rich_help_panel=OUTPUT),
]
Palette = Annotated[
    str | None,
    typer.Option(
        help="Colours of the page: unembed, visit, or visit-2; those of --config, or unembed, if "
        "left out.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="A graph configuration of VISIT (JSON): its sizes, factors and colours. Flags win.",
        metavar="FILE",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        help="Also write the graph as one HTML page that needs no network; of the edited run, "
        "with the nodes of the unedited one, where there are edits.",
        metavar="FILE",
        rich_help_panel=OUTPUT,
    ),
]


@dataclass(frozen=True)
class Shown:
    """What becomes of the graph."""

    colour_by: str
    palette: str | None
    html: Path | None
    as_json: bool


@options.with_loading
@options.with_prompt
@with_options(FlowRequest)
def flow(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    config: Config = None,
    colour_by: ColourBy = "rank",
    palette: Palette = None,
    html: Html = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """How information flows through chosen layers, in words: heads, memories, neurons."""
    shown = Shown(colour_by, palette, html, as_json)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    given = _configured(config, console)
    configured = given.options.values() if given else {}
    asked = request(FlowRequest, prompt, edit, **(configured | fields))
    colours = _palette(palette, given)
    if shown.html is not None:
        check_path(shown.html)
    found = ask(loading, _flow, asked, Console(stderr=True))
    if shown.as_json:
        print_json(found.to_json())
    else:
        from unembed.cli.flow_tables import print_effects, print_flows

        print_flows(Console(), found.sides)
        if found.effects is not None:
            typed = [(edit or ())[index] for index in found.measured]
            print_effects(Console(), found.effects, typed, found.left_out)
    if shown.html is not None:
        _write(found, shown, shown.html, colours, given)
        console.print(f"Wrote {shown.html.resolve()}.")


def _flow(session: Session, job: Job, asked: FlowRequest) -> FlowComparison:
    from unembed.questions import flow  # here, not above: it imports torch

    return flow.answer(session, job, asked)


def _configured(path: Path | None, console: Console) -> FlowConfig | None:
    if path is None:
        return None
    from unembed.compat.visit import read_flow_config

    found = read_flow_config(path)
    for note in found.notes:
        console.print(f"{path.name}: {note}.")
    return found


def _palette(name: str | None, config: FlowConfig | None) -> Any:
    """Named on the command line, else of the configuration; raises InputError."""
    from unembed.figures.flow_palettes import palette_on

    if name is None and config is not None:
        return config.palette
    palette_on(name or "unembed", "light")
    return name or "unembed"


# ------------------------------------------------------------------ output


def _write(
    found: FlowComparison, shown: Shown, path: Path, palette: Any, config: FlowConfig | None
) -> None:
    from unembed.figures.flow.figure import heading

    side, graph = list(found.sides.items())[-1]
    title = heading(graph)
    graph.to_html(
        path=path,
        colour_by=shown.colour_by,
        palette=palette,
        title=title if side == "baseline" else f"{title}, edited",
        colours=None if config is None or shown.palette is not None else config.theme,
    )
