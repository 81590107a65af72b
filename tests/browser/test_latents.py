"""Latents in the app: a page, where one acts, any text, a name, an edit, and the page as a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import unembed as ue
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .conftest import App, served

PROMPT = "the cat sat on the mat"
ASKED = f"v=1&view=component&node=L1.F3&p={PROMPT.replace(' ', '+')}"


@pytest.fixture(scope="module")
def model() -> ue.Model:
    """Two entries of what a feed-forward adds, and their opposites, as latents."""
    model = ue.load(tiny_model("llama"), tokenizer=tiny_tokenizer())
    d = model.anatomy.d_model
    rows = torch.cat([torch.eye(d), -torch.eye(d)])
    reads, writes = places("L1.mlp_out")
    says = Description("made up", "sae", "relu", d, d, 2 * d, reads=reads, writes=writes)
    model.attach(ue.Sae(says, Weights(rows.T, rows, torch.zeros(2 * d), torch.zeros(d))))
    return model


@pytest.fixture
def page(app: App, model, tmp_path) -> App:
    with served(model, cache_dir=str(tmp_path)) as app.address:
        app.open(ASKED)
        yield app


def shown(app: App, place: str) -> list[float]:
    """The numbers at tokens."""
    found = app.page.get_by_test_id(place)
    found.wait_for()
    return [
        float(one.replace("−", "-"))
        for one in found.locator(".activation-token .number").all_inner_texts()
    ]


def test_a_latents_page(page: App, model, tmp_path):
    run = model.run(PROMPT, ["L1.F3"])
    assert shown(page, "activation-text") == pytest.approx(run["L1.F3"].tolist(), abs=0.01)

    found = ue.component(
        model.run(PROMPT, ue.component_capture(model, "L1.F3")), "L1.F3", downstream=8
    )
    wanted = [one.node for one in found.downstream if one.kind == "neuron"]
    rows = page.page.get_by_test_id("acting-neuron").locator("tbody button")
    assert rows.all_inner_texts() == wanted

    page.page.get_by_test_id("other-text-field").fill("a dog ran")
    page.page.get_by_test_id("other-text-field").press("Enter")
    other = shown(page, "text-activation")
    assert other == pytest.approx(model.run("a dog ran", ["L1.F3"])["L1.F3"].tolist(), abs=0.01)
    assert "ctext=a+dog+ran" in page.page.url
    page.assert_accessible()

    with page.page.expect_download() as download:
        page.page.get_by_test_id("save").click()
        page.page.get_by_role("menuitem", name="Save as HTML").click()
    download.value.save_as(tmp_path / "page.html")
    said = Path(tmp_path / "page.html").read_text("utf-8")
    assert download.value.suggested_filename == "L1.F3.html"
    assert "From the weights" in said
    assert all(node in said for node in wanted)


def test_a_latent_is_named_and_switched_off_and_its_neighbour_is_a_key_away(page: App):
    page.page.get_by_test_id("name-node").click()
    page.page.get_by_test_id("own-name").fill("entry three")
    page.page.get_by_test_id("own-name").press("Enter")
    page.page.get_by_test_id("component-header").get_by_text("entry three").wait_for()
    page.page.get_by_test_id("component-header").get_by_role("button", name="off").first.click()
    page.page.get_by_role("button", name="read the edited run").click()
    page.settled()
    assert set(shown(page, "activation-text")) == {0.0}
    page.page.locator("h2").first.click()
    page.page.keyboard.press("]")
    page.page.get_by_role("heading", name="L1.F4").wait_for()
