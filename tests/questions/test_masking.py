"""Masks, sentence pairs and pairs knocked out, over HTTP and on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import unembed as ue
from unembed.models.tiny import tiny_model
from unembed.server.app import create_app
from unembed.session import Session
from unembed.settings import Settings

from ..cli.conftest import Cli, cli
from ..engine.paired import FIRST, SECOND, bert_tokenizer
from ..server.asgi import TOKEN, post

__all__ = ["cli"]
MASK = {"target": "embed", "operation": "mask", "positions": [3, -2]}
CUT = {"target": "L1.H2", "operation": "knock_out", "pairs": [[4, 2], [-1, 0]]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("masked")
    tiny_model("bert", dtype=torch.float32).save_pretrained(path)
    bert_tokenizer().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> ue.Model:
    return ue.load(folder)


@pytest.fixture
def app(model: ue.Model) -> Iterator[Any]:
    session = Session(model, Settings())
    yield create_app(session, session.settings, TOKEN, assets={})
    session.close()


@pytest.fixture(scope="module")
def masked_ids(model: ue.Model) -> list[int]:
    ids = list(model.tokenize(FIRST))
    for place in (3, -2):
        ids[place] = model.tokenizer.mask_token_id
    return ids


def asked(app: Any, name: str, **body: Any) -> Any:
    answer = post(app, f"/api/{name}", body)
    assert answer.status == 200, answer.body
    return answer.json()


def test_predictions_are_those_of_the_masked_tokens_beside_the_prompts(app, model, masked_ids):
    found = asked(app, "predictions", prompt=FIRST, edits=[MASK], position=3)
    baseline, edited = model.run(FIRST).top(1, 3)[0], model.run(masked_ids).top(1, 3)[0]
    for side, wanted in (("baseline", baseline), ("edited", edited)):
        top = found[side]["next_token"]["top"][0]
        assert top["token"]["id"] == wanted.token.id
        assert top["probability"] == pytest.approx(wanted.probability, abs=1e-6)
    assert [token["id"] for token in found["tokens"]] == list(model.tokenize(FIRST))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("component", {"target": "L1.H1", "position": 3}),
        ("heads", {"kind": "same"}),
    ],
)
def test_every_question_can_be_asked_with_a_mask(name, options, app, masked_ids):
    ours = asked(app, name, prompt=FIRST, edits=[MASK], **options)
    theirs = asked(app, name, prompt=masked_ids, **options)
    assert_alike(ours, theirs)


def test_the_flow_graph_of_a_mask_is_that_of_the_masked_tokens(app, model, masked_ids):
    capture = ue.flow_capture(model, [1, 2], 3)
    drawn = {"target": "dog", "position": 3}
    runs = [model.run(FIRST, capture, [ue.mask([3, -2])]), model.run(masked_ids, capture)]
    ours, theirs = (ue.flow_graph(run, [1, 2], **drawn).header() for run in runs)
    assert_alike(ours, theirs)
    found = asked(app, "flow", prompt=FIRST, edits=[MASK], layers=[1, 2], **drawn)
    assert found["edited"]["target"] == found["baseline"]["target"]


def assert_alike(ours: Any, theirs: Any) -> None:
    """The same, but for the tokens of the prompt and the last bits of numbers."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - {"tokens", "token", "provenance"}:
            assert_alike(ours[name], theirs[name])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_alike(one, other)
    elif isinstance(ours, float):
        assert ours == pytest.approx(theirs, abs=1e-5)
    else:
        assert ours == theirs


def test_a_mask_has_a_flag_of_its_own(cli: Cli, folder):
    rest = ("--position", "3", "--json")
    edits = ("-e", "zero L1.H1", "-e", "mask embed positions=3,-2")
    wanted = cli("run", str(folder), FIRST, *edits, *rest)
    assert wanted[0] == 0
    assert cli("run", str(folder), FIRST, "-e", "zero L1.H1", "--mask", "3,-2", *rest) == wanted
    status, _, error = cli("run", str(folder), FIRST, "--mask", "x")
    assert status == 2
    assert "write integers with commas" in " ".join(error.split())


def test_a_mask_on_the_command_line_is_that_edit(cli: Cli, folder, app):
    code, typed, error = cli(
        "run", str(folder), FIRST, "-e", "mask embed positions=3,-2", "--position", "3", "--json"
    )
    assert code == 0, error
    sent = asked(app, "predictions", prompt=FIRST, edits=[MASK], position=3)
    assert json.loads(typed) == sent


def test_knocking_out_over_http_is_that_of_python(app, model):
    for renormalise in (False, True):
        edits = [CUT | {"renormalise": renormalise}]
        found = asked(app, "predictions", prompt=FIRST, edits=edits, position=3)
        edit = ue.knock_out("L1.H2", [(4, 2), (-1, 0)], renormalise=renormalise)
        wanted = model.run(FIRST, edits=[edit]).top(1, 3)[0]
        top = found["edited"]["next_token"]["top"][0]
        assert top["token"]["id"] == wanted.token.id
        assert top["probability"] == pytest.approx(wanted.probability, abs=1e-6)


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        ({"target": "L1.H2", "operation": "mask", "positions": [3]}, "target"),
        ({"target": "embed", "operation": "mask", "positions": [99]}, "positions"),
        ({"target": "embed", "operation": "mask"}, "positions"),
        ({"target": "embed@3", "operation": "mask", "positions": [3]}, "positions"),
        (CUT | {"pairs": [[1, 2], [99, 0]]}, "pairs"),
        (CUT | {"pairs": [[1, 2, 3]]}, "pairs[0]"),
        (CUT | {"target": "L1.mlp"}, "target"),
        (CUT | {"positions": [3]}, "positions"),
        (CUT | {"pairs": None, "between": "across"}, "between"),
    ],
    ids=str,
)
def test_what_is_wrong_names_its_field(edit, field, app):
    off = {"target": "L0.H0", "operation": "zero", "enabled": False}
    answer = post(app, "/api/predictions", {"prompt": FIRST, "edits": [off, edit]})
    assert answer.status in (400, 422)
    assert answer.error["field"] == f"edits[1].{field}"


def test_more_pairs_than_the_limit_are_refused(model):
    session = Session(model, Settings(max_edit_pairs=1))
    try:
        app = create_app(session, session.settings, TOKEN, assets={})
        answer = post(app, "/api/predictions", {"prompt": FIRST, "edits": [CUT]})
        assert answer.error["field"] == "edits[0].pairs"
    finally:
        session.close()


# ---------------------------------------------------------------- sentence pairs

BOTH = {"prompt": FIRST, "pair": SECOND}
PAIR = ue.SentencePair(FIRST, SECOND)


def test_a_pair_is_asked_the_same_over_http_and_on_the_command_line(cli: Cli, folder, app, model):
    found = asked(app, "predictions", **BOTH, position=3)
    assert found == json.loads(ue.predictions(model, PAIR, position=3).to_json())
    code, typed, error = cli(
        "run", str(folder), FIRST, "--pair", SECOND, "--position", "3", "--json"
    )
    assert code == 0, error
    assert json.loads(typed) == found
    one = asked(app, "predictions", prompt=list(model.run(PAIR).ids), position=3)
    assert one != found, "the same tokens without types are another question"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("component", {"target": "L1.H1"}),
        ("flow", {"layers": [1]}),
        ("heads", {}),
        ("predictions", {"edits": [{**MASK}]}),
    ],
)
def test_every_question_takes_a_pair(name, options, app, model):
    found = asked(app, name, **BOTH, **options)
    other = asked(app, name, prompt=list(model.run(PAIR).ids), **options)
    assert json.dumps(found) != json.dumps(other)


def test_segments_are_told_with_the_tokens(app, model):
    found = asked(app, "tokenize", **BOTH)
    assert tuple(found["segments"]) == model.run(PAIR).segments
    assert asked(app, "tokenize", prompt=FIRST)["segments"] == []


@pytest.mark.parametrize("between", ["within", "across"])
def test_attention_between_the_texts_is_that_of_python(between, app, model, cli: Cli, folder):
    run = model.run(PAIR, ue.attention_capture(model, [1]))
    wanted = ue.attention(run, [1], between=between, mass=1)
    code, typed, error = cli(
        "attention", str(folder), FIRST, "--pair", SECOND, "--layers", "1", "--between", between,
        "--mass", "1", "--json",
    )  # fmt: skip
    assert code == 0, error
    found = json.loads(typed)["baseline"]
    assert found["between"] == between
    assert tuple(found["segments"]) == run.segments
    answer = post(app, "/api/attention", {**BOTH, "layers": [1], "between": between})
    assert answer.status == 200
    assert len(wanted.pairs) > 0
    refused = post(app, "/api/attention", {"prompt": FIRST, "layers": [1], "between": between})
    assert refused.error["field"] == "between"


def test_pairs_across_the_texts_are_knocked_out_by_name(app, model):
    edits = [
        {"target": f"L{layer}.attn", "operation": "knock_out", "between": "across"}
        | {"renormalise": True}
        for layer in range(3)
    ]
    found = asked(app, "predictions", **BOTH, edits=edits, position=3)
    pairs = ue.pairs_between(model.run(PAIR).segments, "across")
    made = [ue.knock_out(f"L{layer}.attn", pairs, renormalise=True) for layer in range(3)]
    wanted = model.run(PAIR, edits=made).top(1, 3)[0]
    top = found["edited"]["next_token"]["top"][0]
    assert top["token"]["id"] == wanted.token.id
    assert top["probability"] == pytest.approx(wanted.probability, abs=1e-6)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prompt": [5, 6], "pair": SECOND}, "prompt"),
        ({"prompt": FIRST, "pair": ""}, "pair"),
        ({"prompt": FIRST, "pair": [5]}, "pair"),
        ({"prompt": FIRST, "pair": "x" * 300_000}, "pair"),
        ({"prompt": FIRST, "pair": "\ud800"}, "pair"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_what_is_no_pair_names_its_field(body, field, app):
    answer = post(app, "/api/predictions", body)
    assert answer.status in (400, 422)
    assert answer.error["field"] == field
