"""Which sites each model has by the wiring table: what the engine must offer, what it refuses."""

from __future__ import annotations

from .oracle import Oracle

ATTENTION = ("q", "k", "v", "scores", "sink", "pattern")
NEURONS = ("mlp_pre", "mlp_gate", "mlp_post")
LAYER_SITES = (
    "resid_pre",
    "mixer_in",
    "attn_in",
    *ATTENTION,
    "z",
    "attn_out",
    "mixer_out",
    "resid_mid",
    "mlp_in",
    *NEURONS,
    "mlp_out",
    "ple_in",
    "ple_out",
    "resid_post",
)
GLOBAL_SITES = ("embed", "final_norm")


def exists(oracle: Oracle, layer: int, site: str) -> bool:
    # every listed family's token mixer is attention, and none has per-layer embeddings
    if site in ("mixer_in", "mixer_out", "ple_in", "ple_out"):
        return False
    if site == "sink":  # no listed family has one
        return False
    if site == "resid_mid":
        return oracle.wiring.layout != "parallel"
    if site in NEURONS and layer in oracle.wiring.moe_layers:
        return False
    return oracle.wiring.gated or site != "mlp_gate"


def layer_sites(oracle: Oracle, layer: int) -> list[str]:
    """Names like L1.mlp_out, of everything that this layer has."""
    return [f"L{layer}.{site}" for site in LAYER_SITES if exists(oracle, layer, site)]


def all_sites(oracle: Oracle) -> list[str]:
    names = [name for layer in range(oracle.n_layers) for name in layer_sites(oracle, layer)]
    return [*names, *GLOBAL_SITES, "logits"]
