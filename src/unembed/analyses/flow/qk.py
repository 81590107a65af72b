"""Queries and keys of a layer as directions of what attention reads.

A query and a key match by q·k. Seen from the residual stream that is a direction: of the query,
W_K q says what a key's token must hold to be found by it; of a key, W_Q k says what the query's
token must hold to find it. The maps' biases are left out. Rotation: both are shown as they are at
position 0, where nothing is turned; a key of a rotary model also as this query meets it, turned by
the distance between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine.passes.attention_inputs import (
    Attended,
    Inputs,
    attend,
    inputs_of,
    pulled_back,
    rotations,
)
from unembed.engine.passes.run import Run

if TYPE_CHECKING:
    from jaxtyping import Float


ROWS_AT_ONCE = 128  # states that a block is entered with; its mask is as large as their square


@dataclass(frozen=True, eq=False)
class Matching:
    """The directions of a layer's queries and keys at one position."""

    queries: Float[Tensor, "shown d_model"]
    keys: Float[Tensor, "shown memory d_model"]
    turned: Float[Tensor, "shown memory d_model"] | None  # None: nothing is rotated here
    all_queries: Float[Tensor, " d_model"]  # summed over all heads
    all_keys: Float[Tensor, " d_model"]  # the position's own keys, likewise


def matching(
    run: Run, layer: int, position: int, heads: Sequence[int], memory: Sequence[Sequence[int]]
) -> Matching:
    """Directions for the heads shown, and for their keys at the memory positions."""
    return _Matcher(run, layer, position).directions(heads, memory)


@dataclass(frozen=True, eq=False)
class _Wanted:
    """Vectors to pull back: along queries and along keys, of a token at a position."""

    q: Float[Tensor, "n head d_head"]
    k: Float[Tensor, "n kv_head d_head"]
    position: int


class _Matcher:
    def __init__(self, run: Run, layer: int, position: int) -> None:
        self.model, self.layer, self.position = run.model, layer, position
        self.q, self.k = run[f"L{layer}.q"], run[f"L{layer}.k"]
        self.group = self.q.shape[1] // self.k.shape[1]
        resid_pre, attn_in = (run[f"L{layer}.{site}"] for site in ("resid_pre", "attn_in"))
        self._resid_pre, self._attn_in = resid_pre, attn_in
        edited = {_site(edit.target) for edit in run.edits}
        self._edited = not edited.isdisjoint((f"L{layer}.q", f"L{layer}.k"))
        self._moved = f"L{layer}.attn_in" in edited

    def directions(self, heads: Sequence[int], memory: Sequence[Sequence[int]]) -> Matching:
        positions = sorted({self.position, *(key for row in memory for key in row)})
        own = positions.index(self.position)
        states = self._inputs(positions)
        still, rotary = self._before_rotation(states, positions)
        users = [head for head, row in zip(heads, memory, strict=True) for _ in row]
        groups = [head // self.group for head in users]
        made = [key for row in memory for key in row]
        keys = still.k[[positions.index(key) for key in made], groups]
        wanted = [
            self._for_keys(self._on_keys(heads, still.q[own])),
            self._for_queries(self._alone(users, keys)),
            self._for_keys(self._grouped(still.q[own])),
            self._for_queries(self._spread(still.k[own])),
        ]
        if rotary:
            met = self._alone(users, self.k[made, groups])
            wanted.append(self._for_queries(met, self.position))
        found = self._back(states.rows([own]), wanted)
        shape = (len(heads), len(memory[0]) if memory else 0, self._attn_in.shape[-1])
        return Matching(
            queries=found[0],
            keys=found[1].reshape(shape),
            turned=found[4].reshape(shape) if rotary else None,
            all_queries=found[2][0],
            all_keys=found[3][0],
        )

    def _before_rotation(self, states: Inputs, positions: list[int]) -> tuple[Attended, bool]:
        """Queries and keys before rotation, with their edits, and whether there is any."""
        # Products of the same shape: where nothing is turned, the same bits.
        still = attend(self.model, states, [0] * len(positions))
        moved = attend(self.model, states, positions)
        if torch.equal(moved.q, still.q) and torch.equal(moved.k, still.k):
            return Attended(still.attn_in, self.q[positions], self.k[positions]), False
        if self._edited:
            turns = rotations(self.model, self.layer, positions)
            q, k = (_turned_back(values[positions], turns) for values in (self.q, self.k))
            still = Attended(still.attn_in, q, k)
        return still, True

    def _inputs(self, positions: list[int]) -> Inputs:
        resid_pre = self._resid_pre[positions]
        if not self._moved:
            return Inputs(self.layer, resid_pre, None)
        return inputs_of(self.model, self.layer, resid_pre, self._attn_in[positions])

    def _for_queries(self, vectors: Tensor, position: int = 0) -> _Wanted:
        """What the query's token must hold, at a position, to grow along each vector."""
        return _Wanted(vectors, vectors.new_zeros(len(vectors), *self.k.shape[1:]), position)

    def _for_keys(self, vectors: Tensor) -> _Wanted:
        """What a key's token must hold, before rotation."""
        return _Wanted(vectors.new_zeros(len(vectors), *self.q.shape[1:]), vectors, 0)

    def _back(self, query: Inputs, wanted: Sequence[_Wanted]) -> list[Float[Tensor, "n d_model"]]:
        """All directions together: the query's own state as many times as there are."""
        sizes = [len(one.q) for one in wanted]
        q, k = (torch.cat([getattr(one, name) for one in wanted]) for name in ("q", "k"))
        positions = [
            one.position for one, size in zip(wanted, sizes, strict=True) for _ in range(size)
        ]
        parts = []
        for start in range(0, len(positions), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            some = positions[rows]
            states = query.rows([0] * len(some))
            parts.append(pulled_back(self.model, states, some, q[rows], k[rows]))
        return list(torch.split(torch.cat(parts), sizes))

    def _alone(self, heads: Sequence[int], vectors: Float[Tensor, "n d_head"]) -> Tensor:
        """Each vector in the place of one query head, the others zero."""
        found = vectors.new_zeros(len(heads), *self.q.shape[1:])
        found[range(len(heads)), list(heads)] = vectors
        return found

    def _on_keys(self, heads: Sequence[int], queries: Float[Tensor, "head d_head"]) -> Tensor:
        """Each head's query in the place of the key head that it reads."""
        found = queries.new_zeros(len(heads), *self.k.shape[1:])
        found[range(len(heads)), [head // self.group for head in heads]] = queries[list(heads)]
        return found

    def _grouped(self, queries: Float[Tensor, "head d_head"]) -> Tensor:
        """Queries summed over the heads that share a key."""
        return queries.reshape(1, -1, self.group, queries.shape[-1]).sum(2)

    def _spread(self, keys: Float[Tensor, "kv_head d_head"]) -> Tensor:
        """Each key before every head that reads it."""
        return keys.repeat_interleave(self.group, 0)[None]


def _turned_back(
    values: Float[Tensor, "pos head d_head"], turns: Float[Tensor, "pos d_head d_head"]
) -> Float[Tensor, "pos head d_head"]:
    """What was turned into these values."""
    found: Tensor = torch.linalg.solve(turns, values.to(turns), left=False)
    return found


def _site(target: str) -> str:
    """ "L3.H2.q@5" -> "L3.q"."""
    parts = target.partition("@")[0].split(".")
    return f"{parts[0]}.{parts[-1]}"
