"""Every edge rated from few backward passes: edge attribution patching.

The effect of an edge is estimated by how much its source's write differs from what replaces it,
times the gradient of the objective at what reads it (EAP; Syed et al. 2023). With integrated
gradients the gradient is the mean over prompts whose embeddings lie on the way from the other
prompt to this one (EAP-IG, inputs; Hanna et al. 2024). Norms are live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.circuits.graph import Graph
from unembed.analyses.tools.objective import Objective
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, by_analysis, set_to
from unembed.engine.loaded import Loaded
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import request_of, run
from unembed.engine.passes.run import Run

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


def rated(
    graph: Graph,
    differences: Float[Tensor, "source pos d_model"],
    slopes: Float[Tensor, "reader pos d_model"],
) -> Float[Tensor, "source reader *pos"]:
    """The estimated effect of every edge: what the objective loses without it; 0 where none is."""
    slopes = slopes.to(differences)
    if graph.positions is None:
        found = differences.flatten(1) @ slopes.flatten(1).T
    else:
        found = torch.einsum("spd,rpd->srp", differences, slopes)
    return torch.where(edges_of(graph).to(found.device), found, 0.0)


def edges_of(graph: Graph) -> Bool[Tensor, "source reader *pos"]:
    """Where there is an edge."""
    found = torch.arange(len(graph.sources))[:, None] < torch.tensor(graph.before)[None]
    if graph.positions is None:
        return found
    found = found[..., None].repeat(1, 1, graph.positions)
    if graph.answer is not None:
        others = torch.arange(graph.positions) != graph.answer
        found[:, -1, others] = False  # the logits are read at one position
    return found


def reading_slopes(
    model: Loaded,
    read: Read,
    graph: Graph,
    objective: Objective,
    embedded: Tensor | None = None,
    cancel: Cancel | None = None,
) -> Float[Tensor, "reader pos d_model"]:
    """The gradient of an objective at the stream as each reader reads it.

    Args:
        embedded: embeddings to run with in place of the prompt's.
    """
    edits: list[Edit] = [] if embedded is None else [by_analysis(set_to("embed", embedded))]
    last = f"L{model.anatomy.n_layers - 1}.resid_post"
    capture = [last, *objective.required_capture(model)]
    for layer, kind in enumerate(graph.layers):
        capture += [f"L{layer}.{site}" for site in ("resid_pre", "q", "k", "v", "z")]
        if kind.mlp:
            capture += [f"L{layer}.{site}" for site in (_read_by_mlp(graph, layer), "mlp_out")]
    request = request_of(read, list(dict.fromkeys(capture)), edits, grad=True)
    seen = run(model, request, cancel)
    z = [f"L{layer}.z" for layer in range(len(graph.layers))]
    mlp = [f"L{layer}.mlp_out" for layer, kind in enumerate(graph.layers) if kind.mlp]
    with torch.inference_mode(False), torch.enable_grad():
        made = [seen[site] for site in (*z, *mlp, last)]
        found = torch.autograd.grad(objective.value(seen), made, retain_graph=True)
        slopes = dict(zip((*z, *mlp, last), found, strict=True))
        parts = []
        for layer, kind in enumerate(graph.layers):
            parts += _of_heads(seen, layer, slopes[f"L{layer}.z"])
            if kind.mlp:
                site = f"L{layer}.{_read_by_mlp(graph, layer)}"
                out = f"L{layer}.mlp_out"
                parts.append(_back(seen[out], seen[site], slopes[out]))
        parts.append(slopes[last])
    return torch.stack([one.detach() for one in parts])


def _read_by_mlp(graph: Graph, layer: int) -> str:
    return "resid_pre" if graph.layers[layer].parallel else "resid_mid"


def _of_heads(seen: Run, layer: int, slope: Float[Tensor, "pos head d_head"]) -> list[Tensor]:
    """The gradients at the stream that each head's query, key and value read."""
    stream = seen[f"L{layer}.resid_pre"]
    sides = [seen[f"L{layer}.{side}"] for side in ("q", "k", "v")]
    z, found = seen[f"L{layer}.z"], []
    for head in range(z.shape[1]):
        alone = torch.zeros_like(slope)
        alone[:, head] = slope[:, head]
        inner = torch.autograd.grad(z, sides, alone, retain_graph=True)
        found += [_back(side, stream, one) for side, one in zip(sides, inner, strict=True)]
    return found


def _back(made: Tensor, stream: Tensor, slope: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(made, stream, slope, retain_graph=True)
    return found
