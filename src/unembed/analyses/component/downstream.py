"""Where a node acts: what later heads, neurons and latents read of its write, past all between.

A score, a pre-activation and a value are linear in the stream where the scale of the norms before
them is that of the run (see tracing, whose direct effects these are, from the other end). The
write is carried along the stream to each place that reads it, and through that place's own code by
differentiating it twice: the model's maps need not be known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.attribution.latents import attached_to, place_of
from unembed.analyses.attribution.slopes import without_graph
from unembed.analyses.component.result import Downstream, ReadKind, Through
from unembed.analyses.tools.effects import STREAM, carried_to
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.writes import branch_output
from unembed.analyses.tracing.reads import READ, changes_before
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import why_not
from unembed.engine.nodes import Branch
from unembed.engine.passes.attention_inputs import norms_frozen
from unembed.engine.passes.forward import request_of, run
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder

if TYPE_CHECKING:
    from jaxtyping import Float

End = tuple[int, int]


@dataclass(frozen=True, eq=False)
class _Written:
    """One write: where it joins the stream, at which position, and the row itself."""

    layer: int | None
    branch: Branch | None
    position: int
    row: Float[Tensor, "1 d_model"]


def downstream(
    seen: Run,
    row: Float[Tensor, "1 d_model"],
    joins: tuple[int | None, Branch | None],
    position: int,
    k: int,
    own: Autoencoder | None = None,
    cancel: Cancel | None = None,
) -> tuple[Downstream, ...]:
    """The k readers of each kind that a write acts on most, either way; one pass with a graph.

    Scores are read from the write's own position by their query, and from the last one by their
    key; values from the last one.

    Args:
        seen: whose tokens and edits are run once more.
        row: what is written at the position.
        joins: the layer and branch that it is written by; (None, None) is the embedding.
        own: whose latent writes it: one of the stream reads what it writes, and is left out.
    """
    readers = _Readers(seen, _Written(*joins, position, row), own, cancel)
    found: dict[ReadKind, list[Downstream]] = {}
    for one in readers.all(k):
        found.setdefault(one.kind, []).append(one)
    return tuple(
        one
        for kind in ("score", "value", "neuron", "latent")
        for one in sorted(found.get(kind, ()), key=lambda one: -abs(one.effect))[:k]
        if one.effect
    )


class _Readers:
    """What reads the stream behind a write, layer after layer."""

    def __init__(
        self, seen: Run, written: _Written, own: Autoencoder | None, cancel: Cancel | None
    ) -> None:
        self.model, self.written = seen.model, written
        self.last = len(seen.ids) - 1
        self.layers = range(written.layer or 0, self.model.anatomy.n_layers)
        self.saes = [
            one
            for one in attached_to(self.model)
            if one.reads.site in READ and one.sae is not own and self._is_behind(one.reads)
        ]
        request = request_of(seen, self._capture(), seen.edits, grad=True)
        with ExitStack() as stack:
            for module in dict.fromkeys(self.model.block(one).module for one in self.layers):
                stack.enter_context(norms_frozen(self.model.module.get_submodule(module)))
            self.seen = run(self.model, request, cancel)
        self.plain = without_graph(self.seen)

    def all(self, k: int) -> Iterator[Downstream]:
        """Those that count, at most k of each kind of each layer."""
        with torch.inference_mode(False), torch.enable_grad():
            for layer in self.layers:
                if self._reads_attention(layer):
                    yield from self._scores(layer, k)
                    yield from self._values(layer)
                if (site := self._neuron_site(layer)) is not None:
                    yield from self._neurons(layer, site, k)
            for one in self.saes:
                yield from self._latents(one.stem, one.sae, one.reads, k)

    # ------------------------------------------------------------ what is captured

    def _capture(self) -> list[str]:
        found = list(changes_before(self.model, (self.model.anatomy.n_layers, 0)))
        for layer in self.layers:
            if self._reads_attention(layer):
                own = self.model.anatomy.layer_of_keys(layer)
                found += [f"L{one}.resid_pre" for one in {layer, own}]
                found += [f"L{layer}.q", *(f"L{own}.{side}" for side in ("k", "v")), f"L{layer}.z"]
                # whole: of a part of them a pass with a graph makes all of the layer's output
                found += [f"L{layer}.scores", f"L{layer}.pattern"]
            if (site := self._neuron_site(layer)) is not None:
                found += [_stream(self._before_mlp(layer), self.model), site]
        for one in self.saes:
            end = self._end_of(one.reads)
            found += [_stream(end, self.model), self._read_at(one.reads)]
        return list(dict.fromkeys(found))

    def _reads_attention(self, layer: int) -> bool:
        sites = ("q", "k", "v", "z", "scores", "pattern")
        return all(why_not(self.model.anatomy, SiteKey(one, layer)) is None for one in sites)

    def _neuron_site(self, layer: int) -> str | None:
        """What goes through the activation function: the gate where there is one."""
        for site in ("mlp_gate", "mlp_pre"):
            if why_not(self.model.anatomy, SiteKey(site, layer)) is None:
                return f"L{layer}.{site}"
        return None

    def _before_mlp(self, layer: int) -> End:
        return layer, len(self.model.block(layer).steps) - 1

    def _end_of(self, reads: SiteKey) -> End:
        return self._before_mlp(reads.layer or 0) if reads.site == "mlp_in" else place_of(reads)

    def _is_behind(self, reads: SiteKey) -> bool:
        return self._end_of(reads)[0] >= self.layers.start

    def _read_at(self, reads: SiteKey) -> str:
        """Where it reads; of the stream as the next step reads it: behind a layer is before it."""
        return reads.name if reads.site == "mlp_in" else _stream(self._end_of(reads), self.model)

    # ------------------------------------------------------------ what reads

    def _along(self, made: Tensor, end: End) -> Tensor:
        """How `made` changes with the write, as its own code has it: what `made` has of it."""
        stream, here = self.seen[_stream(end, self.model)], self.written
        rows = carried_to(self.plain, here.row, here.layer, here.branch, here.position, end)
        whole = torch.zeros_like(stream)
        whole[here.position] = rows[0].to(whole)
        return pushed(made, stream, whole)

    def _scores(self, layer: int, k: int) -> Iterator[Downstream]:
        """By the query at the write's position, and by the key there, from the last position."""
        own, here = self.model.anatomy.layer_of_keys(layer), self.written.position
        q, keys = self.seen[f"L{layer}.q"], self.seen[f"L{own}.k"]
        sides: tuple[tuple[Through, Tensor, End], ...]
        sides = ("q", q, (layer, 0)), ("k", keys, (own, 0))
        for side, made, end in sides:
            row = here if side == "q" else self.last
            scores = self.seen[f"L{layer}.scores"]
            effects = accurate(pushed(scores, made, self._along(made, end)))[:, row]
            scores = scores.detach()[:, row]
            usable = scores.isfinite()
            if side == "k":
                usable &= torch.arange(scores.shape[1], device=scores.device) == here
            effects = torch.where(usable, effects, 0.0)
            for at in _largest(effects.flatten(), k):
                head, key = divmod(at, effects.shape[1])
                node = f"L{layer}.H{head}@{row}<{key}"
                value = float(scores[head, key])
                yield Downstream(node, "score", side, float(effects[head, key]), value)

    def _values(self, layer: int) -> Iterator[Downstream]:
        """The norm of what each head moves of it to the last position, and of all that it moves."""
        own, here = self.model.anatomy.layer_of_keys(layer), self.written.position
        attention = self.model.block(layer).attention
        if attention.gated:
            return
        values = self.seen[f"L{own}.v"]
        out = branch_output(self.plain, layer, "attn", self.last)
        group = torch.arange(attention.n_heads) // (attention.n_heads // attention.n_kv_heads)
        share = accurate(self.plain[f"L{layer}.pattern"])[:, self.last, here, None]
        maps = accurate(out.weight).reshape(attention.n_heads, -1, out.weight.shape[1])
        parts = (
            accurate(self._along(values, (own, 0)))[here, group],
            accurate(values)[here, group],
        )
        moved, whole = (
            out.carry(torch.einsum("hd,hdm->hm", share.to(maps) * one.to(maps), maps)[None])[0]
            for one in parts
        )
        norms = zip(moved.norm(dim=-1).tolist(), whole.norm(dim=-1).tolist(), strict=True)
        for head, (effect, value) in enumerate(norms):
            node = f"L{layer}.H{head}@{self.last}<{here}"
            yield Downstream(node, "value", "v", effect, value)

    def _neurons(self, layer: int, site: str, k: int) -> Iterator[Downstream]:
        made, here = self.seen[site], self.written.position
        effects = accurate(self._along(made, self._before_mlp(layer))[here])
        through: Through = "gate" if site.endswith("gate") else "pre"
        for neuron in _largest(effects, k):
            value = float(made.detach()[here, neuron])
            node = f"L{layer}.N{neuron}@{here}"
            yield Downstream(node, "neuron", through, float(effects[neuron]), value)

    def _latents(self, stem: str, sae: Autoencoder, reads: SiteKey, k: int) -> Iterator[Downstream]:
        whole, here = self.seen[self._read_at(reads)], self.written.position
        whole = whole.to(torch.promote_types(whole.dtype, torch.float32))
        made = sae.like(whole).before_activations(whole)
        effects = accurate(self._along(made, self._end_of(reads))[here])
        for latent in _largest(effects, k):
            value = float(made.detach()[here, latent])
            yield Downstream(
                f"{stem}{latent}@{here}", "latent", "pre", float(effects[latent]), value
            )


def pushed(made: Tensor, given: Tensor, change: Tensor) -> Tensor:
    """What `made`, linear in `given`, has of a part of it: the transpose of the transpose."""
    if not bool(change.any()):
        return torch.zeros_like(made)
    one = torch.zeros_like(made, requires_grad=True)
    (back,) = torch.autograd.grad(made, given, one, create_graph=True)
    (found,) = torch.autograd.grad(back, one, change.to(back))
    return found.detach()


def _largest(effects: Tensor, k: int) -> list[int]:
    found: list[int] = effects.abs().topk(min(k, len(effects))).indices.tolist()
    return found


def _stream(end: End, model: Loaded) -> str:
    layer, step = end
    if layer == model.anatomy.n_layers:
        return f"L{layer - 1}.resid_post"
    return f"L{layer}.{STREAM[step]}"
