"""The kinds of nodes and links that a flow graph has. Knows no torch and no model."""

from __future__ import annotations

from typing import Literal

NodeKind = Literal[
    "resid_pre",  # what enters the block
    "norm",  # parallel blocks: the norm that attention and feed-forward share
    "attn_in",
    "mixer_in",  # of a token mixer that is not attention
    "qkv",  # query, key and value of the position, all heads
    "query",  # one head's query
    "key",  # one head's key at one position
    "value",  # one head's value at one position, through W_O
    "head",  # what one head writes
    "z",  # all heads' results, before W_O
    "z_row",  # one entry of z and its row of W_O
    "attn_bias",
    "attn_out",
    "mixer_out",
    "resid_mid",
    "cross_in",  # of decoders that attend to an encoder
    "cross_bias",
    "cross_out",
    "resid_mid_cross",
    "mlp_in",
    "neuron_key",  # the column of the input map (and of the gate)
    "neuron",  # the value vector
    "mlp_in_bias",
    "mlp_bias",
    "latent",  # of an attached autoencoder, in place of neurons or rows of W_O
    "latent_bias",
    "error",  # what the autoencoder does not explain
    "mlp_out",
    "ple_in",  # of layers that add something from a per-layer embedding
    "ple_out",
    "resid_post",
    "rest",  # what is not shown
]
LinkKind = Literal[
    "norm",  # through a norm: resid_pre>attn_in, resid_mid>mlp_in ...
    "residual_attn",  # past the attention, also that to an encoder
    "residual_mlp",  # past the feed-forward
    "skipped",  # the layers between two layers that are shown
    "branch",  # attn_out>resid_mid, cross_out>resid_mid_cross, mlp_out>resid_post
    "qkv",  # attn_in>qkv
    "query",  # qkv>query
    "attention",  # query>key, key>value; cross_in>value
    "memory",  # value>head: attention times value
    "head",  # head>z; head>cross_out
    "z_row_key",  # z>z_row
    "z_row",  # z_row>attn_out
    "neuron_key",  # mlp_in>neuron_key
    "activation",  # neuron_key>neuron; what a branch reads>latent
    "neuron",  # neuron>mlp_out
    "latent",  # latent>mlp_out; of the stream resid_post>latent, and so bias and error
    "bias",
    "rest",
    "mixer",  # mixer_in>mixer_out of a token mixer without heads, or of attention so drawn
    "ple",  # ple_in>ple_out
    "experts",  # mlp_in>mlp_out of a mixture of experts, which has no single neurons
]
# What the colour of a link says; `colour_value` is the entropy in nats, the attention score, or
# the signed activation.
LinkColour = Literal[
    "entropy", "attention", "sign", "norm", "residual_attn", "residual_mlp", "bias", "hidden"
]
