"""The checks of published flow graphs, on a tiny model: right figures pass, wrong are noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.analyses.flow.options import FlowOptions
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..analyses.flow_oracle import SlowFlow
from ..analyses.slow import Slow
from ..contract.oracle import Oracle
from . import flow_checks
from .flow_figures import FLOWS, Box, Flow

PROMPT = "the cat sat on the mat"
LAYER = 1
TARGET = " a"


@pytest.fixture(scope="module")
def model():
    return ue.load(tiny_model("gpt2"), tokenizer=tiny_tokenizer())


@pytest.fixture(scope="module")
def slow():
    """The same weights in float64, run by hooks of the tests' own."""
    return Slow(Oracle("gpt2", torch.float64))


@pytest.fixture(scope="module")
def figures(model, slow):
    """A graph as somebody else would have published it."""
    ids = tuple(model.tokenize(PROMPT))
    drawn = SlowFlow(slow, [LAYER], options=FlowOptions(n_heads=0), ids=ids)
    heads = [node for node in drawn.nodes if drawn.nodes[node].kind == "head"]
    heads.sort(key=lambda name: -float(drawn.nodes[name].vectors[""].norm()))
    values = [name for name in drawn.nodes if name.startswith(f"{heads[0]}.value@")]
    most = max(values, key=lambda name: drawn.nodes[name].facts["attention"])
    attended = ids[int(most.partition("@")[2])]
    shown = [*heads, *values, f"L{LAYER}.attn_out", f"L{LAYER}.mlp_bias", *neurons(drawn)]
    widths = [(*pair, link) for pair, link in drawn.links.items() if pair[1].endswith("mlp_out")]
    return Flow(
        "tiny",
        PROMPT,
        LAYER,
        TARGET,
        tuple(box(model, slow, name, drawn.nodes[name]) for name in shown),
        tuple(int(name.partition(".H")[2]) for name in heads),
        ((int(heads[0].partition(".H")[2]), model.token(attended).text.strip()),),
        tuple((source, target, round(link.width, 3)) for source, target, link in widths),
    )


def neurons(drawn):
    return [name for name, node in drawn.nodes.items() if node.kind == "neuron"][:3]


def box(model, slow, name, node):
    logits = slow.decode(node.vectors[""][None])[0]
    target = model.token_id(TARGET)
    facts = {
        key: round(node.facts[key], 3) for key in ("activation", "attention") if key in node.facts
    }
    return Box(
        name,
        tuple(model.token(one).text.strip() for one in logits.topk(4).indices.tolist()),
        round(float(logits.softmax(-1)[target]), 5),
        1 + int((logits > logits[target]).sum()),
        round(float(node.vectors[""].norm()), 3),
        **facts,
    )


def test_figures_computed_by_hand_pass(model, figures):
    assert flow_checks.check_flow(model, figures) == []


def changed(figures, index, **values):
    boxes = list(figures.boxes)
    boxes[index] = replace(boxes[index], **values)
    return replace(figures, boxes=tuple(boxes))


def with_fact(figures, name):
    return next(i for i, one in enumerate(figures.boxes) if getattr(one, name) is not None)


WRONG = {
    "tokens": lambda f: changed(f, 0, top=(f.boxes[0].top[1], f.boxes[0].top[0])),
    "probability": lambda f: changed(f, 0, probability=f.boxes[0].probability + 0.001),
    "rank": lambda f: changed(f, 1, rank=f.boxes[1].rank + 1),
    "norm": lambda f: changed(f, 0, norm=f.boxes[0].norm * 1.01),
    "activation": lambda f: changed(f, with_fact(f, "activation"), activation=9.0),
    "sign of an activation": lambda f: changed(
        f,
        with_fact(f, "activation"),
        activation=-f.boxes[with_fact(f, "activation")].activation,
    ),
    "attention": lambda f: changed(
        f,
        with_fact(f, "attention"),
        attention=f.boxes[with_fact(f, "attention")].attention + 0.004,
    ),
    "a node that is not there": lambda f: changed(f, 0, node="L1.H9"),
    "order of heads": lambda f: replace(f, heads=f.heads[::-1]),
    "memory": lambda f: replace(f, memory=((f.memory[0][0], "else"),)),
    "width": lambda f: replace(f, widths=((*f.widths[0][:2], f.widths[0][2] * 1.01),)),
    "another layer's": lambda f: changed(f, 0, node=f.boxes[1].node),
    "another target": lambda f: replace(f, target=" s"),
    "another prompt": lambda f: replace(f, prompt=PROMPT + " a"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_figure_is_noticed(mistake, model, figures):
    assert flow_checks.check_flow(model, WRONG[mistake](figures)) != []


def test_the_figures_are_well_formed():
    names = [flow.name for flow in FLOWS]
    assert len(set(names)) == len(names)
    for flow in FLOWS:
        nodes = [one.node for one in flow.boxes]
        assert len(set(nodes)) == len(nodes)
        assert all(name.startswith(f"L{flow.layer}.") for name in nodes)
        for one in flow.boxes:
            assert any(
                (one.top, one.probability, one.rank, one.norm, one.activation, one.attention)
            )
