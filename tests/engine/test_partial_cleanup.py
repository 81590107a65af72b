"""Whatever happens in a partial forward pass, nothing is left behind, and calls do not meet."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.checkpoint import checkpoint

from unembed.engine.partial.partial_forward import partial_forward
from unembed.errors import InputError

from ..contract.footprint import footprint, hooks
from .partial_modules import IDS, Around, X, clean, deep, gpt2, linear


class Broken(Exception):
    """Something that went wrong in the middle of a model."""


def test_an_error_inside_the_module_leaves_nothing_behind():
    """transformer-utils kept its state: the next plain call raised the signal that ends a pass."""
    module = gpt2()
    before, plain = footprint(module), module(IDS).logits

    def fail(*_):
        raise Broken

    handle = module.transformer.h[1].register_forward_pre_hook(fail)
    with pytest.raises(Broken):
        partial_forward(module, ["h.0", "h.2"], IDS)
    handle.remove()
    assert footprint(module) == before
    assert clean(module)
    assert torch.equal(module(IDS).logits, plain)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_goes_through_and_leaves_nothing_behind(error):
    module = deep()

    def fail(*_):
        raise error

    handle = module[1].register_forward_hook(fail)
    with pytest.raises(error):
        partial_forward(module, ["0", "3"], X)
    handle.remove()
    assert clean(module)


def test_repeated_calls_with_other_names_answer_each():
    """transformer-utils forgot h.0 in the third call."""
    module = gpt2()
    first = partial_forward(module, ["h.0"], IDS)
    second = partial_forward(module, ["h.1"], IDS)
    third = partial_forward(module, ["h.0", "h.1"], IDS)
    assert list(third) == ["h.0", "h.1"]
    assert torch.equal(third["h.0"], first["h.0"])
    assert torch.equal(third["h.1"], second["h.1"])
    assert clean(module)


@given(st.lists(st.lists(st.sampled_from("01234"), min_size=1, max_size=6), max_size=5))
@settings(max_examples=50, deadline=None)
def test_any_sequence_of_calls_answers_each(calls):
    module = deep(5)
    for names in calls:
        found = partial_forward(module, names, X)
        assert set(found) == set(names)
        for name in names:
            assert torch.equal(found[name], module[: int(name) + 1](X))
    assert clean(module)


@pytest.mark.parametrize("caught", [Exception, BaseException])
def test_a_module_that_swallows_errors_does_not_swallow_the_end(caught):
    finished = []

    def forward(self, x):
        try:
            x = self.first(x)
        except caught:
            finished.append("swallowed")
        x = self.second(x)
        finished.append("ran on")
        return x

    module = Around(forward, first=linear(), second=linear())
    assert torch.equal(partial_forward(module, "first", X)["first"], module.first(X))
    assert clean(module)
    assert finished == ([] if caught is Exception else ["swallowed", "ran on"])


def test_an_output_that_cannot_be_copied_is_an_error_that_says_why():
    class Odd(dict):
        def __copy__(self):
            raise Broken

    module = Around(lambda self, x: self.last(self.part(x)["x"]), last=linear())
    module.part = Around(lambda self, x: Odd(x=x))
    with pytest.raises(Broken):
        partial_forward(module, ["part", "last"], X)
    assert isinstance(partial_forward(module, "part", X)["part"], Odd)
    assert clean(module)


def test_a_module_that_turns_the_end_into_an_error_of_its_own_has_answered():
    def forward(self, x):
        try:
            return self.first(x)
        except BaseException as error:
            raise RuntimeError("forward failed") from error

    module = Around(forward, first=linear())
    assert torch.equal(partial_forward(module, "first", X)["first"], module.first(X))
    module = Around(forward, first=Around(lambda self, x: self.missing(x)), second=linear())
    with pytest.raises(RuntimeError, match="forward failed"):
        partial_forward(module, ["first", "second"], X)
    assert clean(module)


def test_nothing_but_the_answer_stays_in_memory():
    module, seen = gpt2(), []

    def first(output):
        return output[0] if isinstance(output, tuple) else output

    for part in module.modules():
        part.register_forward_hook(lambda _module, _args, output: seen.append(ref(first(output))))
    gc.disable()  # no cycle may be needed to let go of an activation
    try:
        with torch.no_grad():
            found = partial_forward(module, ["h.0", "h.1"], IDS)
        alive = [value() for value in seen if value() is not None]
        assert all(value is found["h.1"] for value in alive)
    finally:
        gc.enable()


def test_finally_blocks_and_contexts_of_the_module_are_left_properly():
    left = []

    def forward(self, x):
        try:
            with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
                return self.first(x)
        finally:
            left.append(1)

    module = Around(forward, first=linear())
    found = partial_forward(module, "first", X)["first"]
    assert found.dtype == torch.bfloat16
    assert left == [1]
    assert torch.is_grad_enabled()
    assert not torch.is_autocast_enabled("cpu")


# ------------------------------------------------------------ nested calls and threads


def test_a_call_inside_a_hook_sees_its_own_pass_only():
    module, inner = gpt2(), []
    other = torch.flip(IDS, [1])

    def hook(*_):
        if not inner:
            inner.append(None)
            inner[0] = partial_forward(module, ["h.0", "h.2"], other)

    expected = [partial_forward(module, ["h.0", "h.2"], ids) for ids in (IDS, other)]
    handle = module.transformer.h[0].register_forward_hook(hook)
    found = partial_forward(module, ["h.0", "h.2"], IDS)
    handle.remove()
    for actual, wanted in zip([found, inner[0]], expected, strict=True):
        assert all(torch.equal(actual[name], wanted[name]) for name in wanted)
    assert clean(module)


def test_a_call_inside_a_forward_pass_leaves_the_outer_one_alone():
    def forward(self, x):
        first = partial_forward(self.body, "0", x)["0"]
        return self.head(self.body(x) + first)

    body = deep(3)
    module = Around(forward, body=body, head=linear())
    found = partial_forward(module, ["body.0", "body", "head"], X)
    assert torch.equal(found["body.0"], body[0](X))
    assert torch.equal(found["body"], body(X))
    assert torch.equal(found["head"], module.head(body(X) + body[0](X)))
    assert torch.equal(found["head"], module(X))
    assert clean(module)


def test_an_error_in_an_inner_call_leaves_the_outer_one_whole():
    module, tried = deep(), []

    def hook(*_):
        if not tried:
            tried.append(1)
            with pytest.raises(InputError):
                partial_forward(module, "nowhere", X)
            with pytest.raises(TypeError):
                partial_forward(module, "1", X, X, X)

    module[0].register_forward_hook(hook)
    found = partial_forward(module, ["1", "3"], X)
    assert torch.equal(found["3"], module(X))
    assert clean(deep())


def test_a_plain_call_in_another_thread_is_not_ended():
    """transformer-utils kept its state on the module, where every thread met it."""
    module, expected = deep(), deep()(X)
    inside, go_on = threading.Event(), threading.Event()

    def wait(*_):
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            assert go_on.wait(10)

    handle = module[1].register_forward_pre_hook(wait)
    with ThreadPoolExecutor(1) as pool:
        partial = pool.submit(partial_forward, module, ["0", "2"], X)
        assert inside.wait(10)
        assert hooks(module) == 3
        assert torch.equal(module(X), expected)
        assert torch.equal(partial_forward(module, "3", X)["3"], expected)
        go_on.set()
        assert torch.equal(partial.result()["2"], module[:3](X))
    handle.remove()
    assert clean(module)


def test_eight_threads_on_one_module_each_get_their_own_answers():
    module = gpt2()
    inputs = [torch.roll(IDS, shift, 1) for shift in range(6)]
    names = [["h.0"], ["h.2", "h.0"], ["h.1.attn.c_attn"], ["ln_f", "h.1"], ["wte"], [""]]
    requests = [(one, ids) for one in names for ids in inputs]

    def answer(request):
        with torch.no_grad():
            return partial_forward(module, request[0], request[1])

    expected = [answer(request) for request in requests]
    plain = module(IDS).logits
    with ThreadPoolExecutor(8) as pool:
        jobs = [(key, pool.submit(answer, requests[key])) for key in [*range(36)] * 4]
        wholes = [pool.submit(module, ids) for ids in inputs * 4]
        for key, job in jobs:
            found = job.result()
            assert list(found) == list(expected[key])
            assert all(torch.equal(found[name], value) for name, value in expected[key].items())
        for ids, whole in zip(inputs * 4, wholes, strict=True):
            assert whole.result().logits.shape[1] == ids.shape[1]
    assert clean(module)
    assert torch.equal(module(IDS).logits, plain)


# ------------------------------------------------------------ compiled modules


def test_a_compiled_model_runs_uncompiled():
    module = gpt2()
    compiled = torch.compile(module, backend="eager")
    names = ["h.1", "_orig_mod.transformer.h.1"]
    expected = partial_forward(module, "h.1", IDS)["h.1"]
    found = partial_forward(compiled, names, IDS)
    assert all(torch.equal(found[name], expected) for name in names)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
def test_a_traced_module_has_an_output():
    traced = torch.jit.trace(linear(), X)
    assert torch.equal(partial_forward(traced, "", X)[""], traced(X))


# ------------------------------------------------------------ gradient checkpoints


def weights_reached(module, names, *args):
    module.zero_grad()
    found = partial_forward(module, names, *args)
    values = [value[0] if isinstance(value, tuple) else value for value in found.values()]
    sum(value.pow(2).sum() for value in values).backward()
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    "names", [["h.1"], ["h.1.mlp"], ["h.0.attn", "h.1.mlp.c_fc"], ["h.0.mlp", "ln_f"]]
)
def test_gradient_checkpoints_give_the_same_gradients(names):
    module = gpt2(attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0).train()
    expected = weights_reached(module, names, IDS)
    for block in module.transformer.h:
        block.gradient_checkpointing = True
        block._gradient_checkpointing_func = lambda call, *args: checkpoint(
            call, *args, use_reentrant=False
        )
    actual = weights_reached(module, names, IDS)
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[key], expected[key]) for key in expected)


@pytest.mark.parametrize("names", [["body.1", "last"], ["body.1"], ["first", "body"]])
def test_inside_of_a_reentrant_checkpoint_lost_gradients_are_an_error(names):
    def forward(self, x):
        return self.last(checkpoint(self.body, self.first(x), use_reentrant=True))

    module = Around(forward, first=linear(), body=deep(3), last=linear())
    with pytest.raises(InputError, match="reentrant gradient checkpoint"):
        partial_forward(module, names, X)
    with torch.no_grad(), pytest.warns(UserWarning, match="None of the inputs have requires_grad"):
        partial_forward(module, names, X)
    assert weights_reached(module, ["first", "last"], X)
    assert clean(module)
