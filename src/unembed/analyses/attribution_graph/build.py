"""`attribution_graph`: from a prompt to nodes, edges and what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unembed.analyses.attribution_graph.answers import answers, asked
from unembed.analyses.attribution_graph.edges import Edges, Start
from unembed.analyses.attribution_graph.held import check_linear, held, held_capture
from unembed.analyses.attribution_graph.influence import kept, scores, shares
from unembed.analyses.attribution_graph.listing import Whole
from unembed.analyses.attribution_graph.options import GraphOptions
from unembed.analyses.attribution_graph.result import AttributionGraph
from unembed.analyses.attribution_graph.sources import (
    left_out,
    sources,
    sources_capture,
    transcoders,
)
from unembed.analyses.tools.checks import chosen
from unembed.analyses.tools.directions import directions_capture
from unembed.analyses.tools.objective import Objective
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import Logits, request_of, run
from unembed.engine.passes.run import Run
from unembed.errors import TooLargeError
from unembed.models.progress import Progress
from unembed.options import Explained, given

if TYPE_CHECKING:
    from jaxtyping import Float

DEFAULTS = GraphOptions()
BATCH = 256  # latents that are chosen together


def attribution_graph(
    model: Loaded,
    prompt: Prompt,
    target: str | int | Explained | None = None,
    *,
    options: GraphOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> AttributionGraph:
    """Which latents of transcoders make which others, and the answer (Ameisen et al. 2025).

    The transcoders are those attached: `model.attach(ue.load_sae(source, "L9.mlp_in>L9.mlp_out"))`,
    best for every layer. An edge is what a node adds to another's value directly: through the
    stream and through attention, with patterns and scales of norms as they are in the run, past no
    other feed-forward.

    Args:
        target: a token, or a `ue.Objective` of logits; absent: the likeliest tokens.
        options: what is explained and what is kept; `target` and `changes` are single ones, as in
            `distractor=" Kyoto", latents=500`.

    Raises:
        PromptError, TargetError, InputError: bad input; nothing was run.
        CapabilityError: a model without a transcoder, or one that is not linear with its patterns
            and norms held.
        TooLargeError: more than `max_graph_latents`, or than `max_capture_bytes` has room for.
    """
    options = chosen(options, given(target=target) | changes, {})
    return begun(model, prompt, options, cancel, progress).graph()


def begun(
    model: Loaded,
    prompt: Prompt,
    options: GraphOptions,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> Work:
    """A graph before anything is run. Raises as `attribution_graph` does."""
    check_linear(model)
    transcoders(model)
    read = model.read_prompt(prompt)
    _check_size(model, options, len(read.ids))
    objective = asked(model, read, options.target, options.distractor, options.position)
    return Work(model, read, objective, options, cancel, progress)


def _check_size(model: Loaded, options: GraphOptions, n_positions: int) -> None:
    limit = model.settings.max_graph_latents
    if options.latents > limit:
        raise TooLargeError(
            f"latents is {options.latents:,}; the limit is {limit:,} (max_graph_latents)",
            field="latents",
            value=options.latents,
            legal=f"at most {limit:,}",
        )
    nodes = options.latents + n_positions * (model.anatomy.n_layers + 1) + options.answers
    size, most = 6 * 4 * nodes**2, model.settings.max_capture_bytes
    if size > most:
        raise TooLargeError(
            f"a graph of {nodes:,} nodes would take {size / 2**20:,.0f} MiB; the limit is "
            f"{most / 2**20:,.0f} MiB (max_capture_bytes)",
            field="latents",
            value=nodes,
            legal=f"at most {int((most / 24) ** 0.5):,} nodes",
            fix="a shorter prompt, or fewer latents",
        )


@dataclass(frozen=True, eq=False)
class Chosen:
    """Latents that are nodes, as columns of all sources, with the edges into them."""

    columns: list[int]  # ascending
    rows: Float[Tensor, "target source"]  # of these latents, then of the answers
    unexplored: float


class Work:
    """One graph: a run and what is held of it, latents chosen by ways back, and what is made of
    them. `ran` comes first; a part alone is for measuring.
    """

    def __init__(
        self,
        model: Loaded,
        read: Read,
        objective: Objective | None,
        options: GraphOptions,
        cancel: Cancel | None,
        progress: Progress | None,
    ) -> None:
        self.model, self.read, self.objective, self.options = model, read, objective, options
        self.cancel, self.progress = cancel, progress

    def graph(self) -> AttributionGraph:
        """All of it."""
        self.ran()
        return self.made_of(self.chosen())

    @torch.no_grad()
    def ran(self) -> None:
        """One pass, and layers held as they are in it."""
        seen = run_for_graph(self.model, self.read, self._position, self.cancel, self.progress)
        self.seen = seen
        self.found, self.sources = answers(seen, self.objective, self.options), sources(seen)
        held_layers = held(seen, list(self.sources.transcoded))
        self.edges = Edges(held_layers, self.sources, self.cancel)

    @property
    def most(self) -> int:
        """How many latents are nodes."""
        return min(self.options.latents, self.sources.n_latents)

    @torch.no_grad()
    def made_of(self, made: Chosen) -> AttributionGraph:
        """Pruned and named: a graph of latents that were chosen."""
        seen = self.seen
        weights, counted = self._square(made)
        n, tokens = len(made.columns), len(self.found) + self.sources.n_positions
        inner, free = slice(0, n), slice(0, len(weights) - tokens)
        errors = slice(n, free.stop)
        replacement, completeness = scores(
            shares(weights), counted, slice(free.stop, len(weights) - len(self.found)), errors
        )
        thresholds = (float(self.options.node_threshold), float(self.options.edge_threshold))
        left = kept(weights, counted, inner, free, thresholds)
        whole = Whole(seen, self.sources, made.columns, self.found, weights, made.rows.sum(1))
        nodes = whole.nodes(left, self.options.labels, self.cancel)
        return AttributionGraph(
            objective=self._words(),
            position=self._position,
            tokens=seen.tokens,
            n_layers=self.model.anatomy.n_layers,
            nodes=nodes,
            edges=whole.edges(left),
            replacement=replacement,
            completeness=completeness,
            node_threshold=thresholds[0],
            edge_threshold=thresholds[1],
            n_active=self.sources.n_latents,
            n_chosen=n,
            unexplored=made.unexplored,
            supernodes=(),
            notes=(*self.read.notes, *left_out(self.model)),
            cost=f"1 forward pass, and {n + len(self.found):,} ways back through held layers",
            provenance=seen.provenance,
            names=whole.names,
            weights=weights,
        )

    @property
    def _position(self) -> int:
        at = self.options.position if self.objective is None else self.objective.position
        return at % len(self.read.ids)

    def _words(self) -> str:
        if len(self.found) == 1:
            return self.found[0].words
        return f"logits of {len(self.found)} tokens"

    @torch.no_grad()
    def answered(self) -> Float[Tensor, "answer source"]:
        """The edges into what is explained."""
        last = self.model.anatomy.n_layers
        return self.edges.rows([Start(last, self._position, one.direction) for one in self.found])

    @torch.no_grad()
    def chosen(self) -> Chosen:
        """The latents with most influence, found from the answers back, a batch at a time."""
        n_latents, most, answered = self.sources.n_latents, self.most, self.answered()
        columns: list[int] = []
        rows = answered[:0]
        while len(columns) < most:
            if self.progress is not None:
                self.progress("edges", len(columns), most)
            reach = self.reach(answered, rows, columns)[:n_latents]
            reach[columns] = -1.0
            batch = min(BATCH, most - len(columns))
            chosen_now = reach.topk(batch).indices.tolist()
            more = self.edges.rows(self.edges.latent_starts(chosen_now))
            columns, rows = [*columns, *chosen_now], torch.cat([rows, more])
        reach = self.reach(answered, rows, columns)
        ends = reach.clone()
        ends[columns] = 0.0
        whole = float(ends.sum())
        unexplored = float(ends[:n_latents].sum()) / whole if whole else 0.0
        order = sorted(range(len(columns)), key=lambda number: columns[number])
        rows = torch.cat([rows[order], answered])
        return Chosen([columns[number] for number in order], rows, unexplored)

    @torch.no_grad()
    def reach(self, answered: Tensor, rows: Tensor, columns: list[int]) -> Tensor:
        """The influence of every source, as far as edges into latents are known."""
        counted = self._counted(answered)
        now = counted @ shares(answered)
        found, parts = now.clone(), shares(rows)
        for _ in range(len(columns)):
            now = now[columns] @ parts
            if not bool(now.any()):
                break
            found += now
        return found

    def _counted(self, like: Tensor) -> Float[Tensor, " answer"]:
        return torch.tensor([one.weight for one in self.found]).to(like)

    def _square(self, made: Chosen) -> tuple[Tensor, Tensor]:
        """All nodes to all nodes: latents chosen, errors, tokens, answers; and what counts."""
        n_latents = self.sources.n_latents
        columns = [*made.columns, *range(n_latents, self.sources.n_columns)]
        size, n = len(columns) + len(self.found), len(made.columns)
        weights = made.rows.new_zeros(size, size)
        weights[:n, : len(columns)] = made.rows[:n, columns]
        weights[len(columns) :, : len(columns)] = made.rows[n:, columns]
        counted = weights.new_zeros(size)
        counted[len(columns) :] = self._counted(weights)
        return weights, counted


def run_for_graph(
    model: Loaded,
    read: Read,
    position: int,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> Run:
    """The run that a graph is of, with all that it takes and the logits at a position."""
    capture = (
        *held_capture(model, list(transcoders(model))),
        *sources_capture(model),
        *directions_capture(model, Objective.logit(0, position=position)),
    )
    logits: Logits = "last" if position == len(read.ids) - 1 else "all"
    request = request_of(read, tuple(dict.fromkeys(capture)), logits=logits)
    return run(model, request, cancel, progress)
