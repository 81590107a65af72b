"""LM-Debugger's switches (Geva et al. 2022), to the letter, for results that compare with published
ones.

They set the pre-activation of a neuron, everywhere, and take the largest dominance score of the
layer, a product of activation and norm, as if it were an activation. What the project's own
`turn_on` and `turn_off` do instead is in `unembed.analyses.sub_updates.switches`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unembed.analyses.sub_updates.switches import layer_of, named_neuron, neuron_name, neuron_of
from unembed.engine.editing.edits import Edit, set_to
from unembed.engine.names.sites import parse_target
from unembed.engine.passes.run import Run
from unembed.engine.targets import Name
from unembed.errors import InputError

MARGIN = 0.01  # what LM-Debugger adds to the largest score


@torch.no_grad()
def lm_debugger_on(run: Run, node: Name) -> tuple[Edit, ...]:
    """LM-Debugger's "on": the pre-activation of neuron i, at all positions, is max_j s_j + 0.01.

    s_j = |m_j| ‖v_j‖ at the last position of `run`, the prompt without edits; m is the input of the
    feed-forward's second matrix and v_j its row j as stored. In a gated feed-forward both
    pre-activations are set, as the tool's successor does. Generated tokens are edited too.

    Raises TargetError for what is no neuron of this model, InputError for a run that has edits.
    """
    target = neuron_of(run.model, node)
    if run.edits:
        raise InputError(
            "LM-Debugger takes its scores from the prompt without edits, and this run has "
            f"{len(run.edits)}; run the prompt without",
            field="run",
            value=len(run.edits),
            legal="a run without edits",
        )
    activations = run[f"L{target.layer}.mlp_post"][-1]
    weight = run.model.output_weight(layer_of(target), "mlp")
    norms: Tensor = torch.linalg.vector_norm(
        weight, dim=1, dtype=torch.promote_types(weight.dtype, torch.float32)
    )
    largest = float((activations.to(norms).abs() * norms).max())
    gated = run.model.block(layer_of(target)).mlp.gate is not None
    sites = ("mlp_gate", "mlp_pre") if gated else ("mlp_pre",)
    return tuple(set_to(f"{neuron_name(target)}.{site}", largest + MARGIN) for site in sites)


def lm_debugger_off(node: Name) -> tuple[Edit, ...]:
    """LM-Debugger's "off": the pre-activation of the neuron, at all positions, is 0.

    Of a gated feed-forward that is the one that the gate multiplies: what comes out is 0 whatever
    the gate is, as if both were set.
    """
    target = named_neuron(parse_target(node))
    return (set_to(f"{neuron_name(target)}.mlp_pre", 0.0),)
