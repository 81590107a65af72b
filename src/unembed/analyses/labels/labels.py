"""Which labels a model gives a text, or each of its tokens, and what edits do to that.

Scores are what the model's own head gives. How they become probabilities its configuration says
(`problem_type`): one label among all, or each by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from unembed.analyses.labels.options import LabelsOptions
from unembed.analyses.labels.result import Labelled, LabelScore, LabelScores
from unembed.analyses.tools.labelled import labels_of, scores_of
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Prompt
from unembed.engine.model import Model
from unembed.engine.passes import forward
from unembed.engine.passes.run import Run
from unembed.errors import InputError
from unembed.models.labels import Labels
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float

DEFAULTS = LabelsOptions()


def label_scores(
    source: Model | Run,
    prompt: Prompt | None = None,
    *,
    options: LabelsOptions = DEFAULTS,
    edits: Sequence[Edit] = (),
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> LabelScores:
    """Which labels a model gives; with edits, beside what it gives with them.

    Args:
        source: a model that gives labels, which is run on `prompt`; or a run of one, to whose own
            edits `edits` are added.
        prompt: text or token ids; None with a run.
        options: how many labels are listed.
        changes: single options, as in `top_k=3`.
        edits: changes made in a second run, on the same tokens.

    Raises:
        CapabilityError: a model that predicts tokens, or whose checkpoint has no head for labels.
        InputError: a model without a prompt, a run with one, a run that did not reach the head.
        PromptError, EditError: bad input; nothing was run.
    """
    model = source.model if isinstance(source, Run) else source
    options = options.changed(**changes)
    labels_of(model)
    if isinstance(source, Run) == (prompt is not None):
        raise InputError(
            "a run has its prompt already: leave prompt out"
            if isinstance(source, Run)
            else "a model needs a prompt to give labels to",
            field="prompt",
            fix='label_scores(run) or label_scores(model, "The cat sat")',
        )
    work: dict[str, Any] = {"cancel": cancel, "progress": progress}
    if isinstance(source, Run):
        baseline = source
    else:
        baseline = source.run(cast("Prompt", prompt), logits="last", **work)
    if not edits:
        return compare_labels(baseline, None, options)
    request = forward.request_of(baseline, (), (*baseline.edits, *edits), "last")
    return compare_labels(baseline, forward.run(model, request, **work), options)


def compare_labels(
    baseline: Run, edited: Run | None, options: LabelsOptions = DEFAULTS
) -> LabelScores:
    """The labels of a run, and of an edited one beside it."""
    labels = labels_of(baseline.model)
    before, after = _scores(baseline), None if edited is None else _scores(edited)
    rows = [_row(labels, before, after, row, options.top_k) for row in range(len(before))]
    return LabelScores(labels.of, baseline.tokens, len(labels.names), tuple(rows))


def _scores(run: Run) -> Float[Tensor, "row label"]:
    return scores_of(run).detach().double()


def _row(labels: Labels, before: Tensor, after: Tensor | None, row: int, k: int) -> Labelled:
    """The labels that score highest on either side, in the order of the baseline."""
    sides = [before[row]] if after is None else [before[row], after[row]]
    k = min(k, len(labels.names))
    listed = {int(index) for side in sides for index in side.topk(k).indices}
    order = sorted(listed, key=lambda index: (-float(before[row, index]), index))
    read = [_read(labels, side, order) for side in sides]
    position = row if labels.of == "token" else None
    return Labelled(position, read[0], read[1] if after is not None else None)


def _read(labels: Labels, scores: Tensor, order: Sequence[int]) -> tuple[LabelScore, ...]:
    shares = _shares(labels, scores)
    return tuple(
        LabelScore(
            labels.names[one], float(scores[one]), None if shares is None else float(shares[one])
        )
        for one in order
    )


def _shares(labels: Labels, scores: Float[Tensor, " label"]) -> Float[Tensor, " label"] | None:
    if labels.link == "none":
        return None
    return scores.sigmoid() if labels.link == "sigmoid" else torch.softmax(scores, -1)
