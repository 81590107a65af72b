"""`unembed flow`: draw chosen layers of one forward pass, as tables, JSON, or a page."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from unembed.analyses.flow.options import FlowOptions
from unembed.cli.asking import ask, request, token_ref
from unembed.cli.loading import Loading
from unembed.errors import InputError
from unembed.figures.files import check_path
from unembed.server import wire
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.analyses.flow.cut_report import CutReport
    from unembed.analyses.flow.names import CutName
    from unembed.analyses.flow.result import FlowGraph
    from unembed.compat.visit import FlowConfig
    from unembed.engine.editing.edits import Edit
    from unembed.engine.passes.run import Run
    from unembed.session import Job, Session

EXAMPLES = '"14", "10,14" or "9-11"'
MOST_LAYERS = 10_000  # named by one range; the settings' own limit speaks below that


@dataclass(frozen=True)
class Shown:
    """What becomes of the graph."""

    colour_by: str
    palette: str | None
    html: Path | None
    as_json: bool


@dataclass(frozen=True)
class Flows:
    """The graph of each run, and what the edits really do."""

    graphs: dict[str, FlowGraph]
    effects: CutReport | None = None
    left_out: int = 0  # edits that were not measured alone


def flow(
    loading: Loading,
    prompt: str,
    edits: Sequence[str],
    fields: dict[str, Any],
    config: Path | None,
    changes: dict[str, Any],
    shown: Shown,
) -> None:
    """See `unembed flow`."""
    settings = Settings.from_environment()
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    given = _configured(config, console)
    options = replace(given.options if given else FlowOptions(), **changes)
    fields = fields | {"target": token_ref(fields["target"])}
    listed = asdict(options) | {"include": list(options.include)}
    body = request(wire.FlowRequest, prompt, edits, **fields, **listed)
    palette = _palette(shown.palette, given)
    if shown.html is not None:
        check_path(shown.html)

    def work(session: Session, job: Job) -> Flows:
        from unembed.server import flow_limits

        flow_limits.check_flow(body, settings)
        return _flows(session, job, body, options)

    found = ask(loading, settings, work, Console(stderr=True))
    if shown.as_json:
        print(_as_json(found))
    else:
        from unembed.cli.flow_tables import print_effects, print_flows

        print_flows(Console(), found.graphs)
        if found.effects is not None:
            print_effects(Console(), found.effects, edits, found.left_out)
    if shown.html is not None:
        _write(found, shown, shown.html, palette, given)
        console.print(f"Wrote {shown.html.resolve()}.")


def parse_layers(text: str) -> list[int]:
    """Layers as typed: numbers and ranges with both ends in them; raises InputError."""
    layers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip())
        if match is None:
            raise _refused(text)
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < first + MOST_LAYERS:
            raise _refused(text)
        layers += range(first, last + 1)
    return layers


def _refused(text: str) -> InputError:
    message = f"layers is {text!r}; write {EXAMPLES}"
    return InputError(message, field="layers", value=text, legal=EXAMPLES)


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


# ------------------------------------------------------------------ on the compute thread


def _flows(session: Session, job: Job, body: wire.FlowRequest, options: FlowOptions) -> Flows:
    from unembed.analyses.flow.graph import flow_capture, flow_graph
    from unembed.server.experiments import edits_of, ids_of, position_of, runs_of
    from unembed.server.flow_limits import check_vectors, checked_layers

    model = session.model
    model.require("lens")
    ids = ids_of(session, body.prompt)
    layers = checked_layers(body.layers, model.anatomy)
    position = position_of(body.position, len(ids))
    made = edits_of(session, job, body.edits, ids, position)
    limit, n_runs = session.settings.max_flow_vectors, 2 if made.edits else 1
    check_vectors(model.anatomy, layers, options, len(ids), limit, n_runs)
    about: dict[str, Any] = {
        "layers": layers,
        "position": position,
        "options": options,
        "cancel": job.cancel,
        "progress": job.progress,
    }
    run, edited = runs_of(session, job, made, ids, flow_capture(model, layers, position))
    baseline = flow_graph(run, target=body.target, **about)
    if edited is None:
        return Flows({"baseline": baseline})
    target = body.target if body.target is not None else _own_target(baseline)
    other = flow_graph(edited, target=target, like=baseline, **about)
    groups = [(_cut(body.edits[index], baseline), edits) for index, edits in made.apart().items()]
    effects, left_out = _measured(session, job, run, groups, target, position)
    return Flows({"baseline": baseline, "edited": other}, effects, left_out)


def _own_target(graph: FlowGraph) -> int | None:
    """The token that the unedited model itself predicts."""
    return None if graph.target is None else graph.target.tokens[0].id


def _cut(spec: wire.EditSpec, graph: FlowGraph) -> CutName | None:
    """What an edit cuts, where the graph can say what that is worth."""
    from unembed.analyses.flow.cuts import cut_of

    found = cut_of(
        spec.target,
        spec.operation,
        graph.position,
        len(graph.tokens),
        positions=spec.positions,
        stage=spec.stage,
    )
    return found if found is not None and found.layer in graph.layers else None


def _measured(
    session: Session,
    job: Job,
    run: Run,
    groups: Sequence[tuple[CutName | None, tuple[Edit, ...]]],
    target: str | int | None,
    position: int,
) -> tuple[CutReport, int]:
    """Every edit alone, up to the limit, and all of them together; how many were left out."""
    from unembed.analyses.flow.cuts import measure_edits

    about: dict[str, Any] = {
        "target": target,
        "position": position,
        "cancel": job.cancel,
        "progress": job.progress,
    }
    alone = groups[: session.settings.max_measured_cuts]
    found = measure_edits(run, alone, **about)
    if len(alone) < len(groups):
        every = tuple(edit for _, edits in groups for edit in edits)
        whole = measure_edits(run, [(None, every)], **about).cuts[0]
        found = replace(found, together=replace(whole, name="together"))
    return found, len(groups) - len(alone)


# ------------------------------------------------------------------ output


def _as_json(found: Flows) -> str:
    from unembed.result import finite

    plain: dict[str, Any] = {side: graph.to_dict() for side, graph in found.graphs.items()}
    if found.effects is not None:
        plain["effects"] = asdict(found.effects)
    return json.dumps(finite(plain), allow_nan=False)


def _write(found: Flows, shown: Shown, path: Path, palette: Any, config: FlowConfig | None) -> None:
    from unembed.figures.flow.figure import heading

    side, graph = list(found.graphs.items())[-1]
    title = heading(graph)
    graph.to_html(
        path=path,
        colour_by=shown.colour_by,
        palette=palette,
        title=title if side == "baseline" else f"{title}, edited",
        colours=None if config is None or shown.palette is not None else config.theme,
    )
