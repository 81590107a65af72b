"""A grid is the naive loop over its cells, a run each."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

import unembed as ue
from unembed.analyses.patching import grid as module
from unembed.analyses.patching import plan as planning
from unembed.engine.passes.suffix import prefix_of
from unembed.engine.targets import site
from unembed.errors import CapabilityError, InputError, PromptError, TargetError, TooLargeError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..contract.wiring import REPRESENTATIVES, wiring
from .slow import PROMPT

OTHER = (*PROMPT[:4], 33, 7, *PROMPT[6:])
WHY = ue.Objective.logit_diff([72, 5], 9)
LIMIT = {torch.float32: 2e-4, torch.float64: 1e-9}


def naive(model, into, source, targets, columns, objective=WHY):
    """One plain run for every cell."""
    capture = objective.required_capture(model)
    other = model.run(source, [*targets, *({"z"} if "H" in targets[0] else ())])
    rows = []
    for target in targets:
        row = []
        for column in columns:
            edit = ue.patch(target, other, positions=column)
            run = model.run(into, capture, [edit])
            row.append(float(objective.value(run)))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def plan_of(ids, layers):
    """A plan of prompts that differ in every token; what it does not look at is None."""
    read = SimpleNamespace(ids=tuple(ids), source=())
    other = SimpleNamespace(ids=tuple(one + 100 for one in ids), source=())
    model = SimpleNamespace(kind="causal")
    return planning.Plan(model, read, other, layers, [0], list(range(len(ids))), [], ())


def same(found, wanted, tolerance):
    tolerance *= max(1.0, float(wanted.abs().max()))
    torch.testing.assert_close(found.double(), wanted.double(), rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, torch.float64) for name in REPRESENTATIVES), ("gpt2", torch.float32)],
)
def test_the_stream_is_patched_as_one_run_at_a_time(name, dtype, model_of):
    # some families compute attention in float32 whatever the model's dtype
    limit = 5e-6 if wiring(name).fp32_pattern else LIMIT[dtype]
    model = model_of(name, dtype)
    found = ue.patch_grid(model, PROMPT, OTHER, WHY, layers=[1, 2], positions=[2, 4, 5, -1])
    assert found.columns_at == (2, 4, 5, 9)
    targets = ["L1.resid_pre", "L2.resid_pre"]
    same(found.values, naive(model, OTHER, PROMPT, targets, [[2], [4], [5], [9]]), limit)
    clean, corrupted = (
        float(WHY.value(model.run(ids, WHY.required_capture(model)))) for ids in (PROMPT, OTHER)
    )
    assert (found.clean, found.corrupted) == pytest.approx((clean, corrupted), abs=limit)
    restored = (found.values - corrupted) / (clean - corrupted)
    torch.testing.assert_close(found.restored, restored, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("into", ["corrupted", "clean"])
@pytest.mark.parametrize("site", ["attn_out", "mlp_out", "resid_mid"])
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert"])
def test_every_site_is_patched_either_way_round(name, site, into, model_of):
    model = model_of(name, torch.float64)
    found = ue.patch_grid(model, PROMPT, OTHER, WHY, site=site, into=into, layers=[0, 2])
    prompts = (OTHER, PROMPT) if into == "corrupted" else (PROMPT, OTHER)
    columns = [[position] for position in range(len(PROMPT))]
    wanted = naive(model, *prompts, [f"L0.{site}", f"L2.{site}"], columns)
    same(found.values, wanted, 1e-6)


@pytest.mark.parametrize("positions", [None, [4, 9]])
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "llama", "bert"])
def test_heads_are_patched_at_all_positions_or_at_some(name, positions, model_of):
    model = model_of(name, torch.float64)
    found = ue.patch_grid(model, PROMPT, OTHER, WHY, site="heads", positions=positions)
    n_heads = model.anatomy.n_heads
    assert found.values.shape == (model.anatomy.n_layers, n_heads)
    for layer in range(model.anatomy.n_layers):
        targets = [f"L{layer}.H{head}" for head in range(n_heads)]
        wanted = naive(model, OTHER, PROMPT, targets, [positions])[:, 0]
        same(found.values[layer], wanted, 1e-6)


@pytest.mark.parametrize("positions", [None, [6]])
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "llama", "bert"])
def test_where_heads_look_is_patched_at_all_positions_or_at_some(name, positions, model_of):
    """The pattern alone: values are those of the prompt that is run."""
    model = model_of(name, torch.float64)
    found = ue.patch_grid(model, PROMPT, OTHER, WHY, site="patterns", positions=positions)
    there = model.run(PROMPT, ["pattern"])
    for layer in range(model.anatomy.n_layers):
        for head in range(model.anatomy.n_heads):
            rows = there[f"L{layer}.H{head}.pattern"]
            own = model.run(OTHER, [f"L{layer}.pattern"])[f"L{layer}.pattern"]
            own[head, slice(None) if positions is None else positions] = (
                rows if positions is None else rows[positions]
            )
            edit = ue.set_to(f"L{layer}.pattern", own, where=torch.ones_like(own).bool())
            run = model.run(OTHER, WHY.required_capture(model), [edit])
            wanted = float(WHY.value(run))
            assert float(found.values[layer, head]) == pytest.approx(wanted, abs=1e-6)
    assert found.n_runs > 0
    assert found.columns()["head"][:2] == [0, 1]


def test_the_first_layers_stream_is_the_whole_difference(model_of):
    """With both differing tokens' embeddings put in, the clean prompt is back."""
    model = model_of("gpt2", torch.float64)
    one = (*PROMPT[:4], 33, *PROMPT[5:])
    found = ue.patch_grid(model, PROMPT, one, WHY)
    assert found.restored[0, 4] == pytest.approx(1)
    assert (found.restored[:, :4] == 0).all()
    columns = found.columns()
    assert columns["token"][:10] == [token.text for token in found.tokens]
    assert columns["value"][4] == pytest.approx(found.clean)


@pytest.mark.parametrize("how", ["packed", "rows", "sweep"])
def test_cells_that_change_nothing_are_not_run(how, model_of, monkeypatch):
    """Nor those behind the position that is measured; with cached keys or in a sweep."""
    model, seen = model_of("gpt2", torch.float64), []

    def counting(real):
        def counted(*given, **rest):
            seen.append(len(given[2]))
            return real(*given, **rest)

        return counted

    monkeypatch.setattr(module, "sweep", counting(module.sweep))
    monkeypatch.setattr(module, "states_after", counting(module.states_after))
    monkeypatch.setattr(module, "packed_states", counting(module.packed_states))
    if how == "sweep":
        monkeypatch.setattr(module, "prefix_of", lambda *_: None)
    if how == "rows":
        monkeypatch.setattr(module, "can_pack", lambda *_: False)
    found = ue.patch_grid(model, PROMPT, OTHER, WHY)
    # two embeddings differ; from the next layer on everything behind them may
    assert sum(seen) == found.n_runs == 2 + 2 * 6
    assert found.n_unchanged == 30 - 14
    assert (how != "sweep") == (len(seen) > 1)
    seen.clear()
    assert ue.patch_grid(model, PROMPT, PROMPT, WHY).n_runs == 0
    assert ue.patch_grid(model, PROMPT, OTHER, WHY.at(4)).n_runs == 3
    assert ue.patch_grid(model, PROMPT, OTHER, WHY.at(3)).n_runs == 0
    assert sum(seen) == 3


@pytest.mark.parametrize("most", [1, 12, 10_000])
def test_packs_hold_every_cell_once_and_none_is_of_a_few_tokens_left_over(most, monkeypatch):
    monkeypatch.setattr(planning, "PACKED_TOKENS", most)
    cells = [
        planning.Cell((row, 0), site("resid_pre", row), at) for row in (0, 1) for at in range(9)
    ]
    packs = list(plan_of(range(10), layers=[3, 5]).packs(cells))
    assert sorted(one for pack in packs for one in pack) == list(range(18))
    tokens = [sum(10 - (cells[one].position or 0) for one in pack) for pack in packs]
    assert all(len({cells[one].place[0] for one in pack}) == 1 for pack in packs)
    assert min(tokens) >= min(most, 54) / 2
    assert len(packs) == 2 * {1: 9, 12: 4, 10_000: 1}[most]


def test_packs_of_any_size_give_the_same_numbers(model_of, monkeypatch):
    model = model_of("gpt2", torch.float64)
    wanted = ue.patch_grid(model, PROMPT, OTHER, WHY)
    monkeypatch.setattr(planning, "PACKED_TOKENS", 4)
    found = ue.patch_grid(model, PROMPT, OTHER, WHY)
    assert found.n_runs == wanted.n_runs
    same(found.values, wanted.values, 1e-12)


def test_a_pass_over_a_suffix_that_disagrees_is_not_used(model_of):
    model = model_of("gpt2", torch.float64)
    run = model.run(PROMPT, ["L1.resid_pre", "final_norm"])
    residuals = {1: run["L1.resid_pre"]}
    assert prefix_of(model, PROMPT, residuals, run["final_norm"]) is not None
    assert prefix_of(model, PROMPT, residuals, run["final_norm"] * 1.01) is None


def test_equal_prompts_restore_nothing(model_of):
    found = ue.patch_grid(model_of("gpt2"), PROMPT, PROMPT, WHY)
    assert found.restored.isnan().all()
    assert (found.values == found.clean).all()
    assert math.isnan(found.columns()["restored"][0])
    assert found.rows == tuple(tuple([found.clean] * 10) for _ in range(3))


def test_without_a_target_the_two_answers_are_compared(model_of):
    model = model_of("gpt2", torch.float64)
    changed = [(*PROMPT[:9], last) for last in range(5, 20)]
    answers = [run.top(1)[0].token for run in ue.sweep(model, [PROMPT, *changed])]
    first = answers[0]
    corrupted, other = next(
        both for both in zip(changed, answers[1:], strict=True) if both[1] != first
    )
    found = ue.patch_grid(model, PROMPT, corrupted)
    assert repr(first.text) in found.objective
    assert repr(other.text) in found.objective
    wanted = ue.Objective.logit_diff(first.id, other.id)
    run = model.run(PROMPT, wanted.required_capture(model))
    assert found.clean == pytest.approx(float(wanted.value(run)))


@pytest.mark.parametrize("objective", [
    ue.Objective.log_prob(7), ue.Objective.activation("L2.N3"),
    ue.Objective.logit(9, position=6),
])  # fmt: skip
def test_any_objective_is_measured(objective, model_of):
    model = model_of("gpt2", torch.float64)
    found = ue.patch_grid(model, PROMPT, OTHER, objective, layers=[1])
    wanted = naive(model, OTHER, PROMPT, ["L1.resid_pre"], [[4], [6], [9]], objective)
    same(found.values[:, [4, 6, 9]], wanted, 1e-6)


def test_what_makes_no_grid_is_refused(model_of):
    model = model_of("gpt2")
    with pytest.raises(PromptError, match="10 tokens and the corrupted one 9") as caught:
        ue.patch_grid(model, PROMPT, OTHER[:-1], WHY)
    assert caught.value.field == "corrupted"
    with pytest.raises(InputError, match="same token"):
        ue.patch_grid(model, PROMPT, OTHER, 7, distractor=7)
    with pytest.raises(InputError, match="layer 3 is not in this model"):
        ue.patch_grid(model, PROMPT, OTHER, WHY, layers=[3])
    with pytest.raises(TargetError, match="position 10"):
        ue.patch_grid(model, PROMPT, OTHER, WHY, positions=[10])
    with pytest.raises(InputError, match="site"):
        ue.patch_grid(model, PROMPT, OTHER, WHY, site="pattern")
    with pytest.raises(CapabilityError, match="parallel"):
        ue.patch_grid(model_of("gptj"), PROMPT, OTHER, WHY, site="resid_mid")
    small = ue.load(tiny_model("gpt2"), tiny_tokenizer(), settings=ue.Settings(max_patch_cells=20))
    with pytest.raises(TooLargeError, match="max_patch_cells"):
        ue.patch_grid(small, PROMPT, OTHER, WHY)
    assert ue.patch_grid(small, PROMPT, OTHER, WHY, layers=[1]).n_runs
