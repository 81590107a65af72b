"""What a person keeps: saved runs and circuits, names given to nodes, notes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue, StrictInt, StrictStr

from unembed.node_labels import LONGEST, Source
from unembed.server.wire.base import Wire

Id = Annotated[StrictStr, Field(min_length=1, max_length=64)]
Fragment = Annotated[
    StrictStr, Field(description="What the app's address bar has after #: it says everything.")
]


class NodeName(Wire):
    """A node's own name and note, for this model."""

    node: Annotated[StrictStr, Field(max_length=64)] = Field(description='"L12.N512", "L9.H6" ...')
    name: StrictStr
    note: StrictStr = ""


class RunEntry(Wire):
    """A saved run in the list of them."""

    id: Id
    name: StrictStr
    note: StrictStr
    saved: StrictStr = Field(description="When, ISO 8601.")
    summary: StrictStr
    model: StrictStr = Field(description="The model that it was made with.")
    fingerprint: StrictStr


class CircuitEntry(Wire):
    """A saved circuit in the list of them."""

    id: Id
    name: StrictStr
    note: StrictStr
    saved: StrictStr = Field(description="When, ISO 8601.")
    model: StrictStr = Field(description="The model that it was found in.")
    fingerprint: StrictStr
    prompt: StrictStr = Field(description="Its beginning.")
    objective: StrictStr = Field(description="What is explained, in words.")
    n_kept: StrictInt = Field(description="How many edges the circuit has.")
    faithfulness: float | None


class SavedCircuit(CircuitEntry):
    """A saved circuit as it is kept, exported and imported."""

    unembed: Annotated[StrictInt, Field(ge=1, le=1)] = Field(
        description="Version of this format: 1."
    )
    corrupted: StrictStr = Field(description="The other prompt, as it was typed; may be empty.")
    spec: StrictStr = Field(description="What the app's address bar has after #; may be empty.")
    circuit: JsonValue = Field(description="As `POST /api/circuit` answers it.")


class SaveCircuitRequest(Wire):
    name: StrictStr
    note: StrictStr = ""
    corrupted: StrictStr = Field("", description="The other prompt, which a circuit does not say.")
    spec: StrictStr = Field("", description="What the app's address bar has after #.")
    circuit: JsonValue = Field(description="As `POST /api/circuit` answers it.")


class CircuitId(Wire):
    """Which saved circuit."""

    id: Id


class RenameCircuitRequest(Wire):
    id: Id
    name: StrictStr
    note: StrictStr = ""


class ImportCircuitRequest(Wire):
    saved: JsonValue = Field(description="What `POST /api/workspace/circuit/open` answers.")


class WorkspaceResponse(Wire):
    names: list[NodeName] = Field(description="Of the loaded model's nodes.")
    runs: list[RunEntry] = Field(description="Newest first.")
    circuits: list[CircuitEntry] = Field(description="Newest first.")


class SaveRunRequest(Wire):
    name: StrictStr
    note: StrictStr = ""
    spec: Fragment
    summary: StrictStr = Field("", description="One line for the list: the prompt, the edits.")


class RunId(Wire):
    """Which saved run."""

    id: Id


class SavedRun(Wire):
    """A saved run as it is kept, exported and imported."""

    unembed: Annotated[StrictInt, Field(ge=1, le=1)] = Field(
        description="Version of this format: 1."
    )
    id: Id
    name: StrictStr
    note: StrictStr
    saved: StrictStr
    spec: Fragment
    summary: StrictStr
    model: StrictStr
    fingerprint: StrictStr


class ImportRunRequest(Wire):
    run: SavedRun


class LabelEdit(Wire):
    """A label of a node of this model, or of an autoencoder attached to it."""

    node: Annotated[StrictStr, Field(max_length=64)] = Field(description='"L12.N512", "L6.F77" ...')
    text: Annotated[StrictStr, Field(max_length=LONGEST)] = Field(
        description="What it does, in words; empty: forget the label."
    )
    by: Annotated[StrictStr, Field(max_length=LONGEST)] = Field("", description="Who says so.")
    source: Source = Field("hand", description="Which label is forgotten; only yours is edited.")


class ImportLabelsRequest(Wire):
    labels: JsonValue = Field(
        description="What GET /api/explain/labels answers, or rows of Neuronpedia's exports."
    )


class LabelsKept(Wire):
    kept: StrictInt = Field(description="How many.")
