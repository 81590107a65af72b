"""`--sae`: autoencoders are held against the model that is loaded, and their latents are nodes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.cli.attaching import source_and_site
from unembed.latents.sae import what_is_attached
from unembed.server import wire, workspace_responses
from unembed.server.describe import model_info
from unembed.session import Session
from unembed.settings import Settings
from unembed.workspace import Workspace

from ..latents.fitted import fitted
from ..latents.written import LAYOUTS

LAYOUT = next(one for one in LAYOUTS if one.name == "saelens-topk")
PROMPT = "the cat sat on the mat"


@pytest.fixture(scope="module")
def saes(model, tmp_path_factory):
    """Where two autoencoders of the tiny model lie: of layer 1, and of layer 2."""
    found = []
    for layer in (1, 2):
        parts = fitted(LAYOUT, model, place=f"L{layer}.resid_post")
        source = LAYOUT.write(replace(parts, layer=layer))
        found.append(str(source.save(tmp_path_factory.mktemp("sae"))))
    return found


def test_a_command_runs_with_latents_as_nodes(cli, source, model, saes):
    flags = ["--sae", saes[0], "--sae", f"{saes[1]}@L2.resid_post"]
    edit = ["--edit", "set_to L1.F7 9", "--edit", "zero L2.F3"]
    status, out, err = cli("run", source, PROMPT, "--json", *flags, *edit)
    assert status == 0, err
    model.attach(*[ue.load_sae(one, f"L{n}.resid_post") for n, one in enumerate(saes, 1)])
    try:
        logits = model.run(PROMPT, edits=[ue.set_to("L1.F7", 9.0), ue.zero("L2.F3")]).logits
        shown = what_is_attached(model)
    finally:
        model.detach()
    top = json.loads(out)["edited"]["next_token"]["top"][0]
    assert top["token"]["id"] == int(logits[-1].argmax())
    assert top["probability"] == pytest.approx(float(logits[-1].softmax(-1).max()), rel=1e-5)
    said = [line for line in err.splitlines() if line.startswith("Attached: ")]
    assert said == [f"Attached: {one.summary()}." for one in shown]
    assert "explains" in said[0]
    status, out, _ = cli("doctor", source, "--json", *flags[:2])
    assert [one["site"] for one in json.loads(out)["attached"]] == ["L1.resid_post"]


def test_what_is_attached_is_in_the_description_of_the_model(model, saes, tmp_path):
    sae = ue.load_sae(saes[0])
    check = ue.check_sae(sae, model)
    session = Session(model, Settings(cache_dir=str(tmp_path)))
    try:
        assert model_info(session).attached == []
        model.attach(sae)
        (one,) = model_info(session).attached
        assert (one.site, one.layer, one.n_latents) == ("L1.resid_post", 1, 120)
        assert (one.explained, one.active, one.read) == (check.explained, check.active, check.read)
        assert one.doubts == [*check.doubts, *check.notes]
        model.detach()
        model.attach(sae, verify=False)
        (one,) = model_info(session).attached
        assert (one.explained, one.active, one.read) == (None, None, None)
    finally:
        model.detach()
        session.close()


def test_names_of_latents_are_those_of_their_autoencoder(model, saes, tmp_path):
    session = Session(model, Settings(cache_dir=str(tmp_path)))
    named = [wire.NodeName(node=one, name=f"my {one}") for one in ("L1.F7", "L1.N7")]
    try:
        model.attach(ue.load_sae(saes[0]))
        for one in named:
            workspace_responses.name(session, one)
        kept = workspace_responses.everything(session).names
        assert sorted(one.name for one in kept) == ["my L1.F7", "my L1.N7"]
        model.detach()
        model.attach(ue.load_sae(saes[1], "L1.resid_post"), verify=False)
        kept = workspace_responses.everything(session).names
        assert [one.name for one in kept] == ["my L1.N7"]
    finally:
        model.detach()
        session.close()


@pytest.mark.parametrize(
    ("typed", "source", "site"),
    [
        ("a/b", "a/b", None),
        ("a@b/c", "a@b/c", None),
        ("a@b/c@L9.resid_post", "a@b/c", "L9.resid_post"),
        ("a@L9.mlp_in>L9.mlp_out", "a", "L9.mlp_in>L9.mlp_out"),
        ("a@embed", "a", "embed"),
        ("a@L9", "a@L9", None),
    ],
)
def test_the_site_is_what_follows_the_last_at(typed, source, site):
    assert source_and_site(typed) == (source, site)


def test_pages_of_latents_are_written(cli, source, saes, tmp_path, monkeypatch):
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(tmp_path))
    (tmp_path / "a.txt").write_text("\n\n".join([PROMPT, "a dog ran"] * 4))
    built = cli("index", "corpus", source, str(tmp_path / "a.txt"), "--name", "a")
    assert built[0] == 0, built[2]
    asked = ("corpus", "pages", source, "--name", "a", "--node", "L1.F0-2", "--sae", saes[0])
    html = tmp_path / "nodes.html"
    status, out, err = cli(*asked, "--html", str(html), "--top", "1", "--json")
    assert status == 0, err
    assert [one["node"] for one in json.loads(out)["items"]] == ["L1.F0", "L1.F1", "L1.F2"]
    assert "L1.F2" in html.read_text("utf-8")
    status, out, _ = cli(*asked)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["L1.F0", "L1.F1", "L1.F2"]


def test_what_does_not_fit_is_a_sentence_that_names_it(cli, source, saes):
    for typed, words in (
        (f"{saes[0]}@L2.resid_post", f'--sae "{saes[0]}@L1.resid_post"'),
        ("/no/such/sae", "/no/such/sae"),
    ):
        status, out, err = cli("run", source, PROMPT, "--sae", typed)
        assert (status, out) == (2, ""), err
        assert words in err
        assert "Traceback" not in err
    status, _, err = cli("run", source, PROMPT, "--sae", saes[0], "--sae", saes[0])
    assert status == 2
    assert "attached already" in err


def test_latents_are_rows_over_http_and_edits(model, saes, tmp_path):
    """The rows of an attribution are those of Python; the app names them in edits."""
    from unembed.questions import attribution
    from unembed.questions.requests import AttributeRequest
    from unembed.session import Job

    model.attach(ue.load_sae(saes[0]))
    session = Session(model, Settings(cache_dir=str(tmp_path)))
    try:
        asked = AttributeRequest(prompt=PROMPT, kinds=("latent",), top_k=5)
        found = attribution.answer(session, Job(lambda _: None), asked).baseline
        token = int(model.run(PROMPT).logits[-1].argmax())
        plain = ue.attribute(model, PROMPT, token, kinds=("latent",), top_k=5)
        assert [one.name for one in found.rows] == [one.name for one in plain.rows]
        assert all(one.name.startswith("L1.F") for one in found.rows)
        totals = [torch.tensor([one.total for one in side.rows]) for side in (found, plain)]
        torch.testing.assert_close(*totals)
    finally:
        model.detach()
        session.close()


def test_labels_of_latents_stay_whatever_else_is_attached(model, saes, tmp_path):
    labels = ue.Labels(model, Workspace(tmp_path / "kept.sqlite3"))
    first, second = (ue.load_sae(one, f"L{n}.resid_post") for n, one in enumerate(saes, 1))
    model.attach(first, verify=False)
    try:
        labels.edit("L1.F3", "cats")
        model.attach(second, verify=False)
        assert [one.text for one in labels.of("L1.F3")] == ["cats"]
        model.detach()
        model.attach(second, verify=False)
        assert labels.all() == ()
    finally:
        model.detach()


def test_a_flow_graph_lists_the_latents_of_the_stream_and_their_sums(cli, source, model, saes):
    flags = ["--sae", saes[0], "--layers", "1", "--top-neurons", "2"]
    status, out, err = cli("flow", source, PROMPT, *flags)
    assert status == 0, err
    model.attach(ue.load_sae(saes[0], "L1.resid_post"))
    try:
        run = model.run(PROMPT, ue.flow_capture(model, [1]))
        graph = ue.flow_graph(run, [1], top_neurons=2)
    finally:
        model.detach()
    lines = out.splitlines()
    title = next(at for at, line in enumerate(lines) if line.strip() == "Latents of L1.resid_post")
    listed = [line.split()[0] for line in lines[title + 2 : title + 6]]
    latents = [node.id for node in graph.nodes if node.kind == "latent"]
    assert len(latents) == 2
    assert listed == [*latents, "L1.F_bias", "L1.F_error"]
    (total,) = [row for row in graph.sums if row.site]
    flat = " ".join(out.split())
    assert f"2 of {total.active} active latents of L1.resid_post are" in flat
    assert "they are beside the sums" in flat
