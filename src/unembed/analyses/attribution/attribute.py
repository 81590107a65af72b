"""What every node does to an objective, from one forward and one backward pass.

Direct effect: what a node writes at the objective's position, past all later layers, norms frozen
(see `tools.effects`). Estimated total effect: a node's value times the gradient of the objective at
it, so to first order what the objective loses without it (attribution patching, Nanda 2023;
Transformer Debugger's act x grad). With integrated gradients the gradient is the mean over values
on the way from what it is compared with (Sundararajan et al. 2017; layer by layer as in Hanna et
al. 2024, "Have faith in faithfulness"); with RelP some of the model's functions are differentiated
by rules of relevance (`relevance`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from unembed.analyses.attribution.groups import (
    Nodes,
    Part,
    count,
    layers_of_pairs,
    needed,
    parts_of,
)
from unembed.analyses.attribution.measure import measured
from unembed.analyses.attribution.options import AttributionOptions
from unembed.analyses.attribution.relevance import relevance_rules
from unembed.analyses.attribution.result import Attribution, Completeness, NodeGroup
from unembed.analyses.tools.checks import checked_layers, chosen
from unembed.analyses.tools.directions import (
    Directions,
    directions,
    directions_capture,
    label_directions,
)
from unembed.analyses.tools.effects import has_effects
from unembed.analyses.tools.labelled import top_label
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import in_words, measured_at
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, set_to
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.attention_inputs import norms_frozen
from unembed.engine.passes.forward import Logits, request_of, run
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey, site
from unembed.errors import TooLargeError
from unembed.models.progress import Progress
from unembed.options import Explained, given

DEFAULTS = AttributionOptions()


def attribute(
    model: Loaded,
    prompt: Prompt,
    target: str | int | Explained | None = None,
    edits: Sequence[Edit] = (),
    *,
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
        options: how effects are estimated and which nodes are listed; `target` and `changes` are
            single ones, as in `distractor=" Paris", verify=20`.

    Raises:
        PromptError, TargetError, EditError, InputError: bad input; nothing was run.
        CapabilityError: a model without a lens, for an objective of logits; one without labels, for
            that of a label.
        TooLargeError: patterns larger than `max_capture_bytes`: use `pairs=False`.
    """
    options = chosen(options, given(target=target) | changes, {})
    read = model.read_prompt(prompt)
    objective = objective_of(model, read, options, edits)
    if options.layers is not None:
        checked_layers(model, options.layers)
    check_size(model, len(read.ids), options, edits)
    work = _Work(model, prompt, read, tuple(edits), objective, options, cancel, progress)
    return work.attribution()


def check_size(
    model: Loaded, n_positions: int, options: AttributionOptions, edits: Sequence[Edit] = ()
) -> None:
    """Raise TooLargeError where there are more nodes than `max_attributed_nodes`."""
    pairs = layers_of_pairs(model, edits) if options.pairs else ()
    size, limit = count(model, n_positions, pairs), model.settings.max_attributed_nodes
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
        if model.labels is None:
            model.require("lens")
        seen = run(model, request_of(read, (), edits, "all"))
        if model.labels is not None:
            return Objective.label(top_label(seen, position), position=position)
        target = seen.top(1, position)[0].token.id
    return measured_at(model, target, options.distractor, position, len(read.ids))


class _Work:
    """One attribution."""

    def __init__(
        self,
        model: Loaded,
        prompt: Prompt,
        read: Read,
        edits: tuple[Edit, ...],
        objective: Objective,
        options: AttributionOptions,
        cancel: Cancel | None,
        progress: Progress | None,
    ) -> None:
        self.model, self.prompt, self.read, self.edits = model, prompt, read, edits
        self.objective, self.options = objective, options
        self.cancel, self.progress = cancel, progress
        self.of_label = objective.scored is not None
        self.direct = has_effects(objective) or self.of_label
        if objective.is_of_logits:
            model.require("lens")
        self.pairs = layers_of_pairs(model, edits) if options.pairs else frozenset()
        self.variables, self.read_only = needed(model, self.pairs)

    def attribution(self) -> Attribution:
        with self._rules():
            seen, slopes, found = self._slopes()
            references = self._references(seen)
            if self.options.estimator == "integrated":
                slopes = slopes | self._integrated(seen, references, found)
        nodes = Nodes(seen, slopes, references, found, self.pairs)
        groups = tuple(nodes.groups())
        value = float(self.objective.value(seen))
        return self._listed(seen, groups, value, found, tuple(nodes.notes))

    def _rules(self) -> AbstractContextManager[None]:
        """What is not differentiated as it is."""
        if self.options.estimator == "relp":
            return relevance_rules(self.model)
        held = self.options.frozen == "all"
        return norms_frozen(self.model.module) if held else nullcontext()

    # ------------------------------------------------------------ gradients

    def _slopes(self) -> tuple[Run, dict[SiteKey, Tensor], Directions | None]:
        """One forward and one backward pass: the run without its graph, and gradients."""
        capture = [
            *(key.name for key in (*self.variables, *self.read_only)),
            *self.objective.required_capture(self.model),
            *(directions_capture(self.model, self.objective) if self.direct else ()),
        ]
        seen = self._run(tuple(dict.fromkeys(capture)), self.edits)
        found = self._directions(seen) if self.direct else None
        slopes = _gradients(self._scalar(seen, found), seen, self.variables)
        return _plain(seen), slopes, found

    def _directions(self, seen: Run) -> Directions | None:
        if self.of_label:
            return label_directions(seen, self.objective)
        return directions(_plain(seen), self.objective)

    def _run(
        self,
        capture: Sequence[str],
        edits: tuple[Edit, ...],
        start: tuple[int, Tensor] | None = None,
    ) -> Run:
        if self.cancel is not None:
            self.cancel.check()
        read = self.read
        logits: Logits = "last" if self.of_label else "none"
        request = request_of(read, capture, edits, logits, start=start, grad=True)
        found = run(self.model, request, self.cancel, self.progress)
        return replace(found, notes=read.notes) if read.notes else found

    def _scalar(self, seen: Run, found: Directions | None) -> Tensor:
        """What is differentiated: the objective, or what the head makes of it with frozen norms."""
        node = self.objective.node
        inside = node is not None and node.layer is not None
        with torch.inference_mode(False), torch.enable_grad():
            if found is None or inside or self.options.frozen == "none":
                return self.objective.value(seen)
            last = seen.activations[SiteKey("resid_post", self.model.anatomy.n_layers - 1)]
            here = last[found.position]
            return here.to(found.last) @ found.last

    # ------------------------------------------------------------ what values are compared with

    def _references(self, seen: Run) -> dict[SiteKey, Tensor]:
        """By variable; none where that is zero."""
        if self.options.against == "zero":
            return {}
        found = {}
        for key in self.variables:
            values = seen.activations[key]
            if key.is_pairs:
                continue  # rows of a pattern are of different lengths: they are compared with 0
            found[key] = values.mean(0, keepdim=True).expand_as(values)
        return found

    def _integrated(
        self, seen: Run, references: Mapping[SiteKey, Tensor], found: Directions | None
    ) -> dict[SiteKey, Tensor]:
        """Mean gradients on the way from the reference to the value, of one branch at a time."""
        parts = [part for part in parts_of(self.model) if part.why is None]
        slopes: dict[SiteKey, Tensor] = {}
        for done, part in enumerate(parts):
            if self.progress is not None:
                self.progress("integrated gradients", done, len(parts))
            slopes |= self._along_the_way(seen, part, references, found)
        return slopes

    def _along_the_way(
        self,
        seen: Run,
        part: Part,
        references: Mapping[SiteKey, Tensor],
        found: Directions | None,
    ) -> dict[SiteKey, Tensor]:
        pairs = part.branch == "attn" and part.layer in self.pairs
        key = part.pattern if pairs else part.inside
        values = seen.activations[key]
        reference = references.get(key)
        reference = torch.zeros_like(values) if reference is None else reference
        steps, total = self.options.steps, None
        needs = [key.name, *self.objective.required_capture(self.model)]
        last = f"L{self.model.anatomy.n_layers - 1}.resid_post"
        for step in range(steps):
            share = (step + 0.5) / steps  # the middle of each step
            here = set_to(site(key.site, key.layer), reference + share * (values - reference))
            run_here = self._run(tuple(dict.fromkeys([*needs, last])), (*self.edits, here))
            slope = _gradients(self._scalar(run_here, found), run_here, [key])[key]
            total = slope if total is None else total + slope
        return {} if total is None else {key: total / steps}

    # ------------------------------------------------------------ the result

    def _listed(
        self,
        seen: Run,
        groups: tuple[NodeGroup, ...],
        value: float,
        found: Directions | None,
        notes: tuple[str, ...],
    ) -> Attribution:
        options, model = self.options, self.model
        made = Attribution(
            objective=in_words(model, self.objective.at(-1)),
            value=value,
            position=resolve_position(
                self.objective.position if found is None else found.position, len(seen.ids)
            ),
            tokens=seen.tokens,
            frozen="all" if options.estimator == "relp" else options.frozen,
            estimator=options.estimator,
            against=options.against,
            method=None if found is None else found.method,
            cost=self._cost(),
            n_nodes=sum(group.total.numel() for group in groups),
            completeness=None if found is None else _completeness(groups, value, found),
            token_totals=tuple(groups[0].total[:, 0].tolist()),
            rows=(),
            verification=None,
            notes=(*seen.notes, *notes),
            provenance=seen.provenance,
            groups=groups,
        )
        rows = made.top(
            options.top_k, by=options.sort_by, layers=options.layers, positions=options.positions
        )
        if not options.verify:
            return replace(made, rows=rows)
        measure = partial(measured, self.model, self.prompt, seen, self.edits, self.objective)
        rows, verification = measure(rows, options, cancel=self.cancel, progress=self.progress)
        return replace(made, rows=rows, verification=verification)

    def _cost(self) -> str:
        each = "1 forward and 1 backward pass"
        if self.options.estimator != "integrated":
            return each
        parts = sum(part.why is None for part in parts_of(self.model))
        return f"{each}, and {parts * self.options.steps} more of both"


def _completeness(groups: Sequence[NodeGroup], value: float, found: Directions) -> Completeness:
    direct = sum(float(one.direct.double().sum()) for one in groups if one.direct is not None)
    rest = value - direct - found.norms - found.bias - found.beyond
    return Completeness(value, direct, found.norms, found.bias, found.beyond, rest)


def _gradients(scalar: Tensor, seen: Run, variables: Sequence[SiteKey]) -> dict[SiteKey, Tensor]:
    """The gradient at each variable; zeros where nothing depends on it."""
    values = [seen.activations[key] for key in variables]
    with torch.inference_mode(False), torch.enable_grad():
        found = torch.autograd.grad(scalar, values, allow_unused=True)
    return {
        key: torch.zeros_like(value) if slope is None else slope.detach()
        for key, value, slope in zip(variables, values, found, strict=True)
    }


def _plain(seen: Run) -> Run:
    """The run without its graph."""
    scores = seen.label_scores
    return replace(
        seen,
        activations={key: one.detach() for key, one in seen.activations.items()},
        label_scores=None if scores is None else scores.detach(),
    )
