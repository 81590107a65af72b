"""Saved runs: kept under a name, opened again, exported, imported, deleted, sent as a link."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import App, served

PAGE = "v=1&p=the+cat+sat+on&e=L1.N3;scale;2&pos=2&open=1"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, model_of) -> Iterator[str]:
    """A tiny model, and a workspace of its own."""
    folder = tmp_path_factory.mktemp("saved")
    kept = {"cache_dir": str(folder), "workspace_path": str(folder / "workspace.sqlite3")}
    with served(model_of("gpt2"), **kept) as address:
        yield address


@pytest.fixture
def saved(app: App) -> Iterator[App]:
    """One run, saved from its page; nothing is left afterwards."""
    app.open(PAGE)
    app.page.get_by_test_id("runs").click()
    app.page.get_by_test_id("run-name").fill("Twice <b>N3</b>")
    app.page.get_by_test_id("run-note").fill("doubles it\nfor good")
    app.page.get_by_test_id("run-save").click()
    app.page.get_by_test_id("run-list").get_by_role("listitem").wait_for()
    yield app
    listed = app.page.get_by_test_id("run-list").get_by_role("listitem")
    while listed.count():
        before = listed.count()
        listed.first.get_by_role("button", name="Delete").click()
        listed.nth(before - 1).wait_for(state="detached")


def only_run(app: App):
    return app.page.get_by_test_id("run-list").get_by_role("listitem")


def test_a_run_is_listed_with_name_note_and_what_it_is(saved):
    said = only_run(saved).inner_text()
    assert "Twice <b>N3</b>" in said
    assert "doubles it" in said
    assert "the cat sat on · L1.N3 × 2" in said


def test_a_run_reopens_everything(saved):
    url = saved.page.url
    saved.page.keyboard.press("Escape")
    saved.page.get_by_test_id("runs-dialog").wait_for(state="hidden")
    saved.page.goto(f"{saved.address}/#v=1&p=another")
    saved.settled()
    saved.page.keyboard.press("s")
    saved.page.get_by_role("button", name="Twice", exact=False).first.click()
    saved.page.wait_for_url(url)
    saved.settled()
    assert "L1.N3" in saved.text("edit-0")
    assert saved.page.get_by_test_id("parts-1").is_visible()
    saved.page.get_by_test_id("runs").click()


def test_a_link_is_copied_that_opens_it(saved, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    only_run(saved).get_by_role("button", name="Copy link").click()
    saved.page.get_by_text("Copied the link").wait_for()
    assert saved.page.evaluate("() => navigator.clipboard.readText()") == saved.page.url


def test_a_run_is_exported_deleted_and_imported_again(saved, tmp_path: Path):
    with saved.page.expect_download() as download:
        only_run(saved).get_by_role("button", name="Export").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    run = json.loads(file.read_text(encoding="utf-8"))
    assert run["unembed"] == 1
    assert run["note"] == "doubles it\nfor good"
    assert file.name == "Twice-b-N3-b.unembed.json"
    only_run(saved).get_by_role("button", name="Delete").click()
    only_run(saved).wait_for(state="detached")
    saved.page.get_by_test_id("run-import").set_input_files(file)
    only_run(saved).get_by_text("the cat sat on").wait_for()


def test_a_deleted_run_can_be_taken_back(saved):
    only_run(saved).get_by_role("button", name="Delete").click()
    only_run(saved).wait_for(state="detached")
    saved.page.get_by_role("button", name="Undo").click()
    assert "doubles it" in only_run(saved).inner_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", "no JSON"),
        ("{}", "no saved run"),
        ('{"unembed": 7}', "format 7"),
        ('{"unembed": 1, "spec": "v=1"}', "run"),
    ],
)
def test_a_file_that_is_no_run_is_refused_with_a_sentence(saved, tmp_path, text, said):
    file = tmp_path / "strange.json"
    file.write_text(text, encoding="utf-8")
    saved.page.get_by_test_id("run-import").set_input_files(file)
    saved.page.get_by_test_id("toast").get_by_text(said).wait_for()
    assert only_run(saved).count() == 1


def test_a_run_of_another_model_says_so(saved, tmp_path):
    with saved.page.expect_download() as download:
        only_run(saved).get_by_role("button", name="Export").click()
    run = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    file = tmp_path / "other.json"
    file.write_text(json.dumps({**run, "id": "other123", "model": "gpt9", "fingerprint": "f"}))
    saved.page.get_by_test_id("run-import").set_input_files(file)
    saved.page.get_by_text("Made with gpt9").wait_for()


def test_axe_finds_nothing_in_the_dialog(saved):
    saved.assert_accessible()
