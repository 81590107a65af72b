"""Autoencoders that explain a tiny model: random encoders, and the decoder that fits them best.

No training: of latents that are given, the decoder of least squares on the text that autoencoders
are held against.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from unembed.engine.names.sites import parse_target
from unembed.latents.sample import activations

from .written.parts import Layout, Parts, layer_normed

N = 120
K = 24
SCALE = 2.5


def fitted(layout: Layout, model, n: int = N, place: str | None = None) -> Parts:
    """The parts of this layout that explain its site in this model."""
    ends = [parse_target(end).site_key for end in (place or layout.where).split(">")]
    seen = activations(model, list(dict.fromkeys(ends)))
    x, y = seen[ends[0]].float(), seen[ends[-1]].float()
    torch.manual_seed(1)
    d = x.shape[1]
    scale = SCALE if "scale" in layout.needs else 1.0
    read = x * scale
    if layout.normalise == "layer_norm":
        read = layer_normed(x)[0]
    enc = torch.randn(d, n)
    enc = enc / enc.norm(dim=0) / read.std(0).mean()
    mean = read.mean(0)
    same = ends[0] == ends[-1]
    parts = Parts(enc, _rows(n, y.shape[1]), torch.zeros(n), mean, k=K, scale=scale)
    if not same:
        parts = replace(parts, b_dec=y.mean(0))
    shift = torch.zeros(n) if layout.shifts else -(mean @ enc)
    parts = replace(parts, b_enc=shift - 0.8, layer=ends[0].layer)
    parts = _with_needs(parts, layout, n)
    values = layout.values(parts, x)
    target = _target(layout, parts, x, y)
    dec = torch.linalg.lstsq(values.double(), target.double(), driver="gelsd").solution.float()
    return replace(parts, dec=dec)


def _with_needs(parts: Parts, layout: Layout, n: int) -> Parts:
    every = {
        "threshold": torch.full((n,), 0.3),
        "r_mag": torch.full((n,), 0.1),
        "b_mag": parts.b_enc + 0.1,
        "skip": torch.randn(parts.d, parts.d) / 20,
        "scale": parts.scale,
    }
    return replace(parts, **{name: every[name] for name in layout.needs})


def _target(layout: Layout, p: Parts, x: Tensor, y: Tensor) -> Tensor:
    """What the latents have to write for the reconstruction to be y."""
    if layout.normalise == "layer_norm":
        return layer_normed(x)[0] - p.b_dec
    skipped = 0 if p.skip is None else x @ p.skip
    return y * p.scale - p.b_dec - skipped


def _rows(n: int, d: int) -> Tensor:
    """Of length 1, for what depends on the lengths of the decoder's rows."""
    rows = torch.randn(n, d)
    return rows / rows.norm(dim=-1, keepdim=True)
