"""What every node upstream does to a node inside the model.

The number that is traced reads the residual stream along a direction (`reads`): from there on it is
an attribution as any other. Direct effect: a node's write along that direction, past the layers in
between; total: its value times the gradient of the direction's reading at it, the norm before the
traced node held (Transformer Debugger's traces).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch

from unembed.analyses.attribution.attribute import check_size, completeness, objective_of
from unembed.analyses.attribution.groups import Nodes, layers_of_pairs, needed
from unembed.analyses.attribution.options import AttributionOptions
from unembed.analyses.attribution.references import References
from unembed.analyses.attribution.result import AttributedNode, Attribution
from unembed.analyses.attribution.slopes import gradients, without_graph
from unembed.analyses.tools.checks import bounded_by_length, checked_layers, chosen
from unembed.analyses.tools.directions import Directions, directions, directions_capture
from unembed.analyses.tools.effects import check_effects
from unembed.analyses.tools.target import in_words
from unembed.analyses.tracing.downstream import (
    Downstream,
    check_carried,
    check_downstream,
    step_down,
)
from unembed.analyses.tracing.options import Through, TraceOptions
from unembed.analyses.tracing.reads import (
    OF_NEURONS,
    OF_PAIRS,
    Reader,
    Reading,
    Step,
    changes_before,
    step_of_node,
)
from unembed.analyses.tracing.result import Trace
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.attention_inputs import norms_frozen
from unembed.engine.passes.forward import request_of, run
from unembed.engine.targets import Lengths
from unembed.errors import InputError
from unembed.models.progress import Progress

DEFAULTS = TraceOptions()


@bounded_by_length("pairs=False, or a shorter prompt")
def trace(
    model: Loaded,
    prompt: Prompt,
    node: str,
    edits: Sequence[Edit] = (),
    *,
    options: TraceOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Trace:
    """What every node upstream of a node does to it; downstream, what it does to what reads it.

    Args:
        node: a neuron or latent at a position, "L12.N512@4", "L6.F77@4", or a pair of query and
            key, "L9.H6@14<3". Of a latent what its activation function is given is traced. Of
            `direction="downstream"` anything that writes: "embed@3", "L5.mlp_bias@4", too.
        edits: changes made while the model runs, in every pass.
        options: through what it is traced, and which nodes are listed; `changes` are single ones,
            as in `through="v", target=" Tokyo"`.

    Raises:
        PromptError, TargetError, EditError, InputError: bad input.
        CapabilityError: a node that this model does not show: neurons of a mixture of experts,
            heads that could not be told apart.
        TooLargeError: more nodes than `max_attributed_nodes`: use `pairs=False`.
    """
    options = chosen(options, changes, {})
    read = model.read_prompt(prompt)
    if options.layers is not None:
        checked_layers(model, options.layers)
    for position in options.positions or ():
        resolve_position(position, len(read.ids), "positions")
    check_downstream(options)
    if options.direction == "downstream":
        return _downstream(model, read, node, tuple(edits), options, cancel, progress)
    check_size(model, len(read.ids), AttributionOptions(pairs=options.pairs), edits)
    n, n_source = len(read.ids), len(read.source)
    steps = [step_of_node(model, *_split(one), n, "trail", n_source) for one in options.trail]
    steps.append(step_of_node(model, node, options.through, n, "node", n_source))
    return _Trace(model, read, tuple(edits), options, steps, cancel, progress).found()


def _downstream(
    model: Loaded,
    read: Read,
    node: str,
    edits: tuple[Edit, ...],
    options: TraceOptions,
    cancel: Cancel | None,
    progress: Progress | None,
) -> Trace:
    lengths = Lengths(len(read.ids), len(read.source))
    steps = [step_down(model, *_split(one), lengths, "trail") for one in options.trail]
    steps.append(step_down(model, node, options.through, lengths))
    check_carried(steps)
    return Downstream(model, read, edits, options, steps, cancel, progress).found()


def _split(written: str) -> tuple[str, Through | None]:
    """A step of a trail: NODE or NODE:THROUGH."""
    name, _, through = written.partition(":")
    legal: dict[str, Through] = {one: one for one in (*OF_PAIRS, *OF_NEURONS)}
    if through and through not in legal:
        raise InputError(
            f"{written!r} in trail says through what it is traced with {through!r}",
            field="trail",
            value=written,
            legal="NODE, or NODE:THROUGH with one of " + ", ".join(legal),
            fix='"L15.H1@8<3:v"',
        )
    return name, legal[through] if through else None


class _Trace:
    """One trace."""

    def __init__(
        self,
        model: Loaded,
        read: Read,
        edits: tuple[Edit, ...],
        options: TraceOptions,
        steps: Sequence[Step],
        cancel: Cancel | None,
        progress: Progress | None,
    ) -> None:
        self.model, self.read, self.edits, self.options = model, read, edits, options
        self.steps, self.cancel, self.progress = steps, cancel, progress
        self.reader = Reader(model, read, edits, cancel)
        self.pairs = layers_of_pairs(model, edits) if options.pairs else frozenset()
        self.objective: str | None = None
        self.passes = 0

    def found(self) -> Trace:
        readings = self._readings()
        parts = tuple(self._attribution(one) for one in readings)
        step = self.steps[-1]
        forward, backward = self.passes + len(parts), len(readings) + len(parts)
        made = Trace(
            node=step.node.name,
            through=step.through,
            trail=tuple(one.name for one in self.steps[:-1]),
            objective=self.objective,
            words=step.words,
            value=readings[0].value,
            tokens=parts[0].tokens,
            parts=parts,
            rows=(),
            cost=f"{forward} forward and {backward} backward passes, up to the node's layer",
            provenance=parts[0].provenance,
        )
        return replace(made, rows=self._listed(made))

    def _readings(self) -> tuple[Reading, ...]:
        """Of the last step: each of the trail is read towards the one before it."""
        towards: dict[int, Directions] | None = None
        readings: tuple[Reading, ...] = ()
        for done, step in enumerate(self.steps):
            if self.progress is not None:
                self.progress("tracing", done, len(self.steps))
            if step.through == "v" and towards is None:
                towards = self._of_objective()
            readings = self.reader.readings(step, self._at(step, towards))
            self.passes += 1
            towards = {one.position: one.directions() for one in readings}
        return readings

    def _at(self, step: Step, towards: dict[int, Directions] | None) -> Directions | None:
        """What is read at the position where a step writes; else something that it misses."""
        if towards is None:
            return None
        return towards.get(step.position, next(iter(towards.values())))

    def _of_objective(self) -> dict[int, Directions]:
        options, model = self.options, self.model
        asked = AttributionOptions(
            target=options.target, distractor=options.distractor, position=options.position
        )
        objective = objective_of(model, self.read, asked, self.edits)
        check_effects(objective)
        capture = directions_capture(model, objective)
        seen = run(model, request_of(self.read, capture, self.edits), self.cancel)
        self.passes += 1
        self.objective = in_words(model, objective)
        found = directions(seen, objective)
        return {found.position: found}

    def _attribution(self, reading: Reading) -> Attribution:
        """What every node before a reading does to it."""
        model, end = self.model, reading.end
        variables, read_only = needed(model, self.pairs, end)
        names = [*(key.name for key in (*variables, *read_only)), reading.site]
        capture = list(dict.fromkeys([*names, *changes_before(model, end)]))
        held = self.options.frozen == "all"
        request = request_of(self.read, capture, self.edits, grad=True, stop_after=reading.site)
        with norms_frozen(model.module) if held else nullcontext():
            seen = run(model, request, self.cancel, self.progress)
        with torch.inference_mode(False), torch.enable_grad():
            here = seen[reading.site][reading.position]
            scalar = here.to(reading.slope) @ reading.slope
        slopes = gradients(scalar, seen, variables)
        plain, found = without_graph(seen), reading.directions()
        nodes = Nodes(plain, slopes, References(), found, self.pairs, end)
        groups = tuple(nodes.groups())
        made = Attribution(
            objective=reading.step.words,
            value=reading.value,
            position=reading.position,
            tokens=plain.tokens,
            frozen=self.options.frozen,
            estimator="gradient",
            against="zero",
            method="frozen",
            cost="1 forward and 1 backward pass",
            n_nodes=sum(group.total.numel() for group in groups),
            completeness=completeness(groups, reading.value, found),
            token_totals=tuple(groups[0].total[:, 0].tolist()),
            rows=(),
            verification=None,
            notes=(*self.read.notes, *nodes.notes),
            provenance=plain.provenance,
            groups=groups,
        )
        return replace(made, rows=self._listed(made))

    def _listed(self, made: Trace | Attribution) -> tuple[AttributedNode, ...]:
        options = self.options
        return made.top(
            options.top_k,
            by=options.sort_by,
            kinds=options.kinds,
            layers=options.layers,
            positions=options.positions,
        )
