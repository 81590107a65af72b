"""The grid of layers and positions."""

from __future__ import annotations

from pydantic import Field

from unembed.analyses.lens.options import Follow
from unembed.server.wire.base import TokenText, Wire


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
