"""Everything that the server answers, in one table; what is not in it is refused.

The guard reads the table, a test holds FastAPI's routes to it, SECURITY.md prints it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

JOB = "[A-Za-z0-9_-]{8,64}"


@dataclass(frozen=True)
class Entry:
    """One path: its methods, and whether it answers with no token."""

    path: str
    methods: tuple[str, ...]
    public: bool = False

    @property
    def is_api(self) -> bool:
        """Answers data: never cached, no query string."""
        return self.path.startswith("/api/")

    def matches(self, path: str) -> bool:
        """True for the path itself; `{job}` stands for a job's id."""
        pattern = re.escape(self.path).replace(r"\{job\}", JOB)
        return re.fullmatch(pattern, path, re.ASCII) is not None


API: tuple[Entry, ...] = (
    Entry("/api/health", ("GET",), public=True),
    Entry("/api/login", ("POST",), public=True),
    Entry("/api/model", ("GET",)),
    Entry("/api/tokenize", ("POST",)),
    Entry("/api/predictions", ("POST",)),
    Entry("/api/labels", ("POST",)),
    Entry("/api/lens", ("POST",)),
    Entry("/api/attention", ("POST",)),
    Entry("/api/heads", ("POST",)),
    Entry("/api/thumbnails", ("POST",)),
    Entry("/api/attribute", ("POST",)),
    Entry("/api/trace", ("POST",)),
    Entry("/api/circuit", ("POST",)),
    Entry("/api/circuit/pairs", ("POST",)),
    Entry("/api/graph", ("POST",)),
    Entry("/api/graph/estimate", ("POST",)),
    Entry("/api/graph/edge", ("POST",)),
    Entry("/api/patch", ("POST",)),
    Entry("/api/patch/path", ("POST",)),
    Entry("/api/patch/pairs", ("POST",)),
    Entry("/api/flow", ("POST",)),
    Entry("/api/component", ("POST",)),
    Entry("/api/component/page", ("POST",)),
    Entry("/api/generate", ("POST",)),
    Entry("/api/generate/stream", ("POST",)),
    Entry("/api/index", ("GET",)),
    Entry("/api/index/build", ("POST",)),
    Entry("/api/index/search", ("POST",)),
    Entry("/api/index/token", ("POST",)),
    Entry("/api/index/similar", ("POST",)),
    Entry("/api/index/vector", ("POST",)),
    Entry("/api/index/browse", ("POST",)),
    Entry("/api/index/clusters", ("POST",)),
    Entry("/api/index/cluster", ("POST",)),
    Entry("/api/corpus", ("GET",)),
    Entry("/api/corpus/upload", ("POST",)),
    Entry("/api/corpus/estimate", ("POST",)),
    Entry("/api/corpus/build", ("POST",)),
    Entry("/api/corpus/search", ("POST",)),
    Entry("/api/corpus/sentences", ("POST",)),
    Entry("/api/corpus/examples", ("POST",)),
    Entry("/api/corpus/relations", ("POST",)),
    Entry("/api/sae", ("GET",)),
    Entry("/api/sae/estimate", ("POST",)),
    Entry("/api/sae/train", ("POST",)),
    Entry("/api/sae/resume", ("POST",)),
    Entry("/api/sae/attach", ("POST",)),
    Entry("/api/sae/detach", ("POST",)),
    Entry("/api/explain", ("POST",)),
    Entry("/api/explain/models", ("GET",)),
    Entry("/api/explain/score", ("POST",)),
    Entry("/api/explain/labels", ("GET", "POST")),
    Entry("/api/explain/labels/import", ("POST",)),
    Entry("/api/workspace", ("GET",)),
    Entry("/api/workspace/name", ("POST",)),
    Entry("/api/workspace/run", ("POST",)),
    Entry("/api/workspace/open", ("POST",)),
    Entry("/api/workspace/delete", ("POST",)),
    Entry("/api/workspace/import", ("POST",)),
    Entry("/api/workspace/circuit", ("POST",)),
    Entry("/api/workspace/circuit/open", ("POST",)),
    Entry("/api/workspace/circuit/rename", ("POST",)),
    Entry("/api/workspace/circuit/delete", ("POST",)),
    Entry("/api/workspace/circuit/import", ("POST",)),
    Entry("/api/jobs/{job}/events", ("GET",)),
    Entry("/api/jobs/{job}", ("DELETE",)),
)
"""The routes that answer data."""

PUBLIC: tuple[str, ...] = (
    "GET /",
    "GET /index.html",
    "GET /favicon.svg",
    "GET /assets/*",
    "GET /api/health",
    "POST /api/login",
)
"""What is reachable with no token: the app's own files, a sign of life, and signing in."""


def static_entries(paths: Iterable[str]) -> tuple[Entry, ...]:
    """The app's files, each by its exact path."""
    return tuple(Entry(path, ("GET", "HEAD"), public=True) for path in sorted(paths))


def find(entries: Iterable[Entry], path: str) -> Entry | None:
    """The entry of a path as it was sent, undecoded: an encoded path is in no table."""
    return next((entry for entry in entries if entry.matches(path)), None)
