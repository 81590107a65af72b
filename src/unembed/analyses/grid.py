"""The result of a logit lens: numbers with named axes. Knows tensors and tokens, no model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from unembed.engine.tokens import Token
from unembed.errors import InputError

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]
    from jaxtyping import Float, Int


@dataclass(frozen=True, eq=False)
class LensGrid:
    """What every row of the residual stream predicts at every position.

    Rows go from bottom to top: "embed", "L0.resid_post" ...; the last is the model's own output.
    Probability and rank are those of `target_ids`, one token for each position.
    """

    axes: ClassVar[dict[str, tuple[str, ...]]] = {
        "top_ids": ("row", "position", "k"),
        "top_probabilities": ("row", "position", "k"),
        "probability": ("row", "position"),
        "rank": ("row", "position"),
        "kl": ("row", "position"),
        "entropy": ("row", "position"),
        "target_ids": ("position",),
    }

    rows: tuple[str, ...]
    tokens: tuple[Token, ...]  # one for each position
    target: Token | None  # the one that was asked for; None: each position's final top token
    vocabulary: tuple[Token, ...]  # each token of top_ids and target_ids, once, by id
    target_ids: Int[Tensor, " position"]
    top_ids: Int[Tensor, "row position k"]  # best first
    top_probabilities: Float[Tensor, "row position k"]
    probability: Float[Tensor, "row position"]
    rank: Int[Tensor, "row position"]  # 0 is the best
    kl: Float[Tensor, "row position"]  # KL(last row ‖ row), nats
    entropy: Float[Tensor, "row position"]  # nats

    def arrays(self) -> dict[str, Tensor]:
        """Every array by name; `LensGrid.axes` names its axes."""
        return {name: getattr(self, name) for name in self.axes}

    def token(self, token_id: int) -> Token:
        """One of the tokens that occur in the grid."""
        found = next((token for token in self.vocabulary if token.id == token_id), None)
        if found is None:
            raise InputError(f"token {token_id} does not occur in this grid", value=token_id)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        return {
            "axes": {name: list(axes) for name, axes in self.axes.items()},
            "rows": list(self.rows),
            "tokens": [asdict(token) for token in self.tokens],
            "target": None if self.target is None else asdict(self.target),
            "vocabulary": [asdict(token) for token in self.vocabulary],
            **{name: array.tolist() for name, array in self.arrays().items()},
        }

    def to_json(self) -> str:
        """`to_dict` as JSON; an infinite divergence becomes null."""
        plain = self.to_dict()
        plain["kl"] = [[kl if kl < float("inf") else None for kl in row] for row in plain["kl"]]
        return json.dumps(plain, ensure_ascii=False, allow_nan=False)

    def to_pandas(self) -> pandas.DataFrame:
        """One line for each cell: row, position, its token, the top token, and the numbers."""
        try:
            import pandas
        except ImportError as error:
            raise InputError(
                "to_pandas needs pandas, which is not installed",
                fix="pip install 'unembed[notebook]'",
            ) from error
        n_rows, n_positions = len(self.rows), len(self.tokens)
        text = {token.id: token.text for token in self.vocabulary}
        return pandas.DataFrame(
            {
                "row": [row for row in self.rows for _ in range(n_positions)],
                "position": list(range(n_positions)) * n_rows,
                "token": [token.text for token in self.tokens] * n_rows,
                "top_token": [text[int(best)] for best in self.top_ids[..., 0].flatten()],
                "top_probability": self.top_probabilities[..., 0].flatten().tolist(),
                "target_token": [text[int(target)] for target in self.target_ids] * n_rows,
                "probability": self.probability.flatten().tolist(),
                "rank": self.rank.flatten().tolist(),
                "kl": self.kl.flatten().tolist(),
                "entropy": self.entropy.flatten().tolist(),
            }
        )
