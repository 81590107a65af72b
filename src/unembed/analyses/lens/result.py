"""The result of a logit lens: numbers with named axes. Knows tensors and tokens, no model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import Tensor

from unembed.analyses.tools.frames import data_frame
from unembed.analyses.tools.result import Drawn, figures_of
from unembed.engine.names.tokens import Token
from unembed.errors import InputError

if TYPE_CHECKING:
    import pandas
    from jaxtyping import Float, Int
    from rich.console import RenderableType

Follow = Literal["final", "next", "input"]


@dataclass(frozen=True, eq=False)
class LensResult(Drawn):
    """What every row of the residual stream predicts at the positions that were read.

    Rows go from bottom to top: "embed", "L0.resid_post" ...; the last is the model's own output.
    Logit, probability and rank are those of `target_ids`, one token for each position; where a
    position has none (-1), they are NaN, NaN and 0. Logarithms are natural.
    """

    axes: ClassVar[dict[str, tuple[str, ...]]] = {
        "top_ids": ("row", "position", "k"),
        "top_logits": ("row", "position", "k"),
        "top_probabilities": ("row", "position", "k"),
        "logit": ("row", "position"),
        "probability": ("row", "position"),
        "rank": ("row", "position"),
        "kl": ("row", "position"),
        "entropy": ("row", "position"),
        "target_ids": ("position",),
        "next_ids": ("position",),
    }

    rows: tuple[str, ...]
    positions: tuple[int, ...]  # the ones read, ascending
    tokens: tuple[Token, ...]  # one for each position read
    n_prompt: int  # tokens of the whole prompt, all of which the model saw
    prompt_ids: tuple[int, ...]
    decoder: str  # "final_norm", "L17", "L17.mlp"
    follow: Follow
    target: Token | None  # the one that was asked for; None: what `follow` says
    kl_floor: float | None
    vocabulary: tuple[Token, ...]  # each token of top_ids, target_ids and next_ids, once, by id
    provenance: Mapping[str, str]
    target_ids: Int[Tensor, " position"]  # -1: none
    next_ids: Int[
        Tensor, " position"
    ]  # the prompt's own next token; -1 at its end, and in masked models
    top_ids: Int[Tensor, "row position k"]  # best first
    top_logits: Float[Tensor, "row position k"]
    top_probabilities: Float[Tensor, "row position k"]
    logit: Float[Tensor, "row position"]
    probability: Float[Tensor, "row position"]
    rank: Int[Tensor, "row position"]  # 1 is the most likely token
    kl: Float[Tensor, "row position"]  # KL(last row ‖ row), nats
    entropy: Float[Tensor, "row position"]  # nats

    def arrays(self) -> dict[str, Tensor]:
        """Every array by name; `LensResult.axes` names its axes."""
        return {name: getattr(self, name) for name in self.axes}

    def token(self, token_id: int) -> Token:
        """One of the tokens that occur in the result. Raises InputError for any other."""
        found = next((token for token in self.vocabulary if token.id == token_id), None)
        if found is None:
            raise InputError(f"token {token_id} does not occur in this lens", value=token_id)
        return found

    # ------------------------------------------------------------ as plain data

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        return {
            "axes": {name: list(axes) for name, axes in self.axes.items()},
            "rows": list(self.rows),
            "positions": list(self.positions),
            "tokens": [asdict(token) for token in self.tokens],
            "n_prompt": self.n_prompt,
            "prompt_ids": list(self.prompt_ids),
            "decoder": self.decoder,
            "follow": self.follow,
            "target": None if self.target is None else asdict(self.target),
            "kl_floor": self.kl_floor,
            "vocabulary": [asdict(token) for token in self.vocabulary],
            "provenance": dict(self.provenance),
            **{name: array.tolist() for name, array in self.arrays().items()},
        }

    def to_json(self) -> str:
        """`to_dict` as JSON; what JSON has no number for (infinite, none) becomes null."""
        return json.dumps(finite(self.to_dict()), ensure_ascii=False, allow_nan=False)

    def to_pandas(self) -> pandas.DataFrame:
        """One line for each cell: row, position, its token, the top token, and the numbers.

        A token that there is none of (the target or the next one at the prompt's end) is None.
        """
        n_rows, n_positions = len(self.rows), len(self.positions)
        text = {token.id: token.text for token in self.vocabulary}
        return data_frame(
            {
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
            }
        )

    # ------------------------------------------------------------ in a terminal

    def table(self, *choices: Any, **options: Any) -> RenderableType:
        """The grid for a terminal; see `unembed.figures.lens.table`."""
        table: RenderableType = figures_of(self).table(self, *choices, **options)
        return table

    def __rich__(self) -> RenderableType:
        return self.table()


def finite(data: Any) -> Any:
    """The same plain data with None for numbers that JSON does not have."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    return [finite(value) for value in data] if isinstance(data, list) else data
