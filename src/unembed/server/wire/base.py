"""What bodies are made of: the strict base, errors."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Wire(BaseModel):
    """The base of every body."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class ErrorBody(Wire):
    """What went wrong, and what would mend it."""

    code: str
    message: str
    field: str | None = Field(None, description='Where in the request: "edits[0].target".')
    value: str | None = Field(None, description="The offending value, shortened.")
    legal: str | None = None
    fix: str | None = None


class ErrorResponse(Wire):
    """The one error shape."""

    error: ErrorBody
