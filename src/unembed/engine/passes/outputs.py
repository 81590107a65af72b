"""One pass through a module, which may end as soon as everything awaited has been seen.

Promises: whatever happens, no hook is left and nothing is kept on the module; hooks act for their
own call only, so that calls may be nested and run in several threads; what was seen is not changed
by what the module does with it later. Knows modules; `hooks.Instrument` knows the sites of a
transformer.
"""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Callable, Hashable, Iterator, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import CheckpointFunction

from unembed.engine.exclusive import ExclusiveUse, uses_touching
from unembed.errors import InputError

_local = threading.local()


class StopForward(BaseException):
    """Ends a pass. Not an Exception: models catch those, and would run on."""

    def __init__(self, ended: Pass) -> None:
        super().__init__("everything that was asked for has been seen")
        self.ended = ended


class Pass:
    """What one call waits for, and what it has seen.

    Args:
        awaited: modules, whose outputs are kept, or other keys that `keep` is called with. The
            pass ends with the last of them; without any it ends where `end` is called.
    """

    def __init__(self, awaited: Sequence[Hashable] = ()) -> None:
        self.missing = dict.fromkeys(awaited)
        self.found: dict[Hashable, Any] = {}
        self.ended = False
        self.watches_attention = False
        self._held: frozenset[ExclusiveUse] = frozenset()
        self._with_graph = torch.is_grad_enabled()

    @property
    def active(self) -> bool:
        """Whether this is the innermost call of this thread: its hooks are meant."""
        stack = _stack()
        return bool(stack) and stack[-1] is self

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Hooks on, and off again on every way out."""
        with ExitStack() as stack:
            stack.enter_context(self._innermost())
            for module in [key for key in self.missing if isinstance(key, nn.Module)]:
                stack.callback(module.register_forward_hook(self._after).remove)
            yield

    def through(self, call: Callable[[], Any]) -> Any:
        """What the call returns, or None where it `ended` early; its errors go through."""
        with self.installed():
            try:
                return call()
            except StopForward as signal:
                if signal.ended is not self:
                    raise
            except Exception:
                if not self.ended:
                    raise  # else the module made an error of its own out of the signal
        return None

    def end(self) -> None:
        """End the pass here."""
        self.ended = True
        raise StopForward(self)

    def keep(self, key: Hashable, value: Any) -> Any:
        """Keep what is missing; returns what the module goes on with, or ends the pass."""
        if self._with_graph and not torch.is_grad_enabled():
            _refuse_reentrant_checkpoint()
        is_last = len(self.missing) == 1
        kept = self.found[key] = value if is_last else copied(value)
        del self.missing[key]
        if is_last:
            self.end()
        # with gradients the module goes on from what was kept, so that they reach it
        return copied(kept) if torch.is_grad_enabled() else value

    @contextmanager
    def alone(self, module: nn.Module) -> Iterator[None]:
        """Exclusive use of every Model that has modules in common with this one.

        A plain module waits for nobody. What a call around this one holds is not waited for again.

        Raises InputError inside a run of such a Model: its hooks would act on this pass.
        """
        # an outer call of this thread has the lock already, and says that it is running: taking it
        # again would be refused as a run inside of a run
        outer = _stack()
        held = frozenset().union(*(one._held for one in outer)) if outer else frozenset()
        wanted = [use for use in uses_touching(module) if use not in held]
        with ExitStack() as stack:
            for use in wanted:  # in the order they were made: threads cannot block each other
                stack.enter_context(use.held(running=True))
            self._held = frozenset(wanted)
            yield

    @contextmanager
    def _innermost(self) -> Iterator[None]:
        stack = _stack()
        stack.append(self)
        try:
            yield
        finally:
            del stack[stack.index(self) :]  # with inner ones that a generator left behind

    def _after(self, module: nn.Module, _args: Any, output: Any) -> Any:
        if not self.active or module not in self.missing:
            return None
        return self.keep(module, output)


def attention_is_watched() -> bool:
    """Whether a partial pass that this call is inside of watches attention."""
    return any(outer.watches_attention for outer in _stack())


def _stack() -> list[Pass]:
    """The calls that this thread is in, the innermost last."""
    if not hasattr(_local, "stack"):
        _local.stack = []
    stack: list[Pass] = _local.stack
    return stack


def _refuse_reentrant_checkpoint() -> None:
    """Such a checkpoint runs without a graph and makes one for its own output alone."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not CheckpointFunction.forward.__code__:
        frame = frame.f_back
    if frame is not None:
        raise InputError(
            "a module inside of a reentrant gradient checkpoint has an output without a graph: no "
            "gradient would reach the weights before it. Name the block that is checkpointed, or "
            "make the checkpoint with use_reentrant=False, or call under torch.no_grad()",
            field="names",
            legal="modules that are not inside of a reentrant checkpoint",
            fix='gradient_checkpointing_kwargs={"use_reentrant": False}',
        )


def copied(value: Any) -> Any:
    """A module's output with every tensor in it copied, in containers of the same types."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, tuple):
        items = [copied(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, list):
        return type(value)([copied(item) for item in value])
    if isinstance(value, MutableMapping):  # a shallow copy keeps what a type like ModelOutput adds
        twin: Any = copy.copy(value)
        for key, item in value.items():
            twin[key] = copied(item)
        return twin
    if is_dataclass(value) and not isinstance(value, type):
        twin = copy.copy(value)
        for field in fields(value):
            object.__setattr__(twin, field.name, copied(getattr(value, field.name)))
        return twin
    return value
