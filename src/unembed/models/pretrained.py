"""A folder or hub id of safetensors, through transformers: where weights go, what is refused.

Weights are mapped from their files wherever their type is the wanted one, so that a weight nobody
uses is never read. Checkpoints of pickles are refused, because loading one can run code.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from unembed.errors import InputError, LoadError
from unembed.models.fingerprint import Kept
from unembed.models.labels import labels_given_by
from unembed.models.peeking import read_first_pages
from unembed.models.quantised import check_quantised
from unembed.settings import Settings

Kind = Literal["causal", "masked"]
CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "MTModel")
# how transformers says that a folder, or a repository, has weights of another kind only
NO_SAFETENSORS = re.compile(r"(no|have a|have) files? named [^.]*\.safetensors")


@dataclass(frozen=True)
class Placement:
    """In which type weights are held, where, and when they are read.

    Args:
        dtype: None is float32, or with `low_memory` and `stream` the type of the file.
        low_memory: keep weights mapped from their files.
        stream: read each weight when it is used, and let go of it afterwards.
    """

    dtype: torch.dtype | None = None
    device: str = "cpu"
    low_memory: bool = False
    stream: bool = False

    @property
    def lazy(self) -> bool:
        """Whether weights that nothing uses should not be read."""
        return self.low_memory or self.stream

    @property
    def loads_as(self) -> str:
        """What decides which weights the same files become."""
        return str(self.dtype or ("auto" if self.lazy else torch.float32))

    def options(self, folder: Path | None) -> dict[str, Any]:
        """What transformers' `from_pretrained` is told; `folder` is for what streaming converts."""
        dtype = self.dtype or ("auto" if self.lazy else torch.float32)
        if folder is not None:
            return {"dtype": dtype, "device_map": {"": "disk"}, "offload_folder": str(folder)}
        if self.device == "cpu":
            return {"dtype": dtype}
        return {"dtype": dtype, "device_map": self.device}


@dataclass
class Checkpoint:
    """A module with its tokenizer, and what is known of where it came from."""

    module: nn.Module
    tokenizer: Any
    name: str
    kind: Kind
    revision: str | None = None
    licence: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    lazy: bool = False
    kept: Kept | None = None  # what is remembered of its files, for the fingerprint


def offload_folder(settings: Settings) -> Path:
    """A new folder for weights that transformers converts when loading (merged experts)."""
    parent = settings.cache_folder() / "streamed"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=parent))
    except OSError as error:
        raise LoadError(
            f"{parent} cannot be written: {error.strerror}; stream keeps converted weights there",
            field="cache_dir",
            value=str(parent),
            legal="a folder that can be written (UNEMBED_CACHE_DIR)",
        ) from error


def load_pretrained(
    source: str,
    placement: Placement,
    settings: Settings,
    revision: str | None = None,
    trust_remote_code: bool = False,
    tokenizer: Callable[[Path], Any] | None = None,
) -> Checkpoint:
    """The model and tokenizer of a folder or hub id. Raises LoadError with the fix.

    `tokenizer` reads that of a folder in another way than transformers' AutoTokenizer.
    """
    from transformers import AutoConfig, AutoTokenizer

    options: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    options = {key: value for key, value in options.items() if value is not None}
    folder = offload_folder(settings) if placement.stream else None
    kind: Kind = "causal"
    try:
        config = AutoConfig.from_pretrained(source, **options)
        kind = kind_of_config(config, source)
        check_quantised(config, source)
        if placement.lazy:
            _prepare_mapping(source, revision)
        with _quiet(), _same_chance():
            module, info = _auto_class(config, kind).from_pretrained(
                source,
                use_safetensors=True,
                output_loading_info=True,
                **options,
                **placement.options(folder),
            )
        words = tokenizer(Path(source)) if tokenizer else _tokenizer(AutoTokenizer, source, options)
    except BaseException as error:
        _forget(folder)
        if isinstance(error, LoadError) or not isinstance(error, Exception):
            raise
        raise _refusal(source, kind, error) from error
    if folder is not None:
        weakref.finalize(module, _forget, folder)
    checkpoint = Checkpoint(
        module, words, Path(source).name if Path(source).exists() else source, kind
    )
    checkpoint.revision = getattr(config, "_commit_hash", None) or revision
    checkpoint.reasons = _missing(module, info["missing_keys"], checkpoint.name)
    checkpoint.lazy = placement.lazy
    return checkpoint


def _prepare_mapping(source: str, revision: str | None) -> None:
    """For a folder, or a hub id that was downloaded before."""
    folder = Path(source) if Path(source).is_dir() else downloaded(source, revision)
    if folder is not None:
        read_first_pages(folder)


def downloaded(source: str, revision: str | None) -> Path | None:
    """The folder of a hub id that was downloaded before."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(source, "config.json", revision=revision)
    except HFValidationError:  # no hub id
        return None
    return Path(found).parent if isinstance(found, str) else None


def _forget(folder: Path | None) -> None:
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def check_device(device: str) -> None:
    """Raise InputError for a device that torch does not have here."""
    if device in ("cpu", "auto"):
        return
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"device {device!r} cannot be used: {str(error).splitlines()[0]}",
            field="device",
            value=device,
            legal='"cpu", "cuda", "cuda:0", "mps" or "auto"',
        ) from error


@contextmanager
def _same_chance() -> Iterator[None]:
    """What a checkpoint does not have, as the head of an encoder, is drawn at random: alike each
    time, so that the same files have the same fingerprint in every process.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' bar of filled weights and its report: `_missing` judges that here."""
    from transformers.utils import logging

    drawn, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    placing = getLogger("accelerate.big_modeling")
    level = placing.level
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    placing.setLevel(ERROR)
    try:
        yield
    finally:
        placing.setLevel(level)
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


def kind_of_class(architecture: str, name: str) -> Kind:
    """Causal or masked, by the name of a class. Raises LoadError for any other."""
    if architecture.endswith(("ForMaskedLM", "ForPreTraining")):
        return "masked"
    if architecture.endswith(CAUSAL):
        return "causal"
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if architecture in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():  # BertGenerationDecoder
        return "causal"
    raise LoadError(
        f"{name}: {architecture} is neither a language model, causal or masked, nor one that gives "
        "labels; load it with AutoModelForCausalLM or AutoModelForMaskedLM",
        field="source",
        value=architecture,
        legal="...ForCausalLM, ...ForMaskedLM, ...ForSequenceClassification, "
        "...ForTokenClassification",
    )


def kind_of_module(module: nn.Module, name: str) -> Kind:
    """Causal or masked; of a model that gives labels, what its body is trained as."""
    architecture = type(module).__name__
    if labels_given_by(architecture) is not None:
        return _kind_of_type(module.config, name)
    if reads_a_source(module.config) and not architecture.endswith(CAUSAL):
        parts = [f"{part} ({type(child).__name__})" for part, child in module.named_children()]
        raise LoadError(
            f"{name}: {architecture} is an encoder-decoder put together of {', '.join(parts)}, and "
            "how it joins them is not understood",
            field="source",
            value=architecture,
            legal="an encoder-decoder for text, ...ForConditionalGeneration",
        )
    return kind_of_class(architecture, name)


def reads_a_source(config: Any) -> bool:
    """Whether a configuration is that of an encoder-decoder for text."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    )

    both = getattr(config, "is_encoder_decoder", False)
    return bool(both and config.model_type in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES)


def kind_of_config(config: Any, source: str) -> Kind:
    """Causal or masked, by a configuration. Raises LoadError for any other."""
    if reads_a_source(config):
        return "causal"
    for architecture in getattr(config, "architectures", None) or []:
        if architecture.endswith(("ForMaskedLM", "ForPreTraining")):
            return "masked"
        if architecture.endswith(("ForCausalLM", "LMHeadModel")):
            return "causal"
    return _kind_of_type(config, source)


def _kind_of_type(config: Any, source: str) -> Kind:
    """By what transformers has of this type."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
    )

    masked = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if masked and not getattr(config, "is_decoder", False):
        return "masked"
    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "causal"
    if config.model_type in MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES:
        return "causal"
    raise LoadError(
        f"{source} is a {config.model_type} model, which transformers has neither as a causal nor "
        "as a masked language model",
        field="source",
        value=source,
        legal="a causal or masked language model",
    )


def _auto_class(config: Any, kind: Kind) -> Any:
    """What of transformers loads it: of a model that takes pictures, only text is asked."""
    import transformers
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForMaskedLM,
        AutoModelForMultimodalLM,
        AutoModelForSeq2SeqLM,
    )
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    architectures = getattr(config, "architectures", None) or []
    labels = labels_given_by(architectures[0]) if architectures else None
    if labels is not None:
        named = {"text": "Sequence", "token": "Token"}[labels]
        return getattr(transformers, f"AutoModelFor{named}Classification")
    if kind == "masked":
        return AutoModelForMaskedLM
    if reads_a_source(config):
        return AutoModelForSeq2SeqLM
    alone = config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or hasattr(config, "auto_map")
    return AutoModelForCausalLM if alone else AutoModelForMultimodalLM


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
    head = "head for labels" if labels_given_by(type(module).__name__) else "language-model head"
    reason = f"the checkpoint has no {head} ({absent[0]} is missing)"
    return dict.fromkeys(("logits", "lens", "labels"), reason)


def _refusal(source: str, kind: Kind, error: Exception) -> LoadError:
    if "trust_remote_code" in str(error):
        return LoadError(
            f"{source} needs code from its repository; if you trust it, pass "
            "trust_remote_code=True (--trust-remote-code)",
            field="source",
            value=source,
        )
    if NO_SAFETENSORS.search(str(error)):
        return LoadError(
            f"{source} has no safetensors weights, and pickled ones are not read, because loading "
            "them can run code; if you trust them, convert them once",
            field="source",
            value=source,
            legal="safetensors weights",
            fix=conversion(source, kind),
        )
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return LoadError(f"{source} could not be loaded: {first}", field="source", value=source)


def conversion(source: str, kind: Kind) -> str:
    """The shell command that writes a pickled checkpoint as safetensors beside it, or here."""
    auto = "AutoModelForMaskedLM" if kind == "masked" else "AutoModelForCausalLM"
    path = Path(source)
    into = f"{source.rstrip('/')}-safetensors" if path.exists() else f"{path.name}-safetensors"
    code = (
        f"import transformers as t; a, b = {source!r}, {into!r}; "
        f"t.{auto}.from_pretrained(a, use_safetensors=False).save_pretrained(b); "
        "t.AutoTokenizer.from_pretrained(a).save_pretrained(b)"
    )
    return f"python -c {shlex.quote(code)}"
