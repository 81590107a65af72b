"""Models whose token mixer is not attention, in some layers or in all.

The reference is Hugging Face's own forward pass, with hooks of this file's own.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unembed as ue
from unembed.engine.model import Model
from unembed.errors import CapabilityError
from unembed.models.tiny import tiny_tokenizer

from .closeness import PROMPT, assert_close
from .unlisted import MIXED, UNLISTED, Unlisted

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families

HYBRIDS = [family for family in UNLISTED if str(family) in MIXED]
CAUSAL = [family for family in HYBRIDS if not family.masked]
LAYER = 0  # of every one of them a layer without attention


@pytest.fixture(params=HYBRIDS, ids=str, scope="module")
def hybrid(request: Any) -> tuple[Unlisted, Model]:
    family: Unlisted = request.param
    return family, ue.load(family.build(), tokenizer=tiny_tokenizer())


def mixer_of(module: nn.Module, family: Unlisted) -> nn.Module:
    """The first module of the class that the family's mixer is of."""
    kind = MIXED[str(family)]
    return next(one for one in module.modules() if type(one).__name__ == kind)


def first(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple | list) else output


def with_first(output: Any, value: Tensor) -> Any:
    return type(output)([value, *output[1:]]) if isinstance(output, tuple | list) else value


def test_what_the_mixer_reads_and_gives_is_its_modules_own(hybrid):
    family, model = hybrid
    seen: dict[str, Tensor] = {}

    def keep(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        given = args[0] if args else kwargs["hidden_states"]
        seen.setdefault("in", given[0].clone())
        seen.setdefault("out", first(output)[0].clone())

    module = family.build()
    mixer_of(module, family).register_forward_hook(keep, with_kwargs=True)
    with torch.no_grad():
        module(torch.tensor([PROMPT]))
    run = model.run(PROMPT, capture=[f"L{LAYER}.mixer_in", f"L{LAYER}.mixer_out"])
    assert torch.equal(run[f"L{LAYER}.mixer_in"], seen["in"])
    added = model.block(LAYER).mixer.added
    if added.module == name_of(model.module, family):
        assert torch.equal(run[f"L{LAYER}.mixer_out"], seen["out"] * added.scale)
    else:  # a norm stands between the mixer and the stream
        assert str(family) in ("olmo_hybrid", "lfm3")


def name_of(module: nn.Module, family: Unlisted) -> str:
    kind = MIXED[str(family)]
    return next(name for name, one in module.named_modules() if type(one).__name__ == kind)


def test_an_edit_of_the_mixer_is_a_hook_on_its_module(hybrid):
    family, model = hybrid

    def cut(_: nn.Module, __: Any, output: Any) -> Any:
        value = first(output).clone()
        value[:, 3] = 0
        return with_first(output, value)

    module = family.build()
    added = model.block(LAYER).mixer.added.module
    module.get_submodule(added).register_forward_hook(cut)
    with torch.no_grad():
        expected = module(torch.tensor([PROMPT])).logits[0]
    for target in (f"L{LAYER}.mixer@3", f"L{LAYER}.mixer_out@3"):
        found = model.run(PROMPT, edits=[ue.zero(target)]).logits
        assert torch.equal(found, expected)
    assert not torch.equal(expected, model.run(PROMPT).logits)


@pytest.mark.parametrize("family", CAUSAL, ids=str)
def test_a_text_goes_on_the_same_with_and_without_its_states_kept(family):
    model = ue.load(family.build(), tokenizer=tiny_tokenizer())
    ids, edits = list(PROMPT), [ue.scale(f"L{LAYER}.mixer", 0.5)]
    found = model.generate(ids, 5, edits=edits)
    assert found.new_ids == model.generate(ids, 5, edits=edits, use_cache=False).new_ids
    slow: list[int] = []
    for _ in range(len(found.new_ids)):
        slow.append(int(model.run([*ids, *slow], edits=edits).logits[-1].argmax()))
    assert list(found.new_ids) == slow


def test_the_last_row_of_the_lens_is_the_models_own_prediction(hybrid):
    _, model = hybrid
    lens = ue.logit_lens(model, PROMPT, subblocks=True, top_k=3)
    run = model.run(PROMPT)
    own = [[one.token.id for one in run.top(3, position)] for position in range(len(PROMPT))]
    assert lens.top_ids[-1].tolist() == own


def test_what_a_layer_does_not_have_is_refused_by_layer_with_the_reason(hybrid):
    family, model = hybrid
    for site in ("q", "pattern", "z", "attn_out"):
        with pytest.raises(CapabilityError, match=f"layer {LAYER}.*{MIXED[str(family)]}"):
            model.run(PROMPT, capture=[f"L{LAYER}.{site}"])


def test_a_flow_graph_draws_the_mixer_as_one_link(hybrid):
    _, model = hybrid
    layers = list(range(model.anatomy.n_layers))
    graph = ue.flow_graph(model.run(PROMPT, capture=ue.flow_capture(model, layers)), layers)
    link = next(one for one in graph.links if one.kind == "mixer")
    assert (link.source, link.target) == (f"L{LAYER}.mixer_in", f"L{LAYER}.mixer_out")
    added = model.run(PROMPT, capture=[f"L{LAYER}.mixer_out"])[f"L{LAYER}.mixer_out"][-1]
    assert link.norm == pytest.approx(float(added.float().norm()), rel=1e-5)
    assert any("drawn as one link" in note for note in graph.notes)


def test_a_mixers_page_and_sub_updates_say_what_there_is(hybrid):
    family, model = hybrid
    node = f"L{LAYER}.mixer"
    page = ue.component(model.run(PROMPT, capture=ue.component_capture(model, node)), node)
    added = model.run(PROMPT, capture=[f"L{LAYER}.mixer_out"])[f"L{LAYER}.mixer_out"][-1]
    assert_close(torch.tensor(page.write_norm), added.float().norm().cpu())
    run = model.run(PROMPT, capture=ue.sub_updates_capture(model))
    row = ue.sub_updates(run).layers[LAYER]
    assert row.heads is None
    assert MIXED[str(family)] in row.heads_reason


def test_a_sweep_and_a_partial_forward_read_the_mixer(hybrid):
    _, model = hybrid
    whole = model.run(PROMPT, capture=[f"L{LAYER}.mixer_out"])[f"L{LAYER}.mixer_out"]
    part = ue.partial_forward(model, [f"L{LAYER}.mixer_out"], PROMPT)
    assert_close(next(iter(part.values())).reshape(whole.shape), whole)
