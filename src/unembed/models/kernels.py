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
from typing import Any

from torch import Tensor, nn
from transformers.masking_utils import AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, AttentionInterface

from unembed.models.attention_call import (
    SEEN,
    AttentionObserver,
    KernelArguments,
    rewritten,
    see_pattern,
)
from unembed.models.own_code import watched

PREFIX = "unembed_"


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
                stack.enter_context(watched(core, observer))
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
            arguments = KernelArguments(module, query, key, value, attention_mask, kwargs)
            changed = see_pattern(observer, arguments, weights, wanted)
            if changed is not None:
                output = rewritten(output, changed)
        return output, weights

    return attention
