"""What the engine makes of one type: right, partly right, refused, or wrong.

The judge is transformers' own forward pass and arithmetic on what was captured, never what the
engine says of itself: bit-identical logits, equal hidden states and patterns, the sums that make
up the residual stream, output maps and unembedding multiplied out, an edit at each site, and texts
generated with and without a cache.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
import transformers
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM
from transformers.models.auto import modeling_auto

import unembed as ue
from unembed.engine.model import Model
from unembed.errors import CapabilityError, PromptError, UnembedError
from unembed.models.tiny import EOS, PAD, enliven, tiny_tokenizer

from ..contract.closeness import FP32_ROUNDING, OTHER_PROMPT, PROMPT, assert_close
from ..contract.proving import (
    available,
    check_edits,
    check_identities,
    check_reported,
    check_weights,
    reason_against,
)
from ..contract.sites import ATTENTION, LAYER_SITES, NEURONS
from .shrink import small_config

Kind = Literal["causal", "masked", "seq2seq"]
Verdict = Literal["right", "partly", "refused", "wrong", "not built"]
VERDICTS: tuple[Verdict, ...] = ("right", "partly", "refused", "wrong", "not built")
TYPES: dict[Kind, tuple[str, ...]] = {
    "causal": tuple(sorted(modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)),
    "masked": tuple(sorted(modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES)),
    "seq2seq": tuple(sorted(modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES)),
}
AUTO = {
    "causal": AutoModelForCausalLM,
    "masked": AutoModelForMaskedLM,
    "seq2seq": AutoModelForSeq2SeqLM,
}
# Beside a masked model of the same type these are causal only where they are told to be.
DECODERS = frozenset(TYPES["causal"]) & frozenset(TYPES["masked"])
N_NEW = 3
SOURCE = (*OTHER_PROMPT, EOS)
CROSS = ("cross_out", "resid_mid_cross")  # of a decoder: what its attention to the source adds


@dataclass(frozen=True)
class Family:
    """One type as one kind of model, small, with random weights."""

    model_type: str
    kind: Kind

    def __str__(self) -> str:
        return self.model_type if self.kind == "causal" else f"{self.model_type}-{self.kind}"

    def build(self) -> nn.Module:
        """A copy of it in eval mode: in double precision where transformers can run that."""
        return copy.deepcopy(self._built)

    @cached_property
    def _built(self) -> nn.Module:
        config = small_config(self.model_type)
        if self.kind == "causal" and self.model_type in DECODERS:
            config.is_decoder = True
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module: nn.Module = AUTO[self.kind].from_config(config, dtype=torch.float32)
        enliven(module, 0)
        module = module.eval()
        set_experts = getattr(module, "set_experts_implementation", None)
        if set_experts is not None:  # the grouped product of experts knows no float64
            set_experts("eager")
        double = copy.deepcopy(module).double()
        try:
            plain_logits(double)
        except RuntimeError:
            plain_logits(module)
            return module
        return double


@dataclass(frozen=True)
class Finding:
    """A line of the page."""

    model_type: str
    kind: Kind
    verdict: Verdict
    words: str = ""


def plain_logits(module: nn.Module) -> torch.Tensor:
    """What transformers computes, with nothing of ours on the module."""
    sourced = getattr(
        module.config, "is_encoder_decoder", False
    )  # not those that hear (Qwen Audio)
    ids = torch.tensor([SOURCE if sourced else PROMPT])
    with torch.no_grad():
        cached = hasattr(module.config, "use_cache")
        options = {"use_cache": False} if cached else {}  # some cannot make a cache for so few
        if sourced:
            options["decoder_input_ids"] = torch.tensor([PROMPT])
        output = module(ids, **options)
    if not isinstance(getattr(output, "logits", None), torch.Tensor):
        raise TypeError("its output has no logits over a vocabulary")
    logits: torch.Tensor = output.logits[0]
    return logits


def examine(model_type: str, kind: Kind) -> Finding:
    """Build it, load it, prove it."""
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    found = Finding(model_type, kind, "not built")
    family = Family(model_type, kind)
    try:
        plain = plain_logits(family.build())
    except Exception as error:  # whatever a type's own code raises on small numbers
        return replace(found, words=f"{type(error).__name__}: {error}")
    try:
        model: Any = ue.load(family.build(), tokenizer=tiny_tokenizer())
    except UnembedError as refusal:
        return replace(found, verdict="refused", words=str(refusal))
    except Exception as error:
        return replace(found, verdict="wrong", words=f"{type(error).__name__}: {error}")
    try:
        model = model if model.anatomy.encoder is None else _WithSource(model)
        prove(family, model, plain)
    except Exception as error:  # an assertion, or a traceback that a user would see
        return replace(found, verdict="wrong", words=f"{type(error).__name__}: {error}")
    lacking = what_is_missing(model)
    words = "; ".join(lacking) if lacking else what_it_has(model)
    return replace(found, verdict="partly" if lacking else "right", words=words)


class _WithSource:
    """An encoder-decoder whose passes all read the same source."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def run(self, prompt: Any, *args: Any, **options: Any) -> Any:
        return self._model.run(prompt, *args, source=SOURCE, **options)

    def generate(self, prompt: Any, **options: Any) -> Any:
        return self._model.generate(prompt, source=SOURCE, **options)


def prove(family: Family, model: Any, plain: torch.Tensor) -> None:
    """Raise AssertionError where anything that the model shows is not so."""
    assert torch.equal(model.run(PROMPT).logits, plain), "other logits than without hooks"
    sites = available(model)
    if isinstance(model, _WithSource):
        sites = {layer: [*found, *CROSS] for layer, found in sites.items()}
    names = [f"L{layer}.{site}" for layer, found in sites.items() for site in found]
    run = model.run(PROMPT, capture=names)
    assert torch.equal(run.logits, plain), "other logits with every site captured"
    check_identities(model, run, sites)
    check_weights(model, run, sites)
    if isinstance(model, _WithSource):
        check_stacks(family, model)
        check_felt(model, run, sites)
    else:
        check_reported(family, run, sites)
        check_edits(model, run, sites)
    if model.kind == "causal":
        check_texts(model)


def check_stacks(family: Family, model: Any) -> None:
    """Both stacks of an encoder-decoder against what transformers reports of them."""
    stacks = {"E": model.anatomy.encoder, "L": model.anatomy}
    names = [f"{s}{n}.resid_pre" for s, stack in stacks.items() for n in range(stack.n_layers)]
    run = model.run(PROMPT, capture=names)
    with torch.no_grad():
        out = family.build()(
            torch.tensor([SOURCE]),
            decoder_input_ids=torch.tensor([PROMPT]),
            output_hidden_states=True,
            use_cache=False,
        )
    reported = {"E": out.encoder_hidden_states, "L": out.decoder_hidden_states}
    for letter, stack in stacks.items():
        for layer, states in zip(range(stack.n_layers), reported[letter], strict=False):
            assert_close(run[f"{letter}{layer}.resid_pre"], states[0], 10 * FP32_ROUNDING)
    off = model.run(PROMPT, edits=[ue.zero(f"E{stacks['E'].n_layers - 1}.mlp")])
    assert not torch.equal(off.logits, run.logits), "an edit in the encoder was not felt"


def check_felt(model: Any, run: Any, sites: dict[int, list[str]]) -> None:
    """A patch of a run into itself changes nothing; a position that is zeroed is felt behind it."""
    for site in sites[1]:
        name = f"L1.{site}"
        same = model.run(PROMPT, edits=[ue.patch(name, run)])
        assert_close(same.logits, run.logits, 10 * FP32_ROUNDING)
        if site != "scores":  # zero unmasks
            off = model.run(PROMPT, edits=[ue.zero(name, positions=[5])])
            assert not torch.equal(off.logits, run.logits), f"zeroing {name} was not felt"
            assert_close(off.logits[:5], run.logits[:5], 10 * FP32_ROUNDING)


def check_texts(model: Model) -> None:
    """With a cache the same tokens as without, and as whole passes give."""
    ids = list(PROMPT)
    while len(ids) < len(PROMPT) + N_NEW and ids[-1] != PAD:
        try:
            ids.append(int(model.run(tuple(ids)).logits[-1].argmax()))
        except PromptError:  # a placeholder for pictures was made
            break
    expected = tuple(ids[len(PROMPT) :])
    for use_cache in (True, False):
        try:
            made = model.generate(PROMPT, max_new_tokens=N_NEW, use_cache=use_cache)
        except CapabilityError:
            continue
        except (RuntimeError, ValueError):
            if use_cache and not _caches(model):
                continue
            raise
        made_ids = tuple(made.new_ids)[: len(expected)]
        assert made_ids == expected[: len(made_ids)], f"other tokens with use_cache={use_cache}"


def _caches(model: Model) -> bool:
    """Whether transformers itself can run it with a cache."""
    try:
        with torch.no_grad():
            model.module(torch.tensor([PROMPT]), use_cache=True)
    except (RuntimeError, ValueError):
        return False
    return True


# ---------------------------------------------------------------- words


def what_is_missing(model: Any) -> list[str]:
    """What the blocks have and the engine does not show, with each reason."""
    found: dict[str, dict[str, list[int]]] = {}
    for block in model.anatomy.blocks:
        for site in LAYER_SITES:
            refusal = (
                None
                if _is_natural(block, site)
                else reason_against(model, f"L{block.layer}.{site}")
            )
            if refusal is not None:
                reason = refusal.partition(": ")[2].replace(f"layer {block.layer}", "the layer")
                found.setdefault(reason, {}).setdefault(site, []).append(block.layer)
    lines = [
        f"no {_sites(list(sites))}{_layers(model, next(iter(sites.values())))}: {reason}"
        for reason, sites in found.items()
    ]
    lens = model.capabilities()["lens"]
    if not lens.available and lens.reason not in found:
        lines.append(f"no lens: {lens.reason}")
    return lines


def _is_natural(block: Any, site: str) -> bool:
    """Whether a block of its make has no such thing, so that nothing is missing."""
    mixer, feed_forward = block.mixer, block.feed_forward
    if site == "resid_mid":
        return block.arrangement in ("parallel", "single")
    if site == "sink":
        return not getattr(mixer, "sink", False)
    if site in ("ple_in", "ple_out"):
        return getattr(block, "per_layer", None) is None
    if site in ("mixer_in", "mixer_out"):
        return mixer is None or mixer.is_attention
    if site in ("attn_in", "attn_out", "z", *ATTENTION):
        return mixer is None or not mixer.is_attention
    if site.startswith("mlp"):
        if feed_forward is None:
            return True
        if site in NEURONS and feed_forward.kind == "experts":
            return True
        return site == "mlp_gate" and feed_forward.gate is None and feed_forward.reason is None
    return False


def _sites(sites: list[str]) -> str:
    heads = tuple(site for site in (*ATTENTION, "z") if site != "sink")
    for group, word in ((heads, "heads"), (NEURONS, "neurons")):
        if set(group) <= set(sites):
            at = sites.index(group[0])
            rest = [site for site in sites if site not in group]
            sites = [*rest[:at], word, *rest[at:]]
    return ", ".join(sites)


def _layers(model: Model, layers: list[int]) -> str:
    if len(layers) == model.anatomy.n_layers:
        return ""
    word = "layer" if len(layers) == 1 else "layers"
    return f" in {word} {', '.join(map(str, layers))} of {model.anatomy.n_layers}"


def what_it_has(model: Any) -> str:
    """What of its make a reader would want to know."""
    blocks = model.anatomy.blocks
    words: list[str] = []
    others = dict.fromkeys(
        block.mixer.kind
        for block in blocks
        if block.mixer is not None and not block.mixer.is_attention
    )
    words += [f"{kind} as token mixer" for kind in others]
    if any(block.feed_forward and block.feed_forward.kind == "experts" for block in blocks):
        words.append("experts")
    if any(block.parallel for block in blocks):
        words.append("parallel blocks")
    if any(block.arrangement == "post_norm" for block in blocks):
        words.append("norms after each sum")
    if any(getattr(block.mixer, "gated", False) for block in blocks):
        words.append("gated heads")
    return ", ".join(words)
