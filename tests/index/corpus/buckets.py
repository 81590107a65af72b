"""A server of object storage in this process, and the environment that Lance finds it by."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

SECRET = "a-secret-that-is-nowhere"


class Buckets:
    """What the server holds."""

    def __init__(self, endpoint: str) -> None:
        self._client: Any = boto3.client("s3", endpoint_url=endpoint)
        self._made = 0

    def make(self) -> str:
        """The name of a new bucket."""
        self._made += 1
        name = f"bucket-{self._made}"
        self._client.create_bucket(Bucket=name)
        return name

    def keys(self, name: str) -> list[str]:
        """Of every object."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=name)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def tables(self, name: str) -> list[str]:
        """Every table that has an object: "web/v-3f9c/L1.z"."""
        found = {key.partition(".lance/")[0] for key in self.keys(name)}
        return sorted(one.removeprefix("some/where/") for one in found)

    def put(self, name: str, key: str, data: bytes, **how: str) -> None:
        """One object."""
        self._client.put_object(Bucket=name, Key=key, Body=data, **how)

    def empty(self, name: str) -> None:
        """Remove all objects."""
        for key in self.keys(name):
            self._client.delete_object(Bucket=name, Key=key)


@contextmanager
def served() -> Iterator[Buckets]:
    """A server, with the environment set for it."""
    log = logging.getLogger("werkzeug")
    before, log.level = log.level, logging.ERROR
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    try:
        with pytest.MonkeyPatch.context() as patch:
            environment(patch, endpoint)
            yield Buckets(endpoint)
    finally:
        server.stop()
        log.level = before


def environment(patch: pytest.MonkeyPatch, endpoint: str) -> None:
    """What says where storage is, and who asks."""
    values = {
        "ACCESS_KEY_ID": "someone",
        "SECRET_ACCESS_KEY": SECRET,
        "ENDPOINT": endpoint,
        "REGION": "us-east-1",
        "ALLOW_HTTP": "true",
    }
    for name, value in values.items():
        patch.setenv(f"AWS_{name}", value)
