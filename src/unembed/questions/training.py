"""Training autoencoders of what a client names or sent: estimated, gone on with, attached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from unembed.errors import IndexMissingError, UnembedError
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.reading import check_readable
from unembed.latents.description import AttachedSae
from unembed.latents.load import load_sae
from unembed.latents.sae import what_is_attached
from unembed.questions.corpus_building import by_name
from unembed.questions.sae_requests import (
    DetachSaeRequest,
    FromTexts,
    ResumeSaeRequest,
    SaeNameRequest,
    TrainEstimateRequest,
    TrainSaeRequest,
    check_source,
)
from unembed.session import Job, Session
from unembed.session.trainings import SaeUnderway
from unembed.training.estimate import TrainingEstimate, estimate_training
from unembed.training.kept import TrainedSae, UnfinishedSae, begun
from unembed.training.options import TrainOptions
from unembed.training.result import SaeTraining
from unembed.training.train import train_sae


@dataclass(frozen=True)
class SaeList:
    """The autoencoders that were trained of the model, what is being trained, and what can be."""

    items: tuple[TrainedSae, ...]
    training: SaeUnderway | None
    unfinished: tuple[UnfinishedSae, ...]
    reason: Annotated[str | None, "Why none of this model can be trained."]


@dataclass(frozen=True)
class AttachedSaes:
    """All that the model has attached."""

    attached: tuple[AttachedSae, ...]


def listed(session: Session) -> SaeList:
    """What there is."""
    trainings = session.trainings
    return SaeList(
        trainings.listed(), trainings.underway(), trainings.unfinished(), _why_none(session)
    )


def _why_none(session: Session) -> str | None:
    try:
        check_readable(session.model)
    except UnembedError as error:
        return error.message
    return None


def estimate(session: Session, job: Job, request: TrainEstimateRequest) -> TrainingEstimate:
    """What training would take."""
    options = request.only(TrainOptions)
    with _texts(session, request) as texts:
        return estimate_training(
            session.model, texts, request.site, options=options, cancel=job.cancel
        )


def train(session: Session, job: Job, request: TrainSaeRequest) -> SaeTraining:
    """Train, or go on; what else waits is done in between. Files are then forgotten."""
    options = request.only(TrainOptions)
    return _trained(session, job, request.name, request.site, options, request)


def resume(session: Session, job: Job, request: ResumeSaeRequest) -> SaeTraining:
    """Go on with one that was stopped, as it was begun."""
    found = begun(session.trainings.folder(request.name))
    if request.corpus is None and request.upload is None:
        request = request.model_copy(update={"corpus": found.corpus})
    check_source(request)
    return _trained(session, job, request.name, found.site, found.options, request)


def attach(session: Session, job: Job, request: SaeNameRequest) -> AttachedSaes:
    """Attach one that was trained here, after it was held against the model."""
    session.corpora.check_idle()
    folder = session.trainings.folder(request.name)
    if not folder.is_dir():
        known = ", ".join(one.name for one in session.trainings.listed()) or "none yet"
        raise IndexMissingError(
            f"{session.model.name} has no autoencoder {request.name!r}; there are: {known}",
            field="name",
            value=request.name,
            legal=known,
            fix="train it: POST /api/sae/train",
        )
    with _by_name(folder):
        job.progress("reading the autoencoder", 0, 0)
        sae = load_sae(folder, settings=session.settings)
        job.cancel.check()
        job.progress("holding it against the model", 0, 0)
        session.model.attach(sae)
    session.forget_runs()
    return AttachedSaes(what_is_attached(session.model))


def detach(session: Session, _: Job, request: DetachSaeRequest) -> AttachedSaes:
    """Take one off: its latents are no nodes any more."""
    session.corpora.check_idle()
    session.model.detach(request.stem)
    session.forget_runs()
    return AttachedSaes(what_is_attached(session.model))


def _trained(
    session: Session,
    job: Job,
    name: str,
    site: str,
    options: TrainOptions,
    source: FromTexts,
) -> SaeTraining:
    trainings = session.trainings
    folder = trainings.folder(name)
    session.corpora.check_idle()
    session.indexes.check_idle()

    def between(stage: str, done: int, total: int) -> None:
        job.progress(stage, done, total)
        job.cancel.check()
        session.give_way()

    with (
        trainings.training(name, site, options.n_steps * options.batch, job),
        _texts(session, source) as texts,
        _by_name(folder),
    ):
        found = train_sae(
            session.model,
            texts,
            site,
            folder=folder,
            options=options,
            cancel=job.cancel,
            progress=between,
            told=trainings.measured,
        )
    if source.upload is not None:
        session.uploads.forget(source.upload)
    return replace(found, folder=name)


@contextmanager
def _texts(session: Session, source: FromTexts) -> Iterator[Corpus | Sequence[Path]]:
    """What is learnt from, which nothing removes meanwhile."""
    if source.corpus is not None:
        yield session.corpora.opened(source.corpus)
        return
    with session.uploads.reading(source.upload or "", source.files) as paths, by_name(paths):
        yield paths


@contextmanager
def _by_name(folder: Path) -> Iterator[None]:
    """Errors name an autoencoder as the client does, not by where it lies."""
    try:
        yield
    except UnembedError as error:
        for part in ("message", "value", "legal", "fix"):
            said = getattr(error, part)
            if isinstance(said, str):
                setattr(error, part, said.replace(str(folder), folder.name))
        if error.field in ("folder", "source"):
            error.field = "name"
        raise
