"""The result of taking layers apart: plain data with names. Knows tensors and tokens, no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from unembed.analyses.component.result import TokenEffect
from unembed.analyses.tools.effects import Method
from unembed.engine.names.tokens import Token
from unembed.errors import InputError
from unembed.result import Axes, Columns, Result, columns_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class Update:
    """One part of what a branch added at one position: a sub-update, the biases, or the rest."""

    node: Annotated[str, '"L12.N512", "L9.H6"; "bias" or "rest".']
    activation: Annotated[float | None, "Neurons: the input of the output map."]
    norm: Annotated[float, "Norm of the write."]
    score: Annotated[
        float,
        "Neurons: activation times the norm of what one unit writes, signed; others: the norm.",
    ]
    share: Annotated[
        float, "<write, added> / ‖added‖²: all shares of a branch sum to 1; may be negative."
    ] = 0.0
    promotes: Annotated[tuple[TokenEffect, ...], "Direct effect, most raised first."] = ()
    suppresses: Annotated[tuple[TokenEffect, ...], "Direct effect, most lowered first."] = ()
    attributed: Annotated[
        float | None, "Direct effect on the objective; null where none was asked for."
    ] = None


@dataclass(frozen=True, eq=False)
class BranchUpdates:
    """Neurons, or heads, of one layer: shown parts, biases and rest sum to what was added."""

    axes: ClassVar[Axes] = {"writes": ("part", "d_model")}

    added_norm: Annotated[float, "Norm of what the branch added."]
    shown: Annotated[tuple[Update, ...], "Largest |score| first."]
    bias: Annotated[
        Update | None, "Biases of the output map and of a post-norm, where there are any."
    ]
    rest: Annotated[Update, "All other nodes together."]
    explained: Annotated[float, "Share of the shown parts."]
    writes: Float[Tensor, "part d_model"] = field(repr=False)  # shown, bias if there is one, rest

    @property
    def parts(self) -> tuple[Update, ...]:
        """Every part, in the order of the rows of `writes`."""
        return (*self.shown, *([] if self.bias is None else [self.bias]), self.rest)


@dataclass(frozen=True, eq=False)
class LayerUpdates:
    """One layer: its heads and its neurons, or why they cannot be shown."""

    layer: int
    heads: Annotated[BranchUpdates | None, "What attention added, taken apart."]
    neurons: Annotated[BranchUpdates | None, "What the feed-forward added, taken apart."]
    heads_reason: Annotated[str | None, "Why attention is not taken apart."] = None
    neurons_reason: Annotated[str | None, "Why the feed-forward is not."] = None
    cross_heads: Annotated[
        BranchUpdates | None,
        "What attention to the encoder added, taken apart; null without an encoder.",
    ] = None
    cross_heads_reason: Annotated[str | None, "Why that is not taken apart."] = None

    def branches(self) -> list[tuple[str, BranchUpdates]]:
        """What is taken apart, in the order in which the block adds it."""
        named = ("heads", "cross_heads", "neurons")
        found = [(name, getattr(self, name)) for name in named]
        return [(name, one) for name, one in found if one is not None]


@dataclass(frozen=True, eq=False, repr=False)
class SubUpdates(Result):
    """What the layers of a run added at one position, taken apart."""

    axes: ClassVar[Axes] = {
        "norm": ("table_row",),
        "score": ("table_row",),
        "share": ("table_row",),
    }

    position: int
    token: Annotated[Token, "The prompt's token at the position."]
    layers: tuple[LayerUpdates, ...]
    method: Annotated[
        Method | None, "How effects on logits were computed; null where the model has no lens."
    ]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    objective: Annotated[
        str | None, "What `attributed` is on, in words: \"logit of ' Tokyo'\"."
    ] = None

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

    def summary(self) -> str:
        layers = ", ".join(str(one.layer) for one in self.layers)
        return f"layers {layers} at position {self.position}, {self.token.text!r}"

    def columns(self) -> Columns:
        """One row for each part of each branch, biases and rests included."""
        return columns_of(
            _row(one.layer, branch, update)
            for one in self.layers
            for branch, updates in one.branches()
            for update in updates.parts
        )


def _row(layer: int, branch: str, update: Update) -> dict[str, Any]:
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
        "attributed": update.attributed,
    }
