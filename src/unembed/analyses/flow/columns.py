"""What the sites of a block are called in a flow graph, and where they stand in it.

Columns count from the block's first node on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unembed.engine.nodes import Branch
from unembed.models.anatomy import Arrangement, BlockAnatomy

WORDS = {
    "resid_pre": "the residual stream before layer {}",
    "norm": "the residual stream before layer {}, normalised",
    "attn_in": "what the attention of layer {} reads",
    "attn_out": "what the attention of layer {} adds",
    "mixer_in": "what the token mixer of layer {} reads",
    "mixer_out": "what the token mixer of layer {} adds",
    "resid_mid": "the residual stream after the attention of layer {}",
    "cross_in": "what the attention of layer {} to the encoder reads",
    "cross_out": "what the attention of layer {} to the encoder adds",
    "resid_mid_cross": "the residual stream after the attention of layer {} to the encoder",
    "mlp_in": "what the feed-forward of layer {} reads",
    "mlp_out": "what the feed-forward of layer {} adds",
    "ple_in": "what the per-layer embedding of layer {} is multiplied with reads",
    "ple_out": "what the per-layer embedding of layer {} adds",
    "resid_post": "the residual stream after layer {}",
}
ADDRESSES = {
    "attn_out": "attn", "mixer_out": "mixer", "cross_out": "cross", "mlp_out": "mlp",
    "ple_out": "ple",
}  # fmt: skip
BRANCHES: dict[str, Branch] = {"cross_out": "cross", "mlp_out": "mlp", "ple_out": "mlp"}
"""The branch that a site belongs to; others are of the token mixer."""
SEQUENTIAL = {
    "resid_pre": 0, "attn_in": 1, "mixer_in": 1, "qkv": 2, "attn_out": 9, "mixer_out": 9,
    "resid_mid": 10, "mlp_in": 11, "neuron_key": 12, "mlp_out": 14, "resid_post": 15,
}  # fmt: skip
PARALLEL = {
    "resid_pre": 0, "norm": 1, "attn_in": 2, "mixer_in": 2, "mlp_in": 2, "qkv": 3, "attn_out": 10,
    "mixer_out": 10, "neuron_key": 8, "mlp_out": 10, "resid_post": 11,
}  # fmt: skip
SINGLE = {  # a token mixer or a feed-forward alone
    "resid_pre": 0, "attn_in": 1, "mixer_in": 1, "mlp_in": 1, "qkv": 2, "neuron_key": 2,
    "attn_out": 9, "mixer_out": 9, "mlp_out": 9, "resid_post": 10,
}  # fmt: skip
PER_LAYER = {"ple_in": 15, "ple_out": 16, "resid_post": 17}  # of sequential blocks that have one
CROSSED = SEQUENTIAL | {  # of decoders that attend to an encoder in between
    "cross_in": 11, "cross_value": 12, "cross_out": 14, "resid_mid_cross": 15, "mlp_in": 16,
    "neuron_key": 17, "mlp_out": 19, "resid_post": 20,
}  # fmt: skip
COLUMNS: dict[Arrangement, Mapping[str, int]] = {
    "sequential": SEQUENTIAL,
    "post_norm": SEQUENTIAL,
    "norm_first": SEQUENTIAL,
    "parallel": PARALLEL,
    "single": SINGLE,
}


def columns_of(block: BlockAnatomy, wider: Sequence[str] = ()) -> Mapping[str, int]:
    """The columns of a block's sites, and of the first node inside each branch.

    `wider`: sites with a column of their own behind them, in the order in which a block has them.
    """
    own = COLUMNS[block.arrangement] if block.cross is None else CROSSED
    columns = dict(own if block.per_layer is None else {**own, **PER_LAYER})
    for site in wider:
        here = columns[site]
        columns = {name: column + (column > here) for name, column in columns.items()}
    return columns
