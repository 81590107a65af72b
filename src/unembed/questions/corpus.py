"""Questions to corpora: which there are, and tokens like one of a prompt, with its edits."""

from __future__ import annotations

from dataclasses import dataclass

from unembed.index.corpus.about import CorpusAbout
from unembed.index.corpus.hits import CorpusHits
from unembed.index.corpus.options import CorpusSearchOptions, CorpusSentencesOptions
from unembed.index.corpus.sentences import CorpusSentences
from unembed.questions.requests import CorpusSearchRequest, CorpusSentencesRequest
from unembed.questions.runs import last_run
from unembed.questions.tokens import read_of
from unembed.session import Job, Session


@dataclass(frozen=True)
class CorpusList:
    """The corpora of the model that are whole."""

    items: tuple[CorpusAbout, ...]


def listed(session: Session) -> CorpusList:
    """What there is. Raises LoadError where one is damaged."""
    return CorpusList(session.corpora.listed())


def search(session: Session, job: Job, request: CorpusSearchRequest) -> CorpusHits:
    """Tokens like one of the prompt, in the edited run where an edit is enabled."""
    corpus = session.corpora.opened(request.corpus)
    options = request.only(CorpusSearchOptions)
    if request.prompt is None:
        return corpus.search(options=options)
    read = read_of(session.model, request)
    capture = corpus.required_capture(options=options)
    run = last_run(session, job, request.edits, read, capture)
    return corpus.search(run, request.position, options=options)


def sentences(session: Session, job: Job, request: CorpusSentencesRequest) -> CorpusSentences:
    """Whole sentences, and what the tokens of the rows attend to in them."""
    corpus = session.corpora.opened(request.corpus)
    options = request.only(CorpusSentencesOptions)
    return corpus.sentences(request.rows, options=options, cancel=job.cancel)
