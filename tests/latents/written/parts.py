"""What layouts are written from, and the formulas that several of them share, by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

NAMES = {"enc": "W_enc", "dec": "W_dec", "b_enc": "b_enc", "b_dec": "b_dec"}
JUMP = NAMES | {"threshold": "threshold"}
LINEAR = {
    "enc": "encoder.weight",
    "dec": "decoder.weight",
    "b_enc": "encoder.bias",
    "b_dec": "b_dec",
}
TRANSCODED = "L1.mlp_in>L1.mlp_out"


@dataclass
class Parts:
    """Tensors of one autoencoder, and the numbers that some layouts have beside them."""

    enc: Tensor
    dec: Tensor
    b_enc: Tensor
    b_dec: Tensor
    threshold: Tensor | None = None
    r_mag: Tensor | None = None
    b_mag: Tensor | None = None
    skip: Tensor | None = None  # y gets x @ skip
    k: int = 3
    scale: float = 1.0  # what activations are multiplied with
    layer: int = 1

    @property
    def d(self) -> int:
        return self.enc.shape[0]

    @property
    def n(self) -> int:
        return self.enc.shape[1]


@dataclass
class Source:
    """Files in memory: settings and tensors by the file's name."""

    main: str  # what is given to load_sae, relative to the folder; "" for the folder
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    tensors: dict[str, dict[str, Any]] = field(default_factory=dict)
    folder: str = "sae"

    def save(self, where: Path) -> Path:
        folder = where / self.folder
        for name, config in self.configs.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(config) if name.endswith("json") else yaml.safe_dump(config)
            path.write_text(text, "utf-8")
        for name, held in self.tensors.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".safetensors"):
                save_file({key: one.contiguous() for key, one in held.items()}, path)
            elif name.endswith(".npz"):
                np.savez(path, **{key: one.numpy() for key, one in held.items()})
            else:
                torch.save(held, path)
        return folder / self.main if self.main else folder


# ------------------------------------------------------------------ formulas, by hand


def relu(pre: Tensor) -> Tensor:
    return pre * (pre > 0)


def top(pre: Tensor, k: int) -> Tensor:
    found = torch.zeros_like(pre)
    for row in range(len(pre)):
        for place in sorted(range(pre.shape[1]), key=lambda one: -float(pre[row, one]))[:k]:
            found[row, place] = max(float(pre[row, place]), 0.0)
    return found


def jump(pre: Tensor, threshold: Tensor) -> Tensor:
    return relu(pre) * (pre > threshold)


def shifted(p: Parts, x: Tensor) -> Tensor:
    return (x - p.b_dec) @ p.enc + p.b_enc


def straight(p: Parts, x: Tensor) -> Tensor:
    return x @ p.enc + p.b_enc


def gated(p: Parts, x: Tensor) -> Tensor:
    x = x - p.b_dec
    return (x @ p.enc + p.b_enc > 0) * relu(x @ (p.enc * p.r_mag.exp()) + p.b_mag)


def layer_normed(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean = x.mean(-1, keepdim=True)
    spread = ((x - mean).square().sum(-1, keepdim=True) / (x.shape[-1] - 1)).sqrt() + 1e-5
    return (x - mean) / spread, mean, spread


@dataclass(frozen=True)
class Layout:
    """A layout: what it writes, and what that means."""

    name: str
    write: Callable[[Parts], Source]
    values: Callable[[Parts, Tensor], Tensor]  # latents of x
    place: str | None = None  # the site, where the files do not say
    where: str = "L1.resid_post"  # that they then belong to
    needs: tuple[str, ...] = ()  # parts beside the four
    shifts: bool = False
    activation: str = "relu"
    normalise: str = ""
    roles: dict[str, str] = field(default_factory=dict)  # enc, dec, b_enc, b_dec, threshold -> name
    by_hand: Callable[[Parts, Tensor, Tensor], Tensor] | None = None  # y of latents and x

    def y(self, p: Parts, x: Tensor) -> Tensor:
        values = self.values(p, x)
        if self.by_hand is not None:
            return self.by_hand(p, values, x)
        return values @ p.dec + p.b_dec + (0 if p.skip is None else x @ p.skip)


def normed_y(p: Parts, values: Tensor, x: Tensor) -> Tensor:
    _, mean, spread = layer_normed(x)
    return (values @ p.dec + p.b_dec) * spread + mean
