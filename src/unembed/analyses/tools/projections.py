"""Value vectors read as tokens: from the residual stream to scores of the vocabulary.

Two projections (V = W_U, g = weight of the final norm):

    raw          V · v                                   as Geva et al. 2022 and LM-Debugger do
    final_norm   V · (g ∘ v), v centred for LayerNorm    what the final norm does, but for its scale

Biases, soft caps and multipliers of the logits are left out of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.static_norms import StaticNorm, static_norm
from unembed.engine.loaded import Loaded
from unembed.engine.names.tokens import Token
from unembed.errors import CapabilityError, InputError
from unembed.models.maps import is_map, weight_in_out

if TYPE_CHECKING:
    from jaxtyping import Float


ProjectionName = Literal["raw", "final_norm"]
PROJECTIONS: tuple[ProjectionName, ...] = get_args(ProjectionName)


@dataclass(frozen=True)
class TokenScore:
    """A token, and how far a vector's projection raises it."""

    token: Token
    score: float


@dataclass(frozen=True)
class Projection:
    """What stands between a value vector and W_U, as a linear map. Make one with `projection`."""

    name: ProjectionName
    steps: tuple[StaticNorm | Tensor, ...]

    def __call__(self, vectors: Float[Tensor, "n d_model"]) -> Float[Tensor, "n d_unembed"]:
        """What W_U is to be multiplied with, for each vector."""
        for step in self.steps:
            vectors = step.carry(vectors) if isinstance(step, StaticNorm) else vectors @ step
        return vectors

    def back(self, rows: Float[Tensor, "n d_unembed"]) -> Float[Tensor, "n d_model"]:
        """The transpose: `back(W_U) @ v` is the projection of v."""
        for step in reversed(self.steps):
            rows = step.transposed(rows) if isinstance(step, StaticNorm) else rows @ step.T
        return rows


def projected(
    model: Loaded, vectors: Float[Tensor, "n d_model"], projection: ProjectionName = "raw"
) -> Float[Tensor, "n d_unembed"]:
    """What W_U is multiplied with: the score of token t is `W_U[t] @ projected(...)`.

    Raises CapabilityError where the model has no such projection, and says why.
    """
    return projection_of(model, projection)(vectors)


@torch.no_grad()
def projection_of(model: Loaded, name: str) -> Projection:
    """One of the two projections of this model; raises InputError, or CapabilityError."""
    checked = _checked_name(name)
    width = model.unembedding.weight.shape[1]
    if checked == "final_norm":
        return Projection(checked, tuple(_steps(model)))
    if width != model.anatomy.d_model:
        raise CapabilityError(
            f"{model.name} has no raw projection: its unembedding reads {width} numbers and its "
            f"residual stream has {model.anatomy.d_model}",
            field="projection",
            value=name,
            fix='use projection="final_norm"',
        )
    return Projection(checked, ())


@torch.no_grad()
def token_direction(
    model: Loaded, token: str | int, minus: str | int | None = None, projection: str = "raw"
) -> Float[Tensor, " d_model"]:
    """The direction of the residual stream that raises a token's score, less that of another one.

    The score that `projection` gives the token for a vector v is `token_direction(...) @ v`.
    Raises TargetError unless each is exactly one token.
    """
    ids = [model.token_id(token)] + ([] if minus is None else [model.token_id(minus)])
    rows = accurate(model.unembedding.weight[ids])
    directions = projection_of(model, projection).back(rows)
    return directions[0] if minus is None else directions[0] - directions[1]


def _checked_name(name: str) -> ProjectionName:
    for legal in PROJECTIONS:
        if name == legal:
            return legal
    raise InputError(
        f"projection is {name!r}; it must be one of {', '.join(PROJECTIONS)}",
        field="projection",
        value=name,
        legal=", ".join(PROJECTIONS),
    )


def _steps(model: Loaded) -> list[StaticNorm | Tensor]:
    """The modules before W_U, each as a linear map."""
    head = model.anatomy.head
    steps: list[StaticNorm | Tensor] = []
    if head is None or head.container is not None:
        raise _not_linear(model, "head's transform")
    for name in head.chain:
        module = model.module.get_submodule(name)
        if is_map(module):
            steps.append(accurate(weight_in_out(module)))
        elif not _passes_through(module):
            try:
                steps.append(static_norm(model, module))
            except CapabilityError:
                raise _not_linear(model, type(module).__name__) from None
    return steps


def _not_linear(model: Loaded, what: str) -> CapabilityError:
    return CapabilityError(
        f"{model.name} has no projection through its final norm: its {what}, which is no "
        "norm, stands before the unembedding",
        field="projection",
        value="final_norm",
        fix='use projection="raw"',
    )


def _passes_through(module: nn.Module) -> bool:
    return isinstance(module, nn.Dropout | nn.Identity)


def scores_of(model: Loaded, ids: Sequence[int], scores: Sequence[float]) -> tuple[TokenScore, ...]:
    """Tokens beside their scores."""
    pairs = zip(ids, scores, strict=True)
    return tuple(TokenScore(model.token(int(one)), float(score)) for one, score in pairs)
