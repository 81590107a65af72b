"""Servers of object storage, and the environment that Lance finds each by."""

from __future__ import annotations

import logging
import re
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, ClassVar

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

SECRET = "a-secret-that-is-nowhere"
WAIT_SECONDS = 30


class Buckets(ABC):
    """What a server holds."""

    scheme: ClassVar[str]
    secret: ClassVar[str]

    def __init__(self) -> None:
        self._made = 0

    def make(self) -> str:
        """The name of a new bucket."""
        self._made += 1
        name = f"bucket-{self._made}"
        self._make(name)
        return name

    @abstractmethod
    def _make(self, name: str) -> None: ...

    @abstractmethod
    def keys(self, name: str) -> list[str]:
        """Of every object."""

    @abstractmethod
    def put_first(self, name: str, key: str, data: bytes) -> None:
        """One object; raises FileExistsError where there is one."""

    @abstractmethod
    def get(self, name: str, key: str) -> bytes:
        """One object."""

    @abstractmethod
    def remove(self, name: str, key: str) -> None:
        """One object."""

    def tables(self, name: str) -> list[str]:
        """Every table that has an object: "web/v-3f9c/L1.z"."""
        found = {key.partition(".lance/")[0] for key in self.keys(name)}
        return sorted(one.removeprefix("some/where/") for one in found)

    def empty(self, name: str) -> None:
        """Remove all objects."""
        for key in self.keys(name):
            self.remove(name, key)


class S3(Buckets):
    """moto's."""

    scheme = "s3"
    secret = SECRET

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        named = {"aws_access_key_id": "someone", "aws_secret_access_key": SECRET}
        self._client: Any = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", **named
        )

    def _make(self, name: str) -> None:
        self._client.create_bucket(Bucket=name)

    def keys(self, name: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=name)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def put_first(self, name: str, key: str, data: bytes) -> None:
        try:
            self._client.put_object(Bucket=name, Key=key, Body=data, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            raise FileExistsError(key) from error

    def get(self, name: str, key: str) -> bytes:
        return bytes(self._client.get_object(Bucket=name, Key=key)["Body"].read())

    def remove(self, name: str, key: str) -> None:
        self._client.delete_object(Bucket=name, Key=key)


class _OfClientsThatWent(logging.Filter):
    """Lets through what the server says of itself, and nothing of builds that were killed while
    they sent something: a traceback each, among the output of the tests.
    """

    ENDS = re.compile(
        r"^(BrokenPipeError|ConnectionResetError|OSError: Missing chunk).*\s*\Z", re.M
    )

    def filter(self, record: logging.LogRecord) -> bool:
        return self.ENDS.search(record.getMessage()) is None


@contextmanager
def served() -> Iterator[S3]:
    """A server of S3 in this process, with the environment set for it."""
    log, of_clients = logging.getLogger("werkzeug"), _OfClientsThatWent()
    before, log.level = log.level, logging.ERROR
    log.addFilter(of_clients)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    try:
        with within(environment(endpoint)):
            yield S3(endpoint)
    finally:
        server.stop()
        log.level = before
        log.removeFilter(of_clients)


@contextmanager
def served_beside() -> Iterator[tuple[S3, subprocess.Popen[bytes]]]:
    """A server of S3 in a process of its own, which can be halted."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(server, port)
        with within(environment(endpoint)):
            yield S3(endpoint), server
    finally:
        server.kill()
        server.wait()


def free_port() -> int:
    """One that nobody listens at."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return int(taken.getsockname()[1])


def wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    """Until a server that was started answers."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the server does not start: exit {server.poll()}")


def environment(endpoint: str) -> dict[str, str]:
    """What says where S3 is, and who asks."""
    return {
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }


@contextmanager
def within(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables of the environment, set meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield
