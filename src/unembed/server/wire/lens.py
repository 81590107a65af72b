"""The grid of layers and positions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt, StrictStr

from unembed.server.wire.base import Floor, Follow, Positions, TokenRef, TokenText, Wire
from unembed.server.wire.experiments import Experiment


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
