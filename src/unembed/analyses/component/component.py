"""One node on one prompt: how active it is, what it writes, and which tokens that promotes."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from unembed.analyses.component.options import ComponentOptions
from unembed.analyses.component.result import Component, Kind, TokenEffect
from unembed.analyses.tools.checks import checked_top_k, chosen
from unembed.analyses.tools.effects import direct_effects, effects_capture
from unembed.analyses.tools.writes import node_of, write, write_capture
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.taps import why_not
from unembed.engine.passes.run import Run
from unembed.engine.targets import Name, SiteKey, Target
from unembed.options import given

DEFAULTS = ComponentOptions()


def component_capture(model: Loaded, node: Name, position: int = -1) -> tuple[str, ...]:
    """What a run must have captured for `component`.

    Raises CapabilityError where this model does not have the node's site.
    """
    target = node_of(model, node)
    capture = [_stream(model, target)]
    if _reads_tokens(model):
        capture += effects_capture(model, target.layer)
    capture += write_capture(model, target)
    if target.row.attends and _has(model, target, "pattern"):
        row = position if target.position is None else target.position
        sites = ["pattern", *(["sink"] if _has(model, target, "sink") else [])]
        capture += [f"L{target.layer}.H{target.head}.{site}@{row}" for site in sites]
    return tuple(dict.fromkeys(capture))


@torch.no_grad()
def component(
    run: Run,
    node: Name,
    position: int | None = None,
    top_k: int | None = None,
    *,
    options: ComponentOptions = DEFAULTS,
    **changes: Any,
) -> Component:
    """A node at one position of a run that captured `component_capture(model, node, position)`.

    A position in the node's name, as in "L9.H6@14", goes before `position`.

    Args:
        options: where it is read, and how many tokens are listed; `position`, `top_k` and `changes`
            are single ones.

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
    effects = None
    if _reads_tokens(model):
        effects = direct_effects(run, here, target.layer, target.row.writes, position, top_k)
    activation = (
        run.value_of(target, every_position=True)
        if target.is_number
        else written.float().norm(dim=-1)
    )
    return Component(
        target=target.text,
        kind=cast(Kind, target.kind),
        layer=target.layer,
        position=position,
        tokens=run.tokens,
        activation=tuple(activation.tolist()),
        activation_name=target.site if target.is_number else "norm of the write",
        promotes=() if effects is None else listed(model, effects.raised_ids[0], effects.raised[0]),
        suppresses=()
        if effects is None
        else listed(model, effects.lowered_ids[0], effects.lowered[0]),
        attends_to=_attends_to(run, target, position),
        sink=_sink(run, target, position),
        write_norm=float(here.float().norm()),
        resid_norm=float(run[_stream(model, target)][position].float().norm()),
        method=None if effects is None else effects.method,
    )


def _reads_tokens(model: Loaded) -> bool:
    """Whether writes have direct effects on tokens: some models have no unembedding."""
    return model.capabilities()["lens"].available


def _stream(model: Loaded, target: Target) -> str:
    """The site of the residual stream that the node adds to; the embedding is its beginning."""
    if target.layer is None:
        return "embed"
    streams = model.block(target.layer).stream_sites
    step = {"mlp": len(streams) - 1, "cross": 1}.get(target.row.writes or "", 0)
    return f"L{target.layer}.{streams[step]}"


def _has(model: Loaded, target: Target, site: str) -> bool:
    return why_not(model.anatomy, SiteKey(site, target.layer)) is None


def _attends_to(run: Run, target: Target, position: int) -> tuple[float, ...] | None:
    if not target.row.attends or not _has(run.model, target, "pattern"):
        return None
    row: Tensor = run[f"L{target.layer}.H{target.head}.pattern@{position}"]
    return tuple(row.tolist())


def _sink(run: Run, target: Target, position: int) -> float | None:
    if not target.row.attends or not _has(run.model, target, "sink"):
        return None
    return float(run[f"L{target.layer}.H{target.head}.sink@{position}"])


def listed(model: Loaded, ids: Tensor, effects: Tensor) -> tuple[TokenEffect, ...]:
    """Ids and effects [k] as a list for people."""
    return tuple(
        TokenEffect(model.token(token_id), effect)
        for token_id, effect in zip(ids.tolist(), effects.tolist(), strict=True)
    )
