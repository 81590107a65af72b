"""One node on one prompt: how active it is, what it writes, and which tokens that promotes."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from unembed.analyses.component.downstream import downstream
from unembed.analyses.component.options import ComponentOptions
from unembed.analyses.component.result import Component, Downstream, Kind, TokenEffect
from unembed.analyses.tools.checks import checked_top_k, chosen
from unembed.analyses.tools.effects import Writes, effects_capture, effects_of
from unembed.analyses.tools.writes import (
    joins_stream,
    latent_writes,
    node_of,
    write,
    write_capture,
)
from unembed.analyses.tracing.written import Written
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.taps import why_not
from unembed.engine.nodes import Branch
from unembed.engine.passes.run import Run
from unembed.engine.targets import Name, SiteKey, Target
from unembed.errors import CapabilityError, TooLargeError
from unembed.latents.sae import sae_of
from unembed.options import given

DEFAULTS = ComponentOptions()


def component_capture(model: Loaded, node: Name, position: int = -1) -> tuple[str, ...]:
    """What a run must have captured for `component`.

    Raises CapabilityError where this model does not have the node's site.
    """
    target = node_of(model, node)
    capture = [_stream(model, target)]
    where = _joins(model, target)
    if _reads_tokens(model) and where is not None:
        capture += effects_capture(model, where[0])
    capture += write_capture(model, target)
    row = position if target.position is None else target.position
    capture += [f"L{target.layer}.H{target.head}.{site}@{row}" for site in _shares(model, target)]
    return tuple(dict.fromkeys(capture))


@torch.no_grad()
def component(
    run: Run,
    node: Name,
    position: int | None = None,
    top_k: int | None = None,
    *,
    options: ComponentOptions = DEFAULTS,
    cancel: Cancel | None = None,
    **changes: Any,
) -> Component:
    """A node at one position of a run that captured `component_capture(model, node, position)`.

    A position in the node's name, as in "L9.H6@14", goes before `position`.

    Args:
        options: where it is read, and how much is listed; `position`, `top_k` and `changes` are
            single ones. With `downstream` the prompt is run once more.

    Raises:
        TargetError: no such node or position; a site that the run did not capture.
        InputError: an option out of range.
    """
    model = run.model
    target = node_of(model, node)
    changes |= given(position=position, top_k=top_k)
    options = chosen(options, changes, {"top_k": partial(checked_top_k, model)})
    position = options.position if target.position is None else target.position
    position = resolve_position(position, len(run.ids))
    top_k = checked_top_k(model, options.top_k)
    written = write(run, target)
    here = written[position, None]
    parts = _parts(run, target, here, position)
    acts, reason = _downstream(run, target, parts, position, options.downstream, cancel)
    effects = None
    if _reads_tokens(model) and parts is not None:
        effects = effects_of(run, parts, position, top_k, cancel, joint=len(parts) > 1)
    activation = (
        run.value_of(target, every_position=True)
        if target.is_number
        else written.float().norm(dim=-1)
    )
    return Component(
        target=target.text,
        kind="latent" if target.row.derived else cast(Kind, target.kind),
        layer=target.layer,
        position=position,
        tokens=run.tokens,
        source_tokens=run.source_tokens,
        activation=tuple(activation.tolist()),
        activation_name=_activation_name(target),
        promotes=() if effects is None else listed(model, effects.raised_ids[0], effects.raised[0]),
        suppresses=()
        if effects is None
        else listed(model, effects.lowered_ids[0], effects.lowered[0]),
        attends_to=_attends_to(run, target, position),
        sink=_sink(run, target, position),
        write_norm=float(here.float().norm()),
        resid_norm=float(run[_stream(model, target)][position].float().norm()),
        method=None if effects is None else effects.method,
        downstream=acts,
        downstream_reason=reason,
    )


def _parts(run: Run, target: Target, here: Tensor, position: int) -> list[Writes] | None:
    """What it writes at the position, at each place where it does; None: behind a norm."""
    where = _joins(run.model, target)
    if where is None:
        return None
    own = sae_of(run.model, target) if target.row.derived else None
    if own is None or len(own.description.ends) == 1:
        return [Writes(here, *where)]
    return [
        Writes(row, *to)
        for key, row in latent_writes(run, target, position)
        if (to := joins_stream(run.model, key)) is not None
    ]


def _downstream(
    run: Run,
    target: Target,
    parts: list[Writes] | None,
    position: int,
    k: int,
    cancel: Cancel | None,
) -> tuple[tuple[Downstream, ...], str | None]:
    """Where it acts, or why nothing is said of it."""
    if not k:
        return (), None
    if parts is None:
        return (), f"{target.text} writes behind a norm of the stream"
    if run.model.has_encoder:
        return (), f"{run.model.name} has an encoder, whose stream is another one"
    own = sae_of(run.model, target) if target.row.derived else None
    try:
        first, *also = parts
        written = Written(first.layer, first.branch, position, first.rows, own, tuple(also))
        return downstream(run, written, k, cancel), None
    except (CapabilityError, TooLargeError) as error:
        return (), error.message


def _reads_tokens(model: Loaded) -> bool:
    """Whether writes have direct effects on tokens: some models have no unembedding."""
    return model.capabilities()["lens"].available


def _joins(model: Loaded, target: Target) -> tuple[int | None, Branch | None] | None:
    """The layer and branch that the node writes through, or as; None: behind a norm."""
    if not target.row.derived:
        return target.layer, target.row.writes
    writes = sae_of(model, target).description.writes
    return None if writes is None else joins_stream(model, writes)


def _activation_name(target: Target) -> str:
    if target.row.derived:
        return target.row.called
    return target.site if target.is_number else "norm of the write"


def _stream(model: Loaded, target: Target) -> str:
    """The site of the residual stream that the node adds to; the embedding is its beginning."""
    if target.layer is None:
        return "embed"
    branch: str | None = target.row.writes
    if target.row.derived:
        writes = sae_of(model, target).description.writes
        if writes is None or not writes.site.endswith("_out"):
            return (writes or target.site_key).name  # a part of the stream itself
        branch = writes.site.removesuffix("_out")
    streams = model.block(target.layer).stream_sites
    step = {"mlp": len(streams) - 1, "cross": 1}.get(branch or "", 0)
    return f"L{target.layer}.{streams[step]}"


def _shares(model: Loaded, target: Target) -> list[str]:
    """The sites that say where its attention goes: to positions, and to a sink."""
    if not target.row.attends:
        return []
    sites = ["cross_pattern"] if target.row.writes == "cross" else ["pattern", "sink"]
    return [one for one in sites if why_not(model.anatomy, SiteKey(one, target.layer)) is None]


def _share(run: Run, target: Target, position: int, site: str) -> Tensor | None:
    """What one of `_shares` has at the position; None where the node has no such site."""
    if site not in _shares(run.model, target):
        return None
    return run[f"L{target.layer}.H{target.head}.{site}@{position}"]


def _attends_to(run: Run, target: Target, position: int) -> tuple[float, ...] | None:
    site = "cross_pattern" if target.row.writes == "cross" else "pattern"
    row = _share(run, target, position, site)
    return None if row is None else tuple(row.tolist())


def _sink(run: Run, target: Target, position: int) -> float | None:
    share = _share(run, target, position, "sink")
    return None if share is None else float(share)


def listed(model: Loaded, ids: Tensor, effects: Tensor) -> tuple[TokenEffect, ...]:
    """Ids and effects [k] as a list for people."""
    return tuple(
        TokenEffect(model.token(token_id), effect)
        for token_id, effect in zip(ids.tolist(), effects.tolist(), strict=True)
    )
