"""`unembed index vectors` and `unembed search`: build an index once, ask it often."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from unembed.cli import options
from unembed.cli.loading import Loading, load, progress_bar
from unembed.errors import InputError
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.index import Hits, VectorIndex

KEPT = "The layers that were finished are kept: the same command goes on after them."

index_app = typer.Typer(help="Build what searches need, once for each model.", no_args_is_help=True)

ProjectionFlag = Annotated[
    str,
    typer.Option(
        "--projection",
        help="How vectors are read as tokens: raw, or final_norm (through its weight).",
    ),
]


@index_app.command("vectors")
@options.with_loading
def vectors(
    *,
    loading: Loading,
    projection: ProjectionFlag = "raw",
    top_k: Annotated[
        int, typer.Option("--top-k", "-k", min=1, help="Tokens kept on either side of a vector.")
    ] = 50,
    layers: Annotated[
        str | None, typer.Option("--layers", help='These layers alone: "3-9", or "5".')
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Build anew, whatever is there already.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Project every feed-forward value vector to the vocabulary, and keep the result."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    chosen = parse_layers(layers)
    model = load(loading, Settings.from_environment(), console)
    from unembed.index import build_index

    try:
        with progress_bar(console, "Indexing value vectors") as progress:
            index = build_index(
                model,
                projection=projection,
                top_k=top_k,
                layers=chosen,
                restart=restart,
                progress=progress,
            )
    except KeyboardInterrupt:
        console.print(KEPT)
        raise
    print(json.dumps(index.about.to_dict()) if as_json else _summary(index))


def _summary(index: VectorIndex) -> str:
    about = index.about
    return (
        f"{about.n_vectors:,} value vectors of {about.model}, {about.projection} projection: "
        f"{about.bytes / 1e6:,.0f} MB, made {about.made}"
    )


@dataclass(frozen=True)
class Question:
    """What `unembed search` was asked."""

    words: str | None
    token: str | None
    similar: str | None
    match: str
    combine: str
    side: str
    ranking: str
    layers: tuple[int, int] | None
    limit: int
    offset: int

    def answer(self, index: VectorIndex) -> Hits:
        """The one of the three searches that was asked for."""
        place: dict[str, Any] = {
            "layers": self.layers,
            "limit": self.limit,
            "offset": self.offset,
        }
        if self.token is not None:
            named = re.fullmatch(r"#([0-9]{1,9})", self.token)
            token = int(named[1]) if named else self.token
            return index.token(token, side=self.side, **place)
        if self.similar is not None:
            return index.similar(self.similar, **place)
        return index.search(
            self.words or "",
            match=self.match,
            combine=self.combine,
            side=self.side,
            ranking=self.ranking,
            **place,
        )


def search(loading: Loading, projection: str, question: Question, *, as_json: bool) -> None:
    """See `unembed search`."""
    given = [one for one in (question.words, question.token, question.similar) if one is not None]
    if len(given) != 1:
        raise InputError(
            "search for one thing: words, --token or --similar",
            field="words",
            value=given,
            fix='for example: unembed search gemma3-270m "music, album"',
        )
    model = load(loading, Settings.from_environment(), Console(stderr=True))
    from unembed.index import open_index

    hits = question.answer(open_index(model, projection=projection))
    if as_json:
        print(hits.to_json())
    else:
        Console().print(hits)


def parse_layers(text: str | None) -> tuple[int, int] | None:
    """Layers as typed: "3-9", both included, or one; raises InputError."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*([0-9]{1,6})(?:\s*-\s*([0-9]{1,6}))?\s*", text)
    if match is None:
        raise InputError(
            f'layers is {text!r}; write "3-9" or "5"', field="layers", value=text, legal='"3-9"'
        )
    return int(match[1]), int(match[2] or match[1])
