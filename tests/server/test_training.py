"""An autoencoder is trained over HTTP: estimated, watched, stopped, gone on with, attached."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import unembed as ue
from unembed.errors import CancelledError
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.training import estimate as estimating
from unembed.training.watch import Watch

from ..training.conftest import SITE, SMALL, write_text
from .asgi import bearer, call, post, request

UPLOAD, FILE = "an-upload", "some.txt"
ASKED = SMALL | {"site": SITE, "upload": UPLOAD, "files": [FILE]}
JOB = "job-of-mine"
FILES = ("cfg.json", "sae_weights.safetensors")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / FILE
    write_text(path)
    return path


@pytest.fixture(scope="module")
def own_model() -> ue.Model:
    """One that autoencoders are attached to."""
    return ue.load(tiny_model("gpt2", dtype=torch.float32), tokenizer=tiny_tokenizer())


@pytest.fixture(scope="module")
def whole(own_model: ue.Model, text: Path, tmp_path_factory: Any) -> ue.SaeTraining:
    """What Python makes of the same."""
    return ue.train_sae(own_model, text, SITE, folder=tmp_path_factory.mktemp("whole"), **SMALL)


@pytest.fixture
def app(make_app: Any, own_model: ue.Model, text: Path) -> Any:
    app = make_app(served=own_model)
    send(app, text)
    yield app
    own_model.detach()


def send(app: Any, text: Path) -> None:
    data = base64.b64encode(text.read_bytes()).decode()
    body = {"upload": UPLOAD, "file": FILE, "data": data}
    assert post(app, "/api/corpus/upload", body).status == 200


def listed(app: Any) -> Any:
    answer = call(app, "GET", "/api/sae", headers=[bearer()])
    assert answer.status == 200, answer.body
    return answer.json()


def kept(folder: Path | str) -> list[bytes]:
    return [(Path(folder) / name).read_bytes() for name in FILES]


def folder_of(app: Any, name: str = "mine") -> Path:
    folder: Path = app.session.trainings.folder(name)
    return folder


# ---------------------------------------------------------------- whole


def test_what_is_trained_over_http_is_what_python_trains(app, whole, monkeypatch):
    monkeypatch.setattr(estimating, "LEAST_SECONDS", 0.0)
    estimate = post(app, "/api/sae/estimate", ASKED)
    assert estimate.status == 200, estimate.body
    said = estimate.json()
    assert (said["n_tokens"], said["disk"]) == (1600, 8 * 2 * 48 * 40 * 4)
    assert said["seconds"] > 0 < said["memory"]
    assert said["n_own"] == pytest.approx(1400, rel=0.5)
    assert listed(app) == {"items": [], "training": None, "unfinished": [], "reason": None}
    made = post(app, "/api/sae/train", ASKED | {"name": "mine"})
    assert made.status == 200, made.body
    wanted = json.loads(whole.to_json())
    assert made.json() == wanted | {"folder": "mine"}
    assert kept(folder_of(app)) == kept(whole.folder)
    (item,) = listed(app)["items"]
    assert (item["name"], item["site"], item["texts"]) == ("mine", SITE, FILE)
    assert item["history"] == wanted["history"]
    attached = post(app, "/api/sae/attach", {"name": "mine"})
    assert attached.status == 200, attached.body
    (one,) = attached.json()["attached"]
    assert (one["stem"], one["n_latents"]) == ("L1.F", 48)
    model = call(app, "GET", "/api/model", headers=[bearer()]).json()
    assert model["attached"] == [one]
    again = post(app, "/api/sae/attach", {"name": "mine"})
    assert (again.status, again.error["field"]) == (422, "site")
    edits = [{"target": "L1.F3", "operation": "zero"}]
    body = {"prompt": "The cat", "edits": edits}
    assert post(app, "/api/predictions", body).status == 200
    assert post(app, "/api/sae/detach", {"stem": "L1.F"}).json() == {"attached": []}
    assert post(app, "/api/predictions", body).status == 400
    assert not list(Path(app.session.uploads._folder.name).iterdir())  # files are forgotten


def test_a_corpus_is_learnt_from(app):
    built = {"upload": UPLOAD, "files": [FILE], "layers": [0], "kept": "hidden", "name": "texts"}
    assert post(app, "/api/corpus/build", built).status == 200
    asked = {name: one for name, one in ASKED.items() if name not in ("upload", "files")}
    made = post(app, "/api/sae/train", asked | {"corpus": "texts", "name": "mine", "tokens": 64})
    assert made.status == 200, made.body
    assert made.json()["texts"] == "texts"
    cancel, corpus = ue.Cancel(), app.session.corpora.opened("texts")

    def stop(_: str, done: int, __: int) -> None:
        if done >= 640:
            cancel.cancel()

    with pytest.raises(CancelledError):
        ue.train_sae(
            app.session.model, corpus, SITE, folder=folder_of(app, "stopped"), cancel=cancel,
            progress=stop, **SMALL,
        )  # fmt: skip
    (left,) = listed(app)["unfinished"]
    assert (left["name"], left["corpus"]) == ("stopped", "texts")
    made = post(app, "/api/sae/resume", {"name": "stopped"})  # that is all that it takes
    assert (made.status, made.json()["n_tokens"]) == (200, 1600), made.body
    other = post(app, "/api/sae/train", asked | {"corpus": "none", "name": "other"})
    assert (other.status, other.error["code"]) == (400, "no_index")


# ---------------------------------------------------------------- stopped, and gone on with


class Held:
    """Holds a training behind some step until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int = 20) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        learnt = Watch.learnt

        def held(watch: Watch, done: int) -> None:
            learnt(watch, done)
            if done < step * SMALL["batch"]:
                return
            self.reached.set()
            for _ in range(4000):
                watch.again()  # hears of a cancel, and lets others in
                if self.go.wait(0.005):
                    break

        monkeypatch.setattr(Watch, "learnt", held)


async def _send(app: Any, path: str, data: Any) -> Any:
    return await request(app, "POST", path, headers=[bearer()], data=data)


def test_a_training_is_followed_answers_others_and_is_stopped_and_goes_on(app, whole, monkeypatch):
    held = Held(monkeypatch)
    body = ASKED | {"name": "mine", "job": JOB}

    async def main() -> Any:
        training = asyncio.create_task(_send(app, "/api/sae/train", body))
        await asyncio.to_thread(held.reached.wait, 20)
        now = await asyncio.to_thread(listed, app)
        progress = app.session.job(JOB).snapshot()
        other = await _send(app, "/api/predictions", {"prompt": "The cat"})
        second = await _send(app, "/api/sae/train", ASKED | {"name": "another"})
        build = {"upload": UPLOAD, "files": [FILE], "name": "texts"}
        third = await _send(app, "/api/corpus/build", build)
        await request(app, "DELETE", f"/api/jobs/{JOB}", headers=[bearer()])
        return now, progress, other, second, third, await training

    now, progress, other, second, third, answer = asyncio.run(asyncio.wait_for(main(), 60))
    running = now["training"]
    assert (running["name"], running["job"], running["n_wanted"]) == ("mine", JOB, 1600)
    assert running["history"] == json.loads(whole.to_json())["history"][:1]
    assert (progress.done, progress.total, "tokens a second" in progress.stage) == (640, 1600, True)
    assert other.status == 200
    for refused in (second, third):
        assert (refused.status, refused.error["code"]) == (503, "busy")
    assert (answer.status, answer.error["code"]) == (499, "cancelled")
    status = listed(app)
    assert (status["items"], status["training"]) == ([], None)
    (left,) = status["unfinished"]
    assert (left["name"], left["n_tokens"], left["n_wanted"]) == ("mine", 640, 1600)
    assert (left["corpus"], left["texts"], left["k"]) == (None, FILE, 3)
    held.go.set()
    refused = post(app, "/api/sae/resume", {"name": "mine"})
    assert (refused.status, refused.error["field"]) == (400, "corpus")
    made = post(app, "/api/sae/resume", {"name": "mine", "upload": UPLOAD, "files": [FILE]})
    assert made.status == 200, made.body
    assert kept(folder_of(app)) == kept(whole.folder)
    assert listed(app)["unfinished"] == []


def test_a_server_that_ends_leaves_a_checkpoint(make_app, own_model, text, whole, monkeypatch):
    app = make_app(served=own_model)
    send(app, text)
    held = Held(monkeypatch)
    body = ASKED | {"name": "mine"}
    ended: list[Any] = []
    thread = threading.Thread(target=lambda: ended.append(post(app, "/api/sae/train", body)))
    thread.start()
    assert held.reached.wait(20)
    app.session.close()
    thread.join(20)
    assert ended[0].status == 499
    held.go.set()
    app = make_app(served=own_model)
    (left,) = listed(app)["unfinished"]
    assert left["n_tokens"] == 640
    send(app, text)
    resumed = {"name": "mine", "upload": UPLOAD, "files": [FILE]}
    assert post(app, "/api/sae/resume", resumed).status == 200
    assert kept(folder_of(app)) == kept(whole.folder)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("fields", "status", "field", "said"),
    [
        ({"name": "../mine"}, 400, "name", "1 to 64"),
        ({"name": "a/b"}, 400, "name", "1 to 64"),
        ({"site": "L9.resid_post"}, 400, "site", "layer 9"),
        ({"k": 49}, 400, "k", "of 48 latents"),
        ({"corpus": "brown"}, 400, "corpus", "a corpus and files"),
        ({"files": []}, 400, "corpus", "neither a corpus nor files"),
        ({"upload": None}, 400, "corpus", "neither a corpus nor files"),
        ({"files": ["other.txt"]}, 400, "files", "no other.txt here"),
        ({"tokens": 0}, 400, "tokens", "1"),
        ({"folder": "/etc"}, 400, "folder", ""),
    ],
)
def test_what_cannot_be_trained_is_refused(fields, status, field, said, app):
    answer = post(app, "/api/sae/train", ASKED | {"name": "mine"} | fields)
    assert (answer.status, answer.error["field"]) == (status, field), answer.body
    assert said in answer.body.decode().lower()
    assert not app.session.trainings.root.exists()


def test_errors_name_no_folder_of_the_machine(app, whole):
    folder = folder_of(app)
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes((Path(whole.folder) / name).read_bytes())
    answer = post(app, "/api/sae/train", ASKED | {"name": "mine", "k": 4})
    assert (answer.status, answer.error["field"], answer.error["value"]) == (400, "name", "mine")
    assert "k 3, asked for 4" in answer.error["message"]
    (folder / FILES[1]).write_bytes(b"no weights")
    damaged = post(app, "/api/sae/attach", {"name": "mine"})
    assert damaged.status == 422
    for body in (answer.body, damaged.body):
        assert str(folder.parent) not in body.decode()


@pytest.mark.parametrize("path", ["resume", "attach"])
def test_what_is_not_there_is_neither_gone_on_with_nor_attached(path, app):
    answer = post(app, f"/api/sae/{path}", {"name": "none"})
    assert (answer.status, answer.error["field"]) in ((400, "name"), (404, "name"))
    answer = post(app, f"/api/sae/{path}", {"name": "../../etc"})
    assert (answer.status, answer.error["field"]) == (400, "name")
    stem = post(app, "/api/sae/detach", {"stem": "L1.F"})
    assert (stem.status, stem.error["field"]) == (400, "stem")
    assert "nothing is attached" in stem.body.decode()


def test_more_memory_than_there_is_is_refused(app, monkeypatch):
    from unembed.training import checks

    monkeypatch.setattr(checks, "available", lambda: 1_000_000)
    answer = post(app, "/api/sae/estimate", ASKED | {"buffer": 100_000})
    assert (answer.status, answer.error["field"]) == (413, "buffer")
    assert "MiB are left" in answer.error["message"]
