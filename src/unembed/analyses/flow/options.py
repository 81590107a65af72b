"""What a flow graph shows and how wide its links are: every number, with VISIT's defaults.

Knows no torch and no model. Colours are not here: see `unembed.figures.flow_palettes`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unembed.options import Count, Factor, Name, Options, Positive, option

TargetMode = Literal["first", "whole"]
SMALLEST_WIDTH = 0.51  # of links whose width is an attention score: thinner ones cannot be seen

# Lists of JSON and of Python become tuples, so that options can be keys of a cache.
_Names = Annotated[tuple[Name, ...], Field(strict=False, max_length=256, fail_fast=True)]


class FlowOptions(Options):
    """Which heads, neurons and values are shown, and the factors of the links' widths.

    Raises InputError for a number outside its range.
    """

    top_neurons: Count = option(
        18, "Of a feed-forward, rows of W_O, and latents: the largest scores."
    )
    bottom_neurons: Count = option(7, "The same of the most negative scores.")
    n_heads: Count = option(10, "Heads shown: those that write most; 0: all.")
    values_per_head: Positive = option(2, "Positions shown: those of the highest attention.")
    threshold: Factor | None = option(
        None, "Instead of the counts: the least ‖write‖ / ‖added‖ of what is shown."
    )
    include: _Names = option(
        (),
        'Heads, neurons, rows of W_O and latents shown beside the others: "L14.H3", "L14.N512", '
        '"L14.z448", "L14.F77".',
        legal='a list of names, as in ["L14.H3", "L14.N512"]',
    )
    latents: bool = option(
        True, "Latents of attached autoencoders, in place of the nodes of what they take apart."
    )
    rest: bool = option(False, "Nodes for what is not shown, so that links sum to what was added.")
    attn_bias: bool = option(True, "A node for the bias of W_O.")
    mlp_bias: bool = option(True, "Nodes for the feed-forward's biases.")
    merge_neurons: bool = option(False, "One node for a neuron's key and its value.")
    merge_values: bool = option(False, "One node for the key and the value of a position.")
    target_mode: TargetMode = option(
        "first", "What of a target of several tokens counts: its first one, or all of it."
    )
    k: Positive = option(5, "Tokens listed for each vector.", limit="max_k")
    default_width: Factor = option(7.0, "Width of links that have no number of their own.")
    query_factor: Factor = option(0.2, "Times the norm of the query: qkv>query.")
    attention_factor: Factor = option(10.0, "Times the attention: query>key, key>value.")
    memory_factor: Factor = option(1.3, "Times attention and norm of the value: value>head.")
    head_factor: Factor = option(1.8, "Times the norm of what a head writes: head>z.")
    neuron_factor: Factor = option(1.5, "Times |activation|: neuron_key>neuron.")
