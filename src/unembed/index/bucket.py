"""Tables of a version that stand in object storage, beside its folder, which says where.

    <version>/tables.json    {"at": "s3://bucket/prefix/web/v-3f9c…", "folder": 1234, "names": {…}}

The folder is what counts: it is locked, and published in one step. A bucket has no renames: a
table that is made anew gets another name there, and `names` says which one is meant. Credentials
and endpoint come from the environment, as Lance reads it; nothing of them is written or said.

A copy of the folder reads the same tables. It does not own them: `folder` is the number that the
file system gave to the folder they were made for, and a copy has another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unembed.errors import InputError, LoadError
from unembed.index.connecting import lancedb
from unembed.index.whole import write_whole

TABLES = "tables.json"
SCHEMES = ("s3", "gs", "az")
LEGAL = "s3://bucket/folder, gs://bucket/folder or az://container/folder"
# Who writes for days waits longer for a network.
WRITER = {
    "client_max_retries": "100",
    "client_retry_timeout": "60",
    "connect_timeout": "5s",
    "read_timeout": "20s",
    "timeout": "120s",
}


@dataclass(frozen=True)
class Bucket:
    """Where tables of one version stand."""

    version: Path
    at: str
    folder: int
    names: Mapping[str, str]  # of tables that are called otherwise there

    @property
    def prefix(self) -> str:
        """What a build was given, without the corpus and its version."""
        return self.at.rsplit("/", 2)[0]

    @property
    def is_own(self) -> bool:
        """Whether the version is the folder that they were made for, and no copy of it."""
        return self.version.stat().st_ino == self.folder

    def called(self, name: str) -> str:
        """What a table is called there."""
        return self.names.get(name, name)

    def renamed(self, name: str, called: str) -> Bucket:
        """Mean another table from now on, in one step."""
        found = replace(self, names={**self.names, name: called})
        found.write()
        return found

    def write(self) -> None:
        """Keep it beside the tables of the folder."""
        said = {"at": self.at, "folder": self.folder, "names": dict(self.names)}
        write_whole(self.version / TABLES, said)

    def connect(self, how: Mapping[str, str], session: Any = None) -> Any:
        """The tables there, as LanceDB has them."""
        return _connect(self.at, how, session)

    def drop(self, seconds: float) -> None:
        """Remove all tables there, those that were never whole among them. Raises LoadError."""
        look(self.at, seconds)
        with reaching(self.at):
            self.connect(WRITER).drop_all_tables()


def reader(seconds: float) -> dict[str, str]:
    """How Lance asks for who waits, where storage may be silent for so long.

    What is refused at once is asked for again, for a second. What is not answered is not: Lance
    itself asks six times for what is in a folder, and four times for a part of a file.
    """
    silence = f"{round(1000 * seconds)}ms"
    return {
        "client_max_retries": "3",
        "client_retry_timeout": str(min(1, int(seconds))),
        "connect_timeout": silence,
        "read_timeout": silence,  # between two reads, too: what is large may take longer
        "timeout": "120s",
    }


def look(uri: str, seconds: float) -> None:
    """Raise LoadError where a place cannot be reached, after some seven times `seconds`."""
    with reaching(uri):
        _connect(uri, reader(seconds)).list_tables()


def _connect(uri: str, how: Mapping[str, str], session: Any = None) -> Any:
    return lancedb().connect(uri, storage_options=dict(how), session=session)


def new_bucket(version: Path, tables: str) -> Bucket:
    """Where tables of a version that is begun will stand, below a URI that was checked."""
    at = f"{tables}/{version.parent.name}/{version.name}"
    bucket = Bucket(version, at, version.stat().st_ino, {})
    bucket.write()
    return bucket


def bucket_of(version: Path) -> Bucket | None:
    """Where tables of a version stand; None: in its folder. Raises ValueError if damaged."""
    try:
        data = json.loads((version / TABLES).read_bytes())
        at, folder = str(data["at"]), int(data["folder"])
        names = {str(name): str(called) for name, called in data["names"].items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{TABLES} cannot be read") from error
    prefix, _, own = at.rpartition("/")
    if own != version.name or _wrong(prefix):  # what is removed there is of this version alone
        raise ValueError(f"{TABLES} names no place of this version")
    return Bucket(version, at, folder, names)


def drop_tables(version: Path, seconds: float) -> bool:
    """Remove what a version has in a bucket, if it owns it; False: that cannot be reached."""
    try:
        bucket = bucket_of(version)
        if bucket is not None and bucket.is_own:
            bucket.drop(seconds)
    except LoadError:
        return False
    except (OSError, ValueError):
        return True  # nothing says what it is of: it is left alone
    return True


def checked_tables(uri: str) -> str:
    """A URI that tables can stand below; raises InputError."""
    wrong = _wrong(uri)
    if wrong:
        shown = uri.partition("://")[0] + "://…" if "@" in uri or "?" in uri else uri
        raise InputError(
            f"tables is {shown!r}: {wrong}",
            field="tables",
            value=shown,
            legal=LEGAL,
            fix="name a bucket and a folder in it; credentials and endpoint are read from the "
            "environment (AWS_ACCESS_KEY_ID, AZURE_STORAGE_ACCOUNT_NAME …)",
        )
    return uri.rstrip("/")


def _wrong(uri: str) -> str | None:
    """What is wrong with a URI of tables."""
    scheme, there, rest = uri.partition("://")
    if not there or scheme not in SCHEMES:
        return f"tables stand in object storage, {LEGAL}"
    if "@" in rest or "?" in rest or "#" in rest:
        return "credentials and options are no part of it"
    if not re.fullmatch(r"[\w.-]+(/[\w.=+-]+)*/?", rest, re.A) or ".." in rest.split("/"):
        return "it names no bucket, or a folder with other characters than A-Z a-z 0-9 . _ = + -"
    return None


# ---------------------------------------------------------------- what goes wrong

_KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_ENDPOINTS = {"s3": "AWS_ENDPOINT", "gs": "GOOGLE_BASE_URL", "az": "AZURE_STORAGE_ENDPOINT"}
_NETWORK = "look at the network, and for a server of your own at {endpoint}"
# (what Lance's errors have, what it means, what to do)
_MEANINGS = (
    ("NoSuchBucket|ContainerNotFound|bucket does not exist", "there is no bucket {bucket!r}",
     "create it, or name another one"),
    ("ExpiredToken|TokenRefreshRequired", "the credentials have expired", "set {keys} anew"),
    ("InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|AuthenticationFailed|"
     "failed to authenticate|Invalid Access Key",
     "the credentials are not accepted", "look at {keys}"),
    ("PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint",
     "the bucket is in another region", "set AWS_REGION to that of the bucket"),
    ("get AWS credentials|CredentialsNotLoaded|TokenRequest|no Azure account",
     "there are no credentials", "set {keys}"),
    ("AccessDenied|Forbidden|status: 40[13]|Permission", "access is denied",
     "give these credentials the right to list, read, write and delete there, or set {keys}"),
    ("BadScheme", "its endpoint is http, which is not allowed",
     "set {http}=true, or an endpoint that begins with https"),
    ("dns error|lookup address", "the name of its server is not known", _NETWORK),
    ("ConnectionRefused|kind: Connect|tcp connect|error sending request",
     "nobody answers at its server", _NETWORK),
    ("kind: Timeout|TimedOut|timed out|operation timed out", "it does not answer in time",
     _NETWORK),
    ("SlowDown|status: 5\\d\\d|status: 429", "its server refuses for now",
     "try again later: the same command goes on"),
    ("RetryError|Generic \\{ store|Generic \\w+ error|ObjectStore|object store",
     "it refuses what is asked", "look at the bucket, its rights, and {keys}"),
)  # fmt: skip


def unreachable(at: str, error: Exception) -> LoadError | None:
    """What an error of Lance's says of a bucket; None where it says nothing of one.

    Its own words are never shown: storage answers with parts of what was signed.
    """
    text = str(error)
    found = next((one for one in _MEANINGS if re.search(one[0], text)), None)
    if found is None:
        return None
    scheme, _, rest = at.partition("://")
    http = "AZURE_STORAGE_ALLOW_HTTP" if scheme == "az" else "AWS_ALLOW_HTTP"  # of Google's too
    bucket = rest.partition("/")[0]
    said = {"bucket": bucket, "keys": _KEYS[scheme], "endpoint": _ENDPOINTS[scheme], "http": http}
    return LoadError(
        f"the tables in {at} cannot be reached: {found[1].format(**said)}",
        field="tables",
        value=at,
        fix=found[2].format(**said),
    )


@contextmanager
def reaching(at: str) -> Iterator[None]:
    """Turns what Lance says of a bucket into one error."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        found = unreachable(at, error)
        if found is None:
            raise
        raise found from None
