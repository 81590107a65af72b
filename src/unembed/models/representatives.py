"""Blocks that are built alike, and running a model through one of each kind only.

Loading with `low_memory` or `stream` must not read every weight just to find out how a block is put
together. Blocks of the same modules, shapes and plain attributes are one kind; the first of each
kind speaks for the others, which are skipped: they hand on the residual stream that they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from unembed.models.anatomy import Anatomy, renamed
from unembed.models.patching import first_tensor, forward_replaced

Plain = str | int | float | bool | None
Signature = dict[tuple[str, str], object]


@dataclass(frozen=True)
class Stack:
    """The list of a model's blocks; `kinds` has, for each, the first block that is built alike."""

    name: str
    kinds: tuple[int, ...]

    @property
    def representatives(self) -> tuple[int, ...]:
        """The first block of each kind, in order."""
        return tuple(sorted(set(self.kinds)))

    @property
    def skipped(self) -> frozenset[str]:
        """Module names of the blocks that another one speaks for."""
        return frozenset(
            f"{self.name}.{layer}" for layer, kind in enumerate(self.kinds) if layer != kind
        )


def find_stack(module: nn.Module) -> Stack | None:
    """The list of blocks; None where it is not plain which list that is."""
    config = module.config.get_text_config()  # type: ignore[union-attr,operator]
    n_layers = getattr(config, "num_hidden_layers", None)
    lists = [
        (name, child)
        for name, child in module.named_modules()
        if isinstance(child, nn.ModuleList) and len(child) == n_layers
    ]
    outermost = [
        (name, child)
        for name, child in lists
        if not any(name.startswith(f"{other}.") for other, _ in lists)
    ]
    if len(outermost) != 1:
        return None
    name, blocks = outermost[0]
    return Stack(name, _kinds([_signature(block) for block in blocks]))


def _kinds(signatures: Sequence[Signature]) -> tuple[int, ...]:
    counting = {
        key
        for key in signatures[0]
        if len(signatures) > 1
        and all(signature.get(key) == layer for layer, signature in enumerate(signatures))
    }
    bare = [
        {key: value for key, value in signature.items() if key not in counting}
        for signature in signatures
    ]
    return tuple(bare.index(signature) for signature in bare)


def _signature(block: nn.Module) -> Signature:
    """What a block is built of: types, shapes, and every attribute that is plain data."""
    found: Signature = {}
    for name, module in block.named_modules():
        found[name, "type"] = type(module)
        for key, weight in module.named_parameters(recurse=False):
            found[name, key] = (tuple(weight.shape), weight.dtype)
        for key, buffer in module.named_buffers(recurse=False):
            found[name, key] = buffer.detach().cpu().numpy().tobytes() if _small(buffer) else buffer
        for key, value in vars(module).items():
            if not key.startswith("_"):
                found[name, f".{key}"] = _plain(value)
    return found


def _small(buffer: Tensor) -> bool:
    return not buffer.is_meta and buffer.dtype.itemsize in (1, 4, 8)


def _plain(value: object) -> object:
    if isinstance(value, Plain):
        return value
    if isinstance(value, list | tuple | dict | set):
        return repr(value)
    return getattr(value, "__qualname__", type(value))


@contextmanager
def representatives_only(module: nn.Module, stack: Stack) -> Iterator[None]:
    """While it lasts, all other blocks return the residual stream that they are given."""
    form: list[int] = [0]  # length of the tuple that a block returns; 0 for a bare tensor

    def run(forward: Callable[..., Any]) -> Callable[..., Any]:
        def remembered(*args: Any, **kwargs: Any) -> Any:
            output = forward(*args, **kwargs)
            form[0] = len(output) if isinstance(output, tuple | list) else 0
            return output

        return remembered

    def skip(*args: Any, **kwargs: Any) -> Any:
        given = first_tensor(args, kwargs)
        return (given, *[None] * (form[0] - 1)) if form[0] else given

    with ExitStack() as undo:
        for layer, kind in enumerate(stack.kinds):
            block = module.get_submodule(f"{stack.name}.{layer}")
            stand_in = run(block.forward) if layer == kind else skip
            undo.enter_context(forward_replaced(block, stand_in))
        yield


def spoken_for(anatomy: Anatomy, stack: Stack) -> Anatomy:
    """The anatomy of the whole model, from that of its representatives."""
    known = dict(zip(stack.representatives, anatomy.blocks, strict=True))
    blocks = tuple(
        replace(renamed(known[kind], _moving(stack.name, kind, layer)), layer=layer)
        for layer, kind in enumerate(stack.kinds)
    )
    return replace(anatomy, n_layers=len(blocks), blocks=blocks)


def _moving(name: str, old: int, new: int) -> Callable[[str], str]:
    """Names of modules of one block turned into those of another's."""
    before, after = f"{name}.{old}", f"{name}.{new}"

    def moved(value: str) -> str:
        inside = value == before or value.startswith(f"{before}.")
        return after + value[len(before) :] if inside else value

    return moved
