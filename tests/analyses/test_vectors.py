"""Value vectors, projections and key directions, against parts named by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.analyses.tools.vectors import (
    PROJECTIONS,
    key_tokens,
    layers_with_neurons,
    projected,
    token_direction,
    value_vectors,
)
from unembed.analyses.tools.writes import write
from unembed.errors import CapabilityError, InputError, TargetError

from ..contract.wiring import REPRESENTATIVES, blocks, weight_and_bias, wiring
from .slow import PROMPT

DTYPES = (torch.float64,)  # float32: see tests/contract
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10}
EXPERTS_ONLY = ("mixtral",)
NARROW = ("albert", "albert-two-groups", "electra", "opt-post-norm")
TRANSFORMED = ("bert", "roberta", "distilbert", "albert", "electra", "modernbert")
FINAL_NORMS = ("model.norm", "transformer.ln_f", "gpt_neox.final_layer_norm")


def close(found, wanted):
    tolerance = TOLERANCE[wanted.dtype] * float(wanted.abs().max())
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance)


def normed_by_hand(norm: nn.Module, vectors):
    """A norm without scale and bias, told apart by the name of its class."""
    name = type(norm).__name__
    weight = norm.weight.detach() + (1 if name.startswith("Gemma") else 0)
    if "RMS" not in name:
        vectors = vectors - vectors.mean(-1, keepdim=True)
    return vectors * weight


def values_by_hand(name, module, layer):
    w, block = wiring(name), blocks(name, module)[layer]
    weight, _ = weight_and_bias(block.get_submodule(w.mlp_out))
    values = weight.detach()
    if w.mlp_added is not None:
        values = normed_by_hand(block.get_submodule(w.mlp_added), values)
    return values * w.residual_multiplier


def final_norm_by_hand(module):
    names = (*FINAL_NORMS, "model.decoder.final_layer_norm", "model.final_layernorm")
    found = dict(module.named_modules())
    return next(found[name] for name in names if name in found)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", [name for name in REPRESENTATIVES if name not in EXPERTS_ONLY])
def test_value_vectors_are_the_rows_of_w_out_after_norm_and_multiplier(name, dtype, model_of):
    model = model_of(name, dtype)
    for layer in layers_with_neurons(model):
        found = value_vectors(model, layer)
        assert found.dtype == dtype
        close(found, values_by_hand(name, model.module, layer))


@pytest.mark.parametrize("name", ["gpt2", "granite", "phi", "qwen3_moe", "bert"])
def test_a_neuron_writes_its_activation_times_its_value_vector(name, model_of):
    model = model_of(name, torch.float64)
    run = model.run(PROMPT, ["L1.mlp_post"])
    wanted = run["L1.mlp_post"][:, 7, None] * value_vectors(model, 1)[7]
    close(write(run, "L1.N7"), wanted)


@pytest.mark.parametrize("name", ["gemma2", "gemma3", "olmo2", "glm4"])
def test_after_a_post_norm_a_neuron_writes_along_its_value_vector(name, model_of):
    model = model_of(name, torch.float64)
    run = model.run(PROMPT, ["L1.mlp_post"])
    written, value = write(run, "L1.N7"), value_vectors(model, 1)[7]
    cosines = nn.functional.cosine_similarity(written, value[None])
    # Gemma's norm rounds to float32 inside.
    torch.testing.assert_close(cosines, run["L1.mlp_post"][:, 7].sign(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", [name for name in REPRESENTATIVES if name not in NARROW])
def test_the_raw_projection_is_the_unembedding_alone(name, dtype, model_of):
    model = model_of(name, dtype)
    vectors = torch.randn(
        5, model.anatomy.d_model, dtype=dtype, generator=torch.Generator().manual_seed(0)
    )
    weight, _ = weight_and_bias(model.module.get_submodule(wiring(name).unembedding))
    close(projected(model, vectors) @ model.unembedding.weight.T, vectors @ weight.detach())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", [n for n in REPRESENTATIVES if n not in (*NARROW, *TRANSFORMED)])
def test_the_other_projection_goes_through_the_final_norms_weight(name, dtype, model_of):
    model = model_of(name, dtype)
    vectors = torch.randn(
        5, model.anatomy.d_model, dtype=dtype, generator=torch.Generator().manual_seed(0)
    )
    weight, _ = weight_and_bias(model.module.get_submodule(wiring(name).unembedding))
    wanted = normed_by_hand(final_norm_by_hand(model.module), vectors) @ weight.detach()
    close(projected(model, vectors, "final_norm") @ model.unembedding.weight.T, wanted)


def test_a_map_before_the_unembedding_belongs_to_the_projection(model_of):
    model = model_of("opt-post-norm", torch.float64)
    vectors = value_vectors(model, 1)
    wanted = vectors @ model.module.model.decoder.project_out.weight.T
    close(projected(model, vectors, "final_norm"), wanted.detach())


@pytest.mark.parametrize("name", NARROW)
def test_a_raw_projection_that_would_not_fit_is_refused(name, model_of):
    with pytest.raises(CapabilityError, match="reads 24 numbers"):
        projected(model_of(name), torch.zeros(1, 40))


@pytest.mark.parametrize("name", TRANSFORMED)
def test_a_head_that_is_no_norm_is_refused(name, model_of):
    with pytest.raises(CapabilityError, match="which is no norm, stands before"):
        projected(model_of(name), torch.zeros(1, 40), "final_norm")


def test_half_precision_keeps_the_modules_own_weight(model_of):
    half, full = model_of("gemma3", torch.bfloat16), model_of("gemma3", torch.float32)
    found, wanted = value_vectors(half, 1), value_vectors(full, 1)
    assert found.dtype == torch.float32
    assert (found - wanted).abs().max() < 0.02 * wanted.abs().max()
    norm = half.module.model.layers[1].post_feedforward_layernorm.weight.float() + 1
    down = half.module.model.layers[1].mlp.down_proj.weight.float().T
    torch.testing.assert_close(found, (down * norm).detach(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "cohere"])
def test_a_tokens_direction_gives_its_score(name, projection, model_of):
    model = model_of(name, torch.float64)
    vectors = value_vectors(model, 2)
    scores = projected(model, vectors, projection) @ model.unembedding.weight.detach().T
    he, i_n = model.token_id("he"), model.token_id("in")
    close(vectors @ token_direction(model, "he", projection=projection), scores[:, he])
    between = token_direction(model, "he", minus="in", projection=projection)
    close(vectors @ between, scores[:, he] - scores[:, i_n])


def test_what_does_not_exist_is_refused_by_name(model_of):
    model = model_of("gpt2")
    with pytest.raises(InputError, match=r"layer 3 is not in this model: .* 0-2"):
        value_vectors(model, 3)
    with pytest.raises(InputError, match="must be one of raw, final_norm"):
        projected(model, torch.zeros(1, 40), "rawest")
    with pytest.raises(TargetError, match="is not one token"):
        token_direction(model, "hethe")


def test_experts_have_no_value_vectors(model_of):
    with pytest.raises(CapabilityError, match="mixture of experts"):
        layers_with_neurons(model_of("mixtral"))
    with pytest.raises(CapabilityError, match="mixture of experts"):
        value_vectors(model_of("qwen3_moe"), 0)
    assert layers_with_neurons(model_of("qwen3_moe")) == (1,)


# ------------------------------------------------------------------ key directions


def keys_by_hand(name, block, neuron, d_mlp):
    """(what multiplies, what gates or None) of one neuron."""
    w = wiring(name)
    if w.gate_up is not None:
        weight, _ = weight_and_bias(block.get_submodule(w.gate_up))
        return weight[:, d_mlp + neuron], weight[:, neuron]
    if w.gate is not None:
        return tuple(
            weight_and_bias(block.get_submodule(path))[0][:, neuron] for path in (w.up, w.gate)
        )
    weight, _ = weight_and_bias(block.get_submodule(w.mlp_first[0]))
    return weight[:, neuron], None


def cosines_by_hand(name, model, key):
    w, block = wiring(name), blocks(name, model.module)[1]
    rows = model.module.get_input_embeddings().weight.detach()
    if w.mlp_norm is not None and w.layout != "post":
        rows = normed_by_hand(block.get_submodule(w.mlp_norm), rows)
    return nn.functional.cosine_similarity(rows, key.detach()[None])


UNDERSTOOD = [
    name
    for name in REPRESENTATIVES
    if name not in (*EXPERTS_ONLY, *NARROW) and not name.startswith("qwen3_moe-dense")
]


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_key_tokens_are_cosines_with_the_embedding_after_the_norm(name, model_of):
    model = model_of(name, torch.float64)
    block = blocks(name, model.module)[1]
    main, gate = keys_by_hand(name, block, 7, model.block(1).mlp.d_mlp)
    found = key_tokens(model, "L1.N7", k=5)
    assert (found.gate_promotes is None) == (gate is None)
    pairs = [(found.promotes, found.suppresses, main)]
    if gate is not None:
        pairs.append((found.gate_promotes, found.gate_suppresses, gate))
    for most, least, key in pairs:
        wanted = cosines_by_hand(name, model, key)
        assert [one.score for one in most] == pytest.approx(wanted.topk(5).values.tolist())
        assert [one.token.id for one in most] == wanted.topk(5).indices.tolist()
        assert [one.token.id for one in least] == (-wanted).topk(5).indices.tolist()


def test_key_tokens_are_refused_with_the_reason(model_of):
    with pytest.raises(TargetError, match="is not a neuron"):
        key_tokens(model_of("gpt2"), "L1.H2")
    with pytest.raises(CapabilityError, match="no embeddings as wide"):
        key_tokens(model_of("albert"), "L1.N2")
    with pytest.raises(CapabilityError, match="expert"):
        key_tokens(model_of("mixtral"), "L1.N2")
    with pytest.raises(InputError, match="top_k"):
        key_tokens(model_of("gpt2"), "L1.N2", k=0)


@pytest.mark.parametrize("loading", [{"low_memory": True}, {"stream": True}], ids=str)
def test_weights_that_lie_in_files_give_the_same_vectors(loading, tmp_path, model_of):
    plain = model_of("gemma3", torch.float32)
    plain.module.save_pretrained(tmp_path)
    model = ue.load(str(tmp_path), tokenizer=plain.tokenizer, **loading)
    for layer in range(3):
        assert torch.equal(value_vectors(model, layer), value_vectors(plain, layer))
    vectors = value_vectors(plain, 1)
    for name in PROJECTIONS:
        assert torch.equal(projected(model, vectors, name), projected(plain, vectors, name))
    assert key_tokens(model, "L1.N7") == key_tokens(plain, "L1.N7")
