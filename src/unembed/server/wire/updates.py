"""What a layer added at one position, taken apart into what its nodes wrote."""

from __future__ import annotations

from pydantic import Field

from unembed.server.wire.base import Wire
from unembed.server.wire.nodes import TokenEffect


class Update(Wire):
    """One part of what a branch added: a sub-update, the biases, or the rest."""

    node: str = Field(description='"L12.N512", "L9.H6"; "bias" or "rest".')
    activation: float | None = Field(description="Neurons: the input of the output map.")
    norm: float = Field(description="Norm of the write.")
    score: float = Field(
        description="Neurons: activation times the norm of what one unit writes, signed; "
        "others: the norm."
    )
    share: float = Field(
        description="<write, added> / ‖added‖²: all shares of a branch sum to 1; may be negative."
    )
    promotes: list[TokenEffect] = Field(description="Direct effect, most raised first.")
    suppresses: list[TokenEffect] = Field(description="Direct effect, most lowered first.")


class BranchUpdates(Wire):
    """The neurons, or the heads, of one layer: shown parts, biases and rest sum to what was added.

    Where the branch cannot be taken apart, `reason` says why and nothing else is in it.
    """

    added_norm: float = Field(0.0, description="Norm of what the branch added.")
    explained: float = Field(0.0, description="Share of the shown parts.")
    shown: list[Update] = Field([], description="Largest |score| first.")
    bias: Update | None = Field(None, description="Absent where there are no biases.")
    rest: Update | None = Field(None, description="All others together; absent with a reason.")
    reason: str | None = None
