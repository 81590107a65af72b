"""Encoder-decoders: both stacks, the attention between them, and edits in all of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unembed as ue
from unembed.analyses.tools.effects import Writes, effects_on
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.writes import bias_write, write
from unembed.engine.checks.selfcheck import check
from unembed.engine.model import Model
from unembed.engine.names.taps import why_not
from unembed.engine.names.vocabulary import Sourced
from unembed.engine.nodes import ENCODER_SITES, LAYER_SITES
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError, LoadError, PromptError, TargetError
from unembed.models.anatomy import Anatomy
from unembed.models.tiny import tiny_tokenizer

from .closeness import assert_close
from .encoder_decoders import (
    OTHER_SOURCE,
    OTHERS,
    PROMPT,
    REFUSED,
    SOURCE,
    WIRED,
    build,
    cores,
    first,
    places,
    plain,
)
from .footprint import footprint

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families

every_family = pytest.mark.parametrize("name", WIRED)


@cache
def model_of(name: str) -> Model:
    module = build(name)
    before = footprint(module)
    model = ue.load(module, tokenizer=tiny_tokenizer())
    assert footprint(module) == before
    return model


def sites_of(model: Model) -> list[str]:
    anatomy = model.anatomy
    site_keys = [
        SiteKey(site, block.layer, encoder)
        for encoder in (False, True)
        for block in anatomy.stack(encoder).blocks
        for site in LAYER_SITES
    ]
    site_keys += [SiteKey(site, None, True) for site in ENCODER_SITES]
    site_keys += [SiteKey("embed", None), SiteKey("final_norm", None)]
    return [key.name for key in site_keys if why_not(anatomy, key) is None]


@cache
def whole_run(name: str) -> Any:
    model = model_of(name)
    return model.run(PROMPT, sites_of(model), source=SOURCE)


def run_of(name: str, *edits: Any, **options: Any) -> Any:
    return model_of(name).run(PROMPT, edits=edits, source=SOURCE, **options)


# ---------------------------------------------------------------- the same numbers


@every_family
def test_logits_are_those_of_transformers_to_the_last_bit(name):
    expected = plain(build(name)).logits[0]
    assert torch.equal(run_of(name).logits, expected)
    assert torch.equal(whole_run(name).logits, expected)


@every_family
def test_states_and_patterns_are_those_that_transformers_reports(name):
    module = build(name)
    module.set_attn_implementation("eager")
    out = plain(module, output_hidden_states=True, output_attentions=True)
    run, anatomy = whole_run(name), model_of(name).anatomy
    for stack, encoder, states in (
        ("L", False, out.decoder_hidden_states),
        ("E", True, out.encoder_hidden_states),
    ):
        assert len(states) == anatomy.stack(encoder).n_layers + 1
        for layer, state in enumerate(states[:-1]):
            assert_close(run[f"{stack}{layer}.resid_pre"], state[0])
    assert_close(run["E.out"], out.encoder_last_hidden_state[0])
    for site, reported in (
        ("E{}.pattern", out.encoder_attentions),
        ("L{}.pattern", out.decoder_attentions),
        ("L{}.cross_pattern", out.cross_attentions),
    ):
        for layer, pattern in enumerate(reported):
            assert_close(run[site.format(layer)], pattern[0])


@every_family
def test_identities_hold_in_both_stacks(name):
    model, run = model_of(name), whole_run(name)
    for encoder in (False, True):
        for block in model.anatomy.stack(encoder).blocks:
            at = f"{'E' if encoder else 'L'}{block.layer}."
            assert block.branch_sites == (
                ("attn_out", "mlp_out") if encoder else ("attn_out", "cross_out", "mlp_out")
            )
            streams = (*block.stream_sites, "resid_post")
            for order, added in enumerate(block.branch_sites):
                total = run[at + streams[order]] + run[at + added]
                if block.stream_norms is not None:
                    with torch.no_grad():
                        total = model.module.get_submodule(block.stream_norms[order])(total)
                assert_close(total, run[at + streams[order + 1]])
            for prefix in ("",) if encoder else ("", "cross_"):
                pattern = run[f"{at}{prefix}pattern"]
                assert_close(pattern.sum(-1), torch.ones_like(pattern[..., 0]), 1e-6)
                mixed = torch.einsum("hqk,khd->qhd", pattern, run[f"{at}{prefix}v"])
                assert_close(mixed, run[f"{at}{prefix}z"])
    assert run["L1.cross_pattern"].shape[1:] == (len(PROMPT), len(SOURCE))
    assert len(run["L1.cross_k"]) == len(run["E1.resid_pre"]) == len(SOURCE)
    for layer in range(model.anatomy.n_layers):
        written = run[f"L{layer}.cross_z"].flatten(1) @ model.output_weight(layer, "cross")
        bias = model.output_bias(layer, "cross")
        assert_close(written if bias is None else written + bias, run[f"L{layer}.cross_out"])


# ---------------------------------------------------------------- edits


@contextmanager
def zeroed(module: nn.Module, name: str, side: str, position: int) -> Iterator[None]:
    """A hook of its own that sets one position to zero where a module reads or returns it."""

    def cut(value: Tensor) -> Tensor:
        changed = value.clone()
        changed[:, position] = 0
        return changed

    def before(_module: nn.Module, args: Any, kwargs: Any) -> Any:
        if args:
            return (cut(args[0]), *args[1:]), kwargs
        return args, kwargs | {"hidden_states": cut(kwargs["hidden_states"])}

    def after(_module: nn.Module, _args: Any, output: Any) -> Any:
        seen = cut(first(output))
        return (seen, *output[1:]) if isinstance(output, tuple) else seen

    part = module.get_submodule(name)
    if side == "input":
        handle = part.register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = part.register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


@every_family
def test_an_edit_at_a_module_is_that_of_a_hook_there(name):
    module, untouched = build(name), run_of(name).logits
    for site, (where, side) in places(name).items():
        with zeroed(module, where, side, 4):
            expected = plain(module).logits[0]
        found = run_of(name, ue.zero(site, positions=[4])).logits
        assert_close(found, expected)
        assert not torch.equal(found, untouched), site


Change = Callable[[Tensor], Tensor]


@contextmanager
def attention_rewritten(module: nn.Module, core: str, changes: dict[str, Change]) -> Iterator[None]:
    """The family's own eager kernel with changes of q, k, v, scores or pattern of one module."""
    target = module.get_submodule(core)
    file = sys.modules[type(target).__module__]
    kernel = file.eager_attention_forward

    def rewritten(
        core: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Any, **options: Any
    ) -> Any:
        if core is not target:
            return kernel(core, query, key, value, mask, **options)
        same: Change = lambda tensor: tensor  # noqa: E731 - shorter than a function here
        query, key, value = (
            changes.get(site, same)(tensor.clone())
            for site, tensor in (("q", query), ("k", key), ("v", value))
        )
        scores = query @ key.transpose(-1, -2) * options["scaling"]
        for bias in (options.get("position_bias"), mask):
            scores = scores if bias is None else scores + bias
        scores = changes.get("scores", same)(scores)
        pattern = changes.get("pattern", same)(scores.softmax(-1))
        return (pattern @ value).transpose(1, 2).contiguous(), pattern

    file.eager_attention_forward = rewritten
    module.set_attn_implementation("eager")
    try:
        yield
    finally:
        file.eager_attention_forward = kernel


def one_less(*index: Any) -> Change:
    def change(tensor: Tensor) -> Tensor:
        tensor[index] *= 0.25
        return tensor

    return change


@every_family
def test_an_edit_of_attention_is_that_of_a_rewritten_kernel(name):
    module, every = build(name), slice(None)
    for prefix, core in cores(name).items():
        for site, index in {
            "q": (0, 2, 4),
            "k": (0, 2, 4),
            "v": (0, 2, 4),
            "scores": (0, 2, 4),
            "pattern": (0, 2, 4),
        }.items():
            with attention_rewritten(module, core, {site: one_less(*index)}):
                expected = plain(module).logits[0]
            at, dot, cross = prefix.partition(".")
            edit = ue.scale(f"{at}{dot}H2.{cross}{site}", 0.25, positions=[4])
            assert_close(run_of(name, edit).logits, expected)
    with attention_rewritten(module, cores(name)["L1.cross_"], {"pattern": one_less(0, 2, 4, 8)}):
        expected = plain(module).logits[0]
    assert_close(run_of(name, ue.scale("L1.X2@4<8", 0.25)).logits, expected)
    with attention_rewritten(module, cores(name)["L1.cross_"], {"v": one_less(0, every, 8)}):
        expected = plain(module).logits[0]
    assert_close(run_of(name, ue.scale("L1.cross_v@8", 0.25)).logits, expected)


@every_family
def test_an_edit_at_every_site_shows_there_and_a_patch_of_itself_changes_nothing(name):
    run = whole_run(name)
    names = [one for one in sites_of(model_of(name)) if one[:2] in ("L1", "E1", "E.")]
    for site in names:
        again = run_of(name, ue.patch(site, run))
        assert_close(again.logits, run.logits)
        if site.endswith("scores"):
            continue  # zero unmasks
        changed = run_of(name, ue.zero(site, positions=[4]), capture=[site])
        index = (slice(None), 4) if site.endswith("pattern") else (4,)
        assert (changed[site][index] == 0).all()
        assert not torch.equal(changed.logits, run.logits), f"zeroing {site} was not felt"
        if site[0] == "L" and site[3:] not in ("cross_k", "cross_v"):
            assert_close(changed.logits[:4], run.logits[:4])


# ---------------------------------------------------------------- generation and other ways to run


@every_family
def test_generation_is_that_of_transformers_with_and_without_cache(name):
    model, module = model_of(name), build(name)
    expected = module.generate(
        torch.tensor([SOURCE]), decoder_input_ids=torch.tensor([PROMPT]), max_new_tokens=6,
        do_sample=False, num_beams=1, use_cache=False,
    )[0, len(PROMPT) :]  # fmt: skip
    found = model.generate(PROMPT, 6, source=SOURCE)
    assert list(found.new_ids) == expected.tolist()
    assert [token.id for token in found.source_tokens] == list(SOURCE)
    edits = [
        ue.scale("E1.mlp", -1.0),
        ue.zero("L1.X2"),
        ue.scale("L2.cross_v@3", 3.0),
        ue.zero("L0.H1@8"),
    ]
    slow: list[int] = []
    ids = (*PROMPT, 90, 91)
    for _ in range(5):
        last = model.run((*ids, *slow), edits=edits, source=SOURCE).logits[-1]
        slow.append(int(last.argmax()))
    for use_cache in (True, False):
        found = model.generate(ids, 5, edits=edits, source=SOURCE, use_cache=use_cache)
        assert list(found.new_ids) == slow[: len(found.new_ids)]


@every_family
def test_rows_of_other_lengths_are_as_alone(name):
    model = model_of(name)
    prompts = [Sourced(SOURCE, PROMPT), Sourced(OTHER_SOURCE, PROMPT[:4])]
    capture = ["E1.resid_post", "L1.cross_pattern", "L1.resid_post", "E1.pattern", "L2.cross_k"]
    swept = ue.sweep(model, prompts, [ue.zero("E0.H1@2"), ue.zero("L0.X1@2<5")], capture=capture)
    for row, prompt, edit in zip(swept, prompts, ("E0.H1@2", "L0.X1@2<5"), strict=True):
        alone = model.run(prompt, capture, [ue.zero(edit)])
        assert_close(row.logits[-1], alone.logits[-1], 1e-9)
        for site in capture:
            assert_close(row[site], alone[site], 1e-9)


@every_family
def test_a_pass_that_enters_a_later_layer_is_the_whole_one(name):
    run = whole_run(name)
    start = (2, run["L2.resid_pre"])
    entered = model_of(name).run(PROMPT, ["L2.pattern"], source=SOURCE, start=start)
    assert_close(entered.logits, run.logits)
    assert_close(entered["L2.pattern"], run["L2.pattern"])
    edits = [[ue.scale("L2.mlp", factor)] for factor in (0.0, 0.5)]
    swept = ue.sweep(model_of(name), Sourced(SOURCE, PROMPT), edits)
    for row, edit in zip(swept, edits, strict=True):
        assert_close(row.logits[-1], run_of(name, *edit).logits[-1], 1e-9)


@every_family
def test_the_lens_and_a_partial_forward_read_both(name):
    model, run = model_of(name), whole_run(name)
    prompt = Sourced(SOURCE, PROMPT)
    lens = ue.logit_lens(model, prompt, top_k=3)
    own = [[one.token.id for one in run.top(3, position)] for position in range(len(PROMPT))]
    assert lens.top_ids[-1].tolist() == own
    part = ue.partial_forward(model, ["E1.resid_post", "L1.cross_pattern"], prompt)
    assert_close(part["E1.resid_post"][0], run["E1.resid_post"])
    assert_close(part["L1.cross_pattern"][0], run["L1.cross_pattern"])


@pytest.mark.parametrize("name", ["t5", "t5-gated"])
def test_what_all_branches_write_sums_to_the_logit(name):
    """Norms of T5 have no biases, so nothing else is in the logit."""
    model, run, position = model_of(name), whole_run(name), 5
    target = Objective.logit(7, position=position)
    groups = [Writes(run["embed"][position][None], None, None)]
    for layer in range(model.anatomy.n_layers):
        for branch in ("attn", "cross", "mlp"):
            added = run[f"L{layer}.{branch}_out"][position]
            groups.append(Writes(added[None], layer, branch))
    effects = effects_on(run, groups, [target])
    assert_close(effects.sum(0), run.logits[position, 7][None])


def test_a_head_of_cross_attention_writes_its_part():
    model = model_of("bart")
    run = model.run(PROMPT, ["L1.cross_z", "L1.cross_out"], source=SOURCE)
    heads = [write(run, f"L1.X{head}") for head in range(4)]
    assert_close(sum(heads) + bias_write(run, 1, "cross"), run["L1.cross_out"])


def test_what_is_not_the_decoders_has_no_page():
    model = model_of("bart")
    with pytest.raises(CapabilityError, match="writes to the encoder's stream"):
        ue.component_capture(model, "E1.H2")
    page = ue.component(
        model.run(PROMPT, ue.component_capture(model, "L1.X2"), source=SOURCE), "L1.X2"
    )
    assert page.write_norm > 0


# ---------------------------------------------------------------- what is wrong is caught


def wrong(anatomy: Anatomy) -> Iterator[tuple[str, Anatomy]]:
    """The same with one thing taken for another."""
    encoder, blocks = anatomy.encoder, anatomy.blocks
    assert encoder is not None

    def swapped(**parts: Any) -> Anatomy:
        return replace(anatomy, blocks=(blocks[0], replace(blocks[1], **parts), blocks[2]))

    cross, other = blocks[1].crossed, blocks[2].crossed
    yield "another layer's kernel", swapped(cross=replace(cross, core=other.core))
    yield "another layer's W_O", swapped(cross=replace(cross, output_map=other.output_map))
    yield "another layer's query map", swapped(cross=replace(cross, maps=other.maps))
    yield "another layer's result", swapped(cross=replace(cross, added=other.added))
    yield "its own attention", swapped(cross=replace(blocks[1].attention))
    yield "the stream before", swapped(resid_mid_cross=blocks[1].resid_mid)
    yield "the stream a layer later", swapped(resid_mid_cross=blocks[2].resid_mid_cross)
    yield "the stream behind taken for before", swapped(resid_mid=blocks[1].resid_mid_cross)
    lower, upper = encoder.blocks

    def in_encoder(**parts: Any) -> Anatomy:
        changed = replace(encoder, blocks=(replace(lower, **parts), upper))
        return replace(anatomy, encoder=changed)

    yield "the encoder's other feed-forward", in_encoder(feed_forward=upper.feed_forward)
    core = upper.attention.core
    yield "the encoder's other kernel", in_encoder(mixer=replace(lower.attention, core=core))
    assert anatomy.encoded is not None
    earlier = replace(anatomy.encoded, module=lower.module)
    yield "an earlier state handed over", replace(anatomy, encoded=earlier)


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_a_miswired_anatomy_is_caught(name):
    model = model_of(name)
    assert check(model.module, model.anatomy).passed
    for what, anatomy in wrong(model.anatomy):
        assert not check(model.module, anatomy).passed, what


@every_family
def test_what_is_wrong_with_a_request_is_said(name):
    model = model_of(name)
    with pytest.raises(PromptError, match="encoder-decoder: say what its encoder reads"):
        model.run(PROMPT)
    with pytest.raises(PromptError, match="the source is empty"):
        model.run(PROMPT, source="")
    with pytest.raises(TargetError, match=r"encoder layer 2 is not in this model.*0-1"):
        model.run(PROMPT, ["E2.z"], source=SOURCE)
    for edit in ("L1.X1@3<10", "E1.mlp@10", "L1.cross_k@10"):
        with pytest.raises(TargetError, match="position 10 is not in this prompt: it has 10"):
            model.run(PROMPT, edits=[ue.zero(edit)], source=SOURCE)
    with pytest.raises(TargetError, match="position 7 is not in this prompt: it has 7"):
        model.run(PROMPT, edits=[ue.zero("L1.cross_q@7")], source=SOURCE)


def test_a_model_without_an_encoder_takes_no_source(model_of):
    model = model_of("gpt2")
    with pytest.raises(PromptError, match="has no encoder"):
        model.run([5, 6], source=[7])
    with pytest.raises(TargetError, match="is in an encoder"):
        model.run([5, 6], ["E0.z"])
    with pytest.raises(CapabilityError, match="do not attend to an encoder"):
        model.run([5, 6], ["L0.cross_z"])


def test_a_text_starts_with_the_decoders_start_and_a_source_ends_as_its_tokenizer_ends_it():
    model = model_of("bart")
    run = model.run("the", source="on the")
    assert run.ids[0] == 2
    assert "".join(token.text for token in run.tokens[1:]) == "the"
    assert "".join(token.text for token in run.source_tokens) == "on the"
    assert model.run(source="on the").ids == (2,)
    encoded = {"input_ids": [list(SOURCE)], "decoder_input_ids": [list(PROMPT)]}
    assert torch.equal(model.run(encoded).logits, run_of("bart").logits)


# ---------------------------------------------------------------- further families


@pytest.mark.parametrize("name", OTHERS)
def test_another_family_is_right(name):
    model = ue.load(build(name), tokenizer=tiny_tokenizer())
    capture = ["resid_pre", "E.resid_pre", "cross_pattern", "E.out"]
    run = model.run(PROMPT, capture, source=SOURCE)
    out = plain(build(name), output_hidden_states=True)
    assert torch.equal(run.logits, out.logits[0])
    for layer, state in enumerate(out.decoder_hidden_states[:-1]):
        assert_close(run[f"L{layer}.resid_pre"], state[0])
    for layer, state in enumerate(out.encoder_hidden_states[:-1]):
        assert_close(run[f"E{layer}.resid_pre"], state[0])
    assert model.capabilities()["heads"].available
    assert model.report.passed


@pytest.mark.parametrize(("name", "words"), REFUSED.items())
def test_a_family_that_is_not_understood_is_refused_by_the_module(name, words):
    with pytest.raises(LoadError, match=words):
        ue.load(build(name), tokenizer=tiny_tokenizer())
