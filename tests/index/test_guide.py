"""The guide's slow examples run, on the demo model's vectors with lists that are drawn."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import unembed as ue
from unembed.analyses.tools.vectors import value_vectors
from unembed.index.build import Builder
from unembed.index.folder import IndexFolder

GUIDE = Path(__file__).parents[2] / "docs/guides/vector-index.md"


@pytest.fixture
def drawn(tmp_path, monkeypatch, demo_model):
    """An index of the demo model that took no projecting: every list begins with " music"."""
    monkeypatch.setattr(IndexFolder, "of", lambda *_: IndexFolder(tmp_path / "raw"))
    model = demo_model
    named = [model.token_id(one) for one in (" music", " France", " Germany", " doctor")]
    draw = np.random.default_rng(0)
    with Builder(model) as builder:
        builder.prepare()
        for layer in builder.remaining:
            vectors = value_vectors(model, layer).float().numpy()
            scores = -np.sort(-draw.uniform(1, 2, (len(vectors), 50)).astype(np.float32), axis=1)
            ids = draw.integers(0, model.vocab_size, scores.shape).astype(np.int32)
            ids[:, : len(named)] = named
            n = len(vectors)
            columns = {
                "layer": np.full(n, layer, np.int32),
                "neuron": np.arange(n, dtype=np.int32),
                "norm": np.linalg.norm(vectors, axis=1),
                "vector": vectors,
                "top_ids": ids,
                "top_scores": scores,
                "bottom_ids": ids,
                "bottom_scores": -scores,
            }
            builder.tables.append(columns)
        builder.remaining = []
        builder.finish()
    return model


@pytest.mark.demo
def test_the_guides_examples_run(drawn, monkeypatch, capsys):
    monkeypatch.setattr(ue, "load", lambda _: drawn)
    blocks = re.findall(r"```py\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 6
    code = "\n".join(blocks).replace("index.clusters()", "index.clusters(12)")
    exec(compile(code, GUIDE.name, "exec"), {})
    printed = capsys.readouterr().out
    assert "IndexAbout(" in printed
    assert f"{len(value_vectors(drawn, 0)) * 18}" in printed
