"""Examples that are kept of every neuron are those that a pass for it alone finds."""

from __future__ import annotations

import json

import pytest
import torch

import unembed as ue
from unembed.errors import CancelledError, LoadError
from unembed.index.corpus import collecting, examples
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.opening import open_corpus

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
    monkeypatch.setattr(collecting, "NEURONS_AT_ONCE", 10)  # a pass for each layer
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


def test_layers_and_files_that_are_added_keep_what_is_true(model, texts, tmp_path, monkeypatch):
    options = {"folder": tmp_path, "kept": "hidden"}
    one = index_corpus(model, texts[0], "one", [1], **options)
    said = index_corpus(model, texts[0], "one", [1], examples="neurons", **options)
    assert one.version == said.version
    assert_same(kept(said), kept(one))
    layers = index_corpus(model, texts[0], "one", [1, 3], **options)
    assert layers.collected.about.layers == (1,)
    monkeypatch.setattr(collecting, "write_layer", no_pass)
    assert index_corpus(model, texts[0], "one", [1], examples="neurons", **options)
    monkeypatch.undo()
    both = index_corpus(model, texts[0], "one", [1, 3], examples="neurons", **options)
    assert both.collected.about.layers == (1, 3)
    (tmp_path / "more.txt").write_text(MORE)
    grown = index_corpus(model, tmp_path / "more.txt", "one", add=True, **options)
    assert grown.collected.about is None


def test_a_pass_that_is_stopped_leaves_the_corpus_and_goes_on(model, texts, tmp_path, monkeypatch):
    options = {"folder": tmp_path, "kept": "hidden"}
    index_corpus(model, texts[0], "one", [1, 3], **options)
    monkeypatch.setattr(collecting, "NEURONS_AT_ONCE", 10)
    cancel, real = ue.Cancel(), collecting.write_layer

    def stopped(*given):
        real(*given)
        cancel.cancel()

    monkeypatch.setattr(collecting, "write_layer", stopped)
    with pytest.raises(CancelledError):
        index_corpus(model, texts[0], "one", [1, 3], examples="neurons", cancel=cancel, **options)
    corpus = open_corpus(model, "one", folder=tmp_path)
    assert corpus.collected.about is None
    monkeypatch.undo()
    again = index_corpus(model, texts[0], "one", [1, 3], examples="neurons", **options)
    assert again.collected.about.layers == (1, 3)


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
