"""Whatever happens in a run, the model is afterwards what it was; no run sees another's edits."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import unembed as ue
from unembed.engine.cancel import Cancel
from unembed.errors import CancelledError, UnembedError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .closeness import OTHER_PROMPT, PROMPT
from .footprint import footprint
from .sites import all_sites
from .wiring import NAMES


class Broken(Exception):
    """Something that went wrong in the middle of a model."""


@pytest.mark.parametrize("name", NAMES)
def test_an_exception_inside_a_run_leaves_nothing_behind(name, model_of, oracle_of, monkeypatch):
    model, oracle = model_of(name, torch.float32), oracle_of(name, torch.float32)
    before, plain = footprint(model.module), model.run(PROMPT).logits
    edits = [ue.zero("L0.H1"), ue.scale("L1.pattern", 0.5), ue.add("L1.resid_pre", 1.0)]
    broken = type(model.module.get_submodule(oracle.wiring.unembedding))
    forward = broken.forward

    def fail_at_the_end(self, *args, **kwargs):
        if self is model.module.get_submodule(oracle.wiring.unembedding):
            raise Broken
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(broken, "forward", fail_at_the_end)
    with pytest.raises(Broken):
        model.run(PROMPT, capture=all_sites(oracle), edits=edits)
    monkeypatch.undo()
    assert footprint(model.module) == before
    assert torch.equal(model.run(PROMPT).logits, plain)


@pytest.mark.parametrize("name", ["gpt2", "gptj", "falcon", "gemma3", "albert", "mixtral"])
def test_an_exception_inside_attention_leaves_nothing_behind(
    name, model_of, oracle_of, monkeypatch
):
    model, oracle = model_of(name, torch.float32), oracle_of(name, torch.float32)
    before = footprint(model.module)

    def fail(*args, **kwargs):
        raise Broken

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", fail)
    monkeypatch.setattr(torch.nn.functional, "softmax", fail)
    with pytest.raises(Broken):
        model.run(PROMPT, capture=all_sites(oracle), edits=[ue.zero("L1.H1.pattern")])
    monkeypatch.undo()
    assert footprint(model.module) == before


@pytest.mark.parametrize("name", ["gpt2", "gptj", "gemma3", "albert"])
def test_a_bad_edit_is_refused_and_leaves_nothing_behind(name, model_of):
    model = model_of(name, torch.float32)
    before, plain = footprint(model.module), model.run(PROMPT).logits
    for edit in (
        ue.add("L1.resid_post", [1.0, 2.0, 3.0]),
        ue.zero("L99.H0"),
        ue.zero("L1.H99"),
        ue.zero("L1.N9999"),
        ue.zero("L1.H1", positions=[len(PROMPT)]),
    ):
        with pytest.raises(UnembedError):
            model.run(PROMPT, edits=[edit])
    assert footprint(model.module) == before
    assert torch.equal(model.run(PROMPT).logits, plain)


@pytest.mark.parametrize("name", ["gpt2", "gptj", "gemma3", "bert"])
def test_a_cancelled_run_stops_and_leaves_nothing_behind(name, model_of, oracle_of):
    model, oracle = model_of(name, torch.float32), oracle_of(name, torch.float32)
    before, cancel, stages = footprint(model.module), Cancel(), []

    def progress(*stage):
        stages.append(stage)
        cancel.cancel()

    with pytest.raises(CancelledError):
        model.run(
            PROMPT,
            capture=all_sites(oracle),
            edits=[ue.zero("L0.H0")],
            cancel=cancel,
            progress=progress,
        )
    assert len(stages) <= 2, "it went on for more than a layer"
    assert footprint(model.module) == before


@pytest.mark.parametrize("name", ["gpt2", "codegen", "gemma2", "falcon", "distilbert"])
def test_concurrent_runs_never_see_each_others_edits(name, model_of):
    model = model_of(name, torch.float32)
    requests = [
        (prompt, (ue.scale(f"L{layer}.H{head}", 0.1 * head), ue.add(f"L{layer}.mlp", 0.2 * layer)))
        for prompt in (PROMPT, OTHER_PROMPT)
        for layer in (0, 1)
        for head in range(4)
    ]

    def answer(request):
        prompt, edits = request
        run = model.run(prompt, capture=["resid_post", "L1.pattern"], edits=edits)
        return run.logits, run["L1.resid_post"], run["L1.pattern"]

    before = footprint(model.module)
    serial = [answer(request) for request in requests]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(answer, requests * 3))
    for expected, actual in zip(serial * 3, together, strict=True):
        assert all(torch.equal(left, right) for left, right in zip(expected, actual, strict=True))
    assert footprint(model.module) == before


def test_two_models_run_at_the_same_time(model_of):
    """What is registered for one model's attention is not seen by another's."""
    first, second = (model_of(name, torch.float32) for name in ("llama", "gemma3"))
    expected = [
        model.run(PROMPT, edits=[ue.zero("L0.pattern")], capture=["pattern"]).logits
        for model in (first, second)
    ]
    barrier, results = threading.Barrier(2), {}

    def many(model, key):
        barrier.wait()
        results[key] = [
            model.run(PROMPT, edits=[ue.zero("L0.pattern")], capture=["pattern"]).logits
            for _ in range(20)
        ]

    threads = [
        threading.Thread(target=many, args=(model, key))
        for key, model in enumerate((first, second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in (0, 1):
        assert all(torch.equal(logits, expected[key]) for logits in results[key])


@pytest.mark.parametrize("twice", [False, True], ids=["one-model", "loaded-twice"])
def test_a_run_inside_a_run_is_refused_or_right(twice):
    """Callbacks may do anything; the inner run must not see the outer one's edits."""
    module = tiny_model("llama")
    outer = ue.load(module, tokenizer=tiny_tokenizer())
    inner = ue.load(module, tokenizer=tiny_tokenizer()) if twice else outer
    plain, nested = inner.run(PROMPT).logits, []

    def progress(*stage):
        nested.append(None)
        nested[-1] = inner.run(PROMPT).logits

    edits = [ue.zero("L0.attn"), ue.zero("L1.H0.pattern")]
    try:
        outer.run(PROMPT, edits=edits, capture=["L2.pattern"], progress=progress)
    except UnembedError:
        nested = [logits for logits in nested if logits is not None]
    assert all(torch.equal(logits, plain) for logits in nested)
    assert torch.equal(inner.run(PROMPT).logits, plain)


def test_a_module_loaded_twice_keeps_the_runs_of_two_threads_apart():
    module = tiny_model("llama")
    models = [ue.load(module, tokenizer=tiny_tokenizer()) for _ in range(2)]
    edits = [[ue.zero("L0.attn")], [ue.scale("L1.H0.pattern", 0.2)]]
    expected = [models[0].run(PROMPT, edits=one).logits for one in edits]
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            (key, pool.submit(models[key].run, PROMPT, edits=edits[key]))
            for _ in range(100)
            for key in (0, 1)
        ]
        assert all(torch.equal(job.result().logits, expected[key]) for key, job in jobs)
