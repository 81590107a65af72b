"""The result of a logit lens: numbers with named axes. Knows tensors and tokens, no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from unembed.analyses.lens.options import Follow
from unembed.analyses.tools.result import Drawn, figures_of
from unembed.engine.names.tokens import Token
from unembed.errors import InputError
from unembed.result import ArrayComparison, ArrayResult, Axes, Columns

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from rich.console import RenderableType
    from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class LensResult(Drawn, ArrayResult):
    """What every row of the residual stream predicts at the positions that were read.

    Rows go from bottom to top: "embed", "L0.resid_post" ...; the last is the model's own output.
    Logit, probability and rank are those of `target_ids`, one token for each position; where a
    position has none (-1), they are NaN, NaN and 0. Logarithms are natural.
    """

    axes: ClassVar[Axes] = {
        "top_ids": ("row", "position", "k"),
        "top_logits": ("row", "position", "k"),
        "top_probabilities": ("row", "position", "k"),
        "logit": ("row", "position"),
        "probability": ("row", "position"),
        "rank": ("row", "position"),
        "kl": ("row", "position"),
        "entropy": ("row", "position"),
        "value": ("row", "position"),
        "target_ids": ("position",),
        "next_ids": ("position",),
    }

    rows: Annotated[
        tuple[str, ...],
        'Bottom to top: "embed", "L0.resid_mid", "L0.resid_post" ...; in parallel blocks '
        '"L0.resid_pre+attn_out" in place of resid_mid; after attention to an encoder '
        '"L0.resid_mid_cross". The last: the model\'s own output.',
    ]
    positions: Annotated[tuple[int, ...], "The positions read, ascending."]
    tokens: Annotated[tuple[Token, ...], "One for each position read."]
    n_prompt: Annotated[int, "Tokens of the whole prompt, all of which the model saw."]
    prompt_ids: tuple[int, ...]
    decoder: Annotated[str, 'Resolved: "final_norm", "L17" or "L17.mlp".']
    follow: Follow
    target: Annotated[
        Token | None,
        "The one that was asked for, of an objective the first; null: what `follow` says.",
    ]
    kl_floor: float | None
    vocabulary: Annotated[
        tuple[Token, ...],
        "Each token that occurs in top_ids, target_ids or next_ids, once, by id.",
    ]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    target_ids: Int[Tensor, " position"]  # -1: none
    # the prompt's own next token; -1 at its end, and in masked models
    next_ids: Int[Tensor, " position"]
    top_ids: Int[Tensor, "row position k"]  # best first
    top_logits: Float[Tensor, "row position k"]
    top_probabilities: Float[Tensor, "row position k"]
    logit: Float[Tensor, "row position"]
    probability: Float[Tensor, "row position"]
    rank: Int[Tensor, "row position"]  # 1 is the most likely token
    kl: Float[Tensor, "row position"]  # KL(last row ‖ row), nats
    entropy: Float[Tensor, "row position"]  # nats
    objective: Annotated[
        str | None,
        "What was asked for: \"logit of ' Tokyo'\", which is `logit`; or another objective, which "
        "is `value`. Null: what `follow` says.",
    ] = None
    value: Float[Tensor, "row position"] | None = None  # `objective`, unless it is `logit`
    source_tokens: Annotated[
        tuple[Token, ...], "What the encoder of an encoder-decoder was given."
    ] = ()

    def token(self, token_id: int) -> Token:
        """One of the tokens that occur in the result. Raises InputError for any other."""
        found = next((token for token in self.vocabulary if token.id == token_id), None)
        if found is None:
            raise InputError(f"token {token_id} does not occur in this lens", value=token_id)
        return found

    # ------------------------------------------------------------ as plain data and tables

    def summary(self) -> str:
        rated = f"the {self.follow} token" if self.target is None else repr(self.target.text)
        if self.value is not None:
            rated = f"by {self.objective}"
        return f"{len(self.rows)} rows × {len(self.positions)} positions, rating {rated}"

    def columns(self) -> Columns:
        """One row for each cell: row, position, its token, the top token, and the numbers.

        A token that there is none of (the target or the next one at the prompt's end) is None.
        """
        n_rows, n_positions = len(self.rows), len(self.positions)
        text = {token.id: token.text for token in self.vocabulary}
        rated = {} if self.value is None else {"value": self.value.flatten().tolist()}
        return {
            "row": [row for row in self.rows for _ in range(n_positions)],
            "position": list(self.positions) * n_rows,
            "token": [token.text for token in self.tokens] * n_rows,
            "top_token": [text[best] for best in self.top_ids[..., 0].flatten().tolist()],
            "top_logit": self.top_logits[..., 0].flatten().tolist(),
            "top_probability": self.top_probabilities[..., 0].flatten().tolist(),
            "target_token": [text.get(one) for one in self.target_ids.tolist()] * n_rows,
            "next_token": [text.get(one) for one in self.next_ids.tolist()] * n_rows,
            "logit": self.logit.flatten().tolist(),
            "probability": self.probability.flatten().tolist(),
            "rank": self.rank.flatten().tolist(),
            "kl": self.kl.flatten().tolist(),
            "entropy": self.entropy.flatten().tolist(),
            **rated,
        }

    def table(self, *choices: Any, **options: Any) -> RenderableType:
        """The grid for a terminal; see `unembed.figures.lens.table`."""
        table: RenderableType = figures_of(self).table(self, *choices, **options)
        return table

    def __rich__(self) -> RenderableType:
        return self.table()


@dataclass(frozen=True, eq=False, repr=False)
class LensComparison(ArrayComparison[LensResult]):
    """The lens of the baseline; with an enabled edit also that of the edited run.

    Both are of the same tokens, and score the same ones: the baseline's.

    Over HTTP this is the JSON under `__metadata__.lens`; the arrays lie beside it, those of each
    lens with "baseline." or "edited." before their names:
      top_ids U32, top_logits F32, top_probabilities F32, each [row, position, k];
      logit F32, probability F32, rank U32 (1 is the most likely), kl F32, entropy F32, each
      [row, position]: logit, probability and rank are those of the position's target, and NaN, NaN
      and 0 where it has none; kl is KL(last row ‖ row) in nats;
      target_ids U32, next_ids U32 [position]: the target, and the prompt's own next token;
      4294967295 where there is none.
    With an enabled edit also kl_between F32 [row, position]: KL(baseline ‖ edited) of a cell.
    """

    axes: ClassVar[Axes] = {"kl_between": ("row", "position")}

    baseline: LensResult
    edited: Annotated[LensResult | None, "Null where no edit is enabled."] = None
    kl_between: Float[Tensor, "row position"] | None = None

    def arrays(self) -> dict[str, Any]:
        """The arrays of both sides, as "baseline.kl", and what lies between them."""
        found = {} if self.kl_between is None else {"kl_between": self.kl_between}
        return found | super().arrays()

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, arrays too; null for what there is not."""
        between = None if self.kl_between is None else self.kl_between.tolist()
        return super().to_dict() | {"kl_between": between}
