"""The self-check passes what is right and catches every anatomy that was wired wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from unembed.engine.checks.report import relative_error
from unembed.engine.checks.selfcheck import check
from unembed.engine.passes.hooks import Instrument
from unembed.models.anatomy import Anatomy, BlockAnatomy, Tap

from .closeness import DTYPES
from .footprint import footprint
from .wiring import NAMES

LAYER = 1


def at_layer(change: Callable[[BlockAnatomy], BlockAnatomy]) -> Callable[[Anatomy], Anatomy]:
    """A mistake in one layer only."""

    def changed(anatomy: Anatomy) -> Anatomy:
        blocks = list(anatomy.blocks)
        blocks[LAYER] = change(blocks[LAYER])
        return replace(anatomy, blocks=tuple(blocks))

    return changed


def attention(**fields: Any) -> Callable[[Anatomy], Anatomy]:
    return at_layer(lambda block: replace(block, mixer=replace(block.mixer, **fields)))


def mlp(**fields: Any) -> Callable[[Anatomy], Anatomy]:
    return at_layer(lambda block: replace(block, feed_forward=replace(block.mlp, **fields)))


def head(**fields: Any) -> Callable[[Anatomy], Anatomy]:
    return lambda anatomy: replace(anatomy, head=replace(anatomy.head, **fields))


def from_another_layer(branch: str, *fields: str) -> Callable[[Anatomy], Anatomy]:
    """Parts of one layer that belong to the next."""

    def changed(anatomy: Anatomy) -> Anatomy:
        other = getattr(anatomy.blocks[LAYER + 1], branch)
        wrong = {field: getattr(other, field) for field in fields}
        return at_layer(lambda b: replace(b, **{branch: replace(getattr(b, branch), **wrong)}))(
            anatomy
        )

    return changed


def gate_and_in_swapped(anatomy: Anatomy) -> Anatomy:
    part = anatomy.blocks[LAYER].mlp
    return mlp(gate=part.pre, pre=part.gate)(anatomy)


def halves_swapped(anatomy: Anatomy) -> Anatomy:
    pre = anatomy.blocks[LAYER].mlp.pre
    return mlp(pre=replace(pre, half=1 - pre.half))(anatomy)


def fewer_heads(anatomy: Anatomy) -> Anatomy:
    part = anatomy.blocks[LAYER].attention
    return attention(n_heads=part.n_heads // 2, d_head=part.d_head * 2)(anatomy)


def every_key_its_own(anatomy: Anatomy) -> Anatomy:
    return attention(n_kv_heads=anatomy.n_heads)(anatomy)


def no_multiplier(anatomy: Anatomy) -> Anatomy:
    added = anatomy.blocks[LAYER].attention.added
    return attention(added=replace(added, scale=1.0))(anatomy)


def no_mlp_multiplier(anatomy: Anatomy) -> Anatomy:
    added = anatomy.blocks[LAYER].mlp.added
    return mlp(added=replace(added, scale=1.0))(anatomy)


def before_the_post_norm(anatomy: Anatomy) -> Anatomy:
    part = anatomy.blocks[LAYER].attention
    return attention(added=Tap(part.output_map, "output"), post_norm=None)(anatomy)


def blocks_in_another_order(anatomy: Anatomy) -> Anatomy:
    first, second, *rest = anatomy.blocks
    swapped = (replace(second, layer=0), replace(first, layer=1), *rest)
    return replace(anatomy, blocks=swapped)


def parallel_taken_for_sequential(anatomy: Anatomy) -> Anatomy:
    tap = Tap(anatomy.blocks[LAYER].mlp.inputs[0].module, "input", in_place=True)
    return at_layer(lambda block: replace(block, arrangement="sequential", resid_mid=tap))(anatomy)


def sequential_taken_for_parallel(anatomy: Anatomy) -> Anatomy:
    return at_layer(lambda block: replace(block, arrangement="parallel", resid_mid=None))(anatomy)


def only_the_first_mlp_map(anatomy: Anatomy) -> Anatomy:
    return mlp(inputs=anatomy.blocks[LAYER].mlp.inputs[:1])(anatomy)


def no_value_map(anatomy: Anatomy) -> Anatomy:
    maps = anatomy.blocks[LAYER].attention.maps
    return attention(maps=tuple(name for name in maps if "v_proj" not in name))(anatomy)


@dataclass(frozen=True)
class Mistake:
    name: str
    family: str
    make: Callable[[Anatomy], Anatomy]

    def __str__(self) -> str:
        return f"{self.name}-{self.family}"


def _mistakes() -> list[Mistake]:
    def in_each(name: str, families: str, make: Callable[[Anatomy], Anatomy]) -> list[Mistake]:
        return [Mistake(name, family, make) for family in families.split()]

    layers = "gpt2 gptj bloom llama gemma2 bert"
    return [
        *in_each("wrong W_O", layers, from_another_layer("mixer", "output_map")),
        *in_each("wrong attention", layers, from_another_layer("mixer", "core")),
        *in_each("wrong attn_in", layers, from_another_layer("mixer", "maps")),
        *in_each("no value map", "llama opt gptj qwen3_moe", no_value_map),
        *in_each("wrong attn_out", "gpt2 granite", from_another_layer("mixer", "added")),
        *in_each("fewer heads", layers, fewer_heads),
        *in_each("every key its own", "llama mixtral gemma3 falcon", every_key_its_own),
        *in_each("gate and in swapped", "llama granite gemma3", gate_and_in_swapped),
        *in_each("halves swapped", "phi3 glm4 modernbert", halves_swapped),
        *in_each("wrong W_out", layers, from_another_layer("feed_forward", "output_map")),
        *in_each("wrong mlp_in", layers, from_another_layer("feed_forward", "inputs")),
        *in_each("only the first mlp map", "llama gemma3 granite", only_the_first_mlp_map),
        *in_each("wrong mlp_out", "gpt2 mixtral", from_another_layer("feed_forward", "added")),
        *in_each("no post-norm", "gemma2 gemma3 olmo2 glm4", before_the_post_norm),
        *in_each("post-norm forgotten", "gemma2 olmo2", attention(post_norm=None)),
        *in_each("mlp post-norm forgotten", "gemma2 olmo2", mlp(post_norm=None)),
        *in_each("wrong stream norms", "bert", from_another_layer_norms()),
        *in_each("no residual multiplier", "granite", no_multiplier),
        *in_each("no mlp multiplier", "granite", no_mlp_multiplier),
        *in_each("blocks in another order", "gpt2 llama bert", blocks_in_another_order),
        *in_each("parallel as sequential", "gptj cohere", parallel_taken_for_sequential),
        *in_each("sequential as parallel", "gpt2 llama", sequential_taken_for_parallel),
        *in_each("wrong final norm", "llama", head(chain=("model.layers.0.input_layernorm",))),
        *in_each("no final norm", "gpt2 llama gemma2 modernbert", head(chain=())),
        *in_each("no soft cap", "gemma2", head(softcap=None)),
        *in_each("wrong soft cap", "gemma2", head(softcap=4.0)),
        *in_each("no logit scale", "cohere", head(multiplier=1.0)),
        *in_each("no logit divisor", "granite", head(divisor=1.0)),
        *in_each("wrong unembedding", "llama", head(unembedding="model.layers.1.mlp.up_proj")),
    ]


def from_another_layer_norms() -> Callable[[Anatomy], Anatomy]:
    return lambda anatomy: at_layer(
        lambda block: replace(block, stream_norms=anatomy.blocks[LAYER + 1].stream_norms)
    )(anatomy)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_the_right_anatomy_passes(name, dtype, model_of):
    """Loading ran the check, and the model keeps its report."""
    report = model_of(name, dtype).report
    assert report.passed, (report.fatal, report.reasons)
    assert report.errors


@pytest.mark.parametrize("mistake", _mistakes(), ids=str)
def test_every_mistake_is_caught(mistake, model_of):
    """In fp32, where the check must be the more lenient."""
    model = model_of(mistake.family, torch.float32)
    wrong = mistake.make(model.anatomy)
    assert wrong != model.anatomy
    before = footprint(model.module)
    report = check(model.module, wrong, model.kind)
    assert not report.passed
    assert len(report.fatal or next(iter(report.reasons.values()))) > 30
    assert footprint(model.module) == before


@pytest.mark.parametrize("pair", [("q", "k"), ("k", "v"), ("scores", "pattern")], ids="-".join)
@pytest.mark.parametrize("name", ["gpt2", "gptj", "bert"])
def test_swapped_names_of_what_attention_sees_are_caught(name, pair, model_of, monkeypatch):
    """Here every head has its own key and value, so the shapes agree."""
    model, seen = model_of(name, torch.float32), Instrument.on
    other = dict(zip(pair, reversed(pair), strict=True))

    def swapped(self, core, site, value):
        return seen(self, core, other.get(site, site), value)

    monkeypatch.setattr(Instrument, "on", swapped)
    assert not check(model.module, model.anatomy, model.kind).passed


def test_scores_that_a_mask_hides_are_equal_and_nothing_else_that_is_not_finite():
    hidden = torch.tensor([1.0, -torch.inf, 4.0])
    assert relative_error(hidden, hidden.clone()) == 0
    assert relative_error(hidden, torch.tensor([1.0, -torch.inf, 5.0])) == pytest.approx(0.2)
    infinite = float("inf")
    assert relative_error(hidden, torch.tensor([1.0, 0.0, 4.0])) == infinite
    assert relative_error(hidden, torch.tensor([1.0, torch.inf, 4.0])) == infinite
    assert relative_error(hidden, torch.tensor([torch.nan, -torch.inf, 4.0])) == infinite
