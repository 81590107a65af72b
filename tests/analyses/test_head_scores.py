"""What a head does, as a number: each score against its definition, query by query."""

from __future__ import annotations

import math
import string

import pytest
import torch

import unembed as ue
from unembed.errors import InputError

from .slow import PROMPT

REPEATS = [1, 59, 20, 59, 72, 20, 59, 59, 9, 72]


def by_definition(pattern, tokens):
    """Each score of one head [query][key], written out."""
    n = len(tokens)
    ids = [token.id for token in tokens]
    attention = {kind: [] for kind in ("previous", "next", "first", "same")}
    found = attention | {kind: [] for kind in ("repeated", "induction", "punctuation")}
    found |= {"entropy": [], "distance": []}
    for query in range(n):
        row = pattern[query]
        if query > 0:
            found["previous"].append(row[query - 1])
            found["first"].append(row[0])
        if query < n - 1:
            found["next"].append(row[query + 1])
        found["same"].append(row[query])
        earlier = [key for key in range(query) if ids[key] == ids[query]]
        if earlier:
            found["repeated"].append(sum(row[key] for key in earlier))
        behind = {key + 1 for key in earlier if key + 1 != query}
        if behind:
            found["induction"].append(sum(row[key] for key in behind))
        marks = [key for key in range(n) if is_mark(tokens[key])]
        if marks:
            found["punctuation"].append(sum(row[key] for key in marks))
        found["entropy"].append(-sum(a * math.log(a) for a in row if a > 0))
        found["distance"].append(sum(a * abs(query - key) for key, a in enumerate(row)))
    return found


def is_mark(token):
    text = token.text.strip()
    # of ASCII, Unicode calls these symbols
    return (
        bool(text) and not token.special and set(text) <= set(string.punctuation) - set("$+<=>^`|~")
    )


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert"])
def test_scores_are_their_definitions(name, model_of):
    model = model_of(name, torch.float64)
    prompts = [list(PROMPT), REPEATS]
    scores = ue.find_heads(model, prompts, "distance", layers=[0, 2])
    runs = [model.run(prompt, capture=["pattern"]) for prompt in prompts]
    for head in scores.heads:
        each = [by_definition(run[f"{head}.pattern"].tolist(), run.tokens) for run in runs]
        for kind in scores.kinds:
            values = [value for one in each for value in one[kind]]
            assert scores.counts[scores.kinds.index(kind)] == len(values)
            wanted = sum(values) / len(values)
            assert scores.score(kind)[head] == pytest.approx(wanted, abs=1e-6), kind
    assert scores.n_prompts == 2
    best = scores.best(3)
    assert best[0][1] == max(scores.score("distance").values())
    assert scores.columns()["head"][0] == best[0][0]


def test_without_a_prompt_random_tokens_come_twice(model_of):
    model = model_of("gpt2")
    scores = ue.find_heads(model)
    assert scores.kind == "induction"
    assert scores.n_prompts == 4
    assert len(scores.heads) == model.anatomy.n_layers * model.anatomy.n_heads
    counts = dict(zip(scores.kinds, scores.counts, strict=True))
    assert counts["induction"] >= 4 * 23
    again = ue.find_heads(model)
    assert scores.scores == again.scores


def test_a_score_that_nothing_shows_is_no_number(model_of):
    scores = ue.find_heads(model_of("gpt2"), [59, 72, 20], "previous")
    assert set(scores.score("induction").values()) == {None}
    induction = ue.find_heads(model_of("gpt2"), [59, 72, 20])
    assert induction.best() == []
    assert repr(induction) == "HeadScores(12 heads by induction)"
    assert len(induction.columns()["head"]) == 12


def test_bad_kinds_and_layers_are_refused(model_of):
    model = model_of("gpt2")
    with pytest.raises(InputError, match="induction"):
        ue.find_heads(model, [1, 2], "copying")
    with pytest.raises(InputError, match="layers 0-2"):
        ue.find_heads(model, [1, 2], layers=[9])
    with pytest.raises(InputError, match="no kind"):
        ue.find_heads(model, [1, 2]).score("copying")


@pytest.mark.parametrize(
    ("text", "factors"),
    [
        ("induction", {"induction": 1}),
        ("induction - 0.5*first", {"induction": 1, "first": -0.5}),
        (" -2 * previous+next ", {"previous": -2, "next": 1}),
        ("same + same - entropy", {"same": 2, "entropy": -1}),
    ],
)
def test_a_typed_score_is_a_sum_with_factors(text, factors, model_of):
    scores = ue.find_heads(model_of("gpt2"), REPEATS, score=text)
    assert scores.kind == " ".join(text.split())
    assert set(scores.kinds) >= {scores.kind}
    for head, found in scores.score(scores.kind).items():
        wanted = sum(factor * scores.score(kind)[head] for kind, factor in factors.items())
        assert found == pytest.approx(wanted, abs=1e-12)
    best = max(scores.score(scores.kind).values())
    assert scores.best(1)[0][1] == best
    assert len(scores.kinds) == len(scores.sentences) == len(scores.scores) == len(scores.counts)


def test_a_typed_score_of_what_nothing_shows_is_no_number(model_of):
    scores = ue.find_heads(model_of("gpt2"), [59, 72, 20], score="induction + first")
    assert set(scores.score("induction + first").values()) == {None}


@pytest.mark.parametrize(
    "text",
    ["", "copying", "first second", "2first", "first*2", "first -", "(first)", "first**2",
     "1+first", "__import__('os')", "first + 1e9*same", "9" * 30 + "*first"],
)  # fmt: skip
def test_a_score_that_cannot_be_read_is_refused(text, model_of):
    with pytest.raises(InputError) as refused:
        ue.find_heads(model_of("gpt2"), [1, 2], score=text)
    assert refused.value.field == "score"
