"""Puts the server together: routes, the app's files, errors as answers, the guard around all."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from unembed.errors import UnembedError
from unembed.server import static
from unembed.server.access import Policy
from unembed.server.compression import Compression
from unembed.server.error_responses import error_response, response_of
from unembed.server.guard import Guard, failure
from unembed.server.parsing import explained
from unembed.server.routes import ROUTERS
from unembed.server.table import API, static_entries
from unembed.session import Session
from unembed.settings import Settings

log = logging.getLogger("unembed.server")


def create_app(
    session: Session,
    settings: Settings,
    token: str,
    *,
    hosts: Sequence[str] = (),
    assets: dict[str, static.Asset] | None = None,
) -> ASGIApp:
    """The whole server as one ASGI application.

    Args:
        session: the model and its queue.
        settings: host, port and limits; the port must be the one that is really bound.
        token: what a client must know.
        hosts: further names by which this server may be addressed, "name" or "name:port".
        assets: the app's files; read from the package when None.
    """
    assets = static.load() if assets is None else assets
    policy = Policy.of(token, settings.host, settings.port, hosts)
    inner = build(session, policy, assets)
    return Guard(Compression(inner), policy, settings, (*API, *static_entries(assets)))


def build(
    session: Session | None, policy: Policy | None, assets: dict[str, static.Asset]
) -> FastAPI:
    """The application inside the guard."""
    app = FastAPI(
        title="Unembed",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.session = session
    app.state.policy = policy
    for router in ROUTERS:
        # As they are: to include a router builds all its routes anew, some of it while the first
        # request waits.
        app.router.routes.extend(router.routes)
    for path, asset in assets.items():
        app.add_route(path, _sender(asset), methods=["GET", "HEAD"], include_in_schema=False)
    app.add_exception_handler(UnembedError, _on_purpose)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _fault)
    return app


def _sender(asset: static.Asset):  # type: ignore[no-untyped-def]
    async def send(_: Request) -> Response:
        return asset.response()

    return send


async def _on_purpose(_: Request, error: Exception) -> Response:
    return response_of(cast(UnembedError, error))


async def _invalid(_: Request, error: Exception) -> Response:
    invalid = cast(RequestValidationError, error)
    return response_of(explained(invalid.errors(), invalid.body))


async def _framework(_: Request, error: Exception) -> Response:
    """What FastAPI refuses by itself; the guard's table leaves it nothing to refuse."""
    refused = cast(HTTPException, error)
    code = "not_found" if refused.status_code == 404 else "bad_request"
    return error_response(refused.status_code, code, "The request was refused.")


async def _fault(_: Request, __: Exception) -> Response:
    """Starlette raises the exception again once this is sent; the guard logs it."""
    return failure()
