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

from unembed.analyses.attention.options import AttentionOptions
from unembed.analyses.attention.result import WORDS, AttentionResult
from unembed.analyses.tools.checks import checked_layers, chosen
from unembed.analyses.tools.effects import (
    Writes,
    check_effects,
    effects_capture,
    effects_on,
)
from unembed.analyses.tools.moved import MovedValues, moved_capture
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import in_words, read_target
from unembed.engine.cancel import Cancel
from unembed.engine.editing.knocking import joined
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.taps import why_not
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey, Target, node
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
    layers = checked_layers(model, layers)
    found: list[str] = []
    for layer in layers:
        if options.measure != "attention":
            found += moved_capture(model, layer)
        shown = _heads(model, [layer], options)
        found += [f"{one.name}.{site}" for site in _seen(model, layer) for one in shown]
    if options.measure == "target":
        found += effects_capture(model, layers[0])
    return tuple(dict.fromkeys(found))


@torch.no_grad()
def attention(
    run: Run,
    layers: Sequence[int],
    heads: Sequence[int] | None = None,
    *,
    options: AttentionOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> AttentionResult:
    """What heads look at in a run that captured `attention_capture` of the same.

    Args:
        layers: whose heads, 0-based.
        heads: which of each layer; absent: all.
        options: what the numbers are, and how heads become one pattern; `heads` and `changes` are
            single ones, as in `measure="moved", mass=0.9`.

    Raises:
        InputError: a layer, head, weight or measure that there is not.
        TargetError: what is no token, no position, or was not captured.
        CapabilityError: a layer whose heads are not known; a model without a lens for a target.
    """
    model = run.model
    options = _chosen(model, options, given(heads=heads) | changes)
    shown = _heads(model, checked_layers(model, layers), options)
    queries = _queries(options, len(run.ids))
    weights = _weights(options, shown)
    pattern = _patterns(run, shown, queries, options)
    objective = _objective(model, options)
    values = pattern
    if options.measure != "attention":
        measured = _Measured(run, shown, queries, cancel, progress)
        values = (
            measured.moved(pattern) if objective is None else measured.toward(pattern, objective)
        )
    combined = _combined(values, weights, options)
    kept = edges(combined, options.mass)
    row, key = (axis.cpu() for axis in kept.nonzero(as_tuple=True))
    strength = combined[row, key]
    order = strength.abs().argsort(descending=True, stable=True).cpu()
    unit = WORDS[options.measure]
    return AttentionResult(
        heads=tuple(one.name for one in shown),
        queries=tuple(queries),
        tokens=run.tokens,
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
        sink=_sinks(run, shown, queries),
        edge_queries=torch.tensor(queries)[row][order],
        edge_keys=key[order],
        edge_values=strength[order],
    )


def check_size(
    model: Loaded,
    layers: Sequence[int],
    options: AttentionOptions,
    n_positions: int,
    limit: int,
) -> None:
    """Raise TooLargeError where the result has more numbers than the limit."""
    n_heads = len(_heads(model, checked_layers(model, layers), options))
    n_queries = len(_queries(options, n_positions))
    size = n_heads * n_queries * n_positions
    if size > limit:
        raise TooLargeError(
            f"attention of {n_heads} heads, {n_queries:,} queries and {n_positions:,} keys is "
            f"{size:,} numbers; the limit is {limit:,}",
            field="heads",
            value=size,
            legal=f"at most {limit:,} numbers",
            fix="name fewer layers, heads or queries",
        )


def edges(values: Float[Tensor, "query key"], mass: float) -> Bool[Tensor, "query key"]:
    """Of each row the fewest entries that hold this part of the sum of its absolute values.

    The one that reaches it is among them; of equal ones the earlier key. At 1 every entry but 0.
    """
    strength = values.abs().double()
    if mass >= 1:
        return strength > 0
    ordered, order = strength.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    wanted = (before < mass * ordered.sum(-1, keepdim=True)) & (ordered > 0)
    return torch.zeros_like(wanted).scatter(-1, order, wanted)


# ---------------------------------------------------------------- what is asked


def _chosen(model: Loaded, options: AttentionOptions, changes: dict[str, Any]) -> AttentionOptions:
    options = chosen(options, changes, {})
    has_target = options.target is not None
    if has_target != (options.measure == "target"):
        said = "needs a target" if options.measure == "target" else "has no use for a target"
        raise InputError(
            f"measure={options.measure!r} {said}",
            field="target",
            value=options.target if isinstance(options.target, str | int) else None,
            legal='a token or a ue.Objective, with measure="target"',
            fix='measure="target", target=" Tokyo"',
        )
    if options.measure == "target":
        model.require("lens")
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


def _seen(model: Loaded, layer: int) -> tuple[str, ...]:
    """The sites of who looks at what: where heads have a sink, its share too."""
    has_sink = why_not(model.anatomy, SiteKey("sink", layer)) is None
    return ("pattern", "sink") if has_sink else ("pattern",)


def _objective(model: Loaded, options: AttentionOptions) -> Objective | None:
    if options.measure != "target":
        return None
    rated = read_target(model, options.target, options.distractor)
    if rated is None or rated.objective is None:
        raise AssertionError("the measure has a target")
    check_effects(rated.objective)
    return rated.objective


def _heads(model: Loaded, layers: Sequence[int], options: AttentionOptions) -> list[Target]:
    found = []
    for layer in layers:
        n_heads = model.block(layer).attention.n_heads
        wanted = range(n_heads) if options.heads is None else sorted(set(options.heads))
        for head in wanted:
            if head >= n_heads:
                raise InputError(
                    f"head {head} is not in layer {layer}: {model.name} has heads "
                    f"0-{n_heads - 1} there",
                    field="heads",
                    value=head,
                    legal=f"0 to {n_heads - 1}",
                )
            found.append(node("head", layer, head))
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
    parts = [run[f"{one.name}.pattern"][list(queries)] for one in shown]
    pattern = torch.stack([part.to(parts[0].device) for part in parts])
    pattern = pattern.to(torch.promote_types(pattern.dtype, torch.float32))
    if options.between != "all":
        pattern = pattern * joined(run.segments, options.between)[list(queries)].to(pattern.device)
    if options.special == "shown":
        return pattern
    plain = torch.tensor([not token.special for token in run.tokens], device=pattern.device)
    pattern = pattern * plain * plain[list(queries), None]
    if options.special == "hidden":
        return pattern
    total = pattern.sum(-1, keepdim=True)
    return torch.where(total > 0, pattern / total, 0.0)  # nothing but special tokens in sight


def _sinks(
    run: Run, shown: Sequence[Target], queries: Sequence[int]
) -> Float[Tensor, "head query"] | None:
    """The share of each head that goes to no token; 0 where a layer has no sink, None without."""
    sinks = [
        run[f"{one.name}.sink"][list(queries)].float()
        if "sink" in _seen(run.model, one.layer or 0)
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


class _Measured:
    """Patterns of some heads of a run, weighed by what they move."""

    def __init__(
        self,
        run: Run,
        shown: Sequence[Target],
        queries: Sequence[int],
        cancel: Cancel | None,
        progress: Progress | None,
    ) -> None:
        self.run, self.shown, self.queries = run, shown, queries
        self.cancel, self.progress = cancel, progress
        layers = dict.fromkeys(one.layer or 0 for one in shown)
        self.values = {layer: MovedValues(run, layer) for layer in layers}

    def moved(self, pattern: Float[Tensor, "head query key"]) -> Float[Tensor, "head query key"]:
        """Norm of what is moved."""
        norms = []
        for order, one in enumerate(self.shown):
            self._step("heads", order, len(self.shown))
            norms.append(self.values[one.layer or 0].norms(one.head or 0, self.queries))
        return pattern * torch.stack(norms).to(pattern)

    def toward(
        self, pattern: Float[Tensor, "head query key"], objective: Objective
    ) -> Float[Tensor, "head query key"]:
        """Direct effect of what is moved to each query on the objective there.

        What all heads of a layer move to a query is read together.
        """
        found = torch.zeros_like(pattern)
        for row, query in enumerate(self.queries):
            self._step("queries", row, len(self.queries))
            for layer, values in self.values.items():
                orders = [at for at, one in enumerate(self.shown) if one.layer == layer]
                seen = [pattern[at, row].nonzero()[:, 0] for at in orders]
                rows = torch.cat(
                    [
                        values.at(query, self.shown[at].head or 0, keys.tolist())
                        * pattern[at, row, keys, None]
                        for at, keys in zip(orders, seen, strict=True)
                    ]
                )
                writes = Writes(rows, layer, "attn")
                effects = effects_on(self.run, [writes], [objective.at(query)])[:, 0].to(found)
                own = torch.split(effects, [len(keys) for keys in seen])
                for at, keys, part in zip(orders, seen, own, strict=True):
                    found[at, row, keys] = part
        return found

    def _step(self, stage: str, done: int, total: int) -> None:
        if self.cancel is not None:
            self.cancel.check()
        if self.progress is not None:
            self.progress(stage, done, total)
