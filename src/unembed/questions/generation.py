"""The question: how does the prompt go on, with the edits and without?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from unembed.engine.editing.edits import Edit
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.generation import Continuation, Generation, NewToken
from unembed.engine.passes.options import GenerationOptions
from unembed.questions.editing import edits_of
from unembed.questions.requests import GenerateRequest
from unembed.questions.tokens import read_of
from unembed.result import Comparison, Side
from unembed.session import Job, Session

Tell = Callable[[Side, int, "NewToken"], None]


@dataclass(frozen=True, repr=False)
class GenerationComparison(Comparison[Generation]):
    """The prompt continued, with the edits and without."""

    baseline: Generation
    edited: Annotated[Generation | None, "Null where no edit is enabled."] = None

    def summary(self) -> str:
        return ", ".join(f"{side} {made.text!r}" for side, made in self.sides.items())


def answer(
    session: Session, job: Job, request: GenerateRequest, tell: Tell | None = None
) -> GenerationComparison:
    """Continue the prompt, with the edits and without, token by token in turn.

    `tell` gets each new token as it is made: its side, its number there, and what it is.
    """
    read = read_of(session.model, request)
    made = edits_of(session, job, request.edits, read)
    sides: dict[Side, Continuation] = {"baseline": _continuation(session, job, request, read, ())}
    with made.naming():
        if made.edits:
            sides["edited"] = _continuation(session, job, request, read, made.edits)
        for index in range(request.max_new_tokens):
            for side, growing in sides.items():
                if not growing.is_over:
                    with growing.running():
                        new = growing.step()
                    if tell is not None:
                        tell(side, index, new)
    whole = {side: growing.result() for side, growing in sides.items()}
    return GenerationComparison(whole["baseline"], whole.get("edited"))


def _continuation(
    session: Session,
    job: Job,
    request: GenerateRequest,
    read: Read,
    edits: Sequence[Edit],
) -> Continuation:
    return Continuation(
        session.model,
        read.ids,
        request.only(GenerationOptions),
        tuple(edits),
        cancel=job.cancel,
        progress=job.progress,
        source=read.source,
    )
