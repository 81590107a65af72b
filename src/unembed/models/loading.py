"""From a source to a module and its tokenizer: a hub id, a folder, a GGUF file, the demo model, or
a module that the caller already has.

Knows transformers; knows nothing of anatomy. Weights come from safetensors only: a checkpoint of
pickles is refused, because loading one can run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from unembed.errors import InputError, LoadError
from unembed.settings import Settings

Progress = Callable[[str, int, int], None]
DEMO = "gemma3-270m"
DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float64": torch.float64,
    "fp64": torch.float64,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "float16": torch.float16,
    "fp16": torch.float16,
}


@dataclass
class Loaded:
    """A module with its tokenizer, and what is known of where it came from."""

    module: nn.Module
    tokenizer: Any
    name: str
    kind: Literal["causal", "masked"]
    revision: str | None = None
    licence: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)


def load_source(
    source: str | Path | nn.Module,
    tokenizer: Any,
    *,
    dtype: str | torch.dtype | None,
    device: str,
    revision: str | None,
    trust_remote_code: bool,
    settings: Settings,
    progress: Progress | None,
) -> Loaded:
    """Load whatever `source` is. Raises LoadError or InputError with the fix."""
    wanted = parse_dtype(dtype)
    if isinstance(source, nn.Module):
        return _from_module(source, tokenizer, wanted)
    loaded = _from_name(
        str(source), wanted, revision, trust_remote_code, device, settings, progress
    )
    if tokenizer is not None:
        loaded.tokenizer = tokenizer
    if device != "auto":
        _to_device(loaded.module, device)
    loaded.module.eval()
    return loaded


def parse_dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    """A torch dtype from its name; None stays None (float32, or what a module has)."""
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    found = DTYPES.get(str(dtype).removeprefix("torch."))
    if found is None:
        legal = ", ".join(sorted(DTYPES))
        raise InputError(
            f"dtype is {dtype!r}; it must be one of {legal}",
            field="dtype",
            value=dtype,
            legal=legal,
        )
    return found


def fingerprint(module: nn.Module) -> str:
    """A short hash of the configuration and of a sample of every weight."""
    config = json.loads(module.config.to_json_string(use_diff=False))  # type: ignore[union-attr,operator]
    for volatile in ("_name_or_path", "transformers_version", "dtype"):
        config.pop(volatile, None)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name, parameter in module.named_parameters():
        flat = parameter.detach().reshape(-1)
        step = max(flat.numel() // 64, 1)
        sample = flat[::step][:65].to(torch.float64).cpu()
        digest.update(f"{name}{tuple(parameter.shape)}{parameter.dtype}".encode())
        digest.update(sample.numpy().tobytes())
    return digest.hexdigest()[:16]


# ---------------------------------------------------------------- each kind of source


def _from_module(module: nn.Module, tokenizer: Any, dtype: torch.dtype | None) -> Loaded:
    if not hasattr(module, "config") or not hasattr(module, "get_output_embeddings"):
        raise LoadError(
            f"{type(module).__name__} is not a model from transformers: it has no config",
            field="source",
            value=type(module).__name__,
            legal="a PreTrainedModel",
        )
    if dtype is not None:
        module = module.to(dtype)
    name = str(getattr(module.config, "_name_or_path", "") or type(module).__name__)
    return Loaded(module.eval(), tokenizer, name, _kind_of_class(type(module).__name__, name))


def _kind_of_class(architecture: str, name: str) -> Literal["causal", "masked"]:
    if architecture.endswith(("ForMaskedLM", "ForPreTraining")):
        return "masked"
    if architecture.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")):
        return "causal"
    raise LoadError(
        f"{name}: {architecture} is neither a causal nor a masked language model; load it with "
        "AutoModelForCausalLM or AutoModelForMaskedLM",
        field="source",
        value=architecture,
        legal="...ForCausalLM or ...ForMaskedLM",
    )


def _from_name(
    source: str,
    dtype: torch.dtype | None,
    revision: str | None,
    trust_remote_code: bool,
    device: str,
    settings: Settings,
    progress: Progress | None,
) -> Loaded:
    path = Path(source).expanduser()
    if source == DEMO:
        from unembed.models import demo

        folder = demo.ensure(settings, progress)
        loaded = _pretrained(str(folder), dtype, None, False, device)
        loaded.name, loaded.licence = DEMO, demo.LICENCE
        return loaded
    if source.endswith(".gguf"):
        if not path.is_file():
            raise LoadError(
                f"there is no file {source}", field="source", value=source, legal="a .gguf file"
            )
        from unembed.models import gguf

        module, found = gguf.load_gguf(path, dtype or torch.float32, progress)
        return Loaded(module, found, path.name, _kind_of_class(type(module).__name__, path.name))
    if path.exists() and not (path / "config.json").is_file():
        raise LoadError(
            f"{source} has no config.json; a model folder holds one beside its safetensors",
            field="source",
            value=source,
            legal="a folder with config.json and model.safetensors",
        )
    if not path.exists() and source.startswith(("/", "./", "../", "~")):
        raise LoadError(
            f"there is no folder or file {source}",
            field="source",
            value=source,
            legal="a hub id, a folder, a .gguf file, or gemma3-270m",
        )
    return _pretrained(source, dtype, revision, trust_remote_code, device)


def _pretrained(
    source: str,
    dtype: torch.dtype | None,
    revision: str | None,
    trust_remote_code: bool,
    device: str,
) -> Loaded:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    options: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    options = {key: value for key, value in options.items() if value is not None}
    try:
        config = AutoConfig.from_pretrained(source, **options)
        kind = _kind_of_config(config, source)
        auto = AutoModelForMaskedLM if kind == "masked" else AutoModelForCausalLM
        placed = {"device_map": "auto"} if device == "auto" else {}
        with _quiet():
            module, info = auto.from_pretrained(
                source,
                dtype=dtype or torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                **options,
                **placed,
            )
        tokenizer = _tokenizer(AutoTokenizer, source, options)
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(_why(source, error), field="source", value=source) from error
    loaded = Loaded(module, tokenizer, Path(source).name if Path(source).exists() else source, kind)
    loaded.revision = getattr(config, "_commit_hash", None) or revision
    loaded.reasons = _missing(module, info["missing_keys"], loaded.name)
    return loaded


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' bar of filled weights and its report: `_missing` judges that here."""
    from transformers.utils import logging

    drawn, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if drawn:
            logging.enable_progress_bar()


def _tokenizer(auto: Any, source: str, options: dict[str, Any]) -> Any:
    """The tokenizer, or None: token ids still work, and a text prompt says why it does not."""
    try:
        tokenizer = auto.from_pretrained(source, **options)
    except (OSError, ValueError, KeyError):
        return None
    # where there are no tokenizer files, transformers makes an empty one of the model's kind
    return tokenizer if len(tokenizer.get_vocab()) > len(tokenizer.all_special_ids) else None


def _kind_of_config(config: Any, source: str) -> Literal["causal", "masked"]:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    for architecture in getattr(config, "architectures", None) or []:
        if architecture.endswith(("ForMaskedLM", "ForPreTraining")):
            return "masked"
        if architecture.endswith(("ForCausalLM", "LMHeadModel")):
            return "causal"
    masked = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if masked and not getattr(config, "is_decoder", False):
        return "masked"
    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "causal"
    raise LoadError(
        f"{source} is a {config.model_type} model, which transformers has neither as a causal nor "
        "as a masked language model",
        field="source",
        value=source,
        legal="a causal or masked language model",
    )


def _missing(module: nn.Module, missing: Any, name: str) -> dict[str, str]:
    """Weights that were not in the checkpoint are random: never give numbers from them."""
    absent = sorted(missing)
    if not absent:
        return {}
    base = getattr(module, "base_model_prefix", "")
    body = [key for key in absent if key.startswith(f"{base}.")]
    if body:
        raise LoadError(
            f"{name}: {len(body)} weights are not in the checkpoint ({body[0]} ...), so the model "
            "would compute with random numbers",
            field="source",
            value=name,
            legal="a complete checkpoint",
        )
    reason = f"the checkpoint has no language-model head ({absent[0]} is missing)"
    return {"logits": reason, "lens": reason}


def _to_device(module: nn.Module, device: str) -> None:
    try:
        module.to(device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {device!r} cannot be used: {str(error).splitlines()[0]}",
            field="device",
            value=device,
            legal='"cpu", "cuda", "cuda:0", "mps" or "auto"',
        ) from error


def _why(source: str, error: Exception) -> str:
    text = str(error).strip().splitlines()
    first = text[0] if text else type(error).__name__
    if "trust_remote_code" in str(error):
        return (
            f"{source} needs code from its repository; if you trust it, pass "
            "trust_remote_code=True (--trust-remote-code)"
        )
    if "safetensors" in str(error):
        return (
            f"{source} has no safetensors weights; convert it first (its pickled weights are not "
            "read, because loading them can run code)"
        )
    return f"{source} could not be loaded: {first}"
