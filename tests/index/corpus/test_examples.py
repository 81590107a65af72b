"""Examples of nodes equal a look at every token, sentence by sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import unembed as ue
from unembed.analyses.tools.vectors import key_tokens, value_vectors
from unembed.analyses.tools.writes import node_of, write, write_capture
from unembed.errors import InputError, TargetError
from unembed.index.corpus import examples as module
from unembed.index.corpus.measures import Measures
from unembed.index.corpus.passes import runs_of, spans_of
from unembed.models.tiny import tiny_model, tiny_tokenizer


def slowly(corpus, capture, value):
    """(value, row, sentence) of every token that is not special; the sentence alone in a run."""
    found, row = [], 0
    for number in range(corpus.about.n_sentences):
        tokens = corpus.tokens(number)
        run = corpus.model.run([one.token.id for one in tokens], capture=capture)
        values = value(run).tolist()
        found += [
            (values[at], row + at, number) for at, one in enumerate(tokens) if not one.token.special
        ]
        row += len(tokens)
    return found


def strongest(found, most):
    """The strongest token of each sentence, the strongest sentences first."""
    best = {}
    for value, row, number in found:
        if number not in best or value > best[number][0]:
            best[number] = (value, row)
    return sorted(best.values(), key=lambda one: -one[0])[:most]


def test_examples_equal_a_look_at_every_token(corpus, model):
    torch.manual_seed(0)
    vector = torch.randn(model.anatomy.d_model, dtype=torch.float64)
    head = node_of(model, "L2.H1")
    named = {
        "L1.N5": (["L1.mlp_post"], lambda run: run["L1.mlp_post"][:, 5]),
        "L2.H1": (write_capture(model, head), lambda run: write(run, head).norm(dim=-1)),
        "L2.resid_post": (
            ["L2.resid_post"],
            lambda run: run["L2.resid_post"].double() @ (vector / vector.norm()),
        ),
    }
    nodes = ["L1.N5", "L2.H1", ("L2.resid_post", vector)]
    answers = ue.find_examples(corpus, nodes, top=3, each=2, random=3, threshold=0.25)
    for answer in answers:
        every = slowly(corpus, *named[answer.node])
        values = np.array([value for value, *_ in every])
        top = [item for item in answer.items if item.group == "top"]
        wanted = strongest(every, 3)
        assert [item.row for item in top] == [row for _, row in wanted]
        assert [item.value for item in top] == pytest.approx(
            [value for value, _ in wanted], rel=1e-4, abs=1e-5
        )
        assert answer.n == answer.n_drawn == len(every)
        assert answer.density == pytest.approx((values > 0.25).mean())
        assert [answer.mean, answer.least, answer.most] == pytest.approx(
            [values.mean(), values.min(), values.max()], rel=1e-4, abs=1e-5
        )
        by_row = {row: value for value, row, _ in every}
        for item in answer.items:
            assert item.value == pytest.approx(by_row[item.row], rel=1e-4, abs=1e-5)
            assert item.values[item.position] == pytest.approx(item.value, rel=1e-4, abs=1e-5)
            assert (item.tokens, item.text) == (
                corpus.tokens(item.sentence),
                corpus.text(item.sentence),
            )
            if item.group == "quantile":
                below = (values < item.value - 1e-6).mean()
                assert abs(below - item.quantile) <= 4 / len(values)  # one sentence is there twice
        assert [item.group for item in answer.items].count("random") == 3
        assert len({item.row for item in answer.items if item.group == "random"}) == 3


def test_examples_of_a_head_say_what_it_attends_to(corpus, model):
    head, neuron = ue.find_examples(corpus, ["L2.H1", "L1.N5"], top=4)
    for item in head.items:
        tokens = corpus.tokens(item.sentence)
        run = model.run([one.token.id for one in tokens], capture=["L2.pattern"])
        weights = run["L2.pattern"][1, item.position].tolist()
        own = [at for at, one in enumerate(tokens) if one.start is not None]
        assert item.attended == max(own, key=weights.__getitem__)
        assert item.attention == pytest.approx(weights[item.attended], rel=1e-4)
    shown = head.to_pandas()
    assert list(shown.attended) == [item.tokens[item.attended].token.text for item in head.items]
    assert {(item.attended, item.attention) for item in neuron.items} == {(None, None)}
    assert "attended" not in neuron.columns()


def test_what_is_kept_does_not_grow_with_the_corpus(corpus, monkeypatch):
    monkeypatch.setattr(module, "DRAWN", 20)
    (answer,) = ue.find_examples(corpus, "L1.N5", top=2, random=5)
    assert answer.n_drawn == 20
    assert answer.n > 100
    (every,) = ue.find_examples(corpus, ["L1.N5"], top=2, each=0, random=0)
    assert [item.row for item in answer.items[:2]] == [item.row for item in every.items]


def test_sentences_of_a_pass_are_those_of_the_corpus(corpus, model):
    spans = spans_of(corpus.columns)
    seen = []
    again = list(
        runs_of(
            model, corpus.columns, spans, [], at_once=40, progress=lambda *one: seen.append(one)
        )
    )
    assert sorted(span for span, _ in again) == spans
    for (first, _), run in again:
        (sentence,) = corpus.sentences([first]).items
        assert list(run.ids) == [one.token.id for one in sentence.tokens]
    assert seen[0][1:] == (0, corpus.about.n_tokens)
    assert seen[-1][1:] == (corpus.about.n_tokens, corpus.about.n_tokens)


def test_what_is_read_together_is_what_is_read_alone(model):
    torch.manual_seed(1)
    vectors = torch.randn(2, model.anatomy.d_model)
    along = [("L2.resid_post", vector) for vector in vectors]
    nodes = ["L1.N5", along[0], "L2.H1", "L1.N7", "L3.N5", along[1], "L1.mlp"]
    whole = Measures(model, nodes)
    run = model.run("The cat sat on the mat", whole.capture)
    found = whole.values(run)
    assert found.shape == (len(nodes), len(run.ids))
    for node, values in zip(nodes, found, strict=True):
        alone = Measures(model, [node])
        assert values == pytest.approx(alone.values(run)[0], rel=1e-6)
    assert found[0] == pytest.approx(run["L1.N5"].double().numpy())
    assert found[6] == pytest.approx(write(run, "L1.mlp").norm(dim=-1).double().numpy())


@pytest.fixture(params=["bert", "distilbert", "modernbert"])
def headless(request, tmp_path):
    """A tiny model whose checkpoint has no language-model head."""
    tiny_model(request.param).base_model.save_pretrained(tmp_path / "model")
    return ue.load(tmp_path / "model", tiny_tokenizer())


def test_models_without_a_head_have_examples_and_the_rest_of_a_page(headless, texts, tmp_path):
    model = headless
    corpus = ue.index_corpus(model, texts[1], "bare", [1], folder=tmp_path, max_tokens=60)
    head, writes = node_of(model, "L1.H2"), value_vectors(model, 1)[5].double()
    named = {
        "L1.N5": (["L1.mlp_post"], lambda run: run["L1.mlp_post"][:, 5]),
        "L1.H2": (write_capture(model, head), lambda run: write(run, head).norm(dim=-1)),
        "L1.resid_post": (
            ["L1.resid_post"],
            lambda run: run["L1.resid_post"].double() @ (writes / writes.norm()),
        ),
    }
    nodes = ["L1.N5", "L1.H2", ("L1.resid_post", writes)]
    pages = {one.node: one for one in ue.node_pages(corpus, nodes[:2], top=3).items}
    for answer in ue.find_examples(corpus, nodes, top=3):
        every = slowly(corpus, *named[answer.node])
        top = [item.value for item in answer.items if item.group == "top"]
        wanted = [value for value, _ in strongest(every, 3)]
        assert top == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        assert answer.density == pytest.approx(np.mean([value > 0 for value, *_ in every]))
        if answer.node in pages:
            assert pages[answer.node].examples.to_dict() == answer.to_dict()
    of_weights, reason = pages["L1.N5"].vector, model.capabilities()["lens"].reason
    assert (of_weights.promoted, of_weights.suppressed) == ((), ())
    assert of_weights.promoted_reason == reason
    assert of_weights.norm == pytest.approx(float(writes.norm()), rel=1e-5)
    assert [one.token.id for one in of_weights.key_promotes] == [
        one.token.id for one in key_tokens(model, "L1.N5", len(of_weights.key_promotes)).promotes
    ]
    cosines = torch.nn.functional.cosine_similarity(value_vectors(model, 1), writes, dim=-1)
    nearest = cosines.argsort(descending=True)[1:6].tolist()
    assert [one.node for one in pages["L1.N5"].near] == [f"L1.N{at}" for at in nearest]


@pytest.mark.parametrize(
    ("nodes", "error", "field"),
    [
        ("L9.N5", TargetError, "target"),
        (("L1.z", torch.ones(40)), TargetError, "target"),
        (("L1.mlp_post", torch.ones(40)), TargetError, "target"),
        ("L1.H0@3", InputError, "target"),
        (("L1.resid_post", torch.zeros(3)), InputError, "direction"),
    ],
)
def test_what_has_no_examples_is_said(nodes, error, field, corpus):
    with pytest.raises(error) as refused:
        ue.find_examples(corpus, nodes)
    assert refused.value.field == field


def test_correlations_and_histograms_equal_numpy_on_every_token(corpus, model):
    """Of a neuron and of a head with all of its layer: activations, and norms of writes."""
    neuron, head = ue.find_examples(corpus, ["L1.N5", "L2.H1"], top=1, each=0, random=0, alike=4)
    rows, norms = [], []
    weight, n_heads = model.output_weight(2, "attn").detach().double(), model.anatomy.n_heads
    for number in range(corpus.about.n_sentences):
        tokens = corpus.tokens(number)
        run = model.run([one.token.id for one in tokens], ["L1.mlp_post", "L2.z", "L2.attn_out"])
        own = [at for at, one in enumerate(tokens) if not one.token.special]
        rows.append(run["L1.mlp_post"][own].double().numpy())
        z, maps = run["L2.z"][own].double(), weight.reshape(n_heads, -1, weight.shape[1])
        parts = torch.einsum("phz,hzd->phd", z, maps)
        gain = run["L2.attn_out"][own] / parts.sum(1)  # of the norm behind W_O
        norms.append((parts * gain[:, None]).norm(dim=-1).numpy())
    values = np.concatenate(rows)
    wanted = np.corrcoef(values.T)[5]
    wanted[5] = -2
    order = np.argsort(-wanted)[:4]
    assert [one.node for one in neuron.alike] == [f"L1.N{number}" for number in order]
    assert [one.correlation for one in neuron.alike] == pytest.approx(wanted[order], abs=1e-5)
    with_heads = np.corrcoef(np.concatenate(norms).T)[1]
    with_heads[1] = -2
    others = np.argsort(-with_heads)[: n_heads - 1]
    assert [one.node for one in head.alike] == [f"L2.H{number}" for number in others]
    assert [one.correlation for one in head.alike] == pytest.approx(with_heads[others], abs=1e-4)
    active = values[:, 5][values[:, 5] > 0]
    counts, edges = np.histogram(active, bins=len(neuron.histogram.counts))
    assert sum(neuron.histogram.counts) == len(active)
    assert neuron.histogram.edges == pytest.approx(edges, rel=1e-4)
    assert np.abs(np.cumsum(counts) - np.cumsum(neuron.histogram.counts)).max() <= 1
    assert sum(head.histogram.counts) == head.n
