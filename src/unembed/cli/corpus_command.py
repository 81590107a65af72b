"""`unembed index corpus` and `unembed corpus`: texts as a model reads them, kept and searched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unembed.cli import options
from unembed.cli.arguments import TextCommand
from unembed.cli.edits import parse_edit
from unembed.cli.flags import with_options
from unembed.cli.loading import Loading, Typed, load, progress_bar
from unembed.cli.output import print_json
from unembed.cli.questions import ask, validated
from unembed.figures.files import check_path
from unembed.index.corpus.options import CorpusOptions, ExamplesOptions
from unembed.questions.requests import (
    CorpusBuildRequest,
    CorpusExamplesRequest,
    CorpusRelationsRequest,
    CorpusSearchRequest,
    CorpusSentencesRequest,
)
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.index.corpus.corpus import Corpus
    from unembed.index.corpus.examples_result import CorpusExamples
    from unembed.index.corpus.hits import CorpusHits
    from unembed.index.corpus.pages import NodePages
    from unembed.index.corpus.relations_result import HeadRelations
    from unembed.index.corpus.sentences import CorpusSentences
    from unembed.session import Job, Session

KEPT = "What was finished is kept: the same command goes on after it."

corpus_app = typer.Typer(help="Texts as a model reads them, token by token.", no_args_is_help=True)

Files = Annotated[
    list[str],
    typer.Argument(
        help="Texts (UTF-8), .jsonl, .csv, .parquet, .conllu, data sets, or folders of these.",
        metavar="FILES",
    ),
]
Estimate = Annotated[
    bool, typer.Option("--estimate", help="Say what it would take, and build nothing.")
]

CorpusName = Annotated[str, typer.Option("--name", help="Which corpus, by its name.")]
Nodes = Annotated[
    list[str],
    typer.Option(help='A node, "L12.N512", or a range of them, "L6.F0-99". Repeatable.'),
]
SearchPrompt = Annotated[
    Typed | None,
    typer.Argument(
        help="The prompt; - reads it from standard input. Left out: what the filter leaves, in the "
        "order of the texts.",
        metavar="[PROMPT]",
    ),
]
PagesHtml = Annotated[
    Path | None,
    typer.Option(
        "--html",
        help="Write one HTML page of all of them, without scripts, that needs no network; replaces "
        "the file in one step.",
    ),
]


def build(
    loading: Loading, files: list[str], fields: dict[str, Any], *, estimate: bool, as_json: bool
) -> None:
    """See `unembed index corpus`."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    asked = validated(CorpusBuildRequest, fields)
    model = load(loading, Settings.from_environment(), console)
    from unembed.index.corpus.build import estimate_corpus, index_corpus

    chosen = asked.only(CorpusOptions)
    if estimate:
        found = estimate_corpus(
            model, files, options=chosen, engine=asked.engine, workers=asked.workers
        )
        print(json.dumps(found.to_dict()) if as_json else found.summary())
        return
    try:
        with progress_bar(console, "Reading") as progress:
            corpus = index_corpus(
                model,
                files,
                asked.name,
                options=chosen,
                engine=asked.engine,
                workers=asked.workers,
                tables=asked.tables,
                progress=progress,
            )
    except KeyboardInterrupt:
        console.print(KEPT)
        raise
    print(json.dumps(corpus.about.to_dict()) if as_json else _summary(corpus))


def _summary(corpus: Corpus) -> str:
    about = corpus.about
    cut = f", {about.n_cut:,} parts of sentences that were too long" if about.n_cut else ""
    unread = f", {about.n_unread:,} that cannot be read" if about.n_unread else ""
    apart = "" if about.tables is None else f", vectors in {about.tables}"
    return (
        f"{about.name}: {about.n_tokens:,} tokens in {about.n_sentences:,} sentences{cut}{unread}; "
        f"{', '.join(about.sites)} of {about.model}, {about.bytes / 1e6:,.0f} MB{apart}"
    )


@corpus_app.command("search", cls=TextCommand)
@options.with_loading
@options.with_prompt
@with_options(CorpusSearchRequest)
def search(
    *,
    loading: Loading,
    prompt: SearchPrompt = None,
    edit: options.Edits = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Tokens like one of a prompt, by state or context; by word, label and file; by both."""
    specs = [parse_edit(text, index).values() for index, text in enumerate(edit or [])]
    typed = {} if prompt is None else prompt.fields()
    asked = validated(CorpusSearchRequest, typed | {"edits": specs} | fields)
    hits = ask(loading, _search, asked, Console(stderr=True))
    if as_json:
        print_json(hits.to_json())
    else:
        Console().print(hits)
        if hits.labels is not None:
            Console().print(hits.labels)


def _search(session: Session, job: Job, asked: CorpusSearchRequest) -> CorpusHits:
    from unembed.questions.corpus import search as answer

    return answer(session, job, asked)


@corpus_app.command("sentences")
@options.with_loading
@with_options(CorpusSentencesRequest)
def sentences(*, loading: Loading, as_json: options.Json = False, fields: dict[str, Any]) -> None:
    """The whole sentences of tokens that were found, and what those attend to in a layer."""
    asked = validated(CorpusSentencesRequest, fields)
    found = ask(loading, _sentences, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
        return
    Console().print(found)


def _sentences(session: Session, job: Job, asked: CorpusSentencesRequest) -> CorpusSentences:
    from unembed.questions.corpus import sentences as answer

    return answer(session, job, asked)


@corpus_app.command("examples")
@options.with_loading
@with_options(CorpusExamplesRequest)
def examples(*, loading: Loading, as_json: options.Json = False, fields: dict[str, Any]) -> None:
    """Where in a corpus a node is strongest, where it is middling, and anywhere."""
    asked = validated(CorpusExamplesRequest, fields)
    found = ask(loading, _examples, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
        return
    Console().print(found)


def _examples(session: Session, job: Job, asked: CorpusExamplesRequest) -> CorpusExamples:
    from unembed.questions.corpus import examples as answer

    return answer(session, job, asked)


@corpus_app.command("pages")
@options.with_loading
@with_options(ExamplesOptions)
def pages(
    *,
    loading: Loading,
    name: CorpusName,
    node: Nodes,
    html: PagesHtml = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Pages of many nodes at once: what they write, what is like them, where they are active."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    if html is not None:
        check_path(html)
    model = load(loading, Settings.from_environment(), console)
    from unembed.index.corpus.opening import open_corpus
    from unembed.index.corpus.pages import node_pages

    with progress_bar(console, "Pages") as progress:
        found = node_pages(
            open_corpus(model, name), node, options=ExamplesOptions(**fields), progress=progress
        )
    if html is not None:
        found.to_html(path=html)
        console.print(f"Wrote {html.resolve()}.")
    if as_json:
        print_json(found.to_json())
    elif html is None:
        _print_pages(Console(soft_wrap=True, highlight=False, markup=False), found)


def _print_pages(console: Console, found: NodePages) -> None:
    table = Table("node", "active", "most", "promotes", box=None)
    columns = found.columns()
    for node, density, most, promoted in zip(
        *(columns[name] for name in ("node", "density", "most", "promoted")), strict=True
    ):
        table.add_row(node, f"{density:.2%}", f"{most:.4g}", Text(" ".join(promoted)))
    console.print(table)


@corpus_app.command("heads")
@options.with_loading
@with_options(CorpusRelationsRequest)
def heads(*, loading: Loading, as_json: options.Json = False, fields: dict[str, Any]) -> None:
    """What each head looks at in a corpus: the relations that its attention follows."""
    asked = validated(CorpusRelationsRequest, fields)
    found = ask(loading, _relations, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
        return
    Console().print(found)


def _relations(session: Session, job: Job, asked: CorpusRelationsRequest) -> HeadRelations:
    from unembed.questions.corpus import relations as answer

    return answer(session, job, asked)


@corpus_app.command("list")
@options.with_loading
def listed(*, loading: Loading, as_json: options.Json = False) -> None:
    """The corpora of a model that are whole."""
    model = load(loading, Settings.from_environment(), Console(stderr=True))
    from unembed.index.corpus.opening import corpora

    found = corpora(model)
    if as_json:
        print(json.dumps([about.to_dict() for about in found]))
        return
    for about in found:
        print(f"{about.summary()}; {about.bytes / 1e6:,.0f} MB, made {about.made}")
    if not found:
        print(f"{model.name} has no corpus: unembed index corpus {model.name} FILES --name NAME")
