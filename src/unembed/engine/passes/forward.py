"""The forward pass: checks first, then the model's own code under the run's hooks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from unembed.engine.cancel import Cancel
from unembed.engine.editing.applying import ResolvedEdit, resolve_edit
from unembed.engine.editing.edits import Edit, on_model
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import check_target, parse_target
from unembed.engine.names.taps import refuse
from unembed.engine.nodes import LAYER_SITES
from unembed.engine.passes.capture import Wanted, capture_bytes, check_cost, last_site, plan_capture
from unembed.engine.passes.hooks import Instrument, Row
from unembed.engine.passes.run import Run
from unembed.engine.targets import Lengths, Name, SiteKey
from unembed.errors import CapabilityError, EditError, InputError, TooLargeError
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


def again(
    run: Run,
    capture: Sequence[Name],
    edits: Sequence[Edit] = (),
    logits: Logits = "none",
    **more: Any,
) -> Request:
    """A request for a pass over what a run was given: its tokens, and what goes with them."""
    given = {"source": run.source, "segments": run.segments}
    return Request(run.ids, capture, tuple(edits), logits, **given | more)


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
    captures = [
        plan_capture(named_nodes(model, one.capture), model.anatomy, model.name, one.lengths)
        for one in requests
    ]
    resolved = [resolve_edits(model, one.edits, one.lengths) for one in requests]
    rows = [
        Row(_activations(wanted), [one for one in edits if one.edit.operation != "mask"])
        for edits, wanted in zip(resolved, captures, strict=True)
    ]
    tokens = [masked(model, one.ids, edits) for one, edits in zip(requests, resolved, strict=True)]
    logits = _logits_wanted(model, requests, captures[0])
    labelled = model.labels is not None and "labels" not in model.anatomy.reasons
    labelled = labelled and first.logits != "none" and first.stop_after is None
    if labelled and len(requests) > 1 and _reads_last(model):
        return [run for one in requests for run in run_rows(model, [one], cancel, progress)]
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
    stop = None if labelled else _stop(model, first, captures[0], logits)
    for one in requests:
        _check_start(model, one.start, len(one.ids), None if stop is None else stop[1])
    instrument = Instrument(
        model.module,
        model.anatomy,
        rows,
        cancel,
        progress,
        stop=stop,
        volatile=model.volatile,
        show=first.show,
    )
    with model.evaluating(first.grad, running=True):
        if cancel is not None:
            cancel.check()
        output = _pass(model, instrument, requests, tokens, logits)
        # in here, too: a view that is made under inference mode is no part of the graph
        found = _logits_of(output, requests, logits)
        scores = _scores_of(model, output, requests) if labelled else [None] * len(requests)
    overwritten = instrument.overwritten()
    if overwritten:  # learnt once for each model: from now on these are copied when seen
        model.volatile |= overwritten
        return run_rows(model, requests, cancel, progress)
    provenance = model.provenance()
    return [
        Run(
            model,
            one.ids,
            tuple(one.edit for one in resolved[row]),
            None if found is None else found[row],
            {site_key: kept[row] for site_key, kept in instrument.captured.items()},
            rows[row].captures,
            provenance,
            label_scores=scores[row],
            source=one.source,
            segments=one.segments,
        )
        for row, one in enumerate(requests)
    ]


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


def resolve_edits(
    model: Loaded, edits: Sequence[Edit], lengths: Lengths, within: str = "edits"
) -> tuple[ResolvedEdit, ...]:
    """Check every edit against the model and the prompt before anything runs.

    `within` is what errors call the list.
    """
    limit = model.settings.max_edits
    if len(edits) > limit:  # before they are read: a list may be as long as a body allows
        raise EditError(
            f"{len(edits)} edits; the limit is {limit} (max_edits)",
            field=within,
            value=len(edits),
            legal=f"at most {limit}",
        )
    resolved = []
    for order, edit in enumerate(edits):
        field = f"{within}[{order}]"
        if not isinstance(edit, Edit):
            raise EditError(
                f"{field} is a {type(edit).__name__}; make edits with zero, scale, set_to, add "
                "or patch",
                field=field,
                value=type(edit).__name__,
            )
        edit = on_model(edit, model, field)
        derived = None
        if edit.node.row.derived:
            derived = model.attached(model.node(edit.node, f"{field}.target"))
        found = resolve_edit(edit, model.anatomy, model.name, lengths, field, derived)
        refuse(model.anatomy, found.target.site_key, model.name, f"{field}.target")
        if edit.operation == "mask":
            _check_masking(model, found, field)
        resolved.append(found)
    return tuple(resolved)


def _check_masking(model: Loaded, edit: ResolvedEdit, field: str) -> None:
    """Raise unless the model was trained to fill in its mask token, and positions are named."""
    able = model.capabilities()["mask"]
    if not able.available:
        raise CapabilityError(
            f"tokens of {model.name} cannot be masked: {able.reason}",
            field=f"{field}.operation",
            value="mask",
            legal="a masked model with its tokenizer",
        )
    if edit.positions is None:
        raise EditError(
            "say which tokens are masked",
            field=f"{field}.positions",
            legal="at least one position",
            fix="mask([3])",
        )


def masked(model: Loaded, ids: tuple[int, ...], edits: Sequence[ResolvedEdit]) -> tuple[int, ...]:
    """The tokens as the model gets them: with its mask token where an edit says so."""
    places = {
        place for one in edits if one.edit.operation == "mask" for place in one.positions or ()
    }
    if not places:
        return ids
    token = model.tokenizer.mask_token_id
    return tuple(token if place in places else own for place, own in enumerate(ids))


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
    tokens = _padded(model, rows, width)
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
        options["attention_mask"] = _real(model, lengths)
    options |= types_of(model, [one.segments for one in requests], width)
    several = logits == "last" and (len(requests) > 1 or model.anatomy.shares_keys)
    options |= inputs_of(model, tokens, [one.source for one in requests])

    def call() -> Any:  # under the hooks already: what reads final_norm sees every position
        with _last_states_only(model, lengths) if several else nullcontext():
            return model.module(**options)

    output = instrument.through(call)
    return None if instrument.ended else output


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


def _start_of(requests: Sequence[Request], width: int) -> tuple[int, Tensor] | None:
    """Where all rows enter, and with which residuals [row, pos, d_model]."""
    starts = [one.start for one in requests if one.start is not None]
    if not starts:
        return None
    layer = starts[0][0]
    residuals = [residual for _, residual in starts]
    padded = [
        residual
        if len(residual) == width
        else torch.cat([residual, residual.new_zeros(width - len(residual), residual.shape[1])])
        for residual in residuals
    ]
    # made under inference_mode, it could not be kept: such tensors count no versions
    usable = [one.clone() if one.is_inference() else one for one in padded]
    return layer, usable[0][None] if len(usable) == 1 else torch.stack(usable)


def inputs_of(
    model: Loaded, tokens: Tensor, sources: Sequence[tuple[int, ...]]
) -> dict[str, Tensor]:
    """What the model's forward pass calls tokens [row, pos], and each row's source beside them."""
    if model.anatomy.encoder is None:
        return {"input_ids": tokens}
    if not all(sources):
        raise InputError(
            f"{model.name} is an encoder-decoder and this pass has no source for its encoder",
            field="source",
        )
    lengths = [len(one) for one in sources]
    found = {"input_ids": _padded(model, sources, max(lengths)), "decoder_input_ids": tokens}
    if min(lengths) < max(lengths):
        found["attention_mask"] = _real(model, lengths)
    return found


def types_of(model: Loaded, segments: Sequence[tuple[int, ...]], width: int) -> dict[str, Tensor]:
    """Which text of a sentence pair each token is of, where a row has two and the model asks."""
    if model.n_token_types < 2 or not any(segments):
        return {}
    types = [[*of_row, *[0] * (width - len(of_row))] for of_row in segments]
    return {"token_type_ids": torch.tensor(types, device=model.device)}


def _padded(model: Loaded, rows: Sequence[tuple[int, ...]], width: int) -> Tensor:
    pad = getattr(model.module.config, "pad_token_id", None)
    if model.kind == "causal" or not isinstance(pad, int):
        pad = filler(model)
    padded = [[*ids, *[pad] * (width - len(ids))] for ids in rows]
    return torch.tensor(padded, device=model.device)


def _real(model: Loaded, lengths: Sequence[int]) -> Tensor:
    """An attention mask [row, pos]: 1 where there is a token and no padding."""
    real = [[position < length for position in range(max(lengths))] for length in lengths]
    return torch.tensor(real, device=model.device).long()


def filler(model: Loaded) -> int:
    """A token that nobody reads; the padding token would make transformers warn."""
    return 1 if getattr(model.module.config, "pad_token_id", None) == 0 else 0


@contextmanager
def _last_states_only(model: Loaded, lengths: Sequence[int]) -> Iterator[None]:
    """Give the unembedding the last state of each row, so that [row, pos, vocab] is never made."""
    head = model.anatomy.head
    if head is None:
        yield
        return

    def gather(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        states = args[0]
        if states.dim() != 3 or states.shape[:2] != (len(lengths), max(lengths)):
            return None
        last = torch.tensor(lengths, device=states.device) - 1
        rows = torch.arange(len(lengths), device=states.device)
        return states[rows, last][:, None], *args[1:]

    handle = model.module.get_submodule(head.unembedding).register_forward_pre_hook(gather)
    try:
        yield
    finally:
        handle.remove()


def keeps_last_logits(model: Loaded) -> bool:
    """Whether the model can be asked for the logits of the last position alone.

    One whose layers share keys and values then leaves positions out in its last layers, too.
    """
    return takes(model.module, "logits_to_keep") and not model.anatomy.shares_keys


def takes(module: nn.Module, argument: str) -> bool:
    """Whether the model's forward pass has an argument of this name."""
    return argument in inspect.signature(type(module).forward).parameters
