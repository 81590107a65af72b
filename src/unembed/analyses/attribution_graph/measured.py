"""One edge, measured: what becomes of its target when its source is taken out, all else held, and
in the model as it is. And the heads that the edge goes through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from unembed.analyses.attribution_graph.answers import answer_of, asked, of_tokens
from unembed.analyses.attribution_graph.build import run_for_graph
from unembed.analyses.attribution_graph.edges import Edges, Start
from unembed.analyses.attribution_graph.held import check_linear, held
from unembed.analyses.attribution_graph.interventions import held_runs
from unembed.analyses.attribution_graph.options import EdgeOptions
from unembed.analyses.attribution_graph.result import EdgePair, MeasuredEdge
from unembed.analyses.attribution_graph.sources import Transcoded, numbers, sources, transcoders
from unembed.analyses.tools.checks import chosen
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import in_words
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, add, by_analysis, zero
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import request_of, run
from unembed.engine.passes.run import Run
from unembed.errors import InputError, TargetError
from unembed.models.progress import Progress
from unembed.options import Explained, given

if TYPE_CHECKING:
    from torch import Tensor

DEFAULTS = EdgeOptions()
_NAME = re.compile(
    r"(?:(?P<embed>embed)|L(?P<layer>\d{1,4})\.(?:F(?P<latent>\d{1,9})|(?P<rest>F_error|mlp))"
    r"|(?P<logit>logit)(?::(?P<token>\d{1,10}))?)@(?P<at>-?\d{1,7})",
    re.ASCII,
)
_LEGAL = '"L6.F77@4", "L6.F_error@4", "L6.mlp@4", "embed@4"'


def measure_edge(
    model: Loaded,
    prompt: Prompt,
    sender: str,
    receiver: str,
    target: str | int | Explained | None = None,
    *,
    options: EdgeOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> MeasuredEdge:
    """One edge of an attribution graph, measured by taking its source out.

    Args:
        sender, receiver: what writes and what reads, as the graph names them: "L6.F77@4",
            "logit:1234@9".
        target: what the receiver "logit@9" is, where the graph is of an objective.
        options: how many pairs are listed; `target` and `changes` are single ones.

    Raises:
        PromptError, TargetError, InputError: bad input, or a latent that is not active.
        CapabilityError: as `attribution_graph`.
    """
    options = chosen(options, given(target=target) | changes, {})
    check_linear(model)
    transcoders(model)
    read = model.read_prompt(prompt)
    ends = _Parsed.of(sender, "sender", read), _Parsed.of(receiver, "receiver", read)
    return _Measuring(model, read, *ends, options, cancel, progress).measured()


@dataclass(frozen=True)
class _Parsed:
    """A node by its parts."""

    name: str
    field: str
    kind: str  # embed, latent, error, logit
    layer: int
    number: int | None  # of the latent or token
    at: int

    @classmethod
    def of(cls, name: str, field: str, read: Read) -> _Parsed:
        found = _NAME.fullmatch(name) if isinstance(name, str) else None
        kinds = ("embed",) if field == "sender" else ("logit",)
        if found is None or (found["embed"] or found["logit"]) not in (None, *kinds):
            raise _no_node(name, field)
        at = resolve_position(int(found["at"]), len(read.ids), field)
        if found["embed"] or found["logit"]:
            token = None if found["token"] is None else int(found["token"])
            return cls(name, field, kinds[0], -1, token, at)
        latent = None if found["latent"] is None else int(found["latent"])
        if latent is None and field == "receiver":
            raise _no_node(name, field)
        kind = "error" if latent is None else "latent"
        return cls(name, field, kind, int(found["layer"]), latent, at)


def _no_node(name: object, field: str) -> TargetError:
    legal = _LEGAL if field == "sender" else '"L6.F77@4", "logit:1234@9"'
    return TargetError(
        f"{name!r} is no {field} of an edge",
        field=field,
        value=name,
        legal=legal,
    )


class _Measuring:
    """One edge."""

    def __init__(
        self,
        model: Loaded,
        read: Read,
        source: _Parsed,
        target: _Parsed,
        options: EdgeOptions,
        cancel: Cancel | None,
        progress: Progress | None,
    ) -> None:
        self.model, self.read, self.source, self.target = model, read, source, target
        self.cancel, self.options = cancel, options
        self.objective = self._objective() if target.kind == "logit" else None
        self.seen = run_for_graph(model, read, target.at, cancel, progress)
        self.sources = sources(self.seen)

    @torch.no_grad()
    def measured(self) -> MeasuredEdge:
        column, start = self._column(self.source), self._start
        weight = float(self.edges.rows([start])[0, column])
        without = held_runs(self.edges.held, self.sources, [column], self.cancel)
        moved = self.edges.pairs(start, column)
        value = self._value(self.seen)
        return MeasuredEdge(
            source=self.source.name,
            target=self.target.name,
            words=self._words,
            value=value,
            weight=weight,
            held=self._lost(without.reads, without.last),
            live=value - self._value(self._live(column)),
            pairs=_largest(moved, self.options.pairs),
        )

    # ------------------------------------------------------------ inside

    def _objective(self) -> Objective:
        at, token = self.target.at, self.target.number
        if token is not None:
            if token >= self.model.vocab_size:
                raise _no_node(self.target.name, "receiver")
            return Objective.logit_minus_mean(token, position=at)
        found = asked(self.model, self.read, self.options.target, self.options.distractor, at)
        if found is None:
            raise InputError(
                f"{self.target.name} is what the graph explains: say what that is",
                field="target",
                value=None,
                legal="a token, or an objective of logits",
            )
        return found

    @cached_property
    def edges(self) -> Edges:
        held_layers = held(self.seen, list(self.sources.transcoded))
        return Edges(held_layers, self.sources, self.cancel)

    @property
    def _words(self) -> str:
        if self.objective is not None:
            return in_words(self.model, self.objective.at(-1))
        return f"latent {self.target.number} of layer {self.target.layer}, before its activation"

    @cached_property
    def _start(self) -> Start:
        if self.objective is not None:
            at, token = self.target.at, self.target.number
            if token is None:
                answer = answer_of(self.seen, self.objective)
            else:
                (answer,) = of_tokens(self.seen, [token], at)
            return Start(self.model.anatomy.n_layers, at, answer.direction)
        return self.edges.latent_starts([self._column(self.target)])[0]

    @cached_property
    def _reader(self) -> tuple[Transcoded, Tensor, Tensor]:
        """Of a latent: its transcoder, along what it reads, and its offset."""
        one = self.sources.transcoded[self.target.layer]
        latent = numbers([self.target.number or 0], one.at)
        return one, one.sae.readers(latent)[0], one.sae.offsets(latent)[0]

    def _column(self, node: _Parsed) -> int:
        """The column of a node among the sources. Raises TargetError for one that is not there."""
        found = self.sources
        if node.kind == "embed":
            return found.first_token + node.at
        if node.kind == "error" and node.layer in found.errors:
            return found.first_error(node.layer) + node.at
        one = found.transcoded.get(node.layer)
        if node.kind == "latent" and one is not None:
            here = ((one.at == node.at) & (one.latents == node.number)).nonzero()[:, 0]
            if len(here):
                return found.first_latent(node.layer) + int(here[0])
        raise TargetError(
            f"{node.name} is no node of this prompt: "
            + ("the latent is not active there" if one else f"layer {node.layer} has no such"),
            field=node.field,
            value=node.name,
            legal=_LEGAL,
        )

    def _lost(self, reads: dict[int, Tensor], last: Tensor) -> float:
        at = self.target.at
        if self.objective is not None:
            before, after = last[:, at].to(self._start.direction) @ self._start.direction
            return float(before - after)
        one, reader, _ = self._reader
        factor = one.sae.read_factor(accurate(self.seen.activations[one.reads]))[at]
        before, after = (reads[one.layer][:, at].to(reader) @ reader) * factor
        return float(before - after)

    def _live(self, column: int) -> Run:
        """The model as it is, without the source."""
        node, at = self.source, [self.source.at]
        if node.kind == "latent":
            edit = zero(f"L{node.layer}.F{node.number}", positions=at)
        else:
            (written,) = self.sources.written(column).values()
            name = "embed" if node.kind == "embed" else f"L{node.layer}.mlp_out"
            edit = add(name, -written[node.at], positions=at)
        edits: tuple[Edit, ...] = (by_analysis(edit),)
        if self.objective is not None:
            capture = self.objective.required_capture(self.model)
            return run(self.model, request_of(self.read, capture, edits), self.cancel)
        one, _, _ = self._reader
        return run(self.model, request_of(self.read, (one.reads.name,), edits), self.cancel)

    def _value(self, seen: Run) -> float:
        if self.objective is not None:
            return float(self.objective.value(seen))
        one, reader, offset = self._reader
        read = accurate(seen.activations[one.reads])
        factor = one.sae.read_factor(read)[self.target.at, 0]
        return float(factor * (read[self.target.at].flatten() @ reader) + offset)


def _largest(moved: dict[int, Tensor], k: int) -> tuple[EdgePair, ...]:
    found = []
    for layer, pairs in moved.items():
        some = pairs.abs().flatten().topk(min(k, pairs.numel())).indices
        for place in some.tolist():
            head, rest = divmod(place, pairs[0].numel())
            query, key = divmod(rest, pairs.shape[2])
            weight = float(pairs[head, query, key])
            if weight:
                found.append(EdgePair(f"L{layer}.H{head}@{query}<{key}", weight))
    return tuple(sorted(found, key=lambda one: -abs(one.weight))[:k])
