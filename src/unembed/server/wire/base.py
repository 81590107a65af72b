"""What bodies are made of: the strict base, numbers in their ranges, errors, tokens."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

Operation = Literal["zero", "scale", "set_to", "add", "patch", "on", "lmd_on", "lmd_off", "cut"]
Stage = Literal["pre", "post"]
Follow = Literal["final", "next", "input"]
FP32_MAX = 3.4028234663852886e38
TokenId = Annotated[StrictInt, Field(ge=0, le=2**31 - 1)]
Position = Annotated[StrictInt, Field(ge=-(2**31), le=2**31 - 1)]
Number = (
    Annotated[StrictFloat, Field(ge=-FP32_MAX, le=FP32_MAX)]
    | Annotated[StrictInt, Field(ge=-int(FP32_MAX), le=int(FP32_MAX))]
)
Temperature = Annotated[StrictFloat, Field(ge=0, le=10)] | Annotated[StrictInt, Field(ge=0, le=10)]
Floor = Annotated[StrictFloat, Field(gt=0, le=1)] | Annotated[StrictInt, Field(ge=1, le=1)]
Positions = Annotated[list[Position], Field(fail_fast=True)]
Numbers = Annotated[list[Number], Field(fail_fast=True)]
Prompt = Annotated[
    StrictStr | Annotated[list[TokenId], Field(fail_fast=True)],
    Field(description="Text, which the model's tokenizer splits, or token ids used as they are."),
]
TokenRef = Annotated[
    StrictStr | TokenId,
    Field(description="One token: its id, or text that the tokenizer makes exactly one token of."),
]


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


class TokenText(Wire):
    """A token as a person reads it."""

    id: int
    text: str = Field(description="What the token decodes to; a replacement for half a character.")
    label: str = Field(description="Visible form: ␣ ↵ ⇥ for white space, ⟨0xE2⟩ for a lone byte.")
    special: bool = False
