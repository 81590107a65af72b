// Written by `make api` from the classes of options in Python; do not edit.

export const QUESTIONS = {
  "predictions": {
    "position": {
      "kind": "integer",
      "default": -1,
      "sentence": "Position to read; a negative one counts from the end."
    },
    "top_k": {
      "kind": "integer",
      "default": 10,
      "low": 1,
      "limit": "max_k",
      "sentence": "Tokens listed for each distribution."
    },
    "target": {
      "kind": "token",
      "default": null,
      "sentence": "Token followed through the layers."
    },
    "distractor": {
      "kind": "token",
      "default": null,
      "sentence": "Another one, to set beside it."
    },
    "sub_updates": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "limit": "max_sub_updates",
      "sentence": "How many neurons and heads of each layer to take out; 0: none."
    }
  },
  "lens": {
    "positions": {
      "kind": "integers",
      "default": null,
      "limit": "max_prompt_tokens",
      "sentence": "Which positions to read; absent: all. The model sees the whole prompt."
    },
    "layer_step": {
      "kind": "integer",
      "default": 1,
      "low": 1,
      "sentence": "Rows of blocks 0, n, 2n ... and of the last block."
    },
    "include_embedding": {
      "kind": "boolean",
      "default": true,
      "sentence": "Whether \"embed\" is a row."
    },
    "subblocks": {
      "kind": "boolean",
      "default": false,
      "sentence": "Also a row after each attention; in a parallel block the row is the stream with attention's write alone, which is no state of the model."
    },
    "decoder": {
      "kind": "text",
      "default": "final_norm",
      "sentence": "What a row is run through before it is read: \"final_norm\", \"L17\" (block 17 and everything after), \"L17.mlp\", \"last_block\", \"last_mlp\". One pass for each row."
    },
    "top_k": {
      "kind": "integer",
      "default": 10,
      "low": 1,
      "high": 20,
      "limit": "max_k",
      "sentence": "Tokens listed for each cell."
    },
    "target": {
      "kind": "token",
      "default": null,
      "sentence": "What logit, probability and rank are of; absent: see `follow`."
    },
    "follow": {
      "kind": "choice",
      "default": "final",
      "choices": [
        "final",
        "next",
        "input"
      ],
      "sentence": "Without a target: each position's final top token, the prompt's next token, or the token at the position itself."
    },
    "kl_floor": {
      "kind": "number",
      "default": null,
      "low": 0,
      "high": 1,
      "sentence": "Clips both distributions of kl from below, without renormalising them: above 0, at most 1 / vocabulary. Absent: the exact divergence."
    }
  },
  "flow": {
    "layers": {
      "kind": "integers",
      "limit": "max_flow_layers",
      "sentence": "0-based, each once, in any order; drawn from the first to the last."
    },
    "top_neurons": {
      "kind": "integer",
      "default": 18,
      "low": 0,
      "sentence": "Of a feed-forward, and rows of W_O: the largest scores."
    },
    "bottom_neurons": {
      "kind": "integer",
      "default": 7,
      "low": 0,
      "sentence": "The same of the most negative scores."
    },
    "n_heads": {
      "kind": "integer",
      "default": 10,
      "low": 0,
      "sentence": "Heads shown: those that write most; 0: all."
    },
    "values_per_head": {
      "kind": "integer",
      "default": 2,
      "low": 1,
      "sentence": "Positions shown: those of the highest attention."
    },
    "threshold": {
      "kind": "number",
      "default": null,
      "low": 0,
      "high": 1000,
      "sentence": "Instead of the counts: the least ‖write‖ / ‖added‖ of what is shown."
    },
    "include": {
      "kind": "names",
      "default": [],
      "sentence": "Heads, neurons and rows of W_O shown beside the others: \"L14.H3\", \"L14.N512\", \"L14.z448\"."
    },
    "rest": {
      "kind": "boolean",
      "default": false,
      "sentence": "Nodes for what is not shown, so that links sum to what was added."
    },
    "attn_bias": {
      "kind": "boolean",
      "default": true,
      "sentence": "A node for the bias of W_O."
    },
    "mlp_bias": {
      "kind": "boolean",
      "default": true,
      "sentence": "Nodes for the feed-forward's biases."
    },
    "merge_neurons": {
      "kind": "boolean",
      "default": false,
      "sentence": "One node for a neuron's key and its value."
    },
    "merge_values": {
      "kind": "boolean",
      "default": false,
      "sentence": "One node for the key and the value of a position."
    },
    "target_mode": {
      "kind": "choice",
      "default": "first",
      "choices": [
        "first",
        "whole"
      ],
      "sentence": "What of a target of several tokens counts: its first one, or all of it."
    },
    "k": {
      "kind": "integer",
      "default": 5,
      "low": 1,
      "limit": "max_k",
      "sentence": "Tokens listed for each vector."
    },
    "default_width": {
      "kind": "number",
      "default": 7.0,
      "low": 0,
      "high": 1000,
      "sentence": "Width of links that have no number of their own."
    },
    "query_factor": {
      "kind": "number",
      "default": 0.2,
      "low": 0,
      "high": 1000,
      "sentence": "Times the norm of the query: qkv>query."
    },
    "attention_factor": {
      "kind": "number",
      "default": 10.0,
      "low": 0,
      "high": 1000,
      "sentence": "Times the attention: query>key, key>value."
    },
    "memory_factor": {
      "kind": "number",
      "default": 1.3,
      "low": 0,
      "high": 1000,
      "sentence": "Times attention and norm of the value: value>head."
    },
    "head_factor": {
      "kind": "number",
      "default": 1.8,
      "low": 0,
      "high": 1000,
      "sentence": "Times the norm of what a head writes: head>z."
    },
    "neuron_factor": {
      "kind": "number",
      "default": 1.5,
      "low": 0,
      "high": 1000,
      "sentence": "Times |activation|: neuron_key>neuron."
    },
    "position": {
      "kind": "integer",
      "default": -1,
      "sentence": "Whose forward pass is drawn; a negative one counts from the end."
    },
    "target": {
      "kind": "token",
      "default": null,
      "sentence": "What vectors are rated by: an id, or text, which may be several tokens (see `target_mode`). Absent: the model's own most likely token at the position."
    }
  },
  "component": {
    "target": {
      "kind": "text",
      "sentence": "A node: \"L12.N512\", \"L9.H6\", \"L5.attn\", \"L5.mlp\", \"embed\"."
    },
    "position": {
      "kind": "integer",
      "default": -1,
      "sentence": "Where it writes; a negative one counts from the end."
    },
    "top_k": {
      "kind": "integer",
      "default": 10,
      "low": 1,
      "limit": "max_k",
      "sentence": "Tokens listed of those that it promotes, and suppresses."
    }
  },
  "generate": {
    "max_new_tokens": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_new_tokens",
      "sentence": "Most tokens to add."
    },
    "temperature": {
      "kind": "number",
      "default": 0,
      "low": 0,
      "high": 10,
      "sentence": "0 is greedy."
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "sentence": "Decides what is drawn where the temperature is not 0."
    }
  },
  "search": {
    "words": {
      "kind": "names",
      "limit": "max_words",
      "sentence": "What to look for."
    },
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ],
      "sentence": "How vectors are read: \"raw\", the unembedding times the vector, as LM-Debugger has it; \"final_norm\", through the final norm's weight."
    },
    "layers": {
      "kind": "span",
      "default": null,
      "sentence": "Absent: every layer."
    },
    "limit": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_hits",
      "sentence": "How many to list."
    },
    "offset": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "sentence": "How many to skip."
    },
    "match": {
      "kind": "choice",
      "default": "word",
      "choices": [
        "word",
        "exact",
        "part"
      ],
      "sentence": "\"word\": every token that is the word up to case and white space before it; \"exact\": the token of exactly this text; \"part\": tokens that contain it."
    },
    "combine": {
      "kind": "choice",
      "default": "any",
      "choices": [
        "any",
        "all"
      ],
      "sentence": "Whether any of the words is enough, or all must be there."
    },
    "side": {
      "kind": "choice",
      "default": "promoted",
      "choices": [
        "promoted",
        "suppressed",
        "both"
      ],
      "sentence": "What vectors do to the tokens."
    },
    "ranking": {
      "kind": "choice",
      "default": "strength",
      "choices": [
        "strength",
        "bm25"
      ],
      "sentence": "How what is found is ordered."
    }
  },
  "token": {
    "token": {
      "kind": "token",
      "sentence": "One token: its id, or text that is exactly one token."
    },
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ],
      "sentence": "How vectors are read: \"raw\", the unembedding times the vector, as LM-Debugger has it; \"final_norm\", through the final norm's weight."
    },
    "layers": {
      "kind": "span",
      "default": null,
      "sentence": "Absent: every layer."
    },
    "limit": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_hits",
      "sentence": "How many to list."
    },
    "offset": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "sentence": "How many to skip."
    },
    "side": {
      "kind": "choice",
      "default": "promoted",
      "choices": [
        "promoted",
        "suppressed",
        "both"
      ],
      "sentence": "Whether vectors raise or lower it."
    }
  },
  "similar": {
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ],
      "sentence": "How vectors are read: \"raw\", the unembedding times the vector, as LM-Debugger has it; \"final_norm\", through the final norm's weight."
    },
    "target": {
      "kind": "text",
      "default": null,
      "sentence": ""
    },
    "tokens": {
      "kind": "record",
      "default": null,
      "sentence": "The unembedding of a token, minus that of another one if there is one."
    },
    "state": {
      "kind": "record",
      "default": null,
      "sentence": ""
    },
    "layers": {
      "kind": "span",
      "default": null,
      "sentence": "Absent: every layer."
    },
    "limit": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_hits",
      "sentence": "How many to list."
    }
  },
  "vector": {
    "target": {
      "kind": "text",
      "sentence": "A neuron: \"L12.N512\"; LM-Debugger's \"L12D512\" is read too."
    },
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ],
      "sentence": "How vectors are read: \"raw\", the unembedding times the vector, as LM-Debugger has it; \"final_norm\", through the final norm's weight."
    }
  },
  "browse": {
    "layer": {
      "kind": "integer",
      "low": 0,
      "sentence": "Which layer."
    },
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ],
      "sentence": "How vectors are read: \"raw\", the unembedding times the vector, as LM-Debugger has it; \"final_norm\", through the final norm's weight."
    },
    "first": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "sentence": "The first neuron."
    },
    "count": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_hits",
      "sentence": "How many to list."
    }
  },
  "clusters": {
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ],
      "sentence": "How vectors are read: \"raw\", the unembedding times the vector, as LM-Debugger has it; \"final_norm\", through the final norm's weight."
    },
    "method": {
      "kind": "choice",
      "default": "kmeans",
      "choices": [
        "kmeans",
        "complete"
      ],
      "sentence": "\"kmeans\": spherical; \"complete\": linkage, LM-Debugger's."
    },
    "n": {
      "kind": "integer",
      "default": null,
      "low": 1,
      "sentence": "How many clusters; absent: chosen by size."
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "sentence": "Where k-means begins."
    },
    "offset": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "sentence": "How many to skip."
    },
    "limit": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_hits",
      "sentence": "How many to list."
    }
  },
  "cluster": {
    "cluster": {
      "kind": "integer",
      "low": 0,
      "sentence": "Its number."
    },
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ],
      "sentence": "How vectors are read: \"raw\", the unembedding times the vector, as LM-Debugger has it; \"final_norm\", through the final norm's weight."
    },
    "method": {
      "kind": "choice",
      "default": "kmeans",
      "choices": [
        "kmeans",
        "complete"
      ],
      "sentence": "How the clusters were made."
    },
    "n": {
      "kind": "integer",
      "default": null,
      "low": 1,
      "sentence": "How many there are; absent: chosen by size."
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "sentence": "Where k-means began."
    },
    "sample_seed": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "sentence": "Which members are drawn at random."
    }
  }
} as const;

export const OPERATIONS = {
  "zero": {
    "takes": "nothing",
    "stage": true,
    "sign": false,
    "onePosition": false,
    "sentence": "sets the target to zero"
  },
  "scale": {
    "takes": "number",
    "stage": true,
    "sign": false,
    "onePosition": false,
    "sentence": "multiplies it by a number"
  },
  "set_to": {
    "takes": "vector",
    "stage": true,
    "sign": false,
    "onePosition": false,
    "sentence": "sets it to a number, or a site to a vector"
  },
  "add": {
    "takes": "vector",
    "stage": true,
    "sign": false,
    "onePosition": false,
    "sentence": "adds a vector, or one number"
  },
  "patch": {
    "takes": "source",
    "stage": true,
    "sign": false,
    "onePosition": false,
    "sentence": "sets it to what it is on another prompt"
  },
  "on": {
    "takes": "nothing",
    "stage": false,
    "sign": true,
    "onePosition": false,
    "sentence": "sets a neuron so that it writes as much as the strongest one of its layer does in the unedited run; with `sign` -1 the other way round"
  },
  "lmd_on": {
    "takes": "nothing",
    "stage": false,
    "sign": false,
    "onePosition": false,
    "sentence": "is LM-Debugger's own on"
  },
  "lmd_off": {
    "takes": "nothing",
    "stage": false,
    "sign": false,
    "onePosition": false,
    "sentence": "is LM-Debugger's own off"
  },
  "cut": {
    "takes": "nothing",
    "stage": false,
    "sign": false,
    "onePosition": true,
    "sentence": "takes a node or link of the flow graph out, at one position: the graph's where `positions` is absent, the last one where there is no graph"
  }
} as const;
