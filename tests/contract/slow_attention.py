"""Attention written out a second time, with every step visible and changeable.

Promises: inside `observed` the model's own attention is replaced by this one, layer by layer, and
put back after. Each family's rounding is kept: some compute scores or softmax in fp32 whatever the
model's dtype.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from .wiring import Wiring

Visit = Callable[[str, Tensor], Tensor]
Turns = Mapping[nn.Module, list[int]]


@contextmanager
def observed(wiring: Wiring, turns: Turns, visit: Visit) -> Iterator[None]:
    """Replace the attention of the modules in `turns`, which name the layers they serve."""
    replace = {
        "interface": _replace_interface,
        "gptj": partial(_replace_method, "_attn", _gptj_attn),
        "codegen": partial(_replace_method, "_attn", _codegen_attn),
        "gpt_neo": partial(_replace_method, "_attn", _gpt_neo_attn),
        "bloom": partial(_replace_method, "forward", _bloom_forward),
        "falcon": partial(_replace_method, "forward", _falcon_forward),
    }[_way_in(wiring, turns)]
    with ExitStack() as stack:
        for patch in replace(wiring, turns, visit):
            stack.enter_context(patch)
        yield


def _way_in(wiring: Wiring, turns: Turns) -> str:
    """GPT-J and CodeGen call the common interface from transformers 5.24 on."""
    files = {type(module).__module__ for module in turns}
    common = all(hasattr(sys.modules[file], "eager_attention_forward") for file in files)
    return "interface" if common and wiring.attention in ("gptj", "codegen") else wiring.attention


def attend(
    visit: Visit,
    layer: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scores_of: Callable[[Tensor], Tensor],
    softmax_dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """[1, head, pos, d_head] -> z [1, pos, head, d_head] and pattern [1, head, query, key].

    `scores_of` makes scores of the raw products of query and key: scale, caps, biases, mask.
    """

    def per_position(site: str, states: Tensor) -> Tensor:
        return visit(f"L{layer}.{site}", states[0].transpose(0, 1)).transpose(0, 1)[None]

    query, key, value = (
        per_position(site, states) for site, states in zip("qkv", (query, key, value), strict=True)
    )
    groups = query.shape[1] // key.shape[1]
    key = key.repeat_interleave(groups, dim=1)
    scores = scores_of(query @ key.transpose(-1, -2))
    scores = visit(f"L{layer}.scores", scores[0])[None]
    pattern = scores.softmax(-1, dtype=softmax_dtype or scores.dtype).to(value.dtype)
    pattern = visit(f"L{layer}.pattern", pattern[0])[None]
    z = pattern @ value.repeat_interleave(groups, dim=1)
    return z.transpose(1, 2).contiguous(), pattern


def _replace_interface(wiring: Wiring, turns: Turns, visit: Visit) -> Iterator[Any]:
    """All modern families call their module's global `eager_attention_forward`."""
    layers = {module: cycle(served) for module, served in turns.items()}

    def forward(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float,
        softcap: float | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor]:
        def scores_of(products: Tensor) -> Tensor:
            scores = products * scaling
            if softcap is not None:
                scores = softcap * torch.tanh(scores / softcap)
            return scores if attention_mask is None else scores + attention_mask

        rounds = wiring.fp32_pattern and wiring.attention == "interface"
        softmax_dtype = torch.float32 if rounds else None
        return attend(visit, next(layers[module]), query, key, value, scores_of, softmax_dtype)

    for name in {type(module).__module__ for module in turns}:
        yield mock.patch.object(sys.modules[name], "eager_attention_forward", forward)


def _replace_method(
    method: str, function: Callable[..., Any], wiring: Wiring, turns: Turns, visit: Visit
) -> Iterator[Any]:
    for module, (layer,) in turns.items():
        yield mock.patch.object(module, method, partial(function, module, visit, layer))


def _gptj_attn(
    module: nn.Module,
    visit: Visit,
    layer: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    def scores_of(products: Tensor) -> Tensor:
        scores = products / math.sqrt(query.shape[-1])
        return scores if attention_mask is None else scores + attention_mask

    z, pattern = attend(visit, layer, query.float(), key.float(), value, scores_of)
    return z.transpose(1, 2), pattern


def _codegen_attn(
    module: nn.Module,
    visit: Visit,
    layer: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    def scores_of(products: Tensor) -> Tensor:
        # Unlike GPT-J it scales after masking, which in fp64 is another rounding.
        scores = products if attention_mask is None else products + attention_mask
        return scores / math.sqrt(query.shape[-1])

    z, pattern = attend(visit, layer, query.float(), key.float(), value, scores_of)
    return z.transpose(1, 2), pattern


def _gpt_neo_attn(
    module: nn.Module,
    visit: Visit,
    layer: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    config = module.config
    n_pos = query.shape[-2]
    distance = torch.arange(n_pos)[:, None] - torch.arange(n_pos)
    seen = distance >= 0
    if config.attention_layers[layer] == "local":
        seen &= distance < config.window_size

    def scores_of(products: Tensor) -> Tensor:
        scores = products.masked_fill(~seen, torch.finfo(products.dtype).min)
        return scores if attention_mask is None else scores + attention_mask

    z, pattern = attend(visit, layer, query.float(), key.float(), value, scores_of)
    return z.transpose(1, 2), pattern


def _bloom_forward(
    module: nn.Module,
    visit: Visit,
    layer: int,
    hidden_states: Tensor,
    residual: Tensor,
    alibi: Tensor,
    attention_mask: Tensor,
    **kwargs: Any,
) -> tuple[Tensor, Tensor]:
    n_heads = module.num_heads
    fused = module.query_key_value(hidden_states).unflatten(-1, (n_heads, 3, -1))
    query, key, value = (states.transpose(1, 2) for states in fused.unbind(dim=-2))

    def scores_of(products: Tensor) -> Tensor:
        return (
            alibi.view(1, n_heads, 1, -1) + products / math.sqrt(query.shape[-1]) + attention_mask
        )

    z, pattern = attend(visit, layer, query, key, value, scores_of, torch.float32)
    return module.dense(z.flatten(-2)) + residual, pattern


def _falcon_forward(
    module: nn.Module,
    visit: Visit,
    layer: int,
    hidden_states: Tensor,
    alibi: Tensor | None,
    attention_mask: Tensor,
    position_embeddings: tuple[Tensor, Tensor] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor]:
    n_heads, config = module.num_heads, module.config
    fused = module.query_key_value(hidden_states)
    if config.new_decoder_architecture or config.multi_query:
        # One group per key/value head: its queries, then its key, then its value.
        n_groups = config.num_kv_heads if config.new_decoder_architecture else 1
        grouped = fused.unflatten(-1, (n_groups, n_heads // n_groups + 2, -1))
        query, key, value = (
            grouped[..., :-2, :].flatten(2, 3),
            grouped[..., -2, :],
            grouped[..., -1, :],
        )
        if config.new_decoder_architecture:
            # The kernel is given a copy per query head.
            key, value = (s.repeat_interleave(n_heads // n_groups, dim=2) for s in (key, value))
    else:
        query, key, value = fused.unflatten(-1, (n_heads, 3, -1)).unbind(dim=-2)
    query, key, value = (states.transpose(1, 2) for states in (query, key, value))
    if alibi is None:
        assert position_embeddings is not None
        query, key = (_rotate(states, *position_embeddings) for states in (query, key))

    def scores_of(products: Tensor) -> Tensor:
        # The mask holds the alibi bias already; only the eager path upstream adds it once more.
        return products / math.sqrt(query.shape[-1]) + attention_mask

    z, pattern = attend(visit, layer, query, key, value, scores_of)
    return module.dense(z.flatten(-2)), pattern


def _rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = states.chunk(2, dim=-1)
    return states * cos[:, None] + torch.cat((-right, left), dim=-1) * sin[:, None]
