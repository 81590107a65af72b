"""A decoder is a suffix of the model: its own blocks, run on every row's state."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.analyses.lens import reading as lens_reading
from unembed.analyses.lens.grid import compare_lenses, logit_lens
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.lens.plan import plan_lens
from unembed.engine.cancel import Cancel
from unembed.errors import CancelledError, CapabilityError, InputError, TooLargeError

from ..contract.wiring import REPRESENTATIVES, wiring
from .slow import PROMPT, TOLERANCE, assert_lens

DTYPES = (torch.float64,)  # float32: see tests/contract
MAKES = ("gpt2", "gptj", "gemma3", "granite", "mixtral", "bert", "albert")


def resolved(decoder, n_layers):
    return {"last_block": f"L{n_layers - 1}", "last_mlp": f"L{n_layers - 1}.mlp"}.get(
        decoder, decoder
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("name", "decoder"),
    [
        *((name, decoder) for name in REPRESENTATIVES for decoder in ("last_block", "L1.mlp")),
        *((name, decoder) for name in MAKES for decoder in ("L1", "last_mlp")),
    ],
)
def test_every_row_is_the_model_run_on_from_there(name, decoder, dtype, model_of, slow_of):
    model = model_of(name, dtype)
    found = logit_lens(model, PROMPT, top_k=4, decoder=decoder, subblocks=True)
    assert found.decoder == resolved(decoder, model.anatomy.n_layers)
    logits = slow_of(name, dtype).rows(found.rows, decoder=found.decoder)
    tolerance = TOLERANCE[dtype]
    if wiring(name).residual_multiplier != 1 and "mlp" in decoder:
        # The slow way sets resid_mid through what attention adds, off by a last bit in float64;
        # the next norm computes in float32, whatever the dtype, and may round that up.
        tolerance = max(tolerance, 1e-7)
    assert_lens(found, logits, logits[-1].argmax(-1), tolerance)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n_blocks", [1, 2])
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_the_last_blocks_turn_the_state_before_them_into_the_output(
    name, n_blocks, dtype, model_of
):
    model = model_of(name, dtype)
    found = logit_lens(model, PROMPT, decoder=f"L{model.anatomy.n_layers - n_blocks}")
    before = found.rows[-2]
    assert before == f"L{model.anatomy.n_layers - n_blocks - 1}.resid_post"
    assert_same_rows(found, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "name", [name for name in REPRESENTATIVES if wiring(name).layout != "parallel"]
)
def test_the_last_feed_forward_turns_the_state_before_it_into_the_output(name, dtype, model_of):
    found = logit_lens(model_of(name, dtype), PROMPT, decoder="last_mlp", subblocks=True)
    assert found.rows[-2].endswith(".resid_mid")
    assert_same_rows(found, TOLERANCE[dtype])


def assert_same_rows(found, tolerance):
    """The last two rows say the same thing."""
    for name in ("top_logits", "logit", "probability", "entropy"):
        array = getattr(found, name)
        torch.testing.assert_close(array[-2], array[-1], rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(found.kl[-2], found.kl[-1], rtol=0, atol=tolerance)
    assert (found.rank[-1] == 1).all()


@pytest.mark.parametrize(
    "decoder, rows",
    [
        ("final_norm", ["embed", "L0.resid_post", "L1.resid_post", "L2.resid_post"]),
        ("L2", ["embed", "L0.resid_post", "L1.resid_post", "L2.resid_post"]),
        ("L1", ["embed", "L0.resid_post", "L2.resid_post"]),
        ("L0", ["embed", "L2.resid_post"]),
        ("L0.mlp", ["embed", "L2.resid_post"]),
    ],
)
def test_rows_deeper_than_the_decoders_entry_are_left_out(decoder, rows, model_of):
    assert list(logit_lens(model_of("llama"), PROMPT, decoder=decoder).rows) == rows


def test_the_state_a_feed_forward_reads_is_a_row_of_it(model_of):
    found = logit_lens(model_of("llama"), PROMPT, decoder="L1.mlp", subblocks=True)
    assert found.rows[-2:] == ("L1.resid_mid", "L2.resid_post")
    parallel = logit_lens(model_of("gptj"), PROMPT, decoder="L1.mlp", subblocks=True)
    assert parallel.rows[-2:] == ("L1.resid_pre+attn_out", "L2.resid_post")


EDITS = {
    "in an earlier block": ([ue.scale("L0.mlp", 3.0)], {"L0.mlp_out": lambda x: x * 3}),
    "inside it": ([ue.scale("L2.mlp", 3.0)], {"L2.mlp_out": lambda x: x * 3}),
    "at its entry": ([ue.scale("L2.resid_pre", 1.5)], {"L2.resid_pre": lambda x: x * 1.5}),
    "before it": ([ue.scale("L1.resid_post", 2.0)], {"L1.resid_post": lambda x: x * 2}),
    "at the embedding": ([ue.scale("embed", 2.0)], {"L0.resid_pre": lambda x: x * 2}),
    "at its end": ([ue.scale("final_norm", 0.5)], {"final_norm": lambda x: x * 0.5}),
}  # fmt: skip


@pytest.mark.parametrize("case", EDITS)
@pytest.mark.parametrize("name", ["llama", "gptj", "bert", "falcon", "albert"])
def test_edits_inside_the_suffix_are_done_and_those_before_it_not_twice(
    name, case, model_of, slow_of
):
    edits, changes = EDITS[case]
    model = model_of(name, torch.float64)
    found = logit_lens(model, PROMPT, decoder="L2", edits=edits)
    assert_same_rows(found, 1e-10)
    if case not in ("at the embedding", "before it"):  # whose sites have two names
        logits = slow_of(name, torch.float64).rows(found.rows, changes, "L2")
        assert_lens(found, logits, logits[-1].argmax(-1), 1e-10)


@pytest.mark.parametrize("site", ["resid_pre", "attn_out", "resid_mid", "mlp_out"])
@pytest.mark.parametrize("name", ["llama", "bert"])
def test_a_feed_forward_given_an_edited_state_ends_in_the_edited_runs_output(name, site, model_of):
    model = model_of(name, torch.float64)
    edits = [ue.scale(f"L2.{site}", 1.7, positions=[3, 5])]
    found = logit_lens(model, PROMPT, decoder="last_mlp", subblocks=True, edits=edits)
    assert_same_rows(found, 1e-10)
    assert not torch.equal(found.entropy, logit_lens(model, PROMPT, decoder="last_mlp").entropy)


def test_the_whole_model_as_a_decoder_does_not_edit_the_embedding_twice(model_of):
    edits = [ue.scale("embed", 2.0)]
    found = logit_lens(model_of("llama", torch.float64), PROMPT, decoder="L0", edits=edits)
    assert found.rows == ("embed", "L2.resid_post")
    assert_same_rows(found, 1e-10)


def test_an_edit_of_what_the_unembedding_reads_is_in_every_decoder(model_of):
    edits = [ue.zero("final_norm", positions=[2])]
    for decoder in ("final_norm", "L1"):
        found = logit_lens(model_of("llama"), PROMPT, decoder=decoder, edits=edits)
        even = torch.tensor(128.0).log().item()
        assert found.entropy[:, 2].tolist() == pytest.approx([even] * len(found.rows), abs=1e-5)
        assert (found.entropy[:, 3] < even - 1e-3).all()


def test_two_runs_are_each_decoded_with_their_own_edits(model_of):
    model = model_of("gemma3", torch.float64)
    edits = [ue.zero("L2.mlp")]
    plan = plan_lens(model, len(PROMPT), LensOptions(decoder="L1"))
    baseline = model.run(PROMPT, plan.capture)
    edited = model.run(PROMPT, plan.capture, edits)
    found = compare_lenses(baseline, edited, plan)
    for side, alone in (
        (found.baseline, logit_lens(model, PROMPT, decoder="L1")),
        (found.edited, logit_lens(model, PROMPT, decoder="L1", edits=edits)),
    ):
        for name in ("entropy", "kl", "top_logits"):
            torch.testing.assert_close(getattr(side, name), getattr(alone, name))
    assert (found.kl_between > 1e-6).all()


def test_progress_counts_the_rows_that_are_decoded(model_of):
    seen = []
    model = model_of("gpt2")
    logit_lens(model, PROMPT, decoder="L2", progress=lambda *step: seen.append(step))
    stages = list(dict.fromkeys(stage for stage, _, _ in seen if stage.startswith("decoding")))
    assert stages == [f"decoding row {row} of 3" for row in (1, 2, 3)]
    shares = [done / total for stage, done, total in seen if stage.startswith("decoding")]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] < 1


def test_cancelling_stops_between_rows(model_of, monkeypatch):
    model, cancel, decoded = model_of("gpt2"), Cancel(), []
    through = lens_reading.through_suffix

    def once(*args):
        decoded.append(through(*args))
        cancel.cancel()
        return decoded[-1]

    monkeypatch.setattr(lens_reading, "through_suffix", once)
    with pytest.raises(CancelledError):
        logit_lens(model, PROMPT, decoder="L2", cancel=cancel)
    assert len(decoded) == 1


def test_too_many_cells_say_what_the_decoder_would_cost(model_of, monkeypatch):
    model = model_of("gpt2")
    monkeypatch.setattr(model, "settings", replace(model.settings, max_lens_cells=39))
    with pytest.raises(TooLargeError, match="3 passes through its decoder"):
        logit_lens(model, PROMPT, decoder="last_block")


@pytest.mark.parametrize(
    "decoder",
    ["", "final", "L", "L-1", "l1", "L1.attn", "L1.mlp ", "L0001x", "L١", 3, None, ["L1"]],
)
def test_a_decoder_that_is_no_suffix_is_refused_before_anything_runs(
    decoder, model_of, monkeypatch
):
    model = model_of("gpt2")
    monkeypatch.setattr(type(model), "run", lambda *args, **kwargs: pytest.fail("it ran"))
    with pytest.raises(InputError) as caught:
        logit_lens(model, PROMPT, decoder=decoder)
    assert caught.value.field == "decoder"
    assert caught.value.legal
    assert caught.value.fix


@pytest.mark.parametrize("decoder", ["L3", "L3.mlp", "L999999999"])
def test_a_block_that_is_not_there_is_refused(decoder, model_of):
    with pytest.raises(InputError, match="has layers 0-2") as caught:
        logit_lens(model_of("gpt2"), PROMPT, decoder=decoder)
    assert caught.value.field == "decoder"


def test_a_feed_forward_whose_input_cannot_be_set_is_refused_with_the_reason(model_of, monkeypatch):
    model = model_of("gpt2")
    reasons = {"resid_mid": "nobody knows where it is"}
    monkeypatch.setattr(model, "anatomy", replace(model.anatomy, reasons=reasons))
    for options in ({"decoder": "last_mlp"}, {"subblocks": True}):
        with pytest.raises(CapabilityError, match="nobody knows"):
            logit_lens(model, PROMPT, **options)
