"""A model with its patterns and norms held, by hooks on transformers' own modules: a second way.

Knows four families by the names of their modules. A plain pass records what each norm divides by,
each pattern, and what each feed-forward adds; a held pass goes on with these.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import torch
from transformers import AttentionInterface
from transformers.models.llama.modeling_llama import repeat_kv

from unembed.models.tiny import tiny_model

RECORDED: dict[int, torch.Tensor] = {}
MODE = {"held": False}


def attend(module, query, key, value, mask, scaling=None, softcap=None, **_named):
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    groups = query.shape[1] // key.shape[1]
    if not MODE["held"]:
        scores = query @ repeat_kv(key, groups).transpose(2, 3) * scale
        scores = scores if softcap is None else torch.tanh(scores / softcap) * softcap
        causal = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        window = getattr(module, "sliding_window", None)
        if window is not None:
            causal = causal & ~causal.tril(-window)
        scores = scores.masked_fill(~causal, float("-inf"))
        RECORDED[id(module)] = scores.softmax(-1)
    pattern = RECORDED[id(module)]
    return (pattern @ repeat_kv(value, groups)).transpose(1, 2).contiguous(), pattern


AttentionInterface.register("held_by_hand", attend)


class ByHand:
    """One family's tiny model in float64, and what its pass on some tokens had."""

    def __init__(self, name, ids):
        self.module = tiny_model(name, dtype=torch.float64)
        self.module.config._attn_implementation = "held_by_hand"
        self.ids = torch.tensor([ids])
        base = self.module.transformer if name == "gpt2" else None
        base = self.module.gpt_neox if name == "gpt_neox" else base or self.module.model
        self.layers = base.h if name == "gpt2" else base.layers
        self.first = self.layers[0]
        self.last_norm = {"gpt2": "ln_f", "gpt_neox": "final_layer_norm"}.get(name, "norm")
        self.last_norm = getattr(base, self.last_norm)
        # what is really added: behind the norm that follows a feed-forward, where there is one
        self.added = [getattr(one, "post_feedforward_layernorm", one.mlp) for one in self.layers]
        self.norms = [m for m in self.module.modules() if type(m).__name__.endswith("Norm")]
        with self._watching():
            self.read, self.last = self._pass()

    def held(self, changes, embedded=None):
        """With what feed-forwards add, by layer, and the embedding, changed by functions."""
        MODE["held"] = True
        try:
            with ExitStack() as stack:
                for norm in self.norms:
                    stack.enter_context(replaced(norm, self._held_norm(norm)))
                for layer, module in enumerate(self.added):
                    stack.enter_context(replaced(module, self._adding(layer, changes)))
                if embedded is not None:
                    hook = self.first.register_forward_pre_hook(
                        lambda _m, args: (embedded(args[0]), *args[1:])
                    )
                    stack.callback(hook.remove)
                return self._pass()
        finally:
            MODE["held"] = False

    # ------------------------------------------------------------ inside

    @contextmanager
    def _watching(self):
        self.scales, self.plain = {}, {}
        with ExitStack() as stack:
            for norm in self.norms:
                hook = norm.register_forward_hook(self._record_norm)
                stack.callback(hook.remove)
            for layer, module in enumerate(self.added):
                hook = module.register_forward_hook(
                    lambda _m, _a, out, layer=layer: self.plain.__setitem__(layer, out.detach())
                )
                stack.callback(hook.remove)
            yield

    def _record_norm(self, norm, args, _output):
        states = args[0]
        eps = getattr(norm, "eps", None) or getattr(norm, "variance_epsilon", None)
        if isinstance(norm, torch.nn.LayerNorm):
            size = states.var(-1, unbiased=False, keepdim=True)
        else:
            size = states.square().mean(-1, keepdim=True)
        self.scales[norm] = (size + eps).rsqrt()

    def _held_norm(self, norm):
        def forward(states):
            if isinstance(norm, torch.nn.LayerNorm):
                states = states - states.mean(-1, keepdim=True)
                return states * self.scales[norm] * norm.weight + norm.bias
            weight = 1 + norm.weight if "Gemma" in type(norm).__name__ else norm.weight
            return states * self.scales[norm] * weight

        return forward

    def _adding(self, layer, changes):
        return lambda _states: changes.get(layer, lambda value: value)(self.plain[layer])

    @torch.no_grad()
    def _pass(self):
        """What each feed-forward reads [pos, d_model], and the last residual."""
        read, last = {}, []
        with ExitStack() as stack:
            for layer, one in enumerate(self.layers):
                hook = one.mlp.register_forward_pre_hook(
                    lambda _m, args, layer=layer: read.__setitem__(layer, args[0][0])
                )
                stack.callback(hook.remove)
            hook = self.last_norm.register_forward_pre_hook(lambda _m, args: last.append(args[0]))
            stack.callback(hook.remove)
            self.module(self.ids, use_cache=False)
        return read, last[0][0]


@contextmanager
def replaced(module, forward):
    own, module.forward = module.forward, forward
    try:
        yield
    finally:
        module.forward = own
