"""A server of Azure's blobs: Azurite, where it is set up (`make clouds`), or AZURITE names it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from .buckets import SECRET, WAIT_SECONDS, Buckets, free_port, wait_for, within

PROGRAM = Path(__file__).parents[3] / ".azurite/node_modules/.bin/azurite-blob"
ACCOUNT = "someone"
KEY = base64.b64encode(SECRET.encode()).decode()


def program() -> str | None:
    """Where Azurite is."""
    return shutil.which(os.environ.get("AZURITE") or str(PROGRAM))


class Azure(Buckets):
    """Containers of an account, asked for by requests that are signed with its key.

    https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """

    scheme = "az"
    secret = KEY

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        self._endpoint = endpoint

    def _make(self, name: str) -> None:
        self._ask("PUT", f"/{name}", {"restype": "container"})

    def keys(self, name: str) -> list[str]:
        found: list[str] = []
        marker = ""
        while True:
            asked = {"comp": "list", "marker": marker, "restype": "container"}
            said = self._ask("GET", f"/{name}", asked).decode()
            found += re.findall("<Name>(.*?)</Name>", said)
            more = re.search("<NextMarker>(.+?)</NextMarker>", said)
            if more is None:
                return found
            marker = more[1]

    def put_first(self, name: str, key: str, data: bytes) -> None:
        try:
            self._ask("PUT", f"/{name}/{key}", {}, data, first=True)
        except HTTPError as error:
            if error.code != 409:
                raise
            raise FileExistsError(key) from error

    def get(self, name: str, key: str) -> bytes:
        return self._ask("GET", f"/{name}/{quote(key)}", {})

    def remove(self, name: str, key: str) -> None:
        self._ask("DELETE", f"/{name}/{quote(key)}", {})

    def _ask(
        self, method: str, path: str, query: dict[str, str], data: bytes = b"", first: bool = False
    ) -> bytes:
        named = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
        if data:
            named["x-ms-blob-type"] = "BlockBlob"
        of_blob = "".join(f"{name}:{named[name]}\n" for name in sorted(named))
        what = "".join(f"\n{name}:{query[name]}" for name in sorted(query))
        lines = [method, "", "", str(len(data) or ""), "", "", "", "", ""]
        lines += ["*" if first else "", "", "", f"{of_blob}/{ACCOUNT}/{ACCOUNT}{path}{what}"]
        signed = hmac.new(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256)
        named["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signed.digest()).decode()}"
        if first:
            named["If-None-Match"] = "*"
        named["Content-Type"] = ""  # else urllib names one, which was not signed
        url = f"{self._endpoint}{path}" + (f"?{urlencode(query)}" if query else "")
        asked = Request(url, data if method == "PUT" else None, named, method=method)
        with urlopen(asked, timeout=WAIT_SECONDS) as answer:
            return bytes(answer.read())


@contextmanager
def served(found: str) -> Iterator[Azure]:
    """A server, by the program `found`, with the environment set for it."""
    port = free_port()
    server = subprocess.Popen(
        [found, "--inMemoryPersistence", "--silent", "--disableTelemetry", "--blobPort", str(port)],
        env=os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
        stdout=subprocess.DEVNULL,
    )
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    try:
        wait_for(server, port)
        with within(environment(endpoint)):
            yield Azure(endpoint)
    finally:
        server.kill()
        server.wait()


def environment(endpoint: str) -> dict[str, str]:
    """What says where Azure's storage is, and who asks."""
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "AZURE_STORAGE_ENDPOINT": endpoint,
        "AZURE_STORAGE_ALLOW_HTTP": "true",
    }
