"""Quantised weights: what cannot be read here is refused before a download, the rest is unpacked.

A module goes on with its own kernel; numbers are read as what its packed weight stands for. Where
the kernel rounds what it is given, too (LLM.int8), a product with that is not what it computes, and
the self-check says so.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from unembed.errors import LoadError

# weights that know products alone: they cannot be read, hashed or multiplied with anything else
OPAQUE = ("torchao",)


def check_quantised(config: Any, source: str) -> None:
    """Raise LoadError where transformers cannot read the weights that a configuration states.

    What it needs for each method (a package, an accelerator) it says itself; what it can unpack
    without, as MXFP4 and FP8 on the CPU, is unpacked.
    """
    stated = _stated(config)
    if stated is None:
        return
    method = str(stated.get("quant_method") or "an unnamed method")
    from transformers.quantizers import AutoHfQuantizer

    try:
        if method in OPAQUE:
            raise NotImplementedError("they know products alone, so no number of them can be read")
        quantizer = AutoHfQuantizer.from_config(copy.deepcopy(stated), pre_quantized=True)
        quantizer.validate_environment(device_map=None, weights_only=True)
    except Exception as error:  # every method has its own; whatever it is, it would come later
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise LoadError(
            f"{source} is quantised ({method}), and its weights cannot be read here: {first}",
            field="source",
            value=method,
            legal="weights in float32, bfloat16 or float16, or a method that runs here",
            fix="load the checkpoint that it was quantised from, or a .gguf file of it",
        ) from error


def _stated(config: Any) -> dict[str, Any] | None:
    """How weights are packed, as the configuration says, maybe that of its language model."""
    for part in (config, config.get_text_config()):
        stated = getattr(part, "quantization_config", None)
        if stated is not None:
            return dict(stated) if isinstance(stated, dict) else dict(stated.to_dict())
    return None


def unpacked(module: nn.Module) -> Tensor:
    """What the packed weight of a linear map of bitsandbytes stands for: [d_out, d_in], a copy.

    Raises LookupError for weights that are packed in another way, also by its first pass: some
    processors have a kernel that wants 4 bits in an order of its own.
    """
    from transformers.integrations.bitsandbytes import dequantize_bnb_weight

    weight: Any = module.weight
    if type(weight).__name__ not in ("Int8Params", "Params4bit"):
        raise LookupError(f"the weight of a {type(module).__name__} is packed in an unknown way")
    if getattr(getattr(weight, "quant_state", None), "packing_format_for_cpu", False):
        raise LookupError(
            f"the weight of a {type(module).__name__} is packed for a kernel of this processor"
        )
    found: Tensor = dequantize_bnb_weight(weight, state=getattr(module, "state", None))
    return found.detach()


def check_readable(module: nn.Module) -> None:
    """Raise LoadError where a weight is a tensor that does not say its numbers."""
    for name, weight in module.named_parameters():
        data = weight.detach()
        if type(data) is Tensor or data.is_meta:
            continue
        try:
            data.reshape(-1)[:1].tolist()
        except (NotImplementedError, RuntimeError) as error:
            raise LoadError(
                f"{name} of this {type(module).__name__} is a {type(data).__name__}, whose numbers "
                "cannot be read",
                field="source",
                value=name,
                legal="weights in float32, bfloat16 or float16, or a method that runs here",
                fix="load the model as it was before it was quantised",
            ) from error
