"""Patterns shrunk to a few cells, and watched layer by layer, against whole patterns."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

import unembed as ue
from unembed.analyses.attention.parts import watch_patterns
from unembed.analyses.attention.thumbnails import starts
from unembed.errors import InputError, TooLargeError

from .slow import PROMPT


def by_hand(pattern, n_rows, n_columns):
    """The largest entry of each cell, pair by pair."""
    n_queries, n_keys = pattern.shape
    found = torch.zeros(n_rows, n_columns, dtype=pattern.dtype)
    for query in range(n_queries):
        for key in range(n_keys):
            # the last cell that starts at or before the position
            row = max(one for one in range(n_rows) if one * n_queries // n_rows <= query)
            column = max(one for one in range(n_columns) if one * n_keys // n_columns <= key)
            found[row, column] = max(found[row, column], pattern[query, key])
    return found


@pytest.mark.parametrize("size", [1, 3, 7, 32])
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert"])
def test_a_cell_is_the_largest_of_the_pairs_that_it_stands_for(name, size, model_of):
    model = model_of(name, torch.float64)
    edits = [ue.zero("L0.H1")]
    for some in ([], edits):
        found = ue.head_thumbnails(model, PROMPT, size=size, edits=some)
        run = model.run(PROMPT, ["pattern"], some)
        n_cells = min(size, len(PROMPT))
        assert found.query_starts == found.key_starts == starts(len(PROMPT), size)
        for order, head in enumerate(found.heads):
            wanted = by_hand(run[f"{head}.pattern"], n_cells, n_cells)
            assert float(found.scale[order]) == pytest.approx(float(wanted.max()), rel=1e-6)
            error = (found.values()[order] - wanted).abs().max()
            assert error <= found.scale[order] / 509
    assert len(found.heads) == model.anatomy.n_layers * model.anatomy.n_heads


def test_runs_of_positions_are_as_long_as_each_other():
    for n_positions, size in ((10, 3), (1024, 32), (33, 32), (5, 32)):
        ends = [*starts(n_positions, size), n_positions]
        lengths = {after - before for before, after in pairwise(ends)}
        assert max(lengths) - min(lengths) <= 1
        assert len(ends) - 1 == min(n_positions, size)


def test_a_layer_that_is_named_alone_is_shown_alone(model_of):
    found = ue.head_thumbnails(model_of("gpt2"), PROMPT, layers=[2], size=4)
    assert found.heads == ("L2.H0", "L2.H1", "L2.H2", "L2.H3")
    assert found.cells.shape == (4, 4, 4)
    assert found.cells.flatten(1).amax(1).tolist() == [255] * 4
    table = found.columns()
    assert table["largest"] == found.scale.tolist()
    assert repr(found) == "Thumbnails(4 heads, 4 × 4 cells)"


def test_all_heads_are_looked_at_in_the_memory_of_one_layer(model_of):
    model = model_of("gpt2")
    one_layer = model.anatomy.n_heads * len(PROMPT) ** 2 * 4
    settings = model.settings
    model.settings = replace(settings, max_capture_bytes=one_layer)
    try:
        with pytest.raises(TooLargeError):
            model.run(PROMPT, ["pattern"])
        assert len(ue.head_thumbnails(model, PROMPT).heads) == 12
        assert len(ue.find_heads(model, list(PROMPT)).heads) == 12
        model.settings = replace(settings, max_capture_bytes=one_layer - 1)
        with pytest.raises(TooLargeError):
            ue.head_thumbnails(model, PROMPT)
    finally:
        model.settings = settings


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "albert", "falcon"])
def test_what_is_watched_is_what_a_run_captures(name, model_of):
    model = model_of(name)
    layers, seen = range(model.anatomy.n_layers), {}
    read = model.read_prompt(PROMPT)
    watch_patterns(model, read, "self", layers, lambda at, one: seen.update({at: one.clone()}))
    run = model.run(PROMPT, ["pattern"])
    assert list(seen) == list(layers)
    for layer, pattern in seen.items():
        assert torch.equal(pattern, run[f"L{layer}.pattern"])


def test_an_error_while_watching_leaves_no_hooks(model_of):
    model = model_of("gpt2")

    def fail(layer, _pattern):
        raise KeyError(layer)

    with pytest.raises(KeyError):
        watch_patterns(model, model.read_prompt(PROMPT), "self", [1], fail)
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.module.modules())
    assert ue.head_thumbnails(model, PROMPT).heads


def test_bad_sizes_and_layers_are_refused(model_of):
    model = model_of("gpt2")
    with pytest.raises(InputError, match="size"):
        ue.head_thumbnails(model, PROMPT, size=0)
    with pytest.raises(InputError, match="layers 0-2"):
        ue.head_thumbnails(model, PROMPT, layers=[7])
