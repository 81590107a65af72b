"""A forward pass by hand, where each head reads streams of its own, and a pair of prompts."""

from __future__ import annotations

import torch

import unembed as ue
from unembed.models.tiny import tiny_model

from .slow import PROMPT

OTHER = (*PROMPT[:4], 33, *PROMPT[5:])
WHY = ue.Objective.logit_diff([72, 5], 9)


def value_of(logits):
    return (logits[-1, 72] + logits[-1, 5]) / 2 - logits[-1, 9]


class ByHand:
    """GPT-2 and Llama with one stream for each query, key, value, feed-forward, and the logits."""

    def __init__(self, name):
        self.name, self.model = name, tiny_model(name, dtype=torch.float64)
        config = self.model.config
        self.heads = config.num_attention_heads
        self.groups = self.heads // getattr(config, "num_key_value_heads", self.heads)
        self.layers = self.model.transformer.h if name == "gpt2" else self.model.model.layers

    def projected(self, layer, states, side, head):
        part = self.layers[layer]
        width = self.model.config.hidden_size // self.heads
        if self.name == "gpt2":
            states = part.ln_1(states)
            offset = "qkv".index(side) * states.shape[-1] + head * width
            columns = slice(offset, offset + width)
            attn = part.attn.c_attn
            return states @ attn.weight[:, columns] + attn.bias[columns]
        states = part.input_layernorm(states)
        own = head if side == "q" else head // self.groups
        weight = getattr(part.self_attn, f"{side}_proj").weight[own * width : (own + 1) * width]
        made = states @ weight.T
        if side == "v":
            return made
        cos, sin = self.model.model.rotary_emb(made, torch.arange(len(made))[None])
        first, second = made.chunk(2, -1)
        return made * cos[0] + torch.cat([-second, first], -1) * sin[0]

    def head(self, layer, head, streams):
        """What a head writes, given what its query, key and value read."""
        q, k, v = (
            self.projected(layer, states, side, head)
            for side, states in zip("qkv", streams, strict=True)
        )
        scores = q @ k.T / q.shape[-1] ** 0.5
        mask = torch.ones_like(scores, dtype=torch.bool).tril()
        pattern = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        rows = slice(head * q.shape[-1], (head + 1) * q.shape[-1])
        if self.name == "gpt2":
            return pattern @ v @ self.layers[layer].attn.c_proj.weight[rows]
        return pattern @ v @ self.layers[layer].self_attn.o_proj.weight[:, rows].T

    def run(self, ids, kept=None, replaced=None, pushes=None):
        """Logits, and what every source writes."""
        made, reader = [], 0
        if self.name == "gpt2":
            body = self.model.transformer
            made.append(body.wte.weight[list(ids)] + body.wpe.weight[: len(ids)])
        else:
            made.append(self.model.model.embed_tokens.weight[list(ids)])
        biases = torch.zeros_like(made[0])

        def read(beside):
            nonlocal reader
            found = beside
            for source, write in enumerate(made):
                if kept is not None:  # of the edge, or of the edge at each position
                    write = torch.where(
                        kept[source, reader].reshape(-1, 1), write, replaced[source]
                    )
                found = found + write
            found = found if pushes is None else found + pushes[reader]
            reader += 1
            return found

        for layer, part in enumerate(self.layers):
            streams = [[read(biases) for _ in "qkv"] for _ in range(self.heads)]
            made += [self.head(layer, head, streams[head]) for head in range(self.heads)]
            if self.name == "gpt2":
                biases = biases + part.attn.c_proj.bias
                made.append(part.mlp(part.ln_2(read(biases))))
            else:
                made.append(part.mlp(part.post_attention_layernorm(read(biases))))
        last = read(biases)
        norm = self.model.transformer.ln_f if self.name == "gpt2" else self.model.model.norm
        return norm(last) @ self.model.lm_head.weight.T, made
