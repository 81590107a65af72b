"""Generation as it happens: server-sent events in the answer of a POST."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from unembed.errors import UnembedError
from unembed.server import answers, events, wire
from unembed.server.replies import FAILURE, body_of, error_body
from unembed.session import Feed, Session
from unembed.session.bridge import drain

log = logging.getLogger("unembed.server")


async def respond(
    session: Session, body: wire.GenerateRequest, left: Coroutine[Any, Any, None]
) -> Response:
    """Tokens as they are made, then the whole; an error before the first token is raised.

    Work stops within a step when the client leaves.
    """
    feed: Feed[wire.GenerateToken] = Feed()
    job = session.submit(lambda job: answers.generate(session, job, body, feed.put), body.job)
    made = drain(session, job, feed, left)
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
