"""The formats that cross the wire: one pydantic model per body, from which the OpenAPI schema,
and from it the app's TypeScript types, are made. Knows no torch and no model.

Unknown fields are refused, types are strict (no "3" for 3, no true for 1), numbers are finite.
Layers, heads and positions are 0-based; a negative position counts from the end.

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
    TokenizeRequest,
    TokenizeResponse,
)
from unembed.server.wire.base import (
    FP32_MAX,
    ErrorBody,
    ErrorResponse,
    Floor,
    Follow,
    Number,
    Numbers,
    Operation,
    Position,
    Positions,
    Prompt,
    Stage,
    Temperature,
    TokenId,
    TokenRef,
    TokenText,
    Wire,
)
from unembed.server.wire.experiments import (
    EditSpec,
    Experiment,
    JobEvent,
    PatchSource,
)
from unembed.server.wire.generation import (
    GenerateRequest,
    GenerateResponse,
)
from unembed.server.wire.lens import (
    LensMetadata,
    LensRequest,
)
from unembed.server.wire.nodes import (
    ComponentRequest,
    ComponentResponse,
    TokenEffect,
)
from unembed.server.wire.predictions import (
    LayerReading,
    PredictionSide,
    PredictionsRequest,
    PredictionsResponse,
    Reading,
    TargetScore,
    TokenChange,
    TokenProbability,
)

__all__ = [
    "FP32_MAX",
    "Capability",
    "ComponentRequest",
    "ComponentResponse",
    "EditSpec",
    "ErrorBody",
    "ErrorResponse",
    "Experiment",
    "Floor",
    "Follow",
    "GenerateRequest",
    "GenerateResponse",
    "Health",
    "JobEvent",
    "LayerReading",
    "LensMetadata",
    "LensRequest",
    "Limits",
    "LoginRequest",
    "ModelInfo",
    "Number",
    "Numbers",
    "Operation",
    "PatchSource",
    "Position",
    "Positions",
    "PredictionSide",
    "PredictionsRequest",
    "PredictionsResponse",
    "Prompt",
    "Reading",
    "Stage",
    "TargetScore",
    "Temperature",
    "TokenChange",
    "TokenEffect",
    "TokenId",
    "TokenProbability",
    "TokenRef",
    "TokenText",
    "TokenizeRequest",
    "TokenizeResponse",
    "Wire",
]
