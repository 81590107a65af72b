"""An autoencoder in the app: estimated, trained, stopped, gone on with after a reload, attached."""

from __future__ import annotations

import json

import pytest

import unembed as ue
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.training.watch import Watch

from ..training.conftest import SMALL, write_text
from .conftest import App, served

STEPS = 60
OPTIONS = ("batch", "buffer", "held_out", "learning_rate", "dead_after")


@pytest.fixture
def model(tmp_path):
    model = ue.load(tiny_model("gpt2"), tokenizer=tiny_tokenizer())
    write_text(tmp_path / "notes.txt")
    folder = tmp_path / "corpora" / model.fingerprint
    ue.index_corpus(model, tmp_path / "notes.txt", "notes", [0], kept="hidden", folder=folder)
    return model


def test_one_is_trained_stopped_gone_on_with_and_attached(app: App, model, tmp_path, monkeypatch):
    page, learnt, held = app.page, Watch.learnt, [True]

    def slowly(watch: Watch, done: int) -> None:
        learnt(watch, done)
        while held[0] and done >= STEPS // 2 * SMALL["batch"]:
            watch.again()  # others are let in, until it is stopped

    monkeypatch.setattr(Watch, "learnt", slowly)
    small = "&".join(f"sae_train.{name}={SMALL[name]}" for name in OPTIONS)
    with served(model, cache_dir=str(tmp_path)) as app.address:
        app.open(f"v=1&view=latents&lsize=48&lk=8&ltok={STEPS * SMALL['batch']}&{small}")
        page.get_by_test_id("estimate-training").click()
        page.get_by_test_id("training-estimate").wait_for()
        app.assert_accessible()
        python = app.copied_python()
        page.get_by_test_id("train-sae").click()
        page.get_by_test_id("in-training").get_by_test_id("curves").wait_for()
        page.reload()  # the address has the form, the server has the training
        page.get_by_test_id("in-training").get_by_test_id("curves").wait_for()
        page.get_by_test_id("cancel-training").click()
        page.locator("[data-testid^=resume-]").wait_for()
        held[0] = False
        page.locator("[data-testid^=resume-]").click()
        page.locator("[data-testid^=attach-]").wait_for()
        page.get_by_test_id("curves").locator("summary").click()
        rows = page.get_by_test_id("curves").locator("tbody tr")
        rows.nth(19).wait_for()
        page.locator("[data-testid^=attach-]").click()
        page.get_by_test_id("detach-L1.F").wait_for()
        (one,) = (tmp_path / "autoencoders").rglob("cfg.json")
        measured = json.loads(one.read_text())["metadata"]["training"]["history"]
        assert rows.count() == len(measured) == 20
        assert rows.last.locator("td").nth(3).inner_text() == f"{measured[-1]['active']:.2f}"
        app.assert_accessible()
        page.get_by_test_id("detach-L1.F").click()
        page.get_by_text("None. Attached to the model").wait_for()
    assert 'ue.train_sae(model, "notes", "L1.resid_post", latents=48, k=8, tokens=1920' in python
