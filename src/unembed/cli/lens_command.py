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

from unembed.cli.loading import Loading
from unembed.cli.questions import ask, request, token_ref
from unembed.errors import InputError
from unembed.figures.files import check_path
from unembed.questions.requests import LensRequest

if TYPE_CHECKING:
    from unembed.questions.lens import LensAnswer
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
    fields = fields | {"target": token_ref(fields["target"])}
    asked = request(LensRequest, prompt, edits, **fields)
    if shown.html is not None:
        check_path(shown.html)
    found = ask(loading, _lens, asked, Console(stderr=True))
    if shown.as_json:
        print(_as_json(found))
    else:
        _print_tables(found, shown)
    if shown.html is not None:
        last = found.edited or found.baseline
        last.to_html(shown.kind, path=shown.html, top_down=shown.top_down)
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
            f"Wrote {shown.html.resolve()}."
        )


def _lens(session: Session, job: Job, asked: LensRequest) -> LensAnswer:
    from unembed.questions import lens  # here, not above: it imports torch

    return lens.answer(session, job, asked)


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


def _as_json(found: LensAnswer) -> str:
    from unembed.result import finite

    plain: dict[str, Any] = {side: result.to_dict() for side, result in found.sides.items()}
    if found.kl_between is not None:
        plain["kl_between"] = found.kl_between.tolist()
    return json.dumps(finite(plain), allow_nan=False)


def _print_tables(found: LensAnswer, shown: Shown) -> None:
    console = Console()
    for side, result in found.sides.items():
        if found.edited is not None:
            console.print(Text(side.capitalize(), style="bold"))
        console.print(result.table(shown.kind, top_down=shown.top_down))
