"""Seeing inside attention without changing it.

Two ways in, one observer. Most families call their kernel through transformers'
`AttentionInterface`: a function registered there delegates to the kernel that the model was
loaded with and shows the observer what goes in and out. Families with attention code of their own
(BLOOM, Falcon, GPT-J, GPT-Neo, CodeGen) are watched while that code runs: the product of query
and key, the softmax and the product with the values are the same three steps in all of them.

The observer sees tensors with the rows of the batch in front and returns either the same object,
or a changed one that is used in its place. With nothing changed the kernel's own result is
returned untouched.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from transformers.masking_utils import AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, AttentionInterface

from unembed.models.patching import first_tensor, forward_replaced

PREFIX = "unembed_"


class AttentionObserver(Protocol):
    """What a run wants from attention."""

    def on(self, core: nn.Module, site: str, value: Tensor) -> Tensor:
        """See `q`, `k`, `v` [row, head, pos, d_head]; scores, pattern [row, head, query, key].

        `sink` is [row, head, query]: the share of a query's attention that goes to no position.
        """

    def wants(self, core: nn.Module, site: str) -> bool:
        """Whether `scores`, `sink` or `pattern` must be computed."""

    def heads(self, core: nn.Module) -> Sequence[int] | None:
        """The query heads to compute `scores` and `pattern` for; None is all of them."""

    def queries(self, core: nn.Module) -> Sequence[int] | None:
        """The query positions to compute them for; None is all of them."""


SEEN = ("scores", "sink", "pattern")  # what is computed beside the kernel, in that order
SINKS = ("s_aux", "sinks")  # what kernels call the logits of their sinks

_observers: dict[int, AttentionObserver] = {}
_ANY = 0  # key of an observer of every module, used while a model is being discovered
_register_lock = threading.Lock()


@contextmanager
def observed(
    model: nn.Module,
    cores: Sequence[nn.Module] | None,
    own_code: bool,
    observer: AttentionObserver,
) -> Iterator[None]:
    """Show `observer` the attention of `cores` (None: of every module) while the context lasts."""
    keys = [_ANY] if cores is None else [id(core) for core in cores]
    with ExitStack() as stack:
        for key in keys:
            _observers[key] = observer
            stack.callback(_observers.pop, key, None)
        if own_code:
            for core in dict.fromkeys(cores or ()):
                stack.enter_context(_watched(core, observer))
        else:
            stack.enter_context(_renamed(model))
        yield


def uses_interface(model: nn.Module) -> bool:
    """Whether any module of the model calls its kernel through `AttentionInterface`."""
    files = {type(module).__module__ for module in model.modules()}
    return any(hasattr(sys.modules.get(file), "ALL_ATTENTION_FUNCTIONS") for file in files)


# ---------------------------------------------------------------- families with the interface


@contextmanager
def _renamed(model: nn.Module) -> Iterator[None]:
    """Point every config of the model at the observing twin of its attention implementation."""
    configs = {
        id(config): config
        for module in model.modules()
        if (config := getattr(module, "config", None)) is not None
        and isinstance(getattr(config, "_attn_implementation_internal", None), str)
    }
    before = {key: config._attn_implementation_internal for key, config in configs.items()}
    try:
        for key, config in configs.items():
            config._attn_implementation_internal = _twin(before[key])
        yield
    finally:
        for key, config in configs.items():
            config._attn_implementation_internal = before[key]


class _Name(str):
    """The name of an observing twin, which equals that of what it observes, too.

    Some families ask which kernel they have (DeepSeek 3.2 masks for the plain ones only what its
    indexer leaves out): they must go the same way as unobserved. Its hash is its own, so that it is
    found under its own name.
    """

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) or str.__eq__(self.removeprefix(PREFIX), other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def _twin(implementation: str) -> str:
    """Register, once, the function that observes `implementation`, and its mask function."""
    name = _Name(PREFIX + implementation)
    with _register_lock:
        if name not in ALL_ATTENTION_FUNCTIONS:
            masks = AttentionMaskInterface()
            AttentionInterface.register(name, _observing(implementation))
            if implementation in masks:
                AttentionMaskInterface.register(name, masks[implementation])
    return name


def _delegate(implementation: str, module: nn.Module) -> Callable[..., Any]:
    if implementation == "eager":
        # transformers keeps the eager kernel of each family in the family's own file
        return sys.modules[type(module).__module__].eager_attention_forward  # type: ignore[no-any-return]
    return ALL_ATTENTION_FUNCTIONS[implementation]  # type: ignore[no-any-return]


def _observing(implementation: str) -> Callable[..., Any]:
    def attention(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        delegate = _delegate(implementation, module)
        observer = _observers.get(id(module)) or _observers.get(_ANY)
        if observer is None:
            return delegate(module, query, key, value, attention_mask, **kwargs)  # type: ignore[no-any-return]
        query = observer.on(module, "q", query)
        key = observer.on(module, "k", key)
        value = observer.on(module, "v", value)
        output, weights = delegate(module, query, key, value, attention_mask, **kwargs)
        wanted = [site for site in SEEN if observer.wants(module, site)]
        if wanted:
            arguments = _Arguments(module, query, key, value, attention_mask, kwargs)
            changed = _see_pattern(observer, arguments, weights, wanted)
            if changed is not None:
                output = _rewritten(output, changed)
        return output, weights

    return attention


class _Arguments:
    """One call of an attention kernel: [row, head, pos, d_head] each, the mask as it was given."""

    def __init__(
        self,
        core: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        kwargs: dict[str, Any],
    ) -> None:
        self.core, self.query, self.key, self.value = core, query, key, value
        self.mask, self.kwargs = mask, kwargs

    def scores(self, heads: Sequence[int], rows: Sequence[int] | None = None) -> Tensor:
        """The argument of the softmax [row, head, query, key]; -inf where masked."""
        group = self.query.shape[1] // self.key.shape[1]
        key = self.key[:, [head // group for head in heads]]
        width = torch.float64 if self.query.dtype == torch.float64 else torch.float32
        scale = self.kwargs.get("scaling")
        scale = self.query.shape[-1] ** -0.5 if scale is None else scale
        query = self.query[:, list(heads)]
        query = query if rows is None else query[:, :, list(rows)]
        scores = (query @ key.transpose(-1, -2)).to(width) * scale
        softcap = self.kwargs.get("softcap")
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        bias = self.kwargs.get("position_bias")
        if bias is not None:
            bias = bias if bias.shape[1] == 1 else bias[:, list(heads)]
            scores = scores + (bias if rows is None else bias[:, :, list(rows)])
        return self._masked(scores, heads, rows)

    def _masked(self, scores: Tensor, heads: Sequence[int], rows: Sequence[int] | None) -> Tensor:
        n_query, n_key = self.query.shape[2], scores.shape[-1]
        kept = slice(None) if rows is None else list(rows)
        if self.mask is None:
            causal = self.kwargs.get("is_causal")
            causal = getattr(self.core, "is_causal", True) if causal is None else causal
            if not causal or n_query == 1:
                return scores
            future = torch.ones(n_query, n_key, dtype=torch.bool, device=scores.device).triu(1)
            return scores.masked_fill(future[kept], float("-inf"))
        mask = self.mask[..., :n_key]
        mask = mask if mask.shape[2] == 1 else mask[:, :, kept]
        mask = mask if mask.shape[1] == 1 else mask[:, list(heads)]
        if mask.dtype == torch.bool:
            return scores.masked_fill(~mask, float("-inf"))
        return masked_as_infinite(scores + mask, mask.dtype)

    @property
    def sinks(self) -> Tensor | None:
        """The logits of the sink: [head], or [row, head, query, 1]; None without one."""
        return next((one for name in SINKS if (one := self.kwargs.get(name)) is not None), None)

    def share(
        self, scores: Tensor, heads: Sequence[int], rows: Sequence[int] | None = None
    ) -> Tensor | None:
        """The share of each query that goes to the sink [row, head, query]; None without one."""
        logits = self._sink_logits(scores, heads, rows)
        return None if logits is None else torch.sigmoid(logits - torch.logsumexp(scores, -1))

    def _sink_logits(
        self, scores: Tensor, heads: Sequence[int], rows: Sequence[int] | None
    ) -> Tensor | None:
        sinks = self.sinks
        if sinks is None:
            return None
        if sinks.dim() == 1:
            return sinks[list(heads)].to(scores.dtype).view(1, -1, 1).expand(scores.shape[:3])
        own = sinks[:, list(heads), :, 0].to(scores.dtype)
        return own if rows is None else own[:, :, list(rows)]

    def pattern(
        self, scores: Tensor, heads: Sequence[int], rows: Sequence[int] | None = None
    ) -> Tensor:
        """Softmax of the scores; heads with a sink spend some of it there."""
        logits = self._sink_logits(scores, heads, rows)
        if logits is None:
            return self.over_keys(scores)
        whole = torch.softmax(torch.cat([scores, logits[..., None]], dim=-1), dim=-1)
        return whole[..., :-1].to(self.query.dtype)

    def over_keys(self, scores: Tensor, share: Tensor | None = None) -> Tensor:
        """Softmax of the scores, of which a sink has had its share."""
        pattern = torch.softmax(scores, dim=-1)
        if share is not None:
            pattern = pattern * (1 - share[..., None])
        pattern = pattern.to(self.query.dtype)
        if len(scores) == 1:
            return pattern
        # padding may see nothing at all (a window behind the text): not a number otherwise
        blind = scores.amax(-1, keepdim=True).isneginf()
        return pattern.masked_fill(blind, 0.0)

    def mixed(self, pattern: Tensor, heads: Sequence[int]) -> Tensor:
        """pattern · v: [row, head, query, d_head]."""
        group = self.query.shape[1] // self.value.shape[1]
        return pattern @ self.value[:, [head // group for head in heads]]


def masked_as_infinite(scores: Tensor, dtype: torch.dtype) -> Tensor:
    """Kernels mask with the lowest number of their type; show it as what it means."""
    return scores.masked_fill(scores <= torch.finfo(dtype).min / 2, float("-inf"))


def _see_pattern(
    observer: AttentionObserver, call: _Arguments, weights: Tensor | None, wanted: Sequence[str]
) -> tuple[Sequence[int], Tensor, Tensor] | None:
    """Show scores, sink and pattern; where changed: (heads, which rows, their new mixture)."""
    chosen = observer.heads(call.core)
    heads = range(call.query.shape[1]) if chosen is None else chosen
    before, after = _edited(
        observer, call, _own(weights, heads, observer, call.core), heads, wanted
    )
    if after is before:
        return None
    changed = torch.ne(after, before).any(dim=-1)  # an observer that edits asks for every row
    if torch.is_grad_enabled():  # gradients of the pattern need all of it in the result
        changed = torch.ones_like(changed)
    return heads, changed, call.mixed(after, heads)


def _own(
    weights: Tensor | None, heads: Sequence[int], observer: AttentionObserver, core: nn.Module
) -> Tensor | None:
    """What the kernel itself returned of the wanted part of the pattern."""
    rows = observer.queries(core)
    own = None if weights is None else weights[:, list(heads)]
    return own if own is None or rows is None else own[:, :, list(rows)]


def _edited(
    observer: AttentionObserver,
    call: _Arguments,
    own: Tensor | None,
    heads: Sequence[int],
    wanted: Sequence[str],
) -> tuple[Tensor, Tensor]:
    """The pattern before and after the observer saw it; the same object where nothing changed."""
    rows = observer.queries(call.core)
    if own is not None and "scores" not in wanted and call.sinks is None:
        return own, _shown(observer, call, own, wanted)
    scores = call.scores(heads, rows)
    share = call.share(scores, heads, rows)
    if own is None:
        own = call.pattern(scores, heads, rows)
    elif share is not None:
        own = less_sink(own, share)
    before = pattern = own
    if "scores" in wanted:
        seen = observer.on(call.core, "scores", scores)
        if seen is not scores:
            before = call.pattern(scores, heads, rows)
            pattern = call.pattern(seen, heads, rows)
            scores, share = seen, call.share(seen, heads, rows)
    if share is not None and "sink" in wanted:
        seen = observer.on(call.core, "sink", share)
        if seen is not share:
            rescaled = call.over_keys(scores, seen)
            kept = (seen == share)[..., None] & (not torch.is_grad_enabled())
            pattern = torch.where(kept, pattern, rescaled)
    return before, _shown(observer, call, pattern, wanted)


def _shown(
    observer: AttentionObserver, call: _Arguments, pattern: Tensor, wanted: Sequence[str]
) -> Tensor:
    return observer.on(call.core, "pattern", pattern) if "pattern" in wanted else pattern


def less_sink(weights: Tensor, share: Tensor) -> Tensor:
    """A kernel's weights without what its sink takes: some kernels return them from before.

    Those sum to 1; of the others the share is missing.
    """
    total, left = weights.to(share).sum(-1), 1 - share
    if (total - left).abs().max() <= (total - 1).abs().max():
        return weights
    return weights * left[..., None].to(weights)


def _rewritten(output: Tensor, changed: tuple[Sequence[int], Tensor, Tensor]) -> Tensor:
    """The kernel's output [row, query, head, d_head] with what changed of the changed heads."""
    heads, rows, mixed = changed
    output = output.clone()
    index = list(heads)
    kept = output[:, :, index]
    changes = rows.transpose(1, 2).unsqueeze(-1)
    output[:, :, index] = torch.where(changes, mixed.transpose(1, 2), kept)
    return output


# ---------------------------------------------------------------- families with code of their own


@contextmanager
def _watched(core: nn.Module, observer: AttentionObserver) -> Iterator[None]:
    """Run `core.forward` under a mode that sees its attention arithmetic."""
    forward = core.forward

    def watched_forward(*args: Any, **kwargs: Any) -> Any:
        with OwnCode(core, observer, len(first_tensor(args, kwargs))):
            return forward(*args, **kwargs)

    with forward_replaced(core, watched_forward):
        yield


class OwnCode(TorchFunctionMode):
    """Sees query·key, softmax and pattern·value of one attention module's forward pass."""

    PRODUCTS = ("matmul", "__matmul__", "bmm", "baddbmm")

    def __init__(self, core: nn.Module, observer: AttentionObserver, n_rows: int = 1) -> None:
        super().__init__()
        self.core, self.observer, self.n_rows = core, observer, n_rows
        self.stage = "query-key"

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name == "scaled_dot_product_attention":
            return self._kernel(func, args, kwargs)
        if name in self.PRODUCTS and self.stage == "query-key" and self._is_product(args):
            args, kwargs = self._query_key(name, args, kwargs)
            self.stage = "softmax"
        elif name == "softmax" and self.stage == "softmax":
            return self._softmax(func, args, kwargs)
        elif name in self.PRODUCTS and self.stage == "value":
            args = self._value(args)
            self.stage = "done"
        return func(*args, **kwargs)

    @staticmethod
    def _is_product(args: tuple[Any, ...]) -> bool:
        return all(isinstance(value, Tensor) and value.dim() >= 3 for value in args[:2])

    def _show(self, site: str, value: Tensor) -> Tensor:
        """Show [.., pos, d] as [row, head, pos, d]; return it in the shape it came in."""
        flat = value.reshape(self.n_rows, -1, *value.shape[-2:])
        seen = self.observer.on(self.core, site, flat)
        return value if seen is flat else seen.reshape(value.shape).to(value.dtype)

    def _query_key(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if name == "baddbmm":
            values = [
                *args[1:],
                *(kwargs.pop(key) for key in ("batch1", "batch2") if key in kwargs),
            ]
            query, key = values[:2]
            rest = (args[0], self._show("q", query), self._show_key(key))
            return rest, kwargs
        return (self._show("q", args[0]), self._show_key(args[1])), kwargs

    def _show_key(self, transposed: Tensor) -> Tensor:
        key = transposed.transpose(-1, -2)
        seen = self._show("k", key)
        return transposed if seen is key else seen.transpose(-1, -2)

    def _softmax(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        scores = args[0]
        flat = scores.reshape(self.n_rows, -1, *scores.shape[-2:])
        flat = masked_as_infinite(flat, scores.dtype)
        seen = self.observer.on(self.core, "scores", flat)
        if seen is not flat:
            args = (seen.reshape(scores.shape).to(scores.dtype), *args[1:])
        self.stage = "value"
        return func(*args, **kwargs)

    def _value(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        pattern, value = args[0], args[1]
        value = self._show("v", value)
        return (self._show("pattern", pattern), value, *args[2:])

    def _kernel(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A direct call of torch's fused kernel (Falcon)."""
        query, key, value = (
            self.observer.on(self.core, site, tensor)
            for site, tensor in zip("qkv", args[:3], strict=True)
        )
        output = func(query, key, value, *args[3:], **kwargs)
        wanted = [site for site in SEEN if self.observer.wants(self.core, site)]
        if wanted:
            mask = args[3] if len(args) > 3 else kwargs.get("attn_mask")
            options = {"scaling": kwargs.get("scale"), "is_causal": kwargs.get("is_causal", False)}
            call = _Arguments(self.core, query, key, value, mask, options)
            changed = _see_pattern(self.observer, call, None, wanted)
            if changed is not None:
                output = _rewritten(output.transpose(1, 2), changed).transpose(1, 2)
        return output
