"""Sub-updates: the shown ones, the biases and the rest are what a branch added, in every family."""

from __future__ import annotations

import json

import pytest
import torch

import unembed as ue
from unembed.analyses.sub_updates.sub_updates import sub_updates, sub_updates_capture
from unembed.analyses.sub_updates.switches import turn_on
from unembed.analyses.tools.writes import bias_write, head_writes, neuron_writes
from unembed.errors import CancelledError, InputError, TargetError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..contract.wiring import REPRESENTATIVES, weight_and_bias
from .slow import PROMPT

DTYPES = (torch.float32, torch.float64)
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
POSITION = 6
K = 4
LINEAR = ("gpt2", "opt", "llama", "llama-biased", "granite", "gptj", "cohere", "bert", "falcon-new")
POST_NORM = ("gemma2", "gemma3", "olmo2", "glm4")


def close(found, wanted, size=None):
    size = float(wanted.abs().max()) if size is None else size
    limit = TOLERANCE[wanted.dtype] * max(size, 1e-30)
    torch.testing.assert_close(found, wanted, rtol=0, atol=limit)


def taken_apart(model, k=K, **options):
    run = model.run(PROMPT, sub_updates_capture(model))
    return run, sub_updates(run, POSITION, k, **options)


def branches(found):
    for one in found.layers:
        for part, branch in (("attn", one.heads), ("mlp", one.neurons)):
            if branch is not None:
                yield one.layer, part, branch


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_the_parts_sum_to_what_was_added(name, dtype, model_of, slow_of):
    model = model_of(name, dtype)
    run, found = taken_apart(model, effects=0)
    seen = []
    for layer, part, branch in branches(found):
        seen.append((layer, part))
        added = run[f"L{layer}.{part}_out"][POSITION]
        close(branch.writes.sum(0), added)
        assert branch.added_norm == pytest.approx(float(added.norm()), rel=1e-5)
        assert len(branch.parts) == len(branch.writes)
        assert sum(one.share for one in branch.parts) == pytest.approx(1, abs=1e-6)
        assert branch.explained == pytest.approx(sum(one.share for one in branch.shown))
        for update, write in zip(branch.parts, branch.writes, strict=True):
            assert update.norm == pytest.approx(float(write.norm()), rel=1e-5, abs=1e-12)
            share = float(write @ added / (added @ added))
            assert update.share == pytest.approx(share, rel=1e-4, abs=1e-5)
    dense = slow_of(name, dtype).oracle.dense_layers
    n_layers = model.anatomy.n_layers
    wanted = [(layer, "attn") for layer in range(n_layers)] + [(layer, "mlp") for layer in dense]
    assert sorted(seen) == sorted(wanted)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_the_rest_is_what_all_other_nodes_write_and_the_bias_what_is_left_without_them(
    name, dtype, model_of
):
    run, found = taken_apart(model_of(name, dtype), effects=0)
    for layer, part, branch in branches(found):
        every = (head_writes if part == "attn" else neuron_writes)(run, layer)[POSITION]
        shown = [int(one.node.partition(".")[2][1:]) for one in branch.shown]
        size = float(every.abs().max()) + branch.added_norm
        close(branch.writes[: len(shown)], every[shown], size)
        others = [node for node in range(len(every)) if node not in shown]
        close(branch.writes[-1], every[others].sum(0), size)
        bias = bias_write(run, layer, part)[POSITION]
        if branch.bias is None:
            assert not bias.any()
        else:
            close(branch.writes[-2], bias, size)


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_the_largest_are_shown_by_the_size_of_their_score(name, model_of):
    run, found = taken_apart(model_of(name, torch.float64), effects=0)
    for layer, part, branch in branches(found):
        every = (head_writes if part == "attn" else neuron_writes)(run, layer)[POSITION]
        norms = every.norm(dim=-1)
        sizes = torch.tensor([abs(one.score) for one in branch.shown], dtype=torch.float64)
        close(sizes, norms.topk(K).values)
        for one in branch.shown:
            index = int(one.node.partition(".")[2][1:])
            assert abs(one.score) == pytest.approx(float(norms[index]), rel=1e-8)
            if part == "attn":
                assert one.activation is None
                assert one.score == one.norm
            else:
                activation = float(run[f"L{layer}.mlp_post"][POSITION, index])
                assert one.activation == pytest.approx(activation)
                assert one.score * activation >= 0


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_the_score_is_lm_debuggers_but_for_its_sign(name, model_of):
    """|m| ‖v‖, where v is a row of the second matrix: no post-norm, no multiplier."""
    model = model_of(name, torch.float64)
    run, found = taken_apart(model, effects=0)
    block = model.block(1).mlp
    weight, _ = weight_and_bias(model.module.get_submodule(block.output_map))
    scores = run["L1.mlp_post"][POSITION].abs() * weight.norm(dim=1)
    shown = found.layer(1).neurons.shown
    best = scores.topk(K)
    assert [one.node for one in shown] == [f"L1.N{index}" for index in best.indices.tolist()]
    assert [abs(one.score) for one in shown] == pytest.approx(best.values.tolist())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", LINEAR)
def test_switching_one_off_takes_exactly_its_part_away(name, dtype, model_of):
    model = model_of(name, dtype)
    run, found = taken_apart(model, effects=0)
    for branch in (found.layer(1).neurons, found.layer(1).heads):
        site = "L1.mlp_out" if branch is found.layer(1).neurons else "L1.attn_out"
        for one, write in zip(branch.shown, branch.writes, strict=False):
            without = model.run(PROMPT, [site], [ue.zero(one.node)])
            close(run[site][POSITION] - without[site][POSITION], write, branch.added_norm)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", POST_NORM)
def test_behind_a_post_norm_switching_one_off_is_the_norm_of_what_is_left(name, dtype, model_of):
    """Not linear: the norm sees the sum without the neuron, and scales it anew."""
    model = model_of(name, dtype)
    run, found = taken_apart(model, effects=0)
    block = model.block(1).mlp
    weight, bias = weight_and_bias(model.module.get_submodule(block.output_map))
    norm = model.module.get_submodule(block.post_norm)
    for one in found.layer(1).neurons.shown:
        neuron = int(one.node.partition(".N")[2])
        post = run["L1.mlp_post"].clone()
        post[:, neuron] = 0
        with torch.no_grad():
            wanted = norm((post @ weight + bias)[None])[0]
        without = model.run(PROMPT, ["L1.mlp_out", "L1.mlp_post"], [ue.zero(one.node)])
        close(without["L1.mlp_out"], wanted)


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "cohere", "bert", "olmo2"])
def test_edits_of_different_nodes_commute(name, model_of):
    model = model_of(name, torch.float32)
    edits = [
        ue.zero("L0.N3"),
        ue.set_to("L1.N7", 2.0),
        ue.scale("L1.N8", -1.0),
        ue.zero("L1.H2"),
        ue.set_to("L2.N4", 1.5, stage="pre"),
    ]
    one = model.run(PROMPT, edits=edits).logits
    other = model.run(PROMPT, edits=edits[::-1]).logits
    assert torch.equal(one, other)
    assert not torch.equal(one, model.run(PROMPT).logits)


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "granite", "falcon-new"])
def test_what_a_part_promotes_is_its_direct_effect(name, model_of):
    """The unembedding of the write with the final norm's scale frozen, written out."""
    model = model_of(name, torch.float64)
    run, found = taken_apart(model, effects=3)
    assert found.method == "frozen"
    last = run[f"L{model.anatomy.n_layers - 1}.resid_post"][POSITION]
    final = model.final_norm
    bias = final(torch.zeros_like(last)[None])[0].detach()
    for _, _, branch in branches(found):
        for update, write in zip(branch.parts, branch.writes, strict=True):
            if not update.promotes:
                assert update.norm < 1e-10 * branch.added_norm
                continue
            wanted = linearised(final, last, write, bias) @ unembedding(model)
            best, worst = wanted.topk(3), (-wanted).topk(3)
            assert [one.token.id for one in update.promotes] == best.indices.tolist()
            assert [one.token.id for one in update.suppresses] == worst.indices.tolist()
            size = float(wanted.abs().max())
            for listed, values in (
                (update.promotes, best.values),
                (update.suppresses, -worst.values),
            ):
                found_values = [one.logit for one in listed]
                assert found_values == pytest.approx(values.tolist(), abs=1e-5 * size)


@torch.no_grad()
def linearised(norm, state, write, bias):
    """gain ∘ (centred) write, from the norm's own outputs."""
    output = norm(state[None])[0] - bias
    centred = torch.allclose(norm((state + 1)[None]), norm(state[None]))
    given = state - state.mean() if centred else state
    return (write - write.mean() if centred else write) * output / given


def unembedding(model):
    head = model.anatomy.head
    weight = model.module.get_submodule(head.unembedding).weight
    return weight.T.detach() * head.multiplier / head.divisor


@pytest.mark.parametrize("name", ["bert", "gpt2", "olmo2"])
def test_the_view_is_labelled_in_one_product_and_each_row_gets_its_own(name, model_of):
    model = model_of(name, torch.float64)
    run, together = taken_apart(model)
    for layer in range(model.anatomy.n_layers):
        alone = sub_updates(run, POSITION, K, layers=[layer]).layers[0]
        for branch, other in (
            (together.layer(layer).heads, alone.heads),
            (together.layer(layer).neurons, alone.neurons),
        ):
            for one, two in zip(branch.parts, other.parts, strict=True):
                assert [t.token for t in one.promotes] == [t.token for t in two.promotes]
                assert [t.token for t in one.suppresses] == [t.token for t in two.suppresses]
                assert one.share == two.share


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe"])
def test_layers_of_experts_say_why_they_have_no_neurons(name, model_of, slow_of):
    model = model_of(name)
    _, found = taken_apart(model)
    experts = slow_of(name, torch.float32).oracle.wiring.moe_layers
    for one in found.layers:
        assert one.heads is not None
        assert (one.neurons is None) == (one.layer in experts)
        assert (one.neurons_reason is None) == (one.neurons is not None)
        assert one.neurons is not None or "expert" in one.neurons_reason


def test_an_edited_run_shows_what_the_edit_left(model_of):
    model = model_of("gemma3", torch.float64)
    edits = [ue.set_to("L1.N5", 40.0), ue.scale("L2.mlp", 2.0)]
    run = model.run(PROMPT, sub_updates_capture(model), edits)
    found = sub_updates(run, POSITION, K)
    assert found.layer(1).neurons.shown[0].node == "L1.N5"
    assert found.layer(1).neurons.shown[0].activation == 40
    close(found.layer(1).neurons.writes.sum(0), run["L1.mlp_out"][POSITION])
    doubled = found.layer(2).neurons
    close(doubled.writes.sum(0), run["L2.mlp_out"][POSITION])
    assert doubled.rest.norm > doubled.added_norm / 2, "an edit of mlp_out itself is in the rest"


def test_when_all_nodes_are_shown_the_rest_is_rounding_and_lists_nothing(model_of):
    _, found = taken_apart(model_of("gpt2"), k=1000)
    for _, _, branch in branches(found):
        assert branch.rest.norm < 1e-5 * branch.added_norm
        assert branch.rest.promotes == branch.rest.suppresses == ()


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "granite"])
def test_half_precision_sums_and_hides_what_is_its_rounding(name, model_of):
    run, found = taken_apart(model_of(name, torch.bfloat16), k=1000)
    for layer, part, branch in branches(found):
        added = run[f"L{layer}.{part}_out"][POSITION].float()
        torch.testing.assert_close(branch.writes.sum(0), added)
        assert branch.rest.norm < 0.02 * branch.added_norm
        assert branch.rest.promotes == ()


@pytest.mark.parametrize("mode", ["low_memory", "stream"])
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert"])
def test_weights_on_disk_give_the_same(name, mode, tmp_path):
    tiny_model(name).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    _, plain = taken_apart(ue.load(tmp_path))
    lean_run, lean = taken_apart(ue.load(tmp_path, **{mode: True}))
    assert lean.to_dict()["layers"] == plain.to_dict()["layers"]
    edit = turn_on(lean_run, "L1.N5")
    assert lean_run.model.run(PROMPT, edits=[edit]).logits.isfinite().all()


def test_a_branch_that_adds_nothing_has_no_shares(model_of):
    model = model_of("llama")
    run = model.run(PROMPT, sub_updates_capture(model), [ue.zero("L1.z")])
    silent = sub_updates(run, POSITION, K).layer(1).heads
    assert silent.added_norm == 0
    assert [one.share for one in silent.parts] == [0.0] * len(silent.parts)


def test_a_table_a_dict_and_json_say_the_same(model_of):
    _, found = taken_apart(model_of("gpt2"))
    table = found.to_pandas()
    data = json.loads(found.to_json())
    assert data == json.loads(json.dumps(found.to_dict()))
    assert len(table) == sum(len(branch.parts) for _, _, branch in branches(found))
    first = table[(table.layer == 1) & (table.branch == "neurons")].iloc[0]
    same = data["layers"][1]["neurons"]["shown"][0]
    assert first.node == same["node"]
    assert first.score == same["score"]
    assert first.promotes == [one["token"]["text"] for one in same["promotes"]]
    assert table.groupby(["layer", "branch"]).share.sum().tolist() == pytest.approx([1.0] * 6)


def test_what_cannot_be_asked_is_refused_with_the_range(model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, sub_updates_capture(model, [1]))
    with pytest.raises(InputError, match="k is 0"):
        sub_updates(run, k=0)
    with pytest.raises(InputError, match=r"layer 3 is not in this model: .* has layers 0-2"):
        sub_updates(run, layers=[3])
    with pytest.raises(TargetError, match="position 10 is not in this prompt"):
        sub_updates(run, 10)
    with pytest.raises(TargetError, match=r"L0\.z was not captured"):
        sub_updates(run)
    with pytest.raises(InputError, match="layer 0 was not taken apart; layers 1 were"):
        sub_updates(run, layers=[1]).layer(0)


def test_it_can_be_cancelled_and_says_how_far_it_is(model_of):
    model, cancel, seen = model_of("gpt2"), ue.Cancel(), []
    run = model.run(PROMPT, sub_updates_capture(model))
    sub_updates(run, progress=lambda *step: seen.append(step))
    assert seen == [("sub-updates", layer, 3) for layer in range(3)]
    cancel.cancel()
    with pytest.raises(CancelledError):
        sub_updates(run, cancel=cancel)
