"""How a number inside the model reads the residual stream, the norms in between held.

A neuron's pre-activation, a query, a key and a value are linear in the stream where the scale of
the norms before them is that of the run; a score is linear in the query's stream and in the key's.
So each is a direction of the stream at one or two positions, and a number beside it. The direction
is found by differentiating the model's own code from the stream to that number.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.attribution.groups import End, unit_effects
from unembed.analyses.attribution.latents import place_of
from unembed.analyses.attribution.slopes import without_graph
from unembed.analyses.tools.directions import Directions, through_stream
from unembed.analyses.tools.effects import STREAM
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.writes import branch_output
from unembed.analyses.tracing.options import Through
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.attention_inputs import norms_frozen
from unembed.engine.passes.forward import request_of, run
from unembed.engine.passes.run import Run
from unembed.engine.targets import Target
from unembed.errors import CapabilityError, InputError, TargetError
from unembed.latents.sae import sae_of

if TYPE_CHECKING:
    from jaxtyping import Float

OF_PAIRS: tuple[Through, ...] = ("qk", "q", "k", "v")
OF_CROSS: tuple[Through, ...] = ("q",)  # its keys and values are of another stream
OF_NEURONS: tuple[Through, ...] = ("pre", "gate")
READ = ("mlp_in", *STREAM[:-1])  # where latents read what is linear in the stream


@dataclass(frozen=True)
class Step:
    """A node at a position, and through what it is traced."""

    node: Target  # of a pair with its key; positions count from the start
    through: Through

    @property
    def layer(self) -> int:
        return self.node.layer or 0

    @property
    def position(self) -> int:
        """Of a pair the query's."""
        return self.node.position or 0

    @property
    def key(self) -> int:
        return self.node.key or 0

    @property
    def head(self) -> int:
        return self.node.head or 0

    @property
    def name(self) -> str:
        return f"{self.node.name}:{self.through}"

    @property
    def words(self) -> str:
        """What is traced, in a phrase."""
        node = self.node
        if self.through in OF_NEURONS:
            return f"{node.words}, before its {'gate' if self.through == 'gate' else 'activation'}"
        pair = f"head {node.head} of layer {node.layer} from {node.position} to {node.key}"
        pair += " of the source" if node.kind == "cross_pair" else ""
        by = {"qk": "score", "q": "score by its query", "k": "score by its key"}
        return f"{by.get(self.through, 'value')} of {pair}"


@dataclass(frozen=True, eq=False)
class Reading:
    """A number, as a direction of the stream at one position: value = <stream, slope> + beside."""

    step: Step
    value: float
    end: End  # what writes before this step is read
    position: int
    slope: Float[Tensor, " d_model"]
    beside: float
    seen: Run  # with what `directions` takes

    @property
    def site(self) -> str:
        """Where the stream is read."""
        return stream_at(self.end, self.seen.model)

    def directions(self) -> Directions:
        """The direction of every place that writes before."""
        embed, behind, norms = through_stream(self.seen, self.slope, self.position, self.end)
        beside = self.beside
        return Directions(
            self.position, "frozen", self.slope, behind, embed, norms, beside, beyond=0.0
        )


def step_of_node(
    model: Loaded,
    name: str,
    through: Through | None,
    n_positions: int,
    field: str = "node",
    n_source: int = 0,
) -> Step:
    """The node of a name, and through what it is traced; `n_source`: what the encoder is given.

    Raises errors about `field`: TargetError for what is no neuron or pair at a position, InputError
    for what it cannot be traced through.
    """
    node = model.node(name, field)
    kinds = {
        "pair": OF_PAIRS,
        "cross_pair": OF_CROSS,
        "neuron": OF_NEURONS,
        "latent": OF_NEURONS[:1],
    }
    if node.encoder:
        raise _of_encoder(node, name, field)
    kind = "latent" if node.row.derived else node.kind
    if kind not in kinds or node.position is None or node.encoder:
        raise _not_one_number(node, name, field)
    if kind == "latent" and node.site not in READ:
        raise CapabilityError(
            f"{node.name} cannot be traced: it reads {node.site_key.name}, which is not linear in "
            "the residual stream",
            field=field,
            value=name,
            legal=f"latents that read {', '.join(READ)}",
        )
    node = node.at(
        resolve_position(node.position, n_positions, field),
        None
        if node.key is None
        else resolve_position(node.key, n_source if kind == "cross_pair" else n_positions, field),
    )
    legal = kinds[kind]
    if node.kind == "neuron":
        gated = model.block(node.layer or 0).mlp.gate is not None
        legal = OF_NEURONS if gated else ("pre",)
    through = through or ("gate" if legal == OF_NEURONS else legal[0])
    if through not in legal:
        raise InputError(
            f"{node.name} is not traced through {through!r}",
            field="through",
            value=through,
            legal=", ".join(legal),
            fix="its keys and values are read of the encoder's stream, which is another one"
            if kind == "cross_pair"
            else None,
        )
    return Step(node, through)


def _not_one_number(node: Target, name: str, field: str) -> TargetError:
    missing = node.kind in ("head", "cross_head")
    at = 14 if node.position is None else node.position
    return TargetError(
        f"{name!r} cannot be traced: "
        + ("which key it looks at is missing" if missing else "it is not one number of a run"),
        field=field,
        value=name,
        legal='a neuron or latent at a position, "L12.N512@4", "L6.F77@4", or a pair of query '
        'and key, "L9.H6@14<3"',
        fix=f'"{node.stem}@{at}<3"' if missing else '"L12.N512@4"',
    )


def _of_encoder(node: Target, name: str, field: str) -> CapabilityError:
    return CapabilityError(
        f"{name!r} cannot be traced: it reads the encoder's stream, and nodes of the decoder's are "
        "traced here",
        field=field,
        value=name,
        legal='nodes of the decoder; a head that looks at the source, "L3.X2@5<1", by its query',
        fix=f"an edit of {node.stem} measures what it does: ue.sweep, or model.run",
    )


class Reader:
    """Reads steps in one model, prompt and set of edits."""

    def __init__(
        self, model: Loaded, read: Read, edits: Sequence[Edit], cancel: Cancel | None
    ) -> None:
        self.model, self.read, self.edits, self.cancel = model, read, tuple(edits), cancel

    def readings(self, step: Step, towards: Directions | None) -> tuple[Reading, ...]:
        """How a step reads the stream: at one position, or of a score at the query's and the key's.

        Args:
            towards: what the node's value is traced towards; needed by "v" alone.
        """
        if step.node.row.derived:
            return (self._latent(step),)
        if step.through in OF_NEURONS:
            return (self._neuron(step),)
        if step.through == "v":
            if towards is None:
                raise AssertionError("a value is traced towards something")
            return (self._value(step, towards),)
        if step.node.kind == "cross_pair":
            return (self._cross_score(step),)
        return self._score(step)

    # ------------------------------------------------------------ neurons

    def _neuron(self, step: Step) -> Reading:
        layer = step.layer
        end = (layer, len(self.model.block(layer).steps) - 1)
        stream, site = stream_at(end, self.model), f"L{layer}.mlp_{step.through}"
        seen = self._run([layer], [stream, site], end, stop=site)
        with torch.inference_mode(False), torch.enable_grad():
            value = seen[site][step.position, step.node.neuron]
            (slope,) = torch.autograd.grad(value, seen[stream])
        return _reading(step, step.position, seen, end, slope, value)

    def _latent(self, step: Step) -> Reading:
        """What is read of the stream itself, or through the norm before the feed-forward."""
        reads, layer = step.node.site_key, step.layer
        inside = reads.site == "mlp_in"
        end = (layer, len(self.model.block(layer).steps) - 1) if inside else place_of(reads)
        stream = stream_at(end, self.model)
        site = reads.name if inside else stream  # behind a layer is before the next one
        seen = self._run([layer], [stream, site], end, stop=site)
        with torch.inference_mode(False), torch.enable_grad():
            whole = seen[site]
            whole = whole.to(torch.promote_types(whole.dtype, torch.float32))
            sae = sae_of(self.model, step.node).like(whole)
            value = sae.before_activation(whole, step.node.index or 0)[step.position]
            (slope,) = torch.autograd.grad(value, seen[stream])
        return _reading(step, step.position, seen, end, slope, value)

    # ------------------------------------------------------------ heads

    def _score(self, step: Step) -> tuple[Reading, ...]:
        """Of a score: the parts through its query and through its key, or one of them."""
        layer = step.layer
        keys = self.model.anatomy.layer_of_keys(layer)
        places = {"q": (layer, step.position), "k": (keys, step.key)}
        scores, sides = f"L{layer}.scores@{step.position}", [f"L{layer}.{one}" for one in places]
        streams = [f"L{one}.resid_pre" for one in {layer, keys}]
        seen = self._run([layer, keys], [*streams, *sides, scores], (layer, 0), stop=f"L{layer}.z")
        found = []
        with torch.inference_mode(False), torch.enable_grad():
            value = seen[scores][step.head, step.key]
            _require_seen(step, value)
            for side in ("q", "k") if step.through == "qk" else (step.through,):
                own, position = places[side]
                made, stream = seen[f"L{layer}.{side}"], seen[f"L{own}.resid_pre"]
                (inner,) = torch.autograd.grad(value, made, retain_graph=True)
                (slope,) = torch.autograd.grad(made, stream, inner, retain_graph=True)
                one = replace(step, through=side)
                found.append(_reading(one, position, seen, (own, 0), slope, value))
        return tuple(found)

    def _cross_score(self, step: Step) -> Reading:
        """Of a head that looks at the source: the score by its query, of the decoder's stream."""
        layer, end = step.layer, (step.layer, 1)
        stream, scores = stream_at(end, self.model), f"L{layer}.cross_scores@{step.position}"
        capture = [stream, f"L{layer}.cross_q", scores]
        seen = self._run([layer], capture, end, stop=f"L{layer}.cross_z")
        with torch.inference_mode(False), torch.enable_grad():
            value = seen[scores][step.head, step.key]
            _require_seen(step, value)
            (slope,) = torch.autograd.grad(value, seen[stream])
        return _reading(step, step.position, seen, end, slope, value)

    def _value(self, step: Step, towards: Directions) -> Reading:
        """What a pair brings, by its value, to what `towards` is the direction of."""
        layer = step.layer
        attention = self.model.block(layer).attention
        end = (self.model.anatomy.layer_of_keys(layer), 0)
        pattern = f"L{layer}.pattern@{step.position}"
        stream = stream_at(end, self.model)
        capture = [stream, f"L{layer}.v", f"L{layer}.z", pattern]
        seen = self._run([layer, end[0]], capture, end, stop=f"L{layer}.z")
        wanted = self._wanted(step, towards, seen)
        with torch.inference_mode(False), torch.enable_grad():
            share = accurate(seen[pattern][step.head, step.key])
            group = attention.n_heads // attention.n_kv_heads
            here = seen[f"L{layer}.v"][step.key, step.head // group]
            value = share * (here.to(wanted) @ wanted)
            (slope,) = torch.autograd.grad(value, seen[stream])
        return _reading(step, step.key, seen, end, slope, value)

    def _wanted(self, step: Step, towards: Directions, seen: Run) -> Float[Tensor, " d_head"]:
        """What one unit of each number of a head's z does along the direction."""
        layer, attention = step.layer, self.model.block(step.layer).attention
        if attention.gated:
            raise CapabilityError(
                f"values of layer {layer} cannot be traced: a gate follows them",
                field="through",
                value="v",
                legal="qk, q, k",
            )
        direction = towards.of(self.model, layer, "attn")
        if step.position != towards.position or not bool(direction.any()):
            raise InputError(
                f"{step.node.name} writes at position {step.position} in layer {layer}, and what "
                f"it is to be traced towards does not read that",
                field="trail",
                value=step.name,
                legal=f"a pair whose query is at position {towards.position}, in a layer before "
                "what reads it",
                fix="trace what reads it first, and name that in trail",
            )
        out = branch_output(without_graph(seen), layer, "attn")
        units = unit_effects(out, direction, towards.position)
        return units.reshape(attention.n_heads, -1)[step.head]

    # ------------------------------------------------------------ inside

    def _run(self, layers: Sequence[int], capture: Sequence[str], end: End, stop: str) -> Run:
        """A pass with a graph, in which the norms of some blocks are held."""
        model = self.model
        needed = dict.fromkeys([*capture, *changes_before(model, end)])
        request = request_of(self.read, list(needed), self.edits, grad=True, stop_after=stop)
        with ExitStack() as stack:
            for module in {model.block(layer).module for layer in layers}:
                stack.enter_context(norms_frozen(model.module.get_submodule(module)))
            return run(model, request, self.cancel)


def changes_before(model: Loaded, end: End) -> tuple[str, ...]:
    """What a run must have captured to carry writes on to step `end` of the stream."""
    found = []
    for block in model.anatomy.blocks[: end[0] + 1]:
        steps = slice(None if block.layer < end[0] else end[1])
        if block.stream_norms is not None:
            added = (site for step in block.steps[steps] for site in step)
            sites = (*block.stream_sites[steps], *added)
            found += [f"L{block.layer}.{site}" for site in sites]
    return tuple(found)


def stream_at(end: End, model: Loaded) -> str:
    """The site of the stream as a step of a layer reads it."""
    layer, step = end
    if layer == model.anatomy.n_layers:
        return f"L{layer - 1}.resid_post"
    return f"L{layer}.{STREAM[step]}"


def _reading(
    step: Step, position: int, seen: Run, end: End, slope: Tensor, value: Tensor
) -> Reading:
    here, number, plain = accurate(slope[position]), float(value.detach()), without_graph(seen)
    beside = number - float(accurate(plain[stream_at(end, plain.model)][position]) @ here)
    return Reading(step, number, end, position, here, beside, plain)


def _require_seen(step: Step, value: Tensor) -> None:
    if not bool(value.isfinite()):
        raise TargetError(
            f"{step.node.name} is masked: its query cannot look at its key",
            field="node",
            value=step.node.name,
            legal="a key that the query attends to",
        )
