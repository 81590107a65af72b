"""An autoencoder or transcoder in canonical form: what it makes of activations, and back.

Formulas: Bricken et al. 2023 (ReLU), Gao et al. 2024 (TopK), Bussmann et al. 2024 (BatchTopK),
Rajamanoharan et al. 2024 (gated, JumpReLU), Dunefsky et al. 2024 (transcoders).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

from unembed.engine.targets import SiteKey
from unembed.latents.description import Description

if TYPE_CHECKING:
    from jaxtyping import Float, Int

EPSILON = 1e-5  # beside the standard deviation, in every layout that normalises so


@dataclass(frozen=True, eq=False)
class Weights:
    """The tensors, in one orientation whatever the file has.

    Args:
        W_dec: of latents that write at several sites, the sites' rows side by side: [n, sites x
            d_out]. The bias and the skip are of the first.
        b_enc: of a gated one the gate's bias.
        threshold: of JumpReLU, for each latent.
        r_mag, b_mag: of a gated one only.
        skip: y gets x @ skip.
    """

    W_enc: Float[Tensor, "d_in n"]
    W_dec: Float[Tensor, "n d_outs"]
    b_enc: Float[Tensor, " n"]
    b_dec: Float[Tensor, " d_out"]
    threshold: Float[Tensor, " n"] | None = None
    r_mag: Float[Tensor, " n"] | None = None
    b_mag: Float[Tensor, " n"] | None = None
    skip: Float[Tensor, "d_in d_out"] | None = None

    def named(self) -> dict[str, Tensor]:
        """Every tensor that there is, by name."""
        found = {row.name: getattr(self, row.name) for row in fields(self)}
        return {name: one for name, one in found.items() if one is not None}

    def like(self, other: Tensor) -> Weights:
        """In the type of `other`, where it lies."""
        return Weights(**{name: one.to(other) for name, one in self.named().items()})


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """One autoencoder, or one transcoder.

    Activations are [pos, d_in], or with heads apart [pos, head, d_head]; values of latents are
    [pos, n]. Any number of positions will do, but for BatchTopK without a threshold, which keeps
    the k x pos largest of all that it is given.
    """

    description: Description
    weights: Weights

    @cached_property
    def fingerprint(self) -> str:
        """What tells it from any other: its weights, and how they are used."""
        digest = hashlib.sha256(repr(self._used).encode())
        for name, tensor in self.weights.named().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    @property
    def _used(self) -> Description:
        return replace(self.description, source="", notes=(), open=())

    def like(self, other: Tensor) -> Autoencoder:
        """The same in the type of an activation, where it lies; itself where that is so already."""
        wanted = (other.dtype, other.device)
        if all((one.dtype, one.device) == wanted for one in self.weights.named().values()):
            return self
        return replace(self, weights=self.weights.like(other))

    # ------------------------------------------------------------ there

    def encode(self, activation: Float[Tensor, "pos ..."]) -> Float[Tensor, "pos n"]:
        """The latents' values."""
        says, held = self.description, self.weights
        x = self._read(activation)
        pre = x @ held.W_enc
        if says.activation == "gated":
            return self._gated(pre)
        pre = pre + held.b_enc
        if says.decoder_norm == "none":
            return self._active(pre)
        values = self._active(pre * self._lengths)
        return values / self._lengths if says.decoder_norm == "choice" else values

    def before_activation(
        self, activation: Float[Tensor, "pos ..."], latent: int
    ) -> Float[Tensor, " pos"]:
        """What the activation function of one latent is given; of a gated one its magnitude.

        Linear in the activation but for its own normalisation, whose spread has no gradient here.
        """
        return self._before(activation, slice(latent, latent + 1))[:, 0]

    def before_activations(self, activation: Float[Tensor, "pos ..."]) -> Float[Tensor, "pos n"]:
        """`before_activation` of every latent."""
        return self._before(activation, slice(None))

    def _before(
        self, activation: Float[Tensor, "pos ..."], latents: slice
    ) -> Float[Tensor, "pos some"]:
        says, held = self.description, self.weights
        pre = self._read(activation, held=True) @ held.W_enc[:, latents]
        if says.activation == "gated":
            scale = 1.0 if held.r_mag is None else held.r_mag[latents].exp()
            bias = held.b_enc if held.b_mag is None else held.b_mag
            return pre * scale + bias[latents]
        pre = pre + held.b_enc[latents]
        return pre if says.decoder_norm == "none" else pre * self._lengths[latents]

    def _gated(self, pre: Float[Tensor, "pos n"]) -> Float[Tensor, "pos n"]:
        """Of pre-activations without a bias: where the gate is open, and how much then."""
        held = self.weights
        is_open = (pre + held.b_enc > 0).to(pre)
        scale = 1.0 if held.r_mag is None else held.r_mag.exp()
        bias = held.b_enc if held.b_mag is None else held.b_mag
        return is_open * torch.relu(pre * scale + bias)

    def _active(self, pre: Float[Tensor, "pos n"]) -> Float[Tensor, "pos n"]:
        kind, k, threshold = self.description.activation, self.description.k, self.weights.threshold
        if kind == "topk" and k is not None:
            return largest(torch.relu(pre), k)
        if kind == "abstopk" and k is not None:
            kept = largest(pre.abs(), k)
            return torch.where(kept > 0, pre, 0)
        if kind == "groupmax" and k is not None:
            groups = torch.relu(pre).reshape(*pre.shape[:-1], k, -1)
            return largest(groups, 1).flatten(-2)
        values = torch.relu(pre)
        if kind == "batchtopk" and threshold is None and k is not None:
            return largest(values.reshape(1, -1), k * len(values)).reshape(values.shape)
        return values if threshold is None else values * (pre > threshold)

    def _read(self, activation: Tensor, held: bool = False) -> Float[Tensor, "pos d_in"]:
        """What the encoder is given; `held`: the spread that it is divided by has no gradient."""
        says = self.description
        x = activation.reshape(len(activation), -1)
        if says.centred:
            x = x - x.mean(-1, keepdim=True)
        if says.normalise != "none":
            spread = self._spread(x)
            x = (x - self._mean(x)) / (spread.detach() if held else spread)
        if says.scale_in != 1.0:
            x = x * says.scale_in
        return x - self.weights.b_dec if says.subtract_bias else x

    def _mean(self, x: Tensor) -> Tensor:
        if self.description.normalise == "layer_norm":
            return x.mean(-1, keepdim=True)
        return torch.zeros_like(x[..., :1])

    def _spread(self, x: Tensor) -> Tensor:
        if self.description.normalise == "layer_norm":
            spread: Tensor = x.std(-1, keepdim=True) + EPSILON  # the unbiased one
            return spread
        length: Tensor = x.norm(dim=-1, keepdim=True) / math.sqrt(self.description.d_in)
        return length

    @cached_property
    def _lengths(self) -> Float[Tensor, " n"]:
        lengths: Tensor = self.weights.W_dec.norm(dim=-1)
        return lengths

    def readers(self, latents: Int[Tensor, " some"]) -> Float[Tensor, "some d_in"]:
        """How the value of a latent, where it is active, grows with what is read.

        value = `read_factor` · <activation, reader> + `offsets`: every activation function here is
        linear where it is not 0. The scale of a normalisation is held.
        """
        says, held = self.description, self.weights
        rows = held.W_enc[:, latents].T * says.scale_in
        rows = rows * self._slope(latents)[:, None]
        centres = says.centred or says.normalise == "layer_norm"
        return rows - rows.mean(-1, keepdim=True) if centres else rows

    def offsets(self, latents: Int[Tensor, " some"]) -> Float[Tensor, " some"]:
        """What an active latent's value is beside what it reads: see `readers`."""
        says, held = self.description, self.weights
        bias = held.b_enc[latents] * self._slope(latents)
        if says.activation == "gated":
            bias = (held.b_enc if held.b_mag is None else held.b_mag)[latents]
        if says.subtract_bias:
            bias = bias - held.b_dec @ held.W_enc[:, latents] * self._slope(latents)
        return bias

    def read_factor(self, activation: Float[Tensor, "pos ..."]) -> Float[Tensor, "pos 1"]:
        """What the normalisation of a position multiplies everything that is read there with."""
        x = activation.reshape(len(activation), -1)
        if self.description.normalise == "none":
            return torch.ones_like(x[:, :1])
        x = x - x.mean(-1, keepdim=True) if self.description.centred else x
        return 1 / self._spread(x)

    def _slope(self, latents: Int[Tensor, " some"]) -> Float[Tensor, " some"]:
        """How an active latent's value grows with its pre-activation."""
        held, says = self.weights, self.description
        plain = torch.ones_like(held.b_enc[latents])
        if says.activation == "gated":
            return plain if held.r_mag is None else held.r_mag[latents].exp()
        return self._lengths[latents] if says.decoder_norm == "values" else plain

    # ------------------------------------------------------------ and back

    def decode(
        self, values: Float[Tensor, "pos n"], activation: Float[Tensor, "pos ..."]
    ) -> Float[Tensor, "pos d_outs"]:
        """The reconstruction: what latents stand for, and what is added whatever they are.

        Of latents that write at several sites, side by side.
        """
        written, constant = self.written(values, activation), self.constant(activation)
        beyond = written.shape[-1] - constant.shape[-1]  # what is added is of the first site
        return written + (pad(constant, (0, beyond)) if beyond else constant)

    def written(
        self, values: Float[Tensor, "pos n"], activation: Float[Tensor, "pos ..."]
    ) -> Float[Tensor, "pos d_outs"]:
        """What latents of these values stand for: linear in them, and without the bias."""
        rows = self.directions
        if not values.requires_grad:  # of a latent that is 0 the gradient counts, too
            active = active_in(values)
            if 2 * len(active) < len(rows):
                values, rows = values[:, active], rows[active]
        return values @ rows * self.factor(activation)

    def directions_at(self, site: SiteKey) -> Float[Tensor, "n d_out"]:
        """`directions` at one of the sites that are written."""
        width, ends = self.description.d_out, self.description.ends
        first = width * ends.index(site) if len(ends) > 1 else 0
        return self.directions[:, first : first + width]

    def in_all(self, latents: Int[Tensor, " some"] | None = None) -> Float[Tensor, "some d_out"]:
        """What latents (absent: all) write for a value of 1 to all their sites together.

        Of a crosscoder, whose sites contain one another, what they write to their own.
        """
        rows = self.directions if latents is None else self.directions[latents]
        ends = self.description.ends
        if self.description.kind == "crosscoder":
            return rows[:, : self.description.d_out]
        return rows if len(ends) < 2 else rows.reshape(len(rows), len(ends), -1).sum(1)

    @cached_property
    def directions(self) -> Float[Tensor, "n d_outs"]:
        """What each latent writes for a value of 1, but for the `factor` of a position.

        Of latents that write at several sites, the sites' rows side by side: see `directions_at`.
        """
        rows = self.weights.W_dec
        if self.description.decoder_norm == "values":
            rows = rows / self._lengths[:, None]
        scale = self.description.scale_out
        return rows if scale == 1.0 else rows / scale  # no copy: there may be many latents

    def factor(self, activation: Float[Tensor, "pos ..."]) -> Float[Tensor, "pos 1"]:
        """What the normalisation of a position multiplies everything written there with."""
        x = activation.reshape(len(activation), -1)
        if self.description.normalise == "none" or self.description.kind != "sae":
            return torch.ones_like(x[:, :1])
        x = x - x.mean(-1, keepdim=True) if self.description.centred else x
        return self._spread(x)

    def constant(self, activation: Float[Tensor, "pos ..."]) -> Float[Tensor, "pos d_out"]:
        """What is written whatever the latents are: the bias, the mean, and the skip."""
        says, held = self.description, self.weights
        x = activation.reshape(len(activation), -1)
        found = held.b_dec / says.scale_out * self.factor(activation)
        if says.kind == "sae":
            if says.centred:
                found = found + x.mean(-1, keepdim=True)
                x = x - x.mean(-1, keepdim=True)
            if says.normalise == "layer_norm":
                found = found + self._mean(x)
        if held.skip is not None:
            found = found + x @ held.skip
        return found


def active_in(values: Float[Tensor, "pos n"]) -> Int[Tensor, " active"]:
    """The latents that are not 0 at some position, which are few."""
    return (values != 0).any(0).nonzero()[:, 0]


def largest(values: Float[Tensor, "... n"], k: int) -> Float[Tensor, "... n"]:
    """Zero but for the k largest of the last axis."""
    found = values.topk(min(k, values.shape[-1]), dim=-1)
    return torch.zeros_like(values).scatter(-1, found.indices, found.values)
