"""Queries and keys as functions of what attention reads: one token each, at any position.

A block is entered with a few states of the residual stream, each on its own and each at a position
of one's choice, and left once its queries and keys are there. At position 0 a rotary model turns
nothing, so these are queries and keys before rotation. With gradients it is the transpose of W_Q
and W_K, whichever way a family stores them: fused, interleaved, grouped or transposed. Norms of
queries and keys have their scale frozen, so that they are linear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unembed.engine.editing.edits import add
from unembed.engine.loaded import Loaded
from unembed.engine.passes import forward
from unembed.engine.passes.inputs import filler
from unembed.models.maps import is_map
from unembed.models.patching import forward_replaced

if TYPE_CHECKING:
    from jaxtyping import Float


NEGLIGIBLE = 1e-6  # an entry this small beside the others says nothing about a norm's weight


@dataclass(frozen=True, eq=False)
class Attended:
    """What attention reads, and what it makes of it."""

    attn_in: Float[Tensor, "n d_model"]
    q: Float[Tensor, "n head d_head"]
    k: Float[Tensor, "n kv_head d_head"]


@dataclass(frozen=True, eq=False)
class Inputs:
    """States of a layer's residual stream, and by how much edits moved what attention reads."""

    layer: int
    resid_pre: Float[Tensor, "n d_model"]
    moved: Float[Tensor, "n d_model"] | None

    def rows(self, chosen: Sequence[int]) -> Inputs:
        """Some of them, in any order, any of them several times."""
        moved = None if self.moved is None else self.moved[list(chosen)]
        return Inputs(self.layer, self.resid_pre[list(chosen)], moved)


def attend(model: Loaded, inputs: Inputs, positions: Sequence[int], grad: bool = False) -> Attended:
    """Queries and keys of each state, as if it stood at this position."""
    sites = [f"L{inputs.layer}.{site}" for site in ("attn_in", "q", "k")]
    edits = () if inputs.moved is None else (add(sites[0], inputs.moved),)
    states = inputs.resid_pre.detach().requires_grad_(grad)
    request = forward.Request(
        ids=(filler(model),) * len(states),
        capture=sites,
        edits=edits,
        logits="none",
        stop_after=sites[-1],
        start=(inputs.layer, states),
        grad=grad,
        position_ids=tuple(positions),
        source=(filler(model),) if model.has_encoder else (),  # not read before keys are
    )
    found = forward.run(model, request)
    return Attended(*(found[site] for site in sites))


def inputs_of(
    model: Loaded,
    layer: int,
    resid_pre: Float[Tensor, "n d_model"],
    attn_in: Float[Tensor, "n d_model"],
) -> Inputs:
    """States to attend from, given what attention read of them in a run, edits included."""
    plain = Inputs(layer, resid_pre, None)
    moved = attn_in - attend(model, plain, range(len(resid_pre))).attn_in
    return Inputs(layer, resid_pre, moved if bool(moved.abs().max() > 0) else None)


@torch.no_grad()
def rotations(
    model: Loaded, layer: int, positions: Sequence[int]
) -> Float[Tensor, "pos d_head d_head"]:
    """What a rotary model multiplies queries and keys with at each position: turned = still @ it.

    Measured on states made up for it, as no two families pair the entries of a head alike.
    """
    attention = model.block(layer).attention
    n_states = -(-2 * attention.d_head // attention.n_heads)
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(n_states, model.anatomy.d_model, generator=generator)
    inputs = Inputs(layer, states.to(model.device, model.dtype), None)

    def queries(position: int) -> Float[Tensor, "n d_head"]:
        found = attend(model, inputs, [position] * n_states).q.flatten(0, 1)
        return found.to(torch.promote_types(found.dtype, torch.float32))

    still = queries(0)
    found = [torch.linalg.lstsq(still, queries(position)).solution for position in positions]
    return torch.stack(found)


def pulled_back(
    model: Loaded,
    inputs: Inputs,
    positions: Sequence[int],
    q: Float[Tensor, "n head d_head"] | None = None,
    k: Float[Tensor, "n kv_head d_head"] | None = None,
) -> Float[Tensor, "n d_model"]:
    """The direction of attn_in along which <query, q> + <key, k> of each state grows.

    That is W_Q q + W_K k, with the norms and the rotation that each state has at its position.
    """
    with norms_frozen(model.module.get_submodule(model.block(inputs.layer).attention.core)):
        found = attend(model, inputs, positions, grad=True)
    with torch.inference_mode(False), torch.enable_grad():
        total = found.q.new_zeros(())
        for made, wanted in ((found.q, q), (found.k, k)):
            if wanted is not None:
                total = total + (made * wanted.to(made)).sum()
    (directions,) = torch.autograd.grad(total, found.attn_in)
    return directions.detach()


@contextmanager
def norms_frozen(whole: nn.Module, *, by_first: int = 0) -> Iterator[None]:
    """Every norm inside a module as the linear map that it is with the scale of its call.

    `by_first`: with the scale of the first of so many rows of one length, for all of them.
    """
    with ExitStack() as stack:
        for module in whole.modules():
            if _is_norm(module):
                stack.enter_context(forward_replaced(module, _frozen(module, by_first)))
        yield


def _is_norm(module: nn.Module) -> bool:
    """A leaf whose weight is a vector, or that is called a norm."""
    if next(module.children(), None) is not None or is_map(module):
        return False
    if isinstance(module, nn.Embedding):
        return False
    weight = getattr(module, "weight", None)
    vector = isinstance(weight, Tensor) and weight.dim() == 1
    return vector or "norm" in type(module).__name__.lower()


def _centres(norm: Callable[..., Any], like: Tensor) -> bool:
    """Whether a norm takes the mean away, asked of an input of its own, of this shape.

    Of activations with a few huge entries, as first tokens have, a shift would hardly be seen.
    """
    places = torch.arange(like.shape[-1], device=like.device)
    probe = (1 + places % 7 / 7) * (1 - 2 * (places % 2)) + 0.05
    states = probe.to(like).expand_as(like[:1])
    still = norm(states)
    return bool((norm(states + 0.5) - still).abs().max() < 0.02 * still.abs().max())


def _frozen(norm: nn.Module, by_first: int = 0) -> Callable[..., Any]:
    """The norm as a linear map with the gain that each row, or the first, has in this call."""
    plain = norm.forward

    def linear(states: Tensor, *more: Any, **named: Any) -> Any:
        if more or named:  # a gate beside it: it is no function of one state
            return plain(states, *more, **named)
        with torch.no_grad():
            like = states
            if by_first and len(states) % by_first == 0:
                # of rows [row, pos, ...], or put one behind the other (OPT's feed-forward)
                like = states[: len(states) // by_first]
            output = plain(like)
            centres = _centres(plain, like)
            bias = getattr(norm, "bias", None)
            written = output if bias is None else output - bias
            given = like - like.mean(-1, keepdim=True) if centres else like
            telling = given.abs() > NEGLIGIBLE * given.abs().amax(-1, keepdim=True)
            gain = torch.where(telling, written / torch.where(telling, given, 1.0), 0.0)
            constant = output - gain * given
            if by_first and len(like) < len(states):
                gain, constant = (
                    one.repeat(by_first, *[1] * (one.dim() - 1)) for one in (gain, constant)
                )
        centred = states - states.mean(-1, keepdim=True) if centres else states
        found: Tensor = gain * centred + constant
        return found

    return linear
