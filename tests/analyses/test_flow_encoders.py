"""Flow graphs of encoder-decoders: heads that attend to the encoder, their sums, effects and cuts.

What heads write and what that does to a logit is computed here from transformers' own patterns,
states and weights, one head and one norm after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unembed as ue
from unembed.engine.model import Model
from unembed.errors import CapabilityError, InputError, TargetError
from unembed.figures.flow.words import sum_words
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.questions.flow_cost import most_vectors

from ..contract.closeness import assert_close
from ..contract.encoder_decoders import PROMPT, SOURCE, WIRED, build, plain

NAMES = ("t5", "bart", "mbart")  # nothing is normalised on its way, the stream is, each branch is
LAYERS, POSITION, TOKEN = (0, 1, 2), 5, 7
EVERYTHING: dict[str, Any] = {"n_heads": 0, "values_per_head": len(SOURCE), "rest": True}
every_family = pytest.mark.parametrize("name", NAMES)


@cache
def model_of(name: str) -> Model:
    return ue.load(build(name), tokenizer=tiny_tokenizer())


@cache
def run_of(name: str) -> ue.Run:
    model = model_of(name)
    return model.run(PROMPT, ue.flow_capture(model, LAYERS, POSITION), source=SOURCE)


def graph_of(name: str, layers: tuple[int, ...] = LAYERS, **options: Any) -> ue.FlowGraph:
    return ue.flow_graph(run_of(name), layers, target=TOKEN, position=POSITION, **options)


def passed(graph: ue.FlowGraph, end: str, *kinds: str) -> Tensor:
    """The sum of what all links of these kinds bring to a node."""
    links = [link for link in graph.links if link.target == end and link.kind in kinds]
    assert links
    return torch.stack([graph.vectors[link.row] * link.coefficient for link in links]).sum(0)


# ---------------------------------------------------------------- by hand


class ByHand:
    """Attention of one layer to the encoder, at the position, from what transformers reports."""

    def __init__(self, name: str, layer: int) -> None:
        self.module = build(name)  # of its own: hooks for outputs stay on a module
        self.wired, self.layer = WIRED[name], layer
        self.module.set_attn_implementation("eager")
        out = plain(self.module, output_attentions=True)
        self.pattern = out.cross_attentions[layer][0, :, POSITION]  # [head, key]
        core = self.part(self.wired.cross_attention)
        value = core.get_submodule("v" if name.startswith("t5") else "v_proj")
        self.values = value(out.encoder_last_hidden_state[0]).detach()
        self.out: nn.Linear = core.get_submodule(self.wired.output_map)

    def part(self, name: str) -> nn.Module:
        return self.module.get_submodule(f"{self.wired.decoder.format(self.layer)}.{name}")

    def value(self, head: int, key: int) -> Tensor:
        """A value of the source through the head's rows of W_O."""
        width = self.values.shape[1] // len(self.pattern)
        own = slice(head * width, (head + 1) * width)
        return (self.out.weight[:, own] @ self.values[key, own]).detach()

    def head(self, head: int) -> Tensor:
        parts = [self.pattern[head, key] * self.value(head, key) for key in range(len(SOURCE))]
        return torch.stack(parts).sum(0)


def norms_behind(name: str, layer: int) -> list[str]:
    """The norms that the stream passes behind a layer's attention to the encoder."""
    if name == "t5":
        return ["decoder.final_layer_norm"]
    if name == "mbart":
        return ["model.decoder.layer_norm"]
    found = [f"{layer}.encoder_attn_layer_norm", f"{layer}.final_layer_norm"]
    for later in range(layer + 1, 3):
        found += [f"{later}.{one}" for one in ("self_attn_layer_norm", *_BEHIND)]
    return [f"model.decoder.layers.{one}" for one in found]


_BEHIND = ("encoder_attn_layer_norm", "final_layer_norm")


def effect_by_hand(name: str, layer: int, written: Tensor) -> float:
    """On the logit of the token, with every norm on the way as it was in the plain run."""
    module, seen = build(name), {}
    for norm in norms_behind(name, layer):

        def keep(_: nn.Module, args: tuple[Tensor, ...], norm: str = norm) -> None:
            seen[norm] = args[0][0, POSITION]

        module.get_submodule(norm).register_forward_pre_hook(keep)
    plain(module)
    for norm in norms_behind(name, layer):
        part, given = module.get_submodule(norm), seen[norm]
        eps = getattr(part, "eps", None) or part.variance_epsilon
        if isinstance(part, nn.LayerNorm):
            written, given = written - written.mean(), given - given.mean()
        written = part.weight * written / (given.square().mean() + eps).sqrt()
    factor = module.config.d_model**-0.5 if name == "t5" else 1.0
    return float((module.lm_head.weight[TOKEN] @ written).detach()) * factor


# ---------------------------------------------------------------- numbers


@every_family
def test_heads_and_values_are_those_of_plain_loops(name):
    graph = graph_of(name, (1,), **EVERYTHING)
    by_hand = ByHand(name, 1)
    for head in range(len(by_hand.pattern)):
        node = graph.node(f"L1.X{head}")
        assert_close(graph.vectors[node.readings[0].row], by_hand.head(head))
        assert node.address == f"L1.X{head}"
        for key in range(len(SOURCE)):
            value = graph.node(f"L1.X{head}.value@{key}")
            assert_close(graph.vectors[value.readings[0].row], by_hand.value(head, key))
            assert value.attention == pytest.approx(float(by_hand.pattern[head, key]), rel=1e-9)
            assert value.token.id == SOURCE[key]
            assert value.position == key


@every_family
def test_links_sum_to_what_was_added(name):
    """Whatever is shown: the rest is a node of its own."""
    run = run_of(name)
    for options in (EVERYTHING, {"n_heads": 2, "values_per_head": 2, "rest": True}):
        graph = graph_of(name, **options)
        for layer in LAYERS:
            end = f"L{layer}.cross_out"
            assert_close(passed(graph, end, "head", "bias", "rest"), run[end][POSITION])
            for head in graph.selection[layer].cross_heads:
                written = graph.vectors[graph.node(f"L{layer}.X{head}").readings[0].row]
                assert_close(passed(graph, f"L{layer}.X{head}", "memory", "rest"), written)
            shares = [one.share for one in graph.links if one.target == end and one.share]
            assert sum(shares) == pytest.approx(1, abs=1e-9)
            (row,) = (one for one in graph.sums if (one.layer, one.branch) == (layer, "cross"))
            assert row.heads + row.bias + row.rest == pytest.approx(1, abs=1e-9)
            streams = [run[f"L{layer}.{site}"][POSITION] for site in ("resid_mid", "cross_out")]
            found = passed(graph, f"L{layer}.resid_mid_cross", "residual_attn", "branch")
            assert_close(found, sum(streams))


@every_family
def test_what_is_attributed_is_the_effect_by_hand(name):
    graph = graph_of(name, (1,), **EVERYTHING)
    by_hand = ByHand(name, 1)
    wanted = {f"L1.X{head}": by_hand.head(head) for head in (0, 2)}
    wanted["L1.X2.value@8"] = by_hand.pattern[2, 8] * by_hand.value(2, 8)
    wanted["L1.cross_out"] = run_of(name)["L1.cross_out"][POSITION]
    for node, written in wanted.items():
        effect = effect_by_hand(name, 1, written)
        assert abs(effect) > 1e-6
        assert graph.node(node).attributed == pytest.approx(effect, rel=1e-7)


def test_all_that_is_written_is_the_logit():
    """Norms of T5 have no biases, so nothing else is in it."""
    graph = graph_of("t5", rest=True)
    logit = model_of("t5").run(PROMPT, source=SOURCE).logits[POSITION, TOKEN]
    begin = graph.link("L0.resid_pre", "L0.resid_mid").attributed
    for parts in (("head", "rest"), ("branch",)):
        ends = "cross_out" if "head" in parts else "resid_mid_cross"
        total = begin
        for layer in LAYERS:
            total += graph.node(f"L{layer}.attn_out").attributed
            total += graph.node(f"L{layer}.mlp_out").attributed
            total += sum(
                link.attributed
                for link in graph.links
                if link.target == f"L{layer}.{ends}" and link.kind in parts
            )
        assert total == pytest.approx(float(logit), rel=1e-9)


# ---------------------------------------------------------------- cuts

CUTS = ("L1.X2", "L1.cross", "L1.X2.value@8", "L1.cross_in", "L1.X2>L1.cross_out")


@every_family
def test_a_cut_is_the_edit_that_it_means(name):
    run, model = run_of(name), model_of(name)
    at = [POSITION]
    means = {
        "L1.X2": ue.zero("L1.X2", positions=at),
        "L1.X2>L1.cross_out": ue.zero("L1.X2", positions=at),
        "L1.cross": ue.zero("L1.cross_out", positions=at),
        "L1.cross_out>L1.resid_mid_cross": ue.zero("L1.cross_out", positions=at),
        "L1.resid_mid>L1.cross_in": ue.zero("L1.cross_in", positions=at),
        "L1.X2.value@8": ue.zero(f"L1.X2@{POSITION}<8"),
        "L1.X2.value@8>L1.X2": ue.zero(f"L1.X2@{POSITION}<8"),
        "L1.cross_in>L1.X2.value@8": ue.zero(f"L1.X2@{POSITION}<8"),
        "L1.resid_mid_cross>L1.mlp_in": ue.zero("L1.mlp_in", positions=at),
    }
    for text, edit in means.items():
        (made,) = ue.cut(run, text, POSITION)
        found = model.run(PROMPT, edits=[made], source=SOURCE).logits
        assert torch.equal(found, model.run(PROMPT, edits=[edit], source=SOURCE).logits), text


@contextmanager
def without(module: nn.Module, name: str, taken: Tensor) -> Iterator[None]:
    """A hook of its own: what a module returns at the position, less something."""

    def less(_module: nn.Module, _args: Any, output: Any) -> Any:
        whole = (output[0] if isinstance(output, tuple) else output).clone()
        whole[0, POSITION] -= taken
        return (whole, *output[1:]) if isinstance(output, tuple) else whole

    handle = module.get_submodule(name).register_forward_hook(less)
    try:
        yield
    finally:
        handle.remove()


def test_the_bias_and_the_stream_past_it_are_cut_as_hooks_would():
    module, model, run = build("mbart"), model_of("mbart"), run_of("mbart")
    name = "model.decoder.layers.1.encoder_attn"
    bias = module.get_submodule(name).out_proj.bias.detach()
    stream = run["L1.resid_mid"][POSITION]
    links = {"L1.cross_bias": bias, "L1.resid_mid>L1.resid_mid_cross": stream}
    for link, taken in links.items():
        with without(module, f"{name}.out_proj", taken):
            expected = plain(module).logits[0]
        edits = ue.cut(run, link, POSITION)
        assert_close(model.run(PROMPT, edits=edits, source=SOURCE).logits, expected)


@every_family
def test_a_cut_is_attributed_what_the_graph_says(name):
    run, graph = run_of(name), graph_of(name, (1,), **EVERYTHING)
    report = ue.measure_cuts(run, CUTS, target=TOKEN, position=POSITION)
    by_name = {one.name: one for one in report.cuts}
    for cut, node in (("L1.X2", "L1.X2"), ("L1.X2.value@8",) * 2, ("L1.cross", "L1.cross_out")):
        assert by_name[cut].attributed == pytest.approx(-graph.node(node).attributed, rel=1e-9)
    assert by_name["L1.cross_in"].attributed is None
    union = ue.measure_cuts(
        run, ["L1.X2", "L1.X2.value@8", "L1.X0"], target=TOKEN, position=POSITION
    ).together
    both = graph.node("L1.X2").attributed + graph.node("L1.X0").attributed
    assert union.attributed == pytest.approx(-both, rel=1e-9)


def test_the_stream_has_what_was_written_before_it():
    """A cut of it together with what is in it already takes nothing twice."""
    run = run_of("mbart")
    past = "L1.resid_mid_cross>L1.resid_post"
    cuts = [past, "L1.X2", "L1.attn", "L1.mlp"]
    report = ue.measure_cuts(run, cuts, target=TOKEN, position=POSITION)
    alone = {one.name: one.attributed for one in report.cuts}
    assert report.together.attributed == pytest.approx(alone[past] + alone["L1.mlp"], rel=1e-9)


# ---------------------------------------------------------------- what is shown, and what is not


def test_heads_can_be_named_and_another_graph_followed():
    graph = graph_of("bart", n_heads=1, include=("L1.X0", "L1.X3"))
    assert {0, 3} <= set(graph.selection[1].cross_heads)
    model = model_of("bart")
    capture = ue.flow_capture(model, LAYERS, POSITION)
    edited = model.run(PROMPT, capture, [ue.zero("E1.mlp@9")], source=SOURCE)
    alike = ue.flow_graph(edited, LAYERS, target=TOKEN, position=POSITION, like=graph)
    assert {node.id for node in alike.nodes} == {node.id for node in graph.nodes}
    assert alike.selection == graph.selection


def test_a_whole_target_keeps_edits_of_the_source():
    """Their positions are beyond the prompt's: they must not be taken for later ones."""
    model, edits = model_of("bart"), [ue.zero("E1.mlp@9"), ue.zero("L1.cross_v@9")]
    text = model.token(40).text + model.token(41).text
    if len(model.tokenizer(text, add_special_tokens=False)["input_ids"]) < 2:
        text = "he sat"
    run = model.run(PROMPT, ue.flow_capture(model, [1]), edits, source=SOURCE)
    graph = ue.flow_graph(run, [1], target=text, target_mode="whole")
    assert len(graph.target.tokens) > 1
    ids = [token.id for token in graph.target.tokens]
    longer = model.run((*PROMPT, *ids[:-1]), edits=edits, source=SOURCE)
    probability = 1.0
    for at, token in enumerate(ids):
        probability *= float(longer.distribution(len(PROMPT) - 1 + at)[token])
    assert graph.output.target.probability == pytest.approx(probability, rel=1e-6)


@pytest.mark.parametrize(
    "options", [{}, EVERYTHING, {"include": ("L1.X0",), "n_heads": 1}], ids=str
)
def test_no_graph_reads_more_vectors_than_are_counted(options):
    model, run = model_of("bart"), run_of("bart")
    graph = graph_of("bart", (1,), **options)
    counted = most_vectors(model.anatomy.blocks[1], graph.options, run.lengths)
    assert len(graph.vectors) <= counted <= 3 * len(graph.vectors)


def test_what_there_is_no_cut_of_is_refused():
    run = run_of("bart")
    with pytest.raises(TargetError, match="attend to the encoder between them"):
        ue.cut(run, "L1.resid_mid>L1.resid_post")
    for name in ("E1.H2", "L1.cross_v@8", "L1.X1>L1.z", "L1.X1.query"):
        with pytest.raises(TargetError, match="names no node or link"):
            ue.cut(run, name)
    with pytest.raises(TargetError, match="position 10 is not"):
        ue.cut(run, "L1.X1.value@10")
    with pytest.raises(TargetError, match="head 4 is not in this model"):
        ue.cut(run, "L1.X4")


def test_a_model_without_an_encoder_has_no_such_links(tiny):
    run = tiny.run([5, 6])
    for name in ("L1.X1", "L1.cross_bias", "L1.resid_mid>L1.resid_mid_cross", "L1.cross_in"):
        with pytest.raises(CapabilityError, match="do not attend to an encoder"):
            ue.cut(run, name)


@pytest.fixture
def tiny() -> Model:
    return ue.load(tiny_model("gpt2"), tiny_tokenizer())


def test_it_is_drawn_and_said():
    graph = graph_of("bart", rest=True, n_heads=2)
    figure = graph.plot()
    hovers = str(figure.to_dict())
    assert "attends to the encoder: what it writes" in hovers
    assert "made at source position" in hovers
    assert "cross out" in hovers
    assert "L1.X" in graph.to_html()
    assert "attention to the encoder: adds a vector" in sum_words(graph.sums[1])


def test_what_is_of_the_encoder_is_in_no_graph_of_the_decoder():
    """Its layers have the same numbers: a head of the encoder must not be taken for another one."""
    model, run = model_of("bart"), run_of("bart")
    with pytest.raises(TargetError, match="through the attention of the decoder only"):
        graph_of("bart", include=("E1.H2",))
    with pytest.raises(TargetError, match="of the encoder") as caught:
        ue.cut(run, "E1.H2@3")
    assert caught.value.fix == 'edit it and look at what changes: ue.zero("E1.H2")'
    vector = torch.ones(model.anatomy.d_model, dtype=torch.float64)
    inner = ue.Objective.direction("E1.resid_post", vector, position=POSITION)
    with pytest.raises(InputError, match="nothing writes directly"):
        ue.flow_graph(run, LAYERS, target=inner, position=POSITION)
    parts = model.run(PROMPT, ue.sub_updates_capture(model), source=SOURCE)
    with pytest.raises(InputError, match="nothing writes directly"):
        ue.sub_updates(parts, POSITION, target=inner)
