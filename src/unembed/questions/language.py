"""Language models for questions: the one that is loaded, or the server that the settings name.

A request never names an address: whoever may ask would have texts, and the key, sent anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from unembed.engine.model import Model
from unembed.errors import CapabilityError, InputError
from unembed.explanations.explaining.explainer import Style
from unembed.explanations.explaining.models import (
    LocalExplainer,
    ModelExplainer,
    RemoteExplainer,
)
from unembed.explanations.judging.models import LocalJudge, ModelJudge, RemoteJudge
from unembed.explanations.language.asking import Between, Plan
from unembed.explanations.language.local import LocalModel
from unembed.explanations.language.remote import Consent, place_of
from unembed.explanations.options import Asked, ScoreOptions
from unembed.session import Job, Session
from unembed.settings import Settings

PROMPT_CHARACTERS = 700  # about, of what stands around a text
ANSWERED = 100  # tokens of an answer, about, over all kinds of questions


@dataclass(frozen=True)
class Server:
    """The server that the settings name."""

    url: str
    model: str
    host: str
    loopback: bool


@dataclass(frozen=True, eq=False)
class Languages:
    """Makes explainers and judges for one request, which end when its job does.

    Args:
        consent: whether texts may leave this machine.
        nodes: how many are explained, for the estimate of what judging them costs.
        agree: asked with all of it, once, before anything leaves; None: nobody can be asked.
    """

    session: Session
    job: Job
    consent: bool
    nodes: int = 1
    agree: Consent | None = None
    _agreed: list[Plan] = field(default_factory=list)

    def explainer(self, who: Asked, style: Style, *, judged: Asked) -> ModelExplainer | None:
        """Who writes, if anybody. Raises InputError, CapabilityError where they cannot."""
        prompts, between = self._prompts(), self._between("writing")
        if who == "none":
            return None
        if who == "own":
            return LocalExplainer(self._own("explainer"), style, prompts=prompts, between=between)
        server = self._server("explainer")
        judging = ScoreOptions() if judged == "server" else None
        return RemoteExplainer(
            server.url,
            server.model,
            style,
            prompts=prompts,
            between=between,
            consent=self._consent(judging, writes=True),
            price=self.session.settings.language_price(),
            folder=self._folder(),
        )

    def judge(self, who: Asked) -> ModelJudge | None:
        """Who judges what is written, if anybody. Raises as `explainer`."""
        return None if who == "none" else self.judging(who, ScoreOptions())

    def judging(self, who: Literal["own", "server"], options: ScoreOptions) -> ModelJudge:
        """Who judges; `options` say how much that is."""
        prompts, between = self._prompts(), self._between("asking the judge")
        if who == "own":
            return LocalJudge(self._own("judge"), prompts=prompts, between=between)
        server = self._server("judge")
        return RemoteJudge(
            server.url,
            server.model,
            prompts=prompts,
            between=between,
            consent=self._consent(options, writes=False),
            price=self.session.settings.language_price(),
            folder=self._folder(),
        )

    @staticmethod
    def server_of(settings: Settings) -> Server | None:
        """The server, if one is named. Raises InputError for an address that is none."""
        if not settings.language_url:
            return None
        host, loopback = place_of(settings.language_url)
        return Server(settings.language_url, settings.language_model, host, loopback)

    def _server(self, field: Literal["explainer", "judge"]) -> Server:
        server = self.server_of(self.session.settings)
        if server is None:
            raise InputError(
                f"{field} is a server, and the settings name none",
                field=field,
                value="server",
                legal='"own", or a server that is named',
                fix="set UNEMBED_LANGUAGE_URL and UNEMBED_LANGUAGE_MODEL",
            )
        return server

    def _own(self, field: Literal["explainer", "judge"]) -> Model:
        reason = why_not_own(self.session.model)
        if reason is not None:
            raise CapabilityError(reason, field=field, value="own", legal='"server"')
        return self.session.model

    def _prompts(self) -> str | None:
        return self.session.settings.language_prompts or None

    def _folder(self) -> str:
        return str(self.session.settings.cache_folder() / "answers")

    def _between(self, stage: str) -> Between:
        """Progress, others' turns, and the end where the job was cancelled."""

        def between(done: int, total: int) -> None:
            self.job.progress(stage, done, total)
            self.job.cancel.check()
            self.session.give_way()

        return between

    def _consent(self, judging: ScoreOptions | None, *, writes: bool) -> Consent | bool:
        """Agreed; else who can be asked is, or all of it is refused, judging included."""
        if self.consent:
            return True

        def agreed(plan: Plan) -> bool:
            if self._agreed:
                return True
            whole = plan if writes else replace(plan, requests=0, characters=0, answer_tokens=0)
            if judging is not None:
                whole = judged_too(whole, judging, self.nodes)
            if self.agree is not None and self.agree(whole):
                self._agreed.append(whole)
                return True
            raise InputError(
                f"nothing was sent: about {whole.words}, and nobody agreed to that",
                field="consent",
                value=plan.host,
                legal="true",
                fix="consent: true, on the command line --consent",
            )

        return agreed


def judged_too(plan: Plan, asked: ScoreOptions, nodes: int) -> Plan:
    """A plan with about what judging adds: every list of texts, of every node."""
    lists = 4 + 3 * asked.chance_labels
    requests = nodes * lists * 2 * asked.texts
    said = requests * (PROMPT_CHARACTERS + 5 * asked.window)
    return replace(
        plan,
        requests=plan.requests + requests,
        characters=plan.characters + said,
        answer_tokens=plan.answer_tokens + requests * ANSWERED,
    )


def why_not_own(model: Model) -> str | None:
    """Why the model itself cannot be asked; None where it can."""
    try:
        LocalModel(model)
    except CapabilityError as error:
        return error.message
    return None
