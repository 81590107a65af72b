"""`unembed index vectors` and `unembed search`: build an index once, ask it often."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from unembed.cli import options
from unembed.cli.flags import parse_span, token_ref
from unembed.cli.loading import Loading, load, progress_bar
from unembed.cli.output import print_json
from unembed.cli.questions import ask
from unembed.errors import InputError
from unembed.questions.experiment import Request
from unembed.questions.requests import (
    IndexSearchRequest,
    IndexSimilarRequest,
    IndexTokenRequest,
)
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.index.hits import Hits
    from unembed.index.vector_index import VectorIndex
    from unembed.session import Job, Session

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
    span = None if layers is None else parse_span("layers", layers)
    chosen = None if span is None else (span[0], span[1])
    model = load(loading, Settings.from_environment(), console)
    from unembed.index.build import build_index

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
class Asked:
    """What `unembed search` was asked."""

    words: str | None
    token: str | None
    similar: str | None
    match: str
    combine: str
    side: str
    ranking: str
    layers: list[int] | None
    limit: int
    offset: int
    projection: str

    def request(self) -> Request:
        """The one of the three searches that was asked for; raises InputError."""
        given = [one for one in (self.words, self.token, self.similar) if one is not None]
        if len(given) != 1:
            raise InputError(
                "search for one thing: words, --token or --similar",
                field="words",
                value=given,
                fix='for example: unembed search gemma3-270m "music, album"',
            )
        place: dict[str, Any] = {
            "projection": self.projection,
            "layers": self.layers,
            "limit": self.limit,
        }
        if self.similar is not None:
            return IndexSimilarRequest(target=self.similar, **place)
        place |= {"offset": self.offset, "side": self.side}
        if self.token is not None:
            return IndexTokenRequest(token=token_ref(self.token), **place)
        place |= {"match": self.match, "combine": self.combine, "ranking": self.ranking}
        words = [word.strip() for word in (self.words or "").split(",")]
        return IndexSearchRequest(words=words, **place)


def search(loading: Loading, asked: Asked, *, as_json: bool) -> None:
    """See `unembed search`."""
    hits = ask(loading, _search, asked.request(), Console(stderr=True))
    if as_json:
        print_json(hits.to_json())
    else:
        Console().print(hits)


def _search(session: Session, job: Job, request: Request) -> Hits:
    from unembed.questions import vectors

    if isinstance(request, IndexTokenRequest):
        return vectors.token(session, job, request)
    if isinstance(request, IndexSimilarRequest):
        return vectors.similar(session, job, request)
    return vectors.search(session, job, cast(IndexSearchRequest, request))
