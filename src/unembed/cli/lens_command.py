"""`unembed lens`: read a grid once, print it as tables or JSON, and write it as a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.text import Text

from unembed.cli.asking import ask, request, token_ref
from unembed.cli.loading import Loading
from unembed.errors import InputError
from unembed.figures.files import check_path
from unembed.server import wire
from unembed.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

    from unembed.analyses.lens.result import LensResult
    from unembed.session import Job, Session

EXAMPLES = '"75-100", "0,3,-1" or "0,10-20"'
MOST_POSITIONS = 1_000_000  # named by one range; the settings' own limit speaks below that


@dataclass(frozen=True)
class Shown:
    """What becomes of the grid."""

    kind: str
    top_down: bool
    html: Path | None
    as_json: bool


def lens(
    loading: Loading, prompt: str, edits: Sequence[str], fields: dict[str, Any], shown: Shown
) -> None:
    """See `unembed lens`."""
    settings = Settings.from_environment()
    fields = fields | {"target": token_ref(fields["target"])}
    body = request(wire.LensRequest, prompt, edits, **fields)
    if shown.html is not None:
        check_path(shown.html)

    def work(session: Session, job: Job) -> tuple[dict[str, LensResult], Tensor | None]:
        from unembed.server import answers, limits

        limits.check_lens(body, settings)
        return answers.lens_sides(session, job, body)

    sides, between = ask(loading, settings, work, Console(stderr=True))
    if shown.as_json:
        print(_as_json(sides, between))
    else:
        _print_tables(sides, shown)
    if shown.html is not None:
        list(sides.values())[-1].to_html(shown.kind, path=shown.html, top_down=shown.top_down)
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
            f"Wrote {shown.html.resolve()}."
        )


def parse_positions(text: str | None) -> list[int] | None:
    """Positions as typed: numbers and ranges with both ends in them; raises InputError."""
    if text is None:
        return None
    return [position for part in text.split(",") for position in _part(part.strip())]


def _part(text: str) -> Iterator[int]:
    match = re.fullmatch(r"(-?[0-9]{1,9})(?:-(-?[0-9]{1,9}))?", text)
    if match is None:
        _refuse(f"positions has {text!r}; write {EXAMPLES}", text)
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    if last < first or (first < 0) != (last < 0) or last - first >= MOST_POSITIONS:
        _refuse(
            f"positions has {text!r}; a range goes up, and both of its ends count from the same "
            f"side: write {EXAMPLES}",
            text,
        )
    return iter(range(first, last + 1))


def _refuse(message: str, text: str) -> NoReturn:
    raise InputError(message, field="positions", value=text, legal=EXAMPLES)


def _as_json(sides: dict[str, LensResult], between: Tensor | None) -> str:
    from unembed.result import finite

    plain: dict[str, Any] = {side: result.to_dict() for side, result in sides.items()}
    if between is not None:
        plain["kl_between"] = between.tolist()
    return json.dumps(finite(plain), allow_nan=False)


def _print_tables(sides: dict[str, LensResult], shown: Shown) -> None:
    console = Console()
    for side, result in sides.items():
        if len(sides) > 1:
            console.print(Text(side.capitalize(), style="bold"))
        console.print(result.table(shown.kind, top_down=shown.top_down))
