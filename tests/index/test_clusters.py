"""Clusters: complete linkage equals the plain method, k-means settles where it should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

import unembed as ue
from unembed.engine.cancel import Cancel
from unembed.errors import CancelledError, InputError, TooLargeError
from unembed.index.build import build_index
from unembed.index.kmeans import spherical_kmeans
from unembed.index.linkage import complete_linkage
from unembed.index.opening import open_index
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.settings import Settings

from .conftest import dense


class Held:
    """What k-means needs of a matrix: a tensor in three stretches."""

    def __init__(self, rows):
        self.held = rows.float()
        self.shape = tuple(rows.shape)

    def stretches(self, cancel=None):
        step = len(self.held) // 3 + 1
        for start in range(0, len(self.held), step):
            if cancel is not None:
                cancel.check()
            yield start, self.held[start : start + step]

    def rows(self, numbers):
        return self.held[numbers]


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def groups(labels):
    """A partition as sets, whatever the labels are called."""
    return {frozenset(np.flatnonzero(labels == one).tolist()) for one in np.unique(labels)}


def plainly(unit, n):
    """Complete linkage by looking through all distances for the closest pair each time."""
    distances = (1 - unit.double() @ unit.double().T).numpy()
    np.fill_diagonal(distances, np.inf)
    found = {row: {row} for row in range(len(unit))}
    while len(found) > n:
        one, other = np.unravel_index(distances.argmin(), distances.shape)
        found[one] |= found.pop(other)
        farther = np.maximum(distances[one], distances[other])
        distances[one], distances[:, one] = farther, farther
        distances[other], distances[:, other] = np.inf, np.inf
        distances[one, one] = np.inf
    return {frozenset(rows) for rows in found.values()}


@pytest.mark.parametrize("n", [1, 2, 7, 39, 40])
@pytest.mark.parametrize("seed", range(5))
def test_complete_linkage_equals_the_plain_method(seed, n):
    unit = normalize(numbers(40, 6, seed=seed), dim=-1)
    assert groups(complete_linkage(unit, n, None, None)) == plainly(unit, n)


def test_complete_linkage_takes_vectors_that_are_all_alike():
    unit = normalize(torch.ones(9, 4), dim=-1)
    assert len(groups(complete_linkage(unit, 3, None, None))) == 3


def test_complete_linkage_of_a_model_equals_the_plain_method(index_of, model_of):
    vectors, _ = dense(model_of("gpt2"))
    found = index_of("gpt2").clusters(9, "complete")
    assert groups(found.labels) == plainly(normalize(vectors, dim=-1), 9)


def test_kmeans_finds_bundles_of_directions():
    centres = normalize(numbers(6, 20), dim=-1)
    truth = torch.arange(300) % 6
    rows = (centres[truth] + 0.05 * numbers(300, 20, seed=1)) * numbers(300, 1, seed=2).abs()
    labels = spherical_kmeans(Held(rows), 6, 0, None, None)
    assert groups(labels) == groups(truth.numpy())


def test_kmeans_ends_where_every_vector_is_with_its_nearest_mean():
    rows = numbers(400, 8)
    labels = torch.from_numpy(spherical_kmeans(Held(rows), 10, 0, None, None)).long()
    unit = normalize(rows, dim=-1)
    means = normalize(torch.zeros(10, 8).index_add_(0, labels, unit), dim=-1)
    cosines = unit @ means.T
    better = (cosines.max(-1).values > cosines.gather(1, labels[:, None])[:, 0] + 1e-6).sum()
    assert better <= 0.02 * len(rows)
    random = torch.arange(400) % 10
    loose = normalize(torch.zeros(10, 8).index_add_(0, random, unit), dim=-1)
    assert cosines.gather(1, labels[:, None]).mean() > 2 * (unit * loose[random]).sum(-1).mean()


@pytest.mark.parametrize("n", [1, 5, 40])
def test_no_group_is_empty(n):
    alike = torch.cat([torch.ones(30, 4), numbers(10, 4)])
    for rows in (alike, torch.ones(40, 4), torch.cat([torch.zeros(20, 4), numbers(20, 4)])):
        labels = spherical_kmeans(Held(rows), n, 3, None, None)
        assert sorted(set(labels.tolist())) == list(range(n))


def test_the_same_seed_gives_the_same_groups():
    rows = Held(numbers(300, 8))
    first, again, other = (spherical_kmeans(rows, 12, seed, None, None) for seed in (1, 1, 2))
    assert (first == again).all()
    assert groups(first) != groups(other)


@pytest.mark.parametrize("method", ["kmeans", "complete"])
def test_clustering_can_be_cancelled_and_tells_how_far_it_is(method, tmp_path):
    model = ue.load(tiny_model("bloom"), tokenizer=tiny_tokenizer())  # 480 vectors
    index = build_index(model, top_k=3, folder=tmp_path)
    cancel, heard = Cancel(), []

    def progress(stage, done, total):
        heard.append((stage, done <= total))
        cancel.cancel()

    with pytest.raises(CancelledError):
        index.clusters(5, method, cancel=cancel, progress=progress)
    assert heard == [("clustering", True)]
    assert index.vector("L0.N0").clusters == {}


@pytest.fixture
def clusters(index_of):
    return index_of("gemma3").clusters(8)


def test_every_vector_is_in_one_cluster_and_the_largest_is_first(clusters, index_of):
    index = index_of("gemma3")
    assert sum(clusters.sizes) == len(index)
    assert list(clusters.sizes) == sorted(clusters.sizes, reverse=True)
    members = [node for number in range(8) for node in clusters.cluster(number).members]
    assert len(set(members)) == len(index)
    for number in range(8):
        for node in clusters.cluster(number).members:
            assert clusters.of(node) == number


def test_members_stand_by_their_cosine_with_the_mean(clusters, index_of, model_of):
    vectors = normalize(dense(model_of("gemma3"))[0], dim=-1)
    found = clusters.cluster(2)
    rows = [index_of("gemma3").row(node) for node in found.members]
    mean = normalize(vectors[rows].sum(0), dim=0)
    cosines = vectors[rows] @ mean
    assert list(found.cosines) == pytest.approx(cosines.tolist(), abs=1e-5)
    assert list(found.cosines) == sorted(found.cosines, reverse=True)
    assert clusters.central(2, 3) == found.members[:3]


def test_a_clusters_tokens_are_pooled_over_its_members(clusters, index_of):
    index, found = index_of("gemma3"), clusters.cluster(1)
    pooled: dict[int, float] = {}
    for node in found.members:
        promoted = index.vector(node).promoted
        for one in promoted:
            share = max(one.score / promoted[0].score, 0)
            pooled[one.token.id] = pooled.get(one.token.id, 0) + share / found.size
    best = sorted(pooled.values(), reverse=True)[: len(found.tokens)]
    assert [one.score for one in found.tokens] == pytest.approx(best, rel=1e-5)
    for one in found.tokens:
        assert one.score == pytest.approx(pooled[one.token.id], rel=1e-5)


def test_random_members_are_members_and_repeat_with_their_seed(clusters):
    found = clusters.cluster(0)
    drawn = found.random(4, n=5)
    assert len(set(drawn)) == 5
    assert set(drawn) <= set(found.members)
    assert found.random(4, n=5) == drawn != found.random(5, n=5)
    assert set(found.random(0, n=10_000)) == set(found.members)


def test_what_was_computed_is_kept_with_the_index(model_of, tmp_path, monkeypatch):
    model = model_of("gpt2")
    first = build_index(model, top_k=3, folder=tmp_path).clusters(4, seed=7)
    again = open_index(model, folder=tmp_path)
    monkeypatch.setattr("unembed.index.clusters.spherical_kmeans", None)
    assert again.clusters(4, seed=7).sizes == first.sizes
    node = "L1.N7"
    assert again.vector(node).clusters == {"kmeans-4-7": first.of(node)}


def test_a_clustering_cut_short_by_a_kill_is_made_again(model_of, tmp_path):
    model = model_of("gpt2")
    index = build_index(model, top_k=3, folder=tmp_path)
    (index.tables.version / "clusters-kmeans-4-0.lance" / "data").mkdir(parents=True)
    assert index.vector("L0.N0").clusters == {}
    assert sum(index.clusters(4).sizes) == len(index)


def test_by_default_about_thirty_vectors_share_a_cluster(index_of):
    assert index_of("gpt2").clusters().n == 5


def test_what_cannot_be_is_refused_with_the_numbers(tmp_path, index_of):
    index = index_of("gpt2")
    for n, words in ((0, "an integer from 1"), (157, "there are 156 vectors")):
        with pytest.raises(InputError, match=words):
            index.clusters(n)
    with pytest.raises(InputError, match='"kmeans" or "complete"'):
        index.clusters(3, "dbscan")
    with pytest.raises(InputError, match="it has clusters 0-3"):
        index.clusters(4).cluster(4)
    settings = Settings(max_linkage_bytes=50_000)
    model = ue.load(tiny_model("gpt2"), tokenizer=tiny_tokenizer(), settings=settings)
    with pytest.raises(TooLargeError, match="complete linkage of 156 vectors") as caught:
        build_index(model, top_k=3, folder=tmp_path).clusters(4, "complete")
    assert "up to 111 vectors" in caught.value.legal
    assert "max_linkage_bytes" in caught.value.message
