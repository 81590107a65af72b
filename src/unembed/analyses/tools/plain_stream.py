"""Streams that are sums of what embedding, heads and feed-forwards write: there are edges."""

from __future__ import annotations

from unembed.engine.loaded import Loaded


def why_no_edges(model: Loaded, layer: int) -> str | None:
    """Why the stream is no such sum in a layer; None where it is."""
    block = model.block(layer)
    if block.why_no_heads is not None:
        return block.why_no_heads
    if model.has_encoder:
        return "it has an encoder beside it"
    if not block.passes_unchanged:
        return f"the stream itself is normalised or scaled in layer {layer}"
    if block.beside is not None or block.per_layer is not None:
        return f"layer {layer} adds more than attention and a feed-forward"
    if block.attention.gated:
        return f"a gate follows the attention of layer {layer}"
    if model.anatomy.shares_keys:
        return "layers use keys and values of earlier ones"
    return None
