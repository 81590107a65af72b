"""`unembed graph` and `unembed edge`: ask once, print tables or JSON, write the viewer's file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unembed.cli import options
from unembed.cli.flags import with_options
from unembed.cli.loading import Loading, Typed
from unembed.cli.output import print_json
from unembed.cli.questions import ask, validated
from unembed.figures.files import check_path, write_whole
from unembed.questions.requests import EdgeRequest, GraphRequest

if TYPE_CHECKING:
    from unembed.analyses.attribution_graph.estimate import GraphEstimate
    from unembed.analyses.attribution_graph.result import AttributionGraph, GraphNode, MeasuredEdge
    from unembed.session import Job, Session

SHOWN = 20  # edges of the table

Viewer = Annotated[
    Path | None,
    typer.Option(
        "--viewer",
        help="A file to write the graph to, as JSON that circuit-tracer's viewer reads.",
        rich_help_panel="Output",
        show_default=False,
    ),
]

Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        help="A file to write the graph to, as one HTML page that needs no network.",
        rich_help_panel="Output",
        show_default=False,
    ),
]

Estimate = Annotated[
    bool, typer.Option("--estimate", help="Say what it would take, and make no graph.")
]


@options.with_loading
@options.with_prompt
@with_options(GraphRequest)
def graph(
    *,
    loading: Loading,
    prompt: Typed,
    viewer: Viewer = None,
    html: Html = None,
    estimate: Estimate = False,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Which latents of transcoders (--sae) make which others, and the answer."""
    asked = validated(GraphRequest, prompt.fields() | fields)
    if estimate:
        _print_estimate(loading, asked, as_json=as_json)
        return
    for path in (viewer, html):
        if path is not None:
            check_path(path)
    found = ask(loading, _graph, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        _print_graph(found)
    if viewer is not None:
        write_whole(viewer, found.to_viewer())
        _wrote(viewer)
    if html is not None:
        found.to_html(path=html)
        _wrote(html)


def _wrote(path: Path) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    console.print(f"Wrote {path.resolve()}.")


def _print_estimate(loading: Loading, asked: GraphRequest, *, as_json: bool) -> None:
    found = ask(loading, _estimate, asked, Console(stderr=True))
    print_json(found.to_json()) if as_json else print(found.summary())


@options.with_loading
@options.with_prompt
@with_options(EdgeRequest)
def edge(
    *,
    loading: Loading,
    prompt: Typed,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """One edge of an attribution graph, measured by taking its source out."""
    asked = validated(EdgeRequest, prompt.fields() | fields)
    found = ask(loading, _edge, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        _print_edge(found)


def _graph(session: Session, job: Job, asked: GraphRequest) -> AttributionGraph:
    from unembed.questions import graphs  # here, not above: it imports torch

    return graphs.graph(session, job, asked)


def _estimate(session: Session, job: Job, asked: GraphRequest) -> GraphEstimate:
    from unembed.questions import graphs

    return graphs.estimate(session, job, asked)


def _edge(session: Session, job: Job, asked: EdgeRequest) -> MeasuredEdge:
    from unembed.questions import graphs

    return graphs.edge(session, job, asked)


def _print_graph(found: AttributionGraph) -> None:
    title = f"{found.objective}: {len(found.nodes):,} nodes, {len(found.edges):,} edges"
    table = _table(title, "from", "", "to", "")
    table.add_column("weight", justify="right")
    for one in found.edges[:SHOWN]:
        ends = [found.node(name) for name in (one.source, one.target)]
        said = [part for end in ends for part in (end.name, _label(end, found))]
        table.add_row(*map(Text, said), f"{one.weight:+.4f}")
    left = len(found.edges) - SHOWN
    lines = [f"and {left:,} edges more"] if left > 0 else []
    lines.append(
        f"replacement {found.replacement:.3f}, completeness {found.completeness:.3f}; "
        f"{found.n_chosen:,} of {found.n_active:,} active latents are nodes, and "
        f"{found.unexplored:.1%} of all influence comes from the others"
    )
    _print(table, [*lines, *found.notes, found.cost])


def _label(node: GraphNode, found: AttributionGraph) -> str:
    at = found.tokens[node.position].label
    return node.text if node.kind in ("embed", "logit") or not node.text else f"{node.text} at {at}"


def _print_edge(found: MeasuredEdge) -> None:
    table = _table(f"{found.source} to {found.target}, {found.words} = {found.value:.4f}", "")
    table.add_column("what it adds", justify="right")
    for name, value in (
        ("the edge", found.weight),
        ("measured, all else held", found.held),
        ("measured in the model as it is", found.live),
    ):
        table.add_row(name, f"{value:+.4f}")
    for pair in found.pairs:
        table.add_row(f"through {pair.name}", f"{pair.weight:+.4f}")
    _print(table, [])


def _table(title: str, *names: str) -> Table:
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    for name in names:
        table.add_column(name)
    return table


def _print(table: Table, lines: list[str]) -> None:
    console = Console()
    console.print(table)
    for line in lines:
        console.print(Text(line, style="dim"))
