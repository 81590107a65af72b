"""The logit lens: every row of the residual stream, at every position, read as a prediction.

A row's state goes through a suffix of the model, by default its own final norm (and, in masked
models, the head's transform), and its unembedding. The last row is not decoded at all: it is what
the model itself gave to its unembedding. (nostalgebraist, "interpreting GPT: the logit lens", 2020;
whole blocks as the decoder: "logit lens on non-gpt2 models + extensions", 2021.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast, overload

from torch import Tensor

from unembed.analyses.lens.decoders import parse_decoder
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.lens.plan import LensPlan, check_cells, checked_floor, plan_lens
from unembed.analyses.lens.reading import LensReading
from unembed.analyses.lens.result import LensComparison, LensResult
from unembed.analyses.tools.checks import checked_top_k, chosen
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Prompt
from unembed.engine.model import Model
from unembed.engine.names.prompts import is_one
from unembed.engine.names.vocabulary import WHOLE, Read, SentencePair, Sourced
from unembed.engine.passes.run import Run
from unembed.errors import InputError, PromptError, UnembedError
from unembed.models.progress import Progress

DEFAULTS = LensOptions()
Prompts = (
    Sequence[str] | Sequence[Sequence[int]] | Sequence[Tensor] | Sequence[Sourced | SentencePair]
)


@overload
def logit_lens(
    model: Model,
    prompt: str | Sequence[int] | Sourced | SentencePair,
    *,
    options: LensOptions = ...,
    edits: Sequence[Edit] = ...,
    cancel: Cancel | None = ...,
    progress: Progress | None = ...,
    **changes: Any,
) -> LensResult: ...


@overload
def logit_lens(
    model: Model,
    prompt: Prompts,
    *,
    options: LensOptions = ...,
    edits: Sequence[Edit] = ...,
    cancel: Cancel | None = ...,
    progress: Progress | None = ...,
    **changes: Any,
) -> list[LensResult]: ...


@overload
def logit_lens(
    model: Model,
    prompt: Tensor,
    *,
    options: LensOptions = ...,
    edits: Sequence[Edit] = ...,
    cancel: Cancel | None = ...,
    progress: Progress | None = ...,
    **changes: Any,
) -> LensResult | list[LensResult]: ...


def logit_lens(
    model: Model,
    prompt: Prompt | Prompts,
    *,
    options: LensOptions = DEFAULTS,
    edits: Sequence[Edit] = (),
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> LensResult | list[LensResult]:
    """Run the model on a prompt and read every row of its residual stream.

    The model always sees the whole prompt. The last row is its own output, whatever the options.

    Args:
        prompt: text, token ids, or a tensor of ids [pos] or [1, pos]. A list of texts or of lists
            of ids, or a tensor [n, pos], is a batch: a list of results, each as if run alone.
        options: which rows and positions are read, through what, and which token is scored.
        changes: single options, as in `layer_step=2, target=" Tokyo"`. `positions` may be one
            position, a slice, a range or a list; those read are in ascending order, each once.
        edits: changes made while the model runs, also in the decoder.
        cancel: checked before every layer, row and part of the vocabulary.
        progress: called with (stage, done, total).

    Raises:
        PromptError, TargetError, EditError, InputError: bad input; nothing was run.
        CapabilityError: this model's states cannot be unembedded, or not in the way asked for.
        TooLargeError: more cells than `max_lens_cells`.
    """
    if "decoder" in changes:
        parse_decoder(model, changes["decoder"])  # refuses it, with what this model has
    checks: dict[str, Callable[[Any], object]] = {
        "top_k": partial(checked_top_k, model),
        "kl_floor": partial(checked_floor, model),
    }
    options = chosen(options, changes, checks)
    if is_one(prompt) or (isinstance(prompt, list | tuple) and not prompt):
        read = model.read_prompt(cast("Prompt", prompt))
        return _lens(model, read, _planned(model, read, options), edits, cancel, progress)
    batch = [_read(model, one, order) for order, one in enumerate(cast("Prompts", prompt))]
    plans = [_planned(model, read, options) for read in batch]
    return [
        _lens(model, read, plan, edits, cancel, _share(progress, order, len(batch)))
        for order, (read, plan) in enumerate(zip(batch, plans, strict=True))
    ]


def lens_of_run(
    run: Run,
    plan: LensPlan,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> LensResult:
    """The lens of a run that captured `plan.capture`.

    Raises TargetError for a site that the run did not capture.
    """
    reading = LensReading([run], plan, cancel, progress)
    return reading.result(0, reading.read())


def compare_lenses(
    baseline: Run,
    edited: Run,
    plan: LensPlan,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> LensComparison:
    """The lenses of two runs on the same tokens, and how far apart their cells are.

    Where the final top token is followed, both score the baseline's, so that their cells can be
    compared. Each run's rows are decoded with its own edits.
    """
    if len({(run.ids, run.source, run.segments) for run in (baseline, edited)}) > 1:
        raise InputError("the two runs have different tokens, so their cells do not correspond")
    reading = LensReading([baseline, edited], plan, cancel, progress)
    readout = reading.read()
    between = reading.cells(readout.kl[:, 1])[1]
    return LensComparison(reading.result(0, readout), reading.result(1, readout), between)


def _planned(model: Model, read: Read, options: LensOptions) -> LensPlan:
    plan = plan_lens(model, len(read.ids), options)
    check_cells(plan, model.settings.max_lens_cells)
    return plan


def _lens(
    model: Model,
    read: Read,
    plan: LensPlan,
    edits: Sequence[Edit],
    cancel: Cancel | None,
    progress: Progress | None,
) -> LensResult:
    run = model.run(
        read.prompt, plan.capture, edits, logits="none", cancel=cancel, progress=progress
    )
    return lens_of_run(run, plan, cancel, progress)


# ---------------------------------------------------------------- batches


def _read(model: Model, prompt: object, order: int) -> Read:
    """The tokens of one prompt of a batch; errors name it."""
    if not hasattr(prompt, "__len__") and not isinstance(prompt, WHOLE):
        raise PromptError(
            f"prompt {order} of the batch is {prompt!r}; give text or token ids",
            field=f"prompt[{order}]",
            value=str(prompt),
            legal="text, token ids, or a tensor of ids",
        )
    try:
        return model.read_prompt(cast("Prompt", prompt))
    except UnembedError as error:
        inner = (error.field or "prompt").removeprefix("prompt")
        error.field = f"prompt[{order}]{inner}"
        raise


def _share(progress: Progress | None, order: int, n_prompts: int) -> Progress | None:
    """Progress on one prompt, reported as progress of the batch."""
    if progress is None:
        return None

    def report(stage: str, done: int, total: int) -> None:
        stage = f"prompt {order + 1} of {n_prompts}: {stage}"
        progress(stage, order * total + done, n_prompts * total)

    return report
