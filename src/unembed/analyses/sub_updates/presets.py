"""Switching sub-updates on and off: edits whose values are measured in a run.

`turn_off` and `turn_on` act on what a neuron writes. `lm_debugger_off` and `lm_debugger_on` do what
LM-Debugger (Geva et al. 2022) does, to the letter, for results that compare with published ones:
they set the pre-activation, everywhere, and use the largest dominance score of the layer, a product
of activation and norm, as if it were an activation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from unembed.analyses.tools.writes import branch, node_of
from unembed.engine.editing.edits import Edit, set_to, zero
from unembed.engine.names.sites import Target, parse_target
from unembed.errors import EditError, InputError, TargetError

if TYPE_CHECKING:
    from unembed.engine.model import Model
    from unembed.engine.passes.run import Run

MARGIN = 0.01  # what LM-Debugger adds to the largest score


def presets_capture(model: Model, node: str) -> tuple[str, ...]:
    """What a run must have captured for `turn_on` and `lm_debugger_on` of a neuron."""
    return (f"L{_neuron(model, node).layer}.mlp_post",)


def turn_off(node: str) -> Edit:
    """The node writes nothing: L12.N512, L9.H6, L5.attn, L5.mlp."""
    return zero(node)


@torch.no_grad()
def turn_on(run: Run, node: str, sign: Literal[1, -1] = 1) -> Edit:
    """A neuron writes as much as the strongest neuron of its layer did, along its value vector.

    Its activation is set, at every position, to the largest |score| of the layer at the last
    position of `run`, over the norm of what one unit of its activation writes there. The run must
    have captured `presets_capture(model, node)`. Activations of gated feed-forwards may well be
    negative: with sign -1 the neuron promotes what its value vector suppresses.

    Raises:
        TargetError: the node is no neuron of this model, or its layer was not captured.
        EditError: the neuron's value vector is zero, or the layer wrote nothing.
    """
    target = _neuron(run.model, node)
    whole = branch(run, _layer(target), "mlp", len(run.ids) - 1)
    norms = whole.unit_norms()
    largest = float((whole.inside[0].to(norms) * norms).abs().max())
    own = float(norms[target.neuron])
    if not own or not largest:
        what = f"{node} has a value vector of zero" if not own else "no neuron of its layer wrote"
        raise EditError(
            f"{node} cannot be turned on as the layer's strongest: {what}; set its activation to "
            "a number instead",
            field="target",
            value=node,
            fix=f'set_to("{node}", 1.0)',
        )
    return set_to(_named(target), sign * largest / own)


@torch.no_grad()
def lm_debugger_on(run: Run, node: str) -> tuple[Edit, ...]:
    """LM-Debugger's "on": the pre-activation of neuron i, at all positions, is max_j s_j + 0.01.

    s_j = |m_j| ‖v_j‖ at the last position of `run`, the prompt without edits; m is the input of the
    feed-forward's second matrix and v_j its row j as stored. In a gated feed-forward both
    pre-activations are set, as the tool's successor does. Generated tokens are edited too.

    Raises TargetError for what is no neuron of this model, InputError for a run that has edits.
    """
    target = _neuron(run.model, node)
    if run.edits:
        raise InputError(
            "LM-Debugger takes its scores from the prompt without edits, and this run has "
            f"{len(run.edits)}; run the prompt without",
            field="run",
            value=len(run.edits),
            legal="a run without edits",
        )
    activations = run[f"L{target.layer}.mlp_post"][-1]
    weight = run.model.output_weight(_layer(target), "mlp")
    norms: Tensor = torch.linalg.vector_norm(
        weight, dim=1, dtype=torch.promote_types(weight.dtype, torch.float32)
    )
    largest = float((activations.to(norms).abs() * norms).max())
    gated = run.model.block(_layer(target)).mlp.gate is not None
    sites = ("mlp_gate", "mlp_pre") if gated else ("mlp_pre",)
    return tuple(set_to(f"{_named(target)}.{site}", largest + MARGIN) for site in sites)


def lm_debugger_off(node: str) -> tuple[Edit, ...]:
    """LM-Debugger's "off": the pre-activation of the neuron, at all positions, is 0.

    Of a gated feed-forward that is the one that the gate multiplies: what comes out is 0 whatever
    the gate is, as if both were set.
    """
    target = _named_neuron(parse_target(node))
    return (set_to(f"{_named(target)}.mlp_pre", 0.0),)


def _neuron(model: Model, node: str) -> Target:
    """The parsed name of a neuron that the model has."""
    return _named_neuron(node_of(model, node))


def _named_neuron(target: Target) -> Target:
    """Raises TargetError for anything but a neuron at all positions."""
    if target.kind != "neuron" or target.position is not None:
        raise TargetError(
            f"{target.text!r} cannot be switched on and off like a sub-update: name a neuron, at "
            "all positions, as in L12.N512",
            field="target",
            value=target.text,
            legal='"L12.N512" or "L12D512"',
        )
    return target


def _named(target: Target) -> str:
    return f"L{target.layer}.N{target.neuron}"


def _layer(target: Target) -> int:
    if target.layer is None:
        raise LookupError(f"{target.text} has no layer")
    return target.layer
