"""From a source to a module and its tokenizer: a hub id, a folder, a GGUF file, the demo model, or
a module that the caller already has.

Knows transformers; knows nothing of anatomy. Weights come from safetensors only: a checkpoint of
pickles is refused, because loading one can run code.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unembed.errors import InputError, LoadError
from unembed.models import demo, gguf
from unembed.models.adapter_folder import (
    is_adapter_folder,
    local_base,
    not_put_on,
    tokenizer_of,
    with_adapter,
)
from unembed.models.fingerprint import kept_for
from unembed.models.maps import is_map
from unembed.models.pretrained import (
    Checkpoint,
    Placement,
    check_device,
    downloaded,
    kind_of_class,
    kind_of_module,
    load_pretrained,
)
from unembed.models.progress import Progress
from unembed.models.quantised import check_readable
from unembed.settings import Settings

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


def load_source(
    source: str | Path | nn.Module,
    tokenizer: Any,
    *,
    dtype: str | torch.dtype | None,
    device: str,
    revision: str | None,
    trust_remote_code: bool,
    low_memory: bool,
    stream: bool,
    settings: Settings,
    progress: Progress | None,
) -> Checkpoint:
    """Load whatever `source` is. Raises LoadError or InputError with the fix."""
    placement = Placement(parse_dtype(dtype), device, low_memory, stream)
    _check_placement(source, placement)
    if isinstance(source, nn.Module):
        return _from_module(source, tokenizer, placement.dtype)
    files = files_of(str(source), revision, settings)  # looked at first: they may change meanwhile
    checkpoint = _from_name(str(source), placement, revision, trust_remote_code, settings, progress)
    # transformers puts those of a folder in
    _check_adapters(checkpoint.module, checkpoint.name, lazy=placement.lazy)
    files = files or files_of(str(source), revision, settings)
    has_tokenizer = tokenizer is None
    checkpoint.kept = kept_for(
        settings.cache_folder(), files, placement.loads_as, has_tokenizer=has_tokenizer
    )
    if tokenizer is not None:
        checkpoint.tokenizer = tokenizer
    checkpoint.module.eval()
    return checkpoint


def _check_placement(source: str | Path | nn.Module, placement: Placement) -> None:
    check_device(placement.device)
    option = "stream" if placement.stream else "low_memory"
    if placement.lazy and isinstance(source, nn.Module):
        raise InputError(
            f"{option} is about reading weights from a file; a module has them in memory already",
            field=option,
            value=True,
            legal="a hub id or a folder of safetensors",
        )
    if placement.lazy and str(source).endswith(".gguf"):
        raise InputError(
            f"{option} needs weights that can be used as they lie in the file; those of a .gguf "
            "file are packed",
            field=option,
            value=True,
            legal="a hub id or a folder of safetensors",
        )
    if placement.stream and placement.device != "cpu":
        raise InputError(
            f"stream computes on the CPU, not on {placement.device!r}",
            field="device",
            value=placement.device,
            legal='"cpu" with stream',
            fix='device="auto" without stream fills the accelerator first, then memory',
        )


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


def files_of(source: str, revision: str | None, settings: Settings) -> list[Path]:
    """The files that a source is read from; none where they are not here (yet)."""
    path = demo.folder(settings) if source == demo.NAME else Path(source).expanduser()
    if path.is_file():
        return [path]
    folder = path if path.is_dir() else downloaded(source, revision)
    base = local_base(path) if is_adapter_folder(path) else None
    folders = [one for one in (folder, base) if one is not None]
    return [file for each in folders for file in each.iterdir() if file.is_file()]


# ---------------------------------------------------------------- each kind of source


def _from_module(module: nn.Module, tokenizer: Any, dtype: torch.dtype | None) -> Checkpoint:
    inside = getattr(module, "_orig_mod", None)
    if isinstance(inside, nn.Module):  # compiled code calls forward methods past their hooks
        module = inside
    if not hasattr(module, "config") or not hasattr(module, "get_output_embeddings"):
        raise LoadError(
            f"{type(module).__name__} is not a model from transformers: it has no config",
            field="source",
            value=type(module).__name__,
            legal="a PreTrainedModel",
        )
    _check_packed(module)
    check_readable(module)
    module = _without_wrapper(module)
    _check_adapters(module, type(module).__name__)
    if any(weight.is_meta for weight in module.parameters()) and not hasattr(
        module, "hf_device_map"
    ):
        raise LoadError(
            f"this {type(module).__name__} is on the meta device: it has the shapes of its weights "
            "and no numbers",
            field="source",
            value="meta",
            legal="a module with weights",
            fix="give its folder or hub id, with stream=True where it is larger than memory",
        )
    if dtype is not None and any(weight.dtype != dtype for weight in _floating(module)):
        module = copy.deepcopy(module).to(dtype)  # the caller's own stays as it is
    name = str(getattr(module.config, "_name_or_path", "") or type(module).__name__)
    return Checkpoint(module, tokenizer, name, kind_of_module(module, name))


def _without_wrapper(module: nn.Module) -> nn.Module:
    """The model in a wrapper of peft that only passes on what its layers compute."""
    config = getattr(module, "active_peft_config", None)
    if config is None or getattr(config, "is_prompt_learning", True):
        return module
    inside: nn.Module = module.get_base_model()  # type: ignore[operator]  # a method of peft
    return inside


def _check_adapters(module: nn.Module, name: str, *, lazy: bool = False) -> None:
    """Raise LoadError where what stands beside a weight is not understood.

    What runs can be observed all the same, but weights are read as well, and without the adapter
    they are those of another model. LoRA is a change of the weight (see `adapters`).
    """
    adapted = [
        layer
        for layer, one in module.named_modules()
        if (
            hasattr(one, "lora_A")
            or isinstance(getattr(one, "base_layer", None), nn.Module)
            or isinstance(getattr(one, "original_module", None), nn.Module)  # trained as a whole
        )
        and (lazy or not is_map(one))
    ]
    if adapted:
        why = "whose weights lie in a file" if lazy else "that is not LoRA of the plain kind"
        raise LoadError(
            f"{name} has an adapter beside the weights of {len(adapted)} maps, the first "
            f"{adapted[0]}, {why}: a weight that is read would be another model's",
            field="source",
            value=adapted[0],
            legal="a model whose adapters were merged",
            fix="merge it first: unembed.load(model.merge_and_unload(), tokenizer)",
        )
    if hasattr(module, "get_base_model"):  # learnt prompts: nothing can be merged
        raise LoadError(
            f"{name} is a {type(module).__name__} around a model: what it puts before the prompt "
            "has no tokens to be shown at",
            field="source",
            value=type(module).__name__,
            legal="a PreTrainedModel",
            fix="unembed.load(model.get_base_model(), tokenizer) reads the model without it",
        )


def _check_packed(module: nn.Module) -> None:
    """Raise LoadError where weights are packed so that nobody can read them as numbers."""
    for name, part in module.named_modules():
        if "quantized" in type(part).__module__ and callable(getattr(part, "weight", None)):
            raise LoadError(
                f"{name} of this {type(module).__name__} is quantised dynamically ({type(part)}): "
                "its weights are packed, and cannot be read or attributed to",
                field="source",
                value=name,
                legal="a module with weights of its own",
                fix="load the model as it was before quantize_dynamic; for 8 bits use "
                "BitsAndBytesConfig(load_in_8bit=True)",
            )


def _floating(module: nn.Module) -> Iterator[Tensor]:
    return (weight for weight in module.parameters() if weight.is_floating_point())


def _from_name(
    source: str,
    placement: Placement,
    revision: str | None,
    trust_remote_code: bool,
    settings: Settings,
    progress: Progress | None,
) -> Checkpoint:
    path = Path(source).expanduser()
    if source == demo.NAME:
        folder = demo.ensure(settings, progress)
        checkpoint = load_pretrained(str(folder), placement, settings, tokenizer=demo.tokenizer)
        checkpoint.name, checkpoint.licence = demo.NAME, demo.LICENCE
        return checkpoint
    if source.endswith(".gguf"):
        return _from_gguf(path, source, placement, progress)
    if is_adapter_folder(path):
        return _from_adapter(path, source, placement, trust_remote_code, settings)
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
    found = str(path) if path.exists() else source
    return load_pretrained(found, placement, settings, revision, trust_remote_code)


def _from_adapter(
    path: Path, source: str, placement: Placement, trust_remote_code: bool, settings: Settings
) -> Checkpoint:
    """An adapter on its base, where the base is on this machine."""
    base = local_base(path)
    if base is None:
        raise not_put_on(path, source, "that model is not on this machine")
    if placement.lazy:  # whose maps must be as they lie in the file
        raise not_put_on(path, source, "low_memory and stream read weights as they lie in a file")
    checkpoint = load_pretrained(str(base), placement, settings, None, trust_remote_code)
    checkpoint.module = with_adapter(checkpoint.module, path, source)
    checkpoint.name = path.resolve().name
    own = tokenizer_of(path)
    checkpoint.tokenizer = checkpoint.tokenizer if own is None else own
    return checkpoint


def _from_gguf(
    path: Path, source: str, placement: Placement, progress: Progress | None
) -> Checkpoint:
    if not path.is_file():
        raise LoadError(
            f"there is no file {source}", field="source", value=source, legal="a .gguf file"
        )
    module, tokenizer = gguf.load_gguf(path, placement.dtype or torch.float32, progress)
    if placement.device not in ("cpu", "auto"):
        module.to(placement.device)
    return Checkpoint(module, tokenizer, path.name, kind_of_class(type(module).__name__, path.name))
