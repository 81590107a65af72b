"""What nodes of an attribution graph are worth to the answer: the sum over paths, one by one."""

from __future__ import annotations

import random

import pytest
import torch

import unembed as ue
from unembed.analyses.attribution_graph.influence import kept, scores, shares
from unembed.errors import InputError

from .transcoded import PROMPT, with_transcoders


@pytest.fixture(scope="module")
def llama():
    return with_transcoders("llama")


def by_paths(parts, weights):
    """The sum over every path, one after the other."""
    n = len(weights)

    def from_node(node):
        return sum(
            parts[target][node] * (weights[target] + from_node(target))
            for target in range(n)
            if parts[target][node]
        )

    return [from_node(node) for node in range(n)]


def random_graph(seed, n_latents=4, n_errors=2, n_tokens=2, n_logits=2):
    """Edges among latents in order, from errors and tokens to all of these, into logits."""
    draw = random.Random(seed)
    size = n_latents + n_errors + n_tokens + n_logits
    edges = torch.zeros(size, size, dtype=torch.float64)
    first_logit = size - n_logits
    for target in (*range(n_latents), *range(first_logit, size)):
        for source in range(first_logit):
            if source < n_latents and target < n_latents and source >= target:
                continue
            edges[target, source] = draw.gauss(0, 1)
    weights = torch.zeros(size, dtype=torch.float64)
    weights[first_logit:] = torch.tensor([0.6, 0.3])
    return edges, weights, slice(0, n_latents), slice(0, n_latents + n_errors)


def test_influence_is_the_sum_over_paths():
    edges, weights, inner, free = random_graph(0)
    plain = [[abs(x) / max(sum(map(abs, row)), 1e-10) for x in row] for row in edges.tolist()]
    wanted = by_paths(plain, weights.tolist())
    found = kept(edges, weights, inner, free, (1.0, 1.0))
    assert found.influence.tolist() == pytest.approx(wanted)
    tokens, errors = slice(6, 8), slice(4, 6)
    replacement, completeness = scores(shares(edges), weights, tokens, errors)
    assert replacement == pytest.approx(sum(wanted[6:8]) / sum(wanted[4:8]))
    through = [wanted[node] + float(weights[node]) for node in range(10)]
    clean = [1 - sum(row[4:6]) for row in plain]
    inner_nodes = (0, 1, 2, 3, 8, 9)
    assert completeness == pytest.approx(
        sum(clean[node] * through[node] for node in inner_nodes)
        / sum(through[node] for node in inner_nodes)
    )


@pytest.mark.parametrize("thresholds", [(0.5, 0.8), (0.8, 0.98), (1.0, 0.5)], ids=str)
def test_pruning_keeps_the_largest_and_nothing_that_leads_nowhere(thresholds):
    for seed in range(20):
        edges, weights, inner, free = random_graph(seed)
        found = kept(edges, weights, inner, free, thresholds)
        order = sorted(range(10), key=lambda node: -float(found.influence[node]))
        total, enough = 0.0, []
        for node in order:  # the fewest that have so much together
            if total < thresholds[0] * float(found.influence.sum()) - 1e-12:
                enough.append(node)
            total += float(found.influence[node])
        nodes = set(found.nodes.nonzero()[:, 0].tolist())
        assert {6, 7, 8, 9} <= nodes <= {*enough, 6, 7, 8, 9}
        lines = {(int(t), int(s)) for t, s in found.edges.nonzero()}
        for node in nodes & set(range(6)):
            assert any(source == node for _, source in lines)
        for node in nodes & set(range(4)):
            assert any(target == node for target, _ in lines)
        assert all(target in nodes and source in nodes for target, source in lines)


def test_a_smaller_threshold_is_a_part_of_the_graph(llama):
    whole = ue.attribution_graph(llama, PROMPT, node_threshold=0.9, labels=False)
    fewer = whole.pruned(0.6)
    names = {node.name for node in fewer.nodes}
    assert names < {node.name for node in whole.nodes}
    assert all(node.reached <= 0.6 for node in fewer.nodes if node.kind in ("latent", "error"))
    assert set(fewer.edges) == {
        edge for edge in whole.edges if edge.source in names and edge.target in names
    }
    with pytest.raises(InputError, match=r"nodes is 0.95.*0.9"):
        whole.pruned(0.95)


def test_fewer_edges_are_those_of_most_influence(llama):
    whole = ue.attribution_graph(llama, PROMPT, labels=False)
    fewer = whole.pruned(edges=0.5)
    assert fewer.nodes == whole.nodes
    assert fewer.edges == tuple(edge for edge in whole.edges if edge.reached <= 0.5)
    assert 0 < len(fewer.edges) < len(whole.edges)
    assert (fewer.node_threshold, fewer.edge_threshold) == (whole.node_threshold, 0.5)
    assert whole.pruned(0.6, 0.5).edges == whole.pruned(edges=0.5).pruned(0.6).edges
    assert whole.pruned().edges == whole.edges
    with pytest.raises(InputError, match=r"edges is 1.*0.98"):
        whole.pruned(edges=1)
