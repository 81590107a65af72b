"""The folder of one index of value vectors: `<root>/<projection>/`, whose versions hold
vectors.lance, tokens.lance and clusters-….lance.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unembed.engine.model import Model
from unembed.index.about import FORMAT, IndexAbout, Plan
from unembed.index.versions import VersionedFolder


class IndexFolder(VersionedFolder[Plan, IndexAbout]):
    """Where the index of one model and projection is kept."""

    what = "the index"
    field = "projection"
    rebuild = "restart=True (unembed index vectors MODEL --restart)"
    kept = "layers that were finished are kept, and the next build goes on after them"
    format = FORMAT

    @classmethod
    def of(cls, model: Model, projection: str, root: Path | str | None) -> IndexFolder:
        """`root`/projection; without a root it is the cache's, by fingerprint."""
        if root is None:
            root = model.settings.cache_folder() / "index" / model.fingerprint
        return cls(Path(root).expanduser() / projection)

    def plan_from(self, data: Mapping[str, Any]) -> Plan:
        return Plan.from_dict(data)

    def about_from(self, plan: Plan, size: int, facts: Mapping[str, Any]) -> IndexAbout:
        return IndexAbout(
            fingerprint=plan.fingerprint,
            model=plan.model,
            projection=plan.projection,
            top_k=plan.top_k,
            n_vectors=plan.n_vectors,
            d=plan.d,
            layers=plan.layers,
            bytes=size,
            made=str(facts["made"]),
            versions=dict(facts["versions"]),
        )
