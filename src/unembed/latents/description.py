"""What an autoencoder is, apart from its weights. Torch-free.

Row vectors throughout: x [d_in], W_enc [d_in, n], W_dec [n, d_out],

    pre = read(x) W_enc + b_enc
    f = activation(pre)
    y = written(f W_dec + b_dec) + skip

where `read` centres, normalises, scales and shifts as the description says, and `written` undoes
what of that has to be undone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from unembed.engine.targets import SiteKey

Kind = Literal["sae", "transcoder", "clt", "crosscoder"]
Activation = Literal["relu", "jumprelu", "topk", "batchtopk", "abstopk", "groupmax", "gated"]
Normalise = Literal["none", "layer_norm", "length"]
Open = Literal["subtract_bias", "threshold"]
DecoderNorm = Literal["none", "values", "choice"]

OF_KIND: dict[Kind, str] = {
    "sae": "autoencoder",
    "transcoder": "transcoder",
    "clt": "cross-layer transcoder",
    "crosscoder": "crosscoder",
}


@dataclass(frozen=True)
class Description:
    """How an autoencoder reads, what it holds, and where it belongs.

    Args:
        layout: whose files these are, as in "SAELens".
        d_in, d_out: width of what is read and of what is written, at one site.
        n: how many latents.
        reads, writes: the sites; None where the file does not say. Of an autoencoder they are one.
        also: of one layer of a cross-layer transcoder, where its latents write besides, in order;
            of a crosscoder the other sites that its latents stand for.
        k: how many latents a TopK keeps at a position.
        subtract_bias: whether b_dec is taken off before the encoder.
        normalise: "layer_norm": mean off, over the unbiased standard deviation; "length": to length
            sqrt(d_in). What an autoencoder writes is brought back.
        scale_in, scale_out: what is read is multiplied with the first; what is written is divided
            by the second.
        decoder_norm: what is active is chosen by pre-activation times the length of the decoder's
            row. "values": those are the values, too, of rows of length 1; "choice": they are not.
        centred: the mean over the entries of what is read is taken off and added again.
        declared_l0: how many latents are active at a token, as the file says.
        model_name: which model it says that it was trained on.
        open: what the file does not settle; evidence does (`check`).
        notes: sentences about how it was read.
    """

    layout: str
    kind: Kind
    activation: Activation
    d_in: int
    d_out: int
    n: int
    reads: SiteKey | None = None
    writes: SiteKey | None = None
    also: tuple[SiteKey, ...] = ()
    k: int | None = None
    subtract_bias: bool = False
    normalise: Normalise = "none"
    scale_in: float = 1.0
    scale_out: float = 1.0
    decoder_norm: DecoderNorm = "none"
    centred: bool = False
    declared_l0: float | None = None
    model_name: str | None = None
    source: str = ""
    open: tuple[Open, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The site, or both: "L9.resid_post", "L9.mlp_in>L9.mlp_out"; "" where none is known.

        Of several that are written, the first and the last: "L9.mlp_in>L9-17.mlp_out".
        """
        written = self.writes if not self.also else _together(self.ends)
        ends = [end if isinstance(end, str) else end.name for end in (self.reads, written) if end]
        return ">".join(dict.fromkeys(ends))

    @property
    def at_first(self) -> str:
        """As `where`, without the sites that are written besides."""
        return replace(self, also=()).where

    @property
    def ends(self) -> tuple[SiteKey, ...]:
        """All sites that are written, in order."""
        return () if self.writes is None else (self.writes, *self.also)

    @property
    def words(self) -> str:
        """In a phrase: "TopK autoencoder of 32,768 latents at L9.resid_post (OpenAI)"."""
        at = f" at {self.where}" if self.where else ""
        k = "" if self.k is None else f", k = {self.k}"
        return (
            f"{self.activation} {OF_KIND[self.kind]} of {self.n:,} latents{at}{k} ({self.layout})"
        )

    def at(self, reads: SiteKey, writes: SiteKey | None = None) -> Description:
        """The same of another place."""
        return replace(self, reads=reads, writes=writes or reads)


def _together(keys: tuple[SiteKey, ...]) -> str:
    """Sites of one kind, by their first and last layer: "L9-17.mlp_out"."""
    keys = tuple(sorted(keys, key=lambda key: key.layer or 0))
    first, last = keys[0], keys[-1]
    return first.name if first == last else f"L{first.layer}-{last.layer}.{first.site}"


@dataclass(frozen=True)
class AttachedSae:
    """An autoencoder or transcoder that a model has attached, and what speaks for it."""

    layer: int
    stem: Annotated[
        str,
        'Names of its latents without their number: "L6.F"; of a second one of a layer with its '
        'site, "L6.mlp_out.F".',
    ]
    site: Annotated[
        str,
        'Where: "L6.resid_post"; of a transcoder "L6.mlp_in>L6.mlp_out", of a layer of a '
        'cross-layer one "L6.mlp_in>L6-17.mlp_out".',
    ]
    kind: Kind
    words: Annotated[str, 'In a phrase: "topk autoencoder of 16,384 latents at L6.resid_post ...".']
    n_latents: int
    fingerprint: Annotated[str, "What tells it from any other: its weights, and how they are used."]
    explained: Annotated[
        float | None,
        "Share of the site's variance that it explains on the text that it was held against; null "
        "where it was attached without that.",
    ]
    active: Annotated[float | None, "Latents that are not 0 at a token of that text, in the mean."]
    declared: Annotated[float | None, "How many its files say."]
    read: Annotated[str | None, "How it is read: as its files say, or what they leave open."]
    doubts: Annotated[tuple[str, ...], "What does not fit as it should, though it is used."]

    @property
    def owner(self) -> str:
        """Whose what is kept of latents is: of another autoencoder it would be of other latents."""
        return f"sae {self.fingerprint} {self.stem}"

    def summary(self) -> str:
        """What was found, in a sentence without its full stop."""
        if self.explained is None or self.active is None:
            return f"{self.words}, not held against the model"
        said = "" if self.declared is None else f" ({self.declared:g} declared)"
        return (
            f"{self.words}: explains {self.explained:.1%}, {self.active:.1f} latents active at a "
            f"token{said}, read {self.read}"
        )
