"""The run that an analysis reads, which is given one, or a model and a prompt to make one of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Prompt
from unembed.engine.model import Model
from unembed.engine.passes import forward
from unembed.engine.passes.run import Run
from unembed.errors import InputError
from unembed.models.progress import Progress


def run_of(
    source: Model | Run,
    prompt: Prompt | None,
    capture: Sequence[str],
    edits: Sequence[Edit] = (),
    *,
    logits: forward.Logits = "none",
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> Run:
    """A run of a model on a prompt; or the run given, and with edits another one like it.

    `edits` come after those of a run that is given. Raises InputError for a model without a prompt
    and a run with one.
    """
    if isinstance(source, Run) == (prompt is not None):
        raise InputError(
            "a run has its prompt already: leave prompt out"
            if isinstance(source, Run)
            else "a model needs a prompt",
            field="prompt",
            fix='give a run, or a model and prompt="The capital of Japan is"',
        )
    if not isinstance(source, Run):
        prompt = cast("Prompt", prompt)
        return source.run(prompt, capture, edits, logits=logits, cancel=cancel, progress=progress)
    if not edits:
        return source
    request = forward.request_of(source, capture, (*source.edits, *edits), logits)
    return forward.run(source.model, request, cancel, progress)
