"""Traces downstream: each edge is what a trace of the reader has of it, from the other end."""

from __future__ import annotations

import json

import pytest
import torch

import unembed as ue
from unembed.analyses.tracing import readers as reading
from unembed.errors import CapabilityError, InputError, TargetError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..contract.wiring import REPRESENTATIVES
from .slow import PROMPT
from .test_attribution import limit
from .test_downstream import autoencoder

AT = 3
BOTH = [(name, torch.float64) for name in REPRESENTATIVES]
BOTH += [("gemma3", torch.float32), ("bert", torch.float32)]


def down(model, node, **more):
    return ue.trace(model, PROMPT, node, direction="downstream", **more)


def edges_agree(model, node, found, rel, reads=("score", "neuron", "latent")):
    """Each edge, and its reader's number, against a trace upstream of the reader."""
    for one in found.readers:
        if one.reads not in reads:
            continue
        traced = ue.trace(model, PROMPT, one.name, through=one.through, pairs="<" in node)
        wanted = traced.node_at(node).direct
        assert one.effect == pytest.approx(wanted, rel=rel, abs=rel), one
        assert one.value == pytest.approx(traced.value, rel=rel, abs=rel), one


@pytest.mark.parametrize(("name", "dtype"), BOTH)
def test_an_edge_is_the_same_from_both_ends(name, dtype, model_of):
    model = model_of(name, dtype)
    # some families turn queries and keys, or scale a norm, in float32 whatever their weights are
    rel = 5e-7 if dtype == torch.float64 else 20 * limit(name, dtype)
    found = down(model, f"embed@{AT}", top_k=1)
    assert {("score", "q"), ("score", "k")} <= {(one.reads, one.through) for one in found.readers}
    edges_agree(model, f"embed@{AT}", found, rel)


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("gpt2", f"L0.H1@{AT}<1"),
        ("gemma3", f"L1.N5@{AT}"),
        ("gpt_neox", f"L0.mlp_bias@{AT}"),
        ("olmo2", f"L0.H1@{AT}<1"),
        ("bert", f"L0.N5@{AT}"),
        ("bert", f"L0.attn_bias@{AT}"),
    ],
)
def test_pairs_neurons_and_biases_write(name, node, model_of):
    model = model_of(name, torch.float64)
    edges_agree(model, node, down(model, node, top_k=2), 1e-9)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3", "olmo2", "bert"])
def test_what_a_value_carries_on_is_what_a_trail_has_of_it_from_the_other_end(name, model_of):
    model = model_of(name, torch.float64)
    first, moves = f"L0.H2@{AT}<1", f"L1.H1@5<{AT}"
    found = down(model, moves, through="v", trail=[first], top_k=1)
    assert (found.trail, found.through) == ((first,), "v")
    assert found.value == pytest.approx(down(model, first, top_k=200).reader_at(moves, "v").effect)
    for one in found.readers:
        if one.reads != "value":
            way = f"{one.name}:{one.through}"
            back = ue.trace(model, PROMPT, moves, through="v", trail=[way])
            wanted = back.node_at(first).direct
            assert one.effect == pytest.approx(wanted, rel=1e-9, abs=1e-12), one
    target = ue.Objective.logit_diff(72, 9).at(5)
    found = down(model, moves, through="v", trail=[first], target=target)
    back = ue.trace(model, PROMPT, moves, through="v", target=target)
    assert found.direct == pytest.approx(back.node_at(first).direct, rel=1e-6)
    # without the value it is all that the pair writes
    whole = down(model, moves, through="q", trail=[first], top_k=1)
    assert whole.readers == down(model, moves, top_k=1).readers


def test_two_values_in_a_row(model_of):
    model = model_of("gpt2", torch.float64)
    trail = [f"L0.N3@{AT}", f"L1.H1@5<{AT}:v"]
    found = down(model, "L2.H2@6<5", through="v", trail=trail, target=7, position=6)
    back = ue.trace(
        model, PROMPT, f"L1.H1@5<{AT}", through="v", trail=["L2.H2@6<5:v"], target=7, position=6
    )
    assert found.direct == pytest.approx(back.node_at(f"L0.N3@{AT}").direct, rel=1e-9)
    assert found.direct


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "olmo2", "bert"])
def test_the_answer_has_the_direct_effect_of_an_attribution(name, model_of):
    model, target = model_of(name, torch.float64), ue.Objective.logit_diff(72, 9).at(AT)
    direct = ue.attribute(model, PROMPT, target)
    for node in (f"embed@{AT}", f"L1.H1@{AT}<1", f"L0.N5@{AT}"):
        found = down(model, node, target=target, kinds=["neuron"], top_k=1)
        assert found.direct == pytest.approx(direct.node(node).direct, rel=1e-6)
    assert down(model, "embed@2", target=target, kinds=["neuron"]).direct == 0
    assert found.objective == f"{direct.objective} at position {AT}"


@torch.no_grad()
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert"])
def test_what_is_measured_is_a_run_without_the_node(name, model_of):
    model, node = model_of(name, torch.float64), f"L0.H1@{AT}<1"
    target = ue.Objective.logit_diff(72, 9).at(AT)
    found = down(model, node, measured=True, top_k=3, target=target)
    sites = ("scores", "pattern", "v", *(["mlp_gate"] if name == "gemma3" else []), "mlp_pre")
    runs = [model.run(PROMPT, list(sites), edits) for edits in ((), (ue.zero(node),))]
    values = [float(target.value(run)) for run in runs]
    assert found.measured == pytest.approx(values[0] - values[1])
    for one in found.readers:
        number = int(one.name.partition("@")[0].rpartition(".")[2][1:])
        at = f"L{one.layer}."
        if one.reads == "score":
            numbers = [run[f"{at}scores"][number, one.position, one.key] for run in runs]
        elif one.reads == "neuron":
            numbers = [run[f"{at}mlp_{one.through}"][one.position, number] for run in runs]
        else:
            continue
        assert one.measured == pytest.approx(float(numbers[0] - numbers[1]), abs=1e-12), one


@torch.no_grad()
def test_the_measured_change_of_a_value_written_out(model_of):
    model, node = model_of("gpt2", torch.float64), f"L0.N5@{AT}"
    found = down(model, node, measured=True, top_k=4, kinds=["pair"])
    runs = [model.run(PROMPT, ["pattern", "v"], edits) for edits in ((), (ue.zero(node),))]
    for one in (one for one in found.readers if one.reads == "value"):
        head, at = int(one.name[4]), f"L{one.layer}."
        out = model.module.transformer.h[one.layer].attn.c_proj.weight
        rows = out.reshape(model.anatomy.n_heads, -1, out.shape[1])[head]
        moved = [
            run[f"{at}pattern"][head, one.position, AT] * run[f"{at}v"][AT, head] for run in runs
        ]
        assert one.measured == pytest.approx(float(((moved[0] - moved[1]) @ rows).norm()))


def test_a_part_is_taken_out_where_its_value_writes_it(model_of):
    model = model_of("gpt2", torch.float64)
    first, moves = f"L0.N5@{AT}", f"L1.H1@5<{AT}"
    found = down(model, moves, through="v", trail=[first], measured=True, kinds=["neuron"])
    in_its_layer = [one for one in found.readers if one.layer == 1]
    assert in_its_layer
    plain = model.run(PROMPT, ["L1.attn_out"])["L1.attn_out"]
    # what is carried, found by sending the write alone through the layer's value and output
    block = model.module.transformer.h[1]
    run = model.run(PROMPT, ["L0.mlp_post", "L1.resid_pre", "L1.pattern"])
    stream = run["L1.resid_pre"][AT]
    write = run["L0.mlp_post"][AT, 5] * model.module.transformer.h[0].mlp.c_proj.weight[5]
    scale = (stream.var(unbiased=False) + block.ln_1.eps).sqrt()
    read = (write - write.mean()) / scale * block.ln_1.weight
    d = model.anatomy.d_model
    made = (read @ block.attn.c_attn.weight[:, 2 * d :]).reshape(model.anatomy.n_heads, -1)[1]
    out = block.attn.c_proj.weight.reshape(model.anatomy.n_heads, -1, d)[1]
    part = run["L1.pattern"][1, 5, AT] * made @ out
    less = model.run(PROMPT, ["L1.mlp_pre"], [ue.add("L1.attn_out@5", -part.detach())])
    before = model.run(PROMPT, ["L1.mlp_pre"])
    assert plain[5].shape == part.shape
    for one in in_its_layer:
        number = int(one.name.partition("@")[0][4:])
        change = before["L1.mlp_pre"][5, number] - less["L1.mlp_pre"][5, number]
        assert one.measured == pytest.approx(float(change), rel=1e-6)


def test_the_largest_are_listed_and_the_others_counted(model_of):
    model = model_of("gpt2", torch.float64)
    whole, few = down(model, f"L0.N5@{AT}", top_k=900), down(model, f"L0.N5@{AT}", top_k=4)
    assert whole.left_out == ()
    for out in few.left_out:
        way = (out.reads, out.through)
        every = [one for one in whole.readers if (one.reads, one.through) == way]
        assert [one for one in few.readers if (one.reads, one.through) == way] == every[:4]
        assert out.n == len(every) - 4
        assert out.largest == abs(every[4].effect)
    scores = [one for one in whole.readers if (one.reads, one.through) == ("score", "k")]
    later = len(PROMPT) - AT
    assert len(scores) == 2 * model.anatomy.n_heads * later  # in the two layers behind it
    assert {one.key for one in scores} == {AT}
    assert min(one.position for one in scores) == AT


def test_filters_are_of_the_readers(model_of):
    model, node = model_of("gpt2"), f"L0.N5@{AT}"
    assert {one.kind for one in down(model, node, kinds=["neuron"]).readers} == {"neuron"}
    assert {one.layer for one in down(model, node, layers=[2]).readers} == {2}
    found = down(model, node, positions=[5, AT], top_k=50)
    assert {one.position for one in found.readers} == {5, AT}
    found = down(model, node, positions=[5], top_k=50)
    assert {(one.position, one.key) for one in found.readers} == {(5, AT)}
    assert down(model, f"L2.N5@{AT}").readers == ()


def test_latents_write_and_read():
    model = ue.load(
        tiny_model("gpt2", dtype=torch.float64), tokenizer=tiny_tokenizer(), prove=False
    )
    d = model.anatomy.d_model
    model.attach(
        autoencoder("L0.mlp_out", d, 0),
        autoencoder("L2.mlp_in>L2.mlp_out", d, 1),
        autoencoder("L1.resid_post", d, 2),
        verify=False,
    )
    names = [f"L0.F{number}" for number in range(9)]
    run = model.run(PROMPT, names)
    node = f"L0.F{int(torch.stack([run[name][AT] for name in names]).argmax())}"
    found = down(model, f"{node}@{AT}", top_k=2, kinds=["latent"], measured=True)
    assert len(found.readers) == 2
    edges_agree(model, f"{node}@{AT}", found, 1e-8)
    whole = down(model, f"{node}@{AT}", top_k=20, kinds=["latent"], measured=True)
    assert {one.layer for one in whole.readers} == {1, 2}
    for one in whole.readers:
        traced = [
            ue.trace(model, PROMPT, one.name, edits).value
            for edits in ((), [ue.zero(f"{node}@{AT}")])
        ]
        assert one.measured == pytest.approx(traced[0] - traced[1], abs=1e-10), one


def test_edits_are_in_it_and_done_once(model_of):
    """Also those of the stream that a layer is computed from."""
    model, node = model_of("gpt2", torch.float64), f"L0.N5@{AT}"
    shift = torch.linspace(-1, 1, model.anatomy.d_model, dtype=torch.float64)
    edits = [ue.add("L1.resid_pre", shift), ue.scale("L1.mlp_out", 2.0), ue.scale("embed", 1.5)]
    found = ue.trace(model, PROMPT, node, edits, direction="downstream", top_k=2)
    assert found.readers != down(model, node, top_k=2).readers
    for one in found.readers:
        if one.reads != "value":
            traced = ue.trace(model, PROMPT, one.name, edits, through=one.through)
            assert one.value == pytest.approx(traced.value, rel=1e-9)
            assert one.effect == pytest.approx(traced.node_at(node).direct, rel=1e-9, abs=1e-12)


def test_no_pass_keeps_the_scores_of_two_layers(model_of, monkeypatch):
    """So that a long prompt takes the memory of one layer."""
    seen = []

    def run(model, request, *more):
        seen.append({name[:2] for name in request.capture if "scores" in name or "pattern" in name})
        return real(model, request, *more)

    real = reading.run
    monkeypatch.setattr(reading, "run", run)
    down(model_of("gpt2"), f"embed@{AT}", measured=True)
    assert {"L0"} in seen
    assert max(map(len, seen)) == 1


def test_what_cannot_be_traced_downstream_is_refused(model_of):
    model = model_of("gpt2")
    with pytest.raises(TargetError, match="at which position is missing"):
        down(model, "L1.N3")
    with pytest.raises(TargetError, match="writes nothing"):
        down(model, "L1.resid_mid@3")
    with pytest.raises(TargetError, match="position 99"):
        down(model, "L1.mlp_bias@99")
    with pytest.raises(TargetError, match="layers 0-2"):
        down(model, "L9.mlp_bias@1")
    with pytest.raises(CapabilityError, match="there is no bias"):
        down(model_of("llama"), "L1.mlp_bias@1")
    with pytest.raises(InputError, match="not traced through 'q'"):
        down(model, "L1.N3@4", through="q")
    with pytest.raises(InputError, match="nothing is named there"):
        down(model, "L1.H1@4<3", through="v")
    with pytest.raises(InputError, match="does not read what is written before it"):
        down(model, "L1.H1@4<3", through="v", trail=["L0.N1@2"])
    with pytest.raises(InputError, match="does not read what is written before it"):
        down(model, "L1.H1@4<3", through="v", trail=["L2.N1@3"])
    for name, value in {"frozen": "all", "pairs": False, "sort_by": "write"}.items():
        with pytest.raises(InputError, match=f"{name} is an option of traces upstream"):
            down(model, "L1.N3@4", **{name: value})
    with pytest.raises(InputError, match="measured is an option of traces downstream"):
        ue.trace(model, PROMPT, "L1.N3@4", measured=True)
    with pytest.raises(InputError, match="it has readers"):
        down(model, "L1.N3@4").top(3)
    with pytest.raises(InputError, match="no reader listed"):
        down(model, "L1.N3@4").reader_at("L2.N9999@4", "pre")


def test_it_says_what_is_no_reader(model_of):
    found = down(model_of("mixtral"), f"embed@{AT}")
    assert any("neurons are no readers: " in note and "experts" in note for note in found.notes)
    assert "neuron" not in {one.kind for one in found.readers}


def test_a_trace_downstream_is_a_result_and_leaves_nothing_behind(model_of):
    model = model_of("gemma3")
    before = model.run(PROMPT).logits
    found = down(model, f"L0.H1@{AT}<1", top_k=3)
    assert len(found.readers) == 15
    assert json.loads(found.to_json())["readers"][0]["name"] == found.readers[0].name
    assert found.columns()["effect"] == [one.effect for one in found.readers]
    assert "15 readers listed" in repr(found)
    assert torch.equal(model.run(PROMPT).logits, before)
    assert not any("forward" in vars(part) for part in model.module.modules())
