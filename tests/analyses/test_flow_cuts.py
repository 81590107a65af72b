"""Cutting a node or link changes what it says and nothing else; what it does is measured."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache

import pytest
import torch

import unembed as ue
from unembed.analyses.flow.attributed import attributed, attributed_together
from unembed.analyses.flow.cuts import attributed_at, cut_of, measure_edits
from unembed.analyses.flow.names import parse_cut
from unembed.analyses.flow.options import FlowOptions
from unembed.engine.names.sites import parse_target
from unembed.errors import CapabilityError, TargetError, UnembedError

from .flow_compare import near
from .flow_effects import effect_on_target
from .flow_hand import cut_by_hand, logits_of, together
from .flow_oracle import SlowFlow
from .flow_running import TARGET, drawn
from .slow import PROMPT

FAMILIES = (
    *("gpt2", "gptj", "gpt_neox", "falcon-new", "opt-post-norm", "bert", "llama", "gemma3"),
    *("olmo2", "granite", "mixtral", "modernbert"),
)
FEW = FlowOptions(n_heads=2, top_neurons=2, bottom_neurons=1, values_per_head=2, rest=True)
UNCUT = ("rest", "mlp_in_bias")
LAYERS = [0, 1]


@pytest.fixture(scope="module")
def case_of(model_of, slow_of):
    @cache
    def make(name, position=-1):
        run, graph = drawn(model_of(name, torch.float64), LAYERS, position=position, options=FEW)
        neurons = [node.id for node in graph.nodes if node.kind == "neuron"]
        with torch.no_grad():
            slow = SlowFlow(
                slow_of(name, torch.float64), LAYERS, position, FEW, among_equals=neurons
            )
        return run, graph, slow

    return make


def cuttable(graph):
    return [one for one in (*graph.nodes, *graph.links) if one.cut is not None]


def keys(edits):
    return [edit.key for edit in edits]


@pytest.mark.parametrize(
    ("name", "position"), [*((name, -1) for name in FAMILIES), ("gpt2", 5), ("gemma3", 5)]
)
def test_a_cut_gives_the_logits_of_the_same_change_made_by_hand(name, position, case_of):
    run, graph, slow = case_of(name, position)
    plain, by_hand, done = logits_of(slow, {}, PROMPT), {}, {}
    for one in cuttable(graph):
        edits, changes = ue.cut(run, one.id, position), cut_by_hand(slow, one.id)
        same, cause = repr(keys(edits)), frozenset(changes.items())
        if same not in done:
            done[same] = run.model.run(PROMPT, edits=list(edits)).logits
        if cause not in by_hand:
            by_hand[cause] = logits_of(slow, changes, PROMPT)
        found, wanted = done[same], by_hand[cause][-len(done[same]) :]
        limit = max(1e-9, near(name, torch.float64)) * float(wanted.abs().max())
        torch.testing.assert_close(found, wanted, rtol=0, atol=limit, msg=one.id)
        moves = not torch.equal(by_hand[cause], plain)  # cutting a silent neuron does nothing
        assert torch.equal(found, run.logits) != moves, one.id
    assert len(done) > 10


@pytest.mark.parametrize("name", FAMILIES)
def test_everything_has_a_cut_but_what_is_not_one_thing(name, case_of):
    _, graph, _ = case_of(name)
    post_norm = name in ("bert", "opt-post-norm")
    for node in graph.nodes:
        assert (node.cut is None) == (node.kind in UNCUT), node.id
    for link in graph.links:
        unclear = link.kind == "rest" or "mlp_in_bias" in link.id
        stream = post_norm and link.kind.startswith("residual")
        assert (link.cut is None) == (unclear or stream), link.id


@pytest.mark.parametrize("name", FAMILIES)
def test_the_cut_in_the_graph_is_the_cut_by_name(name, case_of):
    run, graph, _ = case_of(name, 5)
    for one in cuttable(graph):
        edits = ue.cut(run, one.id, 5)
        if one.cut.operation == "zero":
            (edit,) = edits
            assert edit.operation == "zero"
            assert place(edit.target) == place(one.cut.target), one.id
        else:
            assert keys(edits) == keys(ue.cut(run, one.cut.target, 5)), one.id


def place(target):
    """Where an edit acts, whichever of its names is used: "L5.attn" and "L5.attn_out" are one."""
    found = asdict(parse_target(target))
    return {name: value for name, value in found.items() if name not in ("text", "row")}


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert", "gptj"])
def test_a_run_needs_to_capture_no_more_than_it_says(name, case_of):
    run, graph, _ = case_of(name)
    for one in cuttable(graph):
        lean = run.model.run(PROMPT, capture=list(ue.cut_capture(run.model, one.id)))
        for found, wanted in zip(ue.cut(lean, one.id), ue.cut(run, one.id), strict=True):
            assert (found.target, found.operation) == (wanted.target, wanted.operation)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_attributed_to_a_cut_is_minus_the_direct_effect(name, case_of):
    run, graph, slow = case_of(name)
    known = 0
    for cut in cuttable(graph):
        found, write = attributed(run, cut.id, 9, TARGET), lost(slow, cut.id)
        if write is None:
            assert found is None, cut.id
            continue
        layer = int(cut.id.rpartition("L")[2].partition(".")[0])
        effect = effect_on_target(slow, layer, write[1], write[0], TARGET)
        assert found == pytest.approx(-effect, rel=1e-5, abs=1e-5), cut.id
        known += 1
    assert known > 10


def lost(slow, name):
    """What the stream no longer gets and from which branch, by the slow graph; else None."""
    source, arrow, target = name.partition(">")
    if not arrow:
        return lost_at(slow, source)
    kind = slow.links[source, target].kind
    if kind.startswith("residual"):
        after = source.endswith("resid_mid")
        return slow.nodes[source].vectors[""], "mlp" if after else "attn"
    if kind in ("query", "norm", "qkv"):
        return None
    ends = {"attention": target, "z_row_key": target, "neuron_key": target, "activation": target}
    return lost_at(slow, target if kind == "experts" else ends.get(kind, source), target)


def lost_at(slow, name, other=""):
    name = name.replace(".key@", ".value@") if ".key@" in name else name.removesuffix(".key")
    node = slow.nodes[other if name.endswith((".z", "mlp_in")) and "bias" in other else name]
    if node.kind == "z":
        layer = int(name[1:].partition(".")[0])
        bias = slow.nodes.get(f"L{layer}.attn_bias")
        whole = slow.nodes[f"L{layer}.attn_out"].write
        return (whole if bias is None else whole - bias.write), "attn"
    return None if node.write is None else (node.write, node.part)


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "gptj", "bert", "gemma3-capped"])
def test_the_measured_effect_is_that_of_a_run_made_by_hand(name, case_of):
    run, graph, slow = case_of(name)
    kinds = {one.kind: one.id for one in cuttable(graph)}
    names = list(kinds.values())
    report = ue.measure_cuts(run, names, target=TARGET)
    parts = [attributed(run, one, 9, TARGET) for one in names]
    assert [one.attributed for one in report.cuts] == parts
    plain = scored(logits_of(slow, {}, PROMPT)[-1])
    assert_scored(report.baseline, plain)
    by_hand = [cut_by_hand(slow, one) for one in names]
    for effect, changes in zip(report.cuts, by_hand, strict=True):
        found = scored(logits_of(slow, changes, PROMPT)[-1])
        assert_scored(effect.measured, found)
        assert effect.logit_change == pytest.approx(found[1] - plain[1], abs=1e-5)
        assert effect.probability_change == pytest.approx(found[0] - plain[0], abs=1e-6)
    assert [one.name for one in report.cuts] == names


def scored(logits):
    logits = logits.double()
    rank = 1 + int((logits > logits[TARGET]).sum())
    return float(logits.softmax(-1)[TARGET]), float(logits[TARGET]), rank


def assert_scored(score, wanted):
    assert score.probability == pytest.approx(wanted[0], abs=1e-6)
    assert score.logit == pytest.approx(wanted[1], abs=1e-5)
    assert score.rank == wanted[2]


KINDS = ("head", "neuron", "value", "z_row")


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "gptj"])
def test_all_together_is_one_run_with_every_cut(name, case_of):
    run, graph, slow = case_of(name)
    of_kind = {kind: [one.id for one in graph.nodes if one.kind == kind] for kind in KINDS}
    row = of_kind["z_row"][-1]
    own = f"L1.H{int(row.partition('.z')[2]) // run['L1.z'].shape[-1]}"
    head = next(one for one in of_kind["head"] if one.startswith("L1") and one != own)
    value = next(one for one in of_kind["value"] if one.startswith(f"{head}."))
    names = [head, value, row, of_kind["neuron"][-1]]
    report = ue.measure_cuts(run, names, target=TARGET)
    changes = together(cut_by_hand(slow, one) for one in names)
    assert_scored(report.together.measured, scored(logits_of(slow, changes, PROMPT)[-1]))
    total = sum(one.attributed for one in report.cuts if one.name != value)  # the head has it
    assert report.together.attributed == pytest.approx(total)
    assert ue.measure_cuts(run, names[:1], target=TARGET).together is None


def in_any_order(names):
    return [names, names[::-1]]


@pytest.mark.parametrize("name", FAMILIES)
def test_what_cuts_share_is_attributed_once(name, case_of):
    """A head, rows of it and what it gets from one position; a neuron and its feed-forward."""
    run, graph, _ = case_of(name)
    row = next(node.id for node in graph.nodes if node.kind == "z_row" and node.layer == 1)
    d_head = run["L1.z"].shape[-1]
    head = f"L1.H{int(row.partition('.z')[2]) // d_head}"
    neuron = next((node.id for node in graph.nodes if node.kind == "neuron"), None)
    of_head = [row, f"{head}@9<4", f"{head}.value@3", "L1.attn_bias"]
    wholes = [(head, of_head[:3]), (f"{head}.z", [head, row]), ("L1.attn", [head, *of_head])]
    if neuron is not None:
        layer = neuron.partition(".")[0]
        wholes.append((f"{layer}.mlp", [neuron, f"{layer}.mlp_bias", f"{neuron}.key"]))
    for whole, parts in wholes:
        alone = attributed(run, whole, 9, TARGET)
        for order in in_any_order([whole, *parts]):
            found = attributed_together(run, order, 9, TARGET)
            assert found == pytest.approx(alone, rel=1e-9), order


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "granite", "llama", "opt-post-norm"])
def test_a_row_and_a_pair_of_one_head_are_attributed_what_they_take_away_by_hand(name, case_of):
    """Row r of W_O has all positions' values, the pair all rows: they share one product."""
    run, _, slow = case_of(name)
    model, head, r, key = run.model, 1, 2, 4
    d_head, n_heads = run["L1.z"].shape[-1], run["L1.z"].shape[1]
    value = run["L1.v"][key, head * run["L1.v"].shape[1] // n_heads]
    from_key = run[f"L1.H{head}.pattern@9"][key] * value
    lost = torch.zeros(n_heads * d_head, dtype=torch.float64)
    lost[head * d_head : (head + 1) * d_head] = from_key
    lost[head * d_head + r] = run["L1.z"][9, head, r]
    plain = model.output_weight(1, "attn")
    before = run["L1.z"][9].flatten() @ plain
    bias = model.output_bias(1, "attn")
    before = before if bias is None else before + bias
    after = before - lost @ plain
    norm = model.post_norm(1, "attn")
    gain = frozen_gain(norm, before) if norm is not None else torch.ones_like(before)
    written = gain * (before - after) * model.residual_multiplier(1, "attn")
    effect = effect_on_target(slow, 1, "attn", written, TARGET)
    names = [f"L1.z{head * d_head + r}", f"L1.H{head}.value@{key}"]
    for order in in_any_order(names):
        found = attributed_together(run, order, 9, TARGET)
        assert found == pytest.approx(-effect, rel=1e-6)
    alone = sum(attributed(run, one, 9, TARGET) for one in names)
    assert abs(alone - found) > 1e-9  # they do share something


def frozen_gain(norm, state):
    """Of an RMS norm: what it multiplied each number of its input with."""
    with torch.no_grad():
        return norm(state[None])[0] / state


@pytest.mark.parametrize("name", ["gpt2", "gptj", "gemma3"])
def test_a_stream_has_what_was_written_before_it_and_nothing_later(name, case_of):
    run, graph, _ = case_of(name)
    streams = [link.id for link in graph.links if link.kind.startswith("residual")]
    early = next(one for one in streams if one.startswith("L0.resid_pre"))
    late = next(one for one in streams[::-1] if ">L1" in one)
    alone = attributed(run, late, 9, TARGET)
    for order in in_any_order([early, late, "L0.H1", "L0.mlp"]):
        assert attributed_together(run, order, 9, TARGET) == pytest.approx(alone, rel=1e-9)
    after = attributed(run, "L1.mlp", 9, TARGET)
    both = attributed_together(run, [late, "L1.mlp"], 9, TARGET)
    assert both == pytest.approx(alone + after, rel=1e-9)


def test_cuts_elsewhere_add_nothing_and_what_is_not_known_makes_all_unknown(case_of):
    run, _, _ = case_of("gpt2")
    alone = attributed(run, "L1.H2", 9, TARGET)
    assert attributed_together(run, ["L1.H2@9", "L1.H3@4", "L1.z3@2"], 9, TARGET) == alone
    assert attributed_together(run, ["L1.H2@4", "L1.H3@4"], 9, TARGET) == 0.0
    for unknown in ("L1.H2.query", "L1.qkv", None):
        assert attributed_together(run, ["L1.H2", unknown], 9, TARGET) is None


@pytest.mark.parametrize(
    ("edit", "wanted"),
    [
        ({"operation": "cut", "target": "L1.H2"}, ("L1.H2", 5)),
        ({"operation": "cut", "target": "L1.H2", "positions": [-1]}, ("L1.H2", 9)),
        ({"operation": "cut", "target": "L1.H2@3"}, ("L1.H2", 3)),
        ({"operation": "zero", "target": "L1.H2", "positions": [4]}, ("L1.H2", 4)),
        ({"operation": "zero", "target": "L1.mlp@-2"}, ("L1.mlp_out", 8)),
        ({"operation": "zero", "target": "L1.H2"}, None),
        ({"operation": "zero", "target": "L1.H2", "positions": [4, 5]}, None),
        ({"operation": "zero", "target": "L1.N2", "positions": [4], "stage": "pre"}, None),
        ({"operation": "scale", "target": "L1.H2", "positions": [4]}, None),
        ({"operation": "zero", "target": "embed", "positions": [4]}, None),
    ],
)
def test_an_edit_is_known_as_the_cut_that_it_is(edit, wanted):
    """A cut that names no position acts at the graph's: here 5 of 10."""
    found = cut_of(**edit, position=5, n_positions=10)
    named = None if found is None else (found.what, found.at)
    assert named == (None if wanted is None else (parse_cut(wanted[0]).what, wanted[1]))


def test_the_graph_says_what_it_attributes_to_a_cut_however_it_is_written(case_of):
    run, graph, _ = case_of("gpt2", 5)
    head = next(one for one in graph.nodes if one.kind == "head")
    for spelled in (head.id, f"{head.id}@5", f"{head.id}>{head.id.partition('.')[0]}.z"):
        assert attributed_at(run, graph, [parse_cut(spelled)]) == -head.attributed
    hidden = next(
        f"L1.N{n}" for n in range(52) if f"L1.N{n}" not in {node.id for node in graph.nodes}
    )
    token = graph.target.tokens[0].id
    by_run = attributed(run, f"{hidden}@5", 5, token)
    assert attributed_at(run, graph, [parse_cut(hidden)]) == by_run
    assert attributed_at(run, graph, [parse_cut(f"{head.id}@4")]) is None
    assert attributed_at(run, graph, [parse_cut("L2.H0")]) is None
    assert attributed_at(run, graph, [parse_cut(head.id), None]) is None


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        ("L1.H{head}", "L1.z{row}"),
        ("L1.attn_out", "L1.attn_bias"),
        ("L1.H{head}", "L1.H{head}"),
        ("L1.resid_pre", "L1.resid_pre>L1.resid_mid"),
    ],
)
def test_cutting_a_part_of_what_is_cut_changes_nothing_more(whole, part, case_of):
    run, graph, _ = case_of("gpt2")
    row = next(int(one.id[4:]) for one in graph.nodes if one.id.startswith("L1.z") and one.id[4:])
    names = [name.format(head=row // 10, row=row) for name in (whole, part)]
    for order in (names, names[::-1]):
        report = ue.measure_cuts(run, order, target=TARGET)
        alone = report.cuts[order.index(names[0])]
        assert report.together.measured.logit == pytest.approx(alone.measured.logit, abs=1e-9)


def test_cuts_come_after_the_edits_of_the_run(case_of, model_of):
    model = model_of("gpt2", torch.float64)
    edits = [ue.scale("L0.H1", 3.0), ue.set_to("L1.N4", 2.0)]
    run, _ = drawn(model, LAYERS, edits=edits, options=FEW)
    (effect,) = ue.measure_cuts(run, ["L1.H2"], target=TARGET).cuts
    again = model.run(PROMPT, edits=[*edits, ue.zero("L1.H2@9")])
    assert effect.measured.logit == pytest.approx(float(again.logits[-1, TARGET]))


def test_any_edits_are_measured_with_no_attribution_where_they_have_no_name(case_of):
    run, _, _ = case_of("gpt2")
    groups = [(None, [ue.scale("L1.H2", 0.5)]), ("L1.H2", ue.cut(run, "L1.H2"))]
    report = measure_edits(run, groups, target=TARGET)
    halved, cut = report.cuts
    assert halved.attributed is None
    assert cut.attributed is not None
    assert report.together.attributed is None
    again = run.model.run(PROMPT, edits=[ue.scale("L1.H2", 0.5)])
    assert halved.measured.logit == pytest.approx(float(again.logits[-1, TARGET]))


@pytest.mark.parametrize("name", ["gpt2", "gptj", "gemma3", "granite"])
def test_without_the_stream_past_a_branch_only_what_the_branch_added_is_left(name, case_of):
    run, _, _ = case_of(name)
    after = "resid_post" if name == "gptj" else "resid_mid"
    edits = ue.cut(run, f"L1.resid_pre>L1.{after}")
    sites = [f"L1.{after}", "L1.attn_out", "L1.mlp_out"]
    without = run.model.run(PROMPT, sites, list(edits))
    left = without["L1.attn_out"][-1]
    left = left + without["L1.mlp_out"][-1] if name == "gptj" else left
    torch.testing.assert_close(without[f"L1.{after}"][-1], left, rtol=0, atol=1e-9)
    torch.testing.assert_close(without["L1.attn_out"], run["L1.attn_out"])


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "name",
    [
        *("L1.H4", "L9.H0", "L1.N52", "L1.z40", "L1.H0.value@10", "L1.H7.query"),
        *("", "nothing", "L1.heads.rest", "L0.resid_post>L2.resid_pre", "L1.H2>", ">L1.z"),
        *("embed", "logits", "L1.resid_post>L1.resid_pre", "L1.neurons.rest>L1.mlp_out"),
    ],
)
def test_what_is_not_in_a_graph_is_refused(name, case_of):
    run, _, _ = case_of("gpt2")
    with pytest.raises(TargetError) as caught:
        ue.cut(run, name)
    assert caught.value.field
    assert caught.value.value is not None
    assert caught.value.legal or caught.value.fix


@pytest.mark.parametrize("name", ["bert", "opt-post-norm"])
def test_a_stream_that_is_normalised_cannot_be_cut_and_says_why(name, case_of):
    run, _, _ = case_of(name)
    with pytest.raises(CapabilityError, match="normalises the stream"):
        ue.cut(run, "L1.resid_pre>L1.resid_mid")


def test_neurons_of_experts_cannot_be_cut_and_say_why(case_of):
    run, _, _ = case_of("mixtral")
    with pytest.raises(UnembedError, match="expert"):
        ue.measure_cuts(run, ["L1.N3"], target=TARGET)


def test_a_position_outside_and_a_run_that_captured_too_little_are_refused(case_of):
    run, _, _ = case_of("gpt2")
    with pytest.raises(TargetError, match="position 10 is not in this prompt"):
        ue.cut(run, "L1.H2", 10)
    bare = run.model.run(PROMPT)
    for name in ("L1.attn_bias", "L1.resid_pre>L1.resid_mid"):
        with pytest.raises(TargetError, match="captured"):
            ue.cut(bare, name)
    with pytest.raises(TargetError, match="captured"):
        ue.measure_cuts(bare, ["L1.H2"], target=TARGET)


def test_measuring_can_be_cancelled(case_of):
    run, _, _ = case_of("gpt2")
    cancel = ue.Cancel()
    cancel.cancel()
    with pytest.raises(UnembedError, match="cancel"):
        ue.measure_cuts(run, ["L1.H2"], target=TARGET, cancel=cancel)
