"""Turns a .gguf file into a Hugging Face module and its tokenizer, by transformers' own reader.

Promises: the weights come out dense (quantised blocks are unpacked), every number in the file is
used and every parameter is filled from it, and whatever cannot be proven so is refused with a
LoadError. Opens nothing but the one file: no network, no code from it.
"""

from __future__ import annotations

import functools
import importlib.util
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unembed.errors import LoadError
from unembed.models import gguf_facts, gguf_fields
from unembed.models.gguf_header import Header, check_whole, read_header
from unembed.models.progress import Progress

_patching = threading.Lock()


def load_gguf(
    path: str | Path, dtype: torch.dtype | None = None, progress: Progress | None = None
) -> tuple[nn.Module, Any]:
    """The module (dense, on the CPU, in `dtype` or float32) and tokenizer that the file holds.

    Raises LoadError when the file is damaged, or of a kind that transformers cannot read, or when
    the model that transformers makes of it is not certainly the model in the file.
    """
    if importlib.util.find_spec("gguf") is None:
        raise LoadError(
            'reading a GGUF file needs the package `gguf`: pip install "unembed[gguf]"',
            field="source",
            value=str(path),
            fix='pip install "unembed[gguf]"',
        )
    header = read_header(Path(path))
    _check_kind(header)
    with quiet(progress or _ignore):
        tokenizer, module, report = _through_transformers(header, dtype or torch.float32)
    _check_filled(header, module, report)
    return _plain(module), _plain_tokenizer(tokenizer)


def _ignore(_stage: str, _done: int, _total: int) -> None:
    """No one listens."""


def _check_kind(header: Header) -> None:
    from gguf import GGML_QUANT_SIZES

    if int(_number(header, "split.count")) > 1:
        raise _refused(header, "it is one part of a split file; join the parts first")
    if not header.array_lengths.get("tokenizer.ggml.tokens"):
        raise _refused(header, "it holds no tokenizer")
    check_whole(header, {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()})


def _number(header: Header, key: str) -> float:
    value = header.metadata.get(key, 0)
    return value if isinstance(value, int | float) else 0


def _through_transformers(header: Header, dtype: torch.dtype) -> tuple[Any, nn.Module, Any]:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"gguf_file": header.path.name, "local_files_only": True}
    folder = str(header.path.parent)
    # Without this hint AutoTokenizer parses the whole file once more to learn the model type,
    # 12 s for a vocabulary of 262,144. Other families need the choice that it makes.
    hint = {"tokenizer_type": "gemma"} if header.architecture.startswith("gemma") else {}
    try:
        config = AutoConfig.from_pretrained(folder, **where)
        gguf_facts.complete(header, config)
        gguf_facts.check(header, config)
        tokenizer = AutoTokenizer.from_pretrained(folder, **where, **hint)
        module, report = AutoModelForCausalLM.from_pretrained(
            folder,
            **where,
            config=config,
            dtype=dtype,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
        )
    except LoadError:
        raise
    except Exception as error:
        # Whatever a third-party reader makes of a strange file is the file's fault, not a crash.
        raise _refused(header, f"transformers cannot read it ({_sentence(error)})") from error
    return tokenizer, module, report


def _sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300].rstrip(".")


def _check_filled(header: Header, module: nn.Module, report: Any) -> None:
    """Every parameter from the file, every number of the file in a parameter."""
    if "missing_keys" not in report:
        raise _refused(header, "transformers no longer reports what it loaded")
    for kind in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        names = sorted(str(name) for name in report.get(kind) or ())
        if names:
            raise _refused(header, f"{kind.replace('_', ' ')}: {', '.join(names[:5])}")
    n_used = sum(parameter.numel() for parameter in module.parameters())
    if n_used != header.n_numbers:
        odd = [t.name for t in header.tensors if t.name.startswith("rope_")]
        raise _refused(
            header,
            f"its tensors hold {header.n_numbers:,} numbers and the model made of them {n_used:,}"
            + (f"; {', '.join(odd)} was not understood" if odd else ""),
        )


def _plain(module: nn.Module) -> nn.Module:
    """Forget where the weights came from: they are dense now, and save and reload as such."""
    if hasattr(module, "hf_quantizer"):
        del module.hf_quantizer
    for name in ("is_quantized", "quantization_method"):
        module.__dict__.pop(name, None)
    config: Any = module.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.__dict__.pop("_model_name_or_path", None)  # the file's title, which is no path
    return module.eval()


def _plain_tokenizer(tokenizer: Any) -> Any:
    """Forget how it was fetched, which transformers would write into its saved configuration."""
    for name in ("local_files_only", "is_local"):
        tokenizer.init_kwargs.pop(name, None)
    return tokenizer


def _refused(header: Header, why: str) -> LoadError:
    return LoadError(
        f"{header.path.name} ({header.architecture}) cannot be loaded: {why}",
        field="source",
        value=str(header.path),
        fix="load the model from its safetensors files instead of the GGUF file",
    )


@contextmanager
def quiet(progress: Progress) -> Iterator[None]:
    """Hear transformers' progress bars instead of having them drawn on stderr.

    And parse each file once, quickly (`gguf_fields`): transformers does it for the config and again
    for the tensors, and looks for the names of each module's weights in a table made anew.
    """
    import gguf
    from transformers import modeling_gguf_pytorch_utils as reader
    from transformers.utils import logging

    def heard(items: Iterable[Any], **_options: Any) -> Iterator[Any]:
        listed = list(items)
        for done, item in enumerate(listed):
            progress("unpacking", done, len(listed))
            yield item
        progress("unpacking", len(listed), len(listed))

    with _patching:
        bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        quicker = {
            (reader, "tqdm"): heard,
            (reader, "_gguf_parse_value"): gguf_fields.value_of,
            (gguf, "GGUFReader"): functools.cache(gguf_fields.reader_class()),
            (gguf, "get_tensor_name_map"): functools.cache(gguf.get_tensor_name_map),
        }
        before = {where: getattr(*where) for where in quicker}
        try:
            for where, own in quicker.items():
                setattr(*where, own)
            yield
        finally:
            for where, own in before.items():
                setattr(*where, own)
            if bars:
                logging.enable_progress_bar()
