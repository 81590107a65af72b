"""The forward pass: checks first, then the model's own code under the run's hooks."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from unembed.engine.cancel import Cancel
from unembed.engine.editing.applying import ResolvedEdit, resolve_edit
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import Name, check_target, parse_target
from unembed.engine.names.taps import SiteKey, refuse
from unembed.engine.nodes import LAYER_SITES
from unembed.engine.passes.capture import check_cost, last_site, plan_capture
from unembed.engine.passes.hooks import Instrument, Progress, StopForward, Wanted
from unembed.engine.passes.run import Run
from unembed.errors import EditError, InputError, TooLargeError

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


def run(
    model: Loaded, request: Request, cancel: Cancel | None = None, progress: Progress | None = None
) -> Run:
    """One forward pass; see Model.run."""
    if request.logits not in ("all", "last", "none"):
        raise InputError(
            f'logits is {request.logits!r}; it must be "all", "last" or "none"',
            field="logits",
            value=request.logits,
            legal='"all", "last" or "none"',
        )
    n_positions = len(request.ids)
    capture = named_nodes(model, request.capture)
    captures = plan_capture(capture, model.anatomy, model.name, n_positions)
    edits = resolve_edits(model, request.edits, n_positions)
    logits = _logits_wanted(model, request, captures)
    kept = {site_key: wanted for site_key, wanted in captures.items() if site_key[0] != "logits"}
    check_cost(
        kept, model.anatomy, n_positions, model.dtype.itemsize, model.settings.max_capture_bytes
    )
    instrument = Instrument(
        model.module,
        model.anatomy,
        kept,
        edits,
        cancel,
        progress,
        stop=_stop(model, request, captures, logits),
        start=_checked_start(model, request.start, n_positions),
        volatile=model.volatile,
    )
    with model.evaluating(request.grad, running=True):
        if cancel is not None:
            cancel.check()
        found = _pass(model, instrument, request, logits)
    overwritten = instrument.overwritten()
    if overwritten:  # learnt once for each model: from now on these are copied when seen
        model.volatile |= overwritten
        return run(model, request, cancel, progress)
    return Run(
        model, request.ids, request.edits, found, instrument.captured, kept, model.provenance()
    )


def named_nodes(model: Loaded, capture: Sequence[Name]) -> Sequence[Name]:
    """The same names, those of derived nodes read: only the model knows what is attached to it."""
    if not model.derived or isinstance(capture, str):
        return capture
    return [
        name if name in LAYER_SITES else model.node(name, f"capture[{order}]")
        for order, name in enumerate(capture)
    ]


def resolve_edits(
    model: Loaded, edits: Sequence[Edit], n_positions: int
) -> tuple[ResolvedEdit, ...]:
    """Check every edit against the model and the prompt before anything runs."""
    limit = model.settings.max_edits
    if len(edits) > limit:
        raise EditError(
            f"{len(edits)} edits; the limit is {limit} (max_edits)",
            field="edits",
            value=len(edits),
            legal=f"at most {limit}",
        )
    resolved = []
    for order, edit in enumerate(edits):
        field = f"edits[{order}]"
        if not isinstance(edit, Edit):
            raise EditError(
                f"{field} is a {type(edit).__name__}; make edits with zero, scale, set_to, add "
                "or patch",
                field=field,
                value=type(edit).__name__,
            )
        derived = None
        if edit.node.row.derived:
            derived = model.attached(model.node(edit.node, f"{field}.target"))
        found = resolve_edit(edit, model.anatomy, model.name, n_positions, field, derived)
        refuse(model.anatomy, found.target.site_key, model.name, f"{field}.target")
        resolved.append(found)
    return tuple(resolved)


def _logits_wanted(model: Loaded, request: Request, captures: dict[SiteKey, Wanted]) -> Logits:
    wanted = request.logits
    if ("logits", None) in captures:
        wanted = "all"
    if "logits" in model.anatomy.reasons or request.stop_after is not None:
        wanted = "none"
    if wanted == "all":
        size = len(request.ids) * model.vocab_size * model.dtype.itemsize
        limit = model.settings.max_logits_bytes
        if size > limit:
            raise TooLargeError(
                f"logits at all {len(request.ids)} positions would take {size / 2**20:,.0f} MiB; "
                f'the limit is {limit / 2**20:,.0f} MiB (max_logits_bytes): use logits="last", '
                "or the lens, which reads any position without holding them all",
                field="logits",
                value=f"{size / 2**20:,.0f} MiB",
                legal='"last" or "none"',
            )
    return wanted


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
    return last_site(list(captures), model.anatomy.n_layers)


def _checked_start(
    model: Loaded, start: tuple[int, Tensor] | None, n_positions: int
) -> tuple[int, Tensor] | None:
    if start is None:
        return None
    layer, residual = start
    target = parse_target(f"L{layer}.resid_pre", "start")
    check_target(target, model.anatomy, model.name, "start")
    legal = [n_positions, model.anatomy.d_model]
    if list(residual.shape) != legal:
        raise InputError(
            f"the residual to start from has shape {list(residual.shape)}; "
            f"this prompt and model need {legal}",
            field="start",
            value=list(residual.shape),
            legal=str(legal),
        )
    return start


def _pass(model: Loaded, instrument: Instrument, request: Request, logits: Logits) -> Tensor | None:
    tokens = torch.tensor([request.ids], device=model.device)
    instrument.begin(len(request.ids))
    options: dict[str, Any] = {}
    if request.position_ids is not None and takes(model.module, "position_ids"):
        options["position_ids"] = torch.tensor([request.position_ids], device=model.device)
    if model.kind == "causal":
        options["use_cache"] = False
        whole = logits == "all" or ("final_norm", None) in instrument.captures
        if not whole and takes(model.module, "logits_to_keep"):
            options["logits_to_keep"] = 1
    with instrument.installed():
        try:
            output = model.module(tokens, **options)
        except StopForward:
            return None
    if logits == "none":
        return None
    found: Tensor = output.logits[0]
    return found[-1:] if logits == "last" else found


def takes(module: nn.Module, argument: str) -> bool:
    """Whether the model's forward pass has an argument of this name."""
    return argument in inspect.signature(type(module).forward).parameters
