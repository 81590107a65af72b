"""Tiny encoders with the tokenizers that take pairs: BERT's form, and RoBERTa's without types."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import processors
from transformers import BertTokenizer

import unembed as ue
from unembed.engine.model import Model
from unembed.models.tiny import BOS, EOS, MASK, tiny_model, tiny_tokenizer

SPECIALS = "[PAD] [UNK] [CLS] [SEP] [MASK]"
WORDS = f"{SPECIALS} the cat sat on a mat dog ran where is it was hid ##den ##s . ?".split()
FIRST, SECOND = "the cat sat on a mat .", "where is the cats ?"


def bert_tokenizer() -> Any:
    return BertTokenizer(vocab={word: order for order, word in enumerate(WORDS)})


def bert(dtype: torch.dtype = torch.float32, **config: Any) -> Model:
    module = tiny_model("bert", dtype=dtype, **config)
    return ue.load(module, tokenizer=bert_tokenizer())


def roberta_tokenizer() -> Any:
    """`<s> A </s></s> B </s>`, as RoBERTa writes a pair; it gives no token types."""
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>",
        pair="<bos> $A <eos> <eos> $B:0 <eos>",
        special_tokens=[("<bos>", BOS), ("<eos>", EOS), ("<mask>", MASK)],
    )
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return tokenizer


def roberta() -> Model:
    return ue.load(tiny_model("roberta"), tokenizer=roberta_tokenizer())
