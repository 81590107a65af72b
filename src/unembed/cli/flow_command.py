"""`unembed flow`: draw chosen layers of one forward pass, as tables, JSON, or a page."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from unembed.analyses.flow.options import FlowOptions
from unembed.cli.loading import Loading
from unembed.cli.questions import ask, request, token_ref
from unembed.errors import InputError
from unembed.figures.files import check_path
from unembed.questions.requests import FlowRequest

if TYPE_CHECKING:
    from unembed.compat.visit import FlowConfig
    from unembed.questions.flow import FlowAnswer
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
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    given = _configured(config, console)
    options = given.options if given else FlowOptions()
    fields = fields | {"target": token_ref(fields["target"])}
    asked = request(FlowRequest, prompt, edits, **fields, **(options.values() | changes))
    palette = _palette(shown.palette, given)
    if shown.html is not None:
        check_path(shown.html)
    found = ask(loading, _flow, asked, Console(stderr=True))
    if shown.as_json:
        print(_as_json(found))
    else:
        from unembed.cli.flow_tables import print_effects, print_flows

        print_flows(Console(), found.sides)
        if found.effects is not None:
            typed = [edits[index] for index in found.measured]
            print_effects(Console(), found.effects, typed, found.left_out)
    if shown.html is not None:
        _write(found, shown, shown.html, palette, given)
        console.print(f"Wrote {shown.html.resolve()}.")


def _flow(session: Session, job: Job, asked: FlowRequest) -> FlowAnswer:
    from unembed.questions import flow  # here, not above: it imports torch

    return flow.answer(session, job, asked)


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


# ------------------------------------------------------------------ output


def _as_json(found: FlowAnswer) -> str:
    from unembed.result import finite

    plain: dict[str, Any] = {side: graph.to_dict() for side, graph in found.sides.items()}
    if found.effects is not None:
        plain["effects"] = asdict(found.effects)
    return json.dumps(finite(plain), allow_nan=False)


def _write(
    found: FlowAnswer, shown: Shown, path: Path, palette: Any, config: FlowConfig | None
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
