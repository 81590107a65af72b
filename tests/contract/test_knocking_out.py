"""Pairs of query and key knocked out, against plain hooks and against a mask before the softmax."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

import unembed as ue
from unembed.engine.passes.forward import Request, run_rows
from unembed.errors import EditError, InputError, TargetError
from unembed.models.tiny import FAMILIES, tiny_model, tiny_tokenizer

from .closeness import FP32_ROUNDING, PROMPT, TOLERANCE, assert_close
from .encoder_decoders import PROMPT as SOURCED
from .encoder_decoders import SOURCE, build
from .unlisted import UNLISTED

PAIRS = [(6, 2), (6, 3), (-1, 0), (4, 4)]
PLACES = [(6, 2), (6, 3), (len(PROMPT) - 1, 0), (4, 4)]


def cut(pattern: Tensor, heads: Sequence[int], renormalise: bool) -> Tensor:
    """Pair by pair, of patterns without a sink."""
    for head in heads:
        whole = pattern[head].sum(-1)
        for query, key in PLACES:
            pattern[head, query, key] = 0.0
        if renormalise:
            for query in {query for query, _ in PLACES}:
                left = pattern[head, query].sum()
                if left > 0:
                    pattern[head, query] *= whole[query] / left
    return pattern


@pytest.mark.parametrize("renormalise", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_set_of_pairs_is_taken_out_of_the_pattern(name, renormalise, model_of, oracle_of):
    dtypes = [torch.float64, torch.float32] if name in ("gpt2", "bert") else [torch.float64]
    for dtype in dtypes:
        model, oracle = model_of(name, dtype), oracle_of(name, dtype)
        every = list(range(model.anatomy.n_heads))
        for target, heads in (("L1.H1", [1]), ("L1.attn", every)):
            edit = ue.knock_out(target, PAIRS, renormalise=renormalise)
            run = model.run(PROMPT, ["L1.pattern", "L1.attn_out"], [edit])

            def change(value: Tensor, heads: list[int] = heads) -> Tensor:
                return cut(value, heads, renormalise)

            expected = oracle.run(PROMPT, {"L1.pattern": change})
            rounds = oracle.wiring.fp32_pattern
            limit = FP32_ROUNDING if rounds else max(TOLERANCE[dtype], 1e-9)
            for site in ("L1.pattern", "L1.attn_out", "logits"):
                assert_close(run[site], expected[site].to(run[site]), limit)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "modernbert"])
def test_renormalised_is_as_hidden_before_the_softmax(name, dtype, model_of):
    """transformers' own mask of pairs, in every layer; its kernels do the rest."""
    model = model_of(name, dtype)
    n = len(PROMPT)
    causal = model.kind == "causal"
    edits = [
        ue.knock_out(f"L{layer}.attn", PLACES[:3], renormalise=True)
        for layer in range(model.anatomy.n_layers)
    ]
    found = model.run(PROMPT, edits=edits).logits
    seen = torch.ones(n, n, dtype=torch.bool).tril() if causal else torch.ones(n, n).bool()
    for query, key in PLACES[:3]:
        seen[query, key] = False
    module = tiny_model(name, dtype=dtype)
    module.set_attn_implementation("eager")
    masks = torch.zeros(1, 1, n, n, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)
    if name == "modernbert":
        at = torch.arange(n)
        near = (at[:, None] - at).abs() <= module.config.local_attention // 2
        local = masks.masked_fill(~near, torch.finfo(dtype).min)
        masks = {"full_attention": masks, "sliding_attention": local}
    with torch.no_grad():
        own = module(torch.tensor([PROMPT]), attention_mask=masks).logits[0]
    assert_close(found, own, 1e-5)


def test_a_row_of_which_nothing_is_left_is_nothing(model_of):
    model = model_of("gpt2")
    everything = [(5, key) for key in range(6)]
    run = model.run(PROMPT, ["L1.pattern"], [ue.knock_out("L1.H1", everything, renormalise=True)])
    assert not run["L1.H1.pattern"][5].any()
    plain = model.run(PROMPT, ["L1.pattern"])
    assert torch.equal(run["L1.H1.pattern"][6], plain["L1.H1.pattern"][6])


def test_one_pair_is_the_edit_of_its_entry(model_of):
    model = model_of("gemma3")
    ours = model.run(PROMPT, edits=[ue.knock_out("L1.H1@6<2")])
    theirs = model.run(PROMPT, edits=[ue.zero("L1.H1@6<2")])
    assert torch.equal(ours.logits, theirs.logits)


@pytest.mark.parametrize("name", ["gpt2", "mistral", "bert"])
def test_rows_of_a_batch_have_pairs_of_their_own(name, model_of):
    model = model_of(name, torch.float64)
    edits = [
        [ue.knock_out("L1.attn", PAIRS, renormalise=True)],
        [ue.knock_out("L0.H2", [(3, 1)]), ue.zero("L2.H1")],
        [],
    ]
    for row, run in zip(edits, ue.sweep(model, PROMPT, edits, logits="all"), strict=True):
        assert_close(run.logits, model.run(PROMPT, edits=row).logits, 1e-9)
    ragged = [Request(PROMPT, edits=tuple(edits[0])), Request(PROMPT[:5], edits=tuple(edits[1]))]
    for one, run in zip(ragged, run_rows(model, ragged), strict=True):
        alone = model.run(one.ids, edits=one.edits)
        assert_close(run.logits, alone.logits, 1e-9)


def test_a_growing_text_keeps_its_pairs_out(model_of):
    model = model_of("mistral")
    edits = [ue.knock_out("L1.attn", PAIRS, renormalise=True)]
    cached = model.generate(PROMPT, 6, edits)
    assert cached.new_ids == model.generate(PROMPT, 6, edits, use_cache=False).new_ids


def test_all_shown_pairs_of_a_picture(model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, ue.attention_capture(model, [1], [2]))
    shown = ue.attention(run, [1], [2], mass=0.5)
    edited = model.run(PROMPT, ["L1.pattern"], [ue.knock_out("L1.H2", shown.pairs)])
    kept = run["L1.H2.pattern"].clone()
    kept[shown.edge_queries, shown.edge_keys] = 0.0
    assert torch.equal(edited["L1.H2.pattern"], kept)


def test_pairs_between_the_texts_of_a_pair():
    from ..engine.paired import FIRST, SECOND, bert

    model = bert(torch.float64)
    run = model.run(FIRST, pair=SECOND)
    pairs = ue.pairs_between(run.segments, "across")
    every = {
        (q, k) for q, a in enumerate(run.segments) for k, b in enumerate(run.segments) if a != b
    }
    assert {tuple(pair) for pair in pairs.tolist()} == every
    edits = [ue.knock_out(f"L{layer}.attn", pairs, renormalise=True) for layer in range(3)]
    found = model.run(FIRST, pair=SECOND, edits=edits)
    other = model.run(FIRST, pair="it hid .", edits=[])
    assert found.logits.shape != other.logits.shape
    # the first text is then as it is whatever stands in the second one
    half = sum(one == 0 for one in run.segments)
    alone = model.run(list(run.ids[:half]))
    assert_close(found.logits[:half], alone.logits, 1e-9)
    with pytest.raises(InputError, match="one text"):
        ue.pairs_between((), "across")


def test_words_and_keys_tell_sets_apart():
    few = ue.knock_out("L1.H1", [(6, 2)], renormalise=True)
    assert few.words == "knock_out L1.H1 at 6<2, renormalised"
    many = ue.knock_out("L1.attn", [(q, 0) for q in range(9)])
    assert many.words == "knock_out L1.attn at 9 pairs"
    assert ue.knock_out("L1.H1@6<2").words == "knock_out L1.H1 at 6<2"
    keys = {one.key for one in (few, many, ue.knock_out("L1.H1", [(6, 2)]))}
    assert len(keys) == 3
    assert ue.knock_out("L1.H1@6<2", renormalise=True).key == few.key


@pytest.mark.parametrize(
    ("target", "pairs", "field"),
    [
        ("L1.H1", None, "pairs"),
        ("L1.H1@6<2", [(6, 2)], "pairs"),
        ("L1.H1", [], "pairs"),
        ("L1.H1", [(1, 2, 3)], "pairs"),
        ("L1.H1", [(1.5, 2)], "pairs"),
        ("L1.H1@6", [(6, 2)], "target"),
        ("L1.mlp", [(6, 2)], "target"),
        ("L1.N3", [(6, 2)], "target"),
    ],
)
def test_what_is_no_set_of_pairs_is_refused(target, pairs, field, any_shapes):
    with pytest.raises(EditError) as caught:
        ue.knock_out(target, pairs)
    assert caught.value.field == field


def test_positions_that_there_are_not_are_refused(model_of):
    with pytest.raises(TargetError, match="99") as caught:
        model_of("gpt2").run(PROMPT, edits=[ue.knock_out("L1.H1", [(2, 1), (99, 0)])])
    assert caught.value.field == "edits[0].pairs"


@pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families
def test_a_sink_keeps_its_share():
    family = next(one for one in UNLISTED if str(one) == "gpt_oss")
    model = ue.load(family.build(), tokenizer=tiny_tokenizer())
    sites = ["L1.sink", "L1.pattern"]
    plain = model.run(PROMPT, sites)
    run = model.run(PROMPT, sites, [ue.knock_out("L1.attn", PLACES[:2], renormalise=True)])
    pattern = run["L1.pattern"]
    assert torch.equal(run["L1.sink"], plain["L1.sink"])
    assert_close(pattern.sum(-1), plain["L1.pattern"].sum(-1), FP32_ROUNDING)
    assert (plain["L1.sink"] > 0.01).any()
    wanted = cut(plain["L1.pattern"].clone(), range(len(pattern)), True)
    assert_close(pattern[:, 6], wanted[:, 6], FP32_ROUNDING)


@pytest.mark.parametrize(
    ("target", "site", "head"),
    [
        ("L1.X2", "L1.cross_pattern", 2),
        ("L1.cross", "L1.cross_pattern", None),
        ("E1.H2", "E1.pattern", 2),
        ("E1.attn", "E1.pattern", None),
        ("L1.H2", "L1.pattern", 2),
    ],
)
def test_every_attention_of_an_encoder_decoder_has_pairs(target, site, head):
    model = ue.load(build("bart"), tokenizer=tiny_tokenizer())
    given = {"source": SOURCE, "capture": [site]}
    pairs = [(2, 0), (-1, -2)] if "cross" in site else [(2, 0), (-1, 1)]
    plain = model.run(SOURCED, **given)[site]
    for renormalise in (False, True):
        edit = ue.knock_out(target, pairs, renormalise=renormalise)
        found = model.run(SOURCED, edits=[edit], **given)[site]
        wanted = plain.clone()
        heads = slice(None) if head is None else [head]
        for query, key in pairs:
            wanted[heads, query, key] = 0.0
        if renormalise:
            whole = plain[heads].sum(-1, keepdim=True)
            wanted[heads] *= whole / wanted[heads].sum(-1, keepdim=True)
        assert_close(found, wanted, 1e-5)
