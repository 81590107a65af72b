"""What every node does to an objective, from one forward and one backward pass.

Direct effect: what a node writes at the objective's position, past all later layers, norms frozen
(see `tools.effects`). Estimated total effect: a node's value, less what it is compared with, times
the gradient of the objective at it, so to first order what the objective loses without it
(attribution patching, Nanda 2023; Transformer Debugger's act x grad). `slopes` has the other ways
to a gradient; with RelP some of the model's functions are differentiated by rules of relevance
(`relevance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from unembed.analyses.attribution import latents, wholes
from unembed.analyses.attribution.attending import QueriesAndKeys, count_attending
from unembed.analyses.attribution.bound import bounded, check_sample
from unembed.analyses.attribution.groups import Nodes, count, layers_of_pairs
from unembed.analyses.attribution.measure import Measuring, all_measured, rows_measured
from unembed.analyses.attribution.memory import check_pairs
from unembed.analyses.attribution.options import AttributionOptions
from unembed.analyses.attribution.references import (
    References,
    check_references,
    references_of,
)
from unembed.analyses.attribution.relevance import relevance_rules
from unembed.analyses.attribution.result import Attribution, Completeness, NodeGroup
from unembed.analyses.attribution.slopes import Passes
from unembed.analyses.tools.checks import bounded_by_length, checked_layers, chosen
from unembed.analyses.tools.directions import Directions
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import highest_label, in_words, likeliest, measured_at
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.names.prompts import several
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.attention_inputs import norms_frozen
from unembed.engine.passes.forward import request_of, run
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.errors import TooLargeError
from unembed.models.progress import Progress
from unembed.options import Explained, given

DEFAULTS = AttributionOptions()


@bounded_by_length("pairs=False, or a shorter prompt")
def attribute(
    model: Loaded,
    prompt: Prompt,
    target: str | int | Explained | None = None,
    edits: Sequence[Edit] = (),
    *,
    references: Prompt | Sequence[Prompt] = (),
    options: AttributionOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Attribution:
    """What every node does to an objective on one prompt.

    Args:
        target: a token, whose logit is explained, or a `ue.Objective`, which says its own position;
            absent: the model's own most likely token, or label.
        edits: changes made while the model runs, in every pass.
        references: with `against="prompt"` a prompt whose activations take the place of the
            prompt's; of several, their means position by position. One of other length has for
            each position what `references.counterparts` finds, or `align=[(3, 4)]` says by hand,
            and where it has nothing a value is kept. With `against="mean"` any prompts: the mean
            over all of their positions; with `against="resample"`, too: at each position all sites
            have what they are at one that is drawn from theirs.
        options: how effects are estimated and which nodes are listed; `target` and `changes` are
            single ones, as in `distractor=" Paris", verify=20`; `verify="all"` is `verify_all`.

    Raises:
        PromptError, TargetError, EditError, InputError: bad input; nothing was run.
        CapabilityError: a model without a lens, for an objective of logits; one without labels, for
            that of a label.
        TooLargeError: patterns larger than `max_capture_bytes`: use `pairs=False`; more nodes to
            measure than `max_measured_nodes`.
    """
    if changes.get("verify") == "all":
        changes = changes | {"verify": 0, "verify_all": True}
    if "align" in changes:
        changes = changes | {"align": tuple(map(_pair, changes["align"]))}
    options = chosen(options, given(target=target) | changes, {})
    options = chosen(options, {"estimator": options.settled}, {})
    check_sample(options.sample)
    read = model.read_prompt(prompt)
    objective = objective_of(model, read, options, edits)
    if options.layers is not None:
        checked_layers(model, options.layers)
    for position in options.positions or ():
        resolve_position(position, len(read.ids), "positions")
    check_size(model, len(read.ids), options, edits)
    latents.check(model, options.against, options.sample, options.estimator)
    others = [model.read_prompt(one) for one in several(references)]
    check_references(options, read.ids, [one.ids for one in others])
    pairs = layers_of_pairs(model, edits) if options.pairs else frozenset()
    check_pairs(model, len(read.ids), pairs, options)
    passes = Passes(model, read, tuple(edits), objective, options, pairs, cancel, progress)
    return _Work(prompt, passes, others).attribution()


def _pair(pair: Any) -> Any:
    """(3, 4) as "3=4"; what is neither is left to the options to refuse."""
    two = isinstance(pair, tuple | list) and len(pair) == 2
    return f"{pair[0]}={pair[1]}" if two else pair


def check_size(
    model: Loaded, n_positions: int, options: AttributionOptions, edits: Sequence[Edit] = ()
) -> None:
    """Raise TooLargeError where there are more nodes than `max_attributed_nodes`."""
    pairs = layers_of_pairs(model, edits) if options.pairs else ()
    size, limit = count(model, n_positions, pairs), model.settings.max_attributed_nodes
    size += 0 if options.qk == "none" else count_attending(model) * n_positions
    size += len(wholes.whole_sites(model)) * n_positions if options.wholes else 0
    if size > limit:
        raise TooLargeError(
            f"{n_positions:,} tokens have {size:,} nodes; the limit is {limit:,} "
            "(max_attributed_nodes)",
            field="prompt",
            value=size,
            legal=f"at most {limit:,} nodes",
            fix="pairs=False, or a shorter prompt" if pairs else "a shorter prompt",
        )


def objective_of(
    model: Loaded, read: Read, options: AttributionOptions, edits: Sequence[Edit] = ()
) -> Objective:
    """What is explained, at its position counted from the start.

    An objective made in Python says its position itself. Raises as `attribute` does.
    """
    position = resolve_position(options.position, len(read.ids))
    target = options.target
    if target is None:
        if model.labels is not None:
            return highest_label(run(model, request_of(read, (), edits, "all")), position)
        model.require("lens")
        target = likeliest(model, read, position, edits)
    return measured_at(model, target, options.distractor, position, len(read.ids))


class _Work:
    """One attribution."""

    def __init__(self, prompt: Prompt, passes: Passes, others: Sequence[Read]) -> None:
        self.model, self.prompt, self.passes, self.others = passes.model, prompt, passes, others
        self.edits, self.objective, self.options = passes.edits, passes.objective, passes.options
        if self.objective.is_of_logits:
            self.model.require("lens")

    def attribution(self) -> Attribution:
        passes, options = self.passes, self.options
        with self._rules():
            seen, slopes, found = passes.slopes()
            others = [passes.of_reference(one) for one in self.others]
            references = references_of(seen, options, others, passes.variables)
            groups, notes = self._groups(seen, slopes, references, found)
        made = self._made(seen, groups, found, notes)
        return self._listed(self._measured(made, seen, references))

    def _groups(
        self,
        seen: Run,
        slopes: dict[SiteKey, Tensor],
        references: References,
        found: Directions | None,
    ) -> tuple[tuple[NodeGroup, ...], tuple[str, ...]]:
        """The groups by the plain gradients `slopes`, or by more of them, and notes."""
        passes, along, whole, own = self.passes, dict[SiteKey, Tensor](), slopes, slopes
        if passes.integrates:
            along = passes.integrated_latents(seen, found)
            own = slopes | passes.integrated(seen, references, found, passes.moved)
            if self.options.wholes:
                keys = wholes.whole_sites(self.model)
                whole = passes.integrated(seen, references, found, keys, len(passes.moved))
        nodes = Nodes(seen, own, references, found, passes.pairs, along=along, held=self._holds())
        groups, notes = tuple(nodes.groups()), (*nodes.notes, *references.notes)
        if self.options.wholes:
            stems = {group.stem for group in groups}
            groups += tuple(wholes.groups(seen, whole, references, found, stems))
        heads = self._queries_and_keys(seen, references)
        if heads is not None:
            groups, notes = (*groups, *heads.groups(slopes)), (*notes, *heads.notes)
        if self.options.estimator == "graddrop":
            groups = self._as_large(groups, seen, references, found, heads)
        return groups, notes

    def _queries_and_keys(self, seen: Run, references: References) -> QueriesAndKeys | None:
        """None where they are no nodes."""
        if self.options.qk == "none":
            return None
        anew = self.options.qk == "softmax"
        made = self.passes.attending(seen, references) if anew else None
        return QueriesAndKeys(seen, references, made)

    def _as_large(
        self,
        groups: tuple[NodeGroup, ...],
        seen: Run,
        references: References,
        found: Directions | None,
        heads: QueriesAndKeys | None,
    ) -> tuple[NodeGroup, ...]:
        """Totals with the sign that they have and the size of GradDrop's.

        That is the sum of the sizes of what is left with each layer dropped, over one less than
        there are: the layer that a node is in leaves nothing (Kramár et al. 2024), but of the
        stream what goes past it.
        """
        pairs, n_layers = self.passes.pairs, self.passes.n_dropped
        sizes = [torch.zeros_like(group.total) for group in groups]
        for slopes in self.passes.dropped(seen, found):
            left = [*Nodes(seen, slopes, references, None, pairs).groups()]
            if self.options.wholes:
                stems = {group.stem for group in left}
                left += wholes.groups(seen, slopes, references, None, stems)
            left += [] if heads is None else heads.groups(slopes)
            sizes = [size + one.total.abs() for size, one in zip(sizes, left, strict=True)]
        return tuple(
            replace(
                group,
                total=torch.where(group.total < 0, -size, size)
                / max(n_layers - (group.layer is not None and group.kind != "stream"), 1),
            )
            for group, size in zip(groups, sizes, strict=True)
        )

    def _holds(self) -> bool:
        """Whether totals of the nodes of a branch with a norm behind it cancel in their sum."""
        return self.options.estimator == "gradient" and self.options.frozen != "all"

    def _rules(self) -> AbstractContextManager[None]:
        """What is not differentiated as it is."""
        if self.options.estimator == "relp":
            return relevance_rules(self.model)
        held = self.options.frozen == "all"
        return norms_frozen(self.model.module) if held else nullcontext()

    def _made(
        self,
        seen: Run,
        groups: tuple[NodeGroup, ...],
        found: Directions | None,
        notes: tuple[str, ...],
    ) -> Attribution:
        options, value = self.options, float(self.objective.value(seen))
        return Attribution(
            objective=in_words(self.model, self.objective.at(-1)),
            value=value,
            position=resolve_position(
                self.objective.position if found is None else found.position, len(seen.ids)
            ),
            tokens=seen.tokens,
            frozen="all" if options.estimator == "relp" else options.frozen,
            estimator=options.settled,
            against=options.against,
            method=None if found is None else found.method,
            cost=self._cost(),
            n_nodes=sum(group.total.numel() for group in groups),
            completeness=None if found is None else completeness(groups, value, found),
            token_totals=tuple(groups[0].total[:, 0].tolist()),
            rows=(),
            verification=None,
            notes=(*seen.notes, *notes),
            provenance=seen.provenance,
            groups=groups,
        )

    def _measured(self, made: Attribution, seen: Run, references: References) -> Attribution:
        """With what the options ask to be measured."""
        options, passes = self.options, self.passes
        measuring = Measuring(
            self.model,
            self.prompt,
            seen,
            self.edits,
            self.objective,
            references,
            passes.cancel,
            passes.progress,
        )
        if options.verify_all:
            made = all_measured(measuring, made, options)
        elif options.verify:
            rows = self._listed(made).rows[: options.verify]
            made = rows_measured(measuring, made, rows)
        return bounded(measuring, made, options.sample) if options.sample else made

    def _listed(self, made: Attribution) -> Attribution:
        options = self.options
        rows = made.top(
            options.top_k,
            by=options.sort_by,
            kinds=options.kinds,
            layers=options.layers,
            positions=options.positions,
        )
        return replace(made, rows=rows)

    def _cost(self) -> str:
        each = "1 forward and 1 backward pass"
        if self.others:
            each = f"{each}, {len(self.others)} more forward"
        if self.options.qk == "softmax":
            each = f"{each}, 2 more forward for queries and keys"
        if self.options.estimator == "graddrop":
            return f"{each}, and {self.passes.n_dropped} more of both"
        if self.options.estimator != "integrated":
            return each
        return f"{each}, and {self.passes.n_integrated * self.options.steps} more of both"


def completeness(groups: Sequence[NodeGroup], value: float, found: Directions) -> Completeness:
    direct = sum(
        float(one.direct.double().sum())
        for one in groups
        if one.direct is not None and not one.beside
    )
    rest = value - direct - found.norms - found.bias - found.beyond
    return Completeness(value, direct, found.norms, found.bias, found.beyond, rest)
