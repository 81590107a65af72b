"""Holds a flow graph to the slow one: every node, every link, every number.

The slow graph is computed in float64 whatever the model's dtype; `near` says what equal means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .flow_effects import effect_on_target
from .flow_oracle import Link, Node, SlowFlow
from .slow import entropy

# Their norms, rotations or patterns are rounded to float32 in a model of any dtype; of all others
# nothing is.
EXACT = (
    *("gpt2", "gpt2-inverse-layer", "bloom", "opt", "opt-post-norm", "falcon-alibi", "bert"),
    *("roberta", "distilbert", "albert", "albert-two-groups", "electra"),
)


def near(name: str, dtype: torch.dtype) -> float:
    """How close, relative to its size, a number of this model must be."""
    if dtype == torch.float32:
        return 5e-5
    return 1e-10 if name in EXACT else 5e-7


@dataclass(frozen=True)
class Comparison:
    """A graph, what it must be, and the target's token."""

    graph: object
    slow: SlowFlow
    target: int
    near: float

    def wrong(self) -> list[str]:
        """Everything that differs."""
        found = {node.id for node in self.graph.nodes}
        wanted = set(self.slow.nodes)
        if found != wanted:
            return [f"nodes too many {found - wanted}, missing {wanted - found}"]
        links = {(link.source, link.target) for link in self.graph.links}
        if links != set(self.slow.links):
            expected = set(self.slow.links)
            return [f"links too many {links - expected}, missing {expected - links}"]
        return [*self.wrong_nodes(), *self.wrong_readings(), *self.wrong_links()]

    # ------------------------------------------------------------------ nodes

    def wrong_nodes(self) -> Iterator[str]:
        for node in self.graph.nodes:
            wanted = self.slow.nodes[node.id]
            facts = {"kind": wanted.kind, "column": wanted.column, "sign": 1} | wanted.facts
            if node.id.endswith("resid_post"):
                facts["kind"] = "resid_post"
            facts["layer"] = int(node.id[1:].partition(".")[0])
            for name, value in facts.items():
                if not self.same(getattr(node, name), value):
                    yield f"{node.id}: {name} is {getattr(node, name)!r}, not {value!r}"
            names = [reading.name for reading in node.readings]
            if not same_names(names, list(wanted.vectors)):
                yield f"{node.id}: readings {names}, not {list(wanted.vectors)}"
            yield from self.wrong_effect(node.id, node.attributed, wanted)

    def same(self, found: object, wanted: object) -> bool:
        if isinstance(wanted, float):
            return isinstance(found, float) and abs(found - wanted) <= self.near * max(
                1.0, abs(wanted)
            )
        return found == wanted

    def wrong_effect(self, name: str, found: float | None, wanted: Node | Link) -> Iterator[str]:
        if wanted.write is None or wanted.part is None:
            return
        layer = int(name[1:].partition(".")[0])
        effect = effect_on_target(self.slow, layer, wanted.part, wanted.write, self.target)
        size = max(1.0, abs(effect))
        if found is None or abs(found - effect) > 10 * self.near * size:
            yield f"{name}: attributed {found}, not {effect}"

    def wrong_readings(self) -> Iterator[str]:
        pairs = []
        for node in self.graph.nodes:
            wanted = list(self.slow.nodes[node.id].vectors.values())
            pairs += [
                (f"{node.id} {reading.name}", reading, vector)
                for reading, vector in zip(node.readings, wanted, strict=False)
            ]
        logits = self.slow.slow.decode(torch.stack([vector for *_, vector in pairs])).double()
        entropies = entropy(logits)
        for (name, reading, vector), row, nats in zip(pairs, logits, entropies, strict=True):
            yield from self.wrong_vector(name, reading, vector)
            yield from self.wrong_reading(name, reading, row, float(nats))

    def wrong_vector(self, name: str, reading: object, vector: Tensor) -> Iterator[str]:
        found = self.graph.vectors[reading.row].double()
        off = float((found - vector).norm())
        if off > self.near * float(vector.norm()):
            yield f"{name}: vector off by {off / float(vector.norm()):.1e}"
        if abs(reading.norm - float(vector.norm())) > self.near * float(vector.norm()):
            yield f"{name}: norm {reading.norm}, not {float(vector.norm())}"

    def wrong_reading(
        self, name: str, reading: object, logits: Tensor, nats: float
    ) -> Iterator[str]:
        near, p = 4 * self.near, logits.softmax(-1)
        if abs(reading.entropy - nats) > 10 * near:
            yield f"{name}: entropy {reading.entropy}, not {nats}"
        best = p.topk(len(reading.tokens)).values
        listed = torch.tensor([one.token.id for one in reading.tokens])
        said = torch.tensor([one.probability for one in reading.tokens], dtype=torch.float64)
        if float((p[listed] - best).abs().max()) > near or len(set(listed.tolist())) < len(listed):
            yield f"{name}: tokens {listed.tolist()}, not {p.topk(len(listed)).indices.tolist()}"
        if float((said - best).abs().max()) > near:
            yield f"{name}: probabilities {said.tolist()}, not {best.tolist()}"
        score = reading.target
        if score is None or abs(score.probability - float(p[self.target])) > near:
            yield f"{name}: target {score}, not {float(p[self.target])}"
        elif not self.same_rank(score.rank, logits):
            yield f"{name}: rank {score.rank}"

    def same_rank(self, rank: int, logits: Tensor) -> bool:
        margin = 10 * self.near * max(1.0, float(logits.abs().max()))
        surely = 1 + int((logits > logits[self.target] + margin).sum())
        perhaps = int((logits > logits[self.target] - margin).sum())
        return surely <= rank <= perhaps

    # ------------------------------------------------------------------ links

    def wrong_links(self) -> Iterator[str]:
        for link in self.graph.links:
            wanted = self.slow.links[link.source, link.target]
            yield from self.wrong_link(link, wanted)
            if link.source.startswith(link.target.partition(".")[0] + "."):
                yield from self.wrong_effect(link.id, link.attributed, wanted)

    def wrong_link(self, link: object, wanted: Link) -> Iterator[str]:
        plain = {"width": wanted.width, "norm": wanted.norm, "colour_value": wanted.value}
        for name, value in plain.items():
            found = getattr(link, name)
            if value is not None and (
                found is None or abs(found - value) > 40 * self.near * max(1e-3, abs(value), 1.0)
            ):
                yield f"{link.id}: {name} {found}, not {value}"
        if wanted.kind != "residual" and link.kind != wanted.kind:
            yield f"{link.id}: kind {link.kind}, not {wanted.kind}"
        if wanted.colour not in ("", "residual") and link.colour != wanted.colour:
            yield f"{link.id}: colour {link.colour}, not {wanted.colour}"
        if wanted.write is not None:
            yield from self.wrong_passing(link, wanted)

    def wrong_passing(self, link: object, wanted: Link) -> Iterator[str]:
        passes = self.graph.vectors[link.row].double() * link.coefficient
        size = float(wanted.write.norm())
        if wanted.added is not None:  # a small part of it need not be closer than its rounding
            size = max(size, 0.05 * float(wanted.added.norm()))
        if float((passes - wanted.write).norm()) > self.near * size:
            yield f"{link.id}: what passes is off by {float((passes - wanted.write).norm()):.1e}"
        if wanted.added is not None:
            share = float(wanted.write @ wanted.added / (wanted.added @ wanted.added))
            if link.share is None or abs(link.share - share) > 10 * self.near:
                yield f"{link.id}: share {link.share}, not {share}"


def same_names(found: list[str], wanted: list[str]) -> bool:
    """A node's first reading is its own; those of gated neurons and of qkv have names."""
    renamed = [{"up": ""}.get(name, name) for name in found]
    return sorted(renamed) == sorted({"up": ""}.get(name, name) for name in wanted)
