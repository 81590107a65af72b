"""One node on one prompt."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unembed.server.wire.base import TokenText, Wire


class TokenEffect(Wire):
    token: TokenText
    logit: float = Field(description="Direct effect on the token's logit: see `method`.")


class ComponentResponse(Wire):
    """A node: what it writes, and what that promotes."""

    target: str
    kind: Literal["head", "neuron", "attn", "mlp", "embed"]
    layer: int | None
    position: int
    tokens: list[TokenText]
    activation: list[float] = Field(
        description="Per position: a neuron's activation; for others the norm of what they write."
    )
    activation_name: str = Field(
        description='What `activation` is: "mlp_post", "norm of the write".'
    )
    promotes: list[TokenEffect]
    suppresses: list[TokenEffect]
    attends_to: list[float] | None = Field(
        None, description="Heads: the row of the pattern at the position."
    )
    write_norm: float = Field(description="Norm of what the node writes at the position.")
    resid_norm: float = Field(description="Norm of the residual stream that it writes to.")
    method: Literal["frozen", "difference"] = Field(
        description="Effects with norms frozen at the run, or by taking the write out."
    )
