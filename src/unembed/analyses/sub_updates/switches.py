"""Switching sub-updates on and off: edits whose values are measured in a run.

`turn_off` and `turn_on` act on what a neuron writes. LM-Debugger's own switches act on what goes
into its activation function: see `unembed.compat.lm_debugger`.
"""

from __future__ import annotations

from typing import Literal

import torch

from unembed.analyses.tools.writes import branch_output, node_of
from unembed.engine.editing.edits import Edit, set_to, zero
from unembed.engine.loaded import Loaded
from unembed.engine.passes.run import Run
from unembed.engine.targets import Name, Target
from unembed.errors import EditError, TargetError


def presets_capture(model: Loaded, node: Name) -> tuple[str, ...]:
    """What a run must have captured for `turn_on` and `lm_debugger_on` of a neuron."""
    return (f"L{neuron_of(model, node).layer}.mlp_post",)


def turn_off(node: Name) -> Edit:
    """The node writes nothing: L12.N512, L9.H6, L5.attn, L5.mlp."""
    return zero(node)


@torch.no_grad()
def turn_on(run: Run, node: Name, sign: Literal[1, -1] = 1) -> Edit:
    """A neuron writes as much as the strongest neuron of its layer did, along its value vector.

    Its activation is set, at every position, to the largest |score| of the layer at the last
    position of `run`, over the norm of what one unit of its activation writes there. The run must
    have captured `presets_capture(model, node)`. Activations of gated feed-forwards may well be
    negative: with sign -1 the neuron promotes what its value vector suppresses.

    Raises:
        TargetError: the node is no neuron of this model, or its layer was not captured.
        EditError: the neuron's value vector is zero, or the layer wrote nothing.
    """
    target = neuron_of(run.model, node)
    whole = branch_output(run, layer_of(target), "mlp", len(run.ids) - 1)
    norms = whole.unit_norms()
    largest = float((whole.inside[0].to(norms) * norms).abs().max())
    own = float(norms[target.neuron])
    if not own or not largest:
        name = target.text
        what = f"{name} has a value vector of zero" if not own else "no neuron of its layer wrote"
        raise EditError(
            f"{name} cannot be turned on as the layer's strongest: {what}; set its activation to "
            "a number instead",
            field="target",
            value=name,
            fix=f'set_to("{name}", 1.0)',
        )
    return set_to(neuron_name(target), sign * largest / own)


def neuron_of(model: Loaded, node: Name) -> Target:
    """The parsed name of a neuron that the model has."""
    return named_neuron(node_of(model, node))


def named_neuron(target: Target) -> Target:
    """Raises TargetError for anything but a neuron at all positions."""
    if not target.row.has_vector or target.position is not None:
        raise TargetError(
            f"{target.text!r} cannot be switched on and off like a sub-update: name a neuron, at "
            "all positions, as in L12.N512",
            field="target",
            value=target.text,
            legal='"L12.N512" or "L12D512"',
        )
    return target


def neuron_name(target: Target) -> str:
    return f"L{target.layer}.N{target.neuron}"


def layer_of(target: Target) -> int:
    if target.layer is None:
        raise LookupError(f"{target.text} has no layer")
    return target.layer
