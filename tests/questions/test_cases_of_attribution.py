"""What people do with attribution, traces, circuits and patches: it works, or is refused by field.

One table of cases; each is put in Python, on the command line and over HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as made
from pathlib import Path
from typing import Any

import pytest

import unembed as ue
from unembed.engine.model import Model
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.server.app import create_app
from unembed.session import Session
from unembed.settings import Settings

from ..server.asgi import TOKEN, post
from .faces import PROMPT

OTHER, LONGER = "The sat sat", "The cat sat on"
PAIR = {"clean": PROMPT, "corrupted": OTHER, "answer": 5, "wrong": 40}
SPLIT, SAME, EMPTY = "is not one token", "are the same token", "prompt is empty"
OUTSIDE = "it has 6 tokens, positions 0-5"
VALUE = {"node": "L1.H1@5<1", "through": "v"}  # what a target is read for

ASKED: dict[str, dict[str, Any]] = {
    "attribute": {"prompt": PROMPT, "target": 40},
    "trace": {"prompt": PROMPT, "node": "L1.N5@2"},
    "circuit": {"prompt": PROMPT, "corrupted": OTHER, "target": 40, "curve": False},
    "patch": {"prompt": PROMPT, "corrupted": OTHER, "target": 40},
    "patch/path": {
        "prompt": PROMPT,
        "corrupted": OTHER,
        "target": 40,
        "senders": ["L0.H1"],
        "receivers": ["L2.H1"],
    },
    "patch/pairs": {"pairs": [PAIR]},
}


@dataclass(frozen=True)
class Case:
    """One request, and how it ends: `words` of the refusal about `field`, or none."""

    question: str
    changes: dict[str, Any]
    field: str = ""
    words: str = ""
    python: str = ""  # the field there, where it is called otherwise
    settings: dict[str, int] = made(default_factory=dict)

    @property
    def asked(self) -> dict[str, Any]:
        return ASKED[self.question] | self.changes


def _pair(**changes: Any) -> dict[str, Any]:
    return {"pairs": [PAIR | changes]}


OF_TARGETS = ("attribute", "circuit", "patch", "patch/path")
OF_TWO = ("circuit", "patch", "patch/path")
CASES = [
    # prompts of different lengths
    Case("attribute", {"references": [LONGER], "against": "prompt"}),
    Case("attribute", {"references": [LONGER], "against": "prompt", "wholes": True, "steps": 1}),
    Case("circuit", {"corrupted": LONGER, "ablation": "resample"}),
    *(
        Case(one, {"corrupted": LONGER}, "corrupted", "6 tokens and the corrupted")
        for one in OF_TWO
    ),
    Case("patch/pairs", _pair(corrupted=LONGER), "pairs", "6 tokens and the corrupted one 8"),
    # a target of several tokens
    *(Case(one, {"target": " cat sat"}, "target", SPLIT) for one in OF_TARGETS),
    *(Case(one, {"distractor": " cat sat"}, "distractor", SPLIT) for one in OF_TARGETS),
    Case("trace", VALUE | {"target": " cat sat"}, "target", SPLIT),
    Case("patch/pairs", _pair(answer=" cat sat"), "pairs", SPLIT),
    # a node that is not there
    Case("attribute", {"layers": [9]}, "layers", "has layers 0-2"),
    Case("trace", {"node": "L1.N9999@2"}, "node", "neurons 0-51"),
    Case("trace", {"node": "nonsense"}, "node", "names no site or node"),
    Case("trace", {"trail": ["L9.N1@2"]}, "trail", "has layers 0-2"),
    Case("trace", {"trail": ["L1.attn@2"]}, "trail", "cannot be traced"),
    Case("circuit", {"include": ["L9.H0"]}, "include", "There is no node"),
    Case("patch", {"layers": [9]}, "layers", "has layers 0-2"),
    Case("patch/path", {"senders": ["L0.H9"]}, "senders", "heads 0-3"),
    Case("patch/path", {"receivers": ["L9.H0"]}, "receivers", "has layers 0-2"),
    Case("patch/pairs", {"layers": [9]}, "layers", "has layers 0-2"),
    *(
        Case(one, {"target": 'activation("L9.N1")'}, "target", "has layers 0-2")
        for one in ("attribute", "patch", "patch/path")
    ),
    # more than the limit
    Case("patch", {}, "positions", "3 layers x 6 is 18 runs", settings={"max_patch_cells": 17}),
    Case("patch/pairs", {}, "positions", "18 runs", settings={"max_patch_cells": 17}),
    Case("patch", {"layers": [1]}, settings={"max_patch_cells": 17}),
    Case(
        "patch/path",
        {"senders": ["L0.H1", "L0.H2"]},
        "senders",
        "the limit is 1",
        settings={"max_patch_cells": 1},
    ),
    Case(
        "circuit",
        {"measure": 2, "shares": [1.0]},
        "measure",
        "the limit is 3",
        settings={"max_circuit_runs": 3},
    ),
    Case("attribute", {}, "prompt", "6 tokens have", settings={"max_attributed_nodes": 100}),
    Case("trace", {}, "prompt", "6 tokens have", settings={"max_attributed_nodes": 100}),
    Case("attribute", {"kinds": ["stream"], "wholes": True}),
    Case("attribute", {"kinds": ["stream"]}, "kinds", "no nodes of kind 'stream' here"),
    # a target that is the distractor
    *(Case(one, {"distractor": 40}, "distractor", SAME) for one in OF_TARGETS),
    *(Case(one, {"target": "logit_diff(40, 40)"}, "target", SAME) for one in OF_TARGETS),
    Case("trace", VALUE | {"target": 40, "distractor": 40}, "distractor", SAME),
    Case("patch/pairs", _pair(wrong=5), "pairs", "answer and wrong answer are the same token"),
    *(
        Case(one, {"target": None}, "target", "both prompts are answered with 'X'")
        for one in ("patch", "patch/path")
    ),
    Case("circuit", {"target": None}),
    # an empty prompt
    *(Case(one, {"prompt": ""}, "prompt", EMPTY) for one in (*OF_TARGETS, "trace")),
    *(Case(one, {"corrupted": ""}, "corrupted", EMPTY, python="prompt") for one in OF_TWO),
    Case(
        "attribute",
        {"references": [""], "against": "prompt"},
        "references[0]",
        EMPTY,
        python="prompt",
    ),
    Case("patch/pairs", _pair(clean=""), "pairs[0].clean", "at least 1 character", python="clean"),
    Case("patch/pairs", {"pairs": []}, "pairs", "pair"),
    # a position outside of the prompt
    *(Case(one, {"position": 6}, "position", OUTSIDE) for one in OF_TARGETS),
    Case("trace", VALUE | {"position": -7}, "position", OUTSIDE),
    Case("trace", {"node": "L1.N5@6"}, "node", OUTSIDE),
    Case("trace", {"trail": ["L2.H1@2<6"]}, "trail", OUTSIDE),
    Case("patch/path", {"senders": ["L0.H1@6"]}, "senders", OUTSIDE),
    Case("patch/path", {"receivers": ["L2.H1@2<6"]}, "receivers", OUTSIDE),
    *(
        Case(one, {"positions": [6]}, "positions", OUTSIDE)
        for one in ("attribute", "trace", "patch", "patch/pairs")
    ),
    *(
        Case(one, {"target": 'activation("L1.N1@6")'}, "target", OUTSIDE)
        for one in ("attribute", "patch", "patch/path")
    ),
    Case("patch", {"target": 'activation("L1.H1@5<6")'}, "target", OUTSIDE),
    Case("patch", {"target": 'activation("L1.N1@2")'}, "target", "position 5 is read"),
    Case("patch", {"target": 'activation("L1.N1@2")', "position": 2}),
    # an objective, or what is told, that is behind
    Case("attribute", {"target": 'activation("L0.N1")'}),
    Case("patch", {"target": 'activation("L0.N1")', "layers": [2]}),
    Case("patch/path", {"target": 'activation("L0.N1")'}),
    Case("circuit", {"target": 'activation("L0.N1")'}, "target", "is not found here"),
    Case("trace", VALUE | {"target": 'activation("L0.N1")'}, "target", "writes directly"),
    Case("trace", VALUE | {"trail": ["L0.N1@5"]}, "trail", "does not read that"),
    Case("patch/path", {"senders": ["L2.H1"], "receivers": ["L1.H1"]}, "receivers", "comes before"),
]


def name_of(case: Case) -> str:
    said = ", ".join(f"{name}={value}" for name, value in (case.changes | case.settings).items())
    return f"{case.question} {said}"[:90]


def in_python(model: Model, case: Case) -> Any:
    """The analysis itself, with none of the question layer."""
    fields = dict(case.asked)
    if case.question == "patch/pairs":
        return ue.patch_pairs(
            model, [ue.PromptPair(**one) for one in fields.pop("pairs")], **fields
        )
    prompt = fields.pop("prompt")
    ask = {
        "attribute": ue.attribute,
        "trace": ue.trace,
        "circuit": ue.find_circuit,
        "patch": ue.patch_grid,
        "patch/path": ue.path_patch,
    }[case.question]
    return ask(model, prompt, **fields)


def typed(case: Case, folder: Path) -> list[str]:
    """The command, of a model that is somewhere."""
    asked = dict(case.asked)
    command = [case.question.replace("/", "-"), "somewhere"]
    if case.question == "patch/pairs":
        file = folder / "pairs.jsonl"
        file.write_text("\n".join(json.dumps(one) for one in asked.pop("pairs")))
        command += ["--pairs", str(file)]
    else:
        command.append(asked.pop("prompt"))
    for name, value in asked.items():
        flag = "--" + {"references": "reference"}.get(name, name).replace("_", "-")
        if name in ("target", "distractor") and isinstance(value, int):
            value = f"#{value}"
        if name == "references":
            command += [flag, *value]
        elif isinstance(value, bool):
            command.append(flag if value else f"--no-{name}")
        elif value is not None:
            several = isinstance(value, list)
            command += [f"{flag}={','.join(map(str, value)) if several else value}"]
    return [*command, "--json"]


@pytest.fixture(params=CASES, ids=name_of)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def limited(case: Case, model: Model, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An app over the one model, with the case's settings everywhere."""
    for name, value in case.settings.items():
        monkeypatch.setenv(f"UNEMBED_{name.upper()}", str(value))
    settings = Settings.from_environment()
    monkeypatch.setattr(model, "settings", settings)
    # loaded once for all: what the command line knows of its own process is not so here
    monkeypatch.setattr("unembed.engine.load.load", lambda *_, **__: model)
    session = Session(model, settings)
    yield create_app(session, settings, TOKEN, assets={})
    session.close()


def test_a_case_works_or_is_refused_by_its_field_everywhere(case, limited, model, cli, tmp_path):
    check(case, model, limited, cli, tmp_path)


def check(case: Case, model: Model, app: Any, cli: Any, folder: Path) -> None:
    """Python, HTTP and the command line, which loads this model, end as the case says."""
    body = {name: value for name, value in case.asked.items() if value is not None}
    sent = post(app, f"/api/{case.question}", body)
    status, out, err = cli(*typed(case, folder))
    if not case.field:
        found = in_python(model, case)
        assert (sent.status, status) == (200, 0), (sent.body[:300], err)
        data = json.loads(found.to_json())
        for answer in (sent.json(), json.loads(out)):
            assert answer.get("baseline", answer).keys() == data.keys()
        return
    with pytest.raises(ue.errors.UnembedError) as caught:
        in_python(model, case)
    assert caught.value.field == (case.python or case.field)
    assert caught.value.legal
    assert (sent.status // 100, sent.error["field"]) == (4, case.field), sent.error
    assert sent.error["legal"]
    assert status == 2
    assert "Traceback" not in err
    for said in (str(caught.value), sent.error["message"], err):
        assert case.words.lower() in " ".join(said.split()).lower()


# ---------------------------------------------------------------- 2,000 tokens

TEXT, CHANGED = "a" * 2000, "a" * 1990 + "b" + "a" * 9
BOTH = {"prompt": TEXT, "corrupted": CHANGED}
MEMORY = "max_capture_bytes"
LONG = [
    Case("attribute", {"prompt": TEXT}, "prompt", MEMORY),
    Case("trace", {"prompt": TEXT}, "prompt", MEMORY),
    Case("circuit", BOTH, "prompt", MEMORY),
    Case("circuit", BOTH | {"by_position": True}, "prompt", MEMORY),
    Case("patch", BOTH | {"positions": [-1]}, "prompt", MEMORY),
    Case("patch", BOTH | {"site": "patterns"}, "prompt", MEMORY),
    Case("patch/path", BOTH, "prompt", MEMORY),
    Case(
        "patch/pairs",
        _pair(clean=TEXT, corrupted=CHANGED) | {"positions": [-1]},
        "pairs[0].clean",
        MEMORY,
    ),
]
FITS = [
    Case("attribute", {"prompt": TEXT, "pairs": False, "target": None}),
    Case("trace", {"prompt": TEXT, "pairs": False}),
    Case("patch", BOTH | {"positions": [-1], "target": None, "distractor": 40}),
    Case("patch/path", BOTH),
]


@pytest.fixture(scope="module")
def long_one() -> Model:
    """One with positions for them, whose logits of all of them are more than may be held."""
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = 1_000_000
    module = tiny_model("gpt2", n_positions=2048)
    return ue.load(module, tokenizer, settings=Settings(max_logits_bytes=100_000))


@pytest.fixture
def passes(long_one: Model) -> Iterator[list[int]]:
    """Grows with each pass through the model, of which there is room for a MiB of activations."""
    made: list[int] = []
    hook = long_one.module.register_forward_pre_hook(lambda *_: made.append(1))
    yield made
    hook.remove()


@pytest.fixture
def of_long(long_one: Model, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    sessions: list[Session] = []

    def make(**limits: int) -> Any:
        settings = Settings(max_logits_bytes=100_000, **limits)
        monkeypatch.setattr(long_one, "settings", settings)
        monkeypatch.setattr("unembed.engine.load.load", lambda *_, **__: long_one)
        sessions.append(Session(long_one, settings))
        return create_app(sessions[-1], settings, TOKEN, assets={})

    yield make
    for session in sessions:
        session.close()


@pytest.mark.parametrize("case", LONG, ids=lambda case: case.question)
def test_a_long_prompt_is_refused_before_it_is_held(case, long_one, of_long, passes, cli, tmp_path):
    check(case, long_one, of_long(max_capture_bytes=2**20), cli, tmp_path)
    assert len(passes) == (3 if case.question == "trace" else 0)  # a trace reads its node first


def test_a_long_prompt_works_where_it_fits(long_one, of_long, passes):
    app = of_long()
    for case in FITS:
        body = {name: value for name, value in case.asked.items() if value is not None}
        sent = post(app, f"/api/{case.question}", body)
        assert sent.status == 200, (case.question, sent.body[:300])
    assert passes
