"""The token, or the tokens, that a flow graph rates its nodes by.

A target of several tokens is rated by its first one, and a note says so; or as a whole: then the
prompt is continued with the target, each token of it is read one position later than the one
before, and the probabilities multiply.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from unembed.analyses.flow.options import TargetMode
from unembed.analyses.flow.result import FlowTarget
from unembed.analyses.tools.directions import Directions, read_of_label
from unembed.analyses.tools.labelled import labels_of
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import (
    TargetLike,
    as_objective,
    highest_label,
    in_words,
    placed,
    read_text,
    text_tokens,
)
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded
from unembed.engine.names.tokens import Token
from unembed.engine.nodes import SOURCE_SITES
from unembed.engine.passes import forward
from unembed.engine.passes.run import Run
from unembed.engine.targets import Lengths
from unembed.errors import CapabilityError, InputError
from unembed.options import Explained


@dataclass(frozen=True)
class Rating:
    """What nodes are rated by, what their effects are on, and what a reader must know of it."""

    target: FlowTarget
    objective: Objective  # at the position that is rated
    notes: tuple[str, ...] = ()
    read: Directions | None = None  # how a head for labels reads the stream, where it is linear


def flow_target(run: Run, target: TargetLike | None, mode: TargetMode, position: int) -> Rating:
    """The target, rated at a position. None: the model's own top token.

    Raises TargetError for text that the tokenizer makes no token of, CapabilityError for a whole
    target of several tokens in a masked model, which fills in one token, InputError for an
    objective that is rated as a whole. A model without a lens has no token to rate nodes by: see
    `check_flow`.
    """
    model = run.model
    target = read_text(target)
    if target is None and not has_lens(model):
        return _of_label(run, highest_label(run, position), position, chosen=False)
    if isinstance(target, Explained):
        return _of_objective(run, as_objective(target), mode, position)
    if target is None:
        token = model.token(_most_likely(run, position))
        return _of_tokens(model, token.text, (token,), "first", position, chosen=False)
    ids = text_tokens(model, target)
    tokens = model.tokens(ids)
    text = target if isinstance(target, str) else tokens[0].text
    if len(ids) == 1:
        return _of_tokens(model, text, tokens, "first", position)
    if mode == "whole" and model.kind == "masked":
        raise CapabilityError(
            f"{text!r} is {len(ids)} tokens; {model.name} fills in one token at a time",
            field="target_mode",
            value=mode,
            legal='"first"',
            fix='use target_mode="first", or a target of one token',
        )
    pieces = " ".join(token.label for token in tokens)
    said = f"The target {text!r} is {len(ids)} tokens ({pieces}): nodes are rated by "
    said += (
        f"the first, {tokens[0].label}."
        if mode == "first"
        else "all of them, each read one position after the one before; ranks are the worst."
    )
    return replace(_of_tokens(model, text, tokens, mode, position), notes=(said,))


def _of_tokens(
    model: Loaded,
    text: str,
    tokens: tuple[Token, ...],
    mode: TargetMode,
    position: int,
    *,
    chosen: bool = True,
) -> Rating:
    """Effects are on the logit of the first."""
    objective = Objective.logit(tokens[0].id)
    words = in_words(model, objective)
    return Rating(FlowTarget(text, tokens, mode, chosen, words), objective.at(position))


def has_lens(model: Loaded) -> bool:
    """Whether vectors are read as predictions of tokens."""
    return model.capabilities()["lens"].available


def check_flow(model: Loaded, target: TargetLike | None) -> None:
    """Raise CapabilityError where there is nothing that nodes could be rated by.

    Without a lens that takes labels, or a direction of the residual stream as target.
    """
    target = read_text(target)
    if has_lens(model):
        return
    if target is None and model.labels is not None:
        model.require("labels")
        return
    if isinstance(target, Explained) and not as_objective(target).is_of_logits:
        return
    try:
        model.require("lens")
    except CapabilityError as error:
        if model.labels is not None:
            error.fix = f"target='label({json.dumps(model.labels.names[0])})', or no target"
        raise


def _of_objective(run: Run, objective: Objective, mode: TargetMode, position: int) -> Rating:
    """Nodes are rated by the first of its tokens, or by the model's own where it has none."""
    model = run.model
    if mode == "whole":
        raise InputError(
            "an objective is read at one position; only text can be rated as a whole",
            field="target_mode",
            value=mode,
            legal='"first" with an objective',
        )
    if objective.scored is not None:
        return _of_label(run, objective, position)
    if not has_lens(model):
        words = in_words(model, objective)
        rated = FlowTarget(words, (), "first", True, words, False)
        return Rating(rated, objective.at(position), (f"Effects are on the {words}.",))
    tokens = objective.ids(model)[0] if objective.is_of_logits else []
    token = model.token(tokens[0] if tokens else _most_likely(run, position))
    words = in_words(model, objective)
    plain = objective.kind == "logit" and len(tokens) == 1
    rated = FlowTarget(token.text, (token,), "first", bool(tokens), words, plain)
    said = f"Effects are on the {words}; nodes are rated by {token.text!r}."
    return Rating(rated, objective.at(position), () if plain else (said,))


def _of_label(run: Run, objective: Objective, position: int, *, chosen: bool = True) -> Rating:
    """Effects are on the score of a label, as its head reads the last residual."""
    model = run.model
    labels = labels_of(model)
    objective = placed(model, objective, position)
    read = read_of_label(run, objective)
    name = labels.names[labels.index(objective.scored if objective.scored is not None else 0)]
    words = in_words(model, objective.at(-1))
    rated = FlowTarget(name, (), "first", chosen, words, False)
    said = [f"Effects are on the {words}."]
    if read is None:
        said.append(
            "Its head reads no single position, so that no write has a direct effect of its own: "
            "measure what edits do."
        )
    elif read.position != position:
        said.append(
            f"Its head reads position {read.position} alone: nothing that is written at position "
            f"{position} reaches it directly."
        )
    elif read.method == "gradient":
        said.append(
            "Its head is not linear: effects are along its gradient, which holds for small changes."
        )
    return Rating(rated, objective, tuple(said), read)


def _most_likely(run: Run, position: int) -> int:
    """From the run's logits where it has them, else from its last residual."""
    logits = run.logits
    row = -1 if logits is None else position - (len(run.ids) - len(logits))
    if logits is not None and row >= 0:
        return int(logits[row].argmax())
    return int(run.model.unembedding.read(last_state(run, position), k=1).top_ids[0, 0])


def last_state(run: Run, position: int) -> torch.Tensor:
    """What the unembedding reads at a position [1, d]."""
    final = run[f"L{run.model.anatomy.n_layers - 1}.resid_post"]
    return run.model.final_norm(final[position, None])


def continued(run: Run, tokens: Sequence[int], position: int, capture: Sequence[str]) -> Run:
    """The prompt up to a position and then some tokens, with the run's own edits."""
    ids = (*run.ids[: position + 1], *tokens)
    edits = tuple(
        kept for edit in run.edits if (kept := _trimmed(edit, position, run.lengths)) is not None
    )
    request = forward.Request(ids, capture, edits, "none", source=run.source)
    return forward.run(run.model, request)


def _trimmed(edit: Edit, last: int, lengths: Lengths) -> Edit | None:
    """The edit without the positions after `last`, which come later and change nothing there.

    One whose positions are of the source stays: that is the same.
    """
    node = edit.node
    if node.encoder or node.site in SOURCE_SITES:
        return edit
    n_positions = lengths.prompt
    if node.position is not None:
        here = node.position % n_positions
        key = None if node.key is None else node.key % lengths.keys_of(node.site_key)
        return replace(edit, node=node.at(here, key)) if here <= last else None
    if edit.positions is None:
        _refuse_whole_vectors(edit)
        return edit
    places = [position % n_positions for position in edit.positions]
    kept = [order for order, place in enumerate(places) if place <= last]
    if len(kept) < len(places):
        _refuse_whole_vectors(edit)
    sources = edit.source_positions
    return (
        None
        if not kept
        else replace(
            edit,
            positions=tuple(places[order] for order in kept),
            source_positions=sources
            if sources is None or edit.take == "mean"  # over these, whatever is edited
            else tuple(sources[order] for order in kept),
        )
    )


def _refuse_whole_vectors(edit: Edit) -> None:
    """A value for each position of the prompt, or another run's, says nothing of what follows."""
    several = isinstance(edit.value, torch.Tensor) and edit.value.dim() > 1
    if several or (edit.source is not None and edit.take != "mean"):
        raise InputError(
            f"the edit of {edit.target} has a value for each position of the prompt, none for the "
            "tokens of the target",
            field="target_mode",
            value="whole",
            legal='"first"',
            fix='name the edit\'s positions, or use target_mode="first"',
        )
