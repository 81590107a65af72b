"""Does a node raise the tokens that it is said to raise? Steered and ablated, it is measured.

At tokens where the node is idle it is set to what it is at its strongest (steered), at tokens where
it is active to nought (ablated); what the logits behind the token change by is looked at. An effect
is the mean change of the said tokens' logits less that of all logits, which says nothing. Beside it
stand sets of as many other tokens of the corpus, drawn at random: what any tokens would show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import cast

import numpy as np

from unembed.analyses.tools.quantiles import student
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, add, set_to, zero
from unembed.engine.model import Model
from unembed.engine.sweep import sweep
from unembed.explanations.agreement import INTERVAL
from unembed.explanations.result import Cause, Effect
from unembed.explanations.sample import Sample
from unembed.index.corpus.columns import Mask
from unembed.index.corpus.measures import Direction, Measures
from unembed.index.store import Array

CONFIDENCE = 0.95


Lever = Callable[[float, float], Edit]
"""From a node's value at the last token of a prompt, and what it shall be there, to the edit."""


def lever_of(measures: Measures, order: int) -> Lever:
    """How one of the nodes is set to a value; what no number stands for, as a head, to 0 alone."""
    target, node = measures.targets[order], measures.nodes[order]
    if target is not None and target.is_number:
        return lambda _, to: set_to(target, to, positions=[-1])
    if target is not None:
        return lambda *_: zero(target, positions=[-1])
    site, vector = cast("Direction", node)
    unit = vector.detach().double() / vector.detach().double().norm()
    return lambda now, to: add(site, (to - now) * unit, positions=[-1])


def cause_of(
    model: Model,
    sample: Sample,
    lever: Lever,
    values: Array,
    active: Mask,
    said: Sequence[int],
    *,
    steers: bool,
    prompts: int,
    shuffles: int,
    seed: int,
    cancel: Cancel | None = None,
) -> Cause:
    """The effects of one node on the tokens that it is said to raise.

    Args:
        lever: how the node is set.
        values: of the node at every token of the sample.
        active: [token], where it is.
        said: token ids.
        steers: whether it can be set to a number at all.
        prompts: at how many held-out tokens, each of another sentence, for either.
        shuffles: how many sets of other tokens stand beside.
    """
    rng = np.random.default_rng(seed)
    held = np.flatnonzero(sample.held_out)
    strongest = held[np.argsort(-values[held], kind="stable")]
    idle = rng.permutation(held[~active[held]])
    others = _other_tokens(sample, said, shuffles, rng)
    most = float(values[~sample.held_out].max())

    def effect(places: Array, to: float) -> Effect:
        some = sample.first_of_sentences(places, prompts)
        changes = _changes(model, sample, lever, values, some, to, cancel)
        return _effect(changes, list(said), others)

    steered = effect(idle, most) if steers else None
    return Cause(steered, effect(strongest[active[strongest]], 0.0))


def _other_tokens(
    sample: Sample, said: Sequence[int], shuffles: int, rng: np.random.Generator
) -> Array:
    """Int[shuffle, token]: sets of tokens of the corpus, none of them said."""
    known = np.setdiff1d(sample.ids, said)
    size = min(len(said), len(known))
    return np.stack([rng.choice(known, size, replace=False) for _ in range(shuffles)])


def _changes(
    model: Model,
    sample: Sample,
    lever: Lever,
    values: Array,
    places: Array,
    to: float,
    cancel: Cancel | None,
) -> Array:
    """[prompt, token]: what each logit changes by behind each place, less the mean of all."""
    ids = sample.columns.numbers("id")
    starts = sample.rows - sample.positions
    prompts, edits = [], []
    for place in places.tolist():
        prompts.append(ids[starts[place] : sample.rows[place] + 1].tolist())
        edits.append(lever(float(values[place]), to))
    none: list[tuple[Edit, ...]] = [()] * len(prompts)
    before = sweep(model, prompts, none, logits="last", cancel=cancel)
    after = sweep(model, prompts, edits, logits="last", cancel=cancel)
    rows = []
    for one, other in zip(before, after, strict=True):
        change = (other["logits"][-1].double() - one["logits"][-1].double()).cpu().numpy()
        rows.append(change - change.mean())
    return np.stack(rows)


def _effect(changes: Array, said: list[int], others: Array) -> Effect:
    """Mean over prompts with Student's interval; that of other tokens, and 95% of their sets."""
    own = changes[:, said].mean(1)
    n = len(own)
    spread = float(own.std(ddof=1)) / sqrt(n) if n > 1 else float("inf")
    half = spread * student((1 + CONFIDENCE) / 2, n - 1) if n > 1 else float("inf")
    chance = changes[:, others].mean((0, 2))
    low, high = (float(one) for one in np.quantile(chance, INTERVAL))
    mean = float(own.mean())
    return Effect(n, mean, mean - half, mean + half, float(chance.mean()), low, high)
