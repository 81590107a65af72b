"""What the drawings of both branches of a layer have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from unembed.analyses.flow.draft import Draft, Write, cut
from unembed.analyses.flow.kinds import LinkColour, LinkKind
from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.flow.result import FlowLink, FlowNode
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.shares import rounding, shares
from unembed.analyses.tools.writes import BranchOutput
from unembed.engine.nodes import Branch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@dataclass
class BranchDrawing:
    """Draws one branch of one layer into a draft, in which both of its ends have places."""

    draft: Draft
    options: FlowOptions
    layer: int
    position: int
    column: int  # of the branch's first node
    branch: Branch
    added: Float[Tensor, " d_model"]

    @property
    def name(self) -> str:
        return f"L{self.layer}"

    @property
    def end(self) -> str:
        """The node that everything of the branch flows into."""
        return f"{self.name}.{self.branch}_out"

    def node(self, suffix: str, column: int, **fields: Any) -> FlowNode:
        """A node of this layer, without its readings."""
        return FlowNode(
            id=f"{self.name}.{suffix}",
            layer=self.layer,
            column=self.column + column,
            readings=(),
            **fields,
        )

    def join(
        self,
        source: str,
        target: str,
        kind: LinkKind,
        width: float,
        colour: LinkColour,
        write: Write | None = None,
        **fields: Any,
    ) -> None:
        """A link; one that ends at the branch's result has its share of it."""
        if write is not None and target == self.end:
            vector = self.draft.vector(write.row) * write.coefficient
            fields["share"] = shares(vector[None], self.added)[0]
        self.draft.join(FlowLink(source, target, kind, width, colour, **fields), write)

    def write(self, vector: Float[Tensor, " d_model"], coefficient: float = 1.0) -> Write:
        """A vector that joins the residual stream."""
        return Write(self.draft.row(vector), coefficient, self.layer, self.branch)

    def rest(
        self,
        suffix: str,
        said: str,
        target: str,
        vector: Float[Tensor, " d_model"],
        column: int,
        *,
        any_left: bool = True,
    ) -> None:
        """What is not shown of the parts of a node, as a node of its own.

        Rounding error says nothing: it is drawn as zero, or not at all where no part is left.
        """
        if float(vector.norm()) <= rounding(self.draft.model.dtype) * float(self.added.norm()):
            if not any_left:
                return
            vector = torch.zeros_like(vector)
        write, norm = self.write(vector), float(vector.norm())
        node = self.node(f"{suffix}.rest", column, kind="rest", title=f"{said}, together")
        self.draft.add(node, ("", write.row), write=write)
        self.join(node.id, target, "rest", norm, "entropy", write, norm=norm)

    def bias(self, source: str, title: str, whole: BranchOutput, column: int) -> bool:
        """The bias of the output map, where there is one and it is asked for; its own way in."""
        asked = self.options.mlp_bias if self.branch == "mlp" else self.options.attn_bias
        if not (asked and whole.has_bias):
            return False
        vector = accurate(whole.bias_write()[0])
        write, norm = self.write(vector), float(vector.norm())
        name = f"{self.branch}_bias"
        own = cut(f"{self.name}.{name}", self.position)
        node = self.node(name, column, kind=name, title=title, cut=own)
        self.draft.add(node, ("", write.row), write=write)
        if source:
            width = self.options.default_width
            self.join(source, node.id, "bias", width, "bias", norm=norm, cut=own)
        self.join(node.id, self.end, "bias", norm, "bias", write, norm=norm, cut=own)
        return True
