"""Signing in, the loaded model, its tokens."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field, StrictStr

from unembed.analyses.attention.options import Part
from unembed.latents.description import AttachedSae
from unembed.server.wire.base import Wire
from unembed.server.wire.derived import body_of
from unembed.settings import Settings


class Health(Wire):
    status: Literal["ok"] = "ok"
    version: str


class LoginRequest(Wire):
    token: Annotated[StrictStr, Field(max_length=256)]


class Capability(Wire):
    """One thing that can be asked of this model, or why it cannot."""

    name: str = Field(description='A site ("pattern"), "neurons", "lens", "generate" ...')
    available: bool
    reason: str | None = Field(None, description="Why not, in one sentence.")


_ROWS: dict[str, Any] = {
    name: (int, Field(description=sentence)) for name, (_, sentence) in Settings.asked().items()
}
Limits = pydantic.create_model(
    "Limits", __base__=Wire, __doc__="The limits in force that a client can run into.", **_ROWS
)


_Attached = body_of(AttachedSae)


class ModelInfo(Wire):
    """The loaded model."""

    name: str
    family: str = Field(description='The Hugging Face model type: "gemma3_text".')
    kind: Literal["causal", "masked"]
    mask_token: str | None = Field(description="Text of the mask token of a masked model.")
    labels: list[str] = Field(
        description="Of a model whose head gives labels to texts or tokens; else empty."
    )
    labels_of: Literal["text", "token"] | None = Field(
        description="What those are given to: a text as a whole, at no position, or each of its "
        "tokens; null without labels."
    )
    fingerprint: str
    dtype: str
    device: str
    has_encoder: bool = Field(
        description="An encoder-decoder: beside the prompt, which is its decoder's, a request says "
        "what its encoder reads, `source`. All other facts are of the decoder."
    )
    n_layers: int
    n_encoder_layers: int = Field(description="0 without an encoder.")
    n_heads: int
    n_kv_heads: int
    attention_layers: list[int] = Field(
        description="Whose token mixer is attention: every layer, but in hybrids."
    )
    heads: dict[Part, list[int]] = Field(
        description="How many each layer has, 0 where none are known; those of other parts only "
        "with an encoder."
    )
    d_model: int
    d_head: int
    d_mlp: int
    vocab_size: int
    parallel_blocks: bool = Field(
        description="Attention and feed-forward read the same residual: there is no resid_mid."
    )
    attached: list[_Attached] = Field(  # type: ignore[valid-type]  # made of a dataclass
        description="Autoencoders whose latents are nodes, by layer; what was found of each."
    )
    capabilities: list[Capability]
    limits: Limits  # type: ignore[valid-type]  # made of the settings when this is imported
    examples: list[str] = Field(
        description="Prompts to start from; of an encoder-decoder what its encoder reads."
    )
    licence: str | None = None
    version: str = Field(description="Version of Unembed.")
