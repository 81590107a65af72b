"""The formats that cross the wire: one pydantic model per body, from which the OpenAPI schema,
and from it the app's TypeScript types, are made. Knows no torch and no model.

Unknown fields are refused, types are strict (no "3" for 3, no true for 1), numbers are finite.
Layers, heads and positions are 0-based; a negative position counts from the end.

An answer depends on the request alone: what it took (`Server-Timing`) and whether a cached forward
pass served it (`X-Unembed-Cached`) are headers, never in a body.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

Operation = Literal["zero", "scale", "set_to", "add", "patch"]
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


# ---------------------------------------------------------------- errors, access


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


class Health(Wire):
    status: Literal["ok"] = "ok"
    version: str


class LoginRequest(Wire):
    token: Annotated[StrictStr, Field(max_length=256)]


# ---------------------------------------------------------------- the model


class Capability(Wire):
    """One thing that can be asked of this model, or why it cannot."""

    name: str = Field(description='A site ("pattern"), "neurons", "lens", "generate" ...')
    available: bool
    reason: str | None = Field(None, description="Why not, in one sentence.")


class Limits(Wire):
    """The limits in force that a client can run into."""

    max_prompt_tokens: int
    max_prompt_chars: int
    max_edits: int
    max_k: int
    max_new_tokens: int
    max_lens_cells: int


class ModelInfo(Wire):
    """The loaded model."""

    name: str
    family: str = Field(description='The Hugging Face model type: "gemma3_text".')
    kind: Literal["causal", "masked"]
    mask_token: str | None = Field(description="Text of the mask token of a masked model.")
    fingerprint: str
    dtype: str
    device: str
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    d_head: int
    d_mlp: int
    vocab_size: int
    parallel_blocks: bool = Field(
        description="Attention and feed-forward read the same residual: there is no resid_mid."
    )
    capabilities: list[Capability]
    limits: Limits
    examples: list[str] = Field(description="Prompts to start from.")
    licence: str | None = None
    version: str = Field(description="Version of Unembed.")


# ---------------------------------------------------------------- tokens


class TokenText(Wire):
    """A token as a person reads it."""

    id: int
    text: str = Field(description="What the token decodes to; a replacement for half a character.")
    label: str = Field(description="Visible form: ␣ ↵ ⇥ for white space, ⟨0xE2⟩ for a lone byte.")
    special: bool = False


class TokenizeRequest(Wire):
    prompt: Prompt


class TokenizeResponse(Wire):
    tokens: list[TokenText]
    limit: int = Field(description="The most tokens that a prompt may have.")


# ---------------------------------------------------------------- edits


class PatchSource(Wire):
    """Where a patch takes its activation from."""

    prompt: Prompt
    positions: Positions | None = Field(
        None, description="Positions there, one for each of the edit's; the same ones if absent."
    )


class EditSpec(Wire):
    """An intervention, as data."""

    target: Annotated[StrictStr, Field(max_length=64)] = Field(
        description='"L12.N512", "L9.H6", "L9.H6@14", "L9.H6@14<3", "L5.attn", "L5.resid_post"',
    )
    operation: Operation
    value: Number | Numbers | None = Field(
        None, description="Factor of scale; value of set_to; vector, or one number, of add."
    )
    positions: Positions | None = Field(None, description="Absent: every position.")
    stage: Stage = Field("post", description="Neurons: before or after the activation function.")
    source: PatchSource | None = Field(None, description="For patch, and only for it.")
    enabled: bool = Field(True, description="False keeps the edit and leaves it out of the run.")


# ---------------------------------------------------------------- predictions


class Experiment(Wire):
    """What every analysis starts from: a prompt, and what is changed while it runs."""

    prompt: Prompt
    edits: Annotated[list[EditSpec], Field(fail_fast=True)] = []
    job: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")] | None = Field(
        None, description="A name of the client's choice, to follow or cancel the work by."
    )


class PredictionsRequest(Experiment):
    position: Position = -1
    top_k: Annotated[StrictInt, Field(ge=1)] = 10
    target: TokenRef | None = None
    distractor: TokenRef | None = None


class TokenProbability(Wire):
    token: TokenText
    probability: float
    logit: float


class TargetScore(Wire):
    """How one distribution rates one token."""

    probability: float
    logit: float
    rank: int = Field(description="1 for the most likely token: 1 + how many have a higher logit.")


class Reading(Wire):
    """What one state of the residual stream predicts."""

    top: list[TokenProbability]
    entropy: float = Field(description="Nats.")
    kl_to_final: float = Field(description="KL(final ‖ this), nats; 0 for the final distribution.")
    target: TargetScore | None = None
    distractor: TargetScore | None = None


class LayerReading(Wire):
    """One layer: before attention, after attention, after feed-forward."""

    layer: int
    resid_pre: Reading
    resid_mid: Reading | None = Field(None, description="Absent where blocks are parallel.")
    resid_post: Reading


class PredictionSide(Wire):
    """One run, read at one position."""

    next_token: Reading
    layers: list[LayerReading] | None = Field(description="Absent where the model has no lens.")


class TokenChange(Wire):
    """One token of either side's top k, in both distributions."""

    token: TokenText
    baseline_probability: float
    edited_probability: float
    baseline_rank: int
    edited_rank: int


class PredictionsResponse(Wire):
    tokens: list[TokenText]
    position: int = Field(description="Resolved: never negative.")
    target: TokenText | None = None
    distractor: TokenText | None = None
    baseline: PredictionSide
    edited: PredictionSide | None = Field(None, description="Present when an edit is enabled.")
    changes: list[TokenChange] | None = Field(
        None, description="Union of both top-k lists, largest change of probability first."
    )
    kl: float | None = Field(None, description="KL(baseline ‖ edited) at the position, nats.")


# ---------------------------------------------------------------- lens


class LensRequest(Experiment):
    """The grid of layers and positions. Answered as safetensors bytes: see LensMetadata."""

    positions: Positions | None = Field(
        None, description="Which positions to read; absent: all. The model sees the whole prompt."
    )
    layer_step: Annotated[StrictInt, Field(ge=1, le=2**31 - 1)] = Field(
        1, description="Rows of blocks 0, n, 2n ... and of the last block."
    )
    include_embedding: bool = Field(True, description='Whether "embed" is a row.')
    subblocks: bool = Field(
        False,
        description="Also a row after each attention; in a parallel block the row is the stream "
        "with attention's write alone, which is no state of the model.",
    )
    decoder: Annotated[StrictStr, Field(max_length=32)] = Field(
        "final_norm",
        description='What a row is run through before it is read: "final_norm", "L17" (block 17 '
        'and everything after), "L17.mlp", "last_block", "last_mlp". One pass for each row.',
    )
    top_k: Annotated[StrictInt, Field(ge=1, le=20)] = 10
    target: TokenRef | None = Field(
        None, description="What logit, probability and rank are of; absent: see `follow`."
    )
    follow: Follow = Field(
        "final",
        description="Without a target: each position's final top token, the prompt's next token, "
        "or the token at the position itself.",
    )
    kl_floor: Floor | None = Field(
        None,
        description="Clips both distributions of kl from below, without renormalising them: above "
        "0, at most 1 / vocabulary. Absent: the exact divergence.",
    )


class LensMetadata(Wire):
    """The JSON under `__metadata__.lens` of a lens answer.

    Arrays, each for "baseline." and, with an enabled edit, "edited.":
      top_ids U32, top_logits F32, top_probabilities F32, each [row, position, k];
      logit F32, probability F32, rank U32 (1 is the most likely), kl F32, entropy F32, each
      [row, position]: logit, probability and rank are those of the position's target, and NaN, NaN
      and 0 where it has none; kl is KL(last row ‖ row) in nats;
      target_ids U32, next_ids U32 [position]: the target, and the prompt's own next token;
      4294967295 where there is none.
    With an enabled edit also kl_between F32 [row, position]: KL(baseline ‖ edited) of a cell.
    """

    rows: list[str] = Field(
        description='Bottom to top: "embed", "L0.resid_mid", "L0.resid_post" ...; in parallel '
        'blocks "L0.resid_pre+attn_out" in place of resid_mid. The last: the model\'s own output.'
    )
    positions: list[int] = Field(description="The positions read, ascending.")
    tokens: list[TokenText] = Field(description="One for each position read.")
    n_prompt: int = Field(description="Tokens of the whole prompt.")
    decoder: str = Field(description='Resolved: "final_norm", "L17" or "L17.mlp".')
    follow: Follow
    vocabulary: list[TokenText] = Field(
        description="Each token that occurs in top_ids, target_ids or next_ids, once."
    )
    target: TokenText | None
    edited: bool


# ---------------------------------------------------------------- a node


class ComponentRequest(Experiment):
    target: Annotated[StrictStr, Field(max_length=64)] = Field(
        description='A node: "L12.N512", "L9.H6", "L5.attn", "L5.mlp", "embed".'
    )
    position: Position = -1
    top_k: Annotated[StrictInt, Field(ge=1)] = 10


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


# ---------------------------------------------------------------- generation


class GenerateRequest(Experiment):
    max_new_tokens: Annotated[StrictInt, Field(ge=1)] = 20
    temperature: Temperature = Field(0, description="0 is greedy.")
    seed: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)] = 0


class GenerateResponse(Wire):
    prompt_tokens: list[TokenText]
    baseline: list[TokenText]
    baseline_text: str
    edited: list[TokenText] | None = None
    edited_text: str | None = None


# ---------------------------------------------------------------- jobs


class JobEvent(Wire):
    """One server-sent event of `GET /api/jobs/{job}/events`; the event's name is `state`."""

    job: str
    state: Literal["queued", "running", "done", "cancelled", "failed"]
    stage: str = Field(description='"waiting", "forward pass", "projecting" ...')
    done: int
    total: int
    ahead: int = Field(0, description="Requests ahead in the queue.")
    seconds_left: float | None = None
