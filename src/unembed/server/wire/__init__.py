"""The formats of what is answered: from them come the OpenAPI schema and the app's types.

A question is answered with a result, and `body_of` its class is the format. The bodies here are
those of the server itself: the model, jobs, errors, what a person keeps. What is asked has its
formats in `unembed.questions.requests`.

An answer depends on the request alone: what it took (`Server-Timing`) and whether a cached forward
pass served it (`X-Unembed-Cached`) are headers, never in a body.
"""

from __future__ import annotations

from unembed.server.wire.about import (
    Capability,
    Health,
    Limits,
    LoginRequest,
    ModelInfo,
)
from unembed.server.wire.base import ErrorBody, ErrorResponse, Wire
from unembed.server.wire.derived import body_of
from unembed.server.wire.jobs import (
    JobEvent,
)
from unembed.server.wire.workspace import (
    CircuitEntry,
    CircuitId,
    Fragment,
    Id,
    ImportCircuitRequest,
    ImportLabelsRequest,
    ImportRunRequest,
    LabelEdit,
    LabelsKept,
    NodeName,
    RenameCircuitRequest,
    RunEntry,
    RunId,
    SaveCircuitRequest,
    SavedCircuit,
    SavedRun,
    SaveRunRequest,
    WorkspaceResponse,
)

__all__ = [
    "Capability",
    "CircuitEntry",
    "CircuitId",
    "ErrorBody",
    "ErrorResponse",
    "Fragment",
    "Health",
    "Id",
    "ImportCircuitRequest",
    "ImportLabelsRequest",
    "ImportRunRequest",
    "JobEvent",
    "LabelEdit",
    "LabelsKept",
    "Limits",
    "LoginRequest",
    "ModelInfo",
    "NodeName",
    "RenameCircuitRequest",
    "RunEntry",
    "RunId",
    "SaveCircuitRequest",
    "SaveRunRequest",
    "SavedCircuit",
    "SavedRun",
    "Wire",
    "WorkspaceResponse",
    "body_of",
]
