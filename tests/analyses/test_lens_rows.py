"""Which rows and positions a lens reads; whatever is left out, what is shown stays the same."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.lens.grid import logit_lens
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.lens.plan import plan_lens
from unembed.errors import InputError, TargetError

from ..contract.wiring import REPRESENTATIVES, wiring
from .slow import PROMPT, TOLERANCE, assert_lens

DTYPES = (torch.float64,)  # float32: see tests/contract
N = len(PROMPT)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_a_row_after_each_attention(name, dtype, model_of, slow_of):
    found = logit_lens(model_of(name, dtype), PROMPT, top_k=4, target=77, subblocks=True)
    middle = "resid_pre+attn_out" if wiring(name).layout == "parallel" else "resid_mid"
    assert found.rows[:4] == ("embed", f"L0.{middle}", "L0.resid_post", f"L1.{middle}")
    assert len(found.rows) == 1 + 2 * slow_of(name, dtype).oracle.n_layers
    logits = slow_of(name, dtype).rows(found.rows)
    assert_lens(found, logits, torch.full((N,), 77), TOLERANCE[dtype])


@pytest.mark.parametrize(("layer_step", "include_embedding"), [(2, True), (100, False)])
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_rows_left_out_change_no_row_that_is_shown(
    name, layer_step, include_embedding, model_of, slow_of
):
    found = logit_lens(
        model_of(name, torch.float64),
        PROMPT,
        top_k=4,
        layer_step=layer_step,
        include_embedding=include_embedding,
        subblocks=True,
    )
    last = slow_of(name, torch.float64).oracle.n_layers - 1
    shown = [layer for layer in range(last + 1) if layer % layer_step == 0 or layer == last]
    middle = "resid_pre+attn_out" if wiring(name).layout == "parallel" else "resid_mid"
    wanted = ["embed"] if include_embedding else []
    for layer in shown:
        wanted += [f"L{layer}.{middle}", f"L{layer}.resid_post"]
    assert list(found.rows) == wanted
    logits = slow_of(name, torch.float64).rows(found.rows)
    assert_lens(found, logits, logits[-1].argmax(-1), 1e-10)


def test_the_last_row_may_stand_alone(model_of):
    found = logit_lens(model_of("gpt2"), PROMPT, layer_step=3, include_embedding=False)
    assert found.rows == ("L0.resid_post", "L2.resid_post")
    alone = logit_lens(model_of("gpt2"), PROMPT, include_embedding=False, decoder="L0")
    assert alone.rows == ("L2.resid_post",)
    assert torch.equal(alone.top_ids[-1], found.top_ids[-1])
    assert not alone.kl.any()


@pytest.mark.parametrize("name", ["gptj", "falcon", "cohere"])
def test_the_rows_of_parallel_blocks_follow_edits(name, model_of, slow_of):
    edits = [ue.scale("L1.attn", 2.0), ue.scale("L1.resid_pre", 1.5)]
    found = logit_lens(model_of(name, torch.float64), PROMPT, subblocks=True, edits=edits)
    changes = {"L1.attn_out": lambda x: x * 2, "L1.resid_pre": lambda x: x * 1.5}
    logits = slow_of(name, torch.float64).rows(found.rows, changes)
    assert_lens(found, logits, logits[-1].argmax(-1), 1e-10)


POSITIONS = {
    "all": (None, range(N)),
    "one": (3, [3]),
    "the last": (-1, [N - 1]),
    "a slice": (slice(2, 5), [2, 3, 4]),
    "a slice to beyond the end": (slice(-3, 99), [7, 8, 9]),
    "a slice with a step": (slice(None, None, 4), [0, 4, 8]),
    "a slice backwards": (slice(5, 2, -1), [3, 4, 5]),
    "a range": (range(4, 9), [4, 5, 6, 7, 8]),
    "a list": ([7, 2, -1, 2], [2, 7, 9]),
    "a tensor": (torch.tensor([1, 6]), [1, 6]),
}


@pytest.mark.parametrize("decoder", ["final_norm", "last_block"])
@pytest.mark.parametrize("case", POSITIONS)
def test_positions_read_are_the_columns_of_the_whole(case, decoder, model_of):
    positions, wanted = POSITIONS[case]
    model = model_of("gemma3", torch.float64)
    options = {"top_k": 3, "decoder": decoder, "follow": "next", "kl_floor": 1e-4}
    whole = logit_lens(model, PROMPT, **options)
    found = logit_lens(model, PROMPT, positions=positions, **options)
    wanted = list(wanted)
    assert found.positions == tuple(wanted)
    assert [token.id for token in found.tokens] == [PROMPT[position] for position in wanted]
    assert found.n_prompt == N
    assert found.prompt_ids == PROMPT
    for name, array in whole.arrays().items():
        axis = whole.axes[name].index("position")
        torch.testing.assert_close(
            found.arrays()[name],
            array.index_select(axis, torch.tensor(wanted)),
            rtol=0,
            atol=1e-12,
            equal_nan=True,
        )


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_some_positions_of_every_family(name, model_of, slow_of):
    found = logit_lens(model_of(name), PROMPT, top_k=3, positions=[1, 8])
    logits = slow_of(name, torch.float32).rows(found.rows)[:, [1, 8]]
    assert_lens(found, logits, logits[-1].argmax(-1), 2e-5)


@pytest.mark.parametrize("positions", [[], slice(5, 5), range(0)])
def test_no_position_at_all_is_refused(positions, model_of):
    with pytest.raises(InputError, match="none of the 10 positions") as caught:
        logit_lens(model_of("gpt2"), PROMPT, positions=positions)
    assert caught.value.field == "positions"


@pytest.mark.parametrize("positions", [10, -11, [0, 10], range(8, 12)])
def test_a_position_outside_the_prompt_is_refused(positions, model_of):
    with pytest.raises(TargetError, match="is not in this prompt") as caught:
        logit_lens(model_of("gpt2"), PROMPT, positions=positions)
    assert caught.value.field == "positions"
    assert caught.value.legal == "-10 to 9"


@pytest.mark.parametrize("positions", ["3", "3-5", [1.0], [True], True, [None], [[1]]])
def test_a_position_that_is_no_whole_number_is_refused(positions, model_of):
    with pytest.raises(InputError) as caught:
        logit_lens(model_of("gpt2"), PROMPT, positions=positions)
    assert caught.value.field == "positions"


@pytest.mark.parametrize("layer_step", [0, -1, 1.5, True, "2", None])
def test_a_step_that_is_none_is_refused(layer_step, model_of):
    with pytest.raises(InputError) as caught:
        plan_lens(model_of("gpt2"), N, LensOptions(layer_step=layer_step))
    assert caught.value.field == "layer_step"


@pytest.mark.parametrize("top_k", [0, -1, 129, True, 2.0])
def test_a_number_of_tokens_that_cannot_be_listed_is_refused(top_k, model_of):
    with pytest.raises(InputError) as caught:
        logit_lens(model_of("gpt2"), PROMPT, top_k=top_k)
    assert caught.value.field == "top_k"
    assert caught.value.legal == "1 to 128"
