"""Requests made up from the schema, valid and not: no fault, no answer that it does not know."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

from unembed.server import schema
from unembed.server.table import API

from .asgi import TOKEN
from .conftest import making_apps, running_apps

OPERATIONS = [(entry.path, method) for entry in API for method in entry.methods]
NOTHING_TO_BREAK = ("/api/health", "GET", GenerationMode.NEGATIVE)  # no parameter, no token
CASES = [
    pytest.param(*operation, mode, id=f"{operation[1]} {operation[0]} {mode.value}")
    for operation in OPERATIONS
    for mode in GenerationMode
    if (*operation, mode) != NOTHING_TO_BREAK
]
NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@cache
def stated() -> Any:
    """What the schema says, worked out once."""
    return schemathesis.openapi.from_dict(schema.document())


@pytest.fixture(scope="module")
def base_url(model: Any, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all: what one request leaves behind must trouble no other."""
    cache = tmp_path_factory.mktemp("properties") / "cache"
    shutil.copytree(built, cache)
    with (
        patch("unembed.server.routes._UNKNOWN_JOB_SECONDS", 0.01),
        making_apps(model, cache) as make,
        running_apps(make) as start,
    ):
        _, port = start(max_request_seconds=20)
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_what_the_schema_allows_or_forbids_is_answered_as_it_says(base_url, path, method, mode):
    operation = stated()[path][method]
    checks = CHECKS.get_by_names(NAMES)
    hypothesis_settings = settings(
        max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    seen = []

    @hypothesis_settings
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        response = case.call(base_url=base_url, headers=HEADERS)
        case.validate_response(response, checks=checks)
        seen.append(response.status_code)

    check()
    assert len(seen) >= (10 if method == "POST" else 1)
    assert all(status < 500 or status in (503, 504) for status in seen)
