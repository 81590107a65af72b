"""Generation as it happens: server-sent events in the answer of a POST."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from unembed.errors import UnembedError
from unembed.questions.generation import GenerationComparison
from unembed.questions.requests import GenerateRequest
from unembed.server import events, responses
from unembed.server.error_responses import FAILURE, body_of, error_body
from unembed.server.responses import GenerateToken, as_json
from unembed.session import Channel, Session
from unembed.session.bridge import drain

log = logging.getLogger("unembed.server")


async def respond(
    session: Session, body: GenerateRequest, disconnect: Coroutine[Any, Any, None]
) -> Response:
    """Tokens as they are made, then the whole; an error before the first token is raised.

    Work stops within a step when the client leaves.
    """
    channel: Channel[GenerateToken] = Channel()
    job = session.submit(lambda job: responses.generate(session, job, body, channel.put), body.job)
    made = drain(session, job, channel, disconnect)
    first = await anext(made)
    return StreamingResponse(_told(first, made), media_type=events.MEDIA_TYPE)


async def _told(
    first: GenerateToken, rest: AsyncIterator[GenerateToken | GenerationComparison]
) -> AsyncIterator[bytes]:
    yield events.event("token", as_json(first))
    try:
        async for made in rest:
            name = "token" if isinstance(made, GenerateToken) else "end"
            yield events.event(name, as_json(made))
    except UnembedError as error:
        yield events.event("error", body_of(error).model_dump_json())
    except Exception:
        log.exception("generation failed")
        yield events.event("error", error_body(*FAILURE).model_dump_json())
