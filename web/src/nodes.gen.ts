// Written by `make api` from src/unembed/engine/nodes.py.

/** One kind of node, or of site: see NodeKind in Python. */
export interface NodeKind {
  kind: string;
  /** How it is written, its numbers in braces; the first is the canonical form. */
  forms: readonly string[];
  /** A regular expression for each form, without the position behind it. */
  patterns: readonly string[];
  title: string;
  plural: string;
  words: string;
  example: string;
  site: string | null;
  sites: readonly string[];
  number: 'head' | 'neuron' | 'entry' | 'index' | null;
  called: string;
  writes: 'attn' | 'mlp' | null;
  is_node: boolean;
  pairs: boolean;
  operations: readonly string[];
  stages: readonly ('pre' | 'post')[];
}

export const KINDS: readonly NodeKind[] = [
  {"kind": "head", "forms": ["L{layer}.H{head}"], "title": "head", "plural": "heads", "words": "attention head {head} of layer {layer}", "example": "L9.H6", "site": "z", "sites": [], "number": "head", "called": "head", "writes": "attn", "is_node": true, "pairs": false, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["L(?<layer>[0-9]{1,4})\\.H(?<head>[0-9]{1,5})"]},
  {"kind": "pair", "forms": ["L{layer}.H{head}"], "title": "pair of query and key", "plural": "pairs of query and key", "words": "what attention head {head} of layer {layer} gets from one position", "example": "L9.H6@14<3", "site": "pattern", "sites": [], "number": "head", "called": "head", "writes": "attn", "is_node": false, "pairs": true, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["L(?<layer>[0-9]{1,4})\\.H(?<head>[0-9]{1,5})"]},
  {"kind": "neuron", "forms": ["L{layer}.N{neuron}", "L{layer}D{neuron}"], "title": "neuron", "plural": "neurons", "words": "feed-forward neuron {neuron} of layer {layer}", "example": "L12.N512", "site": "mlp_post", "sites": [], "number": "neuron", "called": "neuron", "writes": "mlp", "is_node": true, "pairs": false, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["pre", "post"], "patterns": ["L(?<layer>[0-9]{1,4})\\.N(?<neuron>[0-9]{1,7})", "L(?<layer>[0-9]{1,4})D(?<neuron>[0-9]{1,7})"]},
  {"kind": "attn", "forms": ["L{layer}.attn"], "title": "attention of a layer", "plural": "attention of layers", "words": "attention of layer {layer}", "example": "L5.attn", "site": "attn_out", "sites": [], "number": null, "called": "", "writes": "attn", "is_node": true, "pairs": false, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["L(?<layer>[0-9]{1,4})\\.attn"]},
  {"kind": "mixer", "forms": ["L{layer}.mixer"], "title": "token mixer of a layer", "plural": "token mixers of layers", "words": "token mixer of layer {layer}", "example": "L5.mixer", "site": "mixer_out", "sites": [], "number": null, "called": "", "writes": "attn", "is_node": true, "pairs": false, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["L(?<layer>[0-9]{1,4})\\.mixer"]},
  {"kind": "mlp", "forms": ["L{layer}.mlp"], "title": "feed-forward of a layer", "plural": "feed-forwards of layers", "words": "feed-forward of layer {layer}", "example": "L5.mlp", "site": "mlp_out", "sites": [], "number": null, "called": "", "writes": "mlp", "is_node": true, "pairs": false, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["L(?<layer>[0-9]{1,4})\\.mlp"]},
  {"kind": "ple", "forms": ["L{layer}.ple"], "title": "per-layer embedding of a layer", "plural": "per-layer embeddings of layers", "words": "per-layer embedding of layer {layer}", "example": "L5.ple", "site": "ple_out", "sites": [], "number": null, "called": "", "writes": "mlp", "is_node": true, "pairs": false, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["L(?<layer>[0-9]{1,4})\\.ple"]},
  {"kind": "embed", "forms": ["embed"], "title": "token embedding", "plural": "token embeddings", "words": "token embedding", "example": "embed", "site": "embed", "sites": [], "number": null, "called": "", "writes": null, "is_node": true, "pairs": false, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["embed"]},
  {"kind": "entry", "forms": ["L{layer}.z{entry}"], "title": "row of W_O", "plural": "rows of W_O", "words": "entry {entry} of the heads’ results in layer {layer}", "example": "L14.z448", "site": "z", "sites": [], "number": "entry", "called": "z row", "writes": "attn", "is_node": false, "pairs": false, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["L(?<layer>[0-9]{1,4})\\.z(?<entry>[0-9]{1,7})"]},
  {"kind": "site", "forms": ["L{layer}.{site}"], "title": "site", "plural": "sites", "words": "{site}, layer {layer}", "example": "L5.resid_post", "site": null, "sites": ["resid_pre", "mixer_in", "attn_in", "q", "k", "v", "scores", "sink", "pattern", "z", "attn_out", "mixer_out", "resid_mid", "mlp_in", "mlp_pre", "mlp_gate", "mlp_post", "mlp_out", "ple_in", "ple_out", "resid_post"], "number": null, "called": "", "writes": null, "is_node": false, "pairs": true, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["L(?<layer>[0-9]{1,4})\\.(?<site>resid_pre|mixer_in|attn_in|q|k|v|scores|sink|pattern|z|attn_out|mixer_out|resid_mid|mlp_in|mlp_pre|mlp_gate|mlp_post|mlp_out|ple_in|ple_out|resid_post)"]},
  {"kind": "site", "forms": ["L{layer}.H{head}.{site}"], "title": "head of a site", "plural": "heads of a site", "words": "{site} of head {head}, layer {layer}", "example": "L5.H2.pattern", "site": null, "sites": ["q", "k", "v", "scores", "pattern", "sink", "z"], "number": "head", "called": "head", "writes": null, "is_node": false, "pairs": true, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["L(?<layer>[0-9]{1,4})\\.H(?<head>[0-9]{1,5})\\.(?<site>q|k|v|scores|pattern|sink|z)"]},
  {"kind": "site", "forms": ["L{layer}.N{neuron}.{site}"], "title": "neuron of a site", "plural": "neurons of a site", "words": "{site} of neuron {neuron}, layer {layer}", "example": "L12.N512.mlp_pre", "site": null, "sites": ["mlp_pre", "mlp_gate", "mlp_post"], "number": "neuron", "called": "neuron", "writes": null, "is_node": false, "pairs": false, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["L(?<layer>[0-9]{1,4})\\.N(?<neuron>[0-9]{1,7})\\.(?<site>mlp_pre|mlp_gate|mlp_post)"]},
  {"kind": "site", "forms": ["{site}"], "title": "site of the whole model", "plural": "sites of the whole model", "words": "{site}", "example": "final_norm", "site": null, "sites": ["final_norm", "logits"], "number": null, "called": "", "writes": null, "is_node": false, "pairs": false, "operations": ["zero", "scale", "set_to", "add", "patch"], "stages": ["post"], "patterns": ["(?<site>final_norm|logits)"]},
];

export const NUMBERS = {"layer": "[0-9]{1,4}", "head": "[0-9]{1,5}", "neuron": "[0-9]{1,7}", "entry": "[0-9]{1,7}", "index": "[0-9]{1,9}"} as const;
export const POSITION = "-?[0-9]{1,7}" as const;
export const AT = "(?:@(?<pos>-?[0-9]{1,7})(?:<(?<key>-?[0-9]{1,7}))?)?" as const;
export const SITE_WORDS = {"embed": "token embedding", "resid_pre": "residual stream before attention", "mixer_in": "input of a token mixer that is not attention", "attn_in": "input of attention", "q": "query", "k": "key", "v": "value", "scores": "attention scores", "sink": "attention that goes to the sink", "pattern": "attention pattern", "z": "results of all heads", "attn_out": "what attention adds", "mixer_out": "what a token mixer that is not attention adds", "resid_mid": "residual stream after attention", "mlp_in": "input of the feed-forward", "mlp_pre": "neurons before the activation function", "mlp_gate": "gate of the neurons, before the activation function", "mlp_post": "activations of the neurons", "mlp_out": "what the feed-forward adds", "ple_in": "what is multiplied with the per-layer embedding reads", "ple_out": "what the per-layer embedding adds", "resid_post": "residual stream after feed-forward", "final_norm": "what the unembedding reads", "logits": "logits"} as const;
export const PAIR_SITES = ["scores", "pattern"] as const;
export const OPERATIONS = ["zero", "scale", "set_to", "add", "patch"] as const;
