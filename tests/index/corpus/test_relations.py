"""Relations that heads follow equal plain loops over all tokens and transformers' own attention."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch

import unembed as ue
from unembed.errors import InputError
from unembed.index.corpus.build import index_corpus
from unembed.models.tiny import tiny_model

from .conftest import PIPELINE

# In each sentence every word comes once, so that the form of a head tells which one it is.
TEXT = """A tall girl drank cold milk near London. She can't hear anything!

He runs where others ran.
"""


def related(tokens, relation, query, key):
    """Whether the key is one of the relation's for the query, from the labels of tokens."""
    one, other = tokens[query], tokens[key]
    way, _, label = relation.partition(": ")
    if way in ("self", "previous", "next"):
        return key - query == {"self": 0, "previous": -1, "next": 1}[way]
    if way == "entity":
        return other.entity is not None and key != query
    if one.word is None or other.word is None:
        return False
    same = place(tokens, query) == place(tokens, key)
    if way == "same word":
        return same and key != query
    if way == "same lemma":
        return not same and one.lemma is not None and one.lemma == other.lemma
    child, head = (one, other) if way == "head" else (other, one)
    if label and child.dep != label:
        return False
    return not same and child.head == head.word


def place(tokens, at):
    """The first token of the word that a token is part of."""
    while at > 0 and tokens[at - 1].word == tokens[at].word and tokens[at].word is not None:
        at -= 1
    return at


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_relations_equal_plain_loops(family, model_of, tmp_path):
    model = model_of(family)
    (tmp_path / "a.txt").write_text(TEXT)
    corpus = index_corpus(
        model, tmp_path / "a.txt", "a", [0], folder=tmp_path, spacy=PIPELINE, max_tokens=60
    )
    found = ue.head_relations(corpus, layers=(1,), min_count=1, limit=2000)
    eager = tiny_model(family)  # transformers leaves hooks on what gives attentions away
    eager.set_attn_implementation("eager")
    n, hits, base, mass = (defaultdict(float) for _ in range(4))
    for number in range(corpus.about.n_sentences):
        tokens = corpus.tokens(number)
        ids = torch.tensor([[one.token.id for one in tokens]])
        with torch.no_grad():
            pattern = eager(ids, output_attentions=True).attentions[1][0]
        real = [at for at, one in enumerate(tokens) if not one.token.special]
        for query in real:
            seen = [at for at in real if model.kind != "causal" or at <= query]
            for relation in found.relations:
                keys = [at for at in seen if related(tokens, relation, query, at)]
                if not keys or len(seen) < 2:
                    continue
                n[relation] += 1
                base[relation] += len(keys) / len(seen)
                for head in range(len(pattern)):
                    row = pattern[head, query]
                    most = max(seen, key=lambda at, row=row: float(row[at]))
                    hits[head, relation] += most in keys
                    mass[head, relation] += float(row[keys].sum())
    assert {one.relation for one in found.items} == set(n)
    assert len(found.items) == found.total == len(n) * len(pattern)
    for one in found.items:
        times = n[one.relation]
        assert one.n == times
        assert one.share == pytest.approx(hits[one.head, one.relation] / times)
        assert one.base == pytest.approx(base[one.relation] / times)
        assert one.lift == pytest.approx(one.share / one.base)
        assert one.attention == pytest.approx(mass[one.head, one.relation] / times, abs=1e-4)
        assert one.low <= one.lift <= one.high or one.share in (0, 1)
    previous = next(one for one in found.items if one.relation == "previous")
    assert (previous.distance, previous.distance_share) == (-1, 1.0)
    assert all(one.distance_share <= 1 for one in found.items)


def test_what_is_listed_is_what_was_asked_for(corpus):
    found = ue.head_relations(corpus, layers=(2, 3), min_count=1, relation=("next",), sort="share")
    assert {one.relation for one in found.items} == {"next"} or not found.items
    every = ue.head_relations(corpus, min_count=5, sort="attention", limit=7)
    assert len(every.items) == 7
    sizes = [one.attention for one in every.items]
    assert sizes == sorted(sizes, reverse=True)
    assert all(one.n >= 5 for one in every.items)
    few = ue.head_relations(corpus, sentences=1, min_count=1)
    assert few.n_sentences == 1
    with pytest.raises(InputError, match="relation 'child: dett'; nearest is child: det"):
        ue.head_relations(corpus, layers=(2,), relation=("child: dett",))
    with pytest.raises(InputError, match="layer"):
        ue.head_relations(corpus, layers=(99,))
