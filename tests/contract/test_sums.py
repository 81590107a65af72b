"""Blocks whose sums have factors or a third part, or whose stream is normalised or scaled.

The reference is Hugging Face's own forward pass, with hooks of this file's own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unembed as ue
from unembed.analyses.flow.attributed import attributed
from unembed.analyses.tools.effects import Writes, effects_capture, effects_on
from unembed.analyses.tools.writes import bias_write, head_writes, neuron_writes
from unembed.engine.checks.selfcheck import check
from unembed.engine.model import Model
from unembed.errors import CapabilityError
from unembed.models.tiny import tiny_tokenizer

from .closeness import PROMPT, assert_close
from .unlisted import UNLISTED, Unlisted

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families

NAMES = ("falcon_h1", "granitemoehybrid", "minimax", "rwkv", "gemma4_text")
SCALES = (1.3, 0.6, 1.4, 0.8)  # what each layer of the last multiplies its stream with


def build(family: Unlisted) -> nn.Module:
    module = family.build()
    for name, buffer in module.named_buffers():
        if name.endswith("layer_scalar"):
            buffer.fill_(SCALES[int(name.split(".")[-2])])
    return module


@pytest.fixture(params=[one for one in UNLISTED if str(one) in NAMES], ids=str, scope="module")
def summed(request: pytest.FixtureRequest) -> tuple[Unlisted, Model]:
    family: Unlisted = request.param
    return family, ue.load(build(family), tokenizer=tiny_tokenizer())


@pytest.fixture(scope="module")
def gemma() -> Model:
    family = next(one for one in UNLISTED if str(one) == "gemma4_text")
    return ue.load(build(family), tokenizer=tiny_tokenizer())


def own_logits(module: nn.Module) -> Tensor:
    with torch.no_grad():
        return module(torch.tensor([PROMPT])).logits[0]


def first(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple | list) else output


def outputs_of(module: nn.Module, names: list[str]) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            seen[name] = first(output)[0].clone()

        return hook

    for name in names:
        module.get_submodule(name).register_forward_hook(keep(name))
    own_logits(module)
    return seen


def test_logits_and_hidden_states_are_the_models_own(summed):
    family, model = summed
    module = build(family)
    layers = range(model.anatomy.n_layers)
    run = model.run(PROMPT, capture=[f"L{layer}.resid_post" for layer in layers])
    assert torch.equal(run.logits, own_logits(module))
    blocks = [model.block(layer).module for layer in layers]
    expected = outputs_of(module, blocks)
    for layer, name in enumerate(blocks):
        assert torch.equal(run[f"L{layer}.resid_post"], expected[name])


def test_the_last_position_alone_is_the_same_with_every_position_seen(summed):
    """A model that leaves positions out of its last layers would show only one of them."""
    _, model = summed
    last = f"L{model.anatomy.n_layers - 1}.resid_post"
    whole = model.run(PROMPT, capture=[last])
    part = model.run(PROMPT, capture=[last], logits="last")
    assert part[last].shape == whole[last].shape
    assert_close(part.logits[-1], whole.logits[-1])


# ------------------------------------------------------------------ each family's own sum


def of(name: str) -> Unlisted:
    return next(one for one in UNLISTED if str(one) == name)


def test_falcon_h1_has_heads_and_a_mixer_beside_them():
    module = of("falcon_h1").build()
    model = ue.load(of("falcon_h1").build(), tokenizer=tiny_tokenizer())
    names = ["self_attn", "mamba", "feed_forward"]
    seen = outputs_of(module, [f"model.layers.1.{name}" for name in names])
    run = model.run(PROMPT, capture=[f"L1.{s}" for s in ("attn_out", "mixer_out", "mlp_out", "z")])
    assert torch.equal(run["L1.attn_out"], seen["model.layers.1.self_attn"] * 0.9)
    assert torch.equal(run["L1.mixer_out"], seen["model.layers.1.mamba"] * 0.7)
    assert torch.equal(run["L1.mlp_out"], seen["model.layers.1.feed_forward"])
    assert model.block(1).branch_sites == ("attn_out", "mixer_out", "mlp_out")
    assert_close(head_writes(run, 1).sum(1) + bias_write(run, 1, "attn"), run["L1.attn_out"])


def test_the_parts_of_falcon_h1_are_edited_apart():
    def cut(_: nn.Module, __: Any, output: Any) -> Any:
        return (
            (torch.zeros_like(output[0]), *output[1:]) if isinstance(output, tuple) else output * 0
        )

    model = ue.load(of("falcon_h1").build(), tokenizer=tiny_tokenizer())
    for node, part in (("L1.attn", "self_attn"), ("L1.mixer", "mamba")):
        module = of("falcon_h1").build()
        module.get_submodule(f"model.layers.1.{part}").register_forward_hook(cut)
        assert torch.equal(model.run(PROMPT, edits=[ue.zero(node)]).logits, own_logits(module))


def test_shared_and_routed_experts_are_one_feed_forward():
    module = of("granitemoehybrid").build()
    model = ue.load(of("granitemoehybrid").build(), tokenizer=tiny_tokenizer())
    parts = [f"model.layers.1.{name}" for name in ("block_sparse_moe", "shared_mlp")]
    seen = outputs_of(module, parts)
    run = model.run(PROMPT, capture=["L1.mlp_out"])
    assert_close(run["L1.mlp_out"], (seen[parts[0]] + seen[parts[1]]) * 0.6)


def test_an_edit_of_a_sum_is_one_of_both_its_parts():
    family = of("granitemoehybrid")
    model = ue.load(family.build(), tokenizer=tiny_tokenizer())
    module = family.build()
    for name in ("block_sparse_moe", "shared_mlp"):
        module.get_submodule(f"model.layers.1.{name}").register_forward_hook(
            lambda _, __, output: output * 0.5
        )
    edited = model.run(PROMPT, edits=[ue.scale("L1.mlp", 0.5)], capture=["L1.mlp_out"])
    assert_close(edited.logits, own_logits(module))
    plain = model.run(PROMPT, capture=["L1.mlp_out"])
    assert_close(edited["L1.mlp_out"], plain["L1.mlp_out"] * 0.5)
    nothing = model.run(PROMPT, edits=[ue.scale("L1.mlp", 1.0)])
    assert torch.equal(nothing.logits, plain.logits)


def test_a_stream_that_is_normalised_first_is_carried_with_its_factors():
    model = ue.load(of("minimax").build(), tokenizer=tiny_tokenizer())
    block = model.block(1)
    assert block.arrangement == "norm_first"
    assert block.stream_factors == (1.2, 1.1)
    capture = [f"L1.{site}" for site in ("resid_pre", "attn_out", "resid_mid", "mlp_out")]
    run = model.run(PROMPT, capture=[*capture, "L1.resid_post"])
    norms = [of("minimax").build().get_submodule(name) for name in block.stream_norms]
    with torch.no_grad():
        middle = norms[0](run["L1.resid_pre"]) * 1.2 + run["L1.attn_out"]
        end = norms[1](middle) * 1.1 + run["L1.mlp_out"]
    assert_close(run["L1.resid_mid"], middle)
    assert_close(run["L1.resid_post"], end)


def test_an_activation_function_that_is_no_module_is_recognised():
    model = ue.load(of("lfm2").build(), tokenizer=tiny_tokenizer())
    assert model.block(0).mlp.function == "silu"
    run = model.run(
        PROMPT, capture=[f"L0.{s}" for s in ("mlp_pre", "mlp_gate", "mlp_post", "mlp_out")]
    )
    gate, pre = run["L0.mlp_gate"], run["L0.mlp_pre"]
    assert_close(gate * torch.sigmoid(gate) * pre, run["L0.mlp_post"])
    assert_close(neuron_writes(run, 0).sum(1), run["L0.mlp_out"])
    off = model.run(PROMPT, edits=[ue.set_to("L0.N3", -4.0, stage="pre")], capture=["L0.mlp_post"])
    pushed = -4.0 * torch.sigmoid(torch.tensor(-4.0, dtype=gate.dtype)) * pre[:, 3]
    assert_close(off["L0.mlp_post"][:, 3], pushed)


# ------------------------------------------------------------------ Gemma 4


def test_the_per_layer_embedding_is_a_branch_of_its_own(gemma):
    module = build(of("gemma4_text"))
    part = "model.layers.1.post_per_layer_input_norm"
    seen = outputs_of(module, [part])
    sites = ("resid_mid", "mlp_out", "ple_in", "ple_out", "resid_post")
    run = gemma.run(PROMPT, capture=[f"L1.{site}" for site in sites])
    mid, mlp, reads, ple, post = (run[f"L1.{site}"] for site in sites)
    scale = SCALES[1]
    assert_close(ple, seen[part] * scale)
    assert_close(reads, mid + mlp / scale)
    assert_close(mid * scale + mlp + ple, post)


def test_an_edit_of_the_per_layer_embedding_is_a_hook_on_its_module(gemma):
    module = build(of("gemma4_text"))
    part = "model.layers.1.post_per_layer_input_norm"
    module.get_submodule(part).register_forward_hook(lambda _, __, output: output * 0)
    expected = own_logits(module)
    for name in ("L1.ple", "L1.ple_out"):
        assert torch.equal(gemma.run(PROMPT, edits=[ue.zero(name)]).logits, expected)


def test_heads_have_the_size_that_their_layer_gives_them(gemma):
    assert [block.attention.d_head for block in gemma.anatomy.blocks] == [12, 16, 12, 16]
    run = gemma.run(PROMPT, capture=["L0.z", "L1.z"])
    assert (run["L0.z"].shape[-1], run["L1.z"].shape[-1]) == (12, 16)


def test_keys_and_values_of_an_earlier_layer_are_named(gemma):
    assert [gemma.anatomy.layer_of_keys(layer) for layer in range(4)] == [0, 1, 0, 1]
    run = gemma.run(PROMPT, capture=["L1.k", "L1.v", "L3.k", "L3.v"])
    for site in "kv":
        assert torch.equal(run[f"L1.{site}"], run[f"L3.{site}"])
    edited = gemma.run(PROMPT, edits=[ue.zero("L3.v")], capture=["L1.v", "L3.z"])
    assert torch.equal(edited["L1.v"], run["L1.v"])
    assert not edited["L3.z"].any()


def test_a_pass_is_not_started_behind_keys_that_it_needs(gemma):
    with pytest.raises(CapabilityError, match=r"cannot start at layer 2.*layer 0"):
        ue.logit_lens(gemma, PROMPT, decoder="L2")
    # a sweep starts early enough by itself
    edits = [[ue.zero("L3.H1")], [ue.zero("L3.H2")], [ue.zero("L3.mlp")]]
    rows = ue.sweep(gemma, PROMPT, edits, logits="last").runs
    for row, one in zip(rows, edits, strict=True):
        assert_close(row.logits[-1], gemma.run(PROMPT, edits=one).logits[-1])


def test_a_text_goes_on_the_same_with_and_without_a_cache(summed):
    _, model = summed
    edits = [ue.scale("L1.mlp", 0.5)]
    found = model.generate(list(PROMPT), 4, edits=edits)
    assert found.new_ids == model.generate(list(PROMPT), 4, edits=edits, use_cache=False).new_ids


# ------------------------------------------------------------------ effects and graphs


def test_direct_effects_of_all_that_is_written_sum_to_the_logit(summed):
    """Every write, carried past the later norms and factors, sums to what the last residual has."""
    _, model = summed
    token = ue.Objective.logit(7, position=-1)
    layers = range(model.anatomy.n_layers)
    sites = [f"L{n}.{site}" for n in layers for site in model.block(n).branch_sites]
    run = model.run(PROMPT, capture=["embed", *sites, *effects_capture(model, None)])
    groups = [Writes(run["embed"][-1:], None, None)]
    for name in sites:
        layer, site = int(name[1 : name.index(".")]), name.split(".")[1]
        branch = "mlp" if site in ("mlp_out", "ple_out") else "attn"
        groups.append(Writes(run[name][-1:], layer, branch))
    found = float(effects_on(run, groups, [token]).sum()) + constant(model, run)
    assert found == pytest.approx(float(run.logits[-1, 7]), rel=1e-8)


def constant(model: Model, run: ue.Run) -> float:
    """What the biases of the norms that the stream goes through give of the logit."""
    total, groups = 0.0, []
    for block in model.anatomy.blocks:
        for step, name in enumerate(block.stream_norms or ()):
            bias = None if name is None else getattr(model.module.get_submodule(name), "bias", None)
            if bias is not None:
                branch = "attn" if step == 0 else "mlp"
                groups.append(Writes(bias.detach()[None], block.layer, branch))
    if groups:
        total += float(effects_on(run, groups, [ue.Objective.logit(7, position=-1)]).sum())
    norm = model.module.get_submodule(model.anatomy.head.chain[-1])
    if getattr(norm, "bias", None) is not None:
        total += float(model.unembedding.logits(norm.bias.detach()[None])[0, 7])
    return total


def test_every_branch_is_in_the_flow_graph_and_its_links_can_be_cut(summed):
    _, model = summed
    layer = 1
    run = model.run(PROMPT, capture=ue.flow_capture(model, [layer]))
    graph = ue.flow_graph(run, [layer])
    nodes = {node.id for node in graph.nodes}
    assert {f"L{layer}.{site}" for site in model.block(layer).branch_sites} <= nodes
    for link in graph.links:
        if link.kind in ("mixer", "ple", "branch", "experts"):
            name = f"{link.source}>{link.target}"
            assert ue.cut(run, name), name


@pytest.mark.parametrize("name", ["falcon_h1", "gemma4_text", "granitemoehybrid"])
def test_what_is_attributed_to_the_parts_of_the_last_block_sums_to_the_logit(name):
    """The stream past the feed-forward and all that is added to it: each cut alone."""
    model = ue.load(build(of(name)), tokenizer=tiny_tokenizer())
    last = model.anatomy.n_layers - 1
    at = f"L{last}."
    run = model.run(PROMPT, capture=ue.flow_capture(model, [last]))
    second = [at + site for site in model.block(last).steps[1]]
    cuts = [f"{at}resid_mid>{at}resid_post", *second]
    found = sum(attributed(run, cut, len(PROMPT) - 1, 7) for cut in cuts)
    assert -found == pytest.approx(float(run.logits[-1, 7]), rel=1e-8)
    first = [at + site for site in model.block(last).steps[0]]
    cuts = [f"{at}resid_pre>{at}resid_mid", *first, *second]
    found = sum(attributed(run, cut, len(PROMPT) - 1, 7) for cut in cuts)
    assert -found == pytest.approx(float(run.logits[-1, 7]), rel=1e-8)


def test_the_stream_is_cut_with_the_factor_that_it_has(gemma):
    run = gemma.run(PROMPT, capture=ue.flow_capture(gemma, [1]))
    edits = ue.cut(run, "L1.resid_mid>L1.resid_post", 5)
    edited = gemma.run(PROMPT, edits=edits, capture=["L1.resid_post"])
    assert_close(edited["L1.resid_post"][5], run["L1.mlp_out"][5] + run["L1.ple_out"][5])


# ------------------------------------------------------------------ half precision


def test_in_half_precision_the_same_parts_and_factors_are_found(summed):
    """A part that is small beside the others is not lost in their rounding."""
    family, model = summed
    half = ue.load(build(family).to(torch.bfloat16), tokenizer=tiny_tokenizer())
    for block, other in zip(model.anatomy.blocks, half.anatomy.blocks, strict=True):
        assert block.steps == other.steps
        assert block.arrangement == other.arrangement
        assert other.stream_factors == pytest.approx(block.stream_factors, rel=1e-2)
        assert other.mlp.added.also == block.mlp.added.also
        for one, two in ((block.mixer, other.mixer), (block.beside, other.beside)):
            if one is not None and two is not None:
                assert two.added == one.added


# ------------------------------------------------------------------ wrong anatomies


def wrong_factor(model: Model) -> Any:
    block = model.block(1)
    first_factor, second_factor = block.stream_factors
    return replace(block, stream_factors=(first_factor, second_factor * 1.01))


def wrong_scale(model: Model) -> Any:
    block = model.block(1)
    added = replace(block.mlp.added, scale=block.mlp.added.scale * 0.99)
    return replace(block, feed_forward=replace(block.mlp, added=added))


def without_a_part(model: Model) -> Any:
    block = model.block(1)
    if block.per_layer is not None:
        return replace(block, per_layer=None)
    if block.beside is not None:
        return replace(block, beside=None)
    added = replace(block.mlp.added, also=())
    return replace(block, feed_forward=replace(block.mlp, added=added), stream_norms=None)


@pytest.mark.parametrize("mistake", [wrong_factor, wrong_scale, without_a_part])
def test_a_sum_that_is_not_one_is_caught(summed, mistake):
    family, model = summed
    blocks = list(model.anatomy.blocks)
    blocks[1] = mistake(model)
    if blocks[1] == model.block(1):
        assert str(family) == "rwkv", "of the others something can be left out"
        return
    report = check(model.module, replace(model.anatomy, blocks=tuple(blocks)), model.kind)
    assert report.fatal


def test_an_edit_of_the_embedding_does_not_reach_the_vectors_that_layers_look_up(gemma):
    """Of each token, by its id: what is added from them changes through the stream alone."""
    given: list[Tensor] = []
    found = gemma.module.get_submodule("model.per_layer_model_projection")
    handle = found.register_forward_pre_hook(lambda _, args: given.append(args[0].clone()))
    try:
        for edits in ([], [ue.zero("embed@3")]):
            gemma.run(PROMPT, edits=edits)
    finally:
        handle.remove()
    assert torch.equal(*given)
