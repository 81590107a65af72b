"""`unembed lens`: the same numbers as in Python, as a table, as JSON and as a page."""

from __future__ import annotations

import json
import re

import pytest
import typer

import unembed as ue
from unembed.cli import app
from unembed.cli.flags import parse_positions
from unembed.result import finite

from ..server.test_docs import REFERENCE, read


def row_labels(out, rows):
    """The labels of the first table, in the order of its lines."""
    firsts = [line.split()[0] for line in out.splitlines() if line.split()]
    return [word for word in firsts if word in rows]


def test_the_table_shows_the_rows_from_bottom_to_top_or_turned_round(cli, source):
    rows = {"embed", "L0", "L1", "L2", *(f"L{layer}.resid_post" for layer in range(3))}
    status, out, err = cli("lens", source, "The cat")
    assert status == 0, err
    upward = row_labels(out, rows)
    assert len(upward) == 4
    assert upward[-1] == "embed"
    _, out, _ = cli("lens", source, "The cat", "--top-down")
    assert row_labels(out, rows) == upward[::-1]


@pytest.mark.parametrize("kind", ["top", "logit", "probability", "rank", "kl", "entropy"])
def test_every_kind_is_printed(cli, source, kind):
    status, out, err = cli("lens", source, "The cat", "--kind", kind, "--positions", "-1")
    assert status == 0, err
    assert "embed" in out


def test_json_is_the_result_that_python_gives(cli, source, model):
    flags = ["--positions", "1-3,-1", "--layer-step", "2", "--no-embedding", "--subblocks"]
    flags += ["--decoder", "last_block", "--follow", "next", "--top-k", "3", "--kl-floor", "1e-4"]
    status, out, err = cli("lens", source, "The cat sat", "--json", *flags)
    assert status == 0, err
    wanted = ue.logit_lens(
        model,
        "The cat sat",
        positions=[1, 2, 3, -1],
        layer_step=2,
        include_embedding=False,
        subblocks=True,
        decoder="last_block",
        follow="next",
        top_k=3,
        kl_floor=1e-4,
    )
    found = json.loads(out)
    assert (found["edited"], found["kl_between"]) == (None, None)
    assert found["baseline"] == json.loads(json.dumps(finite(wanted.to_dict())))
    assert found["baseline"]["probability"][0][-1] is None


def test_edits_give_both_sides(cli, source, model):
    flags = ["--edit", "zero L1.mlp", "--target", "#72"]
    status, out, err = cli("lens", source, "The cat", "--json", *flags)
    assert status == 0, err
    found = json.loads(out)
    assert set(found) == {"baseline", "edited", "kl_between"}
    edited = ue.logit_lens(model, "The cat", target=72, edits=[ue.zero("L1.mlp")])
    for name in ("logit", "kl"):
        for row, wanted in zip(found["edited"][name], getattr(edited, name).tolist(), strict=True):
            assert row == pytest.approx(wanted, abs=1e-5)
    _, out, _ = cli("lens", source, "The cat", *flags)
    assert out.index("Baseline") < out.index("Edited")


@pytest.mark.drawing
def test_a_page_is_written_whole_and_said_where(cli, source, tmp_path):
    page = tmp_path / "lens.html"
    page.write_text("old")
    status, out, err = cli("lens", source, "The cat", "--html", str(page), "--kind", "rank")
    assert status == 0, err
    assert "embed" in out
    assert str(page) in err.replace("\n", "")
    assert page.read_text("utf-8").lower().startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize(
    "text, positions",
    [
        ("75-78", [75, 76, 77, 78]),
        ("0,3,-1", [0, 3, -1]),
        ("0, 2-3 ,-2", [0, 2, 3, -2]),
        ("-3--1", [-3, -2, -1]),
        ("4-4", [4]),
    ],
)
def test_positions_as_they_are_typed(text, positions):
    assert parse_positions(text) == positions


def test_every_flag_is_in_the_reference():
    section = read(REFERENCE / "cli.md").partition("## unembed lens")[2].partition("\n## ")[0]
    section += read(REFERENCE / "questions.md").partition("## lens\n")[2].partition("\n## ")[0]
    command = typer.main.get_command(app).commands["lens"]  # type: ignore[attr-defined]
    head = read(REFERENCE / "cli.md").partition("\n## ")[0]
    shared = {"--help", *re.findall(r"`(--[a-z-]+)`", head)}
    flags = {flag for one in command.params for flag in one.opts if flag.startswith("--")}
    assert sorted(flag for flag in flags - shared if f"`{flag}" not in section) == []


def test_the_modules_of_a_decoder_are_a_flag_each(cli, source, model):
    flags = [flag for name in ("h.1", "h.2", "lm_head") for flag in ("--decoder", name)]
    status, out, err = cli("lens", source, "The cat", "--json", *flags)
    assert status == 0, err
    found = json.loads(out)["baseline"]
    assert found["decoder"] == "L1"
    assert found["rank"] == ue.logit_lens(model, "The cat", decoder="L1").rank.tolist()
    status, _, err = cli("lens", source, "The cat", "--decoder", "h.0", "--decoder", "h.2")
    assert status != 0
    assert "must follow one another" in " ".join(err.split())
