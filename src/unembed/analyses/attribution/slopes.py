"""Gradients of an objective at the variables of nodes: how many passes, along which way.

One forward and one backward pass give all of them. With integrated gradients a gradient is the mean
over values on the way from what they are compared with (Sundararajan et al. 2017; layer by layer as
in Hanna et al. 2024, "Have faith in faithfulness"). GradDrop (Kramár et al. 2024, AtP*) takes one
more pair of passes for each layer: effects along ways that cancel are seen with one way shut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unembed.analyses.attribution import latents
from unembed.analyses.attribution.attending import Attending, attending, own_keys, sites_of
from unembed.analyses.attribution.groups import OUT, boxes_of, needed, parts_of
from unembed.analyses.attribution.options import AttributionOptions
from unembed.analyses.attribution.references import References
from unembed.analyses.attribution.wholes import whole_sites
from unembed.analyses.tools.directions import (
    Directions,
    directions,
    directions_capture,
    label_directions,
)
from unembed.analyses.tools.effects import has_effects
from unembed.analyses.tools.objective import Objective
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, by_analysis, set_to
from unembed.engine.loaded import Loaded
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import Logits, request_of, run, run_rows
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey, site
from unembed.models.progress import Progress

ADDED = (*OUT.values(), "mixer_out", "ple_out")  # where a layer adds to the stream
TOKENS_AT_ONCE = 512  # of the rows of one pass: more make products no faster, and graphs larger


@dataclass(frozen=True, eq=False)
class Passes:
    """The passes of one attribution.

    Args:
        pairs: layers whose heads are pairs of query and key.
    """

    model: Loaded
    read: Read
    edits: tuple[Edit, ...]
    objective: Objective
    options: AttributionOptions
    pairs: frozenset[int]
    cancel: Cancel | None
    progress: Progress | None

    @property
    def of_label(self) -> bool:
        return self.objective.scored is not None

    @property
    def direct(self) -> bool:
        """Whether nodes have direct effects."""
        return has_effects(self.objective) or self.of_label

    @property
    def variables(self) -> list[SiteKey]:
        """Where gradients are taken."""
        return self._sites[0]

    @property
    def _sites(self) -> tuple[list[SiteKey], list[SiteKey]]:
        """Where gradients are taken, and what is only read."""
        variables, read = needed(self.model, self.pairs)
        if self.options.qk != "none":
            more, read_too = sites_of(self.model)
            variables = list(dict.fromkeys([*variables, *more]))
            read = list(dict.fromkeys([*read, *read_too]))
        if self.options.wholes:
            variables = list(dict.fromkeys([*variables, *whole_sites(self.model)]))
        if self.integrates and self.model.kind == "causal":  # passes enter at their layer
            layers = range(self.model.anatomy.n_layers)
            streams = [SiteKey("resid_pre", layer) for layer in layers]
            read = list(dict.fromkeys([*read, *streams]))
        return variables, [key for key in read if key not in variables]

    @property
    def integrates(self) -> bool:
        return self.options.estimator == "integrated"

    def slopes(self) -> tuple[Run, dict[SiteKey, Tensor], Directions | None]:
        """One forward and one backward pass: the run without its graph, and gradients."""
        variables, read_only = self._sites
        capture = [
            *(key.name for key in (*variables, *read_only)),
            *self.objective.required_capture(self.model),
            *(directions_capture(self.model, self.objective) if self.direct else ()),
        ]
        seen = self._run(tuple(dict.fromkeys(capture)), self.edits, self.progress)
        found = self._directions(seen) if self.direct else None
        slopes = gradients(self._scalar(seen, found), seen, variables)
        return without_graph(seen), slopes, found

    def of_reference(self, read: Read) -> Run:
        """Another prompt with the same edits: what its nodes are."""
        if self.cancel is not None:
            self.cancel.check()
        capture = [key.name for key in self.variables]
        request = request_of(read, capture, self.edits, "none")
        return run(self.model, request, self.cancel, self.progress)

    def attending(self, seen: Run, references: References) -> Attending:
        """What patterns become of with queries and with keys replaced: two runs.

        What every layer adds is set to what it added, so that each layer sees what it saw.
        """
        held = [
            by_analysis(set_to(site(key.site, key.layer), seen.activations[key]))
            for key in self.variables
            if key.site in ADDED
        ]
        keys = own_keys(self.model)
        queries = [key for key in self.variables if key.site == "q"]
        runs = []
        for replaced, read in (
            (queries, [f"L{key.layer}.pattern" for key in queries]),
            ([SiteKey("k", layer) for layer in keys], [f"L{layer}.scores" for layer in keys]),
        ):
            edits = [by_analysis(_replacing(key, seen, references)) for key in replaced]
            request = request_of(self.read, read, (*self.edits, *held, *edits), "none")
            if self.cancel is not None:
                self.cancel.check()
            runs.append(run(self.model, request, self.cancel, self.progress))
        return attending(seen, *runs)

    @property
    def moved(self) -> list[SiteKey]:
        """The sites that integrated gradients move for nodes that are no whole branches.

        Token embeddings among them where there is something else to come from than nothing.
        """
        found = [SiteKey("embed", None)] if self.options.against != "zero" else []
        for part in parts_of(self.model):
            if latents.of_branch(self.model, part.out) is not None:
                continue
            pairs = part.branch == "attn" and part.layer in self.pairs
            inside = part.pattern if pairs else part.inside
            found.append(part.out if part.why is not None else inside)
        return [*found, *(site_key for _, _, site_key in boxes_of(self.model))]

    @property
    def n_integrated(self) -> int:
        """How many sites integrated gradients move, each in steps of its own."""
        wholes = len(whole_sites(self.model)) if self.options.wholes else 0
        return len(self.moved) + wholes + len(latents.attached_to(self.model))

    def integrated(
        self,
        seen: Run,
        references: References,
        found: Directions | None,
        keys: Sequence[SiteKey],
        before: int = 0,
    ) -> dict[SiteKey, Tensor]:
        """Mean gradients on the way from the reference to the value, of one site at a time.

        Args:
            before: how many sites are done already, for what progress says.
        """
        slopes: dict[SiteKey, Tensor] = {}
        for done, key in enumerate(keys):
            if self.progress is not None:
                self.progress("integrated gradients", before + done, self.n_integrated)
            values, reference = seen.activations[key], references.of(key)
            start = torch.zeros_like(values) if reference is None else reference
            slopes[key] = self._along_the_way(key, start, values, found, seen)
        return slopes

    def integrated_latents(self, seen: Run, found: Directions | None) -> dict[SiteKey, Tensor]:
        """Mean gradients where autoencoders write, on the way of their latents from 0.

        What they do not explain, and their biases, are there all the way.
        """
        slopes: dict[SiteKey, Tensor] = {}
        for one in latents.attached_to(self.model):
            values = seen.activations[one.writes]
            written = one.split(seen).written.reshape(values.shape).to(values)
            key = one.writes
            slopes[key] = self._along_the_way(key, values - written, values, found, seen)
        return slopes

    @property
    def n_dropped(self) -> int:
        """How many layers `dropped` has gradients without."""
        return len({part.layer for part in parts_of(self.model)})

    def dropped(self, seen: Run, found: Directions | None) -> Iterator[dict[SiteKey, Tensor]]:
        """Gradients with those through one layer left out, for each layer in turn.

        What a layer adds is set to what it added: the same numbers, and no way back through it. So
        nothing inside of it has a gradient, nor what it adds as a whole.
        """
        layers = sorted({part.layer for part in parts_of(self.model)})
        needs = [*self.objective.required_capture(self.model)]
        needs += directions_capture(self.model, self.objective) if self.direct else ()
        for done, layer in enumerate(layers):
            if self.progress is not None:
                self.progress("gradients without a layer", done, len(layers))
            outs = [key for key in self.variables if key.layer == layer and key.site in ADDED]
            held = [
                by_analysis(set_to(site(key.site, layer), seen.activations[key])) for key in outs
            ]
            capture = dict.fromkeys([*(key.name for key in self.variables), *needs])
            run_here = self._run(tuple(capture), (*self.edits, *held))
            slopes = gradients(self._scalar(run_here, found), run_here, self.variables)
            yield slopes | {key: torch.zeros_like(slopes[key]) for key in outs}

    # ------------------------------------------------------------ inside

    def _directions(self, seen: Run) -> Directions | None:
        if self.of_label:
            return label_directions(seen, self.objective)
        return directions(without_graph(seen), self.objective)

    def _run(
        self, capture: Sequence[str], edits: tuple[Edit, ...], progress: Progress | None = None
    ) -> Run:
        return self._rows(capture, [edits], progress=progress)[0]

    def _rows(
        self,
        capture: Sequence[str],
        edits: Sequence[tuple[Edit, ...]],
        start: tuple[int, Tensor] | None = None,
        progress: Progress | None = None,
    ) -> list[Run]:
        """One pass over the prompt with each of these edits, with its graph.

        Args:
            progress: told of its layers; one of many passes has none of its own.
        """
        if self.cancel is not None:
            self.cancel.check()
        read = self.read
        logits: Logits = "last" if self.of_label else "none"
        rows = [request_of(read, capture, one, logits, start=start, grad=True) for one in edits]
        found = run_rows(self.model, rows, self.cancel, progress)
        return [replace(one, notes=read.notes) for one in found] if read.notes else found

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

    def _along_the_way(
        self,
        key: SiteKey,
        start: Tensor,
        end: Tensor,
        found: Directions | None,
        seen: Run,
    ) -> Tensor:
        """The mean gradient at a site on the way from one of its values to another."""
        needs = [key.name, *self.objective.required_capture(self.model)]
        needs.append(f"L{self.model.anatomy.n_layers - 1}.resid_post")
        steps, entry = self.options.steps, self._entry(key, seen)
        at_once = max(1, TOKENS_AT_ONCE // len(self.read.ids))
        slope = torch.zeros_like(end)
        for first in range(0, steps, at_once):
            shares = [(step + 0.5) / steps for step in range(first, min(first + at_once, steps))]
            edits = [
                (*self.edits, set_to(site(key.site, key.layer), start + share * (end - start)))
                for share in shares  # the middle of each step
            ]
            rows = self._rows(tuple(dict.fromkeys(needs)), edits, entry)
            slope += self._gradient_of_rows(rows, key, found)
        return slope / steps

    def _gradient_of_rows(
        self, rows: Sequence[Run], key: SiteKey, found: Directions | None
    ) -> Tensor:
        """The sum over runs of one pass, which do not see each other, of their gradients there."""
        values = [one.activations[key] for one in rows]
        scalars = [self._scalar(one, found) for one in rows]
        with torch.inference_mode(False), torch.enable_grad():
            slopes = torch.autograd.grad(torch.stack(scalars).sum(), values, allow_unused=True)
        return torch.stack(
            [
                torch.zeros_like(value) if slope is None else slope.detach()
                for value, slope in zip(values, slopes, strict=True)
            ]
        ).sum(0)

    def _entry(self, key: SiteKey, seen: Run) -> tuple[int, Tensor] | None:
        """Where a pass may enter that moves this site alone: what is before it is as it was."""
        inside = self.objective.node is not None and self.objective.node.layer is not None
        if key.layer is None or inside or self.read.source or self.model.kind != "causal":
            return None
        layer = key.layer - (key.site == "resid_pre")  # of which the pass is to have a gradient
        if layer < 1 or self.model.anatomy.entry(layer, None) != layer:
            return None
        return layer, seen.activations[SiteKey("resid_pre", layer)]


def _replacing(key: SiteKey, seen: Run, references: References) -> Edit:
    """All of a site set to what it is compared with."""
    reference = references.of(key)
    value = torch.zeros_like(seen.activations[key]) if reference is None else reference
    return set_to(site(key.site, key.layer), value)


def gradients(scalar: Tensor, seen: Run, variables: Sequence[SiteKey]) -> dict[SiteKey, Tensor]:
    """The gradient at each variable; zeros where nothing depends on it."""
    values = [seen.activations[key] for key in variables]
    with torch.inference_mode(False), torch.enable_grad():
        found = torch.autograd.grad(scalar, values, allow_unused=True)
    return {
        key: torch.zeros_like(value) if slope is None else slope.detach()
        for key, value, slope in zip(variables, values, found, strict=True)
    }


def without_graph(seen: Run) -> Run:
    """The run without its graph."""
    scores = seen.label_scores
    return replace(
        seen,
        activations={key: one.detach() for key, one in seen.activations.items()},
        label_scores=None if scores is None else scores.detach(),
    )
