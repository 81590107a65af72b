"""What an attribution by pairs holds is counted before it runs."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import unembed as ue
from unembed.analyses.attribution.memory import bytes_of_pairs
from unembed.analyses.attribution.options import AttributionOptions
from unembed.errors import TooLargeError
from unembed.models.tiny import tiny_model

N_TOKENS = 60
IDS = [(7 * place) % 90 + 3 for place in range(N_TOKENS)]


class Held(TorchDispatchMode):
    """Bytes of all storages that are alive and as large as a layer's patterns."""

    def __init__(self, least):
        super().__init__()
        self.least, self.sizes, self.peak = least, {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if not isinstance(tensor, torch.Tensor):
                continue
            storage = tensor.untyped_storage()
            if storage.nbytes() < self.least or storage._cdata in self.sizes:
                continue
            self.sizes[storage._cdata] = storage.nbytes()
            weakref.finalize(storage, self.sizes.pop, storage._cdata, None)
            self.peak = max(self.peak, sum(self.sizes.values()))
        return found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"estimator": "graddrop"},
        {"qk": "softmax"},
        {"against": "prompt", "steps": 1},
        {"against": "mean"},
    ],
    ids=str,
)
def test_no_more_is_held_of_pairs_than_is_counted(options):
    model = ue.load(tiny_model("gemma3"))
    blocks = model.anatomy.blocks
    layer = blocks[0].attention.n_heads * N_TOKENS**2 * 4
    chosen = AttributionOptions(**options)
    counted = bytes_of_pairs(model, N_TOKENS, range(len(blocks)), chosen)
    others = {"references": IDS[::-1]} if options.get("against") == "prompt" else {}
    with Held(layer) as held:
        ue.attribute(model, IDS, 7, top_k=5, **options, **others)
    assert 0.7 * counted < held.peak <= counted


def test_pairs_that_would_take_more_than_a_run_may_are_refused_before_anything_runs():
    model = ue.load(tiny_model("gemma3"))
    layers = range(model.anatomy.n_layers)
    fits = bytes_of_pairs(model, N_TOKENS, layers, AttributionOptions())
    model = ue.load(model.module, settings=ue.Settings(max_capture_bytes=fits - 1))
    with pytest.raises(TooLargeError, match="pairs of query and key of 60 tokens") as caught:
        ue.attribute(model, IDS, 7)
    assert "pairs=False" in caught.value.fix
    assert ue.attribute(model, IDS, 7, pairs=False).n_nodes > 0
    model = ue.load(model.module, settings=ue.Settings(max_capture_bytes=fits))
    assert ue.attribute(model, IDS, 7).n_nodes > 0
