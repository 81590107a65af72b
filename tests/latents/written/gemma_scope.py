"""Layouts of Gemma Scope, and of circuit-tracer, which has transcoders of it."""

from __future__ import annotations

from collections.abc import Callable

from .parts import JUMP, NAMES, TRANSCODED, Layout, Parts, Source, jump, relu, straight


def _gemma_scope(p: Parts) -> Source:
    held = {"W_enc": p.enc, "W_dec": p.dec, "b_enc": p.b_enc, "b_dec": p.b_dec}
    held["threshold"] = p.threshold
    folder = f"gemma-scope-2b-pt-res/layer_{p.layer}/width_16k/average_l0_0"
    return Source("", {}, {"params.npz": held}, folder)


def _gemma_scope_2(kind: str) -> Callable[[Parts], Source]:
    def write(p: Parts) -> Source:
        into = f"model.layers.{p.layer}.output"
        out = into
        if kind == "transcoder":
            into = f"model.layers.{p.layer}.pre_feedforward_layernorm.output"
            out = f"model.layers.{p.layer}.post_feedforward_layernorm.output"
        held = {"w_enc": p.enc, "w_dec": p.dec, "b_enc": p.b_enc, "b_dec": p.b_dec}
        held["threshold"] = p.threshold
        if p.skip is not None:
            held["affine_skip_connection"] = p.skip
        config = {
            "hf_hook_point_in": into,
            "hf_hook_point_out": out,
            "width": p.n,
            "model_name": "google/gemma-3-270m-pt",
            "architecture": "jump_relu",
            "affine_connection": p.skip is not None,
            "type": kind,
        }
        return Source("", {"config.json": config}, {"params.safetensors": held})

    return write


def _circuit_tracer(p: Parts) -> Source:
    held = {"W_enc": p.enc.T, "W_dec": p.dec, "b_enc": p.b_enc, "b_dec": p.b_dec}
    if p.threshold is not None:
        held["activation_function.threshold"] = p.threshold
    if p.skip is not None:
        held["W_skip"] = p.skip.T
    config = {
        "model_name": "tiny",
        "model_kind": "transcoder_set",
        "feature_input_hook": "mlp.hook_in",
        "feature_output_hook": "hook_mlp_out",
        "scan": "none",
    }
    name = f"layer_{p.layer}.safetensors"
    return Source("", {"config.yaml": config}, {name: held})


_LOWER = JUMP | {"enc": "w_enc", "dec": "w_dec"}


GEMMA_SCOPE = (
    Layout(
        "gemma-scope",
        _gemma_scope,
        lambda p, x: jump(straight(p, x), p.threshold),
        needs=("threshold",),
        activation="jumprelu",
        roles=JUMP,
    ),
    Layout(
        "gemma-scope-2",
        _gemma_scope_2("sae"),
        lambda p, x: jump(straight(p, x), p.threshold),
        needs=("threshold",),
        activation="jumprelu",
        roles=_LOWER,
    ),
    Layout(
        "gemma-scope-2-transcoder",
        _gemma_scope_2("transcoder"),
        lambda p, x: jump(straight(p, x), p.threshold),
        where=TRANSCODED,
        needs=("threshold", "skip"),
        activation="jumprelu",
        roles=_LOWER,
    ),
    Layout(
        "circuit-tracer",
        _circuit_tracer,
        lambda p, x: jump(straight(p, x), p.threshold),
        where=TRANSCODED,
        needs=("threshold", "skip"),
        activation="jumprelu",
        roles=NAMES | {"threshold": "activation_function.threshold"},
    ),
    Layout(
        "circuit-tracer-relu",
        _circuit_tracer,
        lambda p, x: relu(straight(p, x)),
        where=TRANSCODED,
        roles=NAMES,
    ),
)
