"""Files of cross-layer transcoders, written from the layouts' own descriptions, and what they mean.

Nothing here knows how the package reads them. `decoders[l][o]` is what latents of layer l write to
layer o, o >= l.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unembed.engine.targets import SiteKey
from unembed.latents.sample import activations

from .written.parts import Source


@dataclass
class Clt:
    """By layer: encoder [d, n], biases, threshold, skip; and decoders [n, d]."""

    enc: list[Tensor]
    b_enc: list[Tensor]
    b_dec: list[Tensor]
    decoders: list[dict[int, Tensor]]
    threshold: list[Tensor] | None = None
    skip: list[Tensor] | None = None  # y gets x @ skip
    k: int = 3
    scale_in: list[float] | None = None
    scale_out: list[float] | None = None
    l0: float | None = None
    reads: str = "mlp_in"

    @property
    def layers(self) -> range:
        return range(len(self.enc))


def jump(pre: Tensor, threshold: Tensor) -> Tensor:
    return pre * (pre > threshold) * (pre > 0)


def relu(pre: Tensor) -> Tensor:
    return pre * (pre > 0)


def values_of(p: Clt, layer: int, x: Tensor, kind: str) -> Tensor:
    x = x if p.scale_in is None else x * p.scale_in[layer]
    pre = x @ p.enc[layer] + p.b_enc[layer]
    if kind == "jumprelu":
        return jump(pre, p.threshold[layer])
    if kind == "relu":
        return relu(pre)
    least = pre.sort(-1, descending=True).values[:, p.k - 1, None]
    return relu(pre) * (pre >= least)


def y_of(p: Clt, to: int, xs: list[Tensor], kind: str) -> Tensor:
    """The reconstruction of one layer, summed one latent at a time."""
    found = p.b_dec[to].expand(len(xs[0]), -1).clone()
    for layer in range(to + 1):
        values = values_of(p, layer, xs[layer], kind)
        for latent in range(values.shape[1]):
            found += values[:, latent, None] * p.decoders[layer][to][latent]
    if p.skip is not None:
        found += xs[to] @ p.skip[to]
    return found if p.scale_out is None else found / p.scale_out[to]


# ------------------------------------------------------------------ the layouts


def circuit_tracer(p: Clt) -> Source:
    tensors: dict[str, dict[str, Tensor]] = {}
    for layer in p.layers:
        held = {
            f"W_enc_{layer}": p.enc[layer].T,
            f"b_enc_{layer}": p.b_enc[layer],
            f"b_dec_{layer}": p.b_dec[layer],
        }
        if p.threshold is not None:
            held[f"threshold_{layer}"] = p.threshold[layer]
        if p.skip is not None:
            held[f"W_skip_{layer}"] = p.skip[layer]
        rows = torch.stack([p.decoders[layer][to] for to in p.layers[layer:]], 1)
        tensors[f"W_enc_{layer}.safetensors"] = held
        tensors[f"W_dec_{layer}.safetensors"] = {f"W_dec_{layer}": rows}
    hooks = {"mlp_in": "mlp.hook_in", "resid_mid": "hook_resid_mid"}
    config = {
        "model_name": "tiny",
        "model_kind": "cross_layer_transcoder",
        "feature_input_hook": hooks[p.reads],
        "feature_output_hook": "hook_mlp_out",
        "scan": "none",
    }
    return Source("", {"config.yaml": config}, tensors)


def gemma_scope_2(p: Clt, relative: bool = False) -> Source:
    tensors: dict[str, dict[str, Tensor]] = {}
    for layer in p.layers:
        n, d = p.decoders[layer][layer].shape
        rows = torch.zeros(n, len(p.enc), d)
        for to in p.layers[layer:]:
            rows[:, to - layer if relative else to] = p.decoders[layer][to]
        held = {"w_enc": p.enc[layer], "w_dec": rows, "b_enc": p.b_enc[layer]}
        held |= {"b_dec": p.b_dec[layer], "threshold": p.threshold[layer]}
        if p.skip is not None:
            held["affine_skip_connection"] = p.skip[layer]
        tensors[f"params_layer_{layer}.safetensors"] = held
    config = {
        "hf_hook_point_in": "model.layers.{all}.pre_feedforward_layernorm.output",
        "hf_hook_point_out": "model.layers.{all}.post_feedforward_layernorm.output",
        "width": sum(len(one) for one in p.b_enc),
        "model_name": "google/gemma-3-270m-pt",
        "architecture": "jump_relu",
        "affine_connection": p.skip is not None,
        "type": "clt",
    }
    if p.l0 is not None:
        config["l0"] = p.l0
    return Source("", {"config.json": config}, tensors)


def llamascopium(act: str) -> Callable[[Clt], Source]:
    def write(p: Clt) -> Source:
        held = {"W_E": torch.stack(p.enc), "b_E": torch.stack(p.b_enc)}
        for to in p.layers:
            held[f"W_D.{to}"] = torch.stack([p.decoders[layer][to] for layer in range(to + 1)])
            held[f"b_D.{to}"] = p.b_dec[to]
        if p.threshold is not None:
            logs = torch.stack(p.threshold).log()
            held["activation_function.log_jumprelu_threshold"] = logs
        names = {
            "in": [f"blocks.{layer}.mlp.hook_in" for layer in p.layers],
            "out": [f"blocks.{layer}.hook_mlp_out" for layer in p.layers],
        }
        d = p.enc[0].shape[0]
        for way, scales in (("in", p.scale_in), ("out", p.scale_out)):
            for name, scale in zip(names[way], scales or [], strict=False):
                held[f"dataset_average_activation_norm.{name}"] = torch.tensor(d**0.5 / scale)
        config = {
            "sae_type": "clt",
            "d_model": d,
            "expansion_factor": 2,
            "use_decoder_bias": True,
            "act_fn": act,
            "norm_activation": "inference" if p.scale_in is None else "dataset-wise",
            "sparsity_include_decoder_norm": False,
            "top_k": p.k,
            "hook_points_in": names["in"],
            "hook_points_out": names["out"],
        }
        return Source("", {"config.json": config}, {"sae_weights.safetensors": held})

    return write


@dataclass(frozen=True)
class Layout:
    name: str
    write: Callable[[Clt], Source]
    kind: str
    needs: tuple[str, ...] = ()


LAYOUTS = (
    Layout("circuit-tracer", circuit_tracer, "jumprelu", ("threshold",)),
    Layout("circuit-tracer-relu", circuit_tracer, "relu"),
    Layout("circuit-tracer-skip", circuit_tracer, "relu", ("skip",)),
    Layout("gemma-scope-2", gemma_scope_2, "jumprelu", ("threshold",)),
    Layout("gemma-scope-2-affine", gemma_scope_2, "jumprelu", ("threshold", "skip")),
    Layout("gemma-scope-2-relative", lambda p: gemma_scope_2(p, True), "jumprelu", ("threshold",)),
    Layout("llamascopium", llamascopium("jumprelu"), "jumprelu", ("threshold", "scale")),
    Layout("llamascopium-topk", llamascopium("topk"), "topk"),
)


def random_clt(layout: Layout, n_layers: int = 3, d: int = 6, n: int = 10, seed: int = 0) -> Clt:
    """Tensors of no meaning; as many latents in each layer where one tensor has them all."""
    torch.manual_seed(seed)
    layers = range(n_layers)
    each = [n if layout.name.startswith("llama") else n + layer for layer in layers]
    made = Clt(
        enc=[torch.randn(d, each[layer]) for layer in layers],
        b_enc=[torch.randn(each[layer]) for layer in layers],
        b_dec=[torch.randn(d) for _ in layers],
        decoders=[{to: torch.randn(each[layer], d) for to in layers[layer:]} for layer in layers],
    )
    return with_needs(made, layout, d, each)


def with_needs(p: Clt, layout: Layout, d: int, each: list[int], threshold: float = 0.0) -> Clt:
    drawn = [torch.rand(n) + 0.1 for n in each]
    every = {
        "threshold": [torch.full_like(one, threshold) for one in drawn] if threshold else drawn,
        "skip": [torch.randn(d, d) / 20 for _ in each],
    }
    found = {name: every[name] for name in layout.needs if name != "scale"}
    if "scale" in layout.needs:
        found["scale_in"] = [1.5 + layer for layer in p.layers]
        found["scale_out"] = [0.7 + layer for layer in p.layers]
    return replace(p, **found)


def fitted_clt(layout: Layout, model, n: int = 40) -> Clt:
    """One whose decoders are the best that there are for random encoders, site by site."""
    n_layers, d = model.anatomy.n_layers, model.anatomy.d_model
    layers = range(n_layers)
    keys = [SiteKey(site, layer) for site in ("mlp_in", "mlp_out") for layer in layers]
    seen = activations(model, keys)
    xs = [seen[SiteKey("mlp_in", layer)].float() for layer in layers]
    ys = [seen[SiteKey("mlp_out", layer)].float() for layer in layers]
    torch.manual_seed(1)
    made = Clt([], [], [], [{} for _ in layers], k=n // 3)
    each = [n if layout.name.startswith("llama") else n + 2 * layer for layer in layers]
    for layer in layers:
        x = xs[layer]
        enc = torch.randn(d, each[layer])
        made.enc.append(enc / enc.norm(dim=0) / x.std(0).mean())
        made.b_enc.append(-(x.mean(0) @ made.enc[layer]) - 0.5)
        made.b_dec.append(ys[layer].mean(0))
    made = with_needs(made, layout, d, each, threshold=0.3)
    if made.scale_in is not None:  # of what is scaled the same latents
        made.enc = [enc / scale for enc, scale in zip(made.enc, made.scale_in, strict=True)]
        made.b_dec = [b * scale for b, scale in zip(made.b_dec, made.scale_out, strict=True)]
    for to in layers:
        fit_site(made, to, xs, ys[to], layout.kind)
    return made


def fit_site(p: Clt, to: int, xs: list[Tensor], y: Tensor, kind: str) -> None:
    """The decoders of least squares into one layer."""
    values = [values_of(p, layer, xs[layer], kind) for layer in range(to + 1)]
    target = y if p.scale_out is None else y * p.scale_out[to]
    target = target - p.b_dec[to] - (0 if p.skip is None else xs[to] @ p.skip[to])
    whole = torch.cat(values, 1).double()
    rows = torch.linalg.lstsq(whole, target.double(), driver="gelsd").solution.float()
    for layer, part in enumerate(rows.split([one.shape[1] for one in values])):
        p.decoders[layer][to] = part
