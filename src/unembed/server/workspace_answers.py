# ruff: noqa: ARG001 - answered as their parts land
"""The workspace in wire formats."""

from __future__ import annotations

from unembed.errors import CapabilityError
from unembed.server import wire
from unembed.session import Session

_NOT_YET = "this version has no workspace"


def everything(session: Session) -> wire.WorkspaceResponse:
    """Names of this model's nodes, and saved runs."""
    return wire.WorkspaceResponse(names=[], runs=[])


def name(session: Session, body: wire.NodeName) -> bytes:
    """Give a node a name and a note, or forget them."""
    raise CapabilityError(_NOT_YET)


def save(session: Session, body: wire.SaveRunRequest) -> wire.RunId:
    """Save a run."""
    raise CapabilityError(_NOT_YET)


def opened(session: Session, body: wire.RunId) -> wire.SavedRun:
    """A saved run."""
    raise CapabilityError(_NOT_YET)


def delete(session: Session, body: wire.RunId) -> bytes:
    """Delete a saved run."""
    raise CapabilityError(_NOT_YET)


def imported(session: Session, body: wire.ImportRunRequest) -> wire.RunId:
    """Keep a run from elsewhere."""
    raise CapabilityError(_NOT_YET)
