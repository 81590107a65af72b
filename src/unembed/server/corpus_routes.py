"""The routes of corpora. One is built of files that the client sends; none of this machine is read
by a name that a request gives.
"""

from __future__ import annotations

from fastapi import Request, Response

from unembed.index.corpus.about import CorpusAbout
from unembed.index.corpus.estimate import CorpusEstimate
from unembed.index.corpus.examples_result import CorpusExamples
from unembed.index.corpus.hits import CorpusHits
from unembed.index.corpus.relations_result import HeadRelations
from unembed.index.corpus.sentences import CorpusSentences
from unembed.questions import corpus, corpus_building, requests
from unembed.server.responses import json_bytes
from unembed.server.routing import (
    compute,
    compute_detached,
    look_up,
    routes_below,
    session_of,
    work_responses,
)
from unembed.server.wire import body_of

router = routes_below("/api/corpus")


@router.get(
    "",
    response_model=body_of(corpus.CorpusList),
    responses=work_responses(body_of(corpus.CorpusList), body=False),
)
async def corpus_list(request: Request) -> Response:
    """The corpora of the model that are whole, what is being built, and what can be."""
    session = session_of(request)
    return await look_up(request, lambda _: json_bytes(corpus.listed(session)))


@router.post("/upload", responses=work_responses(body_of(corpus_building.UploadedFile)))
async def corpus_upload(request: Request, body: requests.CorpusUploadRequest) -> Response:
    """A piece of a file that a corpus is to be built of; kept until it is, or the server ends."""
    session = session_of(request)
    return await look_up(request, lambda _: json_bytes(corpus_building.upload(session, body)), body)


@router.post("/estimate", responses=work_responses(body_of(CorpusEstimate)))
async def corpus_estimate(request: Request, body: requests.CorpusEstimateRequest) -> Response:
    """Tokens, disk and time of a corpus of uploaded files, from samples; takes seconds."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(corpus_building.estimate(session, job, body))
    )


@router.post("/build", responses=work_responses(body_of(CorpusAbout)))
async def corpus_build(request: Request, body: requests.UploadedCorpusRequest) -> Response:
    """Build a corpus of uploaded files. It goes on when the client leaves; DELETE its job stops it.

    Other requests are answered in between; what is done is kept, and built upon the next time.
    """
    session = session_of(request)
    return await compute_detached(
        request, body, lambda job: json_bytes(corpus_building.build(session, job, body))
    )


@router.post("/search", responses=work_responses(body_of(CorpusHits)))
async def corpus_search(request: Request, body: requests.CorpusSearchRequest) -> Response:
    """Tokens like one of a prompt, by state or context; by word, label and file; by both."""
    session = session_of(request)
    return await compute(request, body, lambda job: json_bytes(corpus.search(session, job, body)))


@router.post("/sentences", responses=work_responses(body_of(CorpusSentences)))
async def corpus_sentences(request: Request, body: requests.CorpusSentencesRequest) -> Response:
    """Whole sentences of a corpus, and what tokens of them attend to."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(corpus.sentences(session, job, body))
    )


@router.post("/examples", responses=work_responses(body_of(CorpusExamples)))
async def corpus_examples(request: Request, body: requests.CorpusExamplesRequest) -> Response:
    """Where in a corpus a node is strongest: one pass over it, which lets other requests in."""
    session = session_of(request)
    return await compute_detached(
        request, body, lambda job: json_bytes(corpus.examples(session, job, body))
    )


@router.post("/relations", responses=work_responses(body_of(HeadRelations)))
async def corpus_relations(request: Request, body: requests.CorpusRelationsRequest) -> Response:
    """The relations that heads follow in sentences of a corpus; lets other requests in."""
    session = session_of(request)
    return await compute_detached(
        request, body, lambda job: json_bytes(corpus.relations(session, job, body))
    )
