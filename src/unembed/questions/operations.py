"""The table of edit operations: what each takes, and what it does, in one sentence.

The checks of a request, the grammar of --edit and its help, the schema's description and the app's
list come from it; `editing` says how the engine's edits are made. Knows no torch and no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OperationName = Literal[
    "zero",
    "scale",
    "set_to",
    "add",
    "patch",
    "on",
    "lmd_on",
    "lmd_off",
    "cut",
    "mask",
    "knock_out",
]
Takes = Literal["nothing", "number", "vector", "source", "pairs"]
Places = Literal["any", "one", "named", "none"]


@dataclass(frozen=True)
class Operation:
    """One kind of edit."""

    name: OperationName
    takes: Takes  # "vector": a number, or for a site a vector
    sentence: str
    target: str = "TARGET"  # what it is typed as
    stage: bool = True  # whether `stage` has a meaning
    # how many positions: any number, or none for every one; at most one; at least one; none
    places: Places = "any"
    sign: bool = False  # whether `sign` has a meaning

    @property
    def typed(self) -> str:
        """How it is typed: "scale TARGET NUMBER"."""
        value: dict[Takes, str] = {
            "nothing": "",
            "number": " NUMBER",
            "vector": " NUMBER[,...]",
            "source": " PROMPT",
            "pairs": " QUERY<KEY[,...]",
        }
        return f"{self.name} {self.target}{value[self.takes]}"


OPERATIONS: tuple[Operation, ...] = (
    Operation("zero", "nothing", "sets the target to zero"),
    Operation("scale", "number", "multiplies it by a number"),
    Operation("set_to", "vector", "sets it to a number, or a site to a vector"),
    Operation("add", "vector", "adds a vector, or one number"),
    Operation("patch", "source", "sets it to what it is on another prompt"),
    Operation(
        "on",
        "nothing",
        "sets a neuron so that it writes as much as the strongest one of its layer does in the "
        "unedited run; with `sign` -1 the other way round",
        target="NEURON",
        stage=False,
        sign=True,
    ),
    Operation("lmd_on", "nothing", "is LM-Debugger's own on", target="NEURON", stage=False),
    Operation("lmd_off", "nothing", "is LM-Debugger's own off", target="NEURON", stage=False),
    Operation(
        "cut",
        "nothing",
        "takes a node or link of the flow graph out, at one position: the graph's where "
        "`positions` is absent, the last one where there is no graph",
        target="NAME",
        stage=False,
        places="one",
    ),
    Operation(
        "mask",
        "nothing",
        "puts the mask token of a masked model in the place of tokens, before all else; "
        "its target is embed",
        target="embed",
        stage=False,
        places="named",
    ),
    Operation(
        "knock_out",
        "pairs",
        "takes pairs of query and key out of the pattern of a head, or with L5.attn of every head "
        "of a layer: those of `pairs`, or of a sentence pair those `between` its texts; "
        "with `renormalise` the rest of each row sums to what all of it did",
        target="HEAD",
        stage=False,
        places="none",
    ),
)
"""In the order in which they are listed to a person."""

BY_NAME = {row.name: row for row in OPERATIONS}


def described() -> str:
    """All of them, for the schema."""
    return "; ".join(f'"{row.name}" {row.sentence}' for row in OPERATIONS) + "."


def grammar() -> str:
    """All of them as they are typed, for a person who mistyped one."""
    *others, last = (f'"{row.typed}"' for row in OPERATIONS)
    return f"{', '.join(others)} or {last}"
