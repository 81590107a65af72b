"""Attention of encoder-decoders: the decoder's, the encoder's, and that between them."""

from __future__ import annotations

from functools import cache

import pytest
import torch

import unembed as ue
from unembed.analyses.attention.parts import heads_by_layer
from unembed.analyses.tools.effects import Writes, effects_on
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.writes import write
from unembed.engine.names.vocabulary import Sourced
from unembed.errors import CapabilityError, InputError
from unembed.models.tiny import tiny_tokenizer

from ..contract.closeness import assert_close
from ..contract.encoder_decoders import PROMPT, SOURCE, WIRED, build, plain
from ..contract.unlisted import Unlisted
from ..contract.wiring import weight_and_bias

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families

PARTS = {"self": "decoder_attentions", "cross": "cross_attentions", "encoder": "encoder_attentions"}
BOTH = Sourced(SOURCE, PROMPT)


@cache
def model_of(name, dtype=torch.float64):
    return ue.load(build(name, dtype), tokenizer=tiny_tokenizer())


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", WIRED)
def test_the_pattern_is_transformers_own(name, part):
    module = build(name)  # of its own: transformers leaves its hooks on it
    module.set_attn_implementation("eager")
    own = getattr(plain(module, output_attentions=True), PARTS[part])
    found = ue.attention(model_of(name), [0, 1], prompt=BOTH, part=part)
    assert_close(found.values, torch.cat([own[layer][0] for layer in (0, 1)]))
    letter = {"self": "L{}.H{}", "cross": "L{}.X{}", "encoder": "E{}.H{}"}[part]
    n_heads = own[0].shape[1]
    assert found.heads == tuple(letter.format(at, head) for at in (0, 1) for head in range(n_heads))
    looking, seen = (found.tokens, found.seen)
    assert [one.id for one in looking] == list(SOURCE if part == "encoder" else PROMPT)
    assert [one.id for one in seen] == list(PROMPT if part == "self" else SOURCE)
    assert (found.key_tokens is None) == (part != "cross")


def test_in_fp32_too():
    module = build("t5", torch.float32)
    module.set_attn_implementation("eager")
    own = plain(module, output_attentions=True).cross_attentions
    found = ue.attention(model_of("t5", torch.float32), [2], [1, 3], prompt=BOTH, part="cross")
    assert_close(found.values, own[2][0, [1, 3]])


@pytest.mark.parametrize("part", ["cross", "encoder"])
@pytest.mark.parametrize("name", ["t5", "bart", "pegasus"])
def test_what_is_moved_is_the_norm_of_each_pair_alone(name, part):
    model, prefix = model_of(name), "cross_" if part == "cross" else ""
    stack, wired = ("E", WIRED[name].encoder) if part == "encoder" else ("L", WIRED[name].decoder)
    core = WIRED[name].encoder_attention if part == "encoder" else WIRED[name].cross_attention
    names = [f"{stack}1.{prefix}{site}" for site in ("pattern", "v")]
    run = model.run(PROMPT, names, source=SOURCE)
    pattern, value = (run[site] for site in names)
    output_map = model.module.get_submodule(f"{wired.format(1)}.{core}.{WIRED[name].output_map}")
    with torch.no_grad():
        weight, _ = weight_and_bias(output_map)
        rows = weight.reshape(len(pattern), -1, weight.shape[-1])
        wanted = torch.stack(
            [
                torch.stack([(one * value[:, head] @ rows[head]).norm(dim=-1) for one in queries])
                for head, queries in enumerate(pattern[..., None])
            ]
        )
    found = ue.attention(model, [1], prompt=BOTH, part=part, measure="moved")
    assert_close(found.values, wanted)


@pytest.mark.parametrize("name", ["t5", "mbart"])
def test_what_cross_heads_move_toward_a_target_sums_to_what_they_write_there(name):
    model, objective = model_of(name), Objective.logit(72, position=-1)
    asked = {"part": "cross", "measure": "target", "target": 72, "queries": [-1]}
    found = ue.attention(model, [1], prompt=BOTH, **asked)
    capture = ue.attention_capture(model, [1], **asked)
    run = model.run(PROMPT, capture, source=SOURCE)
    for head in range(len(found.heads)):
        written = write(run, f"L1.X{head}")[-1:]
        wanted = effects_on(run, [Writes(written, 1, "cross")], [objective])[0, 0]
        # some norms round to float32 whatever the model's type
        assert float(found.values[head].sum()) == pytest.approx(float(wanted), abs=1e-6)


@pytest.mark.parametrize("part", PARTS)
def test_thumbnails_and_scores_are_of_the_same_patterns(part):
    model = model_of("bart")
    whole = ue.attention(model, [1], prompt=BOTH, part=part)
    small = ue.head_thumbnails(model, BOTH, part=part, layers=[1], size=64)
    assert small.heads == whole.heads
    assert (small.n_queries, small.n_keys) == whole.values.shape[1:]
    assert (small.values() - whole.values).abs().max() < 1 / 500
    scores = ue.find_heads(model, BOTH, "entropy", part=part, layers=[1])
    entropy = torch.special.entr(whole.values).sum(-1).mean(-1)
    assert list(scores.score("entropy").values()) == pytest.approx(entropy.tolist(), abs=1e-9)
    run = model.run(PROMPT, ue.heads_capture(model, part=part, layers=[1]), source=SOURCE)
    assert ue.head_scores(run, part=part, layers=[1]).scores == scores.scores


def test_scores_between_two_texts_are_those_that_mean_something_there():
    scores = ue.find_heads(model_of("t5"), BOTH, part="cross")
    with_numbers = {kind for kind in scores.kinds if None not in scores.score(kind).values()}
    assert with_numbers == {"first", "punctuation", "entropy"}
    whole = ue.attention(model_of("t5"), [0], prompt=BOTH, part="cross")
    first = whole.values[..., 0].mean(-1).tolist()
    assert list(scores.score("first").values())[: len(first)] == pytest.approx(first, abs=1e-9)
    assert scores.counts[scores.kinds.index("first")] == len(PROMPT)


def test_without_a_prompt_both_texts_repeat():
    scores = ue.find_heads(model_of("bart"), part="encoder")
    assert scores.heads[0] == "E0.H0"
    assert None not in scores.score("induction").values()


def test_special_tokens_of_both_texts_are_hidden():
    model = model_of("t5")
    found = ue.attention(model, [1], prompt=BOTH, part="cross", special="hidden")
    shown = ue.attention(model, [1], prompt=BOTH, part="cross")
    kept = [
        torch.tensor([not one.special for one in tokens]) for tokens in (found.tokens, found.seen)
    ]
    assert not all(bool(one.all()) for one in kept)
    wanted = shown.values * (kept[0][:, None] & kept[1])
    assert torch.equal(found.values, wanted)


def test_what_there_is_not_is_refused_with_the_reason(request):
    t5 = model_of("t5")
    with pytest.raises(CapabilityError, match="no direct effects"):
        ue.attention_capture(t5, [0], part="encoder", measure="target", target=72)
    with pytest.raises(InputError, match=r"the encoder of .* has layers 0-1"):
        ue.attention(t5, [2], prompt=BOTH, part="encoder")
    gpt2 = request.getfixturevalue("model_of")("gpt2")
    with pytest.raises(CapabilityError, match="one stack of blocks"):
        ue.attention(gpt2, [0], prompt=PROMPT, part="cross")
    with pytest.raises(CapabilityError, match="one stack of blocks"):
        ue.head_thumbnails(gpt2, PROMPT, part="encoder")


def test_heads_are_counted_layer_by_layer():
    both = {part: heads_by_layer(model_of("bart"), part) for part in PARTS}
    assert both == {"self": [4] * 3, "cross": [4] * 3, "encoder": [5, 5]}
    uneven = ue.load(Unlisted("laguna", False, "uneven").build())
    assert heads_by_layer(uneven, "self") == [4, 2, 4]
    assert heads_by_layer(uneven, "cross") == []
    found = ue.find_heads(uneven).heads
    assert [sum(one.startswith(f"L{layer}.") for one in found) for layer in range(3)] == [4, 2, 4]
