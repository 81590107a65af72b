"""Questions to corpora: which there are, and tokens like one of a prompt, with its edits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, TypeVar

from torch import float64, tensor

from unembed.errors import UnembedError
from unembed.index.corpus.about import CorpusAbout
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.examples import find_examples
from unembed.index.corpus.examples_result import CorpusExamples
from unembed.index.corpus.hits import CorpusHits
from unembed.index.corpus.measures import Node
from unembed.index.corpus.narrowing import asks_attended
from unembed.index.corpus.options import (
    CorpusSearchOptions,
    CorpusSentencesOptions,
    ExamplesOptions,
    HeadRelationsOptions,
)
from unembed.index.corpus.reading import check_readable
from unembed.index.corpus.relations import LISTING, RelationCounts, count_relations
from unembed.index.corpus.relations_result import HeadRelations
from unembed.index.corpus.sentences import CorpusSentences
from unembed.index.corpus.tagging import pipelines
from unembed.index.live import written_direction
from unembed.models.progress import Progress
from unembed.questions.requests import (
    CorpusExamplesRequest,
    CorpusRelationsRequest,
    CorpusSearchRequest,
    CorpusSentencesRequest,
)
from unembed.questions.runs import last_run
from unembed.questions.tokens import naming, read_of
from unembed.session import Job, Session
from unembed.session.corpora import CorpusBuilding, UnfinishedCorpus

Found = TypeVar("Found")


@dataclass(frozen=True)
class CorpusList:
    """The corpora of the model that are whole, and what building another one starts from."""

    items: tuple[CorpusAbout, ...]
    building: CorpusBuilding | None
    unfinished: tuple[UnfinishedCorpus, ...]
    pipelines: Annotated[tuple[str, ...], "The pipelines of spaCy that are installed."]
    reason: Annotated[str | None, "Why no corpus of this model can be built."]
    unsplit: Annotated[
        tuple[int, ...],
        "Layers of whose heads no examples can be kept: what each writes is not its own.",
    ]


def listed(session: Session) -> CorpusList:
    """What there is. Raises LoadError where one is damaged."""
    corpora = session.corpora
    return CorpusList(
        corpora.listed(),
        corpora.being_built(),
        corpora.unfinished(),
        pipelines(),
        _why_none(session),
        corpora.unsplit,
    )


def _why_none(session: Session) -> str | None:
    if find_spec("lancedb") is None:
        return "LanceDB is not installed: pip install 'unembed[corpus]'"
    try:
        check_readable(session.model)
    except UnembedError as error:
        return error.message
    return None


def search(session: Session, job: Job, request: CorpusSearchRequest) -> CorpusHits:
    """Tokens like one of the prompt, in the edited run where an edit is enabled."""
    corpus = session.corpora.opened(request.corpus)
    options = request.only(CorpusSearchOptions)
    if request.prompt is None:
        return corpus.search(options=options)
    read = read_of(session.model, request)
    capture = corpus.required_capture(options=options)
    run = last_run(session, job, request.edits, read, capture)
    if not asks_attended(options):
        return corpus.search(run, request.position, options=options)
    plain = options.changed(summarise=None, narrow=None)

    def make() -> CorpusHits:
        found = corpus.search(run, request.position, options=plain)
        return corpus.with_attended(found, job.cancel)

    # Narrowed otherwise, the attention of no hit is computed anew.
    key = ("attended", run.local_key, corpus.version, request.position, plain)
    return corpus.narrowed(session.recent.get(key, make), options)


def sentences(session: Session, job: Job, request: CorpusSentencesRequest) -> CorpusSentences:
    """Whole sentences, and what the tokens of the rows attend to in them."""
    corpus = session.corpora.opened(request.corpus)
    options = request.only(CorpusSentencesOptions)
    return corpus.sentences(request.rows, options=options, cancel=job.cancel)


def examples(session: Session, job: Job, request: CorpusExamplesRequest) -> CorpusExamples:
    """Tokens where a node is strongest, or the stream along a direction, and others. What waits is
    done in between.
    """
    options = request.only(ExamplesOptions)
    direction = None if request.direction is None else tuple(request.direction)
    asked = ("examples", request.target, request.along, direction, options)

    def answer(corpus: Corpus, between: Progress) -> CorpusExamples:
        node = _measured(session, request)
        (found,) = find_examples(corpus, node, options=options, cancel=job.cancel, progress=between)
        return found

    return passed(session, job, request.corpus, asked, answer)


def _measured(session: Session, request: CorpusExamplesRequest) -> Node:
    """The node of a request, or the direction."""
    if request.along is not None:
        with naming("along"):
            return request.target, written_direction(session.model, request.along)
    if request.direction is None:
        return request.target
    return request.target, tensor(request.direction, dtype=float64)


def relations(session: Session, job: Job, request: CorpusRelationsRequest) -> HeadRelations:
    """What heads look at. What waits is done in between; sorted otherwise, no pass is made anew."""
    options = request.only(HeadRelationsOptions)
    start = HeadRelationsOptions()
    counted = options.changed(**{name: getattr(start, name) for name in LISTING})

    def answer(corpus: Corpus, between: Progress) -> RelationCounts:
        return count_relations(corpus, counted, job.cancel, between)

    return passed(session, job, request.corpus, ("relations", counted), answer).listed(options)


def passed(
    session: Session,
    job: Job,
    name: str,
    asked: tuple[object, ...] | None,
    answer: Callable[[Corpus, Progress], Found],
) -> Found:
    """A pass over a corpus, of which there is one at a time, or what it gave before.

    What is decided by more than `asked` says, as by a server, has None there: it is made anew.
    """
    corpus = session.corpora.opened(name)

    def between(stage: str, done: int, total: int) -> None:
        job.progress(stage, done, total)
        job.cancel.check()
        session.give_way()

    def make() -> Found:
        with session.corpora.alone(job):
            return answer(corpus, between)

    if asked is None:
        return make()
    return session.recent.get((session.model.state, corpus.version, *asked), make)
