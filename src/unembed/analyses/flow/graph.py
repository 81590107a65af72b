"""The flow graph: how information goes through chosen layers, in words of the vocabulary.

Every vector on the way (states of the residual stream, queries, keys, values, what heads and
neurons write) is read as a prediction, through the model's final norm and its unembedding; all of
them in one walk. The graph is that of Katz and Belinkov 2023 (VISIT), for every family.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unembed.analyses.flow import latents
from unembed.analyses.flow.blocks import draw_layers, why_no_drawn_cross, why_no_drawn_heads
from unembed.analyses.flow.draft import Draft, DraftLink, DraftNode, Write
from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.flow.reading import Readings, read_vectors, unread
from unembed.analyses.flow.result import FlowGraph, FlowLink, FlowNode, LayerSelection
from unembed.analyses.flow.selection import Selector
from unembed.analyses.flow.target import (
    Rating,
    check_flow,
    continued,
    flow_target,
    has_lens,
)
from unembed.analyses.tools.checks import checked_layers
from unembed.analyses.tools.effects import Writes, check_effects, effects_on, stream_capture
from unembed.analyses.tools.target import TargetLike, check_position, is_of_text
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.taps import why_not
from unembed.engine.nodes import Branch
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError, InputError, TooLargeError
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float


SITES = (
    "resid_pre", "mixer_in", "attn_in", "q", "k", "v", "z", "attn_out", "mixer_out", "resid_mid",
    "cross_in", "cross_v", "cross_z", "cross_out", "resid_mid_cross",
    "mlp_in", "mlp_gate", "mlp_pre", "mlp_post", "mlp_out", "ple_in", "ple_out", "resid_post",
)  # fmt: skip
ONLY_GATED = ("mlp_gate", "mlp_pre")
DEFAULTS = FlowOptions()


def flow_capture(
    model: Loaded, layers: Sequence[int], position: int | None = -1
) -> tuple[str, ...]:
    """What a run must have captured for `flow_graph` of these layers.

    Args:
        position: the graph's; None captures attention for graphs at any position.

    Raises:
        InputError: no layers, or a layer that the model does not have.
        CapabilityError: attention that cannot be seen.
    """
    chosen = checked_layers(model, layers)
    capture = list(stream_capture(model, chosen[0]))
    for layer in chosen:
        mlp = model.block(layer).feed_forward
        gated = mlp is not None and mlp.gate is not None
        for site in SITES:
            if why_not(model.anatomy, SiteKey(site, layer)) is None and (
                gated or site not in ONLY_GATED
            ):
                capture.append(f"L{layer}.{site}")
        capture += latents.capture(model, layer)
        row = "" if position is None else f"@{position}"
        if why_no_drawn_heads(model.anatomy, layer) is None:
            here = (
                one
                for one in ("pattern", "sink")
                if why_not(model.anatomy, SiteKey(one, layer)) is None
            )
            capture += [f"L{layer}.{site}{row}" for site in here]
        if why_no_drawn_cross(model.anatomy, layer) is None:
            capture.append(f"L{layer}.cross_pattern{row}")
    return tuple(dict.fromkeys(capture))


@torch.no_grad()
def flow_graph(
    run: Run,
    layers: Sequence[int],
    *,
    target: TargetLike | None = None,
    position: int = -1,
    options: FlowOptions = DEFAULTS,
    like: FlowGraph | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> FlowGraph:
    """The flow graph of one position of a run, which captured `flow_capture(model, layers)`.

    Args:
        layers: which layers, drawn one after the other.
        target: what nodes are rated by: text or a token id; text of several tokens is rated as
            `options.target_mode` says. None: the token that the model itself predicts. Or a
            `ue.Objective` at the position, which `attributed` is then of: of logits, a direction of
            the residual stream, or the score of a label; nodes are rated by the first of its
            tokens. Without a lens (a head for labels) nodes predict no tokens and are not rated;
            None is then the label that scores highest.
        position: in which token's forward pass.
        options: what is shown, and how wide links are.
        changes: single options, as in `n_heads=0, top_neurons=5`.
        like: show the heads, neurons and values that another graph shows, to compare the two.

    Raises:
        TargetError: a position, or a target, that is not there; a site that was not captured.
        InputError: a layer or an option that is not there; another graph of other layers; an
            objective at another position, or of what is not written to directly.
        CapabilityError: a token as target of a model without a lens.
        TooLargeError: more vectors than `settings.max_flow_vectors`.
    """
    model = run.model
    check_flow(model, target)
    chosen = checked_layers(model, layers)
    options = options.changed(**changes)
    position = resolve_position(position, len(run.ids))
    if not is_of_text(model, target):
        check_position(target, position, len(run.ids))
    rating = flow_target(run, target, options.target_mode, position)
    if rating.objective.scored is None:
        check_effects(rating.objective)
    rated = rating.target
    selector = Selector(model, options, _selection(like, chosen))
    plan = _Plan(run, chosen, position, options, selector, cancel, progress)
    draft, selection = plan.draft(run, position)
    said = latents.notes(model, chosen) if options.latents else []
    draft.notes = [*rating.notes, *selector.notes, *draft.notes, *said]
    ids = [token.id for token in rated.tokens][: None if rated.mode == "whole" else 1]
    vectors = draft.vectors()
    _check_size(len(vectors) * len(ids), model.settings.max_flow_vectors)
    output_row = len(vectors)
    sides = [_with_output(run, vectors, position)]
    if len(ids) > 1:
        sides += plan.later(draft, selection, ids)
    if has_lens(model):
        readings = read_vectors(model, sides, ids, options.k, cancel, progress)
    else:
        readings = unread(model, sides[0])
        draft.notes.append(f"No box promotes tokens: {model.capabilities()['lens'].reason}.")
    effects = _attributed(run, draft, rating, position)
    return FlowGraph(
        layers=tuple(chosen),
        position=position,
        tokens=run.tokens,
        target=rated,
        output=replace(readings.reading("", output_row), row=-1),
        nodes=tuple(_node(one, readings, effects) for one in draft.nodes.values()),
        links=tuple(_link(one, readings, effects) for one in draft.links),
        sums=tuple(draft.sums),
        notes=tuple(draft.notes),
        vocab_size=model.vocab_size,
        options=options,
        selection=selection,
        vectors=vectors,
        provenance=run.provenance,
        objective=rating.objective,
        read=rating.read,
        source_tokens=run.source_tokens,
    )


@dataclass
class _Plan:
    """What stays the same while drafts are made at one position after another."""

    run: Run
    layers: list[int]
    position: int
    options: FlowOptions
    selector: Selector
    cancel: Cancel | None
    progress: Progress | None

    def draft(
        self, run: Run, position: int, like: Draft | None = None
    ) -> tuple[Draft, tuple[LayerSelection, ...]]:
        """Nodes, links and vectors; with the signs of another draft, if one is given."""
        draft = Draft(run.model, {} if like is None else like.signs_of_nodes())
        selection = draw_layers(
            draft, run, self.layers, position, self.selector, self.options, self._tell
        )
        return draft, selection

    def later(
        self, first: Draft, selection: tuple[LayerSelection, ...], ids: Sequence[int]
    ) -> list[Float[Tensor, "row d_model"]]:
        """The vectors of `first` at the positions of the target's further tokens."""
        capture = flow_capture(self.run.model, self.layers, None)
        run = continued(self.run, ids[:-1], self.position, capture)
        self.selector.like = {one.layer: one for one in selection}
        found = []
        for position in range(self.position + 1, self.position + len(ids)):
            draft, _ = self.draft(run, position, first)
            found.append(_with_output(run, draft.vectors(), position))
        return found

    def _tell(self, done: int) -> None:
        if self.cancel is not None:
            self.cancel.check()
        if self.progress is not None:
            self.progress("flow graph", done, len(self.layers))


def _check_size(n_vectors: int, limit: int) -> None:
    """Before the walk through the vocabulary, which takes most of the time."""
    if n_vectors > limit:
        raise TooLargeError(
            f"the graph would read {n_vectors:,} vectors; the limit is {limit:,} "
            "(max_flow_vectors): show fewer layers, heads or neurons, or use a higher threshold",
            field="layers",
            value=n_vectors,
            legal=f"at most {limit:,} vectors",
            fix=f"show less, or load the model with Settings(max_flow_vectors={n_vectors})",
        )


def _selection(like: FlowGraph | None, layers: Sequence[int]) -> tuple[LayerSelection, ...] | None:
    if like is None:
        return None
    if like.layers != tuple(layers):
        raise InputError(
            f"the other graph shows layers {list(like.layers)}, not {list(layers)}",
            field="like",
            value=list(like.layers),
            legal=str(list(layers)),
        )
    return like.selection


def _with_output(
    run: Run, vectors: Float[Tensor, "row d_model"], position: int
) -> Float[Tensor, "rows d_model"]:
    """The vectors, and the last residual, which says what the model itself predicts."""
    final = run[f"L{run.model.anatomy.n_layers - 1}.resid_post"][position, None]
    return torch.cat([vectors, final.to(vectors)])


# ------------------------------------------------------------------ effects and the finished parts


def _attributed(run: Run, draft: Draft, rating: Rating, position: int) -> dict[Write, float]:
    """What `_effects` finds; where that is refused none, and a note of the draft that says why."""
    try:
        return _effects(run, draft, rating, position)
    except CapabilityError as error:
        draft.notes.append(f"No effect on the target's logit is attributed: {error.message}.")
        return {}


def _effects(run: Run, draft: Draft, rating: Rating, position: int) -> dict[Write, float]:
    """The direct effect of every write of the graph on what is explained."""
    if rating.objective.scored is not None and rating.read is None:
        return {}  # a head that reads several positions
    drafted: list[DraftNode | DraftLink] = [*draft.nodes.values(), *draft.links]
    writes = list(dict.fromkeys(one.write for one in drafted if one.write is not None))
    groups: dict[tuple[int | None, Branch | None], list[Write]] = defaultdict(list)
    for write in writes:
        groups[write.layer, write.branch].append(write)
    found: dict[Write, float] = {}
    for (layer, branch), some in groups.items():
        rows = torch.stack([draft.vector(write.row) * write.coefficient for write in some])
        stream = SiteKey("resid_post", layer)
        if stream not in run.activations:  # written before the first layer of the graph
            stream = SiteKey("resid_post", run.model.anatomy.n_layers - 1)
        group = Writes(rows.to(run.activations[stream].device), layer, branch)
        found |= dict(zip(some, _on(run, group, position, rating), strict=True))
    return found


def _on(run: Run, group: Writes, position: int, rating: Rating) -> list[float]:
    """What some writes at a position do directly to what is explained."""
    if rating.read is None:
        effects: list[float] = effects_on(run, [group], [rating.objective])[:, 0].tolist()
    elif rating.read.position == position:
        effects = rating.read.effects(run.model, [group]).tolist()
    else:
        effects = [0.0] * len(group.rows)  # the head does not read what is written here
    return effects


def _node(one: DraftNode, readings: Readings, effects: dict[Write, float]) -> FlowNode:
    return replace(
        one.node,
        readings=tuple(readings.reading(*named) for named in one.readings),
        attributed=None if one.write is None else effects.get(one.write),
    )


def _link(one: DraftLink, readings: Readings, effects: dict[Write, float]) -> FlowLink:
    link = one.link
    if link.colour == "entropy" and link.row is not None:
        link = replace(link, colour_value=readings.entropy(link.row))
    return replace(link, attributed=None if one.write is None else effects.get(one.write))
