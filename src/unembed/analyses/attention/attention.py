"""What heads look at on one prompt, and what that moves: through W_O, and toward a target.

A head moves from key to query its attention times the key's value through its rows of W_O; what
the block applies after W_O belongs to it (see `writes`). So what a head moves to a query from all
keys sums to what it writes there, but for a share that goes to a sink.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unembed.analyses.attention.edges import strongest
from unembed.analyses.attention.measured import (
    Measured,
    check_measure,
    measured_capture,
    objective_of,
)
from unembed.analyses.attention.options import AttentionOptions, Part
from unembed.analyses.attention.parts import head_of, layers_of, n_heads, site_key, tokens_of
from unembed.analyses.attention.result import WORDS, AttentionResult
from unembed.analyses.tools.checks import chosen
from unembed.analyses.tools.runs import run_of
from unembed.analyses.tools.target import in_words
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.editing.knocking import joined
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.model import Model
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.taps import why_not
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.run import Run
from unembed.engine.targets import Target
from unembed.errors import InputError, TooLargeError
from unembed.models.progress import Progress
from unembed.options import given

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

DEFAULTS = AttentionOptions()


def attention_capture(
    model: Loaded,
    layers: Sequence[int],
    heads: Sequence[int] | None = None,
    *,
    options: AttentionOptions = DEFAULTS,
    **changes: Any,
) -> tuple[str, ...]:
    """What a run must have captured for `attention` with the same layers, heads and options.

    Raises InputError and CapabilityError as `attention` does, for what needs no run.
    """
    options = _chosen(model, options, given(heads=heads) | changes)
    layers = layers_of(model, options.part, layers)
    found = measured_capture(model, layers, options)
    for one in _heads(model, layers, options):
        for site in _seen(model, options.part, one):
            whole = site_key(options.part, site, one.layer or 0).name
            found.append(whole if options.heads is None else _name(options.part, site, one))
    return tuple(dict.fromkeys(found))


@torch.no_grad()
def attention(
    source: Model | Run,
    layers: Sequence[int],
    heads: Sequence[int] | None = None,
    *,
    prompt: Prompt | None = None,
    edits: Sequence[Edit] = (),
    options: AttentionOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> AttentionResult:
    """What heads look at on a prompt.

    Args:
        source: a model, which is run on `prompt`; or a run that captured `attention_capture` of
            the same.
        layers: whose heads, 0-based.
        heads: which of each layer; absent: all.
        prompt: text, token ids or a `ue.Sourced`; None with a run.
        edits: changes made while the model runs; of a run that is given, in another one like it.
        options: what the numbers are, and how heads become one pattern; `heads` and `changes` are
            single ones, as in `measure="moved", mass=0.9`.

    Raises:
        InputError: a layer, head, weight or measure that there is not; a model without a prompt.
        TargetError: what is no token, no position, or was not captured.
        CapabilityError: a layer whose heads are not known; a model without a lens for a target.
    """
    model = source.model if isinstance(source, Run) else source
    options = _chosen(model, options, given(heads=heads) | changes)
    shown = _heads(model, layers_of(model, options.part, layers), options)
    weights = _weights(options, shown)
    objective = objective_of(model, options)
    capture = attention_capture(model, layers, options=options)
    run = run_of(source, prompt, capture, edits, cancel=cancel, progress=progress)
    looking, seen = tokens_of(model, Read(run.ids, source=run.source), options.part)
    queries = _queries(options, len(looking))
    values = _patterns(run, shown, queries, options)
    if options.measure != "attention":
        measured = Measured(run, options.part, shown, queries, cancel, progress)
        values = measured.moved(values) if objective is None else measured.toward(values, objective)
    combined = _combined(values, weights, options)
    kept = strongest(combined, options.mass, queries)
    unit = WORDS[options.measure]
    return AttentionResult(
        heads=tuple(one.name for one in shown),
        part=options.part,
        queries=tuple(queries),
        tokens=looking,
        key_tokens=None if seen is looking else seen,
        measure=options.measure,
        unit=unit if objective is None else f"direct effect on the {in_words(model, objective)}",
        combine=options.combine,
        weights=weights,
        special=options.special,
        between=options.between,
        segments=run.segments,
        mass=options.mass,
        provenance=run.provenance,
        values=values,
        combined=combined,
        sink=_sinks(run, shown, queries, options.part),
        edge_queries=kept.queries,
        edge_keys=kept.keys,
        edge_values=kept.values,
    )


def check_size(
    model: Loaded, layers: Sequence[int], options: AttentionOptions, read: Read, limit: int
) -> None:
    """Raise TooLargeError where the result has more numbers than the limit."""
    shown = len(_heads(model, layers_of(model, options.part, layers), options))
    looking, seen = tokens_of(model, read, options.part)
    n_queries, n_keys = len(_queries(options, len(looking))), len(seen)
    size = shown * n_queries * n_keys
    if size > limit:
        raise TooLargeError(
            f"attention of {shown} heads, {n_queries:,} queries and {n_keys:,} keys is "
            f"{size:,} numbers; the limit is {limit:,}",
            field="heads",
            value=size,
            legal=f"at most {limit:,} numbers",
            fix="name fewer layers, heads or queries",
        )


# ---------------------------------------------------------------- what is asked


def _chosen(model: Loaded, options: AttentionOptions, changes: dict[str, Any]) -> AttentionOptions:
    options = chosen(options, changes, {})
    check_measure(model, options)
    return options


def _weights(options: AttentionOptions, shown: Sequence[Target]) -> tuple[float, ...]:
    """A factor of each head shown."""
    weights = options.weights or (1.0,) * len(shown)
    if len(weights) != len(shown):
        raise InputError(
            f"weights has {len(weights)} numbers, and {len(shown)} heads are shown",
            field="weights",
            value=len(weights),
            legal=f"{len(shown)} numbers, one for each of {shown[0].name} ... {shown[-1].name}",
        )
    return tuple(float(one) for one in weights)


def _seen(model: Loaded, part: Part, head: Target) -> tuple[str, ...]:
    """The sites of who looks at what: where heads have a sink, its share too."""
    if part == "cross":  # no family has one there
        return ("pattern",)
    has_sink = why_not(model.anatomy, site_key(part, "sink", head.layer or 0)) is None
    return ("pattern", "sink") if has_sink else ("pattern",)


def _name(part: Part, site: str, head: Target) -> str:
    """A site of one head, as it is captured: "L3.H2.pattern", "L3.H2.cross_pattern"."""
    stack, _, name = site_key(part, site, head.layer or 0).name.partition(".")
    return f"{stack}.H{head.head}.{name}"


def _heads(model: Loaded, layers: Sequence[int], options: AttentionOptions) -> list[Target]:
    found = []
    for layer in layers:
        n_here = n_heads(model, options.part, layer)
        wanted = range(n_here) if options.heads is None else sorted(set(options.heads))
        for head in wanted:
            if head >= n_here:
                raise InputError(
                    f"head {head} is not in layer {layer}: {model.name} has heads 0-{n_here - 1} "
                    "there",
                    field="heads",
                    value=head,
                    legal=f"0 to {n_here - 1}",
                )
            found.append(head_of(options.part, layer, head))
    return found


def _queries(options: AttentionOptions, n_positions: int) -> list[int]:
    if options.queries is None:
        return list(range(n_positions))
    return sorted({resolve_position(one, n_positions, "queries") for one in options.queries})


# ---------------------------------------------------------------- numbers


def _patterns(
    run: Run, shown: Sequence[Target], queries: Sequence[int], options: AttentionOptions
) -> Float[Tensor, "head query key"]:
    """The patterns, with special tokens and two texts as the options say.

    In float32, or float64 as they are.
    """
    rows = list(queries)
    parts = [run[_name(options.part, "pattern", one)][rows] for one in shown]
    pattern = torch.stack([part.to(parts[0].device) for part in parts])
    pattern = pattern.to(torch.promote_types(pattern.dtype, torch.float32))
    if options.between != "all":
        pattern = pattern * joined(run.segments, options.between)[rows].to(pattern.device)
    if options.special == "shown":
        return pattern
    pattern = pattern * _counted(run, queries, options).to(pattern.device)
    if options.special == "hidden":
        return pattern
    total = pattern.sum(-1, keepdim=True)
    return torch.where(total > 0, pattern / total, 0.0)  # nothing but special tokens in sight


def _counted(
    run: Run, queries: Sequence[int], options: AttentionOptions
) -> Bool[Tensor, "query key"]:
    """Which pairs are of no special token."""
    both = tokens_of(run.model, Read(run.ids, source=run.source), options.part)
    looking, seen = (torch.tensor([not token.special for token in one]) for one in both)
    return looking[list(queries), None] & seen


def _sinks(
    run: Run, shown: Sequence[Target], queries: Sequence[int], part: Part
) -> Float[Tensor, "head query"] | None:
    """The share of each head that goes to no token; 0 where a layer has no sink, None without."""
    sinks = [
        run[_name(part, "sink", one)][list(queries)].float()
        if "sink" in _seen(run.model, part, one)
        else torch.zeros(len(queries))
        for one in shown
    ]
    return torch.stack(sinks) if any(bool(one.any()) for one in sinks) else None


def _combined(
    values: Tensor, weights: Sequence[float], options: AttentionOptions
) -> Float[Tensor, "query key"]:
    factors = torch.tensor(weights, dtype=values.dtype, device=values.device)
    total = torch.einsum("h,hqk->qk", factors, values)
    if options.combine == "sum":
        return total
    whole = float(factors.sum())
    if whole == 0:
        raise InputError(
            "the weights sum to 0, so they have no mean",
            field="weights",
            value=0,
            legal="weights with another sum",
            fix='combine="sum"',
        )
    return total / whole
