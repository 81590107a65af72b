"""One layer of one run at one position, one vector at a time: what the flow graph shows of it.

Nothing here is shared with the analysis but the names in its options.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from unembed.analyses.flow.options import FlowOptions

from ..contract.wiring import weight_and_bias
from .flow_heads import Heads
from .slow import Slow, entropy


class SlowLayer:
    """One layer of one run, at one position."""

    def __init__(
        self,
        slow: Slow,
        sites: dict[str, Tensor],
        layer: int,
        position: int,
        among_equals: Sequence[str] = (),
    ) -> None:
        self.slow, self.oracle, self.wiring = slow, slow.oracle, slow.oracle.wiring
        self.sites, self.layer, self.position = sites, layer, position
        self.name = f"L{layer}"
        self.among_equals = among_equals  # neurons to prefer where several score the same
        self.heads = Heads(self.oracle, layer, sites[f"L{layer}.attn_in"])
        self.dense = layer in self.oracle.dense_layers

    def at(self, site: str) -> Tensor:
        return self.sites[f"{self.name}.{site}"][self.position]

    def entropy(self, vector: Tensor) -> float:
        return float(entropy(self.slow.decode(vector[None]).double())[0])

    # ------------------------------------------------------------------ attention

    @cached_property
    def w_o(self) -> tuple[Tensor, Tensor]:
        weight, bias = weight_and_bias(self.oracle.part(self.layer, self.wiring.o_proj))
        return weight.detach(), bias.detach()

    def has(self, path: str) -> bool:
        """Whether a map has a bias."""
        return getattr(self.oracle.part(self.layer, path), "bias", None) is not None

    @cached_property
    def attn_gain(self) -> Tensor:
        weight, bias = self.w_o
        return self.gain(self.at("z").flatten() @ weight + bias, "attn")

    def gain(self, product: Tensor, part: str) -> Tensor:
        """What stands between an output map and the stream, entry by entry."""
        added = self.wiring.attn_added if part == "attn" else self.wiring.mlp_added
        whole = torch.full_like(product, self.wiring.residual_multiplier)
        return whole if added is None else self.at(f"{part}_out") / product

    def rows_of(self, head: int) -> Tensor:
        d_head = self.heads.d_head
        return self.w_o[0][head * d_head : (head + 1) * d_head]

    def head_write(self, head: int) -> Tensor:
        return self.at("z")[head] @ self.rows_of(head) * self.attn_gain

    def value_write(self, head: int, source: int) -> Tensor:
        value = self.heads.values[source, head // self.heads.group]
        return value @ self.rows_of(head) * self.attn_gain

    def z_row(self, row: int) -> Tensor:
        return self.w_o[0][row] * self.attn_gain

    def attention(self, head: int) -> Tensor:
        return self.sites[f"{self.name}.pattern"][head, self.position]

    def query(self, head: int) -> Tensor:
        """W_K of the head, transposed, times its query; the key's norm as at this position."""
        kv_head = head // self.heads.group
        asked = self.heads.queries[self.position, head]
        return self.heads.back("k", self.position, kv_head, asked)

    def key(self, head: int, source: int, *, turned: bool = False) -> Tensor:
        """W_Q of the head, transposed, times the key; the query's norm as at this position."""
        offered = self.heads.keys[source, head // self.heads.group]
        if turned:
            offered = self.heads.turned(offered, source - self.position)
        return self.heads.back("q", self.position, head, offered)

    @cached_property
    def z_vector(self) -> Tensor:
        z = self.at("z").flatten()
        if len(z) == len(self.at("resid_pre")):
            return z
        return sum(self.head_write(head) for head in range(self.heads.n_heads))

    # ------------------------------------------------------------------ feed-forward

    @cached_property
    def w_out(self) -> tuple[Tensor, Tensor]:
        weight, bias = weight_and_bias(self.oracle.part(self.layer, self.wiring.mlp_out))
        return weight.detach(), bias.detach()

    @cached_property
    def mlp_gain(self) -> Tensor:
        weight, bias = self.w_out
        return self.gain(self.at("mlp_post") @ weight + bias, "mlp")

    def value_vector(self, neuron: int) -> Tensor:
        return self.w_out[0][neuron] * self.mlp_gain

    @cached_property
    def inputs(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The maps into the neurons, the one that is read first with no name."""
        w, part = self.wiring, self.oracle.part
        if w.gate_up is not None:
            weight, bias = weight_and_bias(part(self.layer, w.gate_up))
            gate, up = zip(weight.chunk(2, dim=1), bias.chunk(2), strict=True)
            return {"": up, "gate": gate}
        if w.gate is not None:
            gate, up = part(self.layer, w.gate), part(self.layer, w.up)
            return {"": weight_and_bias(up), "gate": weight_and_bias(gate)}
        return {"": weight_and_bias(part(self.layer, w.mlp_first[0]))}

    def neuron_key(self, neuron: int) -> dict[str, Tensor]:
        return {name: weight[:, neuron].detach() for name, (weight, _) in self.inputs.items()}

    def mlp_in_bias(self) -> Tensor:
        return self.inputs[""][1].detach() @ self.w_out[0] * self.mlp_gain

    def gate_and_up(self, neuron: int) -> dict[str, object]:
        if not self.wiring.gated:
            return {}
        act = self.oracle.part(self.layer, self.wiring.act)
        gate = act(self.at("mlp_gate"))[neuron].detach()
        return {"gate": float(gate), "up": float(self.at("mlp_pre")[neuron])}

    # ------------------------------------------------------------------ what is shown

    def largest_heads(self, options: FlowOptions) -> list[int]:
        norms = torch.stack([self.head_write(h).norm() for h in range(self.heads.n_heads)])
        n_shown = min(options.n_heads or len(norms), len(norms))
        return sorted(norms.topk(n_shown).indices.tolist())

    def memory(self, head: int, options: FlowOptions) -> list[int]:
        visible = self.sites[f"{self.name}.scores"][head, self.position] > -1e30
        n_shown = min(options.values_per_head, int(visible.sum()))
        return self.attention(head).topk(n_shown).indices.tolist()

    def chosen_z(self, options: FlowOptions) -> list[int]:
        rows = range(len(self.w_o[0]))
        norms = torch.stack([self.z_row(row).norm() for row in rows])
        return ends(self.at("z").flatten() * norms, options)

    def chosen_neurons(self, options: FlowOptions) -> list[int]:
        norms = torch.stack([self.value_vector(n).norm() for n in range(len(self.w_out[0]))])
        scores = self.at("mlp_post") * norms
        named = [int(one.partition(".N")[2]) for one in self.among_equals if self.owns(one)]
        found = ends(scores, options)
        same = torch.equal(scores[named].sort().values, scores[found].sort().values)
        return named if same else found

    def owns(self, neuron: str) -> bool:
        return neuron.startswith(f"{self.name}.N")


def ends(scores: Tensor, options: FlowOptions) -> list[int]:
    """The largest, then the most negative; each once."""
    order = scores.argsort(descending=True).tolist()
    top = order[: options.top_neurons]
    bottom = order[::-1][: options.bottom_neurons]
    return top + [one for one in bottom if one not in top]
