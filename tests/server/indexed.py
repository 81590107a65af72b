"""What tests of the vector index ask and compare."""

from __future__ import annotations

import json
from typing import Any

from .asgi import bearer, call, post


def ask(app: Any, path: str, **fields: Any) -> Any:
    answer = post(app, f"/api/index/{path}", fields)
    assert answer.status == 200, answer.body
    return answer.json()


def status(app: Any) -> Any:
    answer = call(app, "GET", "/api/index", headers=[bearer()])
    assert answer.status == 200, answer.body
    return answer.json()


def plain(hits: Any) -> Any:
    """What Python returns, as it looks after a journey as JSON."""
    return json.loads(json.dumps(hits.to_dict()))


def refused(app: Any, path: str, **fields: Any) -> Any:
    answer = post(app, f"/api/index/{path}", fields)
    assert answer.status == 400, answer.body
    return answer.error
