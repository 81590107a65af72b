"""Cross-layer transcoders in a file for each layer, circuit-tracer's and Gemma Scope 2's; and the
crosscoders of Gemma Scope 2.

circuit-tracer: config.yaml; W_enc_i [n, d], b_enc_i, b_dec_i, threshold_i; W_dec_i [n, later, d],
whose layers are counted from layer i on. Gemma Scope 2: config.json; params_layer_i with w_enc
[d, n], w_dec [n, layers, d], whose layers are counted from 0 on. A skip is untransposed in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Weights
from unembed.latents.cross_layer import LayeredAutoencoder
from unembed.latents.files import Files, Tensors
from unembed.latents.layouts.common import Asked, agree, hook, number, threshold_of, unweighted
from unembed.latents.layouts.layered import Ends, ends_of, layered, of_layers

NAME = "cross-layer transcoders"
_ENCODERS = re.compile(r"W_enc_(\d+)\.safetensors")
_PARAMS = re.compile(r"params_layer_(\d+)\.safetensors")
_LITTLE = 1e-3  # of a decoder, that is there only because it was trained beside the others


def recognises(files: Files) -> bool:
    return any(
        pattern.fullmatch(name) for pattern in (_ENCODERS, _PARAMS) for name in files.candidates
    )


def read(files: Files, asked: Asked) -> LayeredAutoencoder:
    if any(_PARAMS.fullmatch(name) for name in files.names):
        return _gemma_scope_2(files, asked)
    return _circuit_tracer(files, asked)


# ------------------------------------------------------------------ circuit-tracer


def _circuit_tracer(files: Files, asked: Asked) -> LayeredAutoencoder:
    config = files.first_config("config.yaml")
    if config.get("model_kind", "cross_layer_transcoder") != "cross_layer_transcoder":
        raise files.refusal(
            f"its model_kind {config.get('model_kind')!r} is another than its files"
        )
    n_layers = of_layers(files, _ENCODERS)
    names = [f"W_{way}_{layer}.safetensors" for layer in range(n_layers) for way in ("enc", "dec")]
    files.ask_memory(names)
    hooks = [str(config.get(f"feature_{way}_hook", "")) for way in ("input", "output")]
    ends = ends_of(asked, n_layers, lambda layer: _places(hooks, layer))
    return layered(
        files,
        layout="circuit-tracer",
        weights=[_of_circuit_tracer(files, layer, n_layers) for layer in range(n_layers)],
        ends=ends,
        model_name=config.get("model_name"),
        notes=unweighted(hooks[0]),
    )


def _places(hooks: list[str], layer: int) -> Ends:
    reads, writes = (hook(f"blocks.{layer}.{name}") for name in hooks)
    return reads, writes


def _of_circuit_tracer(files: Files, layer: int, n_layers: int) -> Weights:
    tensors = files.tensors(f"W_enc_{layer}.safetensors")
    b_enc, b_dec = tensors.get(f"b_enc_{layer}", None), tensors.get(f"b_dec_{layer}", None)
    n, d = len(b_enc), len(b_dec)
    decoders = files.tensors(f"W_dec_{layer}.safetensors")
    w_dec = decoders.get(f"W_dec_{layer}", n, None, d)
    _refuse_missing(files, decoders, w_dec.shape[1] + layer, n_layers)
    return Weights(
        W_enc=tensors.get(f"W_enc_{layer}", n, d).T,
        W_dec=w_dec.reshape(n, -1),
        b_enc=b_enc,
        b_dec=b_dec,
        threshold=threshold_of(files, tensors.maybe(f"threshold_{layer}", n)),
        skip=tensors.maybe(f"W_skip_{layer}", d, d),
    )


def _refuse_missing(files: Files, decoders: Tensors, said: int, n_layers: int) -> None:
    if said != n_layers:
        raise files.refusal(
            f"{decoders.name} writes as one of {said} layers does, and there are files of "
            f"{n_layers}",
            fix="the files of all layers, of one transcoder",
        )


# ------------------------------------------------------------------ Gemma Scope 2


def _gemma_scope_2(files: Files, asked: Asked) -> LayeredAutoencoder:
    config = files.first_config("config.json")
    kind = config.get("type", "clt")
    if kind not in ("clt", "crosscoder"):
        raise files.refusal(f"its type {kind!r} is another than its files", legal="clt, crosscoder")
    if config.get("architecture", "jump_relu") not in ("jump_relu", "jumprelu"):
        raise files.refusal(f"its architecture {config.get('architecture')!r} is not known")
    n_layers = of_layers(files, _PARAMS)
    names = [f"params_layer_{layer}.safetensors" for layer in range(n_layers)]
    files.ask_memory(names)
    crosses = kind == "crosscoder"
    found = [_of_gemma(files, name, order, n_layers, crosses) for order, name in enumerate(names)]
    n = sum(len(weights.b_enc) for weights, _, _ in found)
    if (width := number(files, config, "width")) is not None:
        agree(files, "width", int(width), n)
    skips = any(weights.skip is not None for weights, _, _ in found)
    if config.get("affine_connection") not in (None, skips):
        raise files.refusal("its settings and its tensors disagree on affine_skip_connection")
    said = _crossed(files, config, asked, n_layers) if crosses else None
    return layered(
        files,
        layout="Gemma Scope 2",
        kind="crosscoder" if crosses else "clt",
        weights=[weights for weights, _, _ in found],
        orders=[order for _, order, _ in found],
        ends=said or ends_of(asked, n_layers, lambda layer: _hooked(config, layer)),
        declared_l0=number(files, config, "l0"),
        model_name=config.get("model_name"),
        notes=tuple(dict.fromkeys(note for _, _, note in found if note)),
    )


def _crossed(files: Files, config: Mapping[str, Any], asked: Asked, n_sites: int) -> list[Ends]:
    """The sites of a crosscoder, of a name as "model.layers.{5,9,12,15}.output"."""
    name = str(config.get("hf_hook_point_in", ""))
    listed = re.search(r"\{([0-9, ]+)\}", name)
    layers = [int(one) for one in listed[1].split(",")] if listed else []
    if len(layers) != n_sites:
        raise files.refusal(
            f"its settings name the sites {name!r}, and there are files of {n_sites}",
            legal='hf_hook_point_in as "model.layers.{5,9,12,15}.output"',
        )
    keys = [hook(re.sub(r"\{[^}]*\}", str(layer), name)) for layer in layers]
    if asked.reads is not None:
        further = (asked.reads.layer or 0) - layers[0]
        keys = [asked.reads._replace(layer=layer + further) for layer in layers]
    return [(key, key) for key in keys]


def _hooked(config: Mapping[str, Any], layer: int) -> tuple[SiteKey | None, SiteKey | None]:
    """The places of a layer, of names as "model.layers.{all}.mlp.output"."""
    reads, writes = (
        hook(re.sub(r"\{[^}]*\}", str(layer), str(config.get(f"hf_hook_point_{way}", ""))))
        for way in ("in", "out")
    )
    return reads, writes


def _of_gemma(
    files: Files, name: str, layer: int, n_layers: int, crosses: bool
) -> tuple[Weights, Sequence[int], str]:
    """The weights of one file, to which layers its latents write, and a note."""
    tensors = files.tensors(name)
    b_enc, b_dec = tensors.get("b_enc", None), tensors.get("b_dec", None)
    n, d = len(b_enc), len(b_dec)
    w_dec = tensors.get("w_dec", n, None, d)
    _refuse_missing(files, tensors, w_dec.shape[1], n_layers)
    order: Sequence[int] = range(layer, n_layers)
    if crosses and float(w_dec[:, :layer].norm()) > _LITTLE * float(w_dec.norm()):
        order, note = [layer, *(to for to in range(n_layers) if to != layer)], ""
        own = w_dec[:, order]
    else:
        own, note = _from_own_layer(files, tensors, w_dec, layer)
    weights = Weights(
        W_enc=tensors.get("w_enc", d, n),
        W_dec=own.reshape(n, -1),
        b_enc=b_enc,
        b_dec=b_dec,
        threshold=threshold_of(files, tensors.get("threshold", n)),
        skip=tensors.maybe("affine_skip_connection", d, d),
    )
    return weights, order, note


def _from_own_layer(
    files: Files, tensors: Tensors, w_dec: Tensor, layer: int
) -> tuple[Tensor, str]:
    """The decoders of a layer and of later ones [n, later, d]: which they are, their zeros say."""
    n_layers = w_dec.shape[1]
    little = _LITTLE * float(w_dec.norm())
    if float(w_dec[:, :layer].norm()) <= little:
        return w_dec[:, layer:], ""
    if float(w_dec[:, n_layers - layer :].norm()) <= little:
        note = "its decoders are counted from the layer of the latents on: the last ones are 0"
        return w_dec[:, : n_layers - layer], note
    raise files.refusal(
        f"latents of layer {layer} write to layers before it ({tensors.name}): no transcoder does",
        legal="decoders of earlier layers that are 0",
    )
