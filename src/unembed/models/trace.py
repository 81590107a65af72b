"""One short forward pass, written down: which module was called inside which, with what.

`discover` reads an anatomy off this. Tensors are copied as they pass, because some blocks add in
place; without the batch axis, flattened to [pos, width]. Knows nothing of any family.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from unembed.models import kernels, own_code
from unembed.models.adapters import inside_adapted
from unembed.models.labels import labels_of


@dataclass(eq=False)
class Call:
    """One call of one module."""

    name: str
    module: nn.Module
    parent: Call | None
    start: int
    end: int = -1
    inputs: list[Tensor] = field(default_factory=list)
    output: Tensor | None = None
    n_outputs: int = 0  # length of the tuple that came out; 0 for a bare tensor
    hands_on: bool = False  # whether another tensor came out beside the first
    children: list[Call] = field(default_factory=list)

    @property
    def input(self) -> Tensor | None:
        """The first tensor that went in."""
        return self.inputs[0] if self.inputs else None

    def ancestors(self) -> Iterator[Call]:
        """This call and the calls it happened in, innermost first."""
        call: Call | None = self
        while call is not None:
            yield call
            call = call.parent

    def within(self, other: Call) -> bool:
        """Whether this call happened inside `other`, or is it."""
        return any(call is other for call in self.ancestors())


@dataclass(eq=False)
class KernelCall:
    """A module's call of its attention kernel, or several: of which the first one is seen."""

    call: Call
    time: int
    n_calls: int = 0
    seen: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class Trace:
    """All calls in the order they started, and the attention kernels among them."""

    calls: list[Call]
    kernels: list[KernelCall]
    logits: Tensor | None  # None where the head gives labels
    own_code: bool

    def part(self, calls: list[Call], kernels: list[KernelCall]) -> Trace:
        """Some of it."""
        return Trace(calls, kernels, self.logits, self.own_code)


def rows(value: Any) -> Tensor | None:
    """A floating tensor as [pos, width], or None; the first one of a tuple."""
    if isinstance(value, tuple | list):
        value = value[0] if value else None
    if not isinstance(value, Tensor):
        return None
    if not value.is_floating_point() or value.dim() < 2:
        return None
    return value.reshape(-1, value.shape[-1])


class _Recorder:
    def __init__(self, model: nn.Module) -> None:
        inside = inside_adapted(model)
        named = model.named_modules()
        self.names = {module: name for name, module in named if module not in inside}
        self.calls: list[Call] = []
        self.stack: list[Call] = []
        self.kernels: list[KernelCall] = []
        self.clock = 0

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        parent = self.stack[-1] if self.stack else None
        call = Call(self.names[module], module, parent, self.tick())
        values = [*args, *(kwargs[key] for key in kwargs)]
        tensors = [value for value in values if isinstance(value, Tensor)]
        call.inputs = [seen.clone() for value in tensors if (seen := rows(value)) is not None]
        if parent is not None:
            parent.children.append(call)
        self.calls.append(call)
        self.stack.append(call)

    def leave(
        self, _module: nn.Module, _args: tuple[Any, ...], _kwargs: dict[str, Any], output: Any
    ) -> None:
        call = self.stack.pop()
        seen = rows(output)
        call.output = None if seen is None else seen.clone()
        if isinstance(output, tuple | list):
            call.n_outputs = len(output)
            call.hands_on = any(isinstance(value, Tensor) for value in output[1:])
        call.end = self.tick()

    # what `kernels` calls an observer
    def on(self, core: nn.Module, site: str, value: Tensor) -> Tensor:
        call = next(call for call in reversed(self.stack) if call.module is core)
        if not self.kernels or self.kernels[-1].call is not call:
            self.kernels.append(KernelCall(call, self.tick()))
        self.kernels[-1].n_calls += site == "q"
        self.kernels[-1].seen.setdefault(site, value[0].clone())
        return value

    def wants(self, core: nn.Module, site: str) -> bool:  # noqa: ARG002
        return True

    def heads(self, core: nn.Module) -> Sequence[int] | None:  # noqa: ARG002
        return None

    def queries(self, core: nn.Module) -> Sequence[int] | None:  # noqa: ARG002
        return None


class _Watching(own_code.OwnCode):
    """Watches a whole forward pass for attention arithmetic, whichever module does it."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__(nn.Module(), recorder)
        self.recorder = recorder
        self.current: Call | None = None

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        call = next((c for c in reversed(self.recorder.stack) if c.children or _owns(c)), None)
        if call is None:
            return func(*args, **(kwargs or {}))
        if call is not self.current:
            self.current, self.core, self.stage = call, call.module, "query-key"
        return super().__torch_function__(func, types, args, kwargs)


def _owns(call: Call) -> bool:
    return next(call.module.parameters(), None) is not None


@torch.no_grad()
def record(
    model: nn.Module,
    ids: Tensor,
    skipped: frozenset[str] = frozenset(),
    source: Tensor | None = None,
) -> Trace:
    """Run `model` on `ids` [1, pos] and write down what happens, but for calls of `skipped`.

    `source` is for the encoder of an encoder-decoder, whose decoder then gets `ids`.
    """
    recorder = _Recorder(model)
    interface = kernels.uses_interface(model)
    handles = []
    try:
        for module in recorder.names:
            handles.append(module.register_forward_pre_hook(recorder.enter, with_kwargs=True))
            handles.append(module.register_forward_hook(recorder.leave, with_kwargs=True))
        if interface:
            with kernels.observed(model, None, False, recorder):
                output = _called(model, ids, source)
        else:
            with _Watching(recorder):
                output = _called(model, ids, source)
    finally:
        for handle in handles:
            handle.remove()
    logits = None if labels_of(model) else output.logits[0]
    calls = [call for call in recorder.calls if call.name not in skipped]
    return Trace(calls, recorder.kernels, logits, not interface)


def _called(model: nn.Module, ids: Tensor, source: Tensor | None) -> Any:
    if source is not None:
        return model(input_ids=source, decoder_input_ids=ids, use_cache=False)
    return model(input_ids=ids, use_cache=False) if _caches(model) else model(ids)


def _caches(model: nn.Module) -> bool:
    return getattr(getattr(model, "config", None), "use_cache", None) is not None
