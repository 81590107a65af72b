"""Building a corpus of files that a client sent: piece by piece, estimated, built, gone on with."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from unembed.errors import InputError, UnembedError
from unembed.index.corpus.about import CorpusAbout, checked_name
from unembed.index.corpus.build import estimate_corpus, index_corpus
from unembed.index.corpus.estimate import CorpusEstimate
from unembed.index.corpus.options import CorpusOptions
from unembed.questions.requests import (
    CorpusEstimateRequest,
    CorpusUploadRequest,
    UploadedCorpusRequest,
)
from unembed.session import Job, Session


@dataclass(frozen=True)
class UploadedFile:
    """A file that is sent in pieces, as far as it is here."""

    upload: str
    file: str
    bytes: Annotated[int, "How many are here: where the next piece begins."]


def upload(session: Session, request: CorpusUploadRequest) -> UploadedFile:
    """Keep a piece of a file, for as long as the server runs."""
    try:
        data = base64.b64decode(request.data, validate=True)
    except (binascii.Error, ValueError):
        message = "data is not base64."
        raise InputError(message, field="data", legal="bytes in base64, RFC 4648") from None
    size = session.uploads.add(request.upload, request.file, request.offset, data)
    return UploadedFile(request.upload, request.file, size)


def estimate(session: Session, job: Job, request: CorpusEstimateRequest) -> CorpusEstimate:
    """What building would take."""
    options = request.only(CorpusOptions)
    with session.uploads.reading(request.upload, request.files) as paths, by_name(paths):
        return estimate_corpus(session.model, paths, options=options, cancel=job.cancel)


def build(session: Session, job: Job, request: UploadedCorpusRequest) -> CorpusAbout:
    """Build, or go on; what else waits is done in between. Its files are then forgotten."""

    def between(stage: str, done: int, total: int) -> None:
        job.progress(stage, done, total)
        job.cancel.check()
        session.give_way()

    name = checked_name(request.name)
    session.trainings.check_idle()
    with (
        session.corpora.building(name, job),
        session.uploads.reading(request.upload, request.files) as paths,
        by_name(paths),
    ):
        corpus = index_corpus(
            session.model,
            paths,
            name,
            options=request.only(CorpusOptions),
            folder=session.corpora.folder,
            tables=request.tables,
            cancel=job.cancel,
            progress=between,
        )
    session.uploads.forget(request.upload)
    return corpus.about


@contextmanager
def by_name(paths: Sequence[Path]) -> Iterator[None]:
    """Errors name files as the client does, not by where they lie."""
    try:
        yield
    except UnembedError as error:
        for path in paths:
            error.message = error.message.replace(str(path), repr(path.name))
            if error.value == str(path):
                error.value = path.name
        raise
