"""Patterns weighed by what they move: its norm, or its direct effect on a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from unembed.analyses.attention.options import AttentionOptions, Part
from unembed.analyses.tools.effects import Writes, check_effects, effects_capture, effects_on
from unembed.analyses.tools.moved import MovedValues, moved_capture
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import read_target
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.engine.nodes import Branch
from unembed.engine.passes.run import Run
from unembed.engine.targets import Target
from unembed.errors import CapabilityError, InputError
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def branch_of(part: Part) -> Branch:
    """The branch through which heads of a part write."""
    return "cross" if part == "cross" else "attn"


def measured_capture(model: Loaded, layers: Sequence[int], options: AttentionOptions) -> list[str]:
    """What a run must have captured beside patterns for the measure of the options."""
    if options.measure == "attention":
        return []
    branch, encoder = branch_of(options.part), options.part == "encoder"
    found = [
        site for layer in layers for site in moved_capture(model, layer, branch, encoder=encoder)
    ]
    if options.measure == "target":
        found += effects_capture(model, layers[0])
    return found


def check_measure(model: Loaded, options: AttentionOptions) -> None:
    """Raise InputError for a target with another measure, or none with the one that needs it.

    Raises CapabilityError where nothing of this part has direct effects, or the model no lens.
    """
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
    if options.measure != "target":
        return
    model.require("lens")
    if options.part == "encoder":
        raise CapabilityError(
            "heads of the encoder write to its own stream, which reaches the logits through the "
            "attention of the decoder only: they have no direct effects",
            field="measure",
            value="target",
            legal='"attention" or "moved"',
        )


def objective_of(model: Loaded, options: AttentionOptions) -> Objective | None:
    """What effects are on; None without the measure that has any."""
    if options.measure != "target":
        return None
    rated = read_target(model, options.target, options.distractor)
    if rated is None or rated.objective is None:
        raise AssertionError("the measure has a target")
    check_effects(rated.objective)
    return rated.objective


class Measured:
    """Patterns of some heads of a run, weighed by what they move."""

    def __init__(
        self,
        run: Run,
        part: Part,
        shown: Sequence[Target],
        queries: Sequence[int],
        cancel: Cancel | None,
        progress: Progress | None,
    ) -> None:
        self.run, self.shown, self.queries = run, shown, queries
        self.cancel, self.progress = cancel, progress
        self.branch = branch_of(part)
        self.values = {
            layer: MovedValues(run, layer, self.branch, encoder=part == "encoder")
            for layer in dict.fromkeys(one.layer or 0 for one in shown)
        }

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
                writes = Writes(rows, layer, self.branch)
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
