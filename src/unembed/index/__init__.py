"""Value vectors on disk: built layer by layer, searched by word, token and direction.

Promises: an index belongs to one model, to the last weight; it is published in one step, so that a
kill at any moment leaves the old one or none; what it says of tokens and directions is exact. It
knows models and analyses, and nothing of servers or queues.

Names are looked up when first used: `options` is read where torch is not to be imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unembed.analyses.tools.projections import TokenScore, token_direction
    from unembed.index.about import IndexAbout
    from unembed.index.build import Builder, build_index
    from unembed.index.clusters import Clusters
    from unembed.index.hits import Cluster, Hit, Hits, VectorPage
    from unembed.index.opening import look, open_index, unfinished
    from unembed.index.vector_index import VectorIndex

_HOME = {
    "Builder": "unembed.index.build",
    "Cluster": "unembed.index.hits",
    "Clusters": "unembed.index.clusters",
    "Hit": "unembed.index.hits",
    "Hits": "unembed.index.hits",
    "IndexAbout": "unembed.index.about",
    "TokenScore": "unembed.analyses.tools.projections",
    "VectorIndex": "unembed.index.vector_index",
    "VectorPage": "unembed.index.hits",
    "build_index": "unembed.index.build",
    "look": "unembed.index.opening",
    "open_index": "unembed.index.opening",
    "token_direction": "unembed.analyses.tools.projections",
    "unfinished": "unembed.index.opening",
}

__all__ = [
    "Builder",
    "Cluster",
    "Clusters",
    "Hit",
    "Hits",
    "IndexAbout",
    "TokenScore",
    "VectorIndex",
    "VectorPage",
    "build_index",
    "look",
    "open_index",
    "token_direction",
    "unfinished",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'unembed.index' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
