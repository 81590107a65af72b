"""What Ray does for a build, done in this process: the same rows through the same functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from unittest.mock import patch

from unembed.index.corpus import cluster, cluster_workers
from unembed.training import train


class Inline:
    """Rows, and what is made of them, as Ray Data would have them."""

    def __init__(self, rows, make=lambda row: row) -> None:
        self.rows, self.make = rows, make

    def map(self, fn, *, fn_kwargs=None, fn_constructor_kwargs=None, compute=None, **resources):
        if fn_constructor_kwargs is not None:
            return Inline(self.rows, fn(**fn_constructor_kwargs))
        return Inline(self.rows, lambda row: fn(row, **fn_kwargs))

    def iter_rows(self) -> Iterator[dict]:
        for row in self.rows:
            yield self.make(row)


RAY = SimpleNamespace(
    put=lambda value: value,
    cluster_resources=lambda: {"CPU": 2.0},
    data=SimpleNamespace(ActorPoolStrategy=lambda size: size),
)


@contextmanager
def within_this_process() -> Iterator[None]:
    """Builds on Ray start no Ray meanwhile."""
    with (
        patch.object(cluster, "_ray", lambda: RAY),
        patch.object(cluster, "running", nullcontext),
        patch.object(train, "running", nullcontext),
        patch.object(cluster, "_ray_errors", lambda kept: nullcontext()),
        patch.object(cluster.OnRay, "data", lambda self, rows: Inline(rows)),
        patch.object(cluster_workers, "fetched", lambda held: held),
    ):
        yield
