"""Cross-layer transcoders: latents that read one layer and write to it and to all later ones.

Formulas: Ameisen et al. 2025. Of layer l, from what its feed-forward reads,

    f_l = activation(x_l W_enc_l + b_enc_l)
    y_o = sum over l <= o of f_l W_dec_l,o + b_dec_o (+ x_o skip_o)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from unembed.engine.derived import Derived
from unembed.engine.loaded import Loaded
from unembed.engine.nodes import LATENT
from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder
from unembed.latents.check import SaeCheck
from unembed.latents.check_cross import decided, placed_all, where_of, words_of
from unembed.latents.sae import Latents, at_site, every, latents_of, refuse_two
from unembed.latents.several import reconstructed

if TYPE_CHECKING:
    from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class LayeredAutoencoder:
    """What a cross-layer transcoder and a crosscoder share.

    Args:
        layers: one for each layer, in order: its encoder, with the decoders of all sites that its
            latents write to side by side (`Description.ends`), and the bias of its own.
    """

    layers: tuple[Autoencoder, ...]

    @property
    def n(self) -> int:
        """How many latents, of all layers."""
        return sum(one.description.n for one in self.layers)

    @property
    def where(self) -> str:
        """ "L0-17.mlp_in>L0-17.mlp_out"; "" where its files do not say."""
        return where_of(self.layers)

    @property
    def words(self) -> str:
        """In a phrase."""
        return words_of(self.layers)

    def encode(
        self, seen: Mapping[SiteKey, Float[Tensor, "pos ..."]]
    ) -> list[Float[Tensor, "pos _"]]:
        """Of each layer the latents' values, from what each reads."""
        return [one.encode(seen[reads]) for one in self.layers if (reads := one.description.reads)]

    def decode(
        self, seen: Mapping[SiteKey, Float[Tensor, "pos ..."]]
    ) -> dict[SiteKey, Float[Tensor, "pos d_out"]]:
        """The reconstruction of each site, from what each layer reads."""
        return reconstructed(self.layers, seen)

    def decided(self, model: Loaded) -> tuple[LayeredAutoencoder, SaeCheck]:
        """See `check_sae`."""
        layers, check, _ = decided(self.layers, model)
        return type(self)(layers), check

    def attached_to(self, model: Loaded, verify: bool) -> Derived:
        """See `Model.attach`."""
        layers, checks = self.layers, dict[int, SaeCheck]()
        if verify:
            layers, _, checks = decided(layers, model)
        else:
            placed_all(layers, model)
        for one in layers:
            refuse_two(model, one.description)
        reads = [one.description.reads for one in layers if one.description.reads is not None]
        taken = {one.layer for one in every(model)} & {key.layer for key in reads}
        row = at_site(reads[0]) if taken else LATENT
        held = model.derived.get(row.kind)
        saes, before = (held.saes, held.checks) if isinstance(held, Latents) else ({}, {})
        own = {key.layer or 0: one for key, one in zip(reads, layers, strict=True)}
        return latents_of({**saes, **own}, {**before, **checks}, row)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.words})"


class CrossLayerTranscoder(LayeredAutoencoder):
    """A cross-layer transcoder; make one with `unembed.load_sae`."""
