"""The checks of what exBERT recorded, on a tiny model: right figures pass, wrong are noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .attention_checks import check_recorded, looks_from
from .attention_figures import RECORDED, Recorded

PROMPT = (1, 59, 109, 118, 72, 87, 80, 91, 121, 2)  # a special token at either end
LAYER, MASKED = 1, 4
QUERY = 5


@pytest.fixture(scope="module")
def model():
    return ue.load(tiny_model("bert"), tiny_tokenizer())


def kept_of(rows, mass):
    """Pairs of each row, the largest first, until they hold the mass."""
    kept = []
    for query, row in enumerate(rows):
        held = 0.0
        for key in sorted(range(len(row)), key=lambda one: -row[one]):
            if row[key] <= 0 or (mass < 1 and held >= mass * sum(row)):
                break
            held += row[key]
            kept.append((query, key, row[key]))
    return sorted(kept, key=lambda one: -one[2])


@pytest.fixture(scope="module")
def figures(model):
    """What somebody else would have recorded: eager attention of masked ids, and loops."""
    ids = list(PROMPT)
    special = [token.special for token in model.tokens(ids)]
    ids[MASKED] = model.tokenizer.mask_token_id
    module = tiny_model("bert")  # of its own: transformers leaves its hooks on it
    module.set_attn_implementation("eager")
    with torch.no_grad():
        out = module(torch.tensor([ids]), output_attentions=True)
    pattern = out.attentions[LAYER][0].tolist()
    n_heads, n = len(pattern), len(ids)
    places = range(n)
    hidden = [
        [[0.0 if special[q] or special[k] else pattern[head][q][k] for k in places] for q in places]
        for head in range(n_heads)
    ]
    sums = {
        name: [[sum(one[q][k] for one in whole) for k in places] for q in places]
        for name, whole in (("shown", pattern), ("hidden", hidden))
    }
    best = out.logits[0, MASKED].softmax(-1).topk(3)
    predicted = [
        (model.token(int(token)).text.strip(), float(share))
        for token, share in zip(best.indices, best.values, strict=True)
    ]
    seen = [(k, value) for q, k, value in kept_of(sums["hidden"], 0.7) if q == QUERY]
    return Recorded(
        name="tiny",
        model="",
        text=PROMPT,
        masked=(MASKED,),
        rows={(0, 0): tuple(pattern[0][0][:4]), (2, 3): tuple(pattern[2][3][:5])},
        predicted={MASKED: tuple(predicted)},
        kept={
            (name, mass): len(kept_of(rows, mass))
            for name, rows in sums.items()
            for mass in (0.0, 0.1, 0.5, 0.7, 0.9, 1.0)
        },
        strongest={name: kept_of(rows, 1.0)[0] for name, rows in sums.items()},
        query=QUERY,
        seen=tuple(seen),
        received=tuple(sum(one[q][QUERY] for q in places) / n for one in hidden),
        sent=tuple(sum(one[QUERY]) / n for one in hidden),
        entries={(3, 5, 2): pattern[3][5][2]},
    )


def test_right_figures_pass(model, figures):
    assert [token.special for token in model.tokens(PROMPT)].count(True) == 2
    assert check_recorded(model, figures) == []


def changed(name: str, key: object, value: object) -> Callable[[Recorded], Recorded]:
    return lambda figures: replace(figures, **{name: getattr(figures, name) | {key: value}})


MISTAKES = {
    "an entry of a row": lambda f: replace(
        f, rows=f.rows | {(2, 3): (*f.rows[2, 3][:4], f.rows[2, 3][4] + 0.003)}
    ),
    "another token masked": lambda f: replace(f, masked=(2,)),
    "nothing masked": lambda f: replace(f, masked=()),
    "a share of a prediction": lambda f: replace(
        f, predicted={MASKED: ((f.predicted[MASKED][0][0], f.predicted[MASKED][0][1] + 0.003),)}
    ),
    "a token of a prediction": lambda f: replace(
        f, predicted={MASKED: (("nobody", f.predicted[MASKED][0][1]),)}
    ),
    "a pair more": lambda f: changed("kept", ("hidden", 0.7), f.kept["hidden", 0.7] + 1)(f),
    "special tokens shown": lambda f: changed("kept", ("hidden", 1.0), f.kept["shown", 1.0])(f),
    "the strongest pair": lambda f: changed("strongest", "shown", (0, 0, 9.0))(f),
    "its value": lambda f: changed(
        "strongest", "shown", (*f.strongest["shown"][:2], f.strongest["shown"][2] + 0.03)
    )(f),
    "the order of pairs": lambda f: replace(f, seen=(f.seen[1], f.seen[0], *f.seen[2:])),
    "the value of a pair": lambda f: replace(
        f, seen=((f.seen[0][0], f.seen[0][1] + 0.03), *f.seen[1:])
    ),
    "what is received": lambda f: replace(f, received=(f.received[0] + 0.001, *f.received[1:])),
    "sent for received": lambda f: replace(f, sent=f.received),
    "an entry": lambda f: changed("entries", (3, 5, 2), f.entries[3, 5, 2] + 0.003)(f),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_noticed(mistake, model, figures):
    assert check_recorded(model, mistake(figures))


def test_what_a_head_looks_at_is_the_largest_of_its_row(model):
    """Of each head, from a word in the middle, with the special tokens at either end cut off."""
    module = tiny_model("bert")
    module.set_attn_implementation("eager")
    with torch.no_grad():
        out = module(torch.tensor([PROMPT]), output_attentions=True)
    words = [token.text.strip() for token in model.tokens(PROMPT)]
    assert words.count(words[QUERY]) == 1
    for head, pattern in enumerate(out.attentions[LAYER][0].tolist()):
        row = pattern[QUERY][1:-1]
        found = looks_from(model, LAYER, head, PROMPT, words[QUERY])
        assert found == words[1:-1][row.index(max(row))]


def test_the_recorded_numbers_agree_with_each_other():
    """Slips of the pen: shares are shares, more mass keeps more pairs."""
    for recorded in RECORDED:
        for row in (*recorded.rows.values(), recorded.entries.values()):
            assert all(0 <= one <= 1 for one in row)
        for special in ("hidden", "shown"):
            counts = [n for (name, _), n in sorted(recorded.kept.items()) if name == special]
            assert counts == sorted(counts)
        if recorded.sent:
            assert max(recorded.sent) <= 1 / 17 + 1e-5, "a row that sums to 1, over 17 tokens"
            assert len(recorded.sent) == len(recorded.received) == 12
