"""What the value of a node is compared with: 0, a mean, or what it is in another prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unembed.analyses.attribution.options import Against
from unembed.engine.passes.run import Run
from unembed.engine.targets import Name, SiteKey
from unembed.errors import InputError, PromptError


@dataclass(frozen=True, eq=False)
class References:
    """What values are compared with, by site.

    `run` has them where a run has its activations; None: all are compared with 0. A bias is a
    parameter: against another prompt it has no effect, as it is the same there.
    """

    against: Against = "zero"
    run: Run | None = None

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
        return self.against == "prompt"


def references_of(
    seen: Run, against: Against, others: Sequence[Run], keys: Sequence[SiteKey]
) -> References:
    """What the sites of a run are compared with.

    Args:
        others: runs of the reference prompts: for "prompt" each of as many tokens; for "mean" any,
            none for the mean over the prompt itself.
    """
    if against == "zero":
        return References()
    found: dict[SiteKey, Tensor] = {}
    for key in keys:
        values = seen.activations[key].detach()
        if against == "prompt":
            found[key] = torch.stack([one.activations[key] for one in others]).mean(0)
        elif not key.is_pairs:  # rows of a pattern are of different lengths: they go to 0
            every = [one.activations[key] for one in others] or [values]
            found[key] = torch.cat(every).mean(0, keepdim=True).expand_as(values).clone()
    return References(against, replace(seen, activations=found))


def check_references(against: Against, n_tokens: int, lengths: Sequence[int]) -> None:
    """Whether there are reference prompts where there must be, and of as many tokens.

    Raises InputError, PromptError.
    """
    if against == "zero" and lengths:
        raise InputError(
            "there are reference prompts, and values are compared with 0",
            field="against",
            value="zero",
            legal='"prompt" or "mean"',
        )
    if against != "prompt":
        return
    if not lengths:
        raise InputError(
            "values are to be compared with those of another prompt, and there is none",
            field="references",
            legal="at least one prompt",
        )
    wrong = next((one for one in lengths if one != n_tokens), None)
    if wrong is not None:
        raise PromptError(
            f"the prompt has {n_tokens} tokens and a reference {wrong}: what stands at a position "
            "of one must have its place in the other",
            field="references",
            value=wrong,
            legal=f"{n_tokens} tokens",
            fix='words of as many tokens, or against="mean"',
        )
