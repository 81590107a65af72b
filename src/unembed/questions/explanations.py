"""The questions: what do nodes do, in words? And how well do such words tell it?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from unembed.errors import BusyError, LoadError
from unembed.explanations.explain import explain
from unembed.explanations.judging.score import score_explanation
from unembed.explanations.labels import Labels, shown
from unembed.explanations.language.remote import Consent
from unembed.explanations.options import ExplainOptions, ScoreOptions
from unembed.explanations.result import Explanations
from unembed.explanations.scores import ExplanationScores
from unembed.index.corpus.corpus import Corpus
from unembed.models.progress import Progress
from unembed.node_labels import FORMAT, Label
from unembed.questions.corpus import passed
from unembed.questions.language import Languages, why_not_own
from unembed.questions.requests import ExplainRequest, ScoreRequest
from unembed.session import Job, Session


@dataclass(frozen=True)
class LanguageModels:
    """The language models that can be asked about nodes."""

    own: Annotated[str | None, "Why the model itself cannot; null: it can."]
    server: Annotated[str | None, "What the server that the settings name calls its model."]
    host: Annotated[str | None, "Where that server is."]
    leaves: Annotated[bool, "Whether texts leave this machine on the way to it."]


@dataclass(frozen=True)
class NodeLabels:
    """The labels of a model's nodes, as they are kept, exported and imported."""

    unembed_labels: Annotated[int, "Version of this format: 1."]
    model: str
    fingerprint: str
    labels: Annotated[tuple[Label, ...], "By node, the one that is shown first."]


def kept_in(session: Session) -> Labels:
    """The labels of the model, and of what is attached to it."""
    return Labels(session.model, session.workspace)


def labels(session: Session) -> NodeLabels:
    """All of them."""
    kept = kept_in(session).all()
    return NodeLabels(FORMAT, session.model.name, session.model.fingerprint, kept)


def said_of(session: Session, nodes: Iterable[str]) -> tuple[tuple[Label, ...], str | None]:
    """The labels shown of nodes; none, and why, where the workspace cannot be read.

    What was computed of the nodes is not lost for that.
    """
    wanted = set(nodes)
    try:
        found = shown(kept_in(session).all())
    except (LoadError, BusyError) as error:
        return (), f"labels that are kept could not be read: {error.message}"
    return tuple(one for one in found if one.node in wanted), None


def models(session: Session) -> LanguageModels:
    """Who can be asked. Raises InputError where the settings name an address that is none."""
    server = Languages.server_of(session.settings)
    return LanguageModels(
        why_not_own(session.model),
        None if server is None else server.model,
        None if server is None else server.host,
        server is not None and not server.loopback,
    )


def answer(
    session: Session, job: Job, request: ExplainRequest, agree: Consent | None = None
) -> Explanations:
    """Labels with their scores and nulls. What waits is done in between.

    `agree` is asked, once, before texts leave this machine, where the request does not say so.
    """
    options = request.only(ExplainOptions)
    languages = Languages(session, job, request.consent, len(request.nodes), agree)
    explainer = languages.explainer(request.explainer, request.style, judged=request.judge)
    judge = languages.judge(request.judge)

    def make(corpus: Corpus, between: Progress) -> Explanations:
        return explain(
            corpus,
            request.nodes,
            explainer=explainer,
            judge=judge,
            options=options,
            cancel=job.cancel,
            progress=between,
        )

    asked = None if explainer is not None else ("explain", tuple(request.nodes), options)
    found = passed(session, job, request.corpus, asked, make)
    if request.keep:
        kept_in(session).keep(found)
    return found


def score(
    session: Session, job: Job, request: ScoreRequest, agree: Consent | None = None
) -> ExplanationScores:
    """Scores of an explanation, by a language model. What waits is done in between.

    `agree`: as of `answer`.
    """
    options = request.only(ScoreOptions)
    languages = Languages(session, job, request.consent, agree=agree)
    judge = languages.judging(request.judge, options)

    def make(corpus: Corpus, between: Progress) -> ExplanationScores:
        return score_explanation(
            corpus,
            request.node,
            request.explanation,
            judge,
            options=options,
            cancel=job.cancel,
            progress=between,
        )

    return passed(session, job, request.corpus, None, make)
