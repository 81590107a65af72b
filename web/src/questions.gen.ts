// Written by `make api` from the classes of options in Python; do not edit.

export const QUESTIONS = {
  "predictions": {
    "position": {
      "kind": "integer",
      "default": -1
    },
    "top_k": {
      "kind": "integer",
      "default": 10,
      "low": 1,
      "limit": "max_k"
    },
    "target": {
      "kind": "token",
      "default": null
    },
    "distractor": {
      "kind": "token",
      "default": null
    },
    "layers": {
      "kind": "boolean",
      "default": true
    },
    "sub_updates": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "limit": "max_sub_updates"
    }
  },
  "labels": {
    "top_k": {
      "kind": "integer",
      "default": 10,
      "low": 1,
      "limit": "max_k"
    }
  },
  "lens": {
    "positions": {
      "kind": "integers",
      "default": null,
      "limit": "max_prompt_tokens"
    },
    "layer_step": {
      "kind": "integer",
      "default": 1,
      "low": 1
    },
    "include_embedding": {
      "kind": "boolean",
      "default": true
    },
    "subblocks": {
      "kind": "boolean",
      "default": false
    },
    "decoder": {
      "kind": "text or names",
      "default": "final_norm"
    },
    "top_k": {
      "kind": "integer",
      "default": 10,
      "low": 1,
      "high": 20,
      "limit": "max_k"
    },
    "target": {
      "kind": "token",
      "default": null
    },
    "follow": {
      "kind": "choice",
      "default": "final",
      "choices": [
        "final",
        "next",
        "input"
      ]
    },
    "kl_floor": {
      "kind": "number",
      "default": null,
      "low": 0,
      "high": 1
    }
  },
  "attention": {
    "layers": {
      "kind": "integers"
    },
    "part": {
      "kind": "choice",
      "default": "self",
      "choices": [
        "self",
        "cross",
        "encoder"
      ]
    },
    "heads": {
      "kind": "integers",
      "default": null
    },
    "measure": {
      "kind": "choice",
      "default": "attention",
      "choices": [
        "attention",
        "moved",
        "target"
      ]
    },
    "combine": {
      "kind": "choice",
      "default": "mean",
      "choices": [
        "mean",
        "sum"
      ]
    },
    "weights": {
      "kind": "numbers",
      "default": null
    },
    "special": {
      "kind": "choice",
      "default": "shown",
      "choices": [
        "shown",
        "hidden",
        "renormalised"
      ]
    },
    "between": {
      "kind": "choice",
      "default": "all",
      "choices": [
        "all",
        "within",
        "across"
      ]
    },
    "mass": {
      "kind": "number",
      "default": 0.7,
      "low": 0,
      "high": 1
    },
    "queries": {
      "kind": "integers",
      "default": null,
      "limit": "max_prompt_tokens"
    },
    "target": {
      "kind": "token",
      "default": null
    },
    "distractor": {
      "kind": "token",
      "default": null
    },
    "against": {
      "kind": "record",
      "default": null
    }
  },
  "heads": {
    "kind": {
      "kind": "choice",
      "default": "induction",
      "choices": [
        "previous",
        "next",
        "first",
        "same",
        "repeated",
        "induction",
        "punctuation",
        "entropy",
        "distance"
      ]
    },
    "score": {
      "kind": "text",
      "default": null
    },
    "layers": {
      "kind": "integers",
      "default": null
    },
    "part": {
      "kind": "choice",
      "default": "self",
      "choices": [
        "self",
        "cross",
        "encoder"
      ]
    }
  },
  "thumbnails": {
    "layers": {
      "kind": "integers",
      "default": null
    },
    "part": {
      "kind": "choice",
      "default": "self",
      "choices": [
        "self",
        "cross",
        "encoder"
      ]
    },
    "size": {
      "kind": "integer",
      "default": 32,
      "low": 1,
      "high": 128
    }
  },
  "attribute": {
    "target": {
      "kind": "token",
      "default": null
    },
    "distractor": {
      "kind": "token",
      "default": null
    },
    "position": {
      "kind": "integer",
      "default": -1
    },
    "frozen": {
      "kind": "choice",
      "default": "none",
      "choices": [
        "final",
        "all",
        "none"
      ]
    },
    "estimator": {
      "kind": "choice",
      "default": "best",
      "choices": [
        "best",
        "gradient",
        "integrated",
        "relp",
        "graddrop"
      ]
    },
    "steps": {
      "kind": "integer",
      "default": 5,
      "low": 1
    },
    "against": {
      "kind": "choice",
      "default": "zero",
      "choices": [
        "zero",
        "mean",
        "prompt",
        "resample"
      ]
    },
    "align": {
      "kind": "names",
      "default": [],
      "limit": "max_prompt_tokens"
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "pairs": {
      "kind": "boolean",
      "default": true
    },
    "qk": {
      "kind": "choice",
      "default": "none",
      "choices": [
        "none",
        "linear",
        "softmax"
      ]
    },
    "wholes": {
      "kind": "boolean",
      "default": false
    },
    "sort_by": {
      "kind": "choice",
      "default": "total",
      "choices": [
        "total",
        "direct",
        "write",
        "activation",
        "measured"
      ]
    },
    "top_k": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_attributed_rows"
    },
    "kinds": {
      "kind": "names",
      "default": null
    },
    "layers": {
      "kind": "integers",
      "default": null
    },
    "positions": {
      "kind": "integers",
      "default": null,
      "limit": "max_prompt_tokens"
    },
    "verify": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "limit": "max_attributed_rows"
    },
    "verify_all": {
      "kind": "boolean",
      "default": false
    },
    "sample": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "limit": "max_attributed_rows"
    },
    "references": {
      "kind": "record",
      "default": []
    }
  },
  "trace": {
    "node": {
      "kind": "text"
    },
    "direction": {
      "kind": "choice",
      "default": "upstream",
      "choices": [
        "upstream",
        "downstream"
      ]
    },
    "through": {
      "kind": "choice",
      "default": null,
      "choices": [
        "qk",
        "q",
        "k",
        "v",
        "pre",
        "gate"
      ]
    },
    "trail": {
      "kind": "names",
      "default": []
    },
    "target": {
      "kind": "token",
      "default": null
    },
    "distractor": {
      "kind": "token",
      "default": null
    },
    "position": {
      "kind": "integer",
      "default": -1
    },
    "frozen": {
      "kind": "choice",
      "default": "none",
      "choices": [
        "all",
        "none"
      ]
    },
    "pairs": {
      "kind": "boolean",
      "default": true
    },
    "sort_by": {
      "kind": "choice",
      "default": "total",
      "choices": [
        "total",
        "direct",
        "write",
        "activation"
      ]
    },
    "measured": {
      "kind": "boolean",
      "default": false
    },
    "top_k": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_attributed_rows"
    },
    "kinds": {
      "kind": "names",
      "default": null
    },
    "layers": {
      "kind": "integers",
      "default": null
    },
    "positions": {
      "kind": "integers",
      "default": null,
      "limit": "max_prompt_tokens"
    }
  },
  "circuit": {
    "scores": {
      "kind": "record",
      "default": null
    },
    "target": {
      "kind": "token",
      "default": null
    },
    "distractor": {
      "kind": "token",
      "default": null
    },
    "position": {
      "kind": "integer",
      "default": -1
    },
    "ablation": {
      "kind": "choice",
      "default": "patch",
      "choices": [
        "patch",
        "zero",
        "mean",
        "resample"
      ]
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "estimator": {
      "kind": "choice",
      "default": "gradient",
      "choices": [
        "gradient",
        "integrated"
      ]
    },
    "steps": {
      "kind": "integer",
      "default": 5,
      "low": 1
    },
    "by_position": {
      "kind": "boolean",
      "default": false
    },
    "edges": {
      "kind": "integer",
      "default": 100,
      "low": 0
    },
    "threshold": {
      "kind": "number",
      "default": null
    },
    "include": {
      "kind": "names",
      "default": [],
      "limit": "max_circuit_names"
    },
    "exclude": {
      "kind": "names",
      "default": [],
      "limit": "max_circuit_names"
    },
    "curve": {
      "kind": "boolean",
      "default": true
    },
    "shares": {
      "kind": "numbers",
      "default": [
        0.001,
        0.002,
        0.005,
        0.01,
        0.02,
        0.05,
        0.1,
        0.2,
        0.5,
        1
      ],
      "limit": "max_circuit_runs"
    },
    "measure": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "limit": "max_circuit_runs"
    },
    "measure_named": {
      "kind": "names",
      "default": [],
      "limit": "max_circuit_runs"
    },
    "corrupted": {
      "kind": "record",
      "default": null
    }
  },
  "circuit_pairs": {
    "template": {
      "kind": "choice",
      "default": null,
      "choices": [
        "ioi",
        "facts",
        "greater_than",
        "induction",
        "agreement"
      ]
    },
    "pairs": {
      "kind": "record",
      "default": null,
      "limit": "max_pairs"
    },
    "scores": {
      "kind": "record",
      "default": null
    },
    "ablation": {
      "kind": "choice",
      "default": "patch",
      "choices": [
        "patch",
        "zero",
        "mean",
        "resample"
      ]
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "estimator": {
      "kind": "choice",
      "default": "gradient",
      "choices": [
        "gradient",
        "integrated"
      ]
    },
    "steps": {
      "kind": "integer",
      "default": 5,
      "low": 1
    },
    "by_position": {
      "kind": "boolean",
      "default": false
    },
    "edges": {
      "kind": "integer",
      "default": 100,
      "low": 0
    },
    "threshold": {
      "kind": "number",
      "default": null
    },
    "include": {
      "kind": "names",
      "default": [],
      "limit": "max_circuit_names"
    },
    "exclude": {
      "kind": "names",
      "default": [],
      "limit": "max_circuit_names"
    },
    "curve": {
      "kind": "boolean",
      "default": true
    },
    "shares": {
      "kind": "numbers",
      "default": [
        0.001,
        0.002,
        0.005,
        0.01,
        0.02,
        0.05,
        0.1,
        0.2,
        0.5,
        1
      ],
      "limit": "max_circuit_runs"
    },
    "measure": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "limit": "max_circuit_runs"
    },
    "measure_named": {
      "kind": "names",
      "default": [],
      "limit": "max_circuit_runs"
    },
    "held_out": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "limit": "max_pairs"
    }
  },
  "graph": {
    "target": {
      "kind": "token",
      "default": null
    },
    "distractor": {
      "kind": "token",
      "default": null
    },
    "position": {
      "kind": "integer",
      "default": -1
    },
    "answers": {
      "kind": "integer",
      "default": 10,
      "low": 1
    },
    "mass": {
      "kind": "number",
      "default": 0.95,
      "low": 0,
      "high": 1
    },
    "latents": {
      "kind": "integer",
      "default": 2000,
      "low": 1,
      "limit": "max_graph_latents"
    },
    "node_threshold": {
      "kind": "number",
      "default": 0.8,
      "low": 0,
      "high": 1
    },
    "edge_threshold": {
      "kind": "number",
      "default": 0.98,
      "low": 0,
      "high": 1
    },
    "labels": {
      "kind": "boolean",
      "default": true
    }
  },
  "edge": {
    "sender": {
      "kind": "text"
    },
    "receiver": {
      "kind": "text"
    },
    "target": {
      "kind": "token",
      "default": null
    },
    "distractor": {
      "kind": "token",
      "default": null
    },
    "pairs": {
      "kind": "integer",
      "default": 10,
      "low": 0,
      "limit": "max_attributed_rows"
    }
  },
  "patch": {
    "corrupted": {
      "kind": "record"
    },
    "site": {
      "kind": "choice",
      "default": "resid_pre",
      "choices": [
        "resid_pre",
        "resid_mid",
        "attn_out",
        "mlp_out",
        "heads",
        "patterns"
      ]
    },
    "into": {
      "kind": "choice",
      "default": "corrupted",
      "choices": [
        "corrupted",
        "clean"
      ]
    },
    "layers": {
      "kind": "integers",
      "default": null
    },
    "positions": {
      "kind": "integers",
      "default": null,
      "limit": "max_prompt_tokens"
    },
    "target": {
      "kind": "token",
      "default": null
    },
    "distractor": {
      "kind": "token",
      "default": null
    },
    "position": {
      "kind": "integer",
      "default": -1
    }
  },
  "patch_path": {
    "senders": {
      "kind": "names",
      "limit": "max_patch_cells"
    },
    "receivers": {
      "kind": "names",
      "limit": "max_patch_cells"
    },
    "corrupted": {
      "kind": "record"
    },
    "target": {
      "kind": "token",
      "default": null
    },
    "distractor": {
      "kind": "token",
      "default": null
    },
    "position": {
      "kind": "integer",
      "default": -1
    },
    "through": {
      "kind": "choice",
      "default": "nothing",
      "choices": [
        "nothing",
        "mlps"
      ]
    }
  },
  "patch_pairs": {
    "template": {
      "kind": "choice",
      "default": null,
      "choices": [
        "ioi",
        "facts",
        "greater_than",
        "induction",
        "agreement"
      ]
    },
    "pairs": {
      "kind": "record",
      "default": null,
      "limit": "max_pairs"
    },
    "site": {
      "kind": "choice",
      "default": "resid_pre",
      "choices": [
        "resid_pre",
        "resid_mid",
        "attn_out",
        "mlp_out",
        "heads",
        "patterns"
      ]
    },
    "into": {
      "kind": "choice",
      "default": "corrupted",
      "choices": [
        "corrupted",
        "clean"
      ]
    },
    "layers": {
      "kind": "integers",
      "default": null
    },
    "positions": {
      "kind": "integers",
      "default": null,
      "limit": "max_prompt_tokens"
    }
  },
  "flow": {
    "layers": {
      "kind": "integers",
      "limit": "max_flow_layers"
    },
    "top_neurons": {
      "kind": "integer",
      "default": 18,
      "low": 0
    },
    "bottom_neurons": {
      "kind": "integer",
      "default": 7,
      "low": 0
    },
    "n_heads": {
      "kind": "integer",
      "default": 10,
      "low": 0
    },
    "values_per_head": {
      "kind": "integer",
      "default": 2,
      "low": 1
    },
    "threshold": {
      "kind": "number",
      "default": null,
      "low": 0,
      "high": 1000
    },
    "include": {
      "kind": "names",
      "default": []
    },
    "latents": {
      "kind": "boolean",
      "default": true
    },
    "rest": {
      "kind": "boolean",
      "default": false
    },
    "attn_bias": {
      "kind": "boolean",
      "default": true
    },
    "mlp_bias": {
      "kind": "boolean",
      "default": true
    },
    "merge_neurons": {
      "kind": "boolean",
      "default": false
    },
    "merge_values": {
      "kind": "boolean",
      "default": false
    },
    "target_mode": {
      "kind": "choice",
      "default": "first",
      "choices": [
        "first",
        "whole"
      ]
    },
    "k": {
      "kind": "integer",
      "default": 5,
      "low": 1,
      "limit": "max_k"
    },
    "default_width": {
      "kind": "number",
      "default": 7.0,
      "low": 0,
      "high": 1000
    },
    "query_factor": {
      "kind": "number",
      "default": 0.2,
      "low": 0,
      "high": 1000
    },
    "attention_factor": {
      "kind": "number",
      "default": 10.0,
      "low": 0,
      "high": 1000
    },
    "memory_factor": {
      "kind": "number",
      "default": 1.3,
      "low": 0,
      "high": 1000
    },
    "head_factor": {
      "kind": "number",
      "default": 1.8,
      "low": 0,
      "high": 1000
    },
    "neuron_factor": {
      "kind": "number",
      "default": 1.5,
      "low": 0,
      "high": 1000
    },
    "position": {
      "kind": "integer",
      "default": -1
    },
    "target": {
      "kind": "token",
      "default": null
    }
  },
  "component": {
    "target": {
      "kind": "text"
    },
    "position": {
      "kind": "integer",
      "default": -1
    },
    "top_k": {
      "kind": "integer",
      "default": 10,
      "low": 1,
      "limit": "max_k"
    },
    "downstream": {
      "kind": "integer",
      "default": 0,
      "low": 0,
      "limit": "max_k"
    }
  },
  "generate": {
    "max_new_tokens": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_new_tokens"
    },
    "temperature": {
      "kind": "number",
      "default": 0,
      "low": 0,
      "high": 10
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    }
  },
  "build": {
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ]
    },
    "top_k": {
      "kind": "integer",
      "default": 50,
      "low": 1,
      "high": 1000
    },
    "layers": {
      "kind": "span",
      "default": null
    },
    "restart": {
      "kind": "boolean",
      "default": false
    }
  },
  "search": {
    "words": {
      "kind": "names",
      "limit": "max_words"
    },
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ]
    },
    "among": {
      "kind": "choice",
      "default": "neurons",
      "choices": [
        "neurons",
        "latents"
      ]
    },
    "layers": {
      "kind": "span",
      "default": null
    },
    "limit": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_hits"
    },
    "offset": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "match": {
      "kind": "choice",
      "default": "word",
      "choices": [
        "word",
        "exact",
        "part"
      ]
    },
    "combine": {
      "kind": "choice",
      "default": "any",
      "choices": [
        "any",
        "all"
      ]
    },
    "side": {
      "kind": "choice",
      "default": "promoted",
      "choices": [
        "promoted",
        "suppressed",
        "both"
      ]
    },
    "ranking": {
      "kind": "choice",
      "default": "strength",
      "choices": [
        "strength",
        "bm25"
      ]
    }
  },
  "token": {
    "token": {
      "kind": "token"
    },
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ]
    },
    "among": {
      "kind": "choice",
      "default": "neurons",
      "choices": [
        "neurons",
        "latents"
      ]
    },
    "layers": {
      "kind": "span",
      "default": null
    },
    "limit": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_hits"
    },
    "offset": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "side": {
      "kind": "choice",
      "default": "promoted",
      "choices": [
        "promoted",
        "suppressed",
        "both"
      ]
    }
  },
  "similar": {
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ]
    },
    "among": {
      "kind": "choice",
      "default": "neurons",
      "choices": [
        "neurons",
        "latents"
      ]
    },
    "layers": {
      "kind": "span",
      "default": null
    },
    "limit": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_hits"
    },
    "offset": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "include_negative": {
      "kind": "boolean",
      "default": false
    },
    "target": {
      "kind": "text",
      "default": null
    },
    "tokens": {
      "kind": "record",
      "default": null
    },
    "state": {
      "kind": "record",
      "default": null
    }
  },
  "vector": {
    "target": {
      "kind": "text"
    },
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ]
    }
  },
  "browse": {
    "layer": {
      "kind": "integer",
      "low": 0
    },
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ]
    },
    "among": {
      "kind": "choice",
      "default": "neurons",
      "choices": [
        "neurons",
        "latents"
      ]
    },
    "first": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "count": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_hits"
    }
  },
  "clusters": {
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ]
    },
    "method": {
      "kind": "choice",
      "default": "kmeans",
      "choices": [
        "kmeans",
        "complete"
      ]
    },
    "n": {
      "kind": "integer",
      "default": null,
      "low": 1
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "offset": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "limit": {
      "kind": "integer",
      "default": 20,
      "low": 1,
      "limit": "max_hits"
    }
  },
  "cluster": {
    "cluster": {
      "kind": "integer",
      "low": 0
    },
    "projection": {
      "kind": "choice",
      "default": "raw",
      "choices": [
        "raw",
        "final_norm"
      ]
    },
    "method": {
      "kind": "choice",
      "default": "kmeans",
      "choices": [
        "kmeans",
        "complete"
      ]
    },
    "n": {
      "kind": "integer",
      "default": null,
      "low": 1
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "sample_seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    }
  },
  "corpus_build": {
    "upload": {
      "kind": "text"
    },
    "files": {
      "kind": "names"
    },
    "name": {
      "kind": "text"
    },
    "tables": {
      "kind": "text",
      "default": null
    },
    "layers": {
      "kind": "integers",
      "default": null
    },
    "kept": {
      "kind": "choice",
      "default": "both",
      "choices": [
        "both",
        "hidden",
        "context"
      ]
    },
    "state": {
      "kind": "choice",
      "default": "resid_post",
      "choices": [
        "resid_post",
        "resid_pre"
      ]
    },
    "split": {
      "kind": "choice",
      "default": "sentences",
      "choices": [
        "sentences",
        "lines",
        "windows"
      ]
    },
    "max_tokens": {
      "kind": "integer",
      "default": 128,
      "low": 8,
      "high": 4096
    },
    "spacy": {
      "kind": "text",
      "default": null
    },
    "column": {
      "kind": "text",
      "default": "text"
    },
    "metadata": {
      "kind": "names",
      "default": null
    },
    "examples": {
      "kind": "choice",
      "default": "none",
      "choices": [
        "none",
        "neurons",
        "heads",
        "both"
      ]
    },
    "restart": {
      "kind": "boolean",
      "default": false
    },
    "add": {
      "kind": "boolean",
      "default": false
    }
  },
  "corpus": {
    "corpus": {
      "kind": "text"
    },
    "word": {
      "kind": "names",
      "default": null
    },
    "lemma": {
      "kind": "names",
      "default": null
    },
    "pos": {
      "kind": "names",
      "default": null
    },
    "tag": {
      "kind": "names",
      "default": null
    },
    "dep": {
      "kind": "names",
      "default": null
    },
    "entity": {
      "kind": "names",
      "default": null
    },
    "near": {
      "kind": "names",
      "default": null
    },
    "reach": {
      "kind": "integer",
      "default": 5,
      "low": 1
    },
    "file": {
      "kind": "names",
      "default": null
    },
    "metadata": {
      "kind": "names",
      "default": null
    },
    "layer": {
      "kind": "integer",
      "default": null,
      "low": 0
    },
    "by": {
      "kind": "choice",
      "default": "hidden",
      "choices": [
        "hidden",
        "context"
      ]
    },
    "heads": {
      "kind": "integers",
      "default": null
    },
    "weighting": {
      "kind": "choice",
      "default": "equal",
      "choices": [
        "equal",
        "query"
      ]
    },
    "summarise": {
      "kind": "choice",
      "default": null,
      "choices": [
        "match",
        "next",
        "attended"
      ]
    },
    "narrow": {
      "kind": "names",
      "default": null
    },
    "exact": {
      "kind": "boolean",
      "default": false
    },
    "offsets": {
      "kind": "integers",
      "default": null
    },
    "limit": {
      "kind": "integer",
      "default": 50,
      "low": 1,
      "limit": "max_hits"
    },
    "offset": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "position": {
      "kind": "integer",
      "default": -1
    }
  },
  "sentences": {
    "corpus": {
      "kind": "text"
    },
    "rows": {
      "kind": "integers",
      "limit": "max_hits"
    },
    "layer": {
      "kind": "integer",
      "default": null,
      "low": 0
    },
    "heads": {
      "kind": "integers",
      "default": null
    }
  },
  "examples": {
    "corpus": {
      "kind": "text"
    },
    "target": {
      "kind": "text"
    },
    "top": {
      "kind": "integer",
      "default": 10,
      "low": 1,
      "limit": "max_examples"
    },
    "each": {
      "kind": "integer",
      "default": 2,
      "low": 0,
      "limit": "max_examples"
    },
    "random": {
      "kind": "integer",
      "default": 4,
      "low": 0,
      "limit": "max_examples"
    },
    "alike": {
      "kind": "integer",
      "default": 5,
      "low": 0,
      "limit": "max_examples"
    },
    "threshold": {
      "kind": "number",
      "default": 0
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "direction": {
      "kind": "numbers",
      "default": null
    },
    "along": {
      "kind": "text",
      "default": null
    }
  },
  "relations": {
    "corpus": {
      "kind": "text"
    },
    "layers": {
      "kind": "integers",
      "default": null
    },
    "sentences": {
      "kind": "integer",
      "default": 300,
      "low": 1,
      "high": 100000
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "min_count": {
      "kind": "integer",
      "default": 30,
      "low": 1
    },
    "relation": {
      "kind": "names",
      "default": null
    },
    "sort": {
      "kind": "choice",
      "default": "gain",
      "choices": [
        "gain",
        "share",
        "lift",
        "attention"
      ]
    },
    "limit": {
      "kind": "integer",
      "default": 50,
      "low": 1,
      "limit": "max_relations"
    }
  },
  "sae_train": {
    "site": {
      "kind": "text"
    },
    "name": {
      "kind": "text"
    },
    "corpus": {
      "kind": "text",
      "default": null
    },
    "upload": {
      "kind": "text",
      "default": null
    },
    "files": {
      "kind": "names",
      "default": []
    },
    "latents": {
      "kind": "integer",
      "default": 4096,
      "low": 1,
      "high": 4194304
    },
    "k": {
      "kind": "integer",
      "default": 32,
      "low": 1
    },
    "activation": {
      "kind": "choice",
      "default": "topk",
      "choices": [
        "topk",
        "batchtopk",
        "jumprelu"
      ]
    },
    "skip": {
      "kind": "boolean",
      "default": false
    },
    "tokens": {
      "kind": "integer",
      "default": 1000000,
      "low": 1
    },
    "uses": {
      "kind": "integer",
      "default": 1,
      "low": 1,
      "high": 100
    },
    "batch": {
      "kind": "integer",
      "default": 1024,
      "low": 2,
      "high": 65536
    },
    "buffer": {
      "kind": "integer",
      "default": 32768,
      "low": 2,
      "high": 16777216
    },
    "learning_rate": {
      "kind": "number",
      "default": null
    },
    "dead_after": {
      "kind": "integer",
      "default": 100000,
      "low": 1
    },
    "context": {
      "kind": "integer",
      "default": 128,
      "low": 8,
      "high": 4096
    },
    "column": {
      "kind": "text",
      "default": "text"
    },
    "held_out": {
      "kind": "integer",
      "default": 2048,
      "low": 1
    },
    "checkpoint": {
      "kind": "integer",
      "default": 100000,
      "low": 1
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "restart": {
      "kind": "boolean",
      "default": false
    }
  },
  "explain": {
    "corpus": {
      "kind": "text"
    },
    "nodes": {
      "kind": "names",
      "limit": "max_explained_nodes"
    },
    "explainer": {
      "kind": "choice",
      "default": "none",
      "choices": [
        "none",
        "own",
        "server"
      ]
    },
    "style": {
      "kind": "choice",
      "default": "pairs",
      "choices": [
        "pairs",
        "examples",
        "contrastive"
      ]
    },
    "judge": {
      "kind": "choice",
      "default": "none",
      "choices": [
        "none",
        "own",
        "server"
      ]
    },
    "consent": {
      "kind": "boolean",
      "default": false
    },
    "n_tokens": {
      "kind": "integer",
      "default": 20000,
      "low": 100,
      "limit": "max_explained_tokens"
    },
    "threshold": {
      "kind": "number",
      "default": null
    },
    "joined": {
      "kind": "integer",
      "default": 3,
      "low": 1,
      "high": 10
    },
    "says": {
      "kind": "integer",
      "default": 10,
      "low": 1,
      "limit": "max_k"
    },
    "shuffles": {
      "kind": "integer",
      "default": 20,
      "low": 10,
      "high": 1000
    },
    "cause": {
      "kind": "boolean",
      "default": false
    },
    "prompts": {
      "kind": "integer",
      "default": 16,
      "low": 2,
      "high": 256
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "keep": {
      "kind": "boolean",
      "default": false
    }
  },
  "score": {
    "corpus": {
      "kind": "text"
    },
    "node": {
      "kind": "text"
    },
    "explanation": {
      "kind": "text"
    },
    "n_tokens": {
      "kind": "integer",
      "default": 20000,
      "low": 100,
      "limit": "max_explained_tokens"
    },
    "threshold": {
      "kind": "number",
      "default": null
    },
    "texts": {
      "kind": "integer",
      "default": 10,
      "low": 2,
      "high": 200
    },
    "window": {
      "kind": "integer",
      "default": 32,
      "low": 4,
      "high": 512
    },
    "shuffles": {
      "kind": "integer",
      "default": 200,
      "low": 10,
      "high": 10000
    },
    "chance_labels": {
      "kind": "integer",
      "default": 2,
      "low": 0,
      "high": 20
    },
    "seed": {
      "kind": "integer",
      "default": 0,
      "low": 0
    },
    "judge": {
      "kind": "choice",
      "default": "own",
      "choices": [
        "own",
        "server"
      ]
    },
    "consent": {
      "kind": "boolean",
      "default": false
    }
  }
} as const;

export const OPERATIONS = {
  "zero": {
    "takes": "nothing",
    "stage": true,
    "sign": false,
    "places": "any"
  },
  "scale": {
    "takes": "number",
    "stage": true,
    "sign": false,
    "places": "any"
  },
  "set_to": {
    "takes": "vector",
    "stage": true,
    "sign": false,
    "places": "any"
  },
  "add": {
    "takes": "vector",
    "stage": true,
    "sign": false,
    "places": "any"
  },
  "patch": {
    "takes": "source",
    "stage": true,
    "sign": false,
    "places": "any"
  },
  "on": {
    "takes": "nothing",
    "stage": false,
    "sign": true,
    "places": "any"
  },
  "lmd_on": {
    "takes": "nothing",
    "stage": false,
    "sign": false,
    "places": "any"
  },
  "lmd_off": {
    "takes": "nothing",
    "stage": false,
    "sign": false,
    "places": "any"
  },
  "cut": {
    "takes": "nothing",
    "stage": false,
    "sign": false,
    "places": "one"
  },
  "mask": {
    "takes": "nothing",
    "stage": false,
    "sign": false,
    "places": "named"
  },
  "knock_out": {
    "takes": "pairs",
    "stage": false,
    "sign": false,
    "places": "none"
  }
} as const;

/** Unless said otherwise where the server was started: `limits` of the model says. */
export const LIMITS = {
  "max_prompt_chars": 200000,
  "max_prompt_tokens": 4096,
  "max_edits": 64,
  "max_edit_positions": 4096,
  "max_edit_pairs": 65536,
  "max_edit_value": 65536,
  "max_k": 100,
  "max_sub_updates": 50,
  "max_words": 32,
  "max_hits": 200,
  "max_examples": 100,
  "max_explained_nodes": 1000,
  "max_explained_tokens": 100000,
  "max_relations": 2000,
  "max_upload_bytes": 2147483648,
  "max_new_tokens": 512,
  "max_lens_cells": 400000,
  "max_attention_numbers": 16777216,
  "max_attributed_nodes": 100000000,
  "max_attributed_rows": 1000,
  "max_measured_nodes": 20000,
  "max_patch_cells": 20000,
  "max_pairs": 1000,
  "max_circuit_runs": 200,
  "max_circuit_names": 2000,
  "max_graph_latents": 10000,
  "max_flow_layers": 8,
  "max_flow_vectors": 4000,
  "max_measured_cuts": 8
} as const;
