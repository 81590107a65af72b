"""The maps of a block that its anatomy names: what the stream is read through and written along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from unembed.engine.nodes import Branch
from unembed.errors import CapabilityError
from unembed.models.activations import FUNCTIONS
from unembed.models.anatomy import Anatomy, AttentionAnatomy, BlockAnatomy, MlpAnatomy
from unembed.models.maps import bias_of, weight_in_out


@dataclass(frozen=True, eq=False)
class InputMap:
    """A map that neurons read the residual stream through."""

    weight: Tensor  # [d_model, d_mlp]
    bias: Tensor | None  # [d_mlp]


class Maps:
    """The weights of a module, by layer, as its anatomy finds them."""

    def __init__(self, module: nn.Module, anatomy: Anatomy, name: str) -> None:
        self.module = module
        self.anatomy = anatomy
        self.name = name

    def block(self, layer: int) -> BlockAnatomy:
        """The anatomy of one block."""
        return self.anatomy.blocks[layer]

    def output_weight(self, layer: int, branch: Branch) -> Tensor:
        """W_O or W_out as [d_in, d_model]; its rows are what heads or neurons write along."""
        return weight_in_out(self._output_map(layer, branch))

    def output_bias(self, layer: int, branch: Branch) -> Tensor | None:
        """The bias of W_O or W_out [d_model], or None."""
        return bias_of(self._output_map(layer, branch))

    def input_maps(self, layer: int) -> Mapping[str, InputMap]:
        """The maps that a layer's neurons read through: "in" and, where there is one, "gate".

        The columns of their weights are the neurons' keys. Empty where the block has no neurons,
        or what its maps compute was not understood.
        """
        mlp = self.block(layer).feed_forward
        if mlp is None or mlp.pre is None:
            return {}
        names = [tap.module for tap in mlp.inputs]
        if mlp.gate is None:
            return {"in": self._input_map(names[0], None)}
        half = mlp.pre.half
        other = next((name for name in names if name != mlp.pre.module), mlp.pre.module)
        return {
            "in": self._input_map(mlp.pre.module, half),
            "gate": self._input_map(other, None if half is None else 1 - half, mlp.gate.scale),
        }

    def activation(self, layer: int) -> Callable[[Tensor], Tensor] | None:
        """What makes activations of a layer's neurons of their arguments; None if not known."""
        mlp = self.block(layer).feed_forward
        if mlp is None:
            return None
        if mlp.function is not None:
            return FUNCTIONS[mlp.function]
        return None if mlp.activation is None else self.module.get_submodule(mlp.activation)

    def _input_map(self, name: str, half: int | None, scale: float = 1.0) -> InputMap:
        module = self.module.get_submodule(name)
        weight, bias = weight_in_out(module), bias_of(module)
        if half is not None:
            weight = weight.chunk(2, dim=1)[half]
            bias = None if bias is None else bias.chunk(2)[half]
        if scale != 1.0:
            weight, bias = weight * scale, None if bias is None else bias * scale
        return InputMap(weight, bias)

    def inner_norm(self, layer: int, branch: Branch) -> Callable[[Tensor], Tensor] | None:
        """The norm between z or mlp_post and W_O or W_out, where there is one."""
        found = self._branch(layer, branch)
        return self._norm(None if found is None else found.inner_norm)

    def post_norm(self, layer: int, branch: Branch) -> Callable[[Tensor], Tensor] | None:
        """The norm between W_O or W_out and the residual stream, where there is one."""
        found = self._branch(layer, branch)
        return self._norm(None if found is None else found.post_norm)

    def _norm(self, name: str | None) -> nn.Module | None:
        return None if name is None else self.module.get_submodule(name)

    def _branch(self, layer: int, branch: Branch) -> AttentionAnatomy | MlpAnatomy | None:
        """A branch of a block; None for attention whose heads are not known."""
        block = self.block(layer)
        if branch == "mlp":
            return block.mlp
        if branch == "cross":
            return block.crossed
        return None if block.why_no_heads is not None else block.attention

    def attention_of(self, layer: int, branch: Branch) -> AttentionAnatomy:
        """The attention of a block, or that to the encoder. Raises CapabilityError."""
        block = self.block(layer)
        return block.crossed if branch == "cross" else block.attention

    def residual_multiplier(self, layer: int, branch: Branch) -> float:
        """The factor with which a branch joins the residual stream."""
        block = self.block(layer)
        written = {"attn": block.mixer, "cross": block.cross, "mlp": block.feed_forward}[branch]
        return 1.0 if written is None else written.added.scale

    def _output_map(self, layer: int, branch: Branch) -> nn.Module:
        block = self.block(layer)
        if branch != "mlp":
            return self.module.get_submodule(self.attention_of(layer, branch).output_map)
        if block.mlp.output_map is None:  # experts
            raise CapabilityError(
                f"layer {layer} of {self.name} has no neurons: {block.mlp.reason}", field="layer"
            )
        return self.module.get_submodule(block.mlp.output_map)
