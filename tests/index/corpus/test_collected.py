"""Examples that are kept of every neuron and head are those that a pass for it alone finds."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import unembed as ue
from unembed.errors import CancelledError, CapabilityError, LoadError
from unembed.index.corpus import build, collecting, examples, trial
from unembed.index.corpus import estimate as estimating
from unembed.index.corpus.build import estimate_corpus, index_corpus
from unembed.index.corpus.opening import open_corpus
from unembed.models.tiny import tiny_tokenizer

from ...contract.unlisted import mixing_bitnet
from .conftest import MORE
from .test_building import assert_same, kept


def assert_alike(found, wanted):
    """All that two answers say of a node; passes of other sizes round otherwise."""
    assert (found.node, found.n, found.n_drawn) == (wanted.node, wanted.n, wanted.n_drawn)
    names = ("density", "mean", "least", "most")
    assert [getattr(found, name) for name in names] == pytest.approx(
        [getattr(wanted, name) for name in names], rel=1e-5, abs=1e-6
    )
    assert [(one.group, one.quantile) for one in found.items] == [
        (one.group, one.quantile) for one in wanted.items
    ]
    assert [one.value for one in found.items] == pytest.approx(
        [one.value for one in wanted.items], rel=1e-5, abs=1e-6
    )
    assert [one.correlation for one in found.alike] == pytest.approx(
        [one.correlation for one in wanted.alike], rel=1e-4, abs=1e-5
    )
    assert (found.histogram is None) == (wanted.histogram is None)
    if found.histogram is not None:
        assert sum(found.histogram.counts) == sum(wanted.histogram.counts)
        assert found.histogram.edges == pytest.approx(wanted.histogram.edges, rel=1e-4, abs=1e-5)
    for one in found.items:
        assert one.values[one.position] == pytest.approx(one.value, rel=1e-5, abs=1e-6)


def no_pass(*given):
    raise AssertionError("a pass was made")


@pytest.mark.parametrize(
    ("family", "dtype"), [("gemma3", torch.float32), ("gpt2", torch.float64)], ids=str
)
def test_what_is_kept_of_every_neuron_is_what_a_pass_for_it_finds(
    family, dtype, model_of, texts, tmp_path, monkeypatch
):
    model = model_of(family, dtype)
    options = {"folder": tmp_path, "kept": "hidden"}
    plain = index_corpus(model, texts, "plain", [1, 2], **options)
    monkeypatch.setattr(collecting, "NODES_AT_ONCE", 10)  # a pass for each layer
    corpus = index_corpus(model, texts, "one", [1, 2], examples="neurons", **options)
    nodes = [
        f"L{layer}.N{neuron}"
        for layer in (1, 2)
        for neuron in range(0, model.block(layer).d_mlp, 1 if dtype == torch.float64 else 7)
    ]
    wanted = ue.find_examples(plain, nodes)
    monkeypatch.setattr(examples, "looked_for", no_pass)
    for found, one in zip(ue.find_examples(corpus, nodes), wanted, strict=True):
        assert_alike(found, one)
        if dtype == torch.float64:
            assert [item.row for item in found.items] == [item.row for item in one.items]
            assert found.histogram == one.histogram
            assert [other.node for other in found.alike] == [other.node for other in one.alike]
    for other in ({"top": 3}, {"threshold": 0.5}, {"seed": 1}):
        with pytest.raises(AssertionError, match="a pass was made"):
            ue.find_examples(corpus, "L1.N5", **other)
    for node in ("L1.H0", "L0.N5", ["L1.N5", "L1.mlp"]):
        with pytest.raises(AssertionError, match="a pass was made"):
            ue.find_examples(corpus, node)


def test_what_is_kept_of_every_head_is_a_look_at_every_token(
    model_of, texts, tmp_path, monkeypatch
):
    model = model_of("gpt2", torch.float64)
    options = {"folder": tmp_path, "kept": "hidden"}
    corpus = index_corpus(model, texts, "one", [1, 2], examples="heads", **options)
    monkeypatch.setattr(examples, "looked_for", no_pass)
    n_heads = model.block(2).attention.n_heads
    found = ue.find_examples(corpus, [f"L2.H{head}" for head in range(n_heads)])
    rows, sentences, norms = [], [], []
    weight = model.module.transformer.h[2].attn.c_proj.weight
    width = weight.shape[0] // n_heads
    start = 0
    for number in range(corpus.about.n_sentences):
        tokens = corpus.tokens(number)
        z = model.run([one.token.id for one in tokens], capture=["L2.z"])["L2.z"].flatten(1)
        parts = [slice(head * width, (head + 1) * width) for head in range(n_heads)]
        written = [
            np.linalg.norm((z[:, own] @ weight[own]).detach().numpy(), axis=1) for own in parts
        ]
        own = [at for at, one in enumerate(tokens) if not one.token.special]
        rows += [start + at for at in own]
        sentences += [number] * len(own)
        norms += [[one[at] for one in written] for at in own]
        start += len(tokens)
    values, rows, sentences = np.array(norms), np.array(rows), np.array(sentences)
    for head, one in enumerate(found):
        mine = values[:, head]
        assert (one.node, one.n, one.n_drawn) == (f"L2.H{head}", len(mine), len(mine))
        assert (one.measured, one.density) == ("norm of the write", 1.0)
        together = np.corrcoef(values.T)[head]
        together[head] = -2
        order = np.argsort(-together)[: len(found) - 1]
        assert [other.node for other in one.alike] == [f"L2.H{number}" for number in order]
        assert [other.correlation for other in one.alike] == pytest.approx(
            together[order], abs=1e-4
        )
        assert [one.mean, one.least, one.most] == pytest.approx(
            [mine.mean(), mine.min(), mine.max()]
        )
        best = {number: mine[sentences == number].max() for number in set(sentences.tolist())}
        top = [item.value for item in one.items if item.group == "top"]
        assert top == pytest.approx(sorted(best.values(), reverse=True)[:10])
        for item in one.items:
            assert item.value == pytest.approx(mine[rows == item.row].item())
            if item.group == "quantile":
                at = round(item.quantile * (len(mine) - 1))
                least, most = np.sort(mine)[[at - 1, at + 1]]
                assert least - 1e-9 <= item.value <= most + 1e-9
        counts, edges = np.histogram(mine, bins=len(one.histogram.counts))
        assert one.histogram.edges == pytest.approx(edges)
        assert np.abs(np.cumsum(counts) - np.cumsum(one.histogram.counts)).max() <= 1


def test_neurons_and_heads_share_a_pass_and_each_has_tokens_of_its_own(
    model, texts, tmp_path, monkeypatch
):
    options = {"folder": tmp_path, "kept": "hidden"}
    plain = index_corpus(model, texts, "plain", [1], **options)
    nodes = ["L1.H1", "L1.N5", "L1.H0"]
    wanted = ue.find_examples(plain, nodes)
    passes, real = [], examples.runs_of
    monkeypatch.setattr(
        examples, "runs_of", lambda *of, **how: passes.append(1) or real(*of, **how)
    )
    monkeypatch.setattr(examples, "DRAWN_BYTES", 8 * 20 * model.block(1).d_mlp)
    monkeypatch.setattr(examples, "FEWEST_DRAWN", 1)
    corpus = index_corpus(model, texts, "one", [1], examples="both", **options)
    assert passes == [1]
    monkeypatch.setattr(examples, "looked_for", no_pass)
    heads, neuron = [0, 2], 1
    found = ue.find_examples(corpus, nodes)
    for order in heads:
        assert_alike(found[order], wanted[order])
    assert found[neuron].n_drawn == 20 < wanted[neuron].n_drawn
    some, every = (
        [one.value for one in each[neuron].items if one.group == "top"] for each in (found, wanted)
    )
    assert some == pytest.approx(every, rel=1e-5, abs=1e-6)


def test_heads_are_added_to_what_is_kept_of_neurons(model, texts, tmp_path):
    options = {"folder": tmp_path, "kept": "hidden"}
    index_corpus(model, texts[0], "one", [1], examples="neurons", **options)
    both = index_corpus(model, texts[0], "one", [1, 3], examples="heads", **options)
    about = both.collected.about
    assert (about.layers("neurons"), about.layers("heads")) == ([1], [1, 3])
    said = json.loads((both.version / "about.json").read_text())["examples"]
    del said["heads"]  # as it was before there were any
    assert type(about).from_dict(said).layers("heads") == []


def test_layers_and_files_that_are_added_keep_what_is_true(model, texts, tmp_path, monkeypatch):
    options = {"folder": tmp_path, "kept": "hidden"}
    one = index_corpus(model, texts[0], "one", [1], **options)
    said = index_corpus(model, texts[0], "one", [1], examples="neurons", **options)
    assert one.version == said.version
    assert_same(kept(said), kept(one))
    layers = index_corpus(model, texts[0], "one", [1, 3], **options)
    assert layers.collected.about.layers("neurons") == [1]
    monkeypatch.setattr(collecting, "write_table", no_pass)
    assert index_corpus(model, texts[0], "one", [1], examples="neurons", **options)
    monkeypatch.undo()
    both = index_corpus(model, texts[0], "one", [1, 3], examples="neurons", **options)
    assert both.collected.about.layers("neurons") == [1, 3]
    (tmp_path / "more.txt").write_text(MORE)
    grown = index_corpus(model, tmp_path / "more.txt", "one", add=True, **options)
    assert grown.collected.about is None


def test_a_pass_that_is_stopped_leaves_the_corpus_and_goes_on(model, texts, tmp_path, monkeypatch):
    options = {"folder": tmp_path, "kept": "hidden"}
    index_corpus(model, texts[0], "one", [1, 3], **options)
    monkeypatch.setattr(collecting, "NODES_AT_ONCE", 10)
    cancel, real = ue.Cancel(), collecting.write_table

    def stopped(*given):
        real(*given)
        cancel.cancel()

    monkeypatch.setattr(collecting, "write_table", stopped)
    with pytest.raises(CancelledError):
        index_corpus(model, texts[0], "one", [1, 3], examples="neurons", cancel=cancel, **options)
    corpus = open_corpus(model, "one", folder=tmp_path)
    assert corpus.collected.about is None
    monkeypatch.undo()
    again = index_corpus(model, texts[0], "one", [1, 3], examples="neurons", **options)
    assert again.collected.about.layers("neurons") == [1, 3]


def test_damaged_words_about_them_are_said(model, texts, tmp_path):
    corpus = index_corpus(
        model, texts[0], "one", [1], examples="neurons", folder=tmp_path, kept="hidden"
    )
    about = corpus.version / "about.json"
    said = json.loads(about.read_text())
    said["examples"]["options"]["top"] = "ten"
    about.write_text(json.dumps(said))
    with pytest.raises(LoadError, match=r"about.json cannot be read"):
        open_corpus(model, "one", folder=tmp_path)


def test_an_estimate_counts_them(model, texts, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "LEAST_SECONDS", 0.01)
    options = {"kept": "hidden"}
    plain = estimate_corpus(model, texts, [1, 2], **options)
    both = estimate_corpus(model, texts, [1, 2], examples="both", **options)
    built = [
        index_corpus(model, texts, name, [1, 2], folder=tmp_path, examples=name, **options)
        for name in ("none", "both")
    ]
    more = built[1].about.bytes - built[0].about.bytes
    assert both.bytes - plain.bytes == pytest.approx(
        more, rel=0.4
    )  # of so few, with what Lance adds
    monkeypatch.setattr(estimating, "cost", lambda *given: collecting.Cost(7_000_000, 500.0))
    said = estimate_corpus(model, texts, [1, 2], examples="heads", **options)
    assert said.bytes == plain.bytes + 7_000_000
    assert said.seconds == pytest.approx(500, abs=100)


@pytest.fixture(scope="module")
def mixing():
    return ue.load(mixing_bitnet(), tokenizer=tiny_tokenizer())


@pytest.mark.parametrize("asked", ["heads", "both"])
def test_heads_that_write_nothing_of_their_own_are_refused_before_anything_is_read(
    asked, mixing, texts, tmp_path, monkeypatch
):
    monkeypatch.setattr(estimating, "_measured", no_pass)
    monkeypatch.setattr(build, "expected_rows", no_pass)
    for ask in (
        lambda: estimate_corpus(mixing, texts, [0, 1], examples=asked),
        lambda: index_corpus(mixing, texts, "one", examples=asked, folder=tmp_path),
    ):
        with pytest.raises(CapabilityError, match=r"kept: LayerNorm .* layer 1 ") as caught:
            ask()
        assert (caught.value.field, caught.value.value) == ("examples", asked)
        assert "neurons" in caught.value.fix
    assert not list((tmp_path / "one").glob("v-*"))
    assert collecting.unsplit(mixing) == (1,)


def test_a_head_that_writes_nothing_of_its_own_is_refused_before_a_pass(
    mixing, texts, tmp_path, monkeypatch
):
    corpus = index_corpus(mixing, texts, "one", [0], examples="heads", folder=tmp_path)
    assert {layer for _, layer in corpus.collected.about.tables} == {0}
    monkeypatch.setattr(examples, "runs_of", no_pass)
    with pytest.raises(CapabilityError, match="LayerNorm before the output map of layer 1"):
        ue.find_examples(corpus, "L1.H0")


def test_what_they_cost_grows_with_tables_and_tokens(model, corpus, monkeypatch):
    said = {"_passed": 2.0, "_tried": 10.0}  # of which 10 at the end, whatever the corpus
    monkeypatch.setattr(collecting, "_seconds", lambda work: said[work.func.__name__])
    tables = collecting.tables_of(model, [1, 2], ("heads",))
    rows = corpus.columns.rows
    one, two = (collecting.cost(model, rows, tables, n, None) for n in (100.0, 200.0))
    assert one.bytes == two.bytes == 1000 * 2 * model.block(1).attention.n_heads
    assert two.seconds - one.seconds == pytest.approx(one.seconds - 20.0)
