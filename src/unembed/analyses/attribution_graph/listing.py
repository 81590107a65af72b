"""The nodes and edges of a graph that are kept, by name, with what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import torch

from unembed.analyses.attribution_graph.answers import Answer
from unembed.analyses.attribution_graph.influence import Kept
from unembed.analyses.attribution_graph.result import GraphEdge, GraphNode
from unembed.analyses.attribution_graph.sources import Sources
from unembed.analyses.tools.projections import projected
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.engine.passes.run import Run
from unembed.engine.reading.extremes import extremes
from unembed.errors import CapabilityError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

RAISED = 3  # tokens in a latent's label


@dataclass(frozen=True, eq=False)
class Whole:
    """All nodes before any is pruned: latents that were chosen, errors, tokens, answers.

    Args:
        columns: of the latents, among all sources.
        weights: edges, [target, source] of these nodes.
        sums: of all edges into each latent, then into each answer, from what was not chosen too.
    """

    seen: Run
    sources: Sources
    columns: Sequence[int]
    answers: Sequence[Answer]
    weights: Float[Tensor, "node node"]
    sums: Float[Tensor, " target"]

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the weights."""
        return tuple(one.name for one in self._plain)

    def nodes(self, kept: Kept, labels: bool, cancel: Cancel | None) -> tuple[GraphNode, ...]:
        """Those that are kept, from the tokens to the answers."""
        influence, reached = kept.influence.tolist(), kept.reached.tolist()
        found = [
            node
            if node.kind == "logit"
            else replace(node, influence=influence[number], reached=reached[number])
            for number, node in enumerate(self._plain)
            if bool(kept.nodes[number])
        ]
        if labels:
            found = self._labelled(found, kept, cancel)
        last = self.seen.model.anatomy.n_layers

        def place(node: GraphNode) -> tuple[int, int, int, int]:
            layer = {"embed": -1, "logit": last}.get(node.kind, node.layer)
            of_error = node.kind in ("error", "mlp")
            return layer or 0, node.position, int(of_error), node.index or 0

        return tuple(sorted(found, key=place))

    def edges(self, kept: Kept) -> tuple[GraphEdge, ...]:
        """Those that are kept, largest first."""
        names, places = self.names, kept.edges.nonzero()
        weights = self.weights[kept.edges].tolist()
        reached = kept.edges_reached[kept.edges].tolist()
        found = [
            GraphEdge(names[source], names[target], weight, part)
            for (target, source), weight, part in zip(
                places.tolist(), weights, reached, strict=True
            )
        ]
        return tuple(sorted(found, key=lambda edge: -abs(edge.weight)))

    # ------------------------------------------------------------ inside

    @cached_property
    def _plain(self) -> list[GraphNode]:
        """Every node, without what pruning says of it."""
        tokens = [
            GraphNode(f"embed@{at}", "embed", None, at, token.id, token.label, None, None, 0.0, 0.0)
            for at, token in enumerate(self.seen.tokens)
        ]
        return [*self._latents(), *self._errors(), *tokens, *self._answers()]

    def _latents(self) -> list[GraphNode]:
        found, sums = [], self.sums.tolist()
        for order, column in enumerate(self.columns):
            layer, number = self.sources.where(column)
            one = self.sources.transcoded[layer]
            at, latent = int(one.at[number]), int(one.latents[number])
            value = float(one.values[number])
            found.append(
                GraphNode(
                    name=f"L{layer}.F{latent}@{at}",
                    kind="latent",
                    layer=layer,
                    position=at,
                    index=latent,
                    label="",
                    value=value,
                    bias=value - sums[order],
                    influence=0.0,
                    reached=0.0,
                )
            )
        return found

    def _errors(self) -> list[GraphNode]:
        found = []
        for layer in self.sources.errors:
            of_latents = layer in self.sources.transcoded
            stem = f"L{layer}.F_error" if of_latents else f"L{layer}.mlp"
            for at in range(self.sources.n_positions):
                kind: Literal["error", "mlp"] = "error" if of_latents else "mlp"
                name = f"{stem}@{at}"
                found.append(GraphNode(name, kind, layer, at, None, "", None, None, 0.0, 0.0))
        return found

    def _answers(self) -> list[GraphNode]:
        sums = self.sums[len(self.columns) :].tolist()
        found = []
        for one, total in zip(self.answers, sums, strict=True):
            label = one.words if one.token is None else self.seen.model.token(one.token).label
            found.append(
                GraphNode(
                    name=answer_name(one, self._position),
                    kind="logit",
                    layer=None,
                    position=self._position,
                    index=one.token,
                    label=label,
                    value=one.value,
                    bias=one.value - total,
                    influence=0.0,
                    reached=0.0,
                    probability=one.probability,
                )
            )
        return found

    @property
    def _position(self) -> int:
        return self.answers[0].position

    def _labelled(
        self, nodes: Sequence[GraphNode], kept: Kept, cancel: Cancel | None
    ) -> list[GraphNode]:
        """With what latents raise as their labels."""
        places = [n for n in range(len(self.columns)) if bool(kept.nodes[n])]
        rows = []
        for number in places:
            layer, active = self.sources.where(self.columns[number])
            one = self.sources.transcoded[layer]
            rows.append(torch.stack([some[active] for some in one.written.values()]).sum(0))
        raised = raised_by(self.seen.model, rows, cancel)
        names = {self._plain[n].name: label for n, label in zip(places, raised, strict=True)}
        return [replace(node, label=names.get(node.name, node.label)) for node in nodes]


def answer_name(answer: Answer, position: int) -> str:
    """ "logit:1234@9", or "logit@9" of what is no token's own."""
    which = "" if answer.token is None else f":{answer.token}"
    return f"logit{which}@{position}"


def raised_by(
    model: Loaded, rows: Sequence[Float[Tensor, " d_model"]], cancel: Cancel | None = None
) -> list[str]:
    """The tokens that each write raises most, through the final norm's weight and the unembedding.

    Empty where the head of the model is more than a norm.
    """
    if not rows:
        return []
    try:
        read = projected(model, torch.stack(list(rows)), "final_norm")
    except CapabilityError:
        return [""] * len(rows)
    weight = model.unembedding.weight
    ends = extremes(read.to(weight.device), weight, min(RAISED, model.vocab_size), cancel)
    return [" ".join(model.token(one).label for one in ids) for ids in ends.raised_ids.tolist()]
