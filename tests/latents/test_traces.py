"""A trace of a latent is that of a neuron with the same column, or of a direction."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.errors import CapabilityError, InputError
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = "the cat sat on the mat"
FAMILIES = ("gpt2", "gemma3")
N = 9


@pytest.fixture(scope="module", params=FAMILIES)
def plain(request):
    return ue.load(tiny_model(request.param, dtype=torch.float64), tokenizer=tiny_tokenizer())


def made(site, enc, dec, b_enc=None, **says):
    """An autoencoder, or a transcoder, of these columns and rows."""
    reads, writes = places(site)
    kind = "sae" if reads == writes else "transcoder"
    n, d_out = dec.shape
    ends = {"reads": reads, "writes": writes}
    described = Description("made up", kind, "relu", len(enc), d_out, n, **ends, **says)
    b_enc = torch.zeros(len(dec)).double() if b_enc is None else b_enc
    return ue.Sae(described, Weights(enc, dec, b_enc, torch.zeros(dec.shape[1]).double()))


def random(site, d, seed=0, **says):
    drawn = torch.Generator().manual_seed(seed)
    enc = torch.randn(d, N, generator=drawn, dtype=torch.float64)
    return made(site, enc, torch.randn(N, d, generator=drawn, dtype=torch.float64), **says)


def attached(plain, *saes):
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    model.attach(*saes, verify=False)
    return model


def numbers(found, names):
    rows = [found(name) for name in names]
    return torch.tensor([[row.direct or 0.0, row.total] for row in rows])


NAMES = ("embed@4", "embed@1", "L0.mlp@4", "L0.N3@4", "L0.H1@4<2", "L0.H2@3<1")


def test_a_transcoders_latent_with_a_neurons_column_is_traced_as_the_neuron(plain):
    block, through = plain.module.get_submodule(plain.block(1).module), "pre"
    if plain.family == "gpt2":
        column, bias = block.mlp.c_fc.weight[:, 5], block.mlp.c_fc.bias[5]
    else:
        column, bias, through = block.mlp.gate_proj.weight[5], None, "gate"
    d = len(column)
    enc = column.detach()[:, None].repeat(1, N)
    b_enc = torch.zeros(N).double() if bias is None else bias.detach().repeat(N)
    model = attached(plain, made("L1.mlp_in>L1.mlp_out", enc, torch.ones(N, d).double(), b_enc))
    own = ue.trace(model, PROMPT, "L1.F2@4")
    other = ue.trace(plain, PROMPT, "L1.N5@4", through=through)
    assert own.value == pytest.approx(other.value, rel=1e-10)
    names = [name for name in NAMES if name != "L0.mlp@4"]
    torch.testing.assert_close(
        numbers(own.node_at, names), numbers(other.node_at, names), atol=1e-10, rtol=1e-10
    )
    (part,) = own.parts
    assert part.completeness.rest == pytest.approx(0, abs=1e-9)
    assert own.words == "latent 2 of layer 1 at position 4, before its activation"


@pytest.mark.parametrize("site", ["L1.resid_mid", "L2.resid_post"])
def test_a_latent_of_the_stream_is_traced_as_its_direction(plain, site):
    sae = random(site, plain.anatomy.d_model)
    model = attached(plain, sae)
    own = ue.trace(model, PROMPT, f"L{site[1]}.F2@4")
    goal = ue.Objective.direction(site, sae.weights.W_enc[:, 2], position=4)
    other = ue.attribute(plain, PROMPT, goal)
    assert own.value == pytest.approx(other.value, rel=1e-10)
    names = [name for name in NAMES if name != "L0.mlp@4"]
    torch.testing.assert_close(
        numbers(own.node_at, names), numbers(other.node, names), atol=1e-9, rtol=1e-9
    )
    (part,) = own.parts
    assert part.completeness.rest == pytest.approx(0, abs=1e-9)


def test_latents_upstream_are_rows_and_an_edge_is_value_times_row_times_column(plain):
    d = plain.anatomy.d_model
    first, second = random("L0.resid_post", d), random("L1.resid_pre", d, 1)
    model = attached(plain, first, second)
    run = model.run(PROMPT, ["L0.resid_post", "L0.F3"])
    strongest = int(first.encode(run["L0.resid_post"])[4].argmax())
    name = f"L0.F{strongest}@4"
    own = ue.trace(model, PROMPT, "L1.F2@4")
    value = first.encode(run["L0.resid_post"])[4, strongest]
    edge = value * (first.weights.W_dec[strongest] @ second.weights.W_enc[:, 2])
    assert own.node_at(name).direct == pytest.approx(float(edge), rel=1e-9)
    assert own.node_at(name).total == pytest.approx(float(edge), rel=1e-9)
    assert float(own.value) == pytest.approx(
        float(run["L0.resid_post"][4] @ second.weights.W_enc[:, 2]), rel=1e-9
    )


def test_a_normalised_one_is_read_with_its_spread_held(plain):
    sae = random("L1.resid_pre", plain.anatomy.d_model, normalise="layer_norm")
    own = ue.trace(attached(plain, sae), PROMPT, "L1.F2@4")
    x = plain.run(PROMPT, ["L1.resid_pre"])["L1.resid_pre"][4]
    spread = x.std() + 1e-5
    assert own.value == pytest.approx(
        float(((x - x.mean()) / spread) @ sae.weights.W_enc[:, 2]), rel=1e-9
    )
    column = sae.weights.W_enc[:, 2]
    slope = (column - column.mean()) / spread
    embed = plain.run(PROMPT, ["embed"])["embed"][4]
    assert own.node_at("embed@4").direct == pytest.approx(float(embed @ slope), rel=1e-9)


def test_what_a_branch_adds_is_not_linear_in_the_stream(plain):
    model = attached(plain, random("L1.attn_out", plain.anatomy.d_model))
    with pytest.raises(CapabilityError, match="not linear"):
        ue.trace(model, PROMPT, "L1.F2@4")


def test_a_flow_graph_is_not_rated_by_a_latent_and_what_it_names_instead_is(plain):
    model = attached(plain, random("L1.mlp_out", plain.anatomy.d_model))
    run = model.run(PROMPT, ue.flow_capture(model, [1]))
    goal = ue.Objective.activation("L1.F3", position=-1)
    for target in (goal, 'activation("L1.F3")'):
        with pytest.raises(InputError, match="directly to the activation of F3") as refused:
            ue.flow_graph(run, [1], target=target)
        assert refused.value.field == "target"
        assert "ue.attribute(" in refused.value.fix
        assert "ue.sweep" in refused.value.fix
    value = float(model.run(PROMPT, ["L1.F3"])["L1.F3"][-1])
    assert ue.attribute(model, PROMPT, goal, pairs=False).value == pytest.approx(value)
    edit = ue.zero("L0.mlp")
    edited = float(model.run(PROMPT, ["L1.F3"], [edit])["L1.F3"][-1])
    assert ue.sweep(model, PROMPT, [edit], objective=goal).rows[0].value == pytest.approx(edited)
