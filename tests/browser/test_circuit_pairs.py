"""A circuit of several pairs in the app: pasted, found, held out, told by pair, copied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

import unembed as ue
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .conftest import ANSWER, App, own_cache, printed_by, served

TEXTS = [("The cat sat", "The sat sat"), ("The sat sat", "The cat sat"), ("a cat", "a sat")]
ROWS = [
    {"clean": clean, "corrupted": corrupted, "answer": 5 + order, "wrong": 72}
    for order, (clean, corrupted) in enumerate([*TEXTS, ("The cat", "The cat sat on")])
]


@pytest.fixture(scope="module")
def small() -> Any:
    return ue.load(tiny_model("gpt2"), tokenizer=tiny_tokenizer())


@pytest.fixture
def there(app: App, small: Any) -> Iterator[App]:
    with served(small, cache_dir=own_cache().name) as address:
        app.address = address
        yield app


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def test_a_circuit_of_pasted_pairs_is_told_by_pair_and_on_those_held_out(there: App, small: Any):
    page = there.page
    there.open("v=1&view=circuit&p=the+cat&zn=40")
    paste = page.get_by_test_id("pairs-paste")
    paste.fill("clean\tcorrupted\tanswer\twrong\nThe cat\tThe sat\t a")
    page.get_by_test_id("use-paste").click()
    page.get_by_test_id("pairs-problems").get_by_text("Row 2 has no “wrong”").wait_for()
    paste.fill("\n".join(json.dumps(row) for row in ROWS))
    page.get_by_test_id("use-paste").click()
    page.get_by_test_id("circuit-pairs").wait_for(timeout=ANSWER)
    there.settled()
    pairs = [ue.PromptPair(**row) for row in ROWS]
    found = ue.circuit_pairs(small, pairs, edges=40, curve=False)
    assert abs(found.faithfulness) > 0.01
    assert number(there.text("faithfulness")) == pytest.approx(found.faithfulness, abs=0.001)
    assert "pair 4: the clean prompt has" in there.text("pairs-left-out")
    table = page.get_by_test_id("pairs-table").locator("tbody tr")
    assert table.count() == 3
    least = min(found.by_pair, key=lambda one: one.faithfulness)
    cells = table.nth(0).locator("td").all_inner_texts()
    assert cells[0] == str(least.pair + 1)
    assert number(cells[-1]) == pytest.approx(least.faithfulness, abs=0.001)
    there.assert_accessible()
    page.get_by_test_id("held-out").fill("1")
    page.get_by_test_id("held-out").press("Enter")
    page.get_by_test_id("held-out-scores").wait_for(timeout=ANSWER)
    there.settled()
    held = ue.circuit_pairs(small, pairs, edges=40, held_out=1)
    said = there.text("held-out-scores")
    assert "On 1 pair held out" in said
    shown = number(page.get_by_test_id("held-out-scores").locator("strong").inner_text())
    assert shown == pytest.approx(held.held_out.faithfulness, abs=0.001)
    assert f"CMD {held.held_out.cmd:.3f}" in said
    address = unquote(page.evaluate("location.hash"))
    assert "zset=own" in address
    assert "zheld=1" in address
    printed = printed_by(there.copied_python(), small)
    assert "HeldOut(n_pairs=1" in printed
    assert printed.count("PairCarried(pair=") == 3
    page.reload()
    page.get_by_test_id("held-out-scores").wait_for(timeout=ANSWER)
    assert there.too_wide([1920, 1280, 700]) == []
