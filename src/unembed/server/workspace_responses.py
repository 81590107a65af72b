"""The workspace in wire formats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from unembed.analyses.tools.writes import node_of
from unembed.engine.targets import Target
from unembed.errors import TargetError, UnembedError
from unembed.latents.sae import owner_of, owners
from unembed.questions.tokens import naming
from unembed.server import wire
from unembed.session import Session

Body = TypeVar("Body", bound=wire.Wire)


def everything(session: Session) -> wire.WorkspaceResponse:
    """Names of this model's nodes, and saved runs of all models."""
    kept = session.workspace
    whose = (session.model.fingerprint, *owners(session.model))
    names = [name for owner in whose for name in kept.names(owner)]
    return _body(wire.WorkspaceResponse, {"names": names, "runs": kept.list_runs()})


def _body(kind: type[Body], kept: object) -> Body:
    """What is kept, with the fields that the body has."""
    return kind.model_validate(kept, strict=False, from_attributes=True)


def name(session: Session, body: wire.NodeName) -> bytes:
    """Give a node a name and a note, or forget them."""
    target = _node(session, body.node)
    node, owner = body.node, session.model.fingerprint
    if target.neuron is not None:
        node = f"L{target.layer}.N{target.neuron}"
    if target.row.derived:
        node, owner = target.stem, owner_of(session.model, target)
    session.workspace.set_name(owner, node, body.name, body.note)
    return b""


def _node(session: Session, text: str) -> Target:
    """The node, of all positions; raises TargetError for what is none of this model's."""
    with naming("node"):
        target = node_of(session.model, text)
    if target.position is not None:
        message = f"{text} is a node at one position, and a name is for all: leave the position out"
        raise TargetError(message, field="node", value=text, legal='"L12.N512"')
    return target


def save(session: Session, body: wire.SaveRunRequest) -> wire.RunId:
    """Save a run of this model."""
    run_id = session.workspace.save_run(
        body.name,
        body.note,
        body.spec,
        summary=body.summary,
        model=session.model.name,
        fingerprint=session.model.fingerprint,
    )
    return wire.RunId(id=run_id)


def opened(session: Session, body: wire.RunId) -> wire.SavedRun:
    """A saved run."""
    return _body(wire.SavedRun, session.workspace.export_run(body.id))


def delete(session: Session, body: wire.RunId) -> bytes:
    """Delete a saved run."""
    session.workspace.delete_run(body.id)
    return b""


def imported(session: Session, body: wire.ImportRunRequest) -> wire.RunId:
    """Keep a run from elsewhere."""
    with _in_run():
        return wire.RunId(id=session.workspace.import_run(body.run.model_dump()))


@contextmanager
def _in_run() -> Iterator[None]:
    """What is wrong is wrong with a field of the run."""
    try:
        yield
    except UnembedError as error:
        if error.field is not None and error.status == 400:
            error.field = f"run.{error.field}"
        raise
