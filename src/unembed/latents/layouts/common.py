"""What readers of layouts share: places by the names others have for them, and made parts."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Activation, Description
from unembed.latents.files import Files

# the last part of a hook's name of TransformerLens -> site
_LENS_SITES = {
    "hook_resid_pre": "resid_pre",
    "hook_resid_mid": "resid_mid",
    "hook_resid_post": "resid_post",
    "hook_attn_out": "attn_out",
    "hook_mlp_out": "mlp_out",
    "attn.hook_z": "z",
    "mlp.hook_post": "mlp_post",
    "mlp.hook_in": "mlp_in",
    "hook_mlp_in": "mlp_in",
    "ln2.hook_normalized": "mlp_in",
}
# names of modules, from the most particular on -> site
_MODULE_SITES = (
    (r"self_attn\.o_proj\.input|attn\.hook_z", "z"),
    (r"pre_feedforward_layernorm\.output", "mlp_in"),
    (r"(post_feedforward_layernorm|mlp|feed_forward)(\.output)?", "mlp_out"),
    (r"(post_attention_layernorm|self_attn|attention|attn)(\.output)?", "attn_out"),
    (r"input", "resid_pre"),
    (r"(output)?", "resid_post"),
)
UNWEIGHTED = (
    "it was trained on what the norm gives before its weight (ln2.hook_normalized); here the "
    "feed-forward's input, which has the weight in it, is read"
)


@dataclass(frozen=True)
class Asked:
    """What the caller says beside the files: it goes before what they say."""

    reads: SiteKey | None = None
    writes: SiteKey | None = None
    subtract_bias: bool | None = None
    scale: float | None = None

    @property
    def layer(self) -> int | None:
        return None if self.reads is None else self.reads.layer


def hook(name: str | None) -> SiteKey | None:
    """The site of a name of TransformerLens or of a module; None for one that is not known."""
    if not name:
        return None
    if name == "hook_embed" or name.endswith("embed_tokens"):
        return SiteKey("embed", None)
    if found := re.fullmatch(r"blocks\.(\d+)\.(.+)", name):
        site = _LENS_SITES.get(found[2])
        return None if site is None else SiteKey(site, int(found[1]))
    if found := re.search(r"(?:^|\.)(?:layers|h|block)\.(\d+)\.?(.*)$", name):
        for pattern, site in _MODULE_SITES:
            if re.fullmatch(pattern, found[2]):
                return SiteKey(site, int(found[1]))
    return None


def hook_name(key: SiteKey | None) -> str | None:
    """What TransformerLens calls a site; None for one that it has no name for."""
    if key is None or key.encoder:
        return None
    if key.site == "embed":
        return "hook_embed"
    found = next((name for name, site in _LENS_SITES.items() if site == key.site), None)
    return None if found is None else f"blocks.{key.layer}.{found}"


def unweighted(name: str | None) -> tuple[str, ...]:
    """The note about a hook that no site is quite."""
    return (UNWEIGHTED,) if name and name.endswith("ln2.hook_normalized") else ()


def number(files: Files, config: Mapping[str, Any], *names: str) -> float | None:
    """The first of these settings that there is. Raises LoadError unless it is a number."""
    for name in names:
        value = config.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise files.refusal(f"{name} is {value!r}, which is no number")
        if not abs(value) <= sys.float_info.max:  # nor is what is not finite
            raise files.refusal(f"{name} is {value!r:.40}, which is no number that can be")
        return float(value)
    return None


def positive(files: Files, config: Mapping[str, Any], *names: str) -> int:
    """A setting that must be there, and a whole number above zero, as k is."""
    found = number(files, config, *names)
    if found is None or found < 1 or found != int(found):
        said = "is missing" if found is None else f"is {found:g}"
        raise files.refusal(f"{names[0]} {said}; it must be a whole number above 0")
    return int(found)


def agree(files: Files, what: str, said: object, found: int) -> None:
    """Raise LoadError where a setting says another width or number than the tensors."""
    if said is not None and said != found:
        raise files.refusal(f"its settings say {what} {said}, its tensors have {found}")


def threshold_of(files: Files, threshold: Tensor | None) -> Tensor | None:
    """Refuses thresholds below zero, which no layout makes, except -1 for none."""
    if threshold is None or threshold.numel() == 0:
        return None
    if bool((threshold < 0).any()):
        raise files.refusal("a threshold is below 0, which JumpReLU has none of")
    return threshold


def numbered(files: Files, names: Iterable[str], pattern: str, layer: int | None) -> str:
    """The file of a layer, of files that are numbered by layer."""
    found = {int(one[1]): one[0] for name in names if (one := re.search(pattern, name))}
    by_layer = {
        layer: next(name for name in files.names if text in name) for layer, text in found.items()
    }
    if layer is None and len(by_layer) == 1:
        return next(iter(by_layer.values()))
    if layer in by_layer:
        return by_layer[layer]
    said = "say which layer" if layer is None else f"it has none of layer {layer}"
    raise files.refusal(
        f"it holds one for each of the layers {', '.join(map(str, sorted(by_layer)))}: {said}",
        legal=f"layers {', '.join(map(str, sorted(by_layer)))}",
        fix='ue.load_sae(source, site="L5.resid_post")',
    )


def layer_in(name: str, pattern: str) -> int | None:
    """The layer that a path names."""
    found = re.search(pattern, name)
    return None if found is None else int(found[1])


def made(files: Files, weights: Weights, says: Description) -> Autoencoder:
    """An autoencoder of what was read; its tensors must fit each other."""
    k = says.k
    if k is not None and k > says.n:
        raise files.refusal(f"k is {k}, of {says.n} latents")
    if says.activation in ("topk", "abstopk", "groupmax") and k is None:
        raise files.refusal("it is a TopK that says no k")
    return Autoencoder(says, weights)


def relu_or(threshold: Tensor | None) -> Activation:
    return "relu" if threshold is None else "jumprelu"
