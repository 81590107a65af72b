"""`POST /api/lens`: the arrays are what Python returns, named and typed as the schema says."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load

import unembed as ue
from unembed.analyses.lens.result import LensComparison
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.server.wire import body_of

from .asgi import bearer, call, post

PROMPT = "The cat sat"
EDITS = [{"target": "L1.H2", "operation": "zero"}]
U32 = ("top_ids", "rank", "target_ids", "next_ids")
NO_TOKEN = 2**32 - 1


def ask(app: Any, **fields: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    answer = post(app, "/api/lens", {"prompt": PROMPT, **fields})
    assert answer.status == 200, answer.body
    size = int.from_bytes(answer.body[:8], "little")
    header = json.loads(answer.body[8 : 8 + size])
    described = body_of(LensComparison).model_validate_json(header["__metadata__"]["lens"])
    return described, load(answer.body)


def assert_sent(arrays: dict[str, torch.Tensor], side: str, wanted: ue.LensResult) -> None:
    for name, array in wanted.arrays().items():
        sent = arrays[f"{side}.{name}"]
        assert sent.dtype == (torch.uint32 if name in U32 else torch.float32), name
        if name in U32:
            array = torch.where(array < 0, NO_TOKEN, array)
            assert sent.tolist() == array.tolist(), name
        else:
            torch.testing.assert_close(sent, array.float(), equal_nan=True)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"positions": [0, -1], "layer_step": 2, "include_embedding": False},
    {"subblocks": True, "top_k": 3, "target": 72},
    {"decoder": "last_block", "follow": "next"},
    {"decoder": "L1.mlp", "follow": "input", "kl_floor": 1e-4},
    {"decoder": ["h.2.mlp", "final_layernorm", "lm_head"]},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_gives_what_python_gives(app, model, options):
    answer, arrays = ask(app, **options)
    metadata = answer.baseline
    wanted = ue.logit_lens(model, PROMPT, **options)
    assert_sent(arrays, "baseline", wanted)
    assert set(arrays) == {f"baseline.{name}" for name in wanted.arrays()}
    assert metadata.rows == list(wanted.rows)
    assert metadata.positions == list(wanted.positions)
    assert [token.id for token in metadata.tokens] == [token.id for token in wanted.tokens]
    assert metadata.n_prompt == wanted.n_prompt
    assert (metadata.decoder, metadata.follow) == (wanted.decoder, wanted.follow)
    assert [token.id for token in metadata.vocabulary] == [one.id for one in wanted.vocabulary]
    assert (metadata.target is None) == (wanted.target is None)
    assert answer.edited is None


def test_an_edit_gives_both_sides_and_what_lies_between(app, model):
    answer, arrays = ask(app, edits=EDITS, decoder="last_block", follow="next")
    edits = [ue.zero("L1.H2")]
    options = {"decoder": "last_block", "follow": "next"}
    assert_sent(arrays, "baseline", ue.logit_lens(model, PROMPT, **options))
    assert_sent(arrays, "edited", ue.logit_lens(model, PROMPT, edits=edits, **options))
    assert arrays["kl_between"].shape == arrays["edited.kl"].shape
    assert answer.edited.rows == answer.baseline.rows


def test_a_position_without_a_target_has_no_token_no_rank_and_no_number(app):
    answer, arrays = ask(app, follow="next")
    metadata = answer.baseline
    assert arrays["baseline.target_ids"][-1].item() == NO_TOKEN
    assert arrays["baseline.next_ids"][-1].item() == NO_TOKEN
    assert NO_TOKEN not in [token.id for token in metadata.vocabulary]
    assert arrays["baseline.rank"][:, -1].tolist() == [0] * len(metadata.rows)
    assert arrays["baseline.probability"][:, -1].isnan().all()


def test_the_arrays_are_those_that_the_schema_describes(app):
    _, arrays = ask(app, edits=EDITS)
    described = LensComparison.__doc__ or ""
    for name in {name.split(".")[-1] for name in arrays}:
        assert name in described


def test_too_many_cells_count_the_rows_and_positions_that_are_read(make_app):
    app = make_app(max_lens_cells=8)
    body = {"prompt": [5, 6, 7, 8]}
    refused = post(app, "/api/lens", body)
    assert (refused.status, refused.error["code"]) == (413, "too_large")
    assert "4 rows x 4 positions = 16 cells" in refused.error["message"]
    refused = post(app, "/api/lens", body | {"decoder": "L2"})
    assert "3 passes through its decoder" in refused.error["message"]
    assert post(app, "/api/lens", body | {"positions": [0, -1]}).status == 200
    assert post(app, "/api/lens", body | {"positions": [0, -1], "edits": EDITS}).status == 413
    assert (
        post(app, "/api/lens", body | {"layer_step": 9, "include_embedding": False}).status == 200
    )


def test_a_masked_model_has_no_next_token_to_follow(make_app):
    masked = ue.load(tiny_model("bert", dtype=torch.float32), tokenizer=tiny_tokenizer())
    app = make_app(served=masked)
    refused = post(app, "/api/lens", {"prompt": "a <mask> b", "follow": "next"})
    assert (refused.status, refused.error["field"]) == (422, "follow")
    assert "input" in refused.error["fix"]
    for follow in ("final", "input"):
        assert post(app, "/api/lens", {"prompt": "a <mask> b", "follow": follow}).status == 200


def test_parallel_blocks_have_rows_after_attention_too(make_app):
    app = make_app(served=ue.load(tiny_model("gptj"), tokenizer=tiny_tokenizer()))
    metadata, _ = ask(app, subblocks=True)
    assert metadata.baseline.rows[1] == "L0.resid_pre+attn_out"
    assert call(app, "GET", "/api/model", headers=[bearer()]).json()["parallel_blocks"]
