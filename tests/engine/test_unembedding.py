"""Reading states in vocabulary chunks gives what a full softmax gives, and exactly so for ranks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.engine.reading import unembedding as module
from unembed.engine.reading.readout import Readout
from unembed.engine.reading.running import RankCounter
from unembed.engine.reading.unembedding import Unembedding, read_logits
from unembed.errors import CancelledError, InputError, UnembedError


def slow(logits: Tensor, k: int, targets: Tensor, references: Tensor) -> Readout:
    """The same numbers from all logits at once, in float64."""
    logits = logits.double()
    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    values, ids = logits.sort(dim=-1, descending=True, stable=True)
    chosen = logits.gather(1, targets)
    terms = p[references] * (log_p[references] - log_p[:, None])
    return Readout(
        top_ids=ids[:, :k],
        top_logits=values[:, :k],
        logsumexp=logits.logsumexp(-1),
        entropy=-torch.where(p > 0, p * log_p, 0.0).sum(-1),
        target_logits=chosen,
        ranks=1 + (logits[:, None] > chosen[..., None]).sum(-1),
        kl=torch.where(p[references] > 0, terms, 0.0).sum(-1),
        mean=logits.mean(-1, keepdim=True),
    )


def assert_same(found: Readout, wanted: Readout, tolerance: float) -> None:
    for name in ("top_logits", "logsumexp", "entropy", "target_logits", "kl"):
        torch.testing.assert_close(
            getattr(found, name).double(), getattr(wanted, name), rtol=tolerance, atol=tolerance
        )
    for name in ("top_probabilities", "target_probabilities"):
        torch.testing.assert_close(
            getattr(found, name).double(), getattr(wanted, name), rtol=0, atol=tolerance
        )


def random_case(
    n: int, d: int, vocab: int, dtype: torch.dtype = torch.float64, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    states = torch.randn(n, d, generator=g, dtype=torch.float64).to(dtype)
    weight = torch.randn(vocab, d, generator=g, dtype=torch.float64).to(dtype) * 0.5
    return states, weight, torch.randint(0, vocab, (n, 2), generator=g)


@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-10), (torch.float32, 2e-5)])
@pytest.mark.parametrize("vocab", [7, 64, 128, 129, 640, 1001])
def test_reading_in_chunks_is_a_full_softmax(dtype, tolerance, vocab):
    states, weight, targets = random_case(12, 33, vocab, dtype)
    bias = torch.randn(vocab, dtype=dtype)
    references = torch.stack([torch.arange(12) // 4 * 4 + 3, torch.arange(12).flip(0)], 1)
    unembedding = Unembedding(weight, bias, chunk_bytes=4096)
    found = unembedding.read(states, k=7, targets=targets, references=references)
    wanted = slow(unembedding.logits(states), 7, targets, references)
    assert_same(found, wanted, tolerance)
    assert torch.equal(found.top_ids, wanted.top_ids)
    assert torch.equal(found.ranks, wanted.ranks)


@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-10), (torch.float32, 2e-5)])
@pytest.mark.parametrize("floor", [1e-12, 1e-4, 1 / 640])
@pytest.mark.parametrize("masked", [False, True])
def test_a_floor_clips_the_distributions_of_every_divergence(floor, masked, dtype, tolerance):
    states, weight, _ = random_case(90, 33, 640, dtype)
    bias = torch.zeros(640, dtype=dtype)
    bias[5:9] = -torch.inf if masked else 0.5
    references = torch.stack([torch.arange(90), torch.arange(90).flip(0)], 1)
    unembedding = Unembedding(weight, bias, chunk_bytes=4096)
    found = unembedding.read(states, references=references, kl_floor=floor).kl
    p = unembedding.logits(states).double().softmax(-1).clamp_min(floor)
    wanted = (p[references] * (p[references] / p[:, None]).log()).sum(-1)
    torch.testing.assert_close(found.double(), wanted, rtol=tolerance, atol=tolerance)
    assert not found[:, 0].any()


# Small whole numbers are exact in every dtype and in every order of summation, and tie often.
@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(1, 9),
    d=st.integers(1, 4),
    vocab=st.integers(1, 700),
    share=st.floats(0, 1),
    chunk_bytes=st.sampled_from([1024, 2048, 8192, 2**20]),
    masked=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    seed=st.integers(0, 10_000),
)
def test_ties_ranks_and_order_are_exact(n, d, vocab, share, chunk_bytes, masked, dtype, seed):
    g = torch.Generator().manual_seed(seed)
    k = max(1, round(share * vocab))
    states = torch.randint(-3, 4, (n, d), generator=g).to(dtype)
    weight = torch.randint(-3, 4, (vocab, d), generator=g).to(dtype)
    bias = torch.zeros(vocab, dtype=dtype)
    if masked:  # forbids some tokens, though never all
        bias[torch.randint(0, vocab, (vocab // 2,), generator=g)] = -torch.inf
        bias[int(torch.randint(0, vocab, (), generator=g))] = 0
    targets = torch.randint(0, vocab, (n, 2), generator=g)
    references = torch.randint(0, n, (n,), generator=g)
    found = Unembedding(weight, bias, chunk_bytes=chunk_bytes).read(
        states, k=k, targets=targets, references=references
    )
    logits = states.double() @ weight.double().T + bias.double()
    wanted = slow(logits, k, targets, references[:, None])
    assert torch.equal(found.top_ids, wanted.top_ids)
    assert torch.equal(found.ranks, wanted.ranks)
    assert_same(found, wanted, 1e-5)


def test_the_top_token_has_rank_one_and_a_state_diverges_from_itself_by_exactly_zero():
    for seed in range(20):
        states, weight, _ = random_case(64, 96, 5000, torch.float32, seed)
        unembedding = Unembedding(weight, chunk_bytes=2**16)
        best = unembedding.read(states, k=1).top_ids
        found = unembedding.read(states, k=1, targets=best[:, 0], references=torch.arange(64))
        assert (found.ranks == 1).all()
        assert not found.kl.any()


def test_tokens_with_equal_rows_tie_wherever_they_stand():
    states, weight, _ = random_case(30, 48, 1003, torch.float32)
    weight = torch.cat([weight[:500], weight[:500], weight[:3]])
    unembedding = Unembedding(weight, chunk_bytes=4096)
    first = unembedding.read(states, k=2)
    assert torch.equal(first.top_logits[:, 0], first.top_logits[:, 1])
    again = unembedding.read(states, k=1, targets=first.top_ids[:, 1])
    assert (again.ranks == 1).all()


def test_a_wrong_guess_of_the_targets_logit_is_noticed_and_mended(monkeypatch):
    states, weight, targets = random_case(8, 16, 900)
    unembedding = Unembedding(weight, chunk_bytes=2048)
    wanted = unembedding.read(states, targets=targets)
    guess = Unembedding._target_logits
    monkeypatch.setattr(Unembedding, "_target_logits", lambda *args: guess(*args) - 1.0)
    found = unembedding.read(states, targets=targets)
    assert torch.equal(found.ranks, wanted.ranks)
    assert torch.equal(found.target_logits, wanted.target_logits)
    monkeypatch.setattr(RankCounter, "agreed", lambda self: True)  # the mutant: never look
    assert not torch.equal(unembedding.read(states, targets=targets).ranks, wanted.ranks)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("how", [{}, {"divisor": 10.0}, {"scale": 0.0625}, {"softcap": 3.0}])
def test_logits_follow_the_models_own_order_of_operations(dtype, how):
    states, weight, _ = random_case(5, 24, 300, dtype)
    unembedding = Unembedding(weight, chunk_bytes=1024, **how)
    logits = states @ weight.T
    if "divisor" in how:  # Granite
        logits = logits / 10.0
    if "scale" in how:  # Cohere
        logits = logits * 0.0625
    if "softcap" in how:  # Gemma 2
        logits = torch.tanh(logits / 3.0) * 3.0
    assert torch.equal(unembedding.logits(states), logits)
    found = unembedding.read(states, k=300)
    tolerance = 4 * torch.finfo(dtype).eps * float(logits.abs().max())
    by_id = torch.empty_like(found.top_logits).scatter_(1, found.top_ids, found.top_logits)
    torch.testing.assert_close(by_id.to(dtype), logits, rtol=0, atol=tolerance)


def test_half_precision_is_summed_in_float32():
    states, weight, targets = random_case(4, 32, 3000, torch.bfloat16)
    unembedding = Unembedding(weight)
    found = unembedding.read(states, targets=targets, references=torch.zeros(4).long())
    wanted = slow(unembedding.logits(states), 10, targets, torch.zeros(4, 1).long())
    assert_same(found, wanted, 1e-5)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e3, 1e30])
def test_huge_and_tiny_logits(size):
    states, weight, targets = random_case(6, 16, 700)
    unembedding = Unembedding(weight.float(), chunk_bytes=2048)
    references = torch.arange(6).flip(0)
    found = unembedding.read((states * size).float(), targets=targets, references=references)
    logits = unembedding.logits((states * size).float())
    wanted = slow(logits, 10, targets, references[:, None])
    for name in ("top_logits", "logsumexp", "entropy", "kl"):
        torch.testing.assert_close(
            getattr(found, name).double(), getattr(wanted, name), rtol=1e-4, atol=1e-5
        )


def test_logits_that_rise_from_chunk_to_chunk_do_not_overflow():
    weight = torch.arange(2000.0)[:, None]
    found = Unembedding(weight, chunk_bytes=1024).read(torch.tensor([[1.0], [-1.0], [0.0]]), k=3)
    assert found.top_ids.tolist() == [[1999, 1998, 1997], [0, 1, 2], [0, 1, 2]]
    expected = [1999.4586751453871, 0.4586751453870819, 7.600902459542082]
    assert found.logsumexp.tolist() == pytest.approx(expected)
    assert found.entropy[2].item() == pytest.approx(7.600902459542082)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_logits_that_are_held_read_the_same(dtype):
    states, weight, targets = random_case(6, 16, 300, dtype)
    references = torch.arange(6).flip(0)
    logits = Unembedding(weight).logits(states)
    before = logits.clone()
    found = read_logits(logits, k=4, targets=targets, references=references)
    wanted = slow(logits, 4, targets, references[:, None])
    assert torch.equal(logits, before)
    assert torch.equal(found.top_ids, wanted.top_ids)
    assert torch.equal(found.ranks, wanted.ranks)
    assert_same(found, wanted, 1e-5)


def test_a_divergence_from_what_cannot_happen_is_infinite():
    weight = torch.eye(3)
    bias = torch.tensor([0.0, 0.0, -torch.inf])
    states = torch.tensor([[1.0, 0, 0], [0, 5.0, 0]])
    found = Unembedding(weight, bias).read(states, k=3, references=torch.tensor([1, 0]))
    assert found.kl.isfinite().all()
    assert found.top_ids[:, 2].tolist() == [2, 2]
    assert found.top_probabilities[:, 2].tolist() == [0, 0]


def test_the_same_call_gives_the_same_bytes():
    states, weight, targets = random_case(40, 64, 3001, torch.float32)
    unembedding = Unembedding(weight, chunk_bytes=2**14)
    first = unembedding.read(states, targets=targets)
    unembedding.read(states[:3] * 2, k=1)
    second = unembedding.read(states, targets=targets)
    for name in Readout.__dataclass_fields__:
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_more_states_than_fit_one_product_are_read_in_parts():
    states, weight, targets = random_case(37, 16, 500)
    references = torch.arange(37) // 6 * 6
    few = Unembedding(weight, chunk_bytes=4096).read(states, targets=targets, references=references)
    wanted = slow(states @ weight.T, 10, targets, references[:, None])
    assert torch.equal(few.top_ids, wanted.top_ids)
    assert_same(few, wanted, 1e-10)


def test_memory_is_that_of_chunks(monkeypatch):
    widths = []
    add = module.RunningTop.add
    monkeypatch.setattr(
        module.RunningTop, "add", lambda *args: (widths.append(args[2].shape), add(*args))[1]
    )
    states, weight, _ = random_case(64, 8, 10_000, torch.float32)
    Unembedding(weight, chunk_bytes=2**16).read(states)
    assert sum(width for _, width in widths) == 10_000
    assert max(n * width * 4 for n, width in widths) <= 2**16


def test_no_states_give_an_empty_readout():
    found = Unembedding(torch.randn(20, 4)).read(torch.empty(0, 4), k=3)
    assert found.top_ids.shape == (0, 3)


@pytest.mark.parametrize("k", [0, 21, -1])
def test_a_k_outside_the_vocabulary_is_refused(k):
    with pytest.raises(InputError, match=f"k is {k}; this model has 20 tokens"):
        Unembedding(torch.randn(20, 4)).read(torch.randn(2, 4), k=k)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_state_that_is_not_finite_is_refused(bad):
    states = torch.randn(3, 4)
    states[1, 2] = bad
    with pytest.raises(UnembedError, match="state 1 of 3 is not finite in float32"):
        Unembedding(torch.randn(20, 4)).read(states, k=3)


@pytest.mark.parametrize("weight", [1e38, -1e38])
def test_logits_that_overflow_are_refused(weight):
    with pytest.raises(UnembedError, match="distribution 0 of 2 is not finite"):
        Unembedding(torch.full((20, 4), weight)).read(torch.full((2, 4), 1e3), k=3)


@pytest.mark.parametrize(
    "name,indices", [("targets", [0, 20]), ("targets", [0]), ("references", [0, -1])]
)
def test_indices_that_do_not_fit_are_refused(name, indices, any_shapes):
    with pytest.raises(InputError) as caught:
        Unembedding(torch.randn(20, 4)).read(
            torch.randn(2, 4), k=3, **{name: torch.tensor(indices)}
        )
    assert caught.value.field == name


def test_progress_reaches_the_whole_and_cancelling_stops_between_chunks():
    states, weight, _ = random_case(9, 8, 1000, torch.float32)
    unembedding = Unembedding(weight, chunk_bytes=2048)
    seen: list[tuple[str, int, int]] = []
    unembedding.read(states, progress=lambda *step: seen.append(step))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1] == ("projecting", 3000, 3000)
    cancel = Cancel()
    steps: list[int] = []

    def leave(stage: str, done: int, total: int) -> None:
        steps.append(done)
        cancel.cancel()

    with pytest.raises(CancelledError):
        unembedding.read(states, cancel=cancel, progress=leave)
    assert len(steps) == 1
