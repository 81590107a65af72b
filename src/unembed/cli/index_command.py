"""`unembed index vectors` and `unembed search`: build an index once, ask it often."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from unembed.cli import corpus_command, options
from unembed.cli.flags import with_options
from unembed.cli.loading import Loading, load, progress_bar
from unembed.cli.output import print_json
from unembed.cli.questions import ask, validated
from unembed.errors import InputError
from unembed.index.options import BuildOptions
from unembed.questions.described import rows_of
from unembed.questions.experiment import Request
from unembed.questions.requests import (
    CorpusBuildRequest,
    IndexBuildRequest,
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

SEARCHES: dict[str, type[Request]] = {
    "words": IndexSearchRequest,
    "token": IndexTokenRequest,
    "target": IndexSimilarRequest,
}
"""What can be searched for, by the field that says it; a command searches for one of them."""

Words = Annotated[
    str | None,
    typer.Argument(help='Words, with commas between: "music, album".', metavar="[WORDS]"),
]


@index_app.command("vectors")
@options.with_loading
@with_options(IndexBuildRequest)
def vectors(
    *,
    loading: Loading,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Project every feed-forward value vector to the vocabulary, and keep the result."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    asked = validated(IndexBuildRequest, fields).only(BuildOptions)
    model = load(loading, Settings.from_environment(), console)
    from unembed.index.build import build_index

    try:
        with progress_bar(console, "Indexing value vectors") as progress:
            index = build_index(model, options=asked, progress=progress)
    except KeyboardInterrupt:
        console.print(KEPT)
        raise
    print(json.dumps(index.about.to_dict()) if as_json else _summary(index))


@index_app.command("corpus")
@options.with_loading
@with_options(CorpusBuildRequest)
def corpus(
    *,
    loading: Loading,
    files: corpus_command.Files,
    estimate: corpus_command.Estimate = False,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Read texts as the model does, and keep what it computed for every token, with labels."""
    corpus_command.build(loading, files, fields, estimate=estimate, as_json=as_json)


def _summary(index: VectorIndex) -> str:
    about = index.about
    return (
        f"{about.n_vectors:,} value vectors of {about.model}, {about.projection} projection: "
        f"{about.bytes / 1e6:,.0f} MB, made {about.made}"
    )


@options.with_loading
@with_options(*SEARCHES.values())
def search(
    *,
    loading: Loading,
    words: Words = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Value vectors by the words that they promote, by a token, or near another one."""
    if words is not None:
        fields = fields | {"words": [word.strip() for word in words.split(",")]}
    asked = _one_search(fields)
    hits = ask(loading, _search, asked, Console(stderr=True))
    if as_json:
        print_json(hits.to_json())
    else:
        Console().print(hits)


def _one_search(fields: dict[str, Any]) -> Request:
    """The one of the three searches that was asked for; raises InputError."""
    named = [name for name in SEARCHES if name in fields]
    if len(named) != 1:
        raise InputError(
            "search for one thing: words, --token or --similar",
            field="words",
            value=named,
            fix='for example: unembed search gemma3-270m "music, album"',
        )
    kind = SEARCHES[named[0]]
    unused = [name for name in fields if name not in kind.model_fields]
    if unused:
        rows = {row.name: row.flag for row in rows_of(kind) if row.kind != "record"}
        what = "words" if named == ["words"] else rows.pop(named[0])
        legal = ", ".join(flag for name, flag in rows.items() if name != "words")
        raise InputError(
            f"--{unused[0].replace('_', '-')} has no meaning in a search by {what}",
            field=unused[0],
            value=fields[unused[0]],
            legal=legal,
            fix=f"leave it out; there are {legal}",
        )
    return validated(kind, fields)


def _search(session: Session, job: Job, request: Request) -> Hits:
    from unembed.questions import vectors

    if isinstance(request, IndexTokenRequest):
        return vectors.token(session, job, request)
    if isinstance(request, IndexSimilarRequest):
        return vectors.similar(session, job, request)
    return vectors.search(session, job, cast(IndexSearchRequest, request))
