"""The scores that a model's head gives labels, as numbers that can be explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.passes.run import Run
from unembed.errors import CapabilityError, InputError
from unembed.models.labels import Labels

if TYPE_CHECKING:
    from jaxtyping import Float


def labels_of(model: Loaded) -> Labels:
    """The labels of a model. Raises CapabilityError where it has none."""
    if model.labels is None:
        raise CapabilityError(
            f"{model.name} gives no labels: it predicts tokens",
            field="labels",
            value=model.name,
            legal="a model for sequence or token classification",
            fix='predictions(model, "The cat sat"), or unembed run',
        )
    model.require("labels")
    return model.labels


def scores_of(run: Run) -> Float[Tensor, "row label"]:
    """What the head gives: one row for a text, or one for each token. Raises InputError."""
    found = run.label_scores
    if found is None:
        raise InputError(
            'the run did not reach the head, which gives the labels: run it with logits="last"',
            field="logits",
            value="none",
            legal='"last" or "all"',
        )
    return found.reshape(-1, found.shape[-1])


def label_score(run: Run, label: str | int, position: int) -> Tensor:
    """The score of one label, a tensor without axes, in float32 or float64.

    A text as a whole has no position: there it must be the last one, as it is by default.

    Raises:
        CapabilityError: a model without labels.
        TargetError: no label of the model, a position that is not there.
        InputError: a position of a text as a whole, a run that did not reach the head.
    """
    index = labels_of(run.model).index(label)
    scores = _scores_at(run, position)
    return scores[index].to(torch.promote_types(scores.dtype, torch.float32))


def top_label(run: Run, position: int) -> int:
    """The label that scores highest, of the text or of one token; raises as `label_score`."""
    return int(_scores_at(run, position).argmax())


def _scores_at(run: Run, position: int) -> Float[Tensor, " label"]:
    labels, scores = labels_of(run.model), scores_of(run)
    place = resolve_position(position, len(run.ids))
    if labels.of == "token":
        return scores[place]
    if place != len(run.ids) - 1:
        raise InputError(
            f"{run.model.name} gives labels to a text as a whole, and not at a position",
            field="position",
            value=position,
            legal="left out",
        )
    return scores[0]


def read_by_head(run: Run, score: Tensor) -> dict[int, Float[Tensor, " d_model"]]:
    """The gradient of a score at the last residual, by position that the head reads it at.

    Needs a run with `grad=True` that captured the last layer's `resid_post`, and keeps its graph.
    Empty where the score depends on no position: a head that is saturated. Raises InputError for
    a run without a graph.
    """
    if not score.requires_grad:
        raise InputError(
            "the gradient of a label's score is computed in the run itself: run it with grad=True",
            field="run",
            legal="a run with grad=True that captured the last layer's resid_post",
            fix=f"model.run(prompt, ['L{run.model.anatomy.n_layers - 1}.resid_post'], grad=True)",
        )
    last = run[f"L{run.model.anatomy.n_layers - 1}.resid_post"]
    (slopes,) = torch.autograd.grad(score, last, retain_graph=True)
    places = slopes.ne(0).any(-1).nonzero()[:, 0].tolist()
    return {place: slopes[place] for place in places}
