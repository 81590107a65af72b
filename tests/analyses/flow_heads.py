"""Queries, keys and values of one head at a time, from each family's own weight matrices.

How the maps are laid out, which norms follow them and how positions turn them is written down by
hand from transformers' modeling files. `test_flow_qk` holds all of it to what the models compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from ..contract.oracle import Oracle
from ..contract.wiring import weight_and_bias

INTERLEAVED = ("gptj", "codegen", "cohere", "glm4")
UNTURNED = (
    *("gpt2", "gpt_neo", "bloom", "opt", "falcon-alibi"),
    *("bert", "roberta", "distilbert", "albert", "electra"),
)
THREE_PER_HEAD = ("gpt_neox", "bloom", "falcon-sequential", "falcon-alibi")
SEPARATE = {  # order of wiring.qkv
    "gptj": "kvq",
    "gpt_neo": "kvq",
}
CENTRING = ("cohere", "phi", "stablelm")
"""Families whose norms of queries and keys take the mean out first."""


@dataclass(frozen=True)
class Map:
    """One of the three maps: weight [d_model, head, d_head], bias [head, d_head]."""

    weight: Tensor
    bias: Tensor

    def __call__(self, states: Tensor) -> Tensor:
        return torch.einsum("pd,dhz->phz", states, self.weight) + self.bias


class Heads:
    """One layer of one run: what every head asks, offers and hands over."""

    def __init__(self, oracle: Oracle, layer: int, attn_in: Tensor) -> None:
        self.oracle, self.layer, self.attn_in = oracle, layer, attn_in
        self.family = family_of(oracle.name)
        self.core = oracle.part(layer, oracle.wiring.attn)
        maps = split(oracle, layer)
        if self.family == "opt":  # it scales queries before the kernel sees them
            scale = maps["q"][1].shape[1] ** -0.5
            maps["q"] = (maps["q"][0] * scale, maps["q"][1] * scale)
        self.maps = {which: Map(*pair) for which, pair in maps.items()}
        self.n_heads = maps["q"][1].shape[0]
        self.group = self.n_heads // maps["k"][1].shape[0]
        self.d_head = maps["q"][1].shape[1]

    @cached_property
    def queries(self) -> Tensor:
        """[pos, head, d_head], normed, before any rotation."""
        return self.normed("q", self.maps["q"](self.attn_in))

    @cached_property
    def keys(self) -> Tensor:
        return self.normed("k", self.maps["k"](self.attn_in))

    @cached_property
    def values(self) -> Tensor:
        return self.maps["v"](self.attn_in)

    @torch.no_grad()
    def normed(self, which: str, raw: Tensor) -> Tensor:
        norm = self.norm(which)
        if norm is None:
            return raw
        if self.family == "olmo2":  # one norm over all heads
            return norm(raw.flatten(1)[None])[0].reshape(raw.shape)
        if self.family == "stablelm":  # a norm for each head
            return torch.stack([one(raw[:, head]) for head, one in enumerate(norm.norms)], dim=1)
        return norm(raw[None])[0]

    def norm(self, which: str) -> nn.Module | None:
        names = (f"{which}_norm", f"{which}_layernorm")
        found = [getattr(self.core, name, None) for name in names]
        return next((one for one in found if isinstance(one, nn.Module)), None)

    def norm_bias(self, which: str) -> Tensor:
        bias = getattr(self.norm(which), "bias", None)
        return torch.zeros(self.d_head, dtype=self.attn_in.dtype) if bias is None else bias.detach()

    def through_norm(self, which: str, position: int, head: int, part: Tensor) -> Tensor:
        """A part of one head's raw query (or key), through its norm with the scale frozen."""
        return self.gain(which, position, head) * self.centred(which, part)

    def back(self, which: str, position: int, head: int, reading: Tensor) -> Tensor:
        """What attn_in at a position must hold for one head's query (or key) to match a vector."""
        weighted = self.centred(which, self.gain(which, position, head) * reading)
        return self.maps[which].weight[:, head].detach() @ weighted

    def gain(self, which: str, position: int, head: int) -> Tensor:
        raw = self.maps[which](self.attn_in[[position]])
        if self.norm(which) is None:
            return torch.ones_like(raw[0, head])
        output = self.normed(which, raw)[0, head] - self.norm_bias(which)
        return (output / self.centred(which, raw[0, head])).detach()

    def centred(self, which: str, part: Tensor) -> Tensor:
        centres = self.norm(which) is not None and self.family in CENTRING
        return part - part.mean() if centres else part

    # ------------------------------------------------------------------ rotation

    @cached_property
    def turns(self) -> bool:
        config = self.oracle.model.config
        still = getattr(config, "no_rope_layers", None)
        name = self.oracle.name
        if name in UNTURNED or self.family in UNTURNED:
            return False
        return still is None or bool(still[self.layer])

    def turned(self, vector: Tensor, by: int) -> Tensor:
        """One head's vector turned by so many positions; negative turns it back."""
        if not self.turns:
            return vector
        n, theta = self.rotary()
        angles = by * theta ** (-torch.arange(0, n, 2, dtype=torch.float64) / n)
        cos, sin = angles.cos(), angles.sin()
        rotated = vector.to(torch.float64).clone()
        inter = self.family in INTERLEAVED
        first, second = (
            (slice(0, n, 2), slice(1, n, 2)) if inter else (slice(n // 2), slice(n // 2, n))
        )
        one, two = vector[first].double(), vector[second].double()
        rotated[first], rotated[second] = one * cos - two * sin, one * sin + two * cos
        return rotated.to(vector.dtype)

    def rotary(self) -> tuple[int, float]:
        """How many entries are turned, and the base of the frequencies."""
        config = self.oracle.model.config
        if self.family in ("gptj", "codegen"):
            return config.rotary_dim, 10000.0
        rope = config.rope_parameters
        if "rope_theta" not in rope:
            rope = rope[config.layer_types[self.layer]]
        fraction = rope.get("partial_rotary_factor", 1.0)
        return int(self.d_head * fraction), float(rope["rope_theta"])


def family_of(name: str) -> str:
    """A variant's family, where its attention is laid out alike."""
    for variant, family in {
        "gpt2-inverse-layer": "gpt2",
        "gpt_neox-sequential": "gpt_neox",
        "bloom-post-layernorm": "bloom",
        "opt-post-norm": "opt",
        "gemma3-capped": "gemma3",
        "phi-qk-norm": "phi",
        "stablelm-parallel": "stablelm",
        "llama-biased": "llama",
        "albert-two-groups": "albert",
        "qwen3_moe-dense-last": "qwen3_moe",
    }.items():
        if name == variant:
            return family
    return name


def split(oracle: Oracle, layer: int) -> dict[str, tuple[Tensor, Tensor]]:
    """ "q", "k" and "v" -> weight [d_model, head, d_head] and bias [head, d_head]."""
    family, config = family_of(oracle.name), oracle.model.config
    maps = [weight_and_bias(oracle.part(layer, path)) for path in oracle.wiring.qkv]
    n_heads = config.num_attention_heads
    if len(maps) == 3:
        order = SEPARATE.get(family, "qkv")
        d_head = dict(zip(order, maps, strict=True))["q"][1].shape[0] // n_heads
        return {
            which: _by_head(weight, bias, d_head)
            for which, (weight, bias) in zip(order, maps, strict=True)
        }
    ((weight, bias),) = maps
    return {
        which: (_rows(family, config, weight, index), _rows(family, config, bias[None], index)[0])
        for index, which in enumerate("qkv")
    }


def _by_head(weight: Tensor, bias: Tensor, d_head: int) -> tuple[Tensor, Tensor]:
    return weight.unflatten(1, (-1, d_head)).detach(), bias.unflatten(0, (-1, d_head)).detach()


def _rows(family: str, config: object, fused: Tensor, index: int) -> Tensor:
    """Query (0), key (1) or value (2) of a fused map's columns: [row, head, d_head]."""
    n_heads: int = config.num_attention_heads  # type: ignore[attr-defined]
    fused = fused.detach()
    if family in THREE_PER_HEAD:
        return fused.unflatten(1, (n_heads, 3, -1))[:, :, index]
    if family in ("gpt2", "modernbert"):
        return fused.unflatten(1, (3, n_heads, -1))[:, index]
    if family == "codegen":  # four shards, in each: queries, values, keys
        order = (0, 2, 1)[index]
        return fused.unflatten(1, (4, 3, n_heads // 4, -1))[:, :, order].flatten(1, 2)
    if family == "phi3":
        n_kv: int = config.num_key_value_heads  # type: ignore[attr-defined]
        parts = fused.unflatten(1, (n_heads + 2 * n_kv, -1)).split((n_heads, n_kv, n_kv), dim=1)
        return parts[index]
    assert family in ("falcon", "falcon-new", "falcon-new-one-norm")
    n_groups = 1 if family == "falcon" else config.num_kv_heads  # type: ignore[attr-defined]
    grouped = fused.unflatten(1, (n_groups, n_heads // n_groups + 2, -1))
    if index == 0:
        return grouped[:, :, :-2].flatten(1, 2)
    return grouped[:, :, -2 if index == 1 else -1]
