"""Traces in encoder-decoders: nodes of the decoder, and heads that look at the source."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.errors import CapabilityError, InputError, TargetError
from unembed.models.tiny import tiny_tokenizer

from ..contract.encoder_decoders import PROMPT, SOURCE, build

ASKED = ue.Sourced(tuple(SOURCE), tuple(PROMPT))
AT, KEY, LAYER = 3, 1, 2
CROSS = f"L{LAYER}.X1@{AT}<{KEY}"


@pytest.fixture(scope="module", params=["t5", "bart"])
def model(request):
    return ue.load(build(request.param), tokenizer=tiny_tokenizer(), prove=False)


def test_heads_and_neurons_of_the_decoder_are_whole_sums(model):
    run = model.run(PROMPT, ["scores", "cross_scores", "mlp_pre"], source=SOURCE)
    values = {
        f"L1.H1@{AT}<1": run["L1.scores"][1, AT, 1],
        CROSS: run[f"L{LAYER}.cross_scores"][1, AT, KEY],
        f"L1.N3@{AT}": run["L1.mlp_pre"][AT, 3],
    }
    for node, value in values.items():
        trace = ue.trace(model, ASKED, node)
        assert trace.value == pytest.approx(float(value), rel=1e-6)
        for part in trace.parts:
            assert abs(part.completeness.rest) < 1e-9, node
    assert "of the source" in ue.trace(model, ASKED, CROSS).words
    assert ue.trace(model, ASKED, CROSS).through == "q"


def cross_parts(model):
    """W_Q of the head, what goes before it, and the keys, found by plain hooks on the module."""
    path = (
        "decoder.block.2.layer.1.EncDecAttention"
        if model.family == "t5"
        else ("model.decoder.layers.2.encoder_attn")
    )
    attention = model.module.get_submodule(path)
    names = ("q", "k") if model.family == "t5" else ("q_proj", "k_proj")
    seen = {}
    with torch.no_grad():
        hooks = [
            getattr(attention, name).register_forward_hook(
                lambda _, given, made, name=name: seen.update({name[0]: (given[0][0], made[0])})
            )
            for name in names
        ]
        model.module(input_ids=torch.tensor([SOURCE]), decoder_input_ids=torch.tensor([PROMPT]))
    for hook in hooks:
        hook.remove()
    return getattr(attention, names[0]), seen


@torch.no_grad()
def test_an_edge_to_a_head_that_looks_at_the_source_is_its_write_through_the_query(model):
    """Written out: the write, scaled as the norm has it, through W_Q, on the key."""
    to_query, seen = cross_parts(model)
    run = model.run(
        PROMPT, ["L1.mlp_out", "L2.resid_pre", "L2.resid_mid", "L2.attn_out"], source=SOURCE
    )
    write = run["L2.attn_out"][AT]
    if model.family == "t5":  # an RMS norm before the attention
        norm = model.module.decoder.block[LAYER].layer[1].layer_norm
        scale = (run["L2.resid_mid"][AT].square().mean() + norm.variance_epsilon).rsqrt()
        read, factor = write * scale * norm.weight, 1.0
    else:  # the stream itself is normalised behind the attention
        norm = model.module.model.decoder.layers[LAYER].self_attn_layer_norm
        before = run["L2.resid_pre"][AT] + write
        scale = (before.var(unbiased=False) + norm.eps).rsqrt()
        read = (write - write.mean()) * scale * norm.weight
        factor = (to_query.weight.shape[0] // model.anatomy.n_heads) ** -0.5
    width = to_query.weight.shape[0] // model.anatomy.n_heads
    own = slice(width, 2 * width)  # head 1
    key = seen["k"][1][KEY, own]
    wanted = float((read @ to_query.weight[own].T) @ key) * factor
    trace = ue.trace(model, ASKED, CROSS, pairs=False)
    heads = sum(trace.node_at(f"L2.H{head}@{AT}").direct for head in range(model.anatomy.n_heads))
    bias = trace.node_at(f"L2.attn_bias@{AT}").direct if model.family == "bart" else 0.0
    # T5's norms are computed in float32 whatever its weights are
    assert heads + bias == pytest.approx(wanted, rel=1e-6)


def test_downstream_is_the_same_edge_and_says_what_it_leaves_to_the_other_end(model):
    for node in (f"L0.H1@{AT}<1", f"L0.X1@{AT}<{KEY}"):
        found = ue.trace(model, ASKED, node, direction="downstream", top_k=2)
        assert any("look at the source are not listed" in note for note in found.notes)
        for one in found.readers:
            if one.reads != "value" and "X" not in node:
                traced = ue.trace(model, ASKED, one.name, through=one.through)
                assert one.effect == pytest.approx(traced.node_at(node).direct, rel=1e-8, abs=1e-12)
    whole = ue.trace(model, ASKED, f"L0.X1@{AT}", direction="downstream", kinds=["neuron"], top_k=2)
    for one in whole.readers:
        traced = ue.trace(model, ASKED, one.name, through=one.through)
        assert one.effect == pytest.approx(traced.node_at(f"L0.X1@{AT}").direct, rel=1e-8)


def test_what_reads_the_encoders_stream_is_refused_in_words(model):
    for node in ("E1.H1@2<1", "E1.N3@2"):
        with pytest.raises(CapabilityError, match="reads the encoder's stream"):
            ue.trace(model, ASKED, node)
    for through in ("k", "v", "qk"):
        with pytest.raises(InputError, match=f"not traced through '{through}'"):
            ue.trace(model, ASKED, CROSS, through=through)
    with pytest.raises(TargetError, match="which key it looks at is missing"):
        ue.trace(model, ASKED, f"L{LAYER}.X1@{AT}")
    with pytest.raises(TargetError, match="position 99"):
        ue.trace(model, ASKED, f"L{LAYER}.X1@{AT}<99")
    with pytest.raises(TargetError, match="position 99"):
        ue.trace(model, ASKED, f"L{LAYER}.X1@{AT}<99", direction="downstream")
