"""The page about model types says what is so: of every type, and of a sample anew."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import transformers

from .examine import DECODERS, TYPES, VERDICTS, Finding, examine
from .page import PAGE, read, written
from .shrink import small_config

RIGHT_AT_LEAST = 150
# of each verdict, and of each kind of model; some of each make of block
SAMPLE = (
    ("olmo3", "causal"),
    ("bert-generation", "causal"),
    ("glm_moe_dsa", "causal"),
    ("jetmoe", "causal"),
    ("deepseek_v4", "causal"),
    ("musicgen", "causal"),
    ("esmc", "masked"),
    ("longformer", "masked"),
    ("inkling_text", "causal"),
)

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families


@pytest.fixture(scope="module")
def page() -> dict[tuple[str, str], Finding]:
    version, findings = read(PAGE.read_text())
    if version != transformers.__version__:
        pytest.fail(
            f"{PAGE.name} is about transformers {version}, here is {transformers.__version__}: "
            "run `make families`, and read in its diff what the release changes"
        )
    return {(one.model_type, one.kind): one for one in findings}


def test_every_type_that_transformers_knows_is_on_the_page(page):
    known = {(name, kind) for kind, names in TYPES.items() for name in names}
    assert set(page) == known


def test_none_is_wrong_and_most_are_right_or_partly_right(page):
    count = Counter(one.verdict for one in page.values())
    assert set(count) <= set(VERDICTS)
    assert count["wrong"] == 0
    assert len({name for (name, _), one in page.items() if one.verdict in ("right", "partly")}) >= (
        RIGHT_AT_LEAST
    )


def test_what_is_not_right_has_its_reason(page):
    for one in page.values():
        assert one.verdict == "right" or len(one.words) > 20, one


def test_every_refusal_names_a_module(page):
    named = re.compile(r"\w+\.\w+|\b[A-Z]\w*(Encoder|Decoder|Layer|Block|Model|Embedding)\b")
    refused = [one for one in page.values() if one.verdict == "refused"]
    assert [one for one in refused if not named.search(one.words)] == []


@pytest.mark.parametrize(("model_type", "kind"), SAMPLE, ids=lambda word: str(word))
def test_a_sample_is_found_as_it_is_written(model_type, kind, page):
    [found] = read(written([examine(model_type, kind)]))[1]
    assert found == page[model_type, kind]


def test_the_page_is_written_as_it_is_read():
    findings = [
        Finding("a", "causal", "right"),
        Finding("b", "masked", "refused", "a sum | of\nparts, " + "long " * 100),
        Finding("c", "seq2seq", "partly", "no heads: why"),
    ]
    text = written(findings)
    again = read(text)[1]
    assert written(again) == text
    assert [one.verdict for one in again] == ["right", "refused", "partly"]
    assert again[0] == findings[0]


def test_small_configs_are_small_and_keep_every_kind_of_layer():
    config = small_config("qwen3_next")
    assert config.hidden_size < 100
    assert set(config.layer_types) == {"linear_attention", "full_attention"}
    assert config.num_hidden_layers == len(config.layer_types) <= 4
    assert small_config("qwen3").num_hidden_layers == 2


def test_a_causal_model_beside_a_masked_one_is_told_to_be_one():
    assert "bert" in DECODERS
    assert "gpt2" not in DECODERS
