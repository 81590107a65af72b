"""The model and its tokens, in wire formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, get_args

from unembed import __version__
from unembed.analyses.attention.options import Part
from unembed.analyses.attention.parts import heads_by_layer
from unembed.engine.model import Model
from unembed.engine.names.tokens import Token
from unembed.latents.description import AttachedSae
from unembed.latents.sae import what_is_attached
from unembed.questions.requests import TokenizeRequest
from unembed.questions.tokens import read_of
from unembed.result import plain
from unembed.server import wire
from unembed.session import Session

_EXAMPLES = {
    "encoder": [
        "translate English to German: The house is wonderful.",
        "The river burst its banks after a week of rain, and two villages were cut off.",
    ],
    "causal": [
        "The capital of Japan is the city of",
        "When Mary and John went to the store, John gave a drink to",
        "1, 2, 3, 4, 5,",
    ],
    "masked": ["The capital of Japan is {mask}.", "Water freezes when it gets too {mask}."],
}


@dataclass(frozen=True)
class TokenizeResponse:
    """The tokens of a prompt."""

    tokens: tuple[Token, ...]
    limit: Annotated[int, "The most tokens that a prompt may have."]
    notes: Annotated[tuple[str, ...], "What was done to the prompt, and what to know of it."]
    source_tokens: Annotated[
        tuple[Token, ...], "What the encoder of an encoder-decoder is given."
    ] = ()
    segments: Annotated[
        tuple[int, ...], "Of a sentence pair: 0 or 1, which text each token is of."
    ] = ()


def model_info(session: Session) -> wire.ModelInfo:
    """What a client needs to know before it asks anything."""
    model, settings = session.model, session.settings
    anatomy = model.anatomy
    capabilities = [
        wire.Capability(name=one.name, available=one.available, reason=one.reason)
        for one in model.capabilities().values()
    ]
    limits = {name: getattr(settings, name) for name in settings.asked()}
    limits["max_prompt_tokens"] = model.max_positions  # the model's own limit counts, too
    return wire.ModelInfo(
        name=model.name,
        family=model.family,
        kind=model.kind,
        mask_token=model.mask_token,
        labels=[] if model.labels is None else list(model.labels.names),
        labels_of=None if model.labels is None else model.labels.of,
        fingerprint=model.fingerprint,
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(model.device),
        has_encoder=model.has_encoder,
        n_layers=anatomy.n_layers,
        n_encoder_layers=0 if anatomy.encoder is None else anatomy.encoder.n_layers,
        n_heads=anatomy.n_heads,
        n_kv_heads=anatomy.n_kv_heads,
        attention_layers=list(anatomy.attention_layers),
        heads={part: heads_by_layer(model, part) for part in get_args(Part)},
        d_model=anatomy.d_model,
        d_head=anatomy.d_head,
        d_mlp=anatomy.d_mlp,
        vocab_size=model.vocab_size,
        parallel_blocks=all(block.parallel for block in anatomy.blocks),
        attached=[wire.body_of(AttachedSae)(**plain(one)) for one in what_is_attached(model)],
        capabilities=capabilities,
        limits=wire.Limits(**limits),
        examples=_examples(model),
        licence=model.licence,
        version=__version__,
    )


def _examples(model: Model) -> list[str]:
    kind = "encoder" if model.has_encoder else model.kind
    return [one.format(mask=model.mask_token) for one in _EXAMPLES[kind]]


def tokenize(session: Session, body: TokenizeRequest) -> TokenizeResponse:
    """The tokens of a prompt."""
    model = session.model
    read = read_of(model, body)
    return TokenizeResponse(
        model.tokens(read.ids),
        model.max_positions,
        read.notes,
        model.tokens(read.source),
        read.segments,
    )
