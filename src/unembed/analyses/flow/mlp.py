"""The feed-forward of a flow graph: from `mlp_in`, through neurons, to `mlp_out`.

A neuron has a key, its column of the input map (in a gated feed-forward one of the gate and one of
the other map, called up), and a value, its row of the output map. What it writes is its activation
times its value, through whatever the block applies after that (see `writes`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unembed.analyses.flow.draft import Draft, Write, zero
from unembed.analyses.flow.drawing import BranchDrawing
from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.flow.result import FlowLink, FlowSum
from unembed.analyses.flow.selection import Selector
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.shares import shares
from unembed.analyses.tools.writes import branch_output
from unembed.engine.passes.run import Run

if TYPE_CHECKING:
    from jaxtyping import Float


KEY, NEURON = range(2)  # columns, from that of the keys on
HIDDEN_WIDTH = 0.05  # of a link that only keeps two nodes in line


class MlpParts:
    """What a layer's feed-forward does at one position, and which neurons of it are shown."""

    def __init__(self, run: Run, layer: int, position: int, selector: Selector) -> None:
        self.run, self.layer, self.position = run, layer, position
        self.whole = branch_output(run, layer, "mlp", position)
        self.added = accurate(run[f"L{layer}.mlp_out"][position])
        self.activations = accurate(self.whole.inside[0])
        scores = self.activations * self.whole.unit_norms().to(self.activations)
        self.neurons = selector.neurons(layer, scores, float(self.added.norm()))

    @cached_property
    def unit_writes(self) -> Float[Tensor, "shown d_model"]:
        """What one unit of activation of each shown neuron writes."""
        return self._carried(accurate(self.whole.weight[list(self.neurons)]))

    @cached_property
    def bias(self) -> Float[Tensor, " d_model"]:
        return accurate(self.whole.bias_write()[0])

    @cached_property
    def keys(self) -> dict[str, Float[Tensor, "shown d_model"]]:
        """Columns of the input map: "" (also called up), and "gate"; none if not understood."""
        maps = self.run.model.input_maps(self.layer)
        return {
            "" if name == "in" else name: accurate(one.weight[:, list(self.neurons)].T)
            for name, one in maps.items()
        }

    @cached_property
    def input_bias(self) -> Float[Tensor, " d_model"] | None:
        """What the bias of the input map would write by itself, without the activation function."""
        found = self.run.model.input_maps(self.layer).get("in")
        if found is None or found.bias is None:
            return None
        return self._carried((accurate(found.bias) @ accurate(self.whole.weight))[None])[0]

    @cached_property
    def gated(self) -> tuple[Float[Tensor, " d_mlp"], Float[Tensor, " d_mlp"]] | None:
        """The gate after its activation function, and what it multiplies."""
        model, mlp = self.run.model, self.run.model.block(self.layer).mlp
        activation = model.activation(self.layer)
        if mlp.gate is None or activation is None:
            return None
        gate, up = (self.run[f"L{self.layer}.{site}"][self.position] for site in _GATED)
        with model.evaluating():
            opened = activation(gate)
        return accurate(opened), accurate(up)

    def _carried(self, rows: Float[Tensor, "n d_model"]) -> Float[Tensor, "n d_model"]:
        return accurate(self.whole.carry(rows[None])[0])


_GATED = ("mlp_gate", "mlp_pre")


class MlpDrawing(BranchDrawing):
    """Draws one layer's feed-forward, from the keys on."""

    def __init__(self, parts: MlpParts, draft: Draft, options: FlowOptions, column: int) -> None:
        super().__init__(draft, options, parts.layer, parts.position, column, "mlp", parts.added)
        self.parts = parts

    def draw(self) -> None:
        """All of it."""
        for order, neuron in enumerate(self.parts.neurons):
            self._neuron(order, neuron)
        self._biases()
        self._sum()

    def _neuron(self, order: int, neuron: int) -> None:
        parts, name = self.parts, f"{self.name}.N{neuron}"
        activation, unit = float(parts.activations[neuron]), parts.unit_writes[order]
        sign, readings = self.draft.signed(name, activation, unit)
        write = Write(readings[0][1], sign * activation, self.layer, "mlp")
        shared: dict[str, Any] = {
            "address": name,
            "activation": activation,
            "cut": zero(name, self.position),
        }
        if parts.gated is not None:
            shared |= {
                part: float(values[neuron])
                for part, values in zip(("gate", "up"), parts.gated, strict=True)
            }
        node = self.node(
            f"N{neuron}",
            NEURON,
            kind="neuron",
            title=f"neuron {neuron} of layer {self.layer}: its value vector",
            sign=sign,
            **shared,
        )
        keys = [(key, self.draft.row(rows[order])) for key, rows in parts.keys.items()]
        self._way_in(node.id, keys, shared)
        merged = [(f"key {key}".strip(), row) for key, row in keys]
        self.draft.add(
            node, *readings, *(merged if self.options.merge_neurons else ()), write=write
        )
        norm = abs(activation) * float(unit.norm())
        link = {"norm": norm, "activation": activation, "cut": node.cut}
        self.join(name, self.end, "neuron", norm, "entropy", write, **link)

    def _way_in(self, name: str, keys: list[tuple[str, int]], shared: dict[str, Any]) -> None:
        """From what the feed-forward reads to a neuron: through its key, or straight."""
        start = f"{self.name}.mlp_in"
        activation, own = shared["activation"], shared["cut"]
        link: dict[str, Any] = {"activation": activation, "cut": own}
        if not self.options.merge_neurons:
            neuron = name.partition(".N")[2]
            title = f"key of neuron {neuron} in layer {self.layer}: what it reads"
            node = self.node(f"N{neuron}.key", KEY, kind="neuron_key", title=title, **shared)
            self.draft.add(node, *keys)
            norm = float(self.draft.vector(keys[0][1]).norm()) if keys else None
            row = keys[0][1] if keys else None
            width = self.options.default_width
            fields = {"norm": norm, "row": row, **link}
            self.join(start, node.id, "neuron_key", width, "entropy", **fields)
            start = node.id
        width = self.options.neuron_factor * abs(activation)
        fields = {"colour_value": activation, **link}
        self.join(start, name, "activation", width, "sign", **fields)

    def _biases(self) -> None:
        inner = self.parts.input_bias if self.options.mlp_bias else None
        start = f"{self.name}.mlp_in"
        if inner is not None:
            title = f"bias of the input map in layer {self.layer}, through the output map"
            node = self.node("mlp_in_bias", KEY, kind="mlp_in_bias", title=title)
            self.draft.add(node, ("", self.draft.row(inner)))
            norm = float(inner.norm())
            self.join(start, node.id, "bias", self.options.default_width, "bias", norm=norm)
        title = f"bias of the output map in layer {self.layer}"
        drawn = self.bias("" if inner is not None else start, title, self.parts.whole, NEURON)
        if inner is not None and drawn:
            pair = (f"{self.name}.mlp_in_bias", f"{self.name}.mlp_bias")
            self.draft.join(FlowLink(*pair, "bias", HIDDEN_WIDTH, "hidden"))
        self._bias_drawn = drawn

    def _sum(self) -> None:
        parts = self.parts
        activations = parts.activations[list(parts.neurons)]
        shown = (activations[:, None] * parts.unit_writes).sum(0)
        rest = parts.added - shown - parts.bias
        if self.options.rest:
            hidden = rest if self._bias_drawn else rest + parts.bias
            left = len(parts.neurons) < len(parts.activations)
            said = f"all other neurons of layer {self.layer}"
            self.rest("neurons", said, self.end, hidden, NEURON, any_left=left)
        found = shares(torch.stack([shown, parts.bias, rest]), parts.added)
        self.draft.sums.append(
            FlowSum(
                self.layer,
                "mlp",
                added_norm=float(parts.added.norm()),
                heads=None,
                shown=found[0],
                bias=found[1],
                rest=found[2],
                rest_norm=float(rest.norm()),
            )
        )
