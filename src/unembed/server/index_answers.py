# ruff: noqa: ARG001 - answered as their parts land
"""Requests to the vector index and their answers, in wire formats."""

from __future__ import annotations

from unembed.errors import CapabilityError
from unembed.server import wire
from unembed.session import Job, Session

_NOT_YET = "this version has no vector index"


def status(session: Session) -> wire.IndexStatus:
    """What there is of each projection, what is being built, and what building costs."""
    return wire.IndexStatus(
        raw=None, final_norm=None, building=None, reason=_NOT_YET, estimate=None
    )


def build(session: Session, job: Job, body: wire.IndexBuildRequest) -> wire.IndexAbout:
    """Build an index."""
    raise CapabilityError(_NOT_YET)


def search(session: Session, body: wire.IndexSearchRequest) -> wire.HitsResponse:
    """By words."""
    raise CapabilityError(_NOT_YET)


def token(session: Session, body: wire.IndexTokenRequest) -> wire.HitsResponse:
    """By one token."""
    raise CapabilityError(_NOT_YET)


def similar(session: Session, job: Job, body: wire.IndexSimilarRequest) -> wire.HitsResponse:
    """By direction."""
    raise CapabilityError(_NOT_YET)


def vector(session: Session, body: wire.VectorRequest) -> wire.VectorResponse:
    """One neuron."""
    raise CapabilityError(_NOT_YET)


def browse(session: Session, body: wire.IndexBrowseRequest) -> wire.HitsResponse:
    """By number."""
    raise CapabilityError(_NOT_YET)


def clusters(session: Session, job: Job, body: wire.IndexClustersRequest) -> wire.ClustersResponse:
    """A page of clusters."""
    raise CapabilityError(_NOT_YET)


def cluster(session: Session, job: Job, body: wire.IndexClusterRequest) -> wire.ClusterResponse:
    """One cluster."""
    raise CapabilityError(_NOT_YET)
