"""Finding what turns the last residual into logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from unembed.models.anatomy import HeadAnatomy
from unembed.models.equations import combination, numbers_of_config, same
from unembed.models.maps import is_map, named_tensor
from unembed.models.trace import Call, Trace


def read_head(
    model: nn.Module, last: Call, trace: Trace, config: Any, reasons: dict[str, str]
) -> HeadAnatomy | None:
    """The chain to the unembedding; where there is none, None and the reason in `reasons`.

    A head that gives labels was given its reason before.
    """
    if trace.logits is None:
        return None
    unembedding = model.get_output_embeddings()  # type: ignore[operator]
    call = next((c for c in reversed(trace.calls) if c.module is unembedding), None)
    if call is None or not is_map(call.module) or call.output is None:
        reasons["lens"] = "the model has no unembedding that is one linear map"
        return None
    chain, container, factor = _read_chain(last, call, trace, config)
    if chain is None:
        reasons["lens"] = (
            "what lies between the last block and the unembedding is not a chain of modules"
        )
        return None
    n_tokens = trace.logits.shape[-1]  # Inkling leaves rows out that pad its unembedding
    for bias in (None, *_loose_biases(model, call)):
        loose = 0.0 if bias is None else named_tensor(model, bias).reshape(-1)
        product = (call.output + loose)[..., :n_tokens]
        for multiplier, divisor, softcap in _logit_forms(config):
            logits = product * multiplier / divisor
            if softcap is not None:
                logits = torch.tanh(logits / softcap) * softcap
            if same(logits.to(trace.logits.dtype), trace.logits):
                return HeadAnatomy(
                    chain, call.name, container, multiplier, divisor, softcap, factor, bias
                )
    whole = call.output[..., :n_tokens]
    scaled = combination(trace.logits, [whole], numbers_of_config(config))
    if scaled is not None:
        return HeadAnatomy(chain, call.name, container, scaled[0], factor=factor)
    reasons["lens"] = "the logits are not the unembedding's output times a known factor or soft cap"
    return None


def read_label_head(last: Call, trace: Trace, n_labels: int, config: Any) -> HeadAnatomy | None:
    """The chain from the last residual to the map that scores labels, position by position.

    None where that is not one linear map behind modules that keep positions: a pooled head.
    """
    if last.output is None:
        return None
    after = [call for call in trace.calls if call.start >= last.end and is_map(call.module)]
    shape = (len(last.output), n_labels)
    call = next((one for one in reversed(after) if _shape(one) == shape), None)
    if call is None:
        return None
    chain, container, factor = _read_chain(last, call, trace, config)
    if chain is None or container is not None:
        return None
    return HeadAnatomy(chain, call.name, factor=factor)


def _shape(call: Call) -> tuple[int, ...] | None:
    return None if call.output is None else tuple(call.output.shape)


def _loose_biases(model: nn.Module, unembedding: Call) -> list[str]:
    """Vectors with a number for each token, which may be added to the unembedding's product.

    A buffer (BART), or a parameter of the module around it (ESM).
    """
    n = 0 if unembedding.output is None else unembedding.output.shape[-1]
    own = f"{unembedding.name}."
    return [
        name
        for name, vector in (*model.named_buffers(), *model.named_parameters())
        if vector.is_floating_point()
        and vector.numel() == n == vector.shape[-1]
        and not name.startswith(own)
    ]


def _read_chain(
    last: Call, unembedding: Call, trace: Trace, config: Any
) -> tuple[tuple[str, ...] | None, str | None, float]:
    """The modules to the unembedding, the one that holds the rest, and a factor between."""
    chain: list[str] = []
    current, done = last.output, last.end
    for call in trace.calls:
        if call.start < done or not same(call.input, current) or _drops_positions(call):
            continue
        if call is unembedding:
            return tuple(chain), None, 1.0
        if unembedding.within(call):
            return tuple(chain), call.name, 1.0
        if call.output is not None:
            chain.append(call.name)
            current, done = call.output, call.end
    factor = _factor(unembedding, current, config)
    return (None, None, 1.0) if factor is None else (tuple(chain), None, factor)


def _factor(unembedding: Call, states: Tensor | None, config: Any) -> float | None:
    """How many times a state is what the unembedding reads; None where it is not a multiple.

    T5 multiplies by d_model ** -0.5, MiniCPM 3 and Inkling divide by a number of their config.
    """
    if states is None or unembedding.input is None:
        return None
    stated = {*numbers_of_config(config), float(getattr(config, "logits_scaling", None) or 1.0)}
    known = {*stated, *(1 / one for one in stated), states.shape[-1] ** -0.5}
    found = combination(unembedding.input, [states], frozenset(known))
    return None if found is None else found[0]


def _drops_positions(call: Call) -> bool:
    """A pooler beside the chain gives one vector for all positions."""
    if call.input is None or call.output is None:
        return False
    return len(call.output) != len(call.input)


def _logit_forms(config: Any) -> Iterator[tuple[float, float, float | None]]:
    multiplier = float(getattr(config, "logit_scale", None) or 1.0)
    divisor = float(getattr(config, "logits_scaling", None) or 1.0)
    named = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
    softcap = next((cap for name in named if (cap := getattr(config, name, None))), None)
    yield 1.0, 1.0, None
    yield multiplier, divisor, None
    if softcap:
        yield multiplier, divisor, float(softcap)
        yield 1.0, 1.0, float(softcap)
