"""`load`: a model from any source, its anatomy found and proven."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unembed.engine.checks import selfcheck
from unembed.engine.checks.proofs import proof_of
from unembed.engine.checks.report import Report
from unembed.engine.model import Model
from unembed.engine.provenance import Identity
from unembed.errors import LoadError
from unembed.models.anatomy import Anatomy, with_gates
from unembed.models.discover import discover
from unembed.models.discover_encoder import discover_both, is_encoder_decoder
from unembed.models.fingerprint import Watched
from unembed.models.loading import load_source
from unembed.models.maps import device_of, input_embeddings
from unembed.models.modes import in_evaluation
from unembed.models.pretrained import Checkpoint
from unembed.models.progress import Progress
from unembed.models.representatives import find_stack, representatives_only, spoken_for
from unembed.settings import Settings

_loading = threading.Lock()
N_POSITIONS = 8
N_SOURCE = 11  # another number, which tells attention to the encoder from the decoder's own


@torch.inference_mode(False)
def load(
    source: str | Path | nn.Module,
    tokenizer: Any = None,
    *,
    dtype: str | torch.dtype | None = None,
    device: str = "cpu",
    revision: str | None = None,
    trust_remote_code: bool = False,
    low_memory: bool = False,
    stream: bool = False,
    prove: bool = False,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Model:
    """Load a model, find what it is made of, and prove it.

    Args:
        source: a hub id, a folder, a `.gguf` file, "gemma3-270m" (the demo model), or a module
            from transformers.
        tokenizer: for a module, or in place of the source's own; without one, prompts are ids.
        dtype: "float32", "float64", "bfloat16" or "float16". By default float32; with `low_memory`
            or `stream` the type of the file, because any other means a converted copy.
        device: "cpu", "cuda", "mps", or "auto" to spread over what there is. Weights go to an
            accelerator one by one, without a copy of the model in memory.
        revision: branch, tag or commit of a hub id.
        trust_remote_code: run code from the model's repository. Off: it can do anything.
        low_memory: weights stay mapped from their safetensors files; what is not used is not read.
        stream: each weight is read when it is used and let go of afterwards, so that a model larger
            than memory answers, on the CPU.
        prove: prove the anatomy also where the same files were proven before.

    With `low_memory` and `stream` the anatomy is proven on one block of each kind, since proving
    every block would read every weight; `model.report.layers` says which.

    Raises:
        LoadError: it cannot be loaded, or was not understood; the message says what.
        InputError: an option that does not exist.
    """
    settings = settings or Settings.from_environment()
    options: dict[str, Any] = {
        "dtype": dtype,
        "revision": revision,
        "trust_remote_code": trust_remote_code,
        "low_memory": low_memory,
        "stream": stream,
    }
    checkpoint = load_source(
        source, tokenizer, device=device, settings=settings, progress=progress, **options
    )
    in_memory = isinstance(source, nn.Module) or tokenizer is not None
    origin = None if in_memory else {"source": _lasting(str(source)), **options}
    if progress is not None:
        progress("self-check", 0, 1)
    # discovery watches every module, so one model at a time
    with _loading, in_evaluation(checkpoint.module):
        anatomy, report = _understand(
            checkpoint, None if prove else settings.cache_folder() / "proofs"
        )
    module = checkpoint.module
    watched = Watched(module, checkpoint.tokenizer, checkpoint.kept, lazy=checkpoint.lazy)
    if not checkpoint.lazy:  # what is used only in part is read in full only when someone asks
        watched.begin()
    return Model(
        module,
        checkpoint.tokenizer,
        anatomy,
        Identity(
            checkpoint.name,
            checkpoint.kind,
            watched,
            checkpoint.revision,
            checkpoint.licence,
            origin,
        ),
        settings,
        min(_model_limit(module, checkpoint.tokenizer), settings.max_prompt_tokens),
        report=report,
    )


def _lasting(source: str) -> str:
    """A source that means the same in another folder."""
    path = Path(source).expanduser()
    return str(path.resolve()) if path.exists() else source


def _understand(checkpoint: Checkpoint, proofs: Path | None) -> tuple[Anatomy, Report]:
    """The anatomy and its proof, which may be one of those in the folder `proofs`."""
    anatomy, report = _by_representatives(checkpoint, proofs) or _prove(checkpoint, proofs)
    if report.fatal is not None:
        raise LoadError(
            f"{checkpoint.name} ({anatomy.family}) is refused, because its numbers could be wrong: "
            f"{report.fatal}",
            field="source",
            value=checkpoint.name,
        )
    encoder = anatomy.encoder
    if encoder is not None:
        encoder = replace(encoder, reasons={**report.encoder_reasons, **encoder.reasons})
    return replace(anatomy, reasons={**report.reasons, **anatomy.reasons}, encoder=encoder), report


def _by_representatives(
    checkpoint: Checkpoint, proofs: Path | None
) -> tuple[Anatomy, Report] | None:
    """From one block of each kind; None where that is not asked for, or does not do."""
    stack = find_stack(checkpoint.module) if checkpoint.lazy else None
    if stack is None:
        return None
    try:
        with representatives_only(checkpoint.module, stack):
            anatomy, report = _prove(checkpoint, proofs, stack.skipped)
        anatomy = spoken_for(anatomy, stack)
    except (LoadError, ValueError):
        return None
    report.layers = stack.representatives
    return None if report.fatal is not None else (anatomy, report)


def _prove(
    checkpoint: Checkpoint, proofs: Path | None, skipped: frozenset[str] = frozenset()
) -> tuple[Anatomy, Report]:
    module = checkpoint.module
    embedding = input_embeddings(module)
    vocab_size = embedding.weight.shape[0]
    both = is_encoder_decoder(module)
    ids, source = (
        torch.tensor(
            [selfcheck.sample_ids(module, vocab_size, n, step)], device=device_of(embedding)
        )
        for n, step in ((N_POSITIONS, 17), (N_SOURCE, 23))
    )
    try:
        if both:
            anatomy = discover_both(module, ids, source, checkpoint.name)
        else:
            anatomy = discover(module, ids, checkpoint.name, skipped)
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise LoadError(
            f"{checkpoint.name} ({type(module).__name__}) could not be run and read on a "
            f"short prompt: {error}",
            field="source",
            value=checkpoint.name,
        ) from error
    anatomy = replace(anatomy, reasons={**anatomy.reasons, **checkpoint.reasons})
    proof = None if proofs is None else proof_of(proofs, checkpoint, anatomy, skipped)
    report = None if proof is None else proof.read(selfcheck.tolerance_of(module))
    if report is None:
        report = selfcheck.check(module, anatomy, checkpoint.kind)
        if proof is not None:
            proof.keep(report)
    return with_gates(anatomy, report.gated), report


def _model_limit(module: nn.Module, tokenizer: Any) -> int:
    """The longest text that the model has positions for."""
    config = module.config.get_text_config()  # type: ignore[union-attr,operator]
    limits = [
        value
        for name in ("max_position_embeddings", "n_positions", "seq_length")
        if isinstance(value := getattr(config, name, None), int) and value > 0
    ]
    limit = min(limits, default=1_000_000)
    for child in module.modules():
        table = getattr(child, "position_embeddings", None)
        padding = getattr(child, "padding_idx", None)
        if (
            isinstance(table, nn.Embedding)
            and padding is not None
            and "Roberta" in type(child).__name__
        ):
            limit = table.weight.shape[0] - padding - 1  # positions start after the padding id
    if tokenizer is not None and 0 < tokenizer.model_max_length < limit:
        limit = tokenizer.model_max_length
    return limit
