"""Generation as it happens: server-sent events in the answer of a POST."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from unembed.errors import UnembedError
from unembed.questions.requests import GenerateRequest
from unembed.server import events, responses, wire
from unembed.server.error_responses import FAILURE, body_of, error_body
from unembed.session import Channel, Session
from unembed.session.bridge import drain

log = logging.getLogger("unembed.server")


async def respond(
    session: Session, body: GenerateRequest, disconnect: Coroutine[Any, Any, None]
) -> Response:
    """Tokens as they are made, then the whole; an error before the first token is raised.

    Work stops within a step when the client leaves.
    """
    channel: Channel[wire.GenerateToken] = Channel()
    job = session.submit(lambda job: responses.generate(session, job, body, channel.put), body.job)
    made = drain(session, job, channel, disconnect)
    first = await anext(made)
    return StreamingResponse(_told(first, made), media_type=events.MEDIA_TYPE)


async def _told(
    first: wire.GenerateToken, rest: AsyncIterator[wire.GenerateToken | wire.GenerateResponse]
) -> AsyncIterator[bytes]:
    yield events.event("token", first)
    try:
        async for made in rest:
            yield events.event("token" if isinstance(made, wire.GenerateToken) else "end", made)
    except UnembedError as error:
        yield events.event("error", body_of(error))
    except Exception:
        log.exception("generation failed")
        yield events.event("error", error_body(*FAILURE))
