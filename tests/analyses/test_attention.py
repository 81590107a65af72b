"""Attention, and what it moves, against the same numbers computed pair by pair."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.attention.edges import edges
from unembed.analyses.tools.moved import MovedValues
from unembed.analyses.tools.writes import head_writes
from unembed.errors import InputError, TargetError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..contract.unlisted import UNLISTED
from ..contract.wiring import REPRESENTATIVES, weight_and_bias
from .slow import PROMPT, TOLERANCE

LAYERS = (0, 2)
TARGET = 72


def close(found, wanted, dtype):
    tolerance = TOLERANCE[dtype] * float(wanted.abs().max())
    torch.testing.assert_close(found.to(wanted), wanted, rtol=0, atol=tolerance)


def asked(model, layers=LAYERS, **options):
    run = model.run(PROMPT, ue.attention_capture(model, layers, **options), logits="none")
    return ue.attention(run, layers, **options)


def moved_vectors(oracle, layer):
    """What every head moves from every key to every query: [head, query, key, d_model].

    One product for each pair; a norm behind W_O is what it did to the whole of its input.
    """
    sites, w = oracle.run(PROMPT), oracle.wiring
    pattern, value = sites[f"L{layer}.pattern"], sites[f"L{layer}.v"]
    weight, bias = weight_and_bias(oracle.part(layer, w.o_proj))
    n_heads, group = len(pattern), len(pattern) // value.shape[1]
    rows = weight.reshape(n_heads, -1, weight.shape[-1])
    found = torch.zeros(*pattern.shape, weight.shape[-1], dtype=weight.dtype)
    product = sites[f"L{layer}.z"].flatten(1) @ weight + bias
    for head in range(n_heads):
        for query in range(len(PROMPT)):
            for key in range(len(PROMPT)):
                written = pattern[head, query, key] * value[key, head // group] @ rows[head]
                if w.attn_added is not None:
                    norm = oracle.part(layer, w.attn_added)
                    written = written * norm(product[None])[0, query] / product[query]
                found[head, query, key] = written * w.residual_multiplier
    return found


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_what_is_moved_is_the_norm_of_each_pair_alone(name, model_of, oracle_of):
    model = model_of(name, torch.float64)
    found = asked(model, [1], measure="moved")
    with torch.no_grad():
        wanted = moved_vectors(oracle_of(name, torch.float64), 1)
    wiring = oracle_of(name, torch.float64).wiring
    # some kernels and norms round to float32 whatever the model's type
    rounds = wiring.fp32_pattern or wiring.attn_added is not None
    dtype = torch.float32 if rounds else torch.float64
    close(found.values, wanted.norm(dim=-1), dtype)
    close(found.combined, wanted.norm(dim=-1).mean(0), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3", "bert"])
def test_the_pattern_is_transformers_own(name, dtype, model_of):
    model = model_of(name, dtype)
    found = asked(model)
    module = tiny_model(name, dtype=dtype)  # of its own: transformers leaves its hooks on it
    module.set_attn_implementation("eager")
    with torch.no_grad():
        own = module(torch.tensor([PROMPT]), output_attentions=True).attentions
    wanted = torch.cat([own[layer][0] for layer in LAYERS])
    close(found.values, wanted, torch.float32)  # its eager kernels round to that
    n_heads = model.anatomy.n_heads
    assert found.heads == tuple(f"L{layer}.H{head}" for layer in LAYERS for head in range(n_heads))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3"])
def test_effects_on_a_target_are_those_of_each_pair(name, dtype, model_of, oracle_of):
    model, oracle = model_of(name, dtype), oracle_of(name, dtype)
    found = asked(model, [1], measure="target", target=TARGET)
    with torch.no_grad():
        vectors, sites, w = moved_vectors(oracle, 1), oracle.run(PROMPT), oracle.wiring
        last = sites[f"L{model.anatomy.n_layers - 1}.resid_post"]
        after = w.final(oracle.model, last[None])[0]
        unembedding = oracle.model.get_submodule(w.unembedding).weight
        if name == "gpt2":
            norm = oracle.model.get_submodule("transformer.ln_f")
            vectors = vectors - vectors.mean(-1, keepdim=True)
            gain = norm.weight / (last.var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
        else:
            gain = after / last
        wanted = torch.einsum("hqkd,qd,d->hqk", vectors, gain, unembedding[TARGET])
    # norms but GPT-2's round to float32
    dtype = dtype if name == "gpt2" else torch.float32
    close(found.values, wanted * w.logit_scale, dtype)
    other = asked(model, [1], measure="target", target=TARGET, distractor=9, queries=[-1])
    with torch.no_grad():
        less = torch.einsum("hqkd,qd,d->hqk", vectors, gain, unembedding[9])
    close(other.values, (wanted - less)[:, -1:] * w.logit_scale, dtype)
    assert other.queries == (len(PROMPT) - 1,)
    assert "less that of" in other.unit


def test_what_a_head_moves_sums_to_what_it_writes_on_the_target(model_of):
    model = model_of("gemma3")
    options = {"measure": "target", "target": TARGET, "queries": [-1]}
    found = asked(model, [2], **options)
    for head in range(model.anatomy.n_heads):
        capture = ue.component_capture(model, f"L2.H{head}")
        node = ue.component(model.run(PROMPT, capture), f"L2.H{head}", top_k=model.vocab_size)
        effects = {one.token.id: one.logit for one in (*node.promotes, *node.suppresses)}
        assert float(found.values[head].sum()) == pytest.approx(effects[TARGET], abs=1e-5)


def brute_force_edges(values, mass):
    kept = []
    for query, row in enumerate(values.tolist()):
        total, reached = sum(map(abs, row)), 0.0
        for key in sorted(range(len(row)), key=lambda one: (-abs(row[one]), one)):
            if row[key] == 0 or (mass < 1 and reached >= mass * total):
                break
            kept.append((query, key))
            reached += abs(row[key])
    return sorted(kept)


@pytest.mark.parametrize("mass", [0, 0.1, 0.5, 0.7, 0.9, 1.0])
def test_edges_are_the_fewest_that_hold_the_mass(mass, model_of):
    model = model_of("gpt2")
    for options in ({}, {"measure": "target", "target": TARGET}):
        found = asked(model, mass=mass, **options)
        pairs = zip(found.edge_queries.tolist(), found.edge_keys.tolist(), strict=True)
        assert sorted(pairs) == brute_force_edges(found.combined, mass)
        assert found.edge_values.abs().tolist() == sorted(
            found.edge_values.abs().tolist(), reverse=True
        )


def test_equal_entries_are_taken_from_the_left():
    values = torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.0, 0.0]])
    assert edges(values, 0.5).tolist() == [[True, True, False, False], [False] * 4]
    assert edges(values, 1.0).tolist() == [[True] * 4, [False] * 4]


def test_heads_become_one_by_sum_mean_and_weights(model_of):
    model = model_of("gpt2")
    whole = asked(model, [1])
    assert torch.allclose(whole.combined, whole.values.mean(0))
    summed = asked(model, [1], heads=[0, 2], combine="sum")
    assert torch.allclose(summed.combined, whole.values[0] + whole.values[2])
    weighed = asked(model, [1], heads=[0, 2], weights=[3, -1])
    assert torch.allclose(weighed.combined, (3 * whole.values[0] - whole.values[2]) / 2)
    assert weighed.weights == (3.0, -1.0)
    assert torch.equal(whole.head("L1.H2"), whole.values[2])
    assert torch.allclose(whole.sent(), torch.tensor(1 / len(PROMPT)))
    assert torch.allclose(whole.received()[1], whole.values[1].sum(0) / len(PROMPT))


def test_special_tokens_are_shown_hidden_or_made_up_for(model_of):
    model = model_of("gpt2")
    special = [order for order, token in enumerate(model.tokens(PROMPT)) if token.special]
    assert special, "the prompt has special tokens"
    others = [order for order in range(len(PROMPT)) if order not in special]
    shown, hidden = asked(model, [1]), asked(model, [1], special="hidden")
    rescaled = asked(model, [1], special="renormalised")
    for found in (hidden, rescaled):
        assert not found.values[:, special].any()
        assert not found.values[..., special].any()
    inner = shown.values[:, others][..., others]
    assert torch.equal(hidden.values[:, others][..., others], inner)
    wanted = inner / inner.sum(-1, keepdim=True)
    close(rescaled.values[:, others][..., others], wanted.nan_to_num(), torch.float32)


def test_a_result_is_a_table_and_plain_data(model_of):
    found = asked(model_of("gpt2"), [1], heads=[2], queries=[3, -1])
    table = found.columns()
    assert set(table["head"]) == {"L1.H2"}
    assert table["query"] == [3] * 4 + [9] * 10, "what lies in the future is left out"
    assert table["value"] == pytest.approx(found.values[found.values > 0].tolist())
    data = found.to_dict()
    assert data["axes"]["values"] == ["head", "query", "key"]
    assert data["values"] == found.values.tolist()
    assert len(data["edge_queries"]) == len(found.edge_values)
    assert repr(found) == ("AttentionResult(share of attention of L1.H2, 2 queries × 10 keys)")


def test_bad_options_say_what_is_legal(model_of):
    model = model_of("gpt2")
    refusals = [
        (InputError, "heads 0-3", {"heads": [4]}),
        (InputError, "2 heads are shown", {"heads": [0, 1], "weights": [1]}),
        (InputError, "have no mean", {"heads": [0, 1], "weights": [1, -1]}),
        (InputError, "needs a target", {"measure": "target"}),
        (InputError, "no use for a target", {"target": TARGET}),
        (TargetError, "position 10", {"queries": [10]}),
        (InputError, "0 to 1", {"mass": 1.5}),
    ]
    for kind, words, options in refusals:
        with pytest.raises(kind, match=words):
            asked(model, [1], **options)
    with pytest.raises(InputError, match="layers 0-2"):
        asked(model, [3])
    with pytest.raises(TargetError, match="was not captured"):
        ue.attention(model.run(PROMPT, ["L1.pattern"]), [2])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["afmoe", "bitnet", "gpt_oss"])
def test_behind_gates_norms_and_sinks_what_is_moved_sums_to_what_heads_write(name):
    """A gate, a norm before W_O, a sink: of each a family."""
    family = next(one for one in UNLISTED if str(one) == name)
    model = ue.load(family.build(), tokenizer=tiny_tokenizer())
    layer = next(one.layer for one in model.anatomy.blocks if one.why_no_heads is None)
    run = model.run(PROMPT, [*ue.attention_capture(model, [layer], measure="moved"), "pattern"])
    found, values = ue.attention(run, [layer], measure="moved"), MovedValues(run, layer)
    heads, pattern = head_writes(run, layer), run[f"L{layer}.pattern"]
    for query in (0, len(PROMPT) - 1):
        for head in range(len(pattern)):
            vectors = values.at(query, head, range(len(PROMPT)))
            vectors = vectors * pattern[head, query, :, None].to(vectors)
            close(vectors.sum(0), heads[query, head], torch.float32)
            close(found.values[head, query], vectors.norm(dim=-1), torch.float32)
    plain = ue.attention(run, [layer])
    total = plain.values.sum(-1)
    total = total if plain.sink is None else total + plain.sink
    close(total, torch.ones_like(total), torch.float32)
    assert (plain.sink is not None) == (name == "gpt_oss")


def test_a_model_and_a_prompt_are_the_run_that_captured_it(model_of):
    model, edit = model_of("gemma3"), ue.zero("L0.H1")
    asked = {"heads": [1, 2], "measure": "moved", "mass": 0.9}
    for edits in ([], [edit]):
        run = model.run(PROMPT, ue.attention_capture(model, [2], **asked), edits)
        wanted = ue.attention(run, [2], **asked)
        found = ue.attention(model, [2], prompt=PROMPT, edits=edits, **asked)
        assert torch.equal(found.values, wanted.values)
        assert torch.equal(found.edge_values, wanted.edge_values)
    plain = model.run(PROMPT, ue.attention_capture(model, [2], **asked))
    again = ue.attention(plain, [2], edits=[edit], **asked)
    assert torch.equal(again.values, found.values)
    with pytest.raises(InputError, match="leave prompt out"):
        ue.attention(plain, [2], prompt=PROMPT, **asked)
    with pytest.raises(InputError, match="needs a prompt"):
        ue.attention(model, [2])


def test_two_runs_beside_each_other_and_their_difference(model_of):
    model = model_of("gpt2")
    other = (*PROMPT[:4], 30, *PROMPT[5:])
    capture = ue.attention_capture(model, [2])
    runs = [model.run(one, capture) for one in (PROMPT, other)]
    found = ue.compare_attention(*runs, [2], mass=0.5, combine="sum")
    before, after = (ue.attention(run, [2], mass=0.5, combine="sum") for run in runs)
    assert torch.equal(found.baseline.values, before.values)
    assert torch.equal(found.edited.values, after.values)
    change = found.difference()
    assert torch.equal(change.values, after.values - before.values)
    assert change.unit == "change of the share of attention"
    assert change.tokens[4].id == 30
    pairs = zip(change.edge_queries.tolist(), change.edge_keys.tolist(), strict=True)
    assert sorted(pairs) == brute_force_edges(after.combined - before.combined, 0.5)
    shorter = ue.compare_attention(runs[0], model.run(PROMPT[:4], capture), [2])
    with pytest.raises(InputError, match="as many heads, queries and keys"):
        shorter.difference()
    assert found.names == shorter.names == ("this prompt", "other prompt")
    edited = model.run(PROMPT, capture, [ue.zero("L0.H1")])
    assert ue.compare_attention(runs[0], edited, [2]).names == ("baseline", "edited")


@pytest.mark.filterwarnings("ignore")
def test_the_difference_of_a_sink_is_shown():
    family = next(one for one in UNLISTED if str(one) == "gpt_oss")
    model = ue.load(family.build(), tokenizer=tiny_tokenizer())
    capture = ue.attention_capture(model, [1])
    runs = [model.run(PROMPT, capture, edits) for edits in ([], [ue.scale("L0.mlp", 3.0)])]
    change = ue.compare_attention(*runs, [1]).difference()
    total = change.values.sum(-1) + change.sink
    assert float(total.abs().max()) < 1e-6
    assert float(change.sink.abs().max()) > 1e-4
