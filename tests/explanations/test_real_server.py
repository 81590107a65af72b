"""A server that is none of ours, `transformers serve`, as explainer and judge, end to end.

Its model has random weights and may only say yes, no, or one list of activations, so that each kind
of answer comes at places that chance chose. What it must say to a prompt is a forward pass away.
"""

from __future__ import annotations

import logging
import socket
import time
from dataclasses import replace

import pytest
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import GenerationConfig, PreTrainedTokenizerFast
from transformers.utils.import_utils import is_serve_available

import unembed as ue
from unembed.explanations.explaining.models import ModelExplainer
from unembed.explanations.judging.models import ModelJudge
from unembed.explanations.language.asking import Answer
from unembed.explanations.language.sending import Counts
from unembed.models.tiny import tiny_model

from . import world
from .test_judging import FEW

pytestmark = pytest.mark.skipif(
    not is_serve_available(), reason="`transformers serve` needs the package openai"
)

WINDOW = 8
RATED = '{"activations": [0, 1, 0, 9, 0, 2, 0, 0]}'
ANSWERS = ("Yes", "No", RATED)
WORDS = ["<pad>", "<unk>", *ANSWERS, "yes", "no", "unit", "Text", "Tokens", *world.BY_FORM]
TEMPLATE = (
    "{% for one in messages %}{{ one['role'] }}: {{ one['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def tokenizer():
    """A token for each word; chats are written out line by line."""
    backend = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, "<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s|\w+|[^\w\s]"), "removed", invert=True)
    made = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>")
    made.chat_template = TEMPLATE
    return made


@pytest.fixture(scope="module")
def module():
    """A model that says one of `ANSWERS`, and stops."""
    made = tiny_model("llama", vocab_size=len(WORDS), max_position_embeddings=2048, seed=1)
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(3)  # sharp enough for answers to differ from prompt to prompt
    allowed = [WORDS.index(one) for one in ANSWERS]
    made.generation_config = GenerationConfig(
        suppress_tokens=[at for at in range(len(WORDS)) if at not in allowed],
        eos_token_id=allowed,
        pad_token_id=0,
    )
    return made


@pytest.fixture(scope="module")
def serving(module, tmp_path_factory):
    """The server's address, and what it calls the model."""
    from transformers.cli.serve import Serve

    folder = str(tmp_path_factory.mktemp("chat"))
    module.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    logger = logging.getLogger("transformers")
    level = logger.level
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Serve(folder, host="127.0.0.1", port=port, device="cpu", non_blocking=True)
    try:
        while not server.server.started:
            assert server._thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}/v1", folder
    finally:
        server.kill_server()
        logger.setLevel(level)
        server._thread.join(60)
    assert not server._thread.is_alive()


class Slowly:
    """A language model that is one forward pass for each question: the likeliest answer."""

    name = "slowly"

    def __init__(self, module):
        self.module, self.tokenizer, self.counts = module, tokenizer(), Counts()
        self.allowed = [WORDS.index(one) for one in ANSWERS]

    def ask(self, asks, read):
        found = [read(place, Answer(self.says(ask.messages))) for place, ask in enumerate(asks)]
        for one in found:
            self.counts.sent += 1
            if one is None:
                self.counts.fail("the answer cannot be read")
        return found

    def says(self, messages):
        text = "".join(f"{one['role']}: {one['content']}\n" for one in messages) + "assistant: "
        with torch.no_grad():
            last = self.module(self.tokenizer(text, return_tensors="pt").input_ids).logits[0, -1]
        return ANSWERS[int(last[self.allowed].argmax())]


def test_a_real_server_writes_and_judges_without_log_probabilities(serving, module, corpus):
    url, name = serving
    slow = Slowly(module)
    judge, own = ue.RemoteJudge(url, name), ModelJudge(slow)
    options = {"n_tokens": FEW, "window": WINDOW, "texts": 8, "chance_labels": 1, "shuffles": 20}
    found, wanted = (
        ue.score_explanation(corpus, "L0.F0", "the word the", one, **options)
        for one in (judge, own)
    )
    assert found == replace(wanted, judge=f"{name} at 127.0.0.1")
    kinds = (found.simulation, found.detection, found.fuzzing)
    for kind in kinds:  # of each kind some were answered, and some could not be read
        assert kind.n > 0
        assert kind.failed > 0
    assert (judge.counts.sent, judge.counts.failed) == (slow.counts.sent, slow.counts.failed)
    assert judge.counts.reasons == {"the answer cannot be read": slow.counts.failed}


def test_a_real_server_explains(serving, module, corpus):
    url, name = serving
    nodes = [f"L0.F{order}" for order in (0, 2, 4, 7, 8, 9)]
    slow = Slowly(module)
    explainer, own = ue.RemoteExplainer(url, name), ModelExplainer(slow)
    found, wanted = (
        [one.written.text for one in ue.explain(corpus, nodes, n_tokens=FEW, explainer=who).items]
        for who in (explainer, own)
    )
    assert found == wanted
    assert len(set(found)) > 1
    assert (explainer.counts.sent, explainer.counts.failed) == (slow.counts.sent, 0)
    absent = ue.RemoteExplainer(url, "no/such-model", tries=1)
    item = ue.explain(corpus, nodes[:1], n_tokens=FEW, explainer=absent).items[0]
    assert item.written.text is None
    assert item.label == "the token the"
    assert absent.counts.reasons == {"status 400": 1}
