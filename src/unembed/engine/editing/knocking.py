"""Knocking out pairs of query and key: a whole set of them, of one head or of all of a layer.

Their entries of the pattern become 0. Renormalised, what is left of a row grows by one factor, so
that it sums to what all of it did: without a sink that is what hiding the pairs before the softmax
gives. A sink keeps its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from unembed.engine.editing.edits import Edit
from unembed.engine.names.sites import parse_target, resolve_position
from unembed.engine.nodes import CROSS
from unembed.engine.targets import Lengths, Name, Target
from unembed.errors import EditError, InputError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

Between = Literal["within", "across"]
PATTERNS = ("pattern", "cross_pattern")


def knock_out(
    target: Name,
    pairs: Sequence[tuple[int, int]] | Int[Tensor, "pair 2"] | None = None,
    *,
    renormalise: bool = False,
) -> Edit:
    """Take pairs of query and key out of the pattern of a head, or of every head of a layer.

    Args:
        target: a head, "L3.H2"; the attention of a layer, "L3.attn"; or one pair, "L3.H2@14<3".
        pairs: (query, key) each, negative ones from the end; left out for a target that is a pair.
        renormalise: the rest of each row sums to what all of it did, as if the pairs had been
            hidden before the softmax; a row of which nothing is left is 0 all the same.

    Raises:
        TargetError: a name that there is not.
        EditError: a target without a pattern, no pair, or pairs beside a target that is one.
    """
    asked = parse_target(target)
    node = _pattern_of(asked)
    if (asked.key is None) == (pairs is None):
        both = asked.key is not None
        raise EditError(
            f"{asked.text} is one pair already; leave pairs out"
            if both
            else f"say which pairs of query and key of {asked.text} are knocked out",
            field="pairs",
            value=asked.text,
            legal="none" if both else "at least one pair of positions, as in [(14, 3)]",
        )
    found = [(asked.position or 0, asked.key or 0)] if pairs is None else pairs
    return Edit(node, "knock_out", pairs=_as_pairs(found), renormalise=bool(renormalise))


def pairs_between(segments: Sequence[int], between: Between) -> Int[Tensor, "pair 2"]:
    """The pairs of query and key of one segment ("within"), or of two ("across").

    Raises InputError where there are no segments.
    """
    return joined(segments, between).nonzero()


def joined(segments: Sequence[int], between: str) -> Bool[Tensor, "query key"]:
    """Which pairs are of one segment ("within"), or of two ("across"); see `pairs_between`."""
    if not segments or between not in ("within", "across"):
        raise InputError(
            f"between={between!r} is for the two texts of a sentence pair"
            + ("" if segments else ", and this prompt is one text"),
            field="between",
            value=between,
            legal='"within" or "across", with a sentence pair' if segments else "left out",
            fix='model.run("first text", pair="second text")',
        )
    of = torch.tensor(segments)
    same: Tensor = of[:, None] == of
    return same if between == "within" else ~same


def _pattern_of(target: Target) -> Target:
    """The pattern that a head, a layer's attention or a pair of positions is seen in."""
    stack = f"{'E' if target.encoder else 'L'}{target.layer}"
    if target.site in PATTERNS:
        site = target.site
    elif "knock_out" in target.row.operations:
        site = "cross_pattern" if target.site.startswith(CROSS) else "pattern"
    else:
        raise EditError(
            f"{target.text} is a {target.row.title}, which has no pattern to knock pairs out of",
            field="target",
            value=target.text,
            legal='a head, "L3.H2", attention of a layer, "L3.attn", or a pair, "L3.H2@14<3"',
        )
    if target.position is not None and target.key is None:
        raise EditError(
            f"{target.text} names a query without a key; name the pairs with pairs",
            field="target",
            value=target.text,
            legal='"L3.H2", or "L3.H2@14<3"',
        )
    head = "" if target.head is None else f".H{target.head}"
    said = target.text if target.key is None else target.stem
    return replace(parse_target(f"{stack}{head}.{site}"), text=said)


def _as_pairs(pairs: Sequence[tuple[int, int]] | Tensor) -> Int[Tensor, "pair 2"]:
    """Pairs as a tensor; raises EditError for what is none."""
    found = pairs.detach().cpu() if isinstance(pairs, Tensor) else _tensor_of(list(pairs))
    whole = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
    if found.dim() != 2 or found.shape[1] != 2 or not len(found) or not whole:
        raise EditError(
            "pairs must be positions of query and key, at least one pair of them",
            field="pairs",
            value=list(found.shape),
            legal="[(query, key), ...]",
        )
    return found.long()


def _tensor_of(pairs: list[tuple[int, int]]) -> Tensor:
    try:
        return torch.tensor(pairs)
    except (TypeError, ValueError, RuntimeError):
        return torch.zeros(0)


# ------------------------------------------------------------------ doing it


def resolved_pairs(
    edit: Edit, target: Target, lengths: Lengths, field: str
) -> Int[Tensor, "pair 2"] | None:
    """The pairs counted from the start; None of another edit. Raises TargetError."""
    if edit.pairs is None:
        return None
    found = edit.pairs.clone()
    ends = (lengths.of(target.site_key), lengths.keys_of(target.site_key))
    for column, n_positions in enumerate(ends):
        numbers = found[:, column]
        outside = (numbers < -n_positions) | (numbers >= n_positions)
        if bool(outside.any()):  # raises
            resolve_position(int(numbers[outside][0]), n_positions, f"{field}.pairs")
        found[:, column] = torch.where(numbers < 0, numbers + n_positions, numbers)
    return found


def knocked_out(
    pattern: Float[Tensor, "head query key"],
    pairs: Int[Tensor, "pair 2"],
    first: tuple[int, int],
    *,
    renormalise: bool,
) -> Float[Tensor, "head query key"]:
    """The pattern without some pairs; `first` is which query and which key stand first in it."""
    n_queries, n_keys = pattern.shape[-2:]
    local = pairs - torch.tensor(first)
    inside = (local >= 0).all(-1) & (local < torch.tensor((n_queries, n_keys))).all(-1)
    queries, keys = local[inside].T.to(pattern.device)
    hidden = torch.zeros(n_queries, n_keys, dtype=torch.bool, device=pattern.device)
    hidden[queries, keys] = True
    kept = pattern.masked_fill(hidden, 0.0)
    if not renormalise:
        return kept
    left = kept.sum(-1, keepdim=True)
    grown = torch.where(left > 0, kept / left * pattern.sum(-1, keepdim=True), 0.0)
    touched = hidden.any(-1)[:, None]  # what nothing is taken from keeps its exact bits
    return torch.where(touched, grown, pattern)
