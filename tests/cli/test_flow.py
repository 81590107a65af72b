"""`unembed flow`: the same graph as in Python, as tables, as JSON and as a page."""

from __future__ import annotations

import json
import re

import pytest
import typer

import unembed as ue
from unembed.analyses.flow.cuts import cut, measure_cuts
from unembed.analyses.flow.graph import flow_capture, flow_graph
from unembed.cli import app
from unembed.cli.edits import parse_edit
from unembed.cli.flags import parse_layers
from unembed.errors import InputError
from unembed.result import finite

from ..server.test_docs import REFERENCE, read

FEW = ["--top-neurons", "2", "--bottom-neurons", "1", "--n-heads", "2"]
PROMPT = "The cat sat"


def graph_of(model, layers, edits=(), like=None, position=-1, target=72, **options):
    run = model.run(PROMPT, flow_capture(model, layers, position), edits)
    return flow_graph(run, layers, target=target, position=position, like=like, **options)


def plain(graph) -> dict:
    return json.loads(json.dumps(finite(graph.to_dict())))


def test_json_is_the_graph_that_python_gives(cli, source, model):
    flags = ["--layers", "0,2", "--target", "#72", "--position", "3", "--json", *FEW]
    flags += ["--values-per-head", "1", "--rest", "--no-mlp-bias", "--k", "3"]
    status, out, err = cli("flow", source, PROMPT, *flags, "--include", "L0.H1,L2.N5")
    assert status == 0, err
    wanted = graph_of(
        model,
        [0, 2],
        position=3,
        top_neurons=2,
        bottom_neurons=1,
        n_heads=2,
        values_per_head=1,
        rest=True,
        mlp_bias=False,
        k=3,
        include=("L0.H1", "L2.N5"),
    )
    found = json.loads(out)
    assert found == {
        "baseline": plain(wanted),
        "edited": None,
        "effects": None,
        "measured": [],
        "left_out": 0,
    }


def test_edits_give_both_sides_with_the_same_nodes_and_what_they_do(cli, source, model):
    flags = ["--layers", "1", "--target", "#72", *FEW, "-e", "cut L1.H0", "-e", "zero L0.mlp"]
    status, out, err = cli("flow", source, PROMPT, "--json", *flags)
    assert status == 0, err
    found = json.loads(out)
    assert found["measured"] == [0, 1]
    ids = [[node["id"] for node in found[side]["nodes"]] for side in ("baseline", "edited")]
    assert ids[0] == ids[1]
    run = model.run(PROMPT, flow_capture(model, [1]))
    alone = measure_cuts(run, ["L1.H0"], target=72)
    effects = found["effects"]
    assert effects["baseline"]["logit"] == pytest.approx(alone.baseline.logit, abs=1e-5)
    assert effects["cuts"][0]["attributed"] == pytest.approx(alone.cuts[0].attributed, abs=1e-5)
    assert effects["cuts"][0]["logit_change"] == pytest.approx(alone.cuts[0].logit_change, abs=1e-5)
    assert effects["cuts"][1]["attributed"] is None
    both = model.run(PROMPT, edits=[*cut(run, "L1.H0"), ue.zero("L0.mlp")])
    wanted = both.logits[-1, 72].item()
    assert effects["together"]["measured"]["logit"] == pytest.approx(wanted, abs=1e-4)


def test_a_cut_acts_where_the_graph_is_drawn_unless_it_says_where(cli, source, model):
    run = model.run(PROMPT, flow_capture(model, [1], 2))
    wanted = measure_cuts(run, ["L1.H0"], target=72, position=2)
    for edit in ("cut L1.H0", "cut L1.H0@2", "cut L1.H0 positions=2"):
        flags = ["--layers", "1", "--target", "#72", "--position", "2", *FEW, "-e", edit, "--json"]
        status, out, err = cli("flow", source, PROMPT, *flags)
        assert status == 0, err
        found = json.loads(out)["effects"]["cuts"][0]
        assert found["logit_change"] == pytest.approx(wanted.cuts[0].logit_change, abs=1e-5)
        assert found["attributed"] == pytest.approx(wanted.cuts[0].attributed, abs=1e-5)


def test_more_edits_than_are_measured_alone_are_measured_together(cli, source, monkeypatch):
    monkeypatch.setenv("UNEMBED_MAX_MEASURED_CUTS", "1")
    flags = ["--layers", "1", *FEW, "-e", "cut L1.H0", "-e", "cut L1.H1"]
    status, out, err = cli("flow", source, PROMPT, *flags)
    assert status == 0, err
    assert "Of 1 more, only what all do together was measured." in out
    assert "cut L1.H1" not in out
    monkeypatch.setenv("UNEMBED_MAX_MEASURED_CUTS", "2")
    _, whole, _ = cli("flow", source, PROMPT, *flags)
    rows = [row.split() for text in (out, whole) for row in text.splitlines() if "together" in row]
    assert rows[0][2:] == rows[-1][2:]


def test_the_tables_say_states_heads_neurons_and_how_much_is_shown(cli, source):
    status, out, err = cli("flow", source, PROMPT, "--layers", "0-1", "--target", "#72", *FEW)
    assert status == 0, err
    for words in ("Layer 0", "Layer 1", "enters", "attention adds", "leaves", "Heads", "Neurons",
                  "attends to", "the heads shown are", "the neurons shown", "rank"):  # fmt: skip
        assert words in out
    assert len(re.findall(r"^L1\.H\d", out, re.MULTILINE)) == 2
    assert len(re.findall(r"^L1\.N\d", out, re.MULTILINE)) == 3
    assert out.count("enters") == 2
    _, out, _ = cli("flow", source, PROMPT, "--layers", "1", *FEW, "-e", "zero L0.mlp")
    assert out.index("Baseline:") < out.index("Edited:") < out.index("What the edits do")
    assert re.search(r"zero L0\.mlp +–", out)


@pytest.mark.drawing
def test_the_page_is_of_the_edited_run(cli, source, tmp_path):
    page = tmp_path / "flow.html"
    page.write_text("old")
    flags = ["--layers", "1", *FEW, "--html", str(page), "--palette", "visit", "--colour-by"]
    status, _, err = cli("flow", source, PROMPT, *flags, "entropy")
    assert status == 0, err
    assert str(page) in err.replace("\n", "")
    assert page.read_text("utf-8").lower().startswith("<!doctype html>")
    assert ", edited</h1>" not in page.read_text("utf-8")
    status, _, err = cli("flow", source, PROMPT, *flags, "rank", "-e", "cut L1.H0")
    assert status == 0, err
    assert ", edited</h1>" in page.read_text("utf-8")
    assert list(tmp_path.iterdir()) == [page]


def test_a_configuration_of_visit_gives_options_and_flags_win(cli, source, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(
        '{"number_of_top_neurons": 1, "number_of_bottom_neurons": 0, "n_heads_to_add": 2, '
        '"ln1": "x", "backgroud_color": "black"}'
    )
    flags = ["--layers", "1", "--config", str(config), "--json"]
    status, out, err = cli("flow", source, PROMPT, *flags, "--n-heads", "1")
    assert status == 0, err
    options = json.loads(out)["baseline"]["options"]
    assert (options["top_neurons"], options["bottom_neurons"], options["n_heads"]) == (1, 0, 1)
    assert "config.json: ln1: not read" in err
    config.write_text('{"number_of_top_neuron": 1}')
    status, _, err = cli("flow", source, PROMPT, *flags)
    assert status == 2
    assert "write number_of_top_neurons" in err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--layers", "3"], "layers names 3; this model has layers 0 to 2"),
        (["--layers", "x"], '"10,14" or "9-11"'),
        (["--layers", "2-1"], '"10,14" or "9-11"'),
        (["--layers", "1,1"], "more than once"),
        (["--layers", "0-8"], "the limit is 8"),
        (["--layers", "1", "--top-neurons", "-1"], "top_neurons"),
        (["--layers", "1", "--attention-factor", "nan"], "attention_factor"),
        (["--layers", "1", "--palette", "neon"], "unembed, visit, visit-2"),
        (["--layers", "1", "--position", "99"], "position 99"),
        (["--layers", "1", "--include", "L0.H99"], "H99|head 99"),
        (["--layers", "1", "--target", ""], "target|token"),
        (["--layers", "1", "--config", "/no/such.json"], "cannot be read"),
        (["--layers", "1", "--html", "/no/such/folder/a.html"], "there is no folder"),
        (["--layers", "1", "-e", "cut"], "is not an edit"),
        (["--layers", "1", "-e", "cut L1.foo"], "L1.foo"),
        (["--layers", "1", "-e", "cut L9.H0"], "layer 9"),
        (["--layers", "1", "-e", "cut L1.H0 5"], "no meaning"),
        (["--layers", "1", "-e", "cut L1.H0@1 positions=2"], "already names position"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_a_sentence_and_status_2(cli, source, flags, words):
    status, out, err = cli("flow", source, PROMPT, *flags)
    assert status == 2, (out, err)
    assert re.search(words, err), err
    assert "Error" in err
    assert "Traceback" not in err


def test_a_graph_beyond_the_limit_is_refused_before_it_is_made(cli, source, monkeypatch):
    monkeypatch.setenv("UNEMBED_MAX_FLOW_VECTORS", "10")
    status, _, err = cli("flow", source, PROMPT, "--layers", "1")
    assert status == 2
    assert "the limit is 10" in err


def test_layers_are_required_and_read_as_typed(cli, source):
    assert cli("flow", source, PROMPT)[0] == 2
    assert parse_layers("14") == [14]
    assert parse_layers("10, 14") == [10, 14]
    assert parse_layers("9-11,3") == [9, 10, 11, 3]
    for text in ("", ",", "-1", "1-", "0-99999999"):
        with pytest.raises(InputError):
            parse_layers(text)


def test_a_cut_is_an_edit_like_others():
    spec = parse_edit("cut L14.z448@7", 0)
    assert (spec.operation, spec.target) == ("cut", "L14.z448@7")


def test_every_flag_is_in_the_reference():
    section = read(REFERENCE / "cli.md").partition("## unembed flow")[2].partition("\n## ")[0]
    section += read(REFERENCE / "questions.md").partition("## flow\n")[2].partition("\n## ")[0]
    command = typer.main.get_command(app).commands["flow"]  # type: ignore[attr-defined]
    head = read(REFERENCE / "cli.md").partition("\n## ")[0]
    shared = {"--help", *re.findall(r"`(--[a-z-]+)`", head)}
    flags = {flag for one in command.params for flag in one.opts if flag.startswith("--")}
    assert sorted(flag for flag in flags - shared if f"`{flag}" not in section) == []
