"""The routes of the workspace: names given to nodes, saved runs and circuits."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Request, Response

from unembed.questions import limits
from unembed.server import wire, workspace_responses
from unembed.server.routing import (
    POST,
    WORK,
    Work,
    encoded,
    errors,
    look_up,
    routes_below,
    session_of,
    work_responses,
)
from unembed.settings import Settings

_TEXTS = ("name", "note", "spec", "summary")

router = routes_below("/api/workspace")


def _check_texts(
    body: wire.Wire, names: Iterable[str], settings: Settings, prefix: str = ""
) -> None:
    """Lengths of what is kept; raises InputError."""
    for name in names:
        limits.check_limit(prefix + name, getattr(body, name), settings.max_saved_chars)


async def _kept(request: Request, work: Work) -> Response:
    return await look_up(request, work, on="workspace")


@router.get(
    "",
    response_model=wire.WorkspaceResponse,
    responses=work_responses(wire.WorkspaceResponse, body=False),
)
async def workspace(request: Request) -> Response:
    """Names given to this model's nodes, and every saved run and circuit."""
    session = session_of(request)
    return await _kept(request, lambda _: encoded(workspace_responses.everything(session)))


@router.post("/name", status_code=204, response_class=Response, responses=errors(*POST, *WORK))
async def workspace_name(request: Request, body: wire.NodeName) -> Response:
    """Name a node of this model; with neither name nor note, forget its name."""
    session = session_of(request)
    _check_texts(body, ("name", "note"), session.settings)
    await _kept(request, lambda _: workspace_responses.name(session, body))
    return Response(status_code=204)


@router.post("/run", responses=work_responses(wire.RunId))
async def workspace_save(request: Request, body: wire.SaveRunRequest) -> Response:
    """Save a run."""
    session = session_of(request)
    _check_texts(body, _TEXTS, session.settings)
    return await _kept(request, lambda _: encoded(workspace_responses.save(session, body)))


@router.post("/open", responses=work_responses(wire.SavedRun))
async def workspace_open(request: Request, body: wire.RunId) -> Response:
    """A saved run; what it answers can be kept as a file and imported elsewhere."""
    session = session_of(request)
    return await _kept(request, lambda _: encoded(workspace_responses.opened(session, body)))


@router.post("/delete", status_code=204, response_class=Response, responses=errors(*POST, *WORK))
async def workspace_delete(request: Request, body: wire.RunId) -> Response:
    """Delete a saved run."""
    session = session_of(request)
    await _kept(request, lambda _: workspace_responses.delete(session, body))
    return Response(status_code=204)


@router.post("/import", responses=work_responses(wire.RunId))
async def workspace_import(request: Request, body: wire.ImportRunRequest) -> Response:
    """Keep a run that was exported here or elsewhere."""
    session = session_of(request)
    _check_texts(body.run, _TEXTS, session.settings, "run.")
    return await _kept(request, lambda _: encoded(workspace_responses.imported(session, body)))


@router.post("/circuit", responses=work_responses(wire.CircuitId))
async def workspace_circuit(request: Request, body: wire.SaveCircuitRequest) -> Response:
    """Save a circuit."""
    session = session_of(request)
    _check_texts(body, ("name", "note", "corrupted", "spec"), session.settings)
    return await _kept(request, lambda _: encoded(workspace_responses.save_circuit(session, body)))


@router.post("/circuit/open", responses=work_responses(wire.SavedCircuit))
async def workspace_circuit_open(request: Request, body: wire.CircuitId) -> Response:
    """A saved circuit; what it answers can be kept as a file and imported elsewhere."""
    session = session_of(request)
    return await _kept(request, lambda _: encoded(workspace_responses.open_circuit(session, body)))


@router.post(
    "/circuit/rename", status_code=204, response_class=Response, responses=errors(*POST, *WORK)
)
async def workspace_circuit_rename(request: Request, body: wire.RenameCircuitRequest) -> Response:
    """Another name and note for a saved circuit."""
    session = session_of(request)
    _check_texts(body, ("name", "note"), session.settings)
    await _kept(request, lambda _: workspace_responses.rename_circuit(session, body))
    return Response(status_code=204)


@router.post(
    "/circuit/delete", status_code=204, response_class=Response, responses=errors(*POST, *WORK)
)
async def workspace_circuit_delete(request: Request, body: wire.CircuitId) -> Response:
    """Delete a saved circuit."""
    session = session_of(request)
    await _kept(request, lambda _: workspace_responses.delete_circuit(session, body))
    return Response(status_code=204)


@router.post("/circuit/import", responses=work_responses(wire.CircuitId))
async def workspace_circuit_import(request: Request, body: wire.ImportCircuitRequest) -> Response:
    """Keep a circuit that was exported here or elsewhere."""
    session = session_of(request)
    return await _kept(
        request, lambda _: encoded(workspace_responses.import_circuit(session, body))
    )
