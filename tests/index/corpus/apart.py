"""Vectors in a bucket, kept aside and brought back, so that one build can be killed many times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from unembed.index.bucket import TABLES
from unembed.index.corpus.corpus import Corpus

from .buckets import Buckets


class Apart:
    """What stands below one place of a bucket."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets, self._name = buckets, buckets.make()
        self.tables = f"{buckets.scheme}://{self._name}/trial"

    def objects(self) -> dict[str, bytes]:
        """All that is there."""
        return {key: self._buckets.get(self._name, key) for key in self._keys()}

    def bring(self, objects: Mapping[str, bytes], folder: Path) -> None:
        """Put back what was there, and make the folder, which may be a copy, the one it is of."""
        self._buckets.empty(self._name)
        for key, data in objects.items():
            self._buckets.put_first(self._name, key, data)
        for said in folder.glob(f"*/v-*/{TABLES}"):
            owned = json.loads(said.read_bytes()) | {"folder": said.parent.stat().st_ino}
            said.write_text(json.dumps(owned))

    def check(self, corpus: Corpus) -> None:
        """Raise AssertionError unless there is what a corpus has, and nothing else."""
        keys = self._keys()
        tables = {key.partition(".lance/")[0] for key in keys}
        at = f"trial/{corpus.about.name}/{corpus.version.name}"
        called = corpus._rows.bucket.called
        assert tables == {f"{at}/{called(site.name)}" for site in corpus.sites}, tables
        data = [key for key in keys if "/data/" in key]
        opened = (corpus._rows._open(site.name) for site in corpus.sites)
        n = sum(len(one.to_lance().get_fragments()) for one in opened)
        assert len(data) == n, f"{len(data)} files of {n} that were committed"

    def _keys(self) -> list[str]:
        return self._buckets.keys(self._name)
