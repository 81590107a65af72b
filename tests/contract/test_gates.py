"""Attention whose heads are multiplied by a gate before W_O: what nodes write includes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import unembed as ue
from unembed.analyses.tools.writes import branch_output, head_writes
from unembed.engine.checks.selfcheck import check
from unembed.engine.model import Model
from unembed.errors import CapabilityError
from unembed.models import attention_call
from unembed.models.tiny import tiny_tokenizer

from .closeness import PROMPT, assert_close
from .unlisted import UNLISTED, Unlisted

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families

GATED = {"qwen3_next": 1, "qwen3_5_text": 1, "afmoe": 1, "laguna": 1}
"""Families, and a layer of each with attention."""


@pytest.fixture(params=[one for one in UNLISTED if str(one) in GATED], ids=str, scope="module")
def gated(request: pytest.FixtureRequest) -> tuple[Unlisted, Model, int]:
    family: Unlisted = request.param
    return family, ue.load(family.build(), tokenizer=tiny_tokenizer()), GATED[str(family)]


def seen_at_the_output_map(module: nn.Module, name: str) -> Tensor:
    seen: list[Tensor] = []
    handle = module.get_submodule(name).register_forward_pre_hook(
        lambda _, args: seen.append(args[0][0].clone())
    )
    with torch.no_grad():
        module(torch.tensor([PROMPT]))
    handle.remove()
    return seen[0]


def test_z_is_what_the_output_map_reads(gated):
    family, model, layer = gated
    assert model.block(layer).attention.gated
    expected = seen_at_the_output_map(family.build(), model.block(layer).attention.output_map)
    run = model.run(PROMPT, capture=[f"L{layer}.{site}" for site in ("z", "v", "pattern")])
    z, v, pattern = (run[f"L{layer}.{site}"] for site in ("z", "v", "pattern"))
    assert torch.equal(z.flatten(1), expected)
    v = v.repeat_interleave(z.shape[1] // v.shape[1], dim=1)
    mixed = torch.einsum("hqk,khd->qhd", pattern.to(v), v)
    assert not torch.allclose(mixed, z, rtol=1e-3)


def test_what_a_head_gets_from_each_position_sums_to_what_it_writes(gated):
    _, model, layer = gated
    run = model.run(PROMPT, capture=ue.flow_capture(model, [layer]))
    heads = range(model.block(layer).attention.n_heads)
    graph = ue.flow_graph(
        run, [layer], n_heads=len(heads), values_per_head=len(PROMPT), top_neurons=0
    )
    written = head_writes(run, layer)[-1]
    for head in heads:
        links = [
            one for one in graph.links if one.kind == "memory" and one.target == f"L{layer}.H{head}"
        ]
        assert len(links) > 1
        total = sum(one.coefficient * graph.vectors[one.row] for one in links)
        assert_close(total, written[head], 1e-6)


def test_cutting_one_query_and_key_is_attributed_with_the_gate(gated):
    """The last position's head without one key, by hand and by the graph."""
    _, model, layer = gated
    last, key = len(PROMPT) - 1, 2
    cut = ue.zero(f"L{layer}.H0@{last}<{key}")
    plain = model.run(PROMPT, capture=[f"L{layer}.z"])
    without = model.run(PROMPT, edits=[cut], capture=[f"L{layer}.z"])
    lost = (plain[f"L{layer}.z"] - without[f"L{layer}.z"])[last, 0]
    run = model.run(PROMPT, capture=ue.flow_capture(model, [layer]))
    graph = ue.flow_graph(run, [layer], n_heads=99, values_per_head=len(PROMPT), top_neurons=0)
    link = next(
        one
        for one in graph.links
        if one.kind == "memory"
        and one.source == f"L{layer}.H0.value@{key}"
        and one.target == f"L{layer}.H0"
    )
    whole = branch_output(plain, layer, "attn", last)  # W_O, and what the block applies after it
    written = whole.carry((lost @ whole.weight[: len(lost)])[None, None])[0, 0]
    assert_close(link.coefficient * graph.vectors[link.row], written, 1e-6)


def test_a_gated_cut_is_attributed_and_measured_from_end_to_end(gated):
    """As by hand: what the head loses, through W_O and a final norm of frozen scale, to a logit."""
    _, model, layer = gated
    last, key, token = len(PROMPT) - 1, 2, 72
    stream = f"L{model.anatomy.n_layers - 1}.resid_post"
    run = model.run(PROMPT, capture=[*ue.flow_capture(model, [layer]), f"L{layer}.z", stream])
    name = f"L{layer}.H0.value@{key}>L{layer}.H0"
    (found,) = ue.measure_cuts(run, [name], target=token).cuts

    cut = ue.zero(f"L{layer}.H0@{last}<{key}")
    without = model.run(PROMPT, edits=[cut], capture=[f"L{layer}.z"])
    change = without.logits[last, token] - run.logits[last, token]
    assert found.logit_change == pytest.approx(float(change), rel=1e-4)

    lost = (run[f"L{layer}.z"] - without[f"L{layer}.z"])[last, 0]
    whole = branch_output(run, layer, "attn", last)
    written = whole.carry((lost @ whole.weight[: len(lost)])[None, None])[0, 0]
    per_entry = model.final_norm(run[stream][last]) / run[stream][last]
    weight = model.module.get_output_embeddings().weight[token].detach()
    assert found.attributed == pytest.approx(-float(written * per_entry @ weight), rel=1e-4)
    assert abs(found.attributed) > 1e-5


def test_a_factor_of_the_kernels_own_is_no_gate(monkeypatch):
    """Were GraniteSwa's sinks not known: an edited pattern would know nothing of their factor."""
    monkeypatch.setattr(attention_call, "SINKS", ())
    family = next(one for one in UNLISTED if str(one) == "granite_swa")
    model = ue.load(family.build(), tokenizer=tiny_tokenizer())
    assert not model.capabilities()["heads"].available


@pytest.mark.parametrize(
    ("name", "step"),
    [
        (
            "diffllama",
            r"DiffLlamaAttention calls its kernel 2 times, and groupnorm \(RMSNorm\) stands",
        ),
        ("nystromformer-masked", r"conv \(Conv2d\) stands before W_O"),
    ],
)
def test_a_step_before_the_output_map_that_is_not_understood_is_named(name, step):
    family = next(one for one in UNLISTED if str(one) == name)
    model = ue.load(family.build(), tokenizer=tiny_tokenizer())
    with pytest.raises(CapabilityError, match=f"pattern·v = z off by .*: {step}"):
        model.run(PROMPT, capture=["L1.z"])


def test_a_gate_that_is_not_one_is_caught(gated):
    """Another layer's output map: what it reads is no gate times this layer's values."""
    family, model, layer = gated
    others = [one for one in model.anatomy.attention_layers if one != layer]
    if not others:  # of the small Qwens one layer has attention; AFMoE and Laguna have three
        assert str(family).startswith("qwen3")
        return
    wrong = model.block(others[0]).attention.output_map
    blocks = list(model.anatomy.blocks)
    blocks[layer] = replace(
        blocks[layer], mixer=replace(blocks[layer].attention, output_map=wrong, gated=False)
    )
    report = check(model.module, replace(model.anatomy, blocks=tuple(blocks)), model.kind)
    assert not report.passed
