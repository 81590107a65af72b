"""A norm between z and W_O, and between neurons and W_out (BitNet): writes include it.

The reference is the model's own modules, run by hand on what hooks of this file saw.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unembed as ue
from unembed.analyses.tools.vectors import value_vectors
from unembed.analyses.tools.writes import bias_write, head_writes, neuron_writes, write
from unembed.engine.checks.selfcheck import check
from unembed.engine.model import Model
from unembed.errors import CapabilityError
from unembed.models.tiny import tiny_tokenizer

from .closeness import FP32_ROUNDING, PROMPT, assert_close
from .unlisted import UNLISTED, Unlisted, mixing_bitnet

LAYER = 1
LAST = len(PROMPT) - 1


@pytest.fixture(scope="module")
def family() -> Unlisted:
    return next(one for one in UNLISTED if str(one) == "bitnet")


@pytest.fixture(scope="module")
def model(family: Unlisted) -> Model:
    return ue.load(family.build(), tokenizer=tiny_tokenizer())


def norms_of(module: nn.Module) -> dict[str, nn.Module]:
    block = module.get_submodule(f"model.layers.{LAYER}")
    return {
        "z": block.get_submodule("self_attn.attn_sub_norm"),
        "mlp_post": block.get_submodule("mlp.ffn_sub_norm"),
    }


@torch.no_grad()
def by_hand(family: Unlisted, site: str, change: Any = None) -> tuple[Tensor, Tensor, Tensor]:
    """What goes into a norm and comes out of it, and the logits, with its input changed."""
    module = family.build()
    norm, seen = norms_of(module)[site], {}

    def before(_: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        given = args[0].clone()
        if change is not None:
            change(given[0])
        seen["in"] = given[0]
        return (given,)

    norm.register_forward_pre_hook(before)
    norm.register_forward_hook(lambda _, __, output: seen.update(out=output[0]))
    logits = module(torch.tensor([PROMPT])).logits[0]
    return seen["in"], seen["out"], logits


@pytest.mark.parametrize("site", ["z", "mlp_post"])
def test_the_site_is_what_the_norm_is_given(family, model, site):
    run = model.run(PROMPT, capture=[f"L{LAYER}.{site}"])
    given, _, logits = by_hand(family, site)
    assert torch.equal(run[f"L{LAYER}.{site}"].flatten(1), given)
    assert torch.equal(run.logits, logits)


def test_an_edit_before_the_norm_moves_its_scale(family, model):
    def without(given: Tensor) -> None:
        given[3, 10:20] = 0  # head 1

    expected = by_hand(family, "z", without)[2]
    assert torch.equal(model.run(PROMPT, edits=[ue.zero(f"L{LAYER}.H1@3")]).logits, expected)

    def loud(given: Tensor) -> None:
        given[:, 7] = 4.0

    expected = by_hand(family, "mlp_post", loud)[2]
    assert torch.equal(model.run(PROMPT, edits=[ue.set_to(f"L{LAYER}.N7", 4.0)]).logits, expected)


@pytest.mark.parametrize(("site", "branch"), [("z", "attn"), ("mlp_post", "mlp")])
def test_what_nodes_write_is_the_norm_at_the_scale_of_the_run(family, model, site, branch):
    """Entry by entry: W times (weight of the norm · what the norm was given / its size)."""
    at = f"L{LAYER}."
    run = model.run(PROMPT, capture=[at + site, f"{at}{branch}_out"])
    given, _, _ = by_hand(family, site)
    norm = norms_of(family.build())[site]
    size = (given.float().pow(2).mean(-1, keepdim=True) + norm.variance_epsilon).sqrt().double()
    weight = model.module.get_submodule(
        f"model.layers.{LAYER}." + ("self_attn.o_proj" if site == "z" else "mlp.down_proj")
    ).weight.detach()
    scaled = given / size * norm.weight.detach()
    if site == "z":
        expected = torch.stack(
            [scaled[:, 10 * head :][:, :10] @ weight.T[10 * head :][:10] for head in range(4)], 1
        )
        found = head_writes(run, LAYER)
        assert_close(write(run, f"{at}H2"), expected[:, 2], FP32_ROUNDING)
    else:
        expected = scaled[:, :, None] * weight.T
        found = neuron_writes(run, LAYER)
        assert_close(write(run, f"{at}N5"), expected[:, 5], FP32_ROUNDING)
    assert_close(found, expected, FP32_ROUNDING)
    assert_close(found.sum(1) + bias_write(run, LAYER, branch), run[f"{at}{branch}_out"], 1e-6)


def test_a_value_vector_has_the_sign_that_the_norm_gives_it(family, model):
    module = family.build()
    block = module.get_submodule(f"model.layers.{LAYER}")
    weight = block.mlp.ffn_sub_norm.weight.detach()[:, None] * block.mlp.down_proj.weight.T.detach()
    assert_close(value_vectors(model, LAYER), weight)


def test_the_flow_graph_adds_up(model):
    run = model.run(PROMPT, capture=ue.flow_capture(model, [LAYER]))
    graph = ue.flow_graph(
        run, [LAYER], n_heads=4, values_per_head=len(PROMPT), top_neurons=60, bottom_neurons=0
    )
    written = head_writes(run, LAYER)[-1]
    for head in range(4):
        name = f"L{LAYER}.H{head}"
        links = [one for one in graph.links if one.kind == "memory" and one.target == name]
        total = sum(one.coefficient * graph.vectors[one.row] for one in links)
        assert_close(total, written[head], FP32_ROUNDING)
    for one in graph.sums:  # every row of W_O and every neuron is shown
        assert one.rest_norm < 1e-5 * one.added_norm
    entry = next(one for one in graph.nodes if one.id == f"L{LAYER}.z13")
    assert entry.activation == pytest.approx(float(run[f"L{LAYER}.z13"][-1]))


def test_a_cut_is_attributed_with_the_scale_of_the_run(model):
    """A head's direct effect on a logit, by hand: its write, taken out of the last residual."""
    last = model.anatomy.n_layers - 1
    capture = (*ue.flow_capture(model, [last]), f"L{last}.z")
    run = model.run(PROMPT, capture=capture)
    graph = ue.flow_graph(run, [last], target=9, n_heads=4)
    found = {one.id: one.attributed for one in graph.nodes if one.kind == "head"}
    state = run[f"L{last}.resid_post"][-1]
    final = model.module.get_submodule("model.norm")
    gain = final.weight.detach() / state.pow(2).mean().add(final.variance_epsilon).sqrt()
    row = model.unembedding.weight[9]
    for head, written in enumerate(head_writes(run, last)[-1]):
        assert found[f"L{last}.H{head}"] == pytest.approx(float(gain * written @ row), rel=1e-4)


def test_sub_updates_and_pages_show_the_write(model):
    updates = ue.sub_updates(model.run(PROMPT, capture=ue.sub_updates_capture(model)), k=3)
    row = updates.layers[LAYER]
    assert row.neurons is not None
    assert row.heads is not None
    for shown in (*row.neurons.shown, *row.heads.shown):
        page = ue.component(
            model.run(PROMPT, capture=ue.component_capture(model, shown.node)), shown.node
        )
        assert page.write_norm == pytest.approx(shown.norm, rel=1e-5)


def test_a_norm_that_is_overlooked_or_that_mixes_is_caught(family, model):
    blocks = list(model.anatomy.blocks)
    blocks[LAYER] = replace(blocks[LAYER], mixer=replace(blocks[LAYER].attention, inner_norm=None))
    report = check(model.module, replace(model.anatomy, blocks=tuple(blocks)), model.kind)
    assert "z" in report.reasons

    mixing = ue.load(mixing_bitnet(), tokenizer=tiny_tokenizer())
    run = mixing.run(PROMPT, capture=[f"L{LAYER}.z"])
    with pytest.raises(CapabilityError, match=r"LayerNorm before the output map of layer 1"):
        head_writes(run, LAYER)
