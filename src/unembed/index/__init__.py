"""Value vectors on disk: built layer by layer, searched by word, token and direction.

Promises: an index belongs to one model, to the last weight; it is published in one step, so that a
kill at any moment leaves the old one or none; what it says of tokens and directions is exact. It
knows models and analyses, and nothing of servers or queues.
"""

from unembed.analyses.tools.projections import TokenScore, token_direction
from unembed.index.about import IndexAbout
from unembed.index.build import Builder, build_index
from unembed.index.clusters import Clusters
from unembed.index.hits import Cluster, Hit, Hits, VectorPage
from unembed.index.opening import look, open_index, unfinished
from unembed.index.vector_index import VectorIndex

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
