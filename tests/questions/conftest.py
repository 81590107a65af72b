"""One tiny model behind all three faces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import unembed as ue
from unembed.server.app import create_app
from unembed.session import Session
from unembed.settings import Settings

from ..cli.conftest import Cli, cli, source
from ..server.asgi import TOKEN, post
from .faces import ARRAYS, EDIT, PROMPT, Face, lasting, read_json, same, whole, without_arrays

__all__ = ["cli", "source"]
Put = Callable[..., None]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def model(source: str, cache: Path) -> ue.Model:
    return ue.load(source, settings=Settings(cache_dir=str(cache)))


@pytest.fixture
def session(model: ue.Model, cache: Path) -> Iterator[Session]:
    made = Session(model, Settings(cache_dir=str(cache)))
    yield made
    made.close()


@pytest.fixture
def app(session: Session) -> Any:
    return create_app(session, session.settings, TOKEN, assets={})


@pytest.fixture
def put(
    cli: Cli,
    source: str,
    model: ue.Model,
    session: Session,
    app: Any,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Put:
    """Put one question three times, and compare the numbers, and the whole of the JSON."""

    def check(name: str, face: Face, *, edited: bool) -> None:
        made = [ue.zero("L1.H2", positions=[-1])] if edited else []
        wanted = face.python(model, face.fields, made)
        body = dict(face.fields)
        if face.edits:
            body |= {"prompt": PROMPT, "edits": [EDIT] if edited else []}
        answer = post(app, face.path, body)
        assert answer.status == 200, answer.body
        same(face.http(answer.body if name in ARRAYS else answer.json()), wanted, "HTTP")
        written = read_json(answer, name)
        whole(session, name, face, body, written)
        if face.command is None:
            return
        monkeypatch.setenv("UNEMBED_CACHE_DIR", str(cache))
        command, *rest = face.command()
        flags = ["-e", "zero L1.H2 positions=-1"] if edited else []
        status, out, err = cli(*command.split(), source, *rest, *flags)
        assert status == 0, err
        printed = json.loads(out)
        same((face.cli or face.http)(printed), wanted, "command line")
        printed = without_arrays(printed, name) if name in ARRAYS else printed
        same(lasting(face, printed), lasting(face, written), "the whole JSON")

    return check
