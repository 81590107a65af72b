"""Quantised checkpoints: what cannot be read here is refused before a download."""

from __future__ import annotations

import copy
from typing import Any

from unembed.errors import LoadError


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
