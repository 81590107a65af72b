"""What can be asked of a model, and for each thing that cannot the reason.

Read off its anatomy, its tokenizer and its kind; nothing is run.
"""

from __future__ import annotations

from dataclasses import dataclass

from unembed.engine.names import sentence_pairs, texts
from unembed.engine.names.taps import why_not
from unembed.engine.names.vocabulary import Vocabulary
from unembed.engine.nodes import CROSS_SITES, LAYER_SITES, MIXER_SITES, PLE_SITES
from unembed.engine.targets import SiteKey
from unembed.models.anatomy import Anatomy

NO_ENCODER_EFFECTS = (
    "what the encoder writes reaches the logits through the attention of the decoder only: it has "
    "no direct effects"
)


@dataclass(frozen=True)
class Capability:
    """One thing that can be asked of a model, or the reason why it cannot."""

    name: str
    available: bool
    reason: str | None = None


def capabilities_of(model: Vocabulary, anatomy: Anatomy) -> dict[str, Capability]:
    """By name: sites first, then what is made of them; without what no model of its kind has."""
    reasons = {site: _why_no_site(anatomy, site) for site in _sites(model, anatomy)}
    reasons["heads"] = _why_no_site(anatomy, "z")
    reasons["neurons"] = _why_no_site(anatomy, "mlp_post")
    reasons["lens"] = anatomy.reasons.get("lens")
    reasons["generate"] = _why_not_generate(model, anatomy)
    reasons["mask"] = _why_no_mask(model)
    reasons["pairs"] = sentence_pairs.why_no_pairs(model)
    if model.labels is not None:
        reasons["labels"] = anatomy.reasons.get("labels")
    reasons["chat"] = texts.why_no_chat(model.tokenizer)
    if model.has_encoder:
        reasons["encoder_effects"] = NO_ENCODER_EFFECTS
    return {name: Capability(name, reason is None, reason) for name, reason in reasons.items()}


def _sites(model: Vocabulary, anatomy: Anatomy) -> list[str]:
    """Those of every model, and of the branches that few have those of this one."""
    absent: set[str] = set() if any(block.box for block in anatomy.blocks) else set(MIXER_SITES)
    absent |= set() if any(block.per_layer for block in anatomy.blocks) else set(PLE_SITES)
    absent |= set() if anatomy.has_sinks else {"sink"}
    absent |= set() if model.has_encoder else set(CROSS_SITES)
    sites = ("embed", *LAYER_SITES, "final_norm", "logits")
    return [site for site in sites if site not in absent]


def _why_no_site(anatomy: Anatomy, site: str) -> str | None:
    """The reason if no layer has the site; where some have it, it is available."""
    if site not in LAYER_SITES:
        return why_not(anatomy, SiteKey(site, None))
    reasons = [why_not(anatomy, SiteKey(site, block.layer)) for block in anatomy.blocks]
    return None if None in reasons else reasons[0]


def _why_not_generate(model: Vocabulary, anatomy: Anatomy) -> str | None:
    if model.kind == "masked" and model.labels is None:
        return "a masked model predicts masked tokens; it does not continue a text"
    return anatomy.reasons.get("logits")


def _why_no_mask(model: Vocabulary) -> str | None:
    if model.kind != "masked" or model.has_encoder:
        return "only masked models were trained to fill in a mask token"
    if getattr(model.tokenizer, "mask_token", None) is None:
        return "it was loaded without a tokenizer that has a mask token"
    return None
