"""Lenses to draw: of tiny models, and by hand with every awkward token and number."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch

import unembed as ue
from unembed.analyses.lens.result import LensResult
from unembed.engine.names.tokens import Token
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .browser import offline_window

AWKWARD = (
    Token(0, "<bos>", "<bos>", special=True),
    Token(1, "<b>", "<b>"),
    Token(2, "</script>", "</script>"),
    Token(3, " & co", "␣&␣co"),
    Token(4, "\n\t", "↵⇥"),
    Token(5, "\ufffd", "⟨0xE2⟩"),
    Token(6, " שלום", "␣שלום"),
    Token(7, "مرحبا", "مرحبا"),
    Token(8, "東京", "東京"),
    Token(9, "🚀", "🚀"),
    Token(10, "$x^2$", "$x^2$"),
    Token(11, "%{text}", "%{text}"),
    Token(12, "&lt;", "&lt;"),
    Token(13, "x" * 300, "x" * 300),
    Token(14, "<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
    Token(15, " the", "␣the"),
)


def lens_of(rows: int, columns: int, k: int = 5, seed: int = 0) -> LensResult:
    """A result by hand: logits of 16 awkward tokens at random, everything else by softmax."""
    draw = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(rows, columns, len(AWKWARD), generator=draw, dtype=torch.float64)
    logs = logits.log_softmax(-1)
    ids = torch.randint(0, len(AWKWARD), (columns,), generator=draw)
    best = logits.topk(k)
    finals = best.indices[-1, :, 0]
    at = finals.expand(rows, columns)[..., None]
    return LensResult(
        rows=("embed", *(f"L{layer}.resid_post" for layer in range(rows - 1)))[-rows:],
        positions=tuple(range(columns)),
        tokens=tuple(AWKWARD[token] for token in ids.tolist()),
        n_prompt=columns,
        prompt_ids=tuple(ids.tolist()),
        decoder="final_norm",
        follow="final",
        target=None,
        kl_floor=None,
        vocabulary=AWKWARD,
        provenance={"model": "by <hand> & eye", "dtype": "float64"},
        target_ids=finals,
        next_ids=torch.cat([ids[1:], torch.tensor([-1])]),
        top_ids=best.indices,
        top_logits=best.values,
        top_probabilities=logs.exp().gather(-1, best.indices),
        logit=logits.gather(-1, at)[..., 0],
        probability=logs.exp().gather(-1, at)[..., 0],
        rank=1 + (logits > logits.gather(-1, at)).sum(-1),
        kl=(logs[-1].exp() * (logs[-1] - logs)).sum(-1),
        entropy=-(logs.exp() * logs).sum(-1),
    )


@cache
def _lens(**options: object) -> LensResult:
    model = ue.load(tiny_model("gpt2"), tokenizer=tiny_tokenizer())
    return ue.logit_lens(model, (5, 9, 33, 9, 71, 2, 14), **options)


LENSES = {
    "whole": {},
    "the text's end": {"positions": (-1,)},
    "some": {"positions": (1, 4)},
    "one row": {"include_embedding": False, "layer_step": 100, "positions": (2,)},
    "target": {"target": 77},
    "next": {"follow": "next"},
    "input": {"follow": "input", "subblocks": True},
}


@pytest.fixture(params=LENSES, scope="session")
def lens(request) -> LensResult:
    """A tiny model's lens, in every shape that `logit_lens` gives it."""
    return _lens(**LENSES[request.param])


@pytest.fixture(scope="session")
def awkward() -> LensResult:
    """All tokens, and a cell each that is NaN and infinite."""
    ids = torch.arange(16)
    result = replace(
        lens_of(6, 16),
        tokens=AWKWARD,
        prompt_ids=tuple(ids.tolist()),
        next_ids=torch.cat([ids[1:], torch.tensor([-1])]),
    )
    result.kl[0, 0], result.kl[0, 1] = torch.inf, torch.nan
    result.logit[0, 2], result.probability[0, 2], result.rank[0, 2] = torch.nan, torch.nan, 0
    result.logit[1, 3] = -torch.inf
    return result


@pytest.fixture(scope="module")
def window():
    with offline_window() as window:
        yield window
