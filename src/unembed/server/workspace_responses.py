"""The workspace in wire formats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from unembed.analyses.tools.writes import node_of
from unembed.engine.targets import Target
from unembed.errors import InputError, TargetError, UnembedError
from unembed.latents.sae import owner_of, owners
from unembed.questions.tokens import naming
from unembed.server import wire
from unembed.session import Session

Body = TypeVar("Body", bound=wire.Wire)


def everything(session: Session) -> wire.WorkspaceResponse:
    """Names of this model's nodes; saved runs and circuits of all models."""
    kept = session.workspace
    whose = (session.model.fingerprint, *owners(session.model))
    names = [name for owner in whose for name in kept.names(owner)]
    return _body(
        wire.WorkspaceResponse,
        {"names": names, "runs": kept.list_runs(), "circuits": kept.list_circuits()},
    )


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
    with _in("run"):
        return wire.RunId(id=session.workspace.import_run(body.run.model_dump()))


def save_circuit(session: Session, body: wire.SaveCircuitRequest) -> wire.CircuitId:
    """Keep a circuit."""
    kept = session.workspace.save_circuit(
        body.name,
        _mapping(body.circuit, "circuit"),
        note=body.note,
        corrupted=body.corrupted,
        spec=body.spec,
    )
    return wire.CircuitId(id=kept)


def open_circuit(session: Session, body: wire.CircuitId) -> wire.SavedCircuit:
    """A saved circuit."""
    return _body(wire.SavedCircuit, session.workspace.export_circuit(body.id))


def rename_circuit(session: Session, body: wire.RenameCircuitRequest) -> bytes:
    """Another name and note."""
    session.workspace.rename_circuit(body.id, body.name, body.note)
    return b""


def delete_circuit(session: Session, body: wire.CircuitId) -> bytes:
    """Delete a saved circuit."""
    session.workspace.delete_circuit(body.id)
    return b""


def import_circuit(session: Session, body: wire.ImportCircuitRequest) -> wire.CircuitId:
    """Keep a circuit from elsewhere."""
    with _in("saved"):
        return wire.CircuitId(id=session.workspace.import_circuit(_mapping(body.saved, "")))


def _mapping(data: object, field: str) -> dict[str, object]:
    if not isinstance(data, dict):
        raise InputError("this is no circuit: it is no object", field=field, legal="an object")
    return data


@contextmanager
def _in(name: str) -> Iterator[None]:
    """What is wrong is wrong with a field of what is imported."""
    try:
        yield
    except UnembedError as error:
        if error.field is not None and error.status == 400:
            error.field = f"{name}.{error.field}".rstrip(".")
        raise
