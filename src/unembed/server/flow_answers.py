"""The flow graph in wire formats: runs through the session, the graph of each, measured edits.

Runs on the compute thread. Calls analyses; computes nothing itself.
"""

from __future__ import annotations

from unembed.errors import CapabilityError
from unembed.server import wire
from unembed.session import Job, Session


def flow(session: Session, job: Job, body: wire.FlowRequest) -> wire.FlowResponse:
    """The graph of the baseline; with an enabled edit also of the edited run, and effects."""
    raise CapabilityError("flow graphs are not drawn yet")
