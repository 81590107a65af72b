"""The routes of corpora. They are searched here; building one reads files, and is for the owner of
the machine: Python, or `unembed index corpus`.
"""

from __future__ import annotations

from fastapi import Request, Response

from unembed.index.corpus.examples_result import CorpusExamples
from unembed.index.corpus.hits import CorpusHits
from unembed.index.corpus.relations_result import HeadRelations
from unembed.index.corpus.sentences import CorpusSentences
from unembed.questions import corpus, requests
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
    """The corpora of the model that are whole."""
    session = session_of(request)
    return await look_up(request, lambda _: json_bytes(corpus.listed(session)))


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
