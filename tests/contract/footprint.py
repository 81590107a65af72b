"""What a run could leave in a model: hooks, patched methods, a changed attention implementation."""

from __future__ import annotations

import sys
from typing import Any

from torch import nn
from torch.nn.modules import module as torch_module
from torch.overrides import _get_current_function_mode_stack

_GLOBAL_HOOKS = [
    name for name in vars(torch_module) if name.startswith("_global_") and "hooks" in name
]


def hooks(model: nn.Module) -> int:
    """How many hooks there are on the model's modules and on all modules."""
    count = sum(len(getattr(torch_module, name)) for name in _GLOBAL_HOOKS)
    for module in model.modules():
        count += sum(len(value) for name, value in vars(module).items() if name.endswith("_hooks"))
    return count


def footprint(model: nn.Module) -> dict[str, Any]:
    """Everything that two moments at rest must have in common."""
    modules = dict(model.named_modules())
    files = {type(module).__module__ for module in modules.values()}
    return {
        "hooks": hooks(model),
        "modes": len(_get_current_function_mode_stack()),
        "attributes": {name: sorted(vars(module)) for name, module in modules.items()},
        "attention": {
            name: module.config._attn_implementation
            for name, module in modules.items()
            if hasattr(getattr(module, "config", None), "_attn_implementation")
        },
        "kernels": {
            file: vars(sys.modules[file]).get("eager_attention_forward") for file in sorted(files)
        },
        "training": {name: module.training for name, module in modules.items()},
        "grad": {name: weight.requires_grad for name, weight in model.named_parameters()},
    }
