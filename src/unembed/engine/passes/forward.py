"""The forward pass: checks first, then the model's own code under the run's hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.engine.editing.applying import ResolvedEdit
from unembed.engine.editing.edits import Edit
from unembed.engine.editing.resolving import masked, resolve_edits
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import check_target, parse_target
from unembed.engine.names.taps import refuse
from unembed.engine.names.vocabulary import Read
from unembed.engine.nodes import LAYER_SITES
from unembed.engine.passes.capture import Wanted, capture_bytes, check_cost, last_site, plan_capture
from unembed.engine.passes.hooks import Instrument, Row
from unembed.engine.passes.inputs import (
    attention_mask,
    inputs_of,
    keeps_last_logits,
    last_states_only,
    padded_ids,
    padded_residuals,
    takes,
    types_of,
)
from unembed.engine.passes.run import Run
from unembed.engine.targets import Lengths, Name, SiteKey
from unembed.errors import CapabilityError, InputError, TooLargeError
from unembed.models.progress import Progress

Logits = Literal["all", "last", "none"]


@dataclass(frozen=True)
class Request:
    """What a run is asked for."""

    ids: tuple[int, ...]
    capture: Sequence[Name] = ()
    edits: tuple[Edit, ...] = ()
    logits: Logits = "all"
    stop_after: Name | None = None
    start: tuple[int, Tensor] | None = None
    grad: bool = False
    position_ids: tuple[int, ...] | None = None  # instead of 0, 1, 2 ...; ignored without positions
    source: tuple[int, ...] = ()  # what the encoder is given, of a model that has one
    segments: tuple[int, ...] = ()  # of a sentence pair: which text each token is of
    # shown what is captured, site after site, as it is computed: the run then keeps none of it
    show: Callable[[SiteKey, Tensor], None] | None = None

    @property
    def lengths(self) -> Lengths:
        """How many tokens it has."""
        return Lengths(len(self.ids), len(self.source))


def request_of(
    given: Read | Run,
    capture: Sequence[Name] = (),
    edits: Sequence[Edit] = (),
    logits: Logits = "none",
    **more: Any,
) -> Request:
    """A request for a pass over a prompt, or what a run was given: all that goes with its tokens.

    `more` are other fields of `Request`.
    """
    beside = {"source": given.source, "segments": given.segments}
    return Request(given.ids, capture, tuple(edits), logits, **beside | more)


def run(
    model: Loaded, request: Request, cancel: Cancel | None = None, progress: Progress | None = None
) -> Run:
    """One forward pass; see Model.run."""
    return run_rows(model, [request], cancel, progress)[0]


def run_rows(
    model: Loaded,
    requests: Sequence[Request],
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> list[Run]:
    """One forward pass over several sequences, each with edits of its own; a run for each.

    The requests differ in their tokens, edits and residuals to start from. Shorter ones are padded
    at the end, where a causal model does not look; a masked one gets an attention mask. One row is
    the model's own pass to the last bit, several agree with it as closely as its matrix products
    do. Raises what Model.run raises, before anything runs.
    """
    first = requests[0]
    _check_logits(first.logits)
    plan = _planned(model, requests)
    if plan.labelled and len(requests) > 1 and _reads_last(model):
        return [run for one in requests for run in run_rows(model, [one], cancel, progress)]
    _check_size(model, requests, plan.rows)
    for one in requests:
        _check_start(model, one.start, len(one.ids), None if plan.stop is None else plan.stop[1])
    instrument = Instrument(
        model.module,
        model.anatomy,
        plan.rows,
        cancel,
        progress,
        stop=plan.stop,
        volatile=model.volatile,
        show=first.show,
    )
    with model.evaluating(first.grad, running=True):
        if cancel is not None:
            cancel.check()
        output = _pass(model, instrument, requests, plan.tokens, plan.logits)
        # in here, too: a view that is made under inference mode is no part of the graph
        found = _logits_of(output, requests, plan.logits)
        scores = _scores_of(model, output, requests) if plan.labelled else [None] * len(requests)
    overwritten = instrument.overwritten()
    if overwritten:  # learnt once for each model: from now on these are copied when seen
        model.volatile |= overwritten
        return run_rows(model, requests, cancel, progress)
    provenance = model.provenance()
    return [
        Run(
            model,
            one.ids,
            tuple(edit.edit for edit in plan.edits[row]),
            None if found is None else found[row],
            {site_key: kept[row] for site_key, kept in instrument.captured.items()},
            plan.rows[row].captures,
            provenance,
            label_scores=scores[row],
            source=one.source,
            segments=one.segments,
        )
        for row, one in enumerate(requests)
    ]


def capture_rows(
    model: Loaded,
    rows: Sequence[tuple[int, ...]],
    capture: Sequence[Name],
    cancel: Cancel | None = None,
) -> dict[str, Tensor]:
    """One forward pass over several sequences of tokens, up to the last site that is kept.

    Of each site its values [row, pos, ...], what lies behind a shorter row's tokens included: that
    is padding. For many rows of which nothing else is wanted: no run is made of each. They agree
    with `run_rows` to the last bit. Raises what Model.run raises for names and cost.
    """
    requests = [Request(ids, logits="none") for ids in rows]
    longest = Lengths(max(map(len, rows)))
    kept = plan_capture(capture, model.anatomy, model.name, longest)
    size = capture_bytes(kept, model.anatomy, longest, model.dtype.itemsize)
    check_cost(size * len(rows), model.settings.max_capture_bytes)
    instrument = Instrument(
        model.module,
        model.anatomy,
        [Row(kept)] * len(rows),
        cancel,
        awaited=list(kept),
    )
    with model.evaluating(False, running=True):
        if cancel is not None:
            cancel.check()
        _pass(model, instrument, requests, rows, "none")
    if instrument.missing:
        missed = ", ".join(site_key.name for site_key in kept if site_key in instrument.missing)
        raise CapabilityError(
            f"{model.name} did not compute {missed} in its forward pass",
            field="capture",
            value=missed,
        )
    return {site_key.name: instrument.found[site_key] for site_key in kept}


@dataclass(frozen=True)
class _Plan:
    """A pass over rows, checked: what is edited and kept of each, and what comes out."""

    edits: Sequence[tuple[ResolvedEdit, ...]]  # by row, as rows and tokens are
    rows: Sequence[Row]
    tokens: Sequence[tuple[int, ...]]  # as the model gets them
    logits: Logits
    labelled: bool  # whether the head's scores of labels are kept
    stop: SiteKey | None


def _planned(model: Loaded, requests: Sequence[Request]) -> _Plan:
    """What a pass does; raises what Model.run raises for names, edits and the size of logits."""
    first = requests[0]
    captures = [_captures(model, first)]
    for before, one in pairwise(requests):
        same = one.capture is before.capture and one.lengths == before.lengths
        captures.append(captures[-1] if same else _captures(model, one))
    edits = [resolve_edits(model, one.edits, one.lengths) for one in requests]
    rows = [
        Row(_activations(wanted), [one for one in of_row if one.edit.operation != "mask"])
        for of_row, wanted in zip(edits, captures, strict=True)
    ]
    logits = _logits_wanted(model, requests, captures[0])
    labelled = model.labels is not None and "labels" not in model.anatomy.reasons
    labelled = labelled and first.logits != "none" and first.stop_after is None
    return _Plan(
        edits=edits,
        rows=rows,
        tokens=[
            masked(model, one.ids, of_row) for one, of_row in zip(requests, edits, strict=True)
        ],
        logits=logits,
        labelled=labelled,
        stop=None if labelled else _stop(model, first, captures[0], logits),
    )


def _captures(model: Loaded, one: Request) -> dict[SiteKey, Wanted]:
    return plan_capture(named_nodes(model, one.capture), model.anatomy, model.name, one.lengths)


def _check_size(model: Loaded, requests: Sequence[Request], rows: Sequence[Row]) -> None:
    """Raise TooLargeError where the rows keep more bytes than a pass may."""
    each = [
        capture_bytes(
            row.captures,
            model.anatomy,
            one.lengths,
            model.dtype.itemsize,
            together=one.show is None,
        )
        for row, one in zip(rows, requests, strict=True)
    ]
    check_cost(sum(each), model.settings.max_capture_bytes)


def _reads_last(model: Loaded) -> bool:
    """Whether its head reads the last token of a text, which padding would hide from it.

    Where that is, transformers tells by a padding token that a model may not have: each text runs
    alone.
    """
    return model.labels is not None and model.labels.of == "text" and model.kind == "causal"


def _scores_of(model: Loaded, output: Any, requests: Sequence[Request]) -> list[Tensor | None]:
    """What the head gives the labels of each row: [label], or [pos, label] of its tokens."""
    of_tokens = model.labels is not None and model.labels.of == "token"
    return [
        found[: len(one.ids)] if of_tokens else found
        for found, one in zip(output.logits, requests, strict=True)
    ]


def _check_logits(logits: str) -> None:
    if logits not in ("all", "last", "none"):
        raise InputError(
            f'logits is {logits!r}; it must be "all", "last" or "none"',
            field="logits",
            value=logits,
            legal='"all", "last" or "none"',
        )


def _activations(captures: Mapping[SiteKey, Wanted]) -> dict[SiteKey, Wanted]:
    """What hooks keep: logits are what the pass returns."""
    return {site_key: wanted for site_key, wanted in captures.items() if site_key.site != "logits"}


def named_nodes(model: Loaded, capture: Sequence[Name]) -> Sequence[Name]:
    """Names with those of derived nodes read: only the model knows what is attached to it."""
    if not model.derived or isinstance(capture, str):
        return capture
    return [
        name if name in LAYER_SITES else model.node(name, f"capture[{order}]")
        for order, name in enumerate(capture)
    ]


def _logits_wanted(
    model: Loaded, requests: Sequence[Request], captures: dict[SiteKey, Wanted]
) -> Logits:
    wanted = requests[0].logits
    if SiteKey("logits", None) in captures:
        wanted = "all"
    if "logits" in model.anatomy.reasons or requests[0].stop_after is not None:
        wanted = "none"
    if wanted == "all":
        check_logits_cost(model, sum(len(one.ids) for one in requests))
    return wanted


def check_logits_cost(model: Loaded, n_positions: int) -> None:
    """Raise TooLargeError where the logits of this many positions are more than may be held."""
    size = n_positions * model.vocab_size * model.dtype.itemsize
    limit = model.settings.max_logits_bytes
    if size > limit:
        raise TooLargeError(
            f"logits at all {n_positions} positions would take {size / 2**20:,.0f} MiB; "
            f'the limit is {limit / 2**20:,.0f} MiB (max_logits_bytes): use logits="last", '
            "or the lens, which reads any position without holding them all",
            field="logits",
            value=f"{size / 2**20:,.0f} MiB",
            legal='"last" or "none"',
        )


def _stop(
    model: Loaded, request: Request, captures: dict[SiteKey, Wanted], logits: Logits
) -> SiteKey | None:
    if request.stop_after is not None:
        target = parse_target(request.stop_after, "stop_after")
        check_target(target, model.anatomy, model.name, "stop_after")
        refuse(model.anatomy, target.site_key, model.name, "stop_after")
        return None if target.site == "logits" else target.site_key
    if logits != "none":
        return None
    return last_site(list(captures))


def _check_start(
    model: Loaded, start: tuple[int, Tensor] | None, n_positions: int, last: int | None
) -> None:
    """`last` is the layer that the pass ends in, None: behind all of them."""
    if start is None:
        return
    layer, residual = start
    target = parse_target(f"L{layer}.resid_pre", "start")
    check_target(target, model.anatomy, model.name, "start")
    entry = model.anatomy.entry(layer, last)
    if entry != layer:
        raise CapabilityError(
            f"a pass of {model.name} cannot start at layer {layer}: a later layer uses the keys "
            f"and values of layer {entry}",
            field="start",
            value=layer,
            legal=f"layers 0-{entry}",
        )
    legal = [n_positions, model.anatomy.d_model]
    if list(residual.shape) != legal:
        raise InputError(
            f"the residual to start from has shape {list(residual.shape)}; "
            f"this prompt and model need {legal}",
            field="start",
            value=list(residual.shape),
            legal=str(legal),
        )


def _pass(
    model: Loaded,
    instrument: Instrument,
    requests: Sequence[Request],
    rows: Sequence[tuple[int, ...]],
    logits: Logits,
) -> Any:
    """What the module returns; None where the pass was ended before.

    `rows` are the tokens of each request as the model gets them.
    """
    lengths = [len(one.ids) for one in requests]
    instrument.begin([one.lengths for one in requests])
    width = instrument.width.prompt
    instrument.start = _start_of(requests, width)
    tokens = padded_ids(model, rows, width)
    options: dict[str, Any] = {}
    if requests[0].position_ids is not None and takes(model.module, "position_ids"):
        positions = [one.position_ids for one in requests]
        options["position_ids"] = torch.tensor(positions, device=model.device)
    if model.kind == "causal":
        options["use_cache"] = False
        # of several rows the last positions differ, and this option cuts the same from all
        whole = logits == "all" or SiteKey("final_norm", None) in instrument.captures
        if not whole and len(requests) == 1 and keeps_last_logits(model):
            options["logits_to_keep"] = 1
    elif min(lengths) < width:
        options["attention_mask"] = attention_mask(model, lengths)
    options |= types_of(model, [one.segments for one in requests], width)
    several = logits == "last" and (len(requests) > 1 or model.anatomy.shares_keys)
    options |= inputs_of(model, tokens, [one.source for one in requests])

    def call() -> Any:  # under the hooks already: what reads final_norm sees every position
        with last_states_only(model, lengths) if several else nullcontext():
            return model.module(**options)

    output = instrument.through(call)
    return None if instrument.ended else output


def _start_of(requests: Sequence[Request], width: int) -> tuple[int, Tensor] | None:
    """Where all rows enter, and with which residuals [row, pos, d_model]."""
    starts = [one.start for one in requests if one.start is not None]
    if not starts:
        return None
    return starts[0][0], padded_residuals([residual for _, residual in starts], width)


def _logits_of(output: Any, requests: Sequence[Request], logits: Logits) -> list[Tensor] | None:
    """Logits of each row [pos, vocab], or of its last position; None where none are wanted."""
    if output is None or logits == "none":
        return None
    lengths = [len(one.ids) for one in requests]
    found: Tensor = output.logits
    if logits == "all":
        return [found[row, :length] for row, length in enumerate(lengths)]
    if found.shape[1] == 1:
        return list(found)
    return [found[row, length - 1 : length] for row, length in enumerate(lengths)]
