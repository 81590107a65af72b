"""A corpus is built over HTTP of files that are sent: estimated, watched, stopped, gone on with."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import unembed as ue
from unembed.index.corpus import stages, trial
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.opening import open_corpus
from unembed.models.tiny import tiny_tokenizer
from unembed.session.uploads import Uploads

from ..contract.encoder_decoders import build
from ..contract.unlisted import mixing_bitnet
from ..index.corpus.waiting import watched
from .asgi import bearer, call, post, request

TEXT = "The cat sat on the mat. The dog sat by the door.\n\nA cat ran."
UPLOAD, FILE = "an-upload", "tiny texts.txt"
ASKED = {"upload": UPLOAD, "files": [FILE], "layers": [0, 2]}
JOB = "job-of-mine"


def sent(app: Any, text: str | bytes = TEXT, file: str = FILE, **fields: Any) -> Any:
    raw = text.encode() if isinstance(text, str) else text
    body = {"upload": UPLOAD, "file": file, "data": base64.b64encode(raw).decode()} | fields
    return post(app, "/api/corpus/upload", body)


def listed(app: Any) -> Any:
    answer = call(app, "GET", "/api/corpus", headers=[bearer()])
    assert answer.status == 200, answer.body
    return answer.json()


def built(app: Any, **fields: Any) -> Any:
    return post(app, "/api/corpus/build", ASKED | {"name": "mine"} | fields)


def folder_of(app: Any) -> Path | None:
    held = app.session.uploads._folder
    return None if held is None else Path(held.name)


# ---------------------------------------------------------------- whole


def test_what_is_sent_in_pieces_is_the_corpus_that_python_builds(app, model, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "LEAST_SECONDS", 0.05)
    raw, at = TEXT.encode(), 0
    for size in (10, 1, len(TEXT)):
        piece = raw[at : at + size]
        answer = sent(app, piece, offset=at)
        at += len(piece)
        assert answer.json() == {"upload": UPLOAD, "file": FILE, "bytes": at}
    estimate = post(app, "/api/corpus/estimate", ASKED)
    assert estimate.status == 200, estimate.body
    made = built(app)
    assert made.status == 200, made.body
    (tmp_path / FILE).write_text(TEXT)
    wanted = index_corpus(model, tmp_path / FILE, "mine", [0, 2], folder=tmp_path / "other")
    passing = {"made": "", "bytes": 0}  # a disk has names of its own for what is appended
    assert made.json() | passing == json.loads(wanted.about.to_json()) | passing
    assert estimate.json()["tokens"] == pytest.approx(len(wanted), rel=0.3)
    assert estimate.json()["bytes"] > 0
    status = listed(app)
    assert [one["name"] for one in status["items"]] == ["mine"]
    assert (status["building"], status["unfinished"], status["reason"]) == (None, [], None)
    assert status["unsplit"] == []
    opened = app.session.corpora.opened("mine")
    found, exact = (one.search(limit=200) for one in (opened, wanted))
    assert [hit.text for hit in found.items] == [hit.text for hit in exact.items]
    assert not list((folder_of(app) or tmp_path / "none").iterdir())  # files are forgotten


def test_layers_are_added_when_the_same_files_are_sent_again(app):
    for layers in ([0], [0, 1]):
        sent(app)
        made = built(app, layers=layers, kept="hidden")
        assert made.json()["sites"] == [f"L{layer}.resid_post" for layer in layers]


# ---------------------------------------------------------------- stopped, and gone on with


class Watched:
    """Holds a build behind its first pass until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        add = stages.Watch.add

        def held(watch: Any, tokens: int) -> None:
            self.reached.set()
            for _ in range(4000):
                add(watch, 0)  # hears of a cancel, and lets others in
                if self.go.wait(0.005):
                    break
            add(watch, tokens)

        monkeypatch.setattr(stages.Watch, "add", held)


async def _send(app: Any, path: str, data: Any) -> Any:
    return await request(app, "POST", path, headers=[bearer()], data=data)


def test_a_build_is_followed_answers_others_and_is_stopped_and_goes_on(app, monkeypatch):
    sent(app)
    watched = Watched(monkeypatch)

    async def main() -> Any:
        body = ASKED | {"name": "mine", "job": JOB}
        building = asyncio.create_task(_send(app, "/api/corpus/build", body))
        await asyncio.to_thread(watched.reached.wait, 10)
        now = await asyncio.to_thread(listed, app)
        other = await _send(app, "/api/predictions", {"prompt": "The cat"})
        second = await _send(app, "/api/corpus/build", ASKED | {"name": "another"})
        changed = await asyncio.to_thread(sent, app)
        await request(app, "DELETE", f"/api/jobs/{JOB}", headers=[bearer()])
        return now, other, second, changed, await building

    now, other, second, changed, answer = asyncio.run(asyncio.wait_for(main(), 60))
    assert now["building"] == {"name": "mine", "job": JOB}
    assert other.status == 200
    assert (second.status, second.error["code"]) == (503, "busy")
    assert (changed.status, changed.error["field"]) == (400, "upload")
    assert (answer.status, answer.error["code"]) == (499, "cancelled")
    status = listed(app)
    assert (status["items"], status["building"]) == ([], None)
    (left,) = status["unfinished"]
    assert left == {
        "name": "mine",
        "files": [FILE],
        "split": "sentences",
        "max_tokens": 64,
        "spacy": None,
        "column": "text",
        "metadata": [],
    }
    watched.go.set()
    kept = app.session.uploads._sizes[UPLOAD]
    assert kept == {FILE: len(TEXT)}
    made = built(app)
    assert made.status == 200, made.body
    assert (made.json()["n_sentences"], listed(app)["unfinished"]) == (3, [])


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"file": "../up.txt"}, "file", "without a folder"),
        ({"file": "a/b.txt"}, "file", "without a folder"),
        ({"file": "a\\b.txt"}, "file", "without a folder"),
        ({"file": ".."}, "file", "without a folder"),
        ({"file": "a\0b"}, "file", "without a folder"),
        ({"file": "ü" * 200}, "file", "without a folder"),
        ({"file": "data-00000-of-00001.arrow"}, "file", "unembed index corpus"),
        ({"file": ""}, "file", ""),
        ({"offset": 3}, "offset", "0 bytes"),
        ({"offset": -1}, "offset", ""),
        ({"data": "no base64!"}, "data", "base64"),
        ({"data": "YQ"}, "data", "base64"),
        ({"upload": "../uploads"}, "upload", ""),
        ({"upload": "short"}, "upload", ""),
    ],
)
def test_a_piece_that_cannot_be_kept_is_refused(fields, field, said, app):
    answer = sent(app, **fields)
    assert (answer.status, answer.error["field"]) == (400, field), answer.body
    assert said in answer.body.decode()
    assert folder_of(app) is None  # nothing was written


def test_what_was_not_sent_cannot_be_built_of(app):
    for path, extra in (("estimate", {}), ("build", {"name": "mine"})):
        answer = post(app, f"/api/corpus/{path}", ASKED | extra)
        assert (answer.status, answer.error["field"]) == (400, "files")
        assert f"no {FILE} here" in answer.error["message"]


def test_errors_name_files_as_they_were_sent(app):
    sent(app, b"\xff\xfe", "a.txt")
    sent(app, '{"body": "a"}', "b.jsonl")
    for file, said, field, value in (
        ("a.txt", "is no UTF-8 text", "files", "a.txt"),
        ("b.jsonl", "has no 'text'", "column", "text"),
    ):
        answer = built(app, files=[file])
        assert (answer.status, answer.error["field"]) == (400, field)
        assert answer.error["message"].startswith(f"{file!r} {said}")
        assert answer.error["value"] == value
    for fields, field in (
        ({"name": "../a"}, "name"),
        ({"layers": [9]}, "layers"),
        ({"files": []}, "files"),
    ):
        answer = built(app, **({"files": ["a.txt"]} | fields))
        assert (answer.status, answer.error["field"]) == (400, field), answer.body
    assert listed(app)["items"] == []


def test_a_model_that_no_corpus_can_be_of_says_why(make_app):
    app = make_app(served=ue.load(build("t5"), tokenizer=tiny_tokenizer()))
    assert "encoder-decoder" in listed(app)["reason"]
    sent(app)
    answer = built(app)
    assert (answer.status, answer.error["code"]) == (422, "not_capable")


def test_examples_of_heads_that_cannot_be_told_apart_are_refused(make_app):
    app = make_app(served=ue.load(mixing_bitnet(), tokenizer=tiny_tokenizer()))
    assert listed(app)["unsplit"] == [1]
    sent(app)
    for route, fields in (("estimate", {}), ("build", {"name": "mine"})):
        asked = ASKED | {"layers": [0, 1], "examples": "heads"} | fields
        answer = post(app, f"/api/corpus/{route}", asked)
        assert (answer.status, answer.error["field"]) == (422, "examples"), answer.body
        assert answer.error["legal"] == '"none" or "neurons"'
    assert listed(app)["items"] == listed(app)["unfinished"] == []


def test_what_is_sent_has_a_limit_and_the_oldest_makes_room(make_app):
    app = make_app(max_upload_bytes=100)
    assert sent(app, "a" * 60).status == 200
    answer = sent(app, "a" * 41, "b.txt")
    assert (answer.status, answer.error["field"]) == (413, "file")
    assert sent(app, "a" * 30, "b.txt").status == 200
    other = {"upload": "another-upload"}
    assert sent(app, "a" * 100, **other).status == 200  # the first one goes
    assert [path.name for path in (folder_of(app) or Path()).iterdir()] == ["another-upload"]
    assert sent(app, "a", offset=100, **other).status == 413
    assert sent(app, "b" * 5, **other).json()["bytes"] == 5  # anew
    (file,) = (folder_of(app) or Path()).rglob("*.txt")
    assert file.read_bytes() == b"b" * 5
    folder = folder_of(app)
    app.session.close()
    assert folder is not None
    assert not folder.exists()


def test_files_that_are_read_do_not_make_room():
    uploads = Uploads(10)
    try:
        uploads.add("first-one", "a", 0, b"123456")
        with uploads.reading("first-one", ["a"]) as (path,), uploads.reading("first-one", ["a"]):
            assert path.read_bytes() == b"123456"
            with pytest.raises(Exception, match="10 bytes together"):
                uploads.add("other-one", "b", 0, b"12345")
            uploads.forget("first-one")
            assert path.exists()
        uploads.add("other-one", "b", 0, b"12345")
        assert not path.exists()
    finally:
        uploads.close()


def test_a_full_disk_is_said_and_the_piece_can_be_sent_again(app, monkeypatch):
    sent(app, "a" * 10)

    def full(self: Path, *_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        answer = sent(app, "b" * 10, offset=10)
    assert (answer.status, answer.error["field"]) == (422, "file")
    assert "No space left" in answer.error["message"]
    assert sent(app, "b" * 10, offset=10).json()["bytes"] == 20


def test_the_same_corpus_opens_in_python(app, model):
    sent(app)
    built(app)
    folder = Path(app.session.settings.cache_dir, "corpora", model.fingerprint)
    assert len(open_corpus(model, "mine", folder=folder)) > 0


# ---------------------------------------------------------------- others


def test_a_build_that_waits_for_another_process_is_stopped_and_goes_on_later(app, monkeypatch):
    sent(app)
    assert built(app, layers=[0]).status == 200
    sent(app)
    other = FileLock(app.session.corpora.folder / "mine" / ".lock")
    waits = threading.Event()
    watched(monkeypatch, waits.set)

    async def main() -> Any:
        body = ASKED | {"name": "mine", "layers": [1], "job": JOB}
        building = asyncio.create_task(_send(app, "/api/corpus/build", body))
        await asyncio.to_thread(waits.wait, 10)
        now = await asyncio.to_thread(listed, app)
        question = await _send(app, "/api/predictions", {"prompt": "The cat"})
        await request(app, "DELETE", f"/api/jobs/{JOB}", headers=[bearer()])
        return now, question, await building

    with other:
        now, question, answer = asyncio.run(asyncio.wait_for(main(), 60))
    assert now["building"] == {"name": "mine", "job": JOB}
    assert question.status == 200
    assert (answer.status, answer.error["code"]) == (499, "cancelled")
    (there,) = listed(app)["items"]
    made = built(app, layers=[1])
    assert made.status == 200, made.body
    assert set(there["sites"]) < set(made.json()["sites"])


def test_a_corpus_of_another_model_is_refused_and_stays(app, model_of, tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    other = model_of("bert")
    made = index_corpus(other, tmp_path / "a.txt", "mine", [0], folder=tmp_path / "other")
    place = app.session.corpora.folder / "mine"
    shutil.copytree(made.version.parent, place)  # who copies a corpus there
    sent(app)
    for answer in (built(app), post(app, "/api/corpus/search", {"corpus": "mine"})):
        assert answer.status == 400
        assert "is of another model, or of other weights" in answer.error["message"]
    assert len(open_corpus(other, "mine", folder=place.parent)) == len(made)
