"""Seeing inside attention that a family computes by itself: BLOOM, Falcon, GPT-J, GPT-Neo, CodeGen.

The product of query and key, the softmax and the product with the values are the same three steps
in all of them; they are watched while that code runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unembed.models.attention_call import (
    SEEN,
    AttentionObserver,
    KernelArguments,
    masked_as_infinite,
    rewritten,
    see_pattern,
)
from unembed.models.patching import first_tensor, forward_replaced


@contextmanager
def watched(core: nn.Module, observer: AttentionObserver) -> Iterator[None]:
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
            call = KernelArguments(self.core, query, key, value, mask, options)
            changed = see_pattern(self.observer, call, None, wanted)
            if changed is not None:
                output = rewritten(output.transpose(1, 2), changed).transpose(1, 2)
        return output
