"""What an attribution graph explains: logits, each as a direction of the last residual.

A token's logit counts less the mean over the vocabulary, which changes no probability. A soft cap
is left out, as it is from direct effects everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.attribution_graph.options import GraphOptions
from unembed.analyses.tools.directions import directions
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import in_words, measured_at
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.run import Run
from unembed.errors import CapabilityError, InputError
from unembed.options import Explained

if TYPE_CHECKING:
    from jaxtyping import Float

ROWS_AT_ONCE = 16384  # of W_U, made accurate
LINEAR = ("logit", "logit_diff", "logit_minus_mean")


@dataclass(frozen=True, eq=False)
class Answer:
    """One logit, or a sum of some: value = <last residual, direction> + bias."""

    words: str
    position: int
    token: int | None  # of one token's logit less the mean
    weight: float  # how much it counts: its probability, 1 where it was asked for
    probability: float | None
    direction: Float[Tensor, " d_model"]
    value: float
    bias: float


def asked(
    model: Loaded,
    read: Read,
    target: str | int | Explained | None,
    distractor: str | int | None,
    position: int,
) -> Objective | None:
    """The objective that was asked for, at its position from the start; None: likely tokens.

    Raises InputError for what is not linear in logits, TargetError for what is no token.
    """
    at = resolve_position(position, len(read.ids))
    if target is None:
        if distractor is not None:
            raise InputError(
                "a distractor stands against a target, and there is none",
                field="distractor",
                value=distractor,
                legal="left out, or a target beside it",
            )
        return None
    objective = measured_at(model, target, distractor, at, len(read.ids))
    if not objective.is_of_logits or objective.kind not in LINEAR:
        raise InputError(
            f"the {objective.words} is not linear in logits",
            field="target",
            value=objective.kind,
            legal=", ".join(LINEAR),
        )
    return objective


@torch.no_grad()
def answers(seen: Run, objective: Objective | None, options: GraphOptions) -> tuple[Answer, ...]:
    """What is explained; the run has its logits at the position, and what `directions` needs.

    Raises CapabilityError where the head is not linear behind its norm.
    """
    model = seen.model
    if objective is not None and not _is_token(objective):
        return (answer_of(seen, objective),)
    position = resolve_position(
        options.position if objective is None else objective.position, len(seen.ids)
    )
    distribution = seen.distribution(position)
    if objective is None:
        likely = _likely(distribution, options)
        return of_tokens(seen, likely, position, distribution[likely].tolist())
    return of_tokens(seen, objective.ids(model)[0], position)


@torch.no_grad()
def of_tokens(
    seen: Run, tokens: Sequence[int], position: int, weights: Sequence[float] | None = None
) -> tuple[Answer, ...]:
    """Logits of tokens less the mean, each counting by its weight, or 1."""
    distribution, made = seen.distribution(position), []
    rows, biases = _less_mean(seen.model, tokens)
    for order, token in enumerate(tokens):
        along = Objective.direction("final_norm", rows[order], position=position)
        plain = answer_of(seen, along)
        made.append(
            replace(
                plain,
                words=f"logit of {seen.model.token(token).label}",
                token=token,
                weight=1.0 if weights is None else weights[order],
                probability=float(distribution[token]),
                value=plain.value + biases[order],
                bias=plain.bias + biases[order],
            )
        )
    return tuple(made)


def _less_mean(
    model: Loaded, tokens: Sequence[int]
) -> tuple[Float[Tensor, "token d_unembed"], list[float]]:
    """What logits less the mean over the vocabulary are of what the unembedding reads."""
    unembedding = model.unembedding
    weight, factor = unembedding.weight, unembedding.scale / unembedding.divisor
    parts = [accurate(some).sum(0) for some in torch.split(weight, ROWS_AT_ONCE)]
    mean = torch.stack(parts).sum(0) / len(weight)
    rows = (accurate(weight[list(tokens)]) - mean) * factor
    if unembedding.bias is None:
        return rows, [0.0] * len(tokens)
    bias = accurate(unembedding.bias)
    return rows, ((bias[list(tokens)] - bias.mean()) * factor).tolist()


@torch.no_grad()
def answer_of(seen: Run, objective: Objective) -> Answer:
    """One objective as a direction. Raises CapabilityError as `answers`."""
    found, model = directions(seen, objective), seen.model
    if found.method != "frozen":
        raise CapabilityError(
            f"the head of {model.name} is not linear behind its norm: its logits are no nodes",
            field="model",
            value=model.name,
        )
    state = seen[f"L{model.anatomy.n_layers - 1}.resid_post"][found.position].detach()
    value = float(state.to(found.last) @ found.last) + found.bias
    words = in_words(model, objective.at(-1))
    return Answer(words, found.position, None, 1.0, None, found.last, value, found.bias)


def _is_token(objective: Objective) -> bool:
    return objective.kind in ("logit", "logit_minus_mean") and len(objective.tokens) == 1


def _likely(distribution: Float[Tensor, " vocab"], options: GraphOptions) -> list[int]:
    """The likeliest tokens that have the wanted probability together; never more than asked."""
    most = min(options.answers, len(distribution))
    found = distribution.topk(most)
    before = found.values.cumsum(0) - found.values
    n = int((before < options.mass).sum())
    tokens: list[int] = found.indices[: max(1, n)].tolist()
    return tokens
