"""The formats of what is answered: one pydantic model per body, from which the OpenAPI schema, and
from it the app's TypeScript types, are made. Knows no torch and no model. What is asked about a
model has its formats in `unembed.questions.requests`.

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
    TokenizeResponse,
)
from unembed.server.wire.base import (
    ErrorBody,
    ErrorResponse,
    TokenText,
    Wire,
)
from unembed.server.wire.flow import (
    CutScore,
    FlowCut,
    FlowEffect,
    FlowEffects,
    FlowLink,
    FlowNode,
    FlowReading,
    FlowResponse,
    FlowScore,
    FlowSide,
    FlowSum,
    FlowTarget,
    FlowToken,
)
from unembed.server.wire.generation import (
    GenerateResponse,
    GenerateToken,
)
from unembed.server.wire.index import (
    Clustering,
    ClusterResponse,
    ClustersResponse,
    ClusterSummary,
    Hit,
    HitsResponse,
    IndexAbout,
    IndexBuilding,
    IndexEstimate,
    IndexStatus,
    TokenScore,
    VectorResponse,
)
from unembed.server.wire.jobs import (
    JobEvent,
)
from unembed.server.wire.lens import (
    LensMetadata,
)
from unembed.server.wire.nodes import (
    ComponentResponse,
    TokenEffect,
)
from unembed.server.wire.predictions import (
    LayerReading,
    PredictionSide,
    PredictionsResponse,
    Reading,
    TargetScore,
    TokenChange,
    TokenProbability,
)
from unembed.server.wire.updates import (
    BranchUpdates,
    Update,
)
from unembed.server.wire.workspace import (
    Fragment,
    Id,
    ImportRunRequest,
    NodeName,
    RunEntry,
    RunId,
    SavedRun,
    SaveRunRequest,
    WorkspaceResponse,
)

__all__ = [
    "BranchUpdates",
    "Capability",
    "ClusterResponse",
    "ClusterSummary",
    "Clustering",
    "ClustersResponse",
    "ComponentResponse",
    "CutScore",
    "ErrorBody",
    "ErrorResponse",
    "FlowCut",
    "FlowEffect",
    "FlowEffects",
    "FlowLink",
    "FlowNode",
    "FlowReading",
    "FlowResponse",
    "FlowScore",
    "FlowSide",
    "FlowSum",
    "FlowTarget",
    "FlowToken",
    "Fragment",
    "GenerateResponse",
    "GenerateToken",
    "Health",
    "Hit",
    "HitsResponse",
    "Id",
    "ImportRunRequest",
    "IndexAbout",
    "IndexBuilding",
    "IndexEstimate",
    "IndexStatus",
    "JobEvent",
    "LayerReading",
    "LensMetadata",
    "Limits",
    "LoginRequest",
    "ModelInfo",
    "NodeName",
    "PredictionSide",
    "PredictionsResponse",
    "Reading",
    "RunEntry",
    "RunId",
    "SaveRunRequest",
    "SavedRun",
    "TargetScore",
    "TokenChange",
    "TokenEffect",
    "TokenProbability",
    "TokenScore",
    "TokenText",
    "TokenizeResponse",
    "Update",
    "VectorResponse",
    "Wire",
    "WorkspaceResponse",
]
