"""Generation: the same tokens as transformers' own, and with a cache the same as without."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import unembed as ue
from unembed.errors import UnembedError
from unembed.models.tiny import EOS, is_masked, tiny_model

from .closeness import PROMPT
from .footprint import footprint
from .oracle import Edits, Oracle
from .wiring import NAMES, REPRESENTATIVES

CAUSAL = [name for name in NAMES if not is_masked(name)]
# Each kind of attention has a cache of its own kind; what is edited is the same in all.
CACHES = [name for name in CAUSAL if name in REPRESENTATIVES]
CACHES += ["gpt_neo", "codegen", "falcon-alibi", "mistral", "qwen2", "phi3", "smollm3"]
N_NEW = 9  # past every sliding window


def until_eos(ids: list[int]) -> list[int]:
    return ids[: ids.index(EOS) + 1] if EOS in ids else ids


def slow_greedy(oracle: Oracle, edits: Edits) -> list[int]:
    """One full forward pass of the oracle for each token."""
    ids = list(PROMPT)
    for _ in range(N_NEW):
        ids.append(int(oracle.run(tuple(ids), edits)["logits"][-1].argmax()))
        if ids[-1] == EOS:
            break
    return ids[len(PROMPT) :]


@pytest.mark.parametrize("name", CAUSAL)
def test_greedy_generation_is_transformers_own(name, model_of):
    module = tiny_model(name, dtype=torch.float64)
    with torch.no_grad():
        ids = module.generate(
            torch.tensor([PROMPT]),
            attention_mask=torch.ones(1, len(PROMPT), dtype=torch.long),
            do_sample=False,
            max_new_tokens=N_NEW,
        )[0, len(PROMPT) :].tolist()
    model = model_of(name, torch.float64)
    before = footprint(model.module)
    for use_cache in (True, False):
        generation = model.generate(PROMPT, max_new_tokens=N_NEW, use_cache=use_cache)
        assert generation.prompt_ids == PROMPT
        assert until_eos(list(generation.new_ids)) == until_eos(ids), f"use_cache={use_cache}"
    assert footprint(model.module) == before


def at(index: object, operation: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A change of one part of a site."""

    def change(value: Tensor) -> Tensor:
        value[index] = operation(value[index])
        return value

    return change


STREAM = (
    [
        ue.scale("L1.attn", 1.8),
        ue.scale("L0.H1", -2.0),
        ue.add("L1.resid_pre", 1.5, positions=[4]),
    ],
    {
        "L1.attn_out": lambda value: value * 1.8,
        "L0.z": at((slice(None), 1), lambda head: head * -2.0),
        "L1.resid_pre": at(4, lambda row: row + 1.5),
    },
)
# What the cache holds: an edit of a key must last for the tokens to come.
KEYS_AND_VALUES = (
    [
        ue.zero("L1.k", positions=[8]),
        ue.scale("L0.H0.v", -3.0, positions=[7, 9]),
        ue.scale("L2.k", 0.4),
        ue.scale("L1.q", 1.4, positions=[2, 9]),
    ],
    {
        "L1.k": at(8, torch.zeros_like),
        "L0.v": at(([7, 9], 0), lambda rows: rows * -3.0),
        "L2.k": lambda value: value * 0.4,
        "L1.q": at([2, 9], lambda rows: rows * 1.4),
    },
)
PATTERNS = (
    [
        ue.scale("L0.pattern", 0.5, positions=[1, 9]),
        ue.zero("L1.H0@9<7"),
        ue.scale("L2.H1.pattern", 1.5),
        ue.scale("L2.scores", 0.5),
    ],
    {
        "L0.pattern": at((slice(None), [1, 9]), lambda rows: rows * 0.5),
        "L1.pattern": at((0, 9, 7), torch.zeros_like),
        "L2.pattern": at(1, lambda head: head * 1.5),
        "L2.scores": lambda value: value * 0.5,
    },
)
NEURONS = (
    [ue.set_to("L2.N5", 2.5), ue.add("L2.N6", 1.0, positions=[3])],
    {
        "L2.mlp_post": lambda value: at(([3], 6), lambda n: n + 1.0)(
            at((slice(None), 5), lambda n: torch.full_like(n, 2.5))(value)
        )
    },
)


@pytest.mark.parametrize("kinds", [[STREAM, NEURONS], [KEYS_AND_VALUES, PATTERNS]], ids="sk")
@pytest.mark.parametrize("name", CACHES)
def test_edited_generation_is_the_same_with_and_without_a_cache(name, kinds, model_of, oracle_of):
    """Edits of all positions reach the new tokens too; edits of one position only that one."""
    model, oracle = model_of(name, torch.float64), oracle_of(name, torch.float64)
    if 2 not in oracle.dense_layers:
        kinds = [edits for edits in kinds if edits is not NEURONS]
    asked = [edit for edits, _ in kinds for edit in edits]
    changes = {site: change for _, changes in kinds for site, change in changes.items()}
    expected = slow_greedy(oracle, changes)
    for use_cache in (False, True):
        new = model.generate(PROMPT, max_new_tokens=N_NEW, edits=asked, use_cache=use_cache).new_ids
        assert until_eos(list(new)) == expected, f"use_cache={use_cache}"


@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_sampling_is_repeatable_by_seed(name, model_of):
    model = model_of(name, torch.float32)

    def sample(seed: int) -> tuple[int, ...]:
        return model.generate(PROMPT, max_new_tokens=N_NEW, temperature=1.5, seed=seed).new_ids

    state = torch.get_rng_state()
    assert sample(1) == sample(1)
    assert len({sample(seed) for seed in range(5)}) > 1
    assert torch.equal(torch.get_rng_state(), state), "the caller's own random stream moved"


def test_a_masked_model_does_not_generate(model_of):
    with pytest.raises(UnembedError, match="masked"):
        model_of("bert", torch.float32).generate(PROMPT, max_new_tokens=3)
