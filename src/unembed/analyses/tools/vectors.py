"""What a feed-forward neuron writes and what it listens to, from the weights alone.

The value vector of L12.N512 is what the neuron adds to the residual stream per unit of activation:
its row of W_out, times the neuron's weight in a norm before that map and the weight of a post-norm,
where there are any (their scales differ from run to run and are left out), times the residual
multiplier.

Its key directions are the columns of the maps into the pre-activation: one, or where the
feed-forward is gated one for the gate and one for the other factor. Which tokens they listen to is
a static approximation: a token's embedding goes through the weight of the norm before the
feed-forward and is compared by cosine. What attention and earlier layers add on the way is not in
it, so it says most about early layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from unembed.analyses.tools.checks import checked_top_k
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.projections import (
    PROJECTIONS,
    Projection,
    ProjectionName,
    TokenScore,
    projected,
    projection_of,
    scores_of,
    token_direction,
)
from unembed.analyses.tools.static_norms import StaticNorm, input_norm, static_norm
from unembed.analyses.tools.writes import node_of
from unembed.engine.checks.selfcheck import N_POSITIONS, sample_ids
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import refuse, why_not
from unembed.engine.passes import forward
from unembed.engine.targets import Name, SiteKey, Target
from unembed.errors import CapabilityError, InputError, TargetError
from unembed.latents.autoencoder import Autoencoder
from unembed.latents.sae import sae_of
from unembed.models.fingerprint import State
from unembed.models.maps import input_embeddings, stored, weight_in_out

if TYPE_CHECKING:
    from jaxtyping import Float


__all__ = [
    "PROJECTIONS",
    "KeyTokens",
    "Projection",
    "ProjectionName",
    "TokenScore",
    "key_directions",
    "key_tokens",
    "layers_with_neurons",
    "projected",
    "projection_of",
    "token_direction",
    "value_vectors",
    "vector_of",
]

# ------------------------------------------------------------------ value vectors


@torch.no_grad()
def value_vectors(model: Loaded, layer: int) -> Float[Tensor, "d_mlp d_model"]:
    """The value vector of each neuron of a layer, in float32 (float64 if the model is).

    Raises InputError for a layer that the model does not have, CapabilityError where it has no
    neurons (a mixture of experts) or a post-norm that is not understood.
    """
    _check_layer(model, layer)
    refuse(model.anatomy, SiteKey("mlp_post", layer), model.name, "layer")
    vectors = accurate(model.output_weight(layer, "mlp"))
    inner = model.inner_norm(layer, "mlp")
    if inner is not None:
        vectors = static_norm(model, inner, len(vectors)).weight[:, None].to(vectors) * vectors
    norm = model.post_norm(layer, "mlp")
    if norm is not None:
        vectors = static_norm(model, norm).carry(vectors)
    multiplier = model.residual_multiplier(layer, "mlp")
    return vectors if multiplier == 1.0 else vectors * multiplier


def vector_of(model: Loaded, node: Name) -> tuple[int, int]:
    """Layer and number of a node with a vector of its own; raises TargetError for any other."""
    target = node_of(model, node)
    if not target.row.has_vector or target.layer is None or target.neuron is None:
        raise TargetError(
            f"{target.text!r} is not a neuron; only neurons have a value vector, as L12.N512",
            field="target",
            value=target.text,
            legal='"L12.N512"',
        )
    return target.layer, target.neuron


def layers_with_neurons(model: Loaded) -> tuple[int, ...]:
    """Layers that have value vectors. Raises CapabilityError, with the reason, if none has."""
    anatomy = model.anatomy
    reasons = [why_not(anatomy, SiteKey("mlp_post", layer)) for layer in range(anatomy.n_layers)]
    found = tuple(layer for layer, reason in enumerate(reasons) if reason is None)
    if not found:
        raise CapabilityError(f"{model.name} has no neurons: {reasons[0]}", field="model")
    return found


def _check_layer(model: Loaded, layer: int) -> None:
    last = model.anatomy.n_layers - 1
    if not 0 <= layer <= last:
        raise InputError(
            f"layer {layer} is not in this model: {model.name} has layers 0-{last}",
            field="layer",
            value=layer,
            legal=f"0-{last}",
        )


# ------------------------------------------------------------------ key directions

Scores = tuple[TokenScore, ...]


@dataclass(frozen=True)
class KeyTokens:
    """Tokens by the cosine of their embedding with a neuron's key directions.

    Where the feed-forward is gated, `gate_promotes` makes the gate open, and `promotes` belongs to
    the other factor, whose sign is the sign of the activation. The others have no gate.
    """

    promotes: Scores  # highest cosine first
    suppresses: Scores  # lowest first
    gate_promotes: Scores | None
    gate_suppresses: Scores | None


@torch.no_grad()
def key_tokens(model: Loaded, node: Name, k: int = 10) -> KeyTokens:
    """The k tokens that the key directions of "L12.N512" fire on most, and least.

    Of a latent, "L6.F77", the column of its encoder is compared with embeddings as the site has
    them: those of a feed-forward's input through the norm before it, those of the stream as they
    are, without their mean where the autoencoder takes it off.

    Raises TargetError for anything that is no neuron or latent of this model; CapabilityError where
    the pre-activation is not understood, embeddings are not as wide as the residual stream, or no
    embedding is in what the autoencoder reads.
    """
    (found,) = key_tokens_of(model, [node_of(model, node)], k)
    return found


@torch.no_grad()
def key_tokens_of(model: Loaded, targets: Sequence[Target], k: int = 10) -> list[KeyTokens]:
    """`key_tokens` of several nodes; those of latents, all of one autoencoder, read together."""
    checked_top_k(model, k)
    if targets and targets[0].row.derived:
        return _of_latents(model, targets, k)
    found = []
    for target in targets:
        layer, neuron = vector_of(model, target)
        refuse(model.anatomy, SiteKey("mlp_pre", layer), model.name, "target")
        cosines = _cosines(model, layer, key_directions(model, layer, neuron))
        lists: list[Scores | None] = []
        for row in cosines:
            for sign in (1, -1):
                top = (sign * row).topk(k)
                lists.append(scores_of(model, top.indices.tolist(), (sign * top.values).tolist()))
        lists += [None] * (4 - len(lists))
        found.append(KeyTokens(lists[0] or (), lists[1] or (), lists[2], lists[3]))
    return found


def _of_latents(model: Loaded, latents: Sequence[Target], k: int) -> list[KeyTokens]:
    """By the columns of the encoder, some at a time: a table of all is not held."""
    sae, reads = sae_of(model, latents[0]), latents[0].site_key
    columns = accurate(sae.weights.W_enc[:, [one.index or 0 for one in latents]].T)
    columns = torch.nn.functional.normalize(columns.to(model.device), dim=-1)
    found: list[KeyTokens] = []
    for part in torch.split(columns, COLUMNS_AT_ONCE):
        most, least, first = _Best(k, 1), _Best(k, -1), 0
        for cosines in _cosines_of_latents(model, sae, reads, latents[0], part):
            most.add(first, cosines)
            least.add(first, cosines)
            first += cosines.shape[1]
        ends = zip(most.scores(model), least.scores(model), strict=True)
        found += [KeyTokens(raised, lowered, None, None) for raised, lowered in ends]
    return found


class _Best:
    """The k largest (sign 1) or smallest (-1) of each row, while chunks of columns go by."""

    def __init__(self, k: int, sign: int) -> None:
        self.k, self.sign = k, sign
        self._values: list[Tensor] = []
        self._ids: list[Tensor] = []

    def add(self, first: int, numbers: Float[Tensor, "n some"]) -> None:
        """The columns of the tokens from `first` on."""
        top = (self.sign * numbers).topk(min(self.k, numbers.shape[1]))
        self._values.append(top.values)
        self._ids.append(top.indices + first)

    def scores(self, model: Loaded) -> list[Scores]:
        """Of each row."""
        best = torch.cat(self._values, -1).topk(self.k)
        ids = torch.cat(self._ids, -1).gather(-1, best.indices)
        numbers = (self.sign * best.values).tolist()
        return [
            scores_of(model, some, those) for some, those in zip(ids.tolist(), numbers, strict=True)
        ]


def _cosines_of_latents(
    model: Loaded, sae: Autoencoder, reads: SiteKey, latent: Target, keys: Tensor
) -> Iterator[Float[Tensor, "n some"]]:
    """Cosines of embeddings, as the site has them, with directions of length 1; some tokens at a
    time. Raises CapabilityError where no embedding is in what is read.
    """
    if reads.site == "mlp_in" and reads.layer is not None:
        reading = _reading(model, reads.layer)
        keys = keys if reading.norm is None else reading.norm.transposed(keys)
        first = 0
        for rows in _embeddings(model):
            lengths = reading.lengths[first : first + len(rows)]
            yield keys.to(rows) @ rows.T / lengths.clamp_min(torch.finfo(rows.dtype).tiny)
            first += len(rows)
        return
    if reads.site not in _OF_STREAM:
        raise CapabilityError(
            f"{latent.text} reads {reads.name}, in which no token's embedding is",
            field="target",
            value=latent.text,
            legal=f"latents of mlp_in, {', '.join(_OF_STREAM)}",
        )
    says = sae.description
    for rows in _embeddings(model):
        if says.centred or says.normalise == "layer_norm":
            rows = rows - rows.mean(-1, keepdim=True)
        yield keys.to(rows) @ torch.nn.functional.normalize(rows, dim=-1).T


COLUMNS_AT_ONCE = 256
_OF_STREAM = ("embed", "resid_pre", "resid_mid", "resid_mid_cross", "resid_post")


def key_directions(model: Loaded, layer: int, neuron: int) -> Float[Tensor, "n d_model"]:
    """The columns into the pre-activation of a neuron: one, or two (the gate's second)."""
    mlp = model.block(layer).mlp
    names = [tap.module for tap in mlp.inputs]
    pre = mlp.pre
    if pre is None:
        raise CapabilityError(f"layer {layer} of {model.name} has no mlp_pre", field="target")
    if mlp.kind == "plain":
        places: list[tuple[str, int | None, float]] = [(names[0], None, 1.0)]
    else:
        gate = pre.module if pre.half is not None else next(n for n in names if n != pre.module)
        other = None if pre.half is None else 1 - pre.half
        scale = 1.0 if mlp.gate is None else mlp.gate.scale
        places = [(pre.module, pre.half, 1.0), (gate, other, scale)]
    return torch.stack([_column(model, *place, neuron) for place in places])


def _column(model: Loaded, name: str, half: int | None, scale: float, neuron: int) -> Tensor:
    weight = weight_in_out(model.module.get_submodule(name))
    part = weight if half is None else weight.chunk(2, dim=-1)[half]
    return accurate(part[:, neuron]) * scale


@dataclass(frozen=True, eq=False)
class _Reading:
    """How a layer's feed-forward reads embeddings: the norm before it, and how long they are."""

    norm: StaticNorm | None
    lengths: Float[Tensor, " vocab"]


# The same for every neuron of a layer, and a walk through the whole vocabulary.
_READINGS: WeakKeyDictionary[State, dict[int, _Reading]] = WeakKeyDictionary()


def _reading(model: Loaded, layer: int) -> _Reading:
    known = _READINGS.setdefault(model.reread(often=True), {})
    if layer not in known:
        norm = _norm_before(model, layer)
        parts = [_read(norm, rows).norm(dim=-1) for rows in _embeddings(model)]
        known[layer] = _Reading(norm, torch.cat(parts))
    return known[layer]


def _norm_before(model: Loaded, layer: int) -> StaticNorm | None:
    """The norm that the feed-forward reads the stream through, found on a short run."""
    middle = why_not(model.anatomy, SiteKey("resid_mid", layer)) is None
    stream = model.block(layer).stream_sites[-1] if middle else "resid_pre"
    sites = [f"L{layer}.{stream}", f"L{layer}.mlp_in"]
    n_positions = min(N_POSITIONS, model.max_positions)
    ids = tuple(sample_ids(model.module, model.vocab_size, n_positions))
    source = ids if model.has_encoder else ()
    run = forward.run(model, forward.Request(ids, sites, logits="none", source=source))
    block = model.module.get_submodule(model.block(layer).module)
    return input_norm(model, block, *(run[site] for site in sites))


def _read(norm: StaticNorm | None, rows: Tensor) -> Tensor:
    return rows if norm is None else norm.carry(rows)


def _cosines(model: Loaded, layer: int, keys: Tensor) -> Float[Tensor, "n vocab"]:
    """Cosine of every token's embedding, as the layer reads it, with each direction."""
    reading = _reading(model, layer)
    keys = torch.nn.functional.normalize(keys, dim=-1)
    if reading.norm is not None:
        keys = reading.norm.transposed(keys)
    products = torch.cat([keys @ rows.T for rows in _embeddings(model)], dim=-1)
    return products / reading.lengths.clamp_min(torch.finfo(keys.dtype).tiny)


def _embeddings(model: Loaded) -> Iterator[Float[Tensor, "some d_model"]]:
    """The embedding of every token, some at a time."""
    table = stored(input_embeddings(model.module), "weight")
    if table is None or table.shape[-1] != model.anatomy.d_model:
        raise CapabilityError(
            f"{model.name} has no embeddings as wide as its residual stream", field="target"
        )
    step = max(1, model.settings.chunk_bytes // (8 * table.shape[-1]))
    for start in range(0, model.vocab_size, step):
        yield accurate(table[start : min(start + step, model.vocab_size)])
