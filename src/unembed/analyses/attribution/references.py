"""What the value of a node is compared with: 0, a mean, what it is in another prompt, or a draw."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import torch
from torch import Tensor

from unembed.analyses.attribution.options import Against, AttributionOptions
from unembed.engine.editing.drawing import draw
from unembed.engine.passes.run import Run
from unembed.engine.targets import Name, SiteKey
from unembed.errors import InputError, PromptError

Counterparts = tuple[int | None, ...]
"""For each position of a prompt the one of another that stands for it; None: there is none."""


@dataclass(frozen=True, eq=False)
class References:
    """What values are compared with, by site.

    `run` has them where a run has its activations; None: all are compared with 0. A bias is a
    parameter: against another prompt it has no effect, as it is the same there.
    """

    against: Against = "zero"
    run: Run | None = None
    notes: tuple[str, ...] = ()

    def of(self, key: SiteKey) -> Tensor | None:
        """Those of a site, shaped as it; None: 0."""
        return None if self.run is None else self.run.activations.get(key)

    def at(self, node: Name) -> Tensor | float:
        """That of one node at its position."""
        if self.run is None:
            return 0.0
        target = self.run.model.node(node)
        return self.run.value_of(target) if self.of(target.site_key) is not None else 0.0

    @property
    def keeps_biases(self) -> bool:
        return self.against in ("prompt", "resample")


def references_of(
    seen: Run, options: AttributionOptions, others: Sequence[Run], keys: Sequence[SiteKey]
) -> References:
    """What the sites of a run are compared with.

    Args:
        others: runs of the reference prompts; for "mean" none for that over the prompt itself.
    """
    against = options.against
    if against == "zero":
        return References()
    found: dict[SiteKey, Tensor] = {}
    notes: tuple[str, ...] = ()
    if against == "prompt":
        places = [counterparts(seen.ids, one.ids, options.align) for one in others]
        notes = tuple(dict.fromkeys(note for one in places for note in _left(one)))
        found = {key: _placed(key, seen, others, places) for key in keys}
    elif against == "resample":
        drawn = draw(len(seen.ids), [len(one.ids) for one in others], options.seed)
        for key in keys:
            if not key.is_pairs:
                found[key] = torch.cat([one.activations[key] for one in others])[drawn]
    else:
        for key in keys:
            values = seen.activations[key].detach()
            if not key.is_pairs:  # rows of a pattern are of different lengths: they go to 0
                every = [one.activations[key] for one in others] or [values]
                found[key] = torch.cat(every).mean(0, keepdim=True).expand_as(values).clone()
    return References(against, replace(seen, activations=found), notes)


# ------------------------------------------------------------------ another prompt


def counterparts(
    ids: Sequence[int], other: Sequence[int], align: Sequence[str] = ()
) -> Counterparts:
    """Which positions of another prompt stand for those of a prompt.

    Of prompts of as many tokens the same ones. Else those of the longest common stretches of
    tokens; in what lies between, the last tokens: a name of two tokens has its own for the last of
    one of three, where what is read of it stands.

    Args:
        align: pairs by hand, "3=4": of both positions nothing else stands for the other prompt's.

    Raises:
        InputError: what is no pair, or of a position that there is not, or that has one already.
    """
    pairs = _by_hand(align, len(ids), len(other))
    taken = set(pairs.values())
    found = [None if at in taken else at for at in _alike(ids, other)]
    for here, there in pairs.items():
        found[here] = there
    return tuple(found)


def _by_hand(align: Sequence[str], n_here: int, n_there: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for pair in align:
        ends = re.fullmatch(r"\s*(-?[0-9]{1,7})\s*=\s*(-?[0-9]{1,7})\s*", pair, re.ASCII)
        if ends is None:
            message = f"align has {pair!r}, which is no pair of positions"
            raise InputError(message, field="align", value=pair, legal='pairs, as in "3=4"')
        here, there = int(ends[1]), int(ends[2])
        for said, at, most in (("prompt", here, n_here), ("reference", there, n_there)):
            if not -most <= at < most:
                raise InputError(
                    f"align has {pair!r}, and the {said} has {most} tokens",
                    field="align",
                    value=pair,
                    legal=f"0 to {most - 1} of the {said}, or -1 to -{most} from its end",
                )
        here, there = here % n_here, there % n_there
        if here in found or there in found.values():
            raise InputError(
                f"align has {pair!r}, and one of the two has a partner already",
                field="align",
                value=pair,
                legal="each position once",
            )
        found[here] = there
    return found


def _alike(ids: Sequence[int], other: Sequence[int]) -> Counterparts:
    if len(ids) == len(other):
        return tuple(range(len(ids)))
    found: list[int | None] = [None] * len(ids)
    for _, first, last, start, end in SequenceMatcher(None, ids, other, False).get_opcodes():
        for back in range(1, min(last - first, end - start) + 1):
            found[last - back] = end - back
    return tuple(found)


def _placed(
    key: SiteKey, seen: Run, others: Sequence[Run], places: Sequence[Counterparts]
) -> Tensor:
    """The mean over other prompts, where they have a counterpart; elsewhere the value itself."""
    own = seen.activations[key].detach()
    total, n = torch.zeros_like(own), torch.zeros_like(own)
    for run, place in zip(others, places, strict=True):
        here = [at for at, there in enumerate(place) if there is not None]
        there = [at for at in place if at is not None]
        values = run.activations[key]
        if key.is_pairs:
            rows, columns = torch.meshgrid(torch.tensor(here), torch.tensor(here), indexing="ij")
            total[:, rows, columns] += values[:, there][:, :, there]
            n[:, rows, columns] += 1
        else:
            total[here] += values[there]
            n[here] += 1
    return torch.where(n > 0, total / n.clamp(min=1), own)


def _left(place: Counterparts) -> list[str]:
    left = [str(at) for at, there in enumerate(place) if there is None]
    if not left:
        return []
    listed = ", ".join(left[:8]) + (f" and {len(left) - 8} more" if len(left) > 8 else "")
    return [f"a reference has nothing for position{'s' * (len(left) > 1)} {listed}: kept there"]


# ------------------------------------------------------------------ a draw


# ------------------------------------------------------------------ what fits


def check_references(
    options: AttributionOptions, ids: Sequence[int], others: Sequence[Sequence[int]]
) -> None:
    """Whether there are reference prompts where there must be, and such that they can be.

    Raises InputError, PromptError.
    """
    against = options.against
    if against == "zero" and others:
        raise InputError(
            "there are reference prompts, and values are compared with 0",
            field="against",
            value="zero",
            legal='"prompt", "mean" or "resample"',
        )
    if against in ("prompt", "resample") and not others:
        raise InputError(
            "values are to be compared with those of another prompt, and there is none",
            field="references",
            legal="at least one prompt",
        )
    if options.align and against != "prompt":
        raise InputError(
            "align says what stands for what in another prompt, and values are compared with none",
            field="align",
            value=options.align[0],
            legal='against="prompt"',
        )
    if against == "prompt":
        for other in others:
            _by_hand(options.align, len(ids), len(other))
        if not options.align:
            _check_common(ids, others)
    elif against == "resample":
        _check_drawn(options, ids, others)


def _check_common(ids: Sequence[int], others: Sequence[Sequence[int]]) -> None:
    for order, other in enumerate(others):
        if len(other) != len(ids) and not set(ids) & set(other):
            raise PromptError(
                f"the prompt has {len(ids)} tokens and reference {order} has {len(other)}, none of "
                "them the same: nothing says what stands for what",
                field="references",
                value=len(other),
                legal=f"{len(ids)} tokens, or some that the prompt has",
                fix='words of as many tokens, pairs by align=["3=4"], or against="mean"',
            )


def _check_drawn(
    options: AttributionOptions, ids: Sequence[int], others: Sequence[Sequence[int]]
) -> None:
    if options.pairs:
        raise InputError(
            "pairs of query and key cannot be drawn from other prompts: rows of their patterns are "
            "of other lengths",
            field="pairs",
            value="true",
            legal="false",
            fix="pairs=False",
        )
    if len(ids) > 1 and not any(len(one) > 1 for one in others):
        raise PromptError(
            "no reference has a second token, and all but the first are drawn from those",
            field="references",
            value=1,
            legal="a prompt of at least 2 tokens",
        )
