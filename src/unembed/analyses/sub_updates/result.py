"""The result of taking layers apart: plain data with names. Knows tensors and tokens, no model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from unembed.analyses.lens.result import finite
from unembed.analyses.tools.frames import data_frame
from unembed.errors import InputError

if TYPE_CHECKING:
    import pandas
    from jaxtyping import Float
    from torch import Tensor

    from unembed.analyses.component.component import TokenEffect
    from unembed.analyses.tools.effects import Method
    from unembed.engine.names.tokens import Token


@dataclass(frozen=True)
class Update:
    """One part of what a branch added at one position."""

    node: str  # "L12.N512", "L9.H6"; "bias" or "rest"
    activation: float | None  # neurons: the input of the output map
    norm: float  # of the write
    score: float  # neurons: activation times norm of one unit's write; others: the norm
    share: float = 0.0  # <write, added> / ‖added‖²
    promotes: tuple[TokenEffect, ...] = ()  # direct effect on the logits, most raised first
    suppresses: tuple[TokenEffect, ...] = ()  # most lowered first


@dataclass(frozen=True, eq=False)
class BranchUpdates:
    """One branch of one layer; its parts sum to what it added."""

    added_norm: float
    shown: tuple[Update, ...]  # largest |score| first
    bias: Update | None  # biases of the output map and of a post-norm, where there are any
    rest: Update  # all other nodes together
    explained: float  # share of the shown ones
    writes: Float[Tensor, "part d_model"]  # shown, bias if there is one, rest

    @property
    def parts(self) -> tuple[Update, ...]:
        """Every part, in the order of the rows of `writes`."""
        return (*self.shown, *([] if self.bias is None else [self.bias]), self.rest)


@dataclass(frozen=True, eq=False)
class LayerUpdates:
    """One layer: its heads and its neurons, or why they cannot be shown."""

    layer: int
    heads: BranchUpdates | None
    neurons: BranchUpdates | None
    heads_reason: str | None = None
    neurons_reason: str | None = None


@dataclass(frozen=True, eq=False)
class SubUpdates:
    """What the layers of a run added at one position, taken apart."""

    position: int
    token: Token  # the prompt's token at the position
    layers: tuple[LayerUpdates, ...]
    method: Method | None  # of the effects on logits; None where the model has no lens
    provenance: Mapping[str, str]

    def layer(self, layer: int) -> LayerUpdates:
        """One of the layers that were taken apart. Raises InputError for any other."""
        found = next((one for one in self.layers if one.layer == layer), None)
        if found is None:
            legal = ", ".join(str(one.layer) for one in self.layers)
            raise InputError(
                f"layer {layer} was not taken apart; layers {legal} were",
                field="layer",
                value=layer,
                legal=legal,
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings; the vectors written are left out."""
        return {
            "position": self.position,
            "token": asdict(self.token),
            "method": self.method,
            "provenance": dict(self.provenance),
            "layers": [
                {
                    "layer": one.layer,
                    "heads": _branch(one.heads),
                    "heads_reason": one.heads_reason,
                    "neurons": _branch(one.neurons),
                    "neurons_reason": one.neurons_reason,
                }
                for one in self.layers
            ],
        }

    def to_json(self) -> str:
        """`to_dict` as JSON; what JSON has no number for becomes null."""
        return json.dumps(finite(self.to_dict()), ensure_ascii=False, allow_nan=False)

    def to_pandas(self) -> pandas.DataFrame:
        """One line for each part of each branch, biases and rests included."""
        return data_frame(
            [
                _line(one.layer, branch, update)
                for one in self.layers
                for branch, updates in (("heads", one.heads), ("neurons", one.neurons))
                if updates is not None
                for update in updates.parts
            ]
        )


def _branch(one: BranchUpdates | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "added_norm": one.added_norm,
        "explained": one.explained,
        "shown": [asdict(update) for update in one.shown],
        "bias": None if one.bias is None else asdict(one.bias),
        "rest": asdict(one.rest),
    }


def _line(layer: int, branch: str, update: Update) -> dict[str, Any]:
    return {
        "layer": layer,
        "branch": branch,
        "node": update.node,
        "activation": update.activation,
        "norm": update.norm,
        "score": update.score,
        "share": update.share,
        "promotes": [one.token.text for one in update.promotes],
        "suppresses": [one.token.text for one in update.suppresses],
    }
