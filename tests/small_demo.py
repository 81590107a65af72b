"""The demo model with an eighth of its vocabulary: what it says of English text, it says too.

Most of what the demo model computes for a page is logits of 262,144 tokens. Where the page is the
subject and not the number, these do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoConfig, Gemma3ForCausalLM, PreTrainedTokenizerFast

import unembed as ue
from unembed.engine.checks.proofs import Proof
from unembed.engine.model import Model
from unembed.models import demo, store
from unembed.settings import Settings

NAME, WEIGHTS, WORDS = "small-demo", "model.safetensors", "tokenizer.json"
EMBEDDING = "model.embed_tokens.weight"
N_FIRST = 30_000  # in the order in which they were merged: what these are made of is among them
RARE = ("▁", "▁Kyoto", "▁Buenos", "▁Aires")


def small_demo(run: Path) -> Model:
    """It goes by the demo model's name; made, and proven, once in the folder of a run of tests."""
    made = store.obtain(run / NAME, _make, lambda *_: None)
    special = json.loads((made / "special.json").read_bytes())
    config: Any = AutoConfig.from_pretrained(made)
    module = Gemma3ForCausalLM.from_pretrained(
        None, config=config, state_dict=load_file(made / WEIGHTS), dtype=torch.float32
    )
    module.config._name_or_path = demo.NAME
    words = PreTrainedTokenizerFast(tokenizer_file=str(made / WORDS), **special)
    proof = Proof(run / "proofs" / f"{NAME}.json")
    with patch("unembed.engine.load.proof_of", lambda *_: proof):
        return ue.load(module.eval(), words)


def _make(folder: Path) -> None:
    where = demo.ensure(Settings.from_environment())
    kept, words, special = _tokenizer(where)
    config: Any = AutoConfig.from_pretrained(where)
    config.vocab_size, weights = len(kept), load_file(where / WEIGHTS)
    weights[EMBEDDING] = weights[EMBEDDING][kept]
    config.save_pretrained(folder)
    save_file(weights, folder / WEIGHTS)
    words.save(str(folder / WORDS))
    (folder / "special.json").write_text(json.dumps(special))


def _tokenizer(where: Path) -> tuple[list[int], Tokenizer, dict[str, str]]:
    """The ids that are kept, in order; what numbers them from nought; what special ones are for."""
    stated = json.loads((where / "tokenizer.json").read_bytes())
    model = stated["model"]
    ids = model["vocab"]
    vocab = {token: at for token, at in ids.items() if at < N_FIRST or _is_wanted(token)}
    kept = sorted(vocab.values())
    new = {old: at for at, old in enumerate(kept)}
    model["vocab"] = {token: new[at] for token, at in vocab.items()}
    model["merges"] = [
        [one, other]
        for one, other in model["merges"]
        if one in vocab and other in vocab and one + other in vocab
    ]
    stated["added_tokens"] = [
        added | {"id": new[added["id"]]} for added in stated["added_tokens"] if added["id"] in new
    ]
    names = json.loads((where / "tokenizer_config.json").read_bytes())
    special = {
        key: value for key, value in names.items() if key.endswith("_token") and value in vocab
    }
    return kept, Tokenizer.from_str(json.dumps(stated)), special


def _is_wanted(token: str) -> bool:
    return token in RARE or (len(token) == 1 and token.isascii())
