"""Attention with a sink: a part of each query's attention goes to no position.

The reference is attention written out, in place of each family's own kernel: a softmax over the
keys and one more column, whose logit is the head's sink and whose value is zero.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

import unembed as ue
from unembed.analyses.tools.writes import head_writes
from unembed.cli.flow_tables import print_flows
from unembed.engine.checks.selfcheck import check
from unembed.engine.model import Model
from unembed.engine.passes.forward import Request, run_rows
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError
from unembed.figures.text import number as shown_number
from unembed.models import attention_call
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .closeness import FP32_ROUNDING, PROMPT, assert_close
from .unlisted import UNLISTED, Unlisted

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families

SINKS = {"gpt_oss": 1, "flint": 1, "mimo_v2_flash": 1, "granite_swa": 1, "granitemoe_swa": 1}
"""Families, and a layer of each whose attention has a sink."""
HEAD, QUERY = 2, 5
Change = Callable[[Tensor, Tensor], None]
"""Changes the pattern [head, query, key] and the sink [head, query] of one layer in place."""


@pytest.fixture(params=[one for one in UNLISTED if str(one) in SINKS], ids=str, scope="module")
def sinking(request: Any) -> tuple[Unlisted, Model, int]:
    family: Unlisted = request.param
    return family, ue.load(family.build(), tokenizer=tiny_tokenizer()), SINKS[str(family)]


@contextmanager
def written_out(
    module: nn.Module, layer: int, change: Change | None = None
) -> Iterator[list[Tensor]]:
    """Attention by hand while the context lasts; what is seen of a layer: pattern, sink."""
    seen: list[Tensor] = []

    def forward(
        core: Any, q: Tensor, k: Tensor, v: Tensor, mask: Any, scaling: float, **given: Any
    ) -> tuple[Tensor, None]:
        group = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        scores = q @ k.transpose(2, 3) * scaling + mask
        sinks = given["s_aux"]
        column = scores.new_full((*scores.shape[:-1], 1), -torch.inf)
        if sinks is not None:
            column = sinks.to(scores).view(1, -1, 1, 1).expand_as(column)
        whole = torch.softmax(torch.cat([scores, column], -1), -1)
        pattern, sink = whole[..., :-1].clone(), whole[..., -1].clone()
        if core.layer_idx == layer:
            if change is not None:
                change(pattern[0], sink[0])
            seen.extend([pattern[0], sink[0]])
        return (pattern @ v).transpose(1, 2), None

    module.config._attn_implementation = "eager"
    file = sys.modules[type(core_of(module)).__module__]
    with mock.patch.object(file, "eager_attention_forward", forward):
        yield seen


def core_of(module: nn.Module) -> nn.Module:
    return next(one for one in module.modules() if type(one).__name__.endswith("Attention"))


def by_hand(
    family: Unlisted, layer: int, change: Change | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(logits, pattern, sink) of a layer."""
    module = family.build().requires_grad_(False)
    with written_out(module, layer, change) as seen:
        logits = module(torch.tensor([PROMPT])).logits[0]
    return logits, seen[0], seen[1]


def take(share: Callable[[Tensor], Tensor], heads: Any, queries: Any) -> Change:
    """The sink takes another share; what is left goes to the keys as before."""

    def change(pattern: Tensor, sink: Tensor) -> None:
        before = sink[heads, queries].clone()
        sink[heads, queries] = share(before)
        left = (1 - sink[heads, queries]) / (1 - before)
        pattern[heads, queries] *= left[..., None]

    return change


def test_rows_and_sink_sum_to_1_and_are_what_the_model_attends_with(sinking):
    family, model, layer = sinking
    run = model.run(PROMPT, capture=[f"L{layer}.{site}" for site in ("sink", "pattern")])
    logits, pattern, sink = by_hand(family, layer)
    assert run[f"L{layer}.sink"].shape == (len(PROMPT), 4)
    assert_close(run[f"L{layer}.sink"], sink.T, FP32_ROUNDING)
    assert_close(run[f"L{layer}.pattern"], pattern, FP32_ROUNDING)
    assert_close(run.logits, logits, 10 * FP32_ROUNDING)
    total = run[f"L{layer}.pattern"].sum(-1) + run[f"L{layer}.sink"].T
    assert_close(total, torch.ones_like(total), FP32_ROUNDING)
    assert (sink > 0.01).any()


def test_one_head_and_query_of_a_sink_can_be_had_alone(sinking):
    _, model, layer = sinking
    whole = model.run(PROMPT, capture=[f"L{layer}.sink"])[f"L{layer}.sink"]
    name = f"L{layer}.H{HEAD}.sink@{QUERY}"
    run = model.run(PROMPT, capture=[name])
    assert run.activations[SiteKey("sink", layer)].shape == (1, 1)
    assert_close(run[name], whole[QUERY, HEAD])
    both = model.run(PROMPT, capture=[name, f"L{layer}.pattern@{QUERY + 1}"])
    assert_close(both[name], whole[QUERY, HEAD])
    other = both[f"L{layer}.H{HEAD}.sink@{QUERY + 1}"]
    assert_close(other, whole[QUERY + 1, HEAD])


@pytest.mark.parametrize(
    ("edit", "change"),
    [
        (
            lambda at: ue.zero(f"{at}H{HEAD}.sink@{QUERY}"),
            take(torch.zeros_like, HEAD, QUERY),
        ),
        (
            lambda at: ue.scale(f"{at}sink", 0.5, positions=[QUERY, 7]),
            take(lambda share: share / 2, slice(None), [QUERY, 7]),
        ),
        (
            lambda at: ue.set_to(f"{at}H{HEAD}.sink", 0.75),
            take(lambda share: torch.full_like(share, 0.75), HEAD, slice(None)),
        ),
        (
            lambda at: ue.scale(f"{at}H{HEAD}.pattern@{QUERY}", 3.0),
            lambda pattern, _: pattern[HEAD, QUERY].mul_(3.0),
        ),
        (
            lambda at: ue.zero(f"{at}H{HEAD}@{QUERY}<4"),
            lambda pattern, _: pattern[HEAD, QUERY, 4].zero_(),
        ),
    ],
    ids=["zero", "scale", "set", "pattern", "pair"],
)
def test_an_edit_of_the_sink_leaves_the_rest_to_the_keys(sinking, edit, change):
    family, model, layer = sinking
    at = f"L{layer}."
    run = model.run(PROMPT, edits=[edit(at)], capture=[at + "sink", at + "pattern"])
    logits, pattern, sink = by_hand(family, layer, change)
    assert_close(run.logits, logits, 10 * FP32_ROUNDING)
    assert_close(run[at + "pattern"], pattern, FP32_ROUNDING)
    assert_close(run[at + "sink"], sink.T, FP32_ROUNDING)
    assert not torch.allclose(run.logits, model.run(PROMPT).logits, rtol=1e-4)


def test_other_scores_leave_another_share_to_the_sink(sinking):
    _, model, layer = sinking
    at = f"L{layer}."
    capture = [at + "sink", at + "pattern", at + "scores"]
    run = model.run(PROMPT, edits=[ue.add(f"{at}H{HEAD}.scores@{QUERY}", 2.0)], capture=capture)
    plain = model.run(PROMPT, capture=capture)
    total = run[at + "pattern"].sum(-1) + run[at + "sink"].T
    assert_close(total, torch.ones_like(total), FP32_ROUNDING)
    odds = [one[at + "sink"] / (1 - one[at + "sink"]) for one in (plain, run)]
    ratio = torch.ones_like(odds[0])
    ratio[QUERY, HEAD] = torch.e**-2
    assert_close(odds[1], odds[0] * ratio, 10 * FP32_ROUNDING)


def test_a_text_goes_on_the_same_with_and_without_a_cache(sinking):
    _, model, layer = sinking
    edits = [ue.scale(f"L{layer}.sink", 0.1)]
    found = model.generate(list(PROMPT), 4, edits=edits)
    assert found.new_ids == model.generate(list(PROMPT), 4, edits=edits, use_cache=False).new_ids


def test_a_row_of_several_is_a_run_of_its_own(sinking):
    _, model, layer = sinking
    name = f"L{layer}.sink"
    rows = (PROMPT, PROMPT[:4])
    requests = [Request(ids, [name], (ue.scale(f"L{layer}.H0.sink", 0.3),)) for ids in rows]
    for request, found in zip(requests, run_rows(model, requests), strict=True):
        alone = model.run(list(request.ids), edits=request.edits, capture=[name])
        assert_close(found[name], alone[name], FP32_ROUNDING)
        assert_close(found.logits, alone.logits, 10 * FP32_ROUNDING)


def test_gradients_reach_the_sink(sinking):
    family, model, layer = sinking
    name = f"L{layer}.sink"
    run = model.run(PROMPT, capture=[name], grad=True)
    (gradient,) = torch.autograd.grad(run.logits[-1, 7], run[name])

    push = torch.zeros((), dtype=torch.float64, requires_grad=True)
    logits, _, _ = by_hand(family, layer, take(lambda share: share + push, HEAD, QUERY))
    (expected,) = torch.autograd.grad(logits[-1, 7], push)
    assert_close(gradient[QUERY, HEAD], expected, 10 * FP32_ROUNDING)


def test_what_a_head_gets_from_each_position_sums_to_what_it_writes(sinking):
    """The sink's value is zero: of it a head gets nothing."""
    _, model, layer = sinking
    run = model.run(PROMPT, capture=ue.flow_capture(model, [layer]))
    graph = ue.flow_graph(run, [layer], n_heads=4, values_per_head=len(PROMPT), top_neurons=0)
    written = head_writes(run, layer)[-1]
    for head in range(4):
        links = [
            one for one in graph.links if one.kind == "memory" and one.target == f"L{layer}.H{head}"
        ]
        total = sum(one.coefficient * graph.vectors[one.row] for one in links)
        assert_close(total, written[head], FP32_ROUNDING)


def test_pages_and_flow_graphs_say_what_goes_to_the_sink(sinking):
    _, model, layer = sinking
    node = f"L{layer}.H{HEAD}"
    expected = model.run(PROMPT, capture=[f"L{layer}.sink"])[f"L{layer}.sink"][QUERY]
    capture = ue.component_capture(model, node, QUERY)
    page = ue.component(model.run(PROMPT, capture=capture), node, QUERY)
    assert page.sink == pytest.approx(float(expected[HEAD]), rel=1e-5)
    assert sum(page.attends_to) + page.sink == pytest.approx(1, abs=1e-6)
    run = model.run(PROMPT, capture=ue.flow_capture(model, [layer], QUERY))
    graph = ue.flow_graph(run, [layer], position=QUERY, n_heads=4)
    shown = {one.id: one.sink for one in graph.nodes if one.kind == "head"}
    assert shown == {
        f"L{layer}.H{head}": pytest.approx(float(share), rel=1e-5)
        for head, share in enumerate(expected)
    }
    assert all(one.sink is None for one in graph.nodes if one.kind != "head")
    console = Console(width=200, record=True, file=io.StringIO())
    print_flows(console, {"baseline": graph})
    assert f"sink {shown_number(float(expected[HEAD]))}" in console.export_text()


def test_a_layer_without_a_sink_says_so():
    family = next(one for one in UNLISTED if str(one) == "mimo_v2_flash")
    model = ue.load(family.build(), tokenizer=tiny_tokenizer())
    with pytest.raises(CapabilityError, match=r"no sink in layer 0: the attention of layer 0 has"):
        model.run(PROMPT, capture=["L0.sink"])
    page = ue.component(model.run(PROMPT, capture=ue.component_capture(model, "L0.H1")), "L0.H1")
    assert page.sink is None
    assert model.capabilities()["sink"].available
    without = ue.load(tiny_model("gpt2"), tokenizer=tiny_tokenizer())
    assert "sink" not in without.capabilities()


def test_a_sink_that_was_overlooked_is_caught(sinking):
    _, model, layer = sinking
    blocks = list(model.anatomy.blocks)
    blocks[layer] = replace(blocks[layer], mixer=replace(blocks[layer].attention, sink=False))
    report = check(model.module, replace(model.anatomy, blocks=tuple(blocks)), model.kind)
    assert "pattern" in report.reasons


def test_a_kernel_that_ignores_the_sink_is_caught(sinking):
    """The sink is then of no effect: what would be shown of it is refused with the heads."""
    family, model, _ = sinking
    module = family.build()

    def forward(
        core: Any, q: Tensor, k: Tensor, v: Tensor, mask: Any, scaling: float, **given: Any
    ) -> tuple[Tensor, None]:
        return nn.functional.scaled_dot_product_attention(
            q, k, v, mask, scale=scaling, enable_gqa=True
        ).transpose(1, 2), None

    file = sys.modules[type(core_of(module)).__module__]
    with mock.patch.object(file, "eager_attention_forward", forward):
        report = check(module, model.anatomy, model.kind)
    assert {"z", "pattern", "sink"} <= set(report.reasons)


def test_a_sink_of_each_query_is_read_as_one_of_each_head():
    """Kernels may be given the sink's logits by query, as Inkling's is."""
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 4, 6, 8, generator=generator)
    logits = torch.randn(1, 4, 6, 1, generator=generator)
    call = attention_call.KernelArguments(nn.Module(), query, key, key, None, {"sinks": logits})
    heads, rows = [1, 3], [0, 2, 5]
    whole = torch.softmax(torch.cat([call.scores(range(4)), logits], -1), -1)[:, heads][:, :, rows]
    scores = call.scores(heads, rows)
    assert_close(call.pattern(scores, heads, rows), whole[..., :-1])
    assert_close(call.share(scores, heads, rows), whole[..., -1])
