"""A chat prompt is the same text in Python, over HTTP and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import unembed as ue
from unembed.models.tiny import BOS, tiny_model, tiny_tokenizer
from unembed.server.app import create_app
from unembed.session import Session
from unembed.settings import Settings

from ..cli.conftest import Cli
from ..server.asgi import TOKEN, post

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}"
    "{% if not loop.last %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
SAID = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
TEXT = "[system] Be brief.<eos>[user] hello[assistant]"  # the tokenizer puts <bos> in front


@pytest.fixture(scope="module")
def chatty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tokenizer adds <bos> to a text, and whose template has it, too."""
    folder: Path = tmp_path_factory.mktemp("chatty")
    tiny_model("gpt2", dtype=torch.float32).save_pretrained(folder)
    tokenizer = tiny_tokenizer(add_bos=True)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(chatty: Path) -> ue.Model:
    return ue.load(chatty)


@pytest.fixture
def app(model: ue.Model) -> Any:
    session = Session(model, Settings())
    yield create_app(session, session.settings, TOKEN, assets={})
    session.close()


def test_every_question_takes_messages_in_python(model):
    ids = model.tokenize(TEXT)
    assert model.tokenize(SAID) == ids
    assert ids.count(BOS) == 1
    assert ue.predictions(model, SAID).baseline == ue.predictions(model, TEXT).baseline
    assert torch.equal(ue.logit_lens(model, SAID).entropy, ue.logit_lens(model, TEXT).entropy)
    assert model.generate(SAID, 2).new_ids == model.generate(TEXT, 2).new_ids
    assert model.run(SAID).ids == ids


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/api/predictions", {}),
        ("/api/flow", {"layers": [1]}),
        ("/api/component", {"target": "L1.H2"}),
        ("/api/generate", {"max_new_tokens": 2}),
        ("/api/tokenize", {}),
        (
            "/api/predictions",
            {"edits": [{"target": "L1.H2", "operation": "patch", "source": {"prompt": SAID}}]},
        ),
    ],
)
def test_every_question_takes_messages_over_http(app, path, more):
    answer = post(app, path, {"prompt": SAID, **more})
    assert answer.status == 200, answer.body
    assert answer.json() == post(app, path, {"prompt": TEXT, **more}).json()


@pytest.mark.parametrize(
    ("prompt", "field"),
    [
        ([{"role": "user"}], "prompt[0].content"),
        ([{"role": "user", "content": 5}], "prompt[0].content"),
        ([{"role": "user", "content": "x", "name": "y"}], "prompt[0].name"),
        ([*SAID, 5], "prompt[0]"),
        ([{"role": "user", "content": "x" * 2_000_000}], "prompt"),
    ],
)
def test_messages_that_are_none_are_refused_with_their_place(app, prompt, field):
    answer = post(app, "/api/predictions", {"prompt": prompt})
    assert answer.status == 400
    assert answer.error["field"] == field, answer.error


@pytest.mark.parametrize("command", ["run", "generate"])
@pytest.mark.parametrize("how", ["text", "JSON", "standard input"])
def test_a_chat_is_typed_as_text_or_as_messages(cli: Cli, chatty, command, how):
    said = "hello" if how == "text" else json.dumps(SAID)
    typed = "-" if how == "standard input" else said
    status, out, err = cli(
        command, str(chatty), typed, "--chat", "--json", stdin=f"{said}\n".encode()
    )
    assert status == 0, err
    plain = "[user] hello[assistant]" if how == "text" else TEXT
    assert cli(command, str(chatty), plain, "--json") == (0, out, err)


def test_without_a_template_it_is_said(cli: Cli, source, model):
    status, _, err = cli("run", source, "hello", "--chat")
    assert status == 2
    assert "its tokenizer has no chat template" in " ".join(err.split())
    assert model.capabilities()["chat"].available
    plain = ue.load(model.module, tiny_tokenizer())
    assert plain.capabilities()["chat"].reason == "its tokenizer has no chat template"
