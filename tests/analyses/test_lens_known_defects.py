"""What other lenses get wrong, each as a promise that is kept here.

Found by running earlier lens tools on tiny random models: they fail at the end of the text, leave
hooks on the model, read stale states, and know no half precision and no batches.
"""

from __future__ import annotations

import pytest
import torch

from unembed.analyses.lens.grid import logit_lens

from ..contract.footprint import footprint
from ..contract.wiring import REPRESENTATIVES, blocks
from .slow import PROMPT, assert_lens, assert_top, divergence, entropy

N = len(PROMPT)


@pytest.mark.parametrize("end", [N - 1, N, N + 35])
def test_1_a_lens_may_reach_the_end_of_the_text_and_beyond(end, model_of):
    found = logit_lens(model_of("gpt2"), PROMPT, positions=slice(0, end))
    assert found.positions == tuple(range(min(end, N)))
    assert found.next_ids[-1] == (PROMPT[end] if end < N else -1)


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_2_a_lens_leaves_nothing_on_the_model(name, model_of):
    module = model_of(name).module
    before = footprint(module)
    ids = torch.tensor([PROMPT])
    wanted = module(ids).logits
    for decoder in ("final_norm", "last_block"):
        logit_lens(model_of(name), PROMPT, decoder=decoder, subblocks=True)
    assert footprint(module) == before
    after = module(ids).logits
    assert torch.equal(after, wanted)
    assert after.requires_grad
    after.sum().backward()
    module.zero_grad(set_to_none=True)


@pytest.mark.parametrize("include_embedding", [True, False])
@pytest.mark.parametrize("layer_step", [1, 2, 3])
def test_3_rows_after_attention_are_never_stale(layer_step, include_embedding, model_of, slow_of):
    found = logit_lens(
        model_of("gpt2", torch.float64),
        PROMPT,
        top_k=3,
        subblocks=True,
        layer_step=layer_step,
        include_embedding=include_embedding,
    )
    logits = slow_of("gpt2", torch.float64).rows(found.rows)
    assert_lens(found, logits, logits[-1].argmax(-1), 1e-10)


@pytest.mark.parametrize("decoder", ["final_norm", "last_block"])
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_4_a_model_in_bfloat16_is_read_as_it_computes(name, decoder, model_of):
    model = model_of(name, torch.bfloat16)
    module = model.module
    found = logit_lens(model, PROMPT, top_k=3, decoder=decoder)
    with torch.no_grad():
        logits = module(torch.tensor([PROMPT])).logits[0].double()
    assert found.provenance["dtype"] == "bfloat16"
    assert_top(found.top_ids[-1], found.top_probabilities[-1], logits, 2e-3)
    assert not found.kl[-1].any()
    if decoder == "final_norm":
        run = model.run(PROMPT, [found.rows[1]])
        dense = model.unembedding.logits(model.final_norm(run[found.rows[1]])).double()
        assert_top(found.top_ids[1], found.top_probabilities[1], dense, 1e-5)
        wanted = divergence(logits, dense)
        torch.testing.assert_close(found.kl[1].double(), wanted, rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize(
    "name", [name for name in REPRESENTATIVES if not name.startswith("albert")]
)
def test_4_a_decoder_in_bfloat16_is_the_block_run_on_the_row(name, model_of):
    model = model_of(name, torch.bfloat16)
    found = logit_lens(model, PROMPT, decoder="last_block", top_k=4)
    logits = by_hand(model.module, blocks(name, model.module)).double()
    near = {"rtol": 2e-2, "atol": 2e-2}
    inner = slice(1, -1)  # the embedding is no block's output
    torch.testing.assert_close(
        found.top_logits[inner].double(), logits.gather(-1, found.top_ids[inner]), **near
    )
    torch.testing.assert_close(found.entropy[inner].double(), entropy(logits), **near)


@torch.no_grad()
def by_hand(module, layers):
    """Logits [row, pos, vocab] of the last block, hand-hooked onto each earlier output."""
    ids, outputs, logits = torch.tensor([PROMPT]), [], []

    def keep(_module, _args, output):
        outputs.append((output[0] if isinstance(output, tuple) else output).clone())

    handles = [block.register_forward_hook(keep) for block in layers]
    module(ids)
    for handle in handles:
        handle.remove()

    for state in outputs[:-1]:

        def enter(_module, args, kwargs, state=state):
            if args:
                return (state.clone(), *args[1:]), kwargs
            return args, kwargs | {"hidden_states": state.clone()}

        handle = layers[-1].register_forward_pre_hook(enter, with_kwargs=True)
        logits.append(module(ids).logits[0])
        handle.remove()
    return torch.stack(logits)


def test_4_a_batch_does_not_mix_its_prompts_into_the_rows(model_of):
    batch = torch.tensor([PROMPT, PROMPT[::-1]])
    first, second = logit_lens(model_of("gpt2"), batch)
    assert first.rows == second.rows == ("embed", *(f"L{layer}.resid_post" for layer in range(3)))
    assert second.prompt_ids == PROMPT[::-1]


def test_5_an_error_in_the_model_leaves_it_as_it_was(model_of):
    model = model_of("gpt2")
    before = footprint(model.module)
    handle = model.module.transformer.h[1].register_forward_pre_hook(_fail)
    with pytest.raises(RuntimeError, match="on purpose"):
        logit_lens(model, PROMPT, subblocks=True)
    handle.remove()
    assert footprint(model.module) == before
    logit_lens(model, PROMPT)


def _fail(*_args):
    raise RuntimeError("on purpose")
