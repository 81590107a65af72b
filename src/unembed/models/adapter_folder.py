"""A folder that holds an adapter and no model: its base, where that is here, with it put on.

Nothing is downloaded for it: of a base that is not on this machine it says how to merge the two.
Adapters are read from safetensors only, as models are.
"""

from __future__ import annotations

import json
import shlex
import warnings
from pathlib import Path
from typing import Any

from torch import nn

from unembed.errors import LoadError
from unembed.models.pretrained import downloaded

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def is_adapter_folder(path: Path) -> bool:
    """Whether a folder holds an adapter, and no model beside it."""
    return (path / CONFIG).is_file() and not (path / "config.json").is_file()


def base_of(path: Path) -> str | None:
    """What the adapter says that it was trained on: a hub id or a folder; None where nothing."""
    try:
        stated = json.loads((path / CONFIG).read_bytes())["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return stated if isinstance(stated, str) and stated else None


def local_base(path: Path) -> Path | None:
    """The folder of that model, beside the adapter, on this machine, or downloaded before."""
    base = base_of(path)
    if base is None:
        return None
    for folder in (Path(base).expanduser(), path / base):
        if (folder / "config.json").is_file():
            return folder
    return downloaded(base, None)


def with_adapter(module: nn.Module, path: Path, source: str) -> nn.Module:
    """The module with the adapter of a folder in force. Raises LoadError where it cannot be put on.

    Layers are changed in place; the wrapper that peft puts around them is left away.
    """
    try:
        import peft
    except ImportError:
        raise not_put_on(
            path, source, "the package that reads it, peft, is not installed"
        ) from None
    if not (path / WEIGHTS).is_file():
        raise not_put_on(path, source, f"it has no {WEIGHTS}, and pickled weights are not read")
    try:
        with warnings.catch_warnings():
            # parts that the file has not would be as they start: the base alone
            warnings.filterwarnings("error", message=".*missing adapter keys")
            # in the types that it was saved in: what is cast is another model's number
            wrapped: Any = peft.PeftModel.from_pretrained(
                module, str(path), autocast_adapter_dtype=False
            )
    except Exception as error:  # peft's own, torch's about shapes, safetensors'
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise not_put_on(path, source, first) from error
    if getattr(wrapped.active_peft_config, "is_prompt_learning", False):
        return wrapped  # type: ignore[no-any-return]  # whoever checks adapters says why not
    inside: nn.Module = wrapped.get_base_model()
    return inside


def tokenizer_of(path: Path) -> Any:
    """The tokenizer in the adapter's folder, with its chat template; None without one."""
    from transformers import AutoTokenizer

    if not (path / "tokenizer_config.json").is_file():
        return None
    try:
        return AutoTokenizer.from_pretrained(str(path))
    except (OSError, ValueError, KeyError):
        return None


def not_put_on(path: Path, source: str, why: str) -> LoadError:
    """Why an adapter could not be put on its base, and how to merge the two once."""
    base = base_of(path) or "BASE"
    merged = f"{source.rstrip('/')}-merged"
    code = (
        "import peft, transformers as t; "
        f"m = t.AutoModelForCausalLM.from_pretrained({base!r}); "
        f"peft.PeftModel.from_pretrained(m, {source!r}).merge_and_unload()"
        f".save_pretrained({merged!r}); "
        f"t.AutoTokenizer.from_pretrained({base!r}).save_pretrained({merged!r})"
    )
    return LoadError(
        f"{source} holds an adapter (LoRA) for {base}, not a model, and {why}: merge it into its "
        "model once",
        field="source",
        value=source,
        legal="a folder with config.json and model.safetensors",
        fix=f"python -c {shlex.quote(code)}",
    )
