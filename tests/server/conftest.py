"""One tiny model behind the whole server."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from unembed.engine.model import Model
from unembed.index.build import build_index
from unembed.index.opening import open_index
from unembed.index.vector_index import VectorIndex
from unembed.server import launch
from unembed.server.app import create_app
from unembed.session import Session
from unembed.settings import Settings

from .asgi import TOKEN
from .flow_requests import FAMILIES


@pytest.fixture(scope="session")
def model(model_of: Callable[..., Model]) -> Model:
    return model_of("gpt2")


@pytest.fixture(scope="session")
def models(model_of: Callable[..., Model]) -> dict[str, Model]:
    """Tiny models of several families."""
    return {family: model_of(family) for family in FAMILIES}


@contextmanager
def making_apps(model: Model, cache: Path) -> Iterator[Callable[..., Any]]:
    """Apps with other settings, until the end: make(max_queue=1)."""
    sessions = []

    def make(*, threads: int = 1, served: Any = None, **changes: Any) -> Any:
        settings = Settings(**({"cache_dir": str(cache)} | changes))
        session = Session(served or model, settings, threads=threads)
        sessions.append(session)
        app = create_app(session, settings, TOKEN, assets={})
        app.session = session  # type: ignore[attr-defined]
        return app

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def make_app(model: Model, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """App with other settings: make_app(max_queue=1); `.session` of its inner app is reachable."""
    with making_apps(model, tmp_path / "cache") as make:
        yield make


@pytest.fixture
def app(make_app: Callable[..., Any]) -> Any:
    return make_app()


@contextmanager
def running_apps(make_app: Callable[..., Any]) -> Iterator[Callable[..., tuple[Any, int]]]:
    """Real servers on real ports, until the end: start(max_queue=1) -> (app, port)."""
    running = []

    def start(**changes: Any) -> tuple[Any, int]:
        sock, settings = launch.bind(Settings(port=0))
        app = make_app(port=settings.port, **changes)
        ready = threading.Event()
        server = launch.make_server(app, app.settings, ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        assert ready.wait(10)
        running.append((server, thread, sock))
        return app, settings.port

    yield start
    for server, thread, sock in running:
        server.should_exit = True
        thread.join(10)
        sock.close()


@pytest.fixture
def live(make_app: Callable[..., Any]) -> Iterator[Callable[..., tuple[Any, int]]]:
    """A real server on a real port: live(max_queue=1) -> (app, port)."""
    with running_apps(make_app) as start:
        yield start


@pytest.fixture(scope="session")
def built(model: Any, tmp_path_factory: Any) -> Path:
    """A cache folder with the raw index of the model, to be copied."""
    folder = tmp_path_factory.mktemp("built")
    build_index(model, folder=folder / "index" / model.fingerprint)
    return folder


@pytest.fixture
def indexed(make_app: Any, built: Path, tmp_path: Path) -> Any:
    """An app whose raw index is built."""
    shutil.copytree(built, tmp_path / "cache")
    return make_app()


@pytest.fixture
def index(built: Path, model: Model) -> VectorIndex:
    """The same index in Python."""
    return open_index(model, folder=built / "index" / model.fingerprint)


@pytest.fixture
def bare(make_app: Any, tmp_path: Path) -> Any:
    """An app that has no index yet."""
    return make_app(cache_dir=str(tmp_path / "bare"))
