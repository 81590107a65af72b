"""Files of every layout, written from the layouts' own descriptions, and what they mean, by hand.

Nothing here knows how the package reads them. A `Parts` is what an autoencoder is made of, with the
encoder [d_in, n] and the decoder [n, d_out] as formulas have them; each layout turns and names them
as its files do.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from .collections import COLLECTIONS
from .dictionary import DICTIONARY
from .gemma_scope import GEMMA_SCOPE
from .llama_scope import LLAMA_SCOPE
from .parts import Layout, Parts
from .saelens import SAELENS
from .sparsify import SPARSIFY

LAYOUTS = (*SAELENS, *GEMMA_SCOPE, *LLAMA_SCOPE, *SPARSIFY, *DICTIONARY, *COLLECTIONS)


def random_parts(layout: Layout, d: int = 6, n: int = 12, seed: int = 0) -> Parts:
    """Tensors of no meaning."""
    torch.manual_seed(seed)
    made = Parts(torch.randn(d, n), torch.randn(n, d), torch.randn(n), torch.randn(d))
    one = layout.name.startswith(("llama-scope", "dictionary-batch", "dictionary-matr"))
    every = {
        "threshold": torch.full((n,), 0.4) if one else torch.rand(n),
        "r_mag": torch.randn(n) / 2,
        "b_mag": torch.randn(n),
        "skip": torch.randn(d, d),
        "scale": 1.7,
    }
    return replace(made, **{name: every[name] for name in layout.needs})
