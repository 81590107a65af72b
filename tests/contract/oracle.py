"""A slow second way to run a model: plain PyTorch hooks and attention written out in full.

Promises: `Oracle.run` returns every site and applies edits (plain functions of one site's value) at
the places that `wiring` names. Nothing here is shared with the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from unembed.models.tiny import tiny_model

from .slow_attention import observed
from .wiring import Wiring, blocks, wiring

Change = Callable[[Tensor], Tensor]
Edits = Mapping[str, Change]
"""Site name ("L1.mlp_out", "final_norm") -> what its value becomes."""


@dataclass
class Pass:
    """One forward pass: what to change, and what was seen."""

    edits: Edits
    seen: dict[str, Tensor] = field(default_factory=dict)

    def visit(self, site: str, value: Tensor) -> Tensor:
        changed = self.edits[site](value.clone()) if site in self.edits else value
        # Some families add into these tensors in place later: keep a copy.
        self.seen[site] = changed.clone()
        return changed


@dataclass(frozen=True)
class Shape:
    """How a site's value is cut out of a module's rows, and how it is put back."""

    cut: Callable[[Tensor], Tensor] = lambda rows: rows
    paste: Callable[[Tensor, Tensor], Tensor] = lambda rows, value: value


def _heads(n_heads: int) -> Shape:
    return Shape(
        lambda rows: rows.unflatten(-1, (n_heads, -1)), lambda rows, value: value.flatten(-2)
    )


def _half(index: int) -> Shape:
    def paste(rows: Tensor, value: Tensor) -> Tensor:
        halves = list(rows.chunk(2, dim=-1))
        halves[index] = value
        return torch.cat(halves, dim=-1)

    return Shape(lambda rows: rows.chunk(2, dim=-1)[index], paste)


def _times(factor: float) -> Shape:
    return Shape(lambda rows: rows * factor, lambda rows, value: value / factor)


class Oracle:
    """One tiny model and the means to look into it without the engine."""

    def __init__(self, name: str, dtype: torch.dtype) -> None:
        self.name, self.dtype = name, dtype
        self.wiring: Wiring = wiring(name)
        self.model = tiny_model(name, dtype=dtype)
        # Eager, so that masks arrive as numbers to add. Falcon refuses the setter.
        self.model.config._attn_implementation = "eager"
        self.blocks = blocks(name, self.model)
        self.n_layers = len(self.blocks)
        self.n_heads: int = self.model.config.num_attention_heads

    def run(
        self, ids: tuple[int, ...], edits: Edits | None = None, *, grad: bool = False
    ) -> dict[str, Tensor]:
        """Every site by name, `logits` too; no batch axis."""
        this = Pass(edits or {})
        with ExitStack() as stack:
            stack.enter_context(torch.set_grad_enabled(grad))
            stack.enter_context(observed(self.wiring, self._turns(self.wiring.attn), this.visit))
            for handle in self._hooks(this):
                stack.callback(handle.remove)
            output = self.model(torch.tensor([ids]))
        this.seen["embed"] = this.seen["L0.resid_pre"]
        this.seen["logits"] = output.logits[0]
        unknown = set(this.edits) - set(this.seen)
        assert not unknown, f"the oracle passed no site called {unknown}"
        return this.seen

    def part(self, layer: int, path: str) -> nn.Module:
        return self.blocks[layer].get_submodule(path)

    @property
    def dense_layers(self) -> list[int]:
        return [layer for layer in range(self.n_layers) if layer not in self.wiring.moe_layers]

    def _turns(
        self, path: str, layers: tuple[int, ...] | list[int] | None = None
    ) -> dict[nn.Module, list[int]]:
        """The modules at a path, each with the layers it serves in the order of their turns."""
        turns: dict[nn.Module, list[int]] = {}
        for layer in range(self.n_layers) if layers is None else layers:
            turns.setdefault(self.part(layer, path), []).append(layer)
        return turns

    def _hooks(self, this: Pass) -> Iterator[RemovableHandle]:
        w, moe, dense = self.wiring, self.wiring.moe_layers, self.dense_layers
        times = _times(w.residual_multiplier) if w.residual_multiplier != 1 else Shape()
        before, after = partial(self._before, this), partial(self._after, this)
        yield from before("resid_pre", "")
        for path in w.qkv:
            yield from before("attn_in", path)
        yield from before("z", w.o_proj, shape=_heads(self.n_heads))
        yield from after("attn_out", w.attn_added or w.o_proj, shape=times)
        for path in w.mlp_first:
            yield from before("mlp_in", path, layers=dense)
        yield from self._neuron_hooks(this)
        yield from after("mlp_out", w.mlp_added or w.mlp_out, layers=dense, shape=times)
        yield from before("mlp_in", w.mlp, layers=moe)
        yield from after("mlp_out", w.mlp_added or w.mlp, layers=moe, shape=times)
        if w.layout == "post":
            assert w.attn_post is not None
            yield from after("resid_mid", w.attn_post)
        elif w.layout == "sequential":
            yield from self._resid_mid_hooks(this)
        yield from after("resid_post", "")
        head = self.model.get_submodule(w.unembedding)
        yield head.register_forward_pre_hook(
            lambda module, args: _on_rows(partial(this.visit, "final_norm"), args[0])
        )

    def _neuron_hooks(self, this: Pass) -> Iterator[RemovableHandle]:
        w = self.wiring
        before = partial(self._before, this, layers=self.dense_layers)
        after = partial(self._after, this, layers=self.dense_layers)
        if w.gate_up is not None:
            yield from after("mlp_gate", w.gate_up, shape=_half(0))
            yield from after("mlp_pre", w.gate_up, shape=_half(1))
        elif w.gate is not None:
            assert w.up is not None
            yield from after("mlp_gate", w.gate)
            yield from after("mlp_pre", w.up)
        else:
            yield from before("mlp_pre", w.act)
        yield from before("mlp_post", w.mlp_out)

    def _resid_mid_hooks(self, this: Pass) -> Iterator[RemovableHandle]:
        """resid_mid has no module of its own: change what attention adds until the sum is right.

        Registered after the hook of attn_out, so that it sees that hook's result.
        """
        w = self.wiring
        current: dict[int, Tensor] = {}

        def remember(layer: int, module: nn.Module, args: Any, kwargs: Any) -> None:
            states = args[0] if args else kwargs["hidden_states"]
            current[layer] = states.reshape(-1, states.shape[-1])

        def adjust(layer: int, module: nn.Module, args: Any, output: Tensor) -> Tensor:
            def rows(added: Tensor) -> Tensor:
                mid = current[layer] + added * w.residual_multiplier
                changed = this.visit(f"L{layer}.resid_mid", mid)
                # Without an edit nothing may be rounded a second time.
                if changed is mid:
                    return added
                return (changed - current[layer]) / w.residual_multiplier

            return _on_rows(rows, output)

        for layer, block in enumerate(self.blocks):
            yield block.register_forward_pre_hook(partial(remember, layer), with_kwargs=True)
            added = block.get_submodule(w.attn_added or w.o_proj)
            yield added.register_forward_hook(partial(adjust, layer))

    def _before(
        self,
        this: Pass,
        site: str,
        path: str,
        *,
        layers: tuple[int, ...] | list[int] | None = None,
        shape: Shape | None = None,
    ) -> Iterator[RemovableHandle]:
        """Observe and change the input of the module at a path of every block."""
        for module, served in self._turns(path, layers).items():
            rows = _visitor(this, site, served, shape or Shape())

            def hook(module: nn.Module, args: Any, kwargs: Any, rows: Change = rows) -> Any:
                if args:
                    return (_on_rows(rows, args[0]), *args[1:]), kwargs
                changed = _on_rows(rows, kwargs["hidden_states"])
                return args, kwargs | {"hidden_states": changed}

            yield module.register_forward_pre_hook(hook, with_kwargs=True)

    def _after(
        self,
        this: Pass,
        site: str,
        path: str,
        *,
        layers: tuple[int, ...] | list[int] | None = None,
        shape: Shape | None = None,
    ) -> Iterator[RemovableHandle]:
        """Observe and change the output of the module at a path of every block."""
        for module, served in self._turns(path, layers).items():
            rows = _visitor(this, site, served, shape or Shape())

            def hook(module: nn.Module, args: Any, output: Any, rows: Change = rows) -> Any:
                if isinstance(output, tuple):
                    return (_on_rows(rows, output[0]), *output[1:])
                return _on_rows(rows, output)

            yield module.register_forward_hook(hook)


def _visitor(this: Pass, site: str, layers: list[int], shape: Shape) -> Change:
    """What one module's rows become; a module that several layers share takes them in turn."""
    turn = cycle(layers)

    def rows_of(rows: Tensor) -> Tensor:
        value = shape.cut(rows)
        changed = this.visit(f"L{next(turn)}.{site}", value)
        return rows if changed is value else shape.paste(rows, changed)

    return rows_of


def _on_rows(change: Change, states: Tensor) -> Tensor:
    """Apply a change of `[pos, d]` to `[1, pos, d]`, or to `[pos, d]` where a family flattens."""
    return change(states.reshape(-1, states.shape[-1])).reshape(states.shape)
