"""Many runs as few forward passes: one prompt under many edits, or many prompts.

Rows go through the model together, as many as a byte budget allows. Of one prompt, the layers
before the first edit are computed once: a batch enters at the first layer that it changes or
keeps. A row agrees with a run of its own as closely as batched matrix products do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol, cast, overload

import torch
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.editing.resolving import resolve_edits
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.names.prompts import is_one
from unembed.engine.names.tokens import Token
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.capture import capture_bytes, check_cost, plan_capture
from unembed.engine.passes.forward import (
    Logits,
    Request,
    check_logits_cost,
    named_nodes,
    request_of,
    run_rows,
)
from unembed.engine.passes.forward import run as run_one
from unembed.engine.passes.run import Run, TokenProbability
from unembed.engine.targets import Name, SiteKey
from unembed.errors import InputError
from unembed.models.progress import Progress
from unembed.result import Axes, Columns, Result, columns_of

if TYPE_CHECKING:
    from jaxtyping import Float

# A batch of one prompt is split by where its edits start once it has this many tokens: from here
# on products are no faster for being larger, and later starts save layers.
USEFUL_TOKENS = 96


class Valued(Protocol):
    """What a sweep measures of each run; `ue.Objective` is one."""

    @property
    def words(self) -> str:
        """What it is, in a phrase."""

    def required_capture(self, model: Loaded) -> tuple[str, ...]:
        """What a run must have captured; nothing where its logits are needed."""

    def value(self, run: Run) -> Tensor:
        """A number, as a tensor without axes."""


@dataclass(frozen=True)
class SweepRow:
    """One run of a sweep, in words and numbers."""

    tokens: tuple[Token, ...]
    edits: Annotated[tuple[str, ...], 'In words: "zero L9.H2".']
    value: Annotated[float | None, "Of the objective; null without one."]
    top: Annotated[TokenProbability | None, "Likeliest next token, where logits were kept."]
    top_label: Annotated[
        str | None, "The label that scores highest, of a model that gives them to whole texts."
    ] = None


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(Result, Sequence[Run]):
    """The runs of a sweep, in the order of the rows, and the objective's value of each."""

    axes: ClassVar[Axes] = {"values": ("row",)}
    also: ClassVar[tuple[str, ...]] = ("rows",)

    runs: tuple[Run, ...] = field(metadata={"written": False})  # `rows` says what they are
    values: Float[Tensor, " row"] | None  # None without an objective
    objective: Annotated[str | None, "What `values` are of, in words; null without one."] = None

    @property
    def rows(self) -> tuple[SweepRow, ...]:
        """Each run in words and numbers."""
        values = [None] * len(self.runs) if self.values is None else self.values.tolist()
        return tuple(_row(*both) for both in zip(self.runs, values, strict=True))

    def summary(self) -> str:
        rated = "" if self.objective is None else f", {self.objective}"
        return f"{len(self.runs)} runs{rated}"

    def columns(self) -> Columns:
        """One row for each run; with a column of labels where the model gives them."""
        found = columns_of(
            {
                "row": order,
                "prompt": "".join(token.text for token in row.tokens),
                "edits": ", ".join(row.edits),
                "value": row.value,
                "top_token": None if row.top is None else row.top.token.text,
                "top_probability": None if row.top is None else row.top.probability,
                "top_label": row.top_label,
            }
            for order, row in enumerate(self.rows)
        )
        if not any(found.get("top_label", ())):
            found.pop("top_label", None)
        return found

    def arrays(self) -> dict[str, Tensor]:
        """The values, where there is an objective."""
        return {} if self.values is None else {"values": self.values}

    def __len__(self) -> int:
        return len(self.runs)

    @overload
    def __getitem__(self, row: int) -> Run: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[Run, ...]: ...
    def __getitem__(self, row: int | slice) -> Run | tuple[Run, ...]:
        return self.runs[row]

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)


def _row(run: Run, value: float | None) -> SweepRow:
    top = None if run.logits is None else run.top(1)[0]
    labels, scores = run.model.labels, run.label_scores
    of_text = labels is not None and labels.of == "text" and scores is not None
    label = (
        labels.names[int(scores.argmax())] if of_text and labels and scores is not None else None
    )
    return SweepRow(run.tokens, tuple(edit.words for edit in run.edits), value, top, label)


def sweep(
    model: Loaded,
    prompts: Prompt | Sequence[Prompt],
    edits: Sequence[Edit | Sequence[Edit]] | None = None,
    *,
    capture: Sequence[Name] = (),
    objective: Valued | None = None,
    logits: Logits | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Run many rows: a prompt under each of several edits, or several prompts.

    Args:
        prompts: one prompt for every row, or one for each: texts, or lists of token ids.
        edits: for each row an edit, a list of edits, or () for none.
        capture: sites to keep of every row, as in `Model.run`.
        objective: measured of every row: `Sweep.values`. What it needs is not kept.
        logits: "last" or "all" or "none"; by default those of the last position, or none where
            there is an objective.
        cancel: checked before every layer.
        progress: called with ("sweep", rows done, rows) before every batch.

    Raises:
        InputError: prompts and edits of different numbers, or no row at all.
        PromptError, TargetError, EditError, CapabilityError, TooLargeError: as `Model.run`, before
            anything runs.
    """
    read = _read(model, prompts, edits)
    capture = named_nodes(model, capture)
    rows = _edits_of_rows(edits, len(read))
    required = named_nodes(model, () if objective is None else objective.required_capture(model))
    kept = logits or ("last" if objective is None else "none")
    asked = "all" if objective is not None and not required else kept
    requests = [
        request_of(one, (*capture, *required), row_edits, asked)
        for one, row_edits in zip(read, rows, strict=True)
    ]
    _check(model, requests, capture, kept)
    starts = _starts(model, requests)
    batches = list(_batches(model, requests, starts))
    residuals = _baseline(model, requests[0], {starts[batch[0]] for batch in batches}, cancel)
    runs: dict[int, Run] = {}
    values: dict[int, Tensor] = {}
    wanted = set(plan_capture(capture, model.anatomy, model.name, requests[0].lengths))
    for batch in batches:
        if progress is not None:
            progress("sweep", len(runs), len(requests))
        layer = starts[batch[0]]
        start = (layer, residuals[layer]) if layer else None
        together = [replace(requests[row], start=start) for row in batch]
        for row, run in zip(batch, run_rows(model, together, cancel), strict=True):
            if objective is not None:
                values[row] = objective.value(run).detach()
            runs[row] = replace(_trimmed(run, wanted, kept), notes=read[row].notes)
    in_order = range(len(requests))
    return Sweep(
        tuple(runs[row] for row in in_order),
        torch.stack([values[row] for row in in_order]) if values else None,
        None if objective is None else objective.words,
    )


# ---------------------------------------------------------------- what is asked


def _read(
    model: Loaded, prompts: Prompt | Sequence[Prompt], edits: Sequence[object] | None
) -> list[Read]:
    """The prompt of each row."""
    one = is_one(prompts)
    if one:
        n_rows = 1 if edits is None else len(edits)
        found = [model.read_prompt(prompts)] * n_rows  # type: ignore[arg-type]
    else:
        found = [model.read_prompt(prompt) for prompt in cast("Sequence[Prompt]", prompts)]
    if not found:
        raise InputError(
            "there is nothing to sweep: give prompts, or edits of one prompt",
            field="edits" if one else "prompts",
            value="[]",
            legal="at least one",
        )
    return found


def _edits_of_rows(
    edits: Sequence[Edit | Sequence[Edit]] | None, n_rows: int
) -> list[tuple[Edit, ...]]:
    if edits is None:
        return [()] * n_rows
    if isinstance(edits, Edit) or len(edits) != n_rows:
        given = 1 if isinstance(edits, Edit) else len(edits)
        raise InputError(
            f"{given} rows of edits for {n_rows} prompts; give one for each, () where there is "
            "none, or one prompt",
            field="edits",
            value=given,
            legal=str(n_rows),
        )
    return [(row,) if isinstance(row, Edit) else tuple(row) for row in edits]


def _check(
    model: Loaded, requests: Sequence[Request], capture: Sequence[Name], kept: Logits
) -> None:
    """Every edit of every row, and what is kept of all of them, before anything runs."""
    total = 0
    for order, one in enumerate(requests):
        resolve_edits(model, one.edits, one.lengths, f"edits[{order}]")
        site_keys = plan_capture(capture, model.anatomy, model.name, one.lengths)
        total += capture_bytes(site_keys, model.anatomy, one.lengths, model.dtype.itemsize)
    check_cost(total, model.settings.max_capture_bytes)
    each = [len(one.ids) if kept == "all" else int(kept == "last") for one in requests]
    check_logits_cost(model, sum(each))


def _trimmed(run: Run, wanted: set[SiteKey], logits: Logits) -> Run:
    """Without what only the objective needed; copied where a view would hold the whole batch."""
    activations = {
        site_key: value.clone() for site_key, value in run.activations.items() if site_key in wanted
    }
    found = None if logits == "none" or run.logits is None else run.logits
    if found is not None and logits == "last":
        found = found[-1:]
    return replace(run, activations=activations, logits=None if found is None else found.clone())


# ---------------------------------------------------------------- batches


def _starts(model: Loaded, requests: Sequence[Request]) -> list[int]:
    """The layer that each row may enter with the residual of the prompt without edits."""
    if len(requests) < 2 or len({(one.ids, one.source, one.segments) for one in requests}) > 1:
        return [0] * len(requests)
    last = model.anatomy.n_layers - 1
    first = requests[0]
    captured = plan_capture(first.capture, model.anatomy, model.name, first.lengths)
    earliest = min((_layer(site_key, last) for site_key in captured), default=last)
    return [
        model.anatomy.entry(
            min([earliest, *(_layer(edit.node.site_key, last) for edit in one.edits)])
        )
        for one in requests
    ]


def _layer(site_key: SiteKey, last: int) -> int:
    if site_key.encoder:
        return 0  # the decoder reads it from its first layer on
    if site_key.layer is None:
        return 0 if site_key.site == "embed" else last
    return site_key.layer


def _batches(
    model: Loaded, requests: Sequence[Request], starts: Sequence[int]
) -> Iterator[list[int]]:
    """Rows that go through the model together, of one length where that is possible.

    The first row of a batch starts first: with it the batch enters the model.
    """
    rows = sorted(range(len(requests)), key=lambda row: (_size(requests[row]), starts[row]))
    if len(set(starts)) > 1:
        yield from _by_start(model, requests, starts, rows)
        return
    while rows:
        most = rows_at_once(model, requests[rows[-1]])
        yield rows[-most:]
        del rows[-most:]


def _size(request: Request) -> tuple[int, int]:
    return request.lengths.prompt, request.lengths.source


def _by_start(
    model: Loaded, requests: Sequence[Request], starts: Sequence[int], rows: Sequence[int]
) -> Iterator[list[int]]:
    """Of one prompt: rows of one start stay together until a batch is worth a pass."""
    most = rows_at_once(model, requests[0])
    n_positions = len(requests[0].ids)
    batch: list[int] = []
    for _, group in groupby(rows, key=lambda row: starts[row]):
        if len(batch) * n_positions >= USEFUL_TOKENS:
            yield batch
            batch = []
        for row in group:
            if len(batch) == most:
                yield batch
                batch = []
            batch.append(row)
    yield batch


def rows_at_once(model: Loaded, request: Request) -> int:
    """How many rows like this one fit into the budget for one batch."""
    anatomy, n = model.anatomy, max(len(request.ids), len(request.source))
    captured = plan_capture(request.capture, anatomy, model.name, request.lengths)
    widest = 8 * anatomy.d_model + 3 * anatomy.d_mlp + 4 * anatomy.n_heads * anatomy.d_head
    numbers = n * widest + 2 * anatomy.n_heads * n * n
    numbers += anatomy.vocab_size * (n if request.logits == "all" else 1)
    size = numbers * model.dtype.itemsize
    size += capture_bytes(captured, anatomy, request.lengths, model.dtype.itemsize)
    return max(1, model.settings.sweep_bytes // size)


def _baseline(
    model: Loaded, request: Request, layers: set[int], cancel: Cancel | None
) -> dict[int, Tensor]:
    """The residual of the prompt without edits before each of these layers [pos, d_model]."""
    sites = [f"L{layer}.resid_pre" for layer in sorted(layers) if layer]
    if not sites:
        return {}
    plain = replace(request, capture=sites, edits=(), logits="none", stop_after=sites[-1])
    run = run_one(model, plain, cancel)
    return {layer: run[f"L{layer}.resid_pre"] for layer in layers if layer}
