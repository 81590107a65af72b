"""Where a node acts: what a trace finds from the other end, and a formula written out by hand."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.errors import InputError
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..contract.encoder_decoders import build

PROMPT = [3, 5, 8, 13, 21, 34]
AT = 3
SOURCES = {
    "gpt2": "L0.H1",
    "gemma3": "L1.N5",
    "gpt_neox": "embed",
    "olmo2": "L0.H1",
    "bert": "L0.N5",
}


def acts(model, node, k=3, edits=()):
    run = model.run(PROMPT, ue.component_capture(model, node, AT), edits, logits="none")
    return ue.component(run, node, AT, downstream=k)


@pytest.mark.parametrize("name", SOURCES)
def test_it_is_the_direct_effect_of_a_trace(name, model_of):
    model, node = model_of(name, torch.float64), SOURCES[name]
    found = acts(model, node).downstream
    assert {"score", "neuron"} <= {one.kind for one in found}
    for one in (one for one in found if one.kind != "value"):
        traced = ue.trace(model, PROMPT, one.node, through=one.through, pairs=False)
        direct = traced.node_at(f"{node}@{AT}").direct
        assert one.effect == pytest.approx(direct, rel=1e-9, abs=1e-12), one
        assert one.value == pytest.approx(traced.value, rel=1e-9), one


@torch.no_grad()
def test_the_largest_of_all_are_listed(model_of):
    model = model_of("gpt2", torch.float64)
    whole = [one for one in acts(model, "L1.N5", 1000).downstream if one.kind == "neuron"]
    few = [one for one in acts(model, "L1.N5", 4).downstream if one.kind == "neuron"]
    assert whole[:4] == few
    run = model.run(PROMPT, ["L1.mlp_post", "L2.resid_mid"])
    assert len(whole) == run["L1.mlp_post"].shape[1] * (model.anatomy.n_layers - 2)
    block = model.module.transformer.h[2]
    write = run["L1.mlp_post"][AT, 5] * model.module.transformer.h[1].mlp.c_proj.weight[5]
    stream = run["L2.resid_mid"][AT]
    scale = (stream.var(unbiased=False) + block.ln_2.eps).sqrt()
    read = (write - write.mean()) / scale * block.ln_2.weight @ block.mlp.c_fc.weight
    by_name = {one.node: one.effect for one in whole}
    wanted = [by_name[f"L2.N{neuron}@{AT}"] for neuron in range(len(read))]
    torch.testing.assert_close(
        torch.tensor(wanted, dtype=torch.float64), read, rtol=1e-9, atol=1e-12
    )


@torch.no_grad()
def test_what_a_head_moves_of_it_written_out(model_of):
    model = model_of("gpt2", torch.float64)
    values = [one for one in acts(model, "L0.mlp", 100).downstream if one.kind == "value"]
    assert {one.through for one in values} == {"v"}
    run = model.run(PROMPT, ["L0.mlp_out", "L1.resid_pre", "L1.pattern", "L1.v"])
    block, last = model.module.transformer.h[1], len(PROMPT) - 1
    stream, write = run["L1.resid_pre"][AT], run["L0.mlp_out"][AT]
    scale = (stream.var(unbiased=False) + block.ln_1.eps).sqrt()
    read = (write - write.mean()) / scale * block.ln_1.weight
    d = model.anatomy.d_model
    made = (read @ block.attn.c_attn.weight[:, 2 * d :]).reshape(model.anatomy.n_heads, -1)
    out = block.attn.c_proj.weight.reshape(model.anatomy.n_heads, -1, d)
    by_name = {one.node: one for one in values}
    for head in range(model.anatomy.n_heads):
        share = run["L1.pattern"][head, last, AT]
        found = by_name[f"L1.H{head}@{last}<{AT}"]
        assert found.effect == pytest.approx(float((share * made[head] @ out[head]).norm()))
        whole = share * run["L1.v"][AT, head] @ out[head]
        assert found.value == pytest.approx(float(whole.norm()))


def autoencoder(site, d, seed):
    drawn = torch.Generator().manual_seed(seed)
    enc, dec = (torch.randn(*shape, generator=drawn).double() for shape in ((d, 9), (9, d)))
    reads, writes = places(site)
    kind = "sae" if reads == writes else "transcoder"
    says = Description("made up", kind, "relu", d, d, 9, reads=reads, writes=writes)
    return ue.Sae(says, Weights(enc, dec, torch.zeros(9).double(), torch.zeros(d).double()))


@pytest.mark.parametrize("site", ["L2.mlp_in>L2.mlp_out", "L2.resid_mid", "L1.resid_post"])
def test_latents_act_and_are_acted_on(site):
    model = ue.load(
        tiny_model("gpt2", dtype=torch.float64), tokenizer=tiny_tokenizer(), prove=False
    )
    d = model.anatomy.d_model
    model.attach(autoencoder("L1.mlp_out", d, 0), autoencoder(site, d, 1), verify=False)
    names = [f"L1.F{number}" for number in range(9)]
    run = model.run(PROMPT, names)
    active = int(torch.stack([run[name][AT] for name in names]).argmax())
    found = acts(model, f"L1.F{active}", 2).downstream
    latents = [one for one in found if one.kind == "latent"]
    assert len(latents) == 2
    for one in found:
        if one.kind != "value":
            traced = ue.trace(model, PROMPT, one.node, through=one.through)
            direct = traced.node_at(f"L1.F{active}@{AT}").direct
            assert one.effect == pytest.approx(direct, rel=1e-8, abs=1e-12), one


def test_an_autoencoder_of_the_stream_is_no_reader_of_its_own_writes():
    model = ue.load(
        tiny_model("gpt2", dtype=torch.float64), tokenizer=tiny_tokenizer(), prove=False
    )
    model.attach(autoencoder("L1.resid_post", model.anatomy.d_model, 1), verify=False)
    names = [f"L1.F{number}" for number in range(9)]
    run = model.run(PROMPT, names)
    active = int(torch.stack([run[name][AT] for name in names]).argmax())
    found = acts(model, f"L1.F{active}", 2).downstream
    assert {one.kind for one in found} == {"score", "value", "neuron"}
    assert {one.kind for one in acts(model, "L0.H1", 2).downstream} > {"latent"}


def test_edits_are_in_it_and_none_is_asked_of_it(model_of):
    model = model_of("gpt2", torch.float64)
    assert acts(model, "L0.H1", 0).downstream == ()
    plain = acts(model, "L0.H1", 2).downstream
    edited = acts(model, "L0.H1", 2, [ue.scale("L0.H1", 0.5)]).downstream
    assert [one.effect for one in edited] != [one.effect for one in plain]
    assert acts(model, "L0.H1", 2, [ue.zero("L0.H1")]).downstream == ()
    with pytest.raises(InputError, match="downstream"):
        acts(model, "L0.H1", -1)


def test_it_says_why_nothing_is_said():
    model = ue.load(build("t5"), tokenizer=tiny_tokenizer())
    run = model.run(PROMPT, ue.component_capture(model, "L0.H1", AT), source=[3, 4])
    found = ue.component(run, "L0.H1", AT, downstream=2)
    assert found.downstream == ()
    assert "encoder" in found.downstream_reason
