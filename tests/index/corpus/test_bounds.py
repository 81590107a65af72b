"""Exact searches by bounds first: equal to comparing all, filtered or not, of some heads or all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from unembed.index.corpus import bounding, compare, leading
from unembed.index.corpus.about import Site
from unembed.index.corpus.leading import Leading, leading_bytes, sizes

N = 3_000
STATES = Site(0, "resid_post", 320, 1)  # two parts: 128 directions, and 64
CONTEXTS = Site(0, "z", 3 * 80, 3)  # two parts together; of a head by itself 64 of 80


class Table:
    """Vectors in memory, as rows of a corpus give them."""

    def __init__(self, vectors):
        self.all = vectors

    def vectors(self, _, step):
        return (self.all[start : start + step] for start in range(0, len(self.all), step))

    def take_vectors(self, _, numbers):
        return self.all[numbers]


class NoLists:
    def of(self, _):
        return None


class Ordered:
    """Lists whose order is drawn."""

    def __init__(self):
        self.order = np.random.default_rng(3).permutation(N).astype(np.int32)
        self.place = np.empty(N, np.int32)
        self.place[self.order] = np.arange(N, dtype=np.int32)


def drawn(site):
    """Some that are alike, two that are the same, one with a huge entry, one of zeros."""
    made = torch.Generator().manual_seed(1)
    each = site.width // site.heads
    centres = torch.randn(20, site.heads, each, generator=made)
    rows = centres[torch.randint(20, (N,), generator=made)]
    spread = torch.linspace(1, 0.05, each)  # most of the length is in some directions
    rows = rows + spread * torch.randn(N, site.heads, each, generator=made)
    rows[7, 0, 3] = 1e4
    rows[2000] = rows[100]
    rows = normalize(rows, dim=-1)
    rows[11] = 0
    return rows.flatten(1).half().numpy()


@pytest.fixture(scope="module", params=[STATES, CONTEXTS], ids=["states", "contexts"])
def site(request):
    return request.param


@pytest.fixture(scope="module")
def table(site):
    return Table(drawn(site))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(bounding, "LEAST_ROWS", 100)
    monkeypatch.setattr(bounding, "is_faster", lambda width: bool(sizes(width)))
    monkeypatch.setattr(compare, "FIRST", 20)
    monkeypatch.setattr(compare, "FEW", 0.5)


def vectors(table, site, lists=None, room=lambda: 10**9, fits=True):
    bounds = bounding.SiteBounds(site, N, room)
    return compare.KeptVectors(table, site, N, lists, bounds, fits=fits)


def kept_of(table, site, lists=None, fits=True):
    kept = vectors(table, site, lists, fits=fits)
    if site.heads > 1:
        for head in range(site.heads):
            kept.bounding(alone(site, 0, head).flat)
    kept.bounding(query(site, 0).flat)  # of what is asked for again there are bounds
    return kept


def query(site, seed, weights=None):
    made = torch.Generator().manual_seed(seed)
    rows = torch.randn(site.heads, site.width // site.heads, generator=made)
    shares = torch.full((site.heads,), 1 / site.heads) if weights is None else torch.tensor(weights)
    heads = tuple(shares.nonzero()[:, 0].tolist())
    return compare.Query(normalize(rows, dim=-1).double(), shares.double(), heads)


def alone(site, seed, head):
    return query(site, seed, [float(one == head) for one in range(site.heads)])


def like(vectors, site, row):
    """What asks for tokens like one of the table, whose neighbours are many and close."""
    asked = query(site, 0)
    rows = torch.from_numpy(vectors[row]).double().reshape(asked.rows.shape)
    return compare.Query(normalize(rows, dim=-1), asked.weights, asked.heads)


def by_hand(vectors, asked, mask, wanted):
    """Every row in double precision, sorted; of equal ones the first."""
    scores = np.where(mask, asked.exact(vectors), -np.inf)
    order = np.lexsort((np.arange(len(scores)), -scores))[: min(wanted, int(mask.sum()))]
    return order, scores[order]


HELD = {"in order": (None, True), "by lists": (Ordered(), True), "on disk": (Ordered(), False)}


@pytest.mark.parametrize(("lists", "fits"), HELD.values(), ids=HELD)
@pytest.mark.parametrize("share", [1.0, 0.6], ids=["all", "filtered"])
def test_it_finds_what_comparing_all_finds(table, site, lists, fits, share):
    kept = kept_of(table, site, lists, fits)
    mask = np.random.default_rng(5).random(N) < share
    asked = [query(site, seed) for seed in range(4)]
    asked += [like(table.all, site, row) for row in (0, 7, 100, 1234)]
    if site.heads > 1:
        asked += [
            alone(site, 5, 1),
            query(site, 6, [0.1, 0.0, 3.0]),
            query(site, 7, [0.0, 2.0, 0.3]),
        ]
    decided = 0
    for one in asked:
        for wanted in (1, 20, 60):
            rows, scores = compare.best_rows(kept, one, mask, wanted)
            order, exact = by_hand(table.all, one, mask, wanted)
            np.testing.assert_array_equal(rows, order)
            np.testing.assert_allclose(scores, exact, rtol=0, atol=1e-12)
            left = compare._open(kept, one, mask, wanted)
            if left is not None:
                decided += 1
                assert set(left) >= set(order)
                assert len(set(left)) == len(left) < 0.5 * N
                assert mask[left].all()
    assert decided > 1.5 * len(asked)


def filled(held):
    own = Leading(held[::3].float(), len(held))
    for start in range(0, len(held), 700):
        own.fill(start, held[start : start + 700].float())
    return own


def test_no_product_is_above_its_bound_and_the_second_part_is_closer(table, site):
    held = torch.from_numpy(table.all)
    own = filled(held)
    assert len(sizes(site.width)) == 2
    for seed in range(20):
        for length in (1.0, 30.0):
            direction = length * normalize(query(site, seed).flat.float(), dim=0)
            exact = held.double() @ direction.double()
            bounds = own.bounds(direction)
            some = torch.arange(seed, N, 7)
            tighter = own.tighter(direction, some, bounds[some])
            assert bool((bounds.double() >= exact).all())
            assert bool((tighter.double() >= exact[some]).all())
            room = (bounds.double() - exact)[some].mean()
            closer = (tighter.double() - exact[some]).mean()
            assert 0 < closer < 0.9 * room < 0.5 * length * held.double().norm(dim=1).mean()


def test_what_rounding_rows_to_bytes_changes_is_in_the_bound():
    """Asked for by what it changed, of rows that have nothing outside."""
    made = torch.Generator().manual_seed(0)
    held = normalize(torch.randn(500, 64, generator=made), dim=1).half()
    own = filled(held)
    (part,) = own._parts
    own._longest = 0.0  # nothing for the direction's own rounding
    for row in range(0, 500, 5):
        inside = held[row].float() @ part.basis
        changed = inside - part.bytes[row] * part.scales[row].float()
        direction = part.basis @ normalize(changed, dim=0)
        exact = float(held[row].double() @ direction.double())
        left_out = float(changed.norm())
        assert left_out > 2e-3
        assert own.bounds(direction)[row] == pytest.approx(exact, abs=0.3 * left_out)


def test_what_rounding_the_direction_and_the_product_changes_is_in_the_bound():
    """Of rows that are bytes: nothing else is left out."""
    made = torch.Generator().manual_seed(0)
    numbers = torch.randint(-127, 128, (500, 64), generator=made, dtype=torch.int8)
    scales = torch.full((500,), 2.0**-10).bfloat16()
    part = leading._Part(torch.eye(64), numbers, scales, torch.zeros(500), torch.zeros(500))
    own = object.__new__(Leading)
    rows = numbers.double() * 2.0**-10
    own._parts, own._longest = [part], float(rows.norm(dim=1).max())
    below = 0
    for _ in range(50):
        direction = torch.randn(64, generator=made)
        exact, bounds = rows @ direction.double(), own.bounds(direction).double()
        assert bool((bounds >= exact).all())
        product = leading._product(direction.bfloat16(), numbers, scales).double()
        below += int((product < exact).sum())
    assert below > 10_000


def test_where_bounds_leave_too_much_open_all_are_compared(site):
    same = np.repeat(drawn(site)[:1], N, axis=0)
    kept = kept_of(Table(same), site)
    mask = np.ones(N, bool)
    assert compare._open(kept, query(site, 0), mask, 5) is None
    rows, _ = compare.best_rows(kept, query(site, 0), mask, 5)
    assert rows.tolist() == [0, 1, 2, 3, 4]


def test_of_many_that_are_the_same_the_first_are_found(site, monkeypatch):
    monkeypatch.setattr(compare, "AT_ONCE", 16)
    same = drawn(site)
    same[50::3] = same[50]
    kept, asked = vectors(Table(same), site, Ordered()), like(same, site, 50)
    for bounded in (False, True):
        rows, scores = compare.best_rows(kept, asked, np.ones(N, bool), 40)
        assert rows.tolist() == list(range(50, 170, 3))
        np.testing.assert_allclose(scores, 1, atol=1e-12)
        assert (kept.bounding(asked.flat) is not None) or not bounded


def test_searches_at_once_find_what_each_finds_alone(table, site):
    asked = [query(site, seed) for seed in range(24)]
    mask, plain = np.ones(N, bool), compare.KeptVectors(table, site, N, None, None, fits=True)
    alone = [compare.best_rows(plain, one, mask, 9) for one in asked]
    kept = vectors(table, site)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: compare.best_rows(kept, one, mask, 9), asked))
    for (rows, scores), (wanted, exact) in zip(found, alone, strict=True):
        np.testing.assert_array_equal(rows, wanted)
        np.testing.assert_array_equal(scores, exact)
    assert kept._bounds.bytes == leading_bytes(N, site.width)


def test_they_are_made_of_what_is_asked_for_again_where_there_is_room(table, site):
    left = [0]
    kept = vectors(table, site, room=lambda: left[0])
    flat = query(site, 0).flat
    assert [kept.bounding(flat) for _ in range(3)] == [None] * 3
    left[0] = leading_bytes(N, site.width)
    assert kept.bounding(flat) is not None
    assert kept._bounds.bytes == leading_bytes(N, site.width)
    kept._bounds.drop()
    assert kept._bounds.bytes == 0
    left[0] -= 1
    assert kept.bounding(flat) is None


def test_a_site_that_needs_the_room_has_it_before_bounds(table, site):
    size, flat = 2 * N * site.width, query(site, 0).flat
    other = Site(1, site.site, site.width, site.heads)
    matrices = compare.Matrices(table, N, 2 * size + leading_bytes(N, site.width) - 1, NoLists())
    first = matrices.of(site)
    assert [first.bounding(flat) is None for _ in range(2)] == [True, False]
    assert matrices.bytes == size + leading_bytes(N, site.width)
    matrices.of(other)
    assert matrices.bytes == 2 * size
    assert matrices.of(site) is first
    assert first.bounding(flat) is None


def test_a_site_that_is_read_from_disk_has_bounds_where_they_fit(table, site):
    size, own, flat = 2 * N * site.width, leading_bytes(N, site.width), query(site, 0).flat
    other = Site(1, site.site, site.width, site.heads)
    matrices = compare.Matrices(table, N, size + 2 * own, NoLists())
    assert size > 2 * own
    for _ in range(3):  # in turn
        first, second = matrices.of(site), matrices.of(other)
        found = [one.bounding(flat) is not None for one in (first, second)]
    assert found == [True, True]
    assert matrices.bytes == size + 2 * own
    assert second is not matrices.of(other)  # its vectors are not held
    mask = np.ones(N, bool)
    for one in (first, second):
        rows, _ = compare.best_rows(one, query(site, 0), mask, 20)
        np.testing.assert_array_equal(rows, by_hand(table.all, query(site, 0), mask, 20)[0])


def test_the_default_precision_of_a_program_is_none_of_its(table, site):
    mask, asked = np.ones(N, bool), query(site, 3)
    order, _ = by_hand(table.all, asked, mask, 20)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        kept = kept_of(table, site)
        rows, _ = compare.best_rows(kept, asked, mask, 20)
        assert kept.bounding(asked.flat) is not None
    finally:
        torch.set_default_dtype(before)
    np.testing.assert_array_equal(rows, order)


def test_few_rows_and_short_vectors_have_none(table, site, monkeypatch):
    short = Site(0, "z", 48, 3)
    kept = vectors(Table(drawn(short)), short)
    assert [kept.bounding(alone(short, 0, 1).flat) for _ in range(2)] == [None] * 2
    monkeypatch.setattr(bounding, "LEAST_ROWS", N + 1)
    assert kept_of(table, site).bounding(query(site, 0).flat) is None


@pytest.mark.parametrize("n", [32, 64, 96, 128])
def test_this_machine_multiplies_bytes_rightly(n):
    assert leading.is_right(n)


def test_a_machine_that_multiplies_bytes_wrongly_is_not_trusted(monkeypatch):
    right = torch._weight_int8pack_mm
    wrong = {
        "a little": lambda column, rows, scales: right(column, rows, scales) * 1.01,
        "the last rows": lambda column, rows, scales: right(column, rows, scales).triu(
            1 - len(rows)
        ),
    }
    monkeypatch.setattr(torch, "_weight_int8pack_mm", wrong["a little"])
    assert not leading.is_right(64)
    monkeypatch.delattr(torch, "_weight_int8pack_mm")
    assert not leading.is_right(64)
    assert not leading.is_faster.__wrapped__(128)


def test_a_machine_that_is_slower_by_bytes_compares_halves(monkeypatch):
    taken = iter([2.0, 1.0, 1.0, 2.0])
    monkeypatch.setattr(leading, "_seconds", lambda _: next(taken))
    assert not leading.is_faster.__wrapped__(128)
    assert leading.is_faster.__wrapped__(128)
    assert not leading.is_faster.__wrapped__(16)
