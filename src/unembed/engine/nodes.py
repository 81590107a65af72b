"""Kinds of node and site: one row of a table for each, from which targets (`targets`) are read.

A row says how a name is written, which site the node lives at and which number picks it out
there, what it writes to the residual stream, which edits it takes, and what it is called. Parsing
(`names.sites`), capture, edits, the flow graph's cuts and the app (`web/src/nodes.gen.ts`) read
the rows; nothing else knows the grammar. Torch-free.

L5.resid_post          a site                    L5.H2.pattern   one head of a site
L9.H6                  a head: its z             L9.H6@14        at one position
L9.H6@14<3             one query and key: an entry of the pattern
L12.N512, L12D512      a feed-forward neuron     L12.N512.mlp_pre  one neuron of a site
L14.z448               an entry of z, over all heads: what row 448 of W_O is multiplied with
L5.attn, L5.mlp        what a branch adds        embed
L5.mixer               the same of a token mixer that is not attention: Mamba, linear attention ...
L5.ple                 the same of a per-layer embedding
L5.X2, L5.X2@3<7       a head of cross-attention, and one query (here) and key (of the source)
L5.cross               what attention to the encoder adds
E5.H2, E5.mlp, E.embed the same in the encoder of an encoder-decoder; E.out is what it hands over
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

Operation = Literal["zero", "scale", "set_to", "add", "patch", "mask", "knock_out"]
Stage = Literal["pre", "post"]
Take = Literal["same", "mean", "drawn"]
Branch = Literal["attn", "cross", "mlp"]
OPERATIONS: tuple[Operation, ...] = ("zero", "scale", "set_to", "add", "patch")
ATTENDING: tuple[Operation, ...] = (*OPERATIONS, "knock_out")  # of what has a pattern
STAGES: tuple[Stage, ...] = ("pre", "post")
TAKES: tuple[Take, ...] = ("same", "mean", "drawn")
NumberName = Literal["head", "neuron", "entry", "index"]

# ------------------------------------------------------------------ sites

ATTENTION_SITES = ("q", "k", "v", "scores", "pattern")  # of all attention with heads
CROSS = "cross_"  # before the sites of attention to an encoder
CROSS_ATTENTION_SITES = ("cross_q", "cross_k", "cross_v", "cross_scores", "cross_pattern")
CROSS_SITES = ("cross_in", *CROSS_ATTENTION_SITES, "cross_z", "cross_out", "resid_mid_cross")
LAYER_SITES = (
    "resid_pre",
    "mixer_in",
    "attn_in",
    "q",
    "k",
    "v",
    "scores",
    "sink",
    "pattern",
    "z",
    "attn_out",
    "mixer_out",
    "resid_mid",
    *CROSS_SITES,
    "mlp_in",
    "mlp_pre",
    "mlp_gate",
    "mlp_post",
    "mlp_out",
    "ple_in",
    "ple_out",
    "resid_post",
)
GLOBAL_SITES = ("embed", "final_norm", "logits")
ENCODER_SITES = ("embed", "out")  # of an encoder as a whole
SITES = ("embed", *LAYER_SITES, "final_norm", "logits", "out")
# seen where attention is computed; few have a sink
KERNEL_SITES = (*ATTENTION_SITES, "sink", *CROSS_ATTENTION_SITES)
HEAD_SITES = (*ATTENTION_SITES, "sink", "z", *CROSS_ATTENTION_SITES, "cross_z")
Z_SITES = ("z", "cross_z")
KEY_SITES = ("k", "v", "cross_k", "cross_v")  # one for each key/value head
NEURON_SITES = ("mlp_pre", "mlp_gate", "mlp_post")
MIXER_SITES = ("mixer_in", "mixer_out")  # of layers whose token mixer is not attention
PLE_SITES = ("ple_in", "ple_out")  # of layers that add something from a per-layer embedding
# [head, query, key]; others are [pos, ...]
PAIR_SITES = ("scores", "pattern", "cross_scores", "cross_pattern")
NARROWED_SITES = (*PAIR_SITES, "sink")  # computed for the heads and queries asked for
SOURCE_SITES = ("cross_k", "cross_v")  # [source position, ...]; keys of cross pairs are such, too
READ_ONLY = ("logits",)  # nothing is computed from them

SITE_WORDS = {
    "embed": "token embedding",
    "resid_pre": "residual stream before attention",
    "mixer_in": "input of a token mixer that is not attention",
    "attn_in": "input of attention",
    "q": "query",
    "k": "key",
    "v": "value",
    "scores": "attention scores",
    "sink": "attention that goes to the sink",
    "pattern": "attention pattern",
    "z": "results of all heads",
    "attn_out": "what attention adds",
    "mixer_out": "what a token mixer that is not attention adds",
    "resid_mid": "residual stream after attention",
    "cross_in": "input of attention to the encoder",
    "cross_q": "query to the encoder",
    "cross_k": "key of the source",
    "cross_v": "value of the source",
    "cross_scores": "scores of attention to the encoder",
    "cross_pattern": "pattern of attention to the encoder",
    "cross_z": "results of all heads of attention to the encoder",
    "cross_out": "what attention to the encoder adds",
    "resid_mid_cross": "residual stream after attention to the encoder",
    "mlp_in": "input of the feed-forward",
    "mlp_pre": "neurons before the activation function",
    "mlp_gate": "gate of the neurons, before the activation function",
    "mlp_post": "activations of the neurons",
    "mlp_out": "what the feed-forward adds",
    "ple_in": "what is multiplied with the per-layer embedding reads",
    "ple_out": "what the per-layer embedding adds",
    "resid_post": "residual stream after feed-forward",
    "final_norm": "what the unembedding reads",
    "logits": "logits",
    "out": "what it hands to the decoder",
}

# ------------------------------------------------------------------ kinds

DIGITS = {"layer": 4, "head": 5, "neuron": 7, "entry": 7, "index": 9}
"""How many digits each number of a name may have."""
POSITION = "-?[0-9]{1,7}"
AT = rf"(?:@(?P<pos>{POSITION})(?:<(?P<key>{POSITION}))?)?"


def number(name: str) -> str:
    """The pattern of a number of a name: a group called as the number is."""
    return rf"(?P<{name}>[0-9]{{1,{DIGITS[name]}}})"


@dataclass(frozen=True)
class NodeKind:
    """One kind of node, or of site.

    Args:
        kind: its name in the code, in JSON and in the app.
        forms: how it is written, with its numbers in braces; the first is the canonical one.
        site: where it lives; None where the name itself says the site, one of `sites`.
        number: which number of the name picks it out of its site; None: it is all of it.
        called: what its numbers are called where one is out of range.
        writes: through which branch's output map it writes to the residual stream.
        is_node: whether it is a part that writes and has a page of its own.
        has_vector: whether it writes along a vector of its own, of the weights alone, which can be
            indexed, clustered and switched on.
        attends: whether it has a pattern of its own.
        pairs: whether a key position may follow the query's, where the site is one of pairs.
        stages: "pre" for neurons, whose activation function has an argument.
        encoder: whether encoders have it too: then its names start with E in place of L.
        derived: what tells the maps that compute its values from any others, of a kind that a model
            has attached (`engine.derived`); empty for what every model has.
    """

    kind: str
    forms: tuple[str, ...]
    title: str
    plural: str
    words: str
    example: str
    site: str | None = None
    sites: tuple[str, ...] = ()
    number: NumberName | None = None
    called: str = ""
    writes: Branch | None = None
    is_node: bool = False
    has_vector: bool = False
    attends: bool = False
    pairs: bool = False
    operations: tuple[Operation, ...] = OPERATIONS
    stages: tuple[Stage, ...] = ("post",)
    encoder: bool = True
    derived: str = ""

    @property
    def patterns(self) -> tuple[str, ...]:
        """A regular expression for each form, without the position behind it."""
        return tuple(_pattern(form, self.sites, self.encoder) for form in self.forms)


KINDS = (
    NodeKind(
        "head",
        ("L{layer}.H{head}",),
        "head",
        "heads",
        "attention head {head} of layer {layer}",
        "L9.H6",
        site="z",
        number="head",
        called="head",
        writes="attn",
        is_node=True,
        attends=True,
        operations=ATTENDING,
    ),
    NodeKind(
        "pair",
        ("L{layer}.H{head}",),
        "pair of query and key",
        "pairs of query and key",
        "what attention head {head} of layer {layer} gets from one position",
        "L9.H6@14<3",
        site="pattern",
        number="head",
        called="head",
        writes="attn",
        pairs=True,
        operations=ATTENDING,
    ),
    NodeKind(
        "neuron",
        ("L{layer}.N{neuron}", "L{layer}D{neuron}"),
        "neuron",
        "neurons",
        "feed-forward neuron {neuron} of layer {layer}",
        "L12.N512",
        site="mlp_post",
        number="neuron",
        called="neuron",
        writes="mlp",
        is_node=True,
        has_vector=True,
        stages=("pre", "post"),
    ),
    NodeKind(
        "attn",
        ("L{layer}.attn",),
        "attention of a layer",
        "attention of layers",
        "attention of layer {layer}",
        "L5.attn",
        site="attn_out",
        writes="attn",
        is_node=True,
        operations=ATTENDING,
    ),
    NodeKind(
        "mixer",
        ("L{layer}.mixer",),
        "token mixer of a layer",
        "token mixers of layers",
        "token mixer of layer {layer}",
        "L5.mixer",
        site="mixer_out",
        writes="attn",
        is_node=True,
    ),
    NodeKind(
        "cross",
        ("L{layer}.cross",),
        "cross-attention of a layer",
        "cross-attention of layers",
        "attention of layer {layer} to the encoder",
        "L5.cross",
        site="cross_out",
        writes="cross",
        is_node=True,
        operations=ATTENDING,
        encoder=False,
    ),
    NodeKind(
        "cross_head",
        ("L{layer}.X{head}",),
        "head of cross-attention",
        "heads of cross-attention",
        "head {head} of layer {layer} that attends to the encoder",
        "L5.X2",
        site="cross_z",
        number="head",
        called="head",
        writes="cross",
        is_node=True,
        operations=ATTENDING,
        attends=True,
        encoder=False,
    ),
    NodeKind(
        "cross_pair",
        ("L{layer}.X{head}",),
        "pair of query and source position",
        "pairs of query and source position",
        "what head {head} of layer {layer} gets from one position of the source",
        "L5.X2@3<7",
        site="cross_pattern",
        number="head",
        called="head",
        writes="cross",
        pairs=True,
        operations=ATTENDING,
        encoder=False,
    ),
    NodeKind(
        "mlp",
        ("L{layer}.mlp",),
        "feed-forward of a layer",
        "feed-forwards of layers",
        "feed-forward of layer {layer}",
        "L5.mlp",
        site="mlp_out",
        writes="mlp",
        is_node=True,
    ),
    NodeKind(
        "ple",
        ("L{layer}.ple",),
        "per-layer embedding of a layer",
        "per-layer embeddings of layers",
        "per-layer embedding of layer {layer}",
        "L5.ple",
        site="ple_out",
        writes="mlp",
        is_node=True,
    ),
    NodeKind(
        "embed",
        ("embed",),
        "token embedding",
        "token embeddings",
        "token embedding",
        "embed",
        site="embed",
        is_node=True,
        operations=(*OPERATIONS, "mask"),
    ),
    NodeKind(
        "entry",
        ("L{layer}.z{entry}",),
        "row of W_O",
        "rows of W_O",
        "entry {entry} of the heads’ results in layer {layer}",
        "L14.z448",
        site="z",
        number="entry",
        called="z row",
        writes="attn",
    ),
    NodeKind(
        "site",
        ("L{layer}.{site}",),
        "site",
        "sites",
        "{site}, layer {layer}",
        "L5.resid_post",
        sites=LAYER_SITES,
        pairs=True,
    ),
    NodeKind(
        "site",
        ("L{layer}.H{head}.{site}",),
        "head of a site",
        "heads of a site",
        "{site} of head {head}, layer {layer}",
        "L5.H2.pattern",
        sites=HEAD_SITES,
        number="head",
        called="head",
        pairs=True,
    ),
    NodeKind(
        "site",
        ("L{layer}.N{neuron}.{site}",),
        "neuron of a site",
        "neurons of a site",
        "{site} of neuron {neuron}, layer {layer}",
        "L12.N512.mlp_pre",
        sites=NEURON_SITES,
        number="neuron",
        called="neuron",
    ),
    NodeKind(
        "site",
        ("{site}",),
        "site of the whole model",
        "sites of the whole model",
        "{site}",
        "final_norm",
        sites=("final_norm", "logits"),
        encoder=False,
    ),
    NodeKind(
        "site",
        ("E.{site}",),
        "site of the encoder",
        "sites of the encoder",
        "encoder: {site}",
        "E.out",
        sites=ENCODER_SITES,
        encoder=True,
    ),
)
SITE = next(row for row in KINDS if row.kind == "site")
UNREAD = NodeKind(
    "unread",
    ("L{layer}.{site}{index}",),  # where it lives is not known: `site` holds the letters of it
    "name that a model may know",
    "names that a model may know",
    "{site}{index} of layer {layer}",
    "L6.F77",
    number="index",
)
"""Not a kind: a name of the form of nodes that are attached, until a model is there to read it."""
LATENT = NodeKind(
    "latent",
    ("L{layer}.F{index}",),
    "latent",
    "latents",
    "latent {index} of layer {layer}",
    "L6.F77",
    site="resid_post",  # or where the autoencoder of the layer was trained
    number="index",
    called="latent",
    is_node=True,
    encoder=False,
    derived="latents",
)
"""Latents of autoencoders that were attached; `derived` says which those are."""
LATENT_AT_SITE = replace(
    LATENT,
    forms=("L{layer}.{site}.F{index}",),
    words="latent {index} of {site} in layer {layer}",
    example="L6.mlp_out.F77",
    site=None,
    sites=LAYER_SITES,
)
"""Those of a second autoencoder of a layer, named by its site."""
EXAMPLES = '"L5.resid_post", "L9.H6", "L9.H6@14<3", "L12.N512", "L5.attn", "L5.mlp" or "embed"'


# ------------------------------------------------------------------ the grammar


@cache
def _pattern(form: str, sites: tuple[str, ...], encoder: bool) -> str:
    pattern = re.escape(form).replace(r"\{", "{").replace(r"\}", "}")
    if encoder and pattern.startswith("L{layer}"):
        pattern = f"(?P<stack>[LE]){pattern[1:]}"
    for name in DIGITS:
        pattern = pattern.replace(f"{{{name}}}", number(name))
    return pattern.replace("{site}", f"(?P<site>{'|'.join(sites)})")


@cache
def compiled(row: NodeKind) -> tuple[re.Pattern[str], ...]:
    """Its patterns with the position behind them. Letters may be of either case."""
    flags = re.IGNORECASE | re.ASCII
    return tuple(re.compile(f"{pattern}{AT}", flags) for pattern in row.patterns)
