"""What values are compared with, what is measured by runs, and a bound on what was not."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.engine.editing.edits import by_analysis
from unembed.errors import InputError, PromptError, TooLargeError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .attribution_by_hand import OTHER, POSITION, WHY, close
from .slow import PROMPT


@pytest.mark.parametrize("against", ["zero", "mean"])
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert", "mixtral"])
def test_measured_effects_are_those_of_a_run_without_the_node(name, against, model_of):
    model = model_of(name, torch.float64)
    objective = WHY.at(POSITION)
    found = ue.attribute(model, PROMPT, objective, verify=30, top_k=40, against=against)
    assert found.verification.nodes == 30
    assert all(row.measured is None for row in found.rows[30:])
    capture = ["z", "mlp_post", "mlp_out", "embed", *objective.required_capture(model)]
    capture = [site for site in capture if site != "mlp_post" or name != "mixtral"]
    run = model.run(PROMPT, capture)
    for row in found.rows[:30]:
        if row.kind == "bias":
            continue
        edit = ue.zero(row.name)
        if against == "mean" and row.kind != "pair":
            edit = ue.set_to(row.name, run[row.name.partition("@")[0]].mean(0))
        without = model.run(PROMPT, objective.required_capture(model), [edit])
        lost = found.value - float(objective.value(without))
        assert row.measured == pytest.approx(lost, rel=1e-5, abs=1e-6), row.name
    estimated = torch.tensor([row.total for row in found.rows[:30]])
    measured = torch.tensor([row.measured for row in found.rows[:30]])
    wanted = float(torch.corrcoef(torch.stack([estimated, measured]))[0, 1])
    assert found.verification.pearson == pytest.approx(wanted, abs=1e-6)
    ranks = torch.stack([estimated.argsort().argsort(), measured.argsort().argsort()]).double()
    assert found.verification.spearman == pytest.approx(
        float(torch.corrcoef(ranks)[0, 1]), abs=0.01
    )


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert"])
def test_against_another_prompt_values_change_into_its_own(name, model_of):
    """Estimated: the difference times the gradient. Measured: a patch from its run."""
    model = model_of(name, torch.float64)
    objective = WHY.at(POSITION)
    found = ue.attribute(
        model, PROMPT, objective, verify=25, top_k=25,
        against="prompt", references=OTHER, estimator="gradient",
    )  # fmt: skip
    plain = ue.attribute(model, PROMPT, objective)
    capture = ["z", "mlp_post", "embed", "pattern", *objective.required_capture(model)]
    here, there = model.run(PROMPT, capture), model.run(OTHER, capture)
    for row in found.rows:
        other = float(there[row.name]) if row.kind in ("pair", "neuron") else None
        if other is not None:  # by the slope of the attribution against 0
            slope = plain.node(row.name).total / float(here[row.name])
            estimate = slope * (float(here[row.name]) - other)
            assert row.total == pytest.approx(estimate, rel=1e-6, abs=1e-9)
        edit = ue.patch(row.name, there)
        without = model.run(PROMPT, objective.required_capture(model), [edit])
        lost = found.value - float(objective.value(without))
        assert row.measured == pytest.approx(lost, rel=1e-5, abs=1e-7), row.name
    assert not any(group.total.any() for group in found.groups if group.kind == "bias")
    twice = ue.attribute(
        model, PROMPT, objective, against="prompt", references=[OTHER, PROMPT], estimator="gradient"
    )
    close(2 * twice.groups[0].total, found.groups[0].total, 1e-9)


def test_a_mean_is_over_all_positions_of_the_references(model_of):
    model = model_of("gpt2", torch.float64)
    others = [PROMPT[:3], OTHER]
    found = ue.attribute(model, PROMPT, WHY, against="mean", references=others, verify=20)
    seen = [model.run(one, ["mlp_post", "z", "embed"]) for one in others]
    for row in found.rows:
        if row.kind in ("neuron", "head", "embed"):
            stem = row.name.partition("@")[0]
            mean = torch.cat([run[stem] for run in seen]).mean(0)
            without = model.run(PROMPT, WHY.required_capture(model), [ue.set_to(row.name, mean)])
            assert row.measured == pytest.approx(found.value - float(WHY.value(without)))


LONGER = (*PROMPT[:3], 33, 7, 12, *PROMPT[5:])  # two tokens made three
PLACES = (0, 1, 2, 4, 5, 6, 7, 8, 9, 10)


def test_a_reference_of_another_length_stands_where_tokens_are_the_same():
    from unembed.analyses.attribution.references import counterparts

    assert counterparts(PROMPT, LONGER) == PLACES
    assert counterparts(LONGER, PROMPT) == (0, 1, 2, None, 3, 4, 5, 6, 7, 8, 9)
    assert counterparts((1, 2, 3), (3, 2, 1)) == (0, 1, 2)
    assert counterparts((1, 2, 3, 4), (1, 4)) == (0, None, None, 1)


def test_pairs_by_hand_stand_in_place_of_what_tokens_say():
    from unembed.analyses.attribution.references import counterparts

    assert counterparts((1, 2, 3, 4), (1, 4), ["1=1"]) == (0, 1, None, None)
    assert counterparts((1, 2, 3), (3, 2, 1), ["0=-1", "-1=0"]) == (2, 1, 0)
    assert counterparts(PROMPT, LONGER, ["3=3"]) == (0, 1, 2, 3, *PLACES[4:])


@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_against_a_prompt_aligned_by_hand_values_change_into_what_was_said(name, model_of):
    """Tokens that no stretch has in common, pair by pair; all other values are kept."""
    model, other = model_of(name, torch.float64), (50, 51, 52)
    objective = WHY.at(POSITION)
    pairs = {0: 0, 4: 2, 6: 1}
    asked = {"against": "prompt", "references": other, "align": list(pairs.items())}
    asked["estimator"] = "gradient"
    found = ue.attribute(model, PROMPT, objective, pairs=False, verify=12, top_k=30, **asked)
    capture = ["mlp_post", "z", "embed", "attn_out", *objective.required_capture(model)]
    here, there = model.run(PROMPT, capture), model.run(other, capture)
    plain = ue.attribute(model, PROMPT, objective, pairs=False)
    neurons = 0
    for row in found.rows:
        assert row.position in pairs, row.name
        at = f"{row.name.partition('@')[0]}@{pairs[row.position]}"
        if row.kind == "neuron":
            slope = plain.node(row.name).total / float(here[row.name])
            change = float(here[row.name]) - float(there[at])
            assert row.total == pytest.approx(slope * change, rel=1e-6, abs=1e-9)
            neurons += 1
        if row.measured is not None:
            edit = ue.set_to(row.name, there[at])
            without = model.run(PROMPT, objective.required_capture(model), [edit])
            lost = found.value - float(objective.value(without))
            assert row.measured == pytest.approx(lost, rel=1e-5, abs=1e-7), row.name
    assert neurons > 3


@pytest.mark.parametrize(
    ("align", "words"),
    [
        (["3"], "no pair of positions"),
        (["3=4=5"], "no pair of positions"),
        (["3=99"], "the reference has 3 tokens"),
        ([(-11, 0)], "the prompt has 10 tokens"),
        (["3=1", "4=1"], "has a partner already"),
        (["3=1", "-7=2"], "has a partner already"),
    ],
)
def test_pairs_by_hand_that_cannot_be_are_refused(align, words, model_of):
    model = model_of("gpt2")
    with pytest.raises(InputError, match=words) as caught:
        ue.attribute(model, PROMPT, WHY, against="prompt", references=(50, 51, 52), align=align)
    assert caught.value.field == "align"
    with pytest.raises(InputError, match="compared with none") as caught:
        ue.attribute(model, PROMPT, WHY, align=["0=0"])
    assert caught.value.field == "align"


@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_against_a_prompt_of_another_length_values_change_into_their_counterparts(name, model_of):
    model = model_of(name, torch.float64)
    objective = WHY.at(POSITION)
    found = ue.attribute(
        model, PROMPT, objective, verify=25, top_k=25,
        against="prompt", references=LONGER, estimator="gradient",
    )  # fmt: skip
    assert not found.notes
    plain = ue.attribute(model, PROMPT, objective)
    capture = ["mlp_post", "pattern", "z", "embed", *objective.required_capture(model)]
    here, there = model.run(PROMPT, capture), model.run(LONGER, capture)
    for row in found.rows:
        stem, _, _ = row.name.partition("@")
        at = PLACES[row.position]
        key = "" if row.key is None else f"<{PLACES[row.key]}"
        if row.kind in ("pair", "neuron"):
            slope = plain.node(row.name).total / float(here[row.name])
            estimate = slope * (float(here[row.name]) - float(there[f"{stem}@{at}{key}"]))
            assert row.total == pytest.approx(estimate, rel=1e-6, abs=1e-9)
        edit = ue.set_to(row.name, there[f"{stem}@{at}{key}"])
        without = model.run(PROMPT, objective.required_capture(model), [edit])
        lost = found.value - float(objective.value(without))
        assert row.measured == pytest.approx(lost, rel=1e-5, abs=1e-7), row.name
    kept = ue.attribute(model, LONGER, objective, against="prompt", references=PROMPT)
    assert kept.notes == ("a reference has nothing for position 3: kept there",)
    assert not any(group.total[3].any() for group in kept.groups)
    assert any(group.total[4].any() for group in kept.groups)


def test_drawn_references_are_those_of_one_position_for_all_sites(model_of):
    from unembed.analyses.attribution.references import draw

    model = model_of("gpt2", torch.float64)
    others = [PROMPT[:3], OTHER]
    found = ue.attribute(
        model,
        PROMPT,
        WHY,
        against="resample",
        references=others,
        pairs=False,
        seed=5,
        verify=20,
    )
    seen = [model.run(one, ["mlp_post", "z", "embed"]) for one in others]
    rows = draw(10, [3, 10], 5)
    assert rows == draw(10, [3, 10], 5) != draw(10, [3, 10], 6)
    assert rows[0] in (0, 3)
    assert not {0, 3} & set(rows[1:])
    for row in found.rows:
        stem = row.name.partition("@")[0]
        drawn = torch.cat([run[stem] for run in seen])[rows[row.position]]
        without = model.run(PROMPT, WHY.required_capture(model), [ue.set_to(row.name, drawn)])
        assert row.measured == pytest.approx(found.value - float(WHY.value(without)), abs=1e-9)
    assert not any(group.total.any() for group in found.groups if group.kind == "bias")


def test_every_node_is_measured_where_one_asks_for_all(model_of):
    """Those that nothing could come of are 0 and were not run."""
    model = model_of("gpt2", torch.float64)
    objective = WHY.at(POSITION)
    found = ue.attribute(
        model, PROMPT, objective, verify="all", positions=[2, 6, 8], layers=[1], top_k=5
    )
    assert len(found.rows) == 5
    capture = objective.required_capture(model)
    checked = 0
    for group in found.groups:
        if group.layer != 1:
            assert group.measured is None
            continue
        assert group.measured[[2, 6, 8]].isfinite().all()
        assert group.measured[[0, 1, 3, 4, 5, 7, 9]].isnan().all()
        for index in [(6, 1, 4), (2, 3, 5), (8, 0, 0)] if group.kind == "pair" else [(2, 7)]:
            if group.kind == "bias":
                continue
            run = model.run(PROMPT, capture, [ue.zero(group.name(index))])
            lost = found.value - float(objective.value(run))
            assert float(group.measured[index]) == pytest.approx(lost, abs=1e-9)
            checked += 1
    assert checked == 4
    by_measured = found.top(3, by="measured")
    assert [row.measured for row in by_measured] == sorted(
        (row.measured for row in by_measured), key=abs, reverse=True
    )
    small = ue.load(
        tiny_model("gpt2"), tiny_tokenizer(), settings=ue.Settings(max_measured_nodes=50)
    )
    with pytest.raises(TooLargeError, match="max_measured_nodes") as caught:
        ue.attribute(small, PROMPT, WHY, verify="all")
    assert "minutes" in caught.value.message


def planted(seed):
    """A tiny model, and a neuron of it that writes far more than any other."""
    torch.manual_seed(seed)
    model = ue.load(tiny_model("gpt2").double(), tiny_tokenizer())
    for block in model.module.transformer.h:
        for part in (block.mlp.c_fc, block.mlp.c_proj):
            torch.nn.init.normal_(part.weight, std=0.05)
    layer, neuron = (int(torch.randint(size, ())) for size in (3, 52))
    with torch.no_grad():
        model.module.transformer.h[layer].mlp.c_proj.weight[neuron] *= 60
    return model, f"L{layer}.N{neuron}"


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_node_is_never_outside_the_bound_on_what_was_not_measured(seed):
    model, node = planted(seed)
    found = ue.attribute(model, PROMPT, WHY, sample=32, pairs=False)
    assert found.bound.runs == 32
    assert found.verification is None
    every = ue.attribute(model, PROMPT, WHY, verify="all", layers=[int(node[1])], pairs=False)
    (worst,) = every.top(1, by="measured")
    assert found.bound.largest >= abs(worst.measured) > 0
    assert found.bound.nodes == sum(group.total[:10].numel() for group in found.groups)
    rest = ue.attribute(model, PROMPT, WHY, sample=32, verify=50, top_k=50, pairs=False)
    assert rest.bound.nodes == found.bound.nodes - 50
    assert rest.bound.largest < found.bound.largest


def test_what_a_bound_takes_out_is_what_single_edits_take_out(model_of):
    """A run without a set of nodes of every kind, by one edit a site and by one edit a node."""
    from unembed.analyses.attribution import bound, measure

    model = model_of("gpt2", torch.float64)
    kept = []
    real = measure.Measuring.losses

    def losses(self, without):
        kept.append((self, without))
        return real(self, without)

    for pairs in (True, False):
        kept.clear()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(measure.Measuring, "losses", losses)
            found = ue.attribute(model, PROMPT, WHY, sample=16, pairs=pairs)
        (measuring, without), *_ = kept
        drawn = torch.Generator().manual_seed(0)
        out = [bound._drawn(measuring, one, 9, 16, drawn) for one in found.groups]
        single = [
            by_analysis(edit)
            for group, some in zip(found.groups, out, strict=True)
            for index in some[3].nonzero().tolist()
            for edit in measuring.without(group, tuple(index))
        ]
        both = measuring.losses([without[3], tuple(single)])
        assert len(single) > 500
        assert float(both[0]) == pytest.approx(float(both[1]), abs=1e-9)


def test_references_that_do_not_fit_are_refused(model_of):
    model = model_of("gpt2")
    with pytest.raises(InputError, match="there is none") as caught:
        ue.attribute(model, PROMPT, WHY, against="prompt")
    assert caught.value.field == "references"
    with pytest.raises(PromptError, match="10 tokens and reference 1 has 2, none") as wrong:
        ue.attribute(model, PROMPT, WHY, against="prompt", references=[PROMPT[:3], (50, 51)])
    assert wrong.value.field == "references"
    with pytest.raises(InputError, match="there is none"):
        ue.attribute(model, PROMPT, WHY, against="resample", pairs=False)
    with pytest.raises(InputError, match="cannot be drawn") as pairs:
        ue.attribute(model, PROMPT, WHY, against="resample", references=OTHER)
    assert pairs.value.field == "pairs"
    with pytest.raises(PromptError, match="no reference has a second token"):
        ue.attribute(model, PROMPT, WHY, against="resample", references=[(7,)], pairs=False)
    with pytest.raises(InputError, match="compared with 0"):
        ue.attribute(model, PROMPT, WHY, references=PROMPT)
    with pytest.raises(InputError, match="fewer than 16 runs"):
        ue.attribute(model, PROMPT, WHY, sample=3)
