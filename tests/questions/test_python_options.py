"""A class of options is the argument of its analysis in Python: the whole of it, or single ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import unembed as ue
from unembed.errors import InputError
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = "The cat sat"


@pytest.fixture(scope="module")
def model() -> ue.Model:
    return ue.load(tiny_model("gpt2", dtype=torch.float32), tiny_tokenizer())


def asked(model: ue.Model, name: str, **given: object) -> object:
    """One question of the model, put with these arguments."""
    if name == "predictions":
        return ue.predictions(model, PROMPT, edits=[ue.zero("L1.H0")], **given)
    if name == "component":
        run = model.run(PROMPT, [*ue.component_capture(model, "L1.H2"), "L1.pattern"])
        return ue.component(run, "L1.H2", **given)
    return model.generate(PROMPT, **given)


CASES = {
    "predictions": (ue.PredictionsOptions, {"position": 1, "top_k": 3, "target": 5}),
    "component": (ue.ComponentOptions, {"position": 1, "top_k": 4}),
    "generate": (ue.GenerationOptions, {"max_new_tokens": 5, "temperature": 1.5, "seed": 2}),
}


@pytest.mark.parametrize("name", CASES)
def test_options_and_single_ones_are_the_same(name, model):
    kind, values = CASES[name]
    wanted = asked(model, name, **values)
    assert asked(model, name, options=kind(**values)) == wanted
    (first, value), *rest = values.items()
    assert asked(model, name, options=kind(**dict(rest)), **{first: value}) == wanted
    assert asked(model, name) != wanted


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_option_is_refused_with_those_there_are(name, model):
    kind, values = CASES[name]
    with pytest.raises(InputError, match=next(iter(values))) as caught:
        asked(model, name, sharpness=3)
    assert caught.value.field == "sharpness"
    with pytest.raises(InputError):
        kind(sharpness=3)


@pytest.mark.parametrize("name", CASES)
def test_each_option_is_held_to_its_range(name, model):
    kind, values = CASES[name]
    first = next(iter(values))
    for make in (lambda: asked(model, name, **{first: "3"}), lambda: kind(**{first: "3"})):
        with pytest.raises(InputError) as caught:
            make()
        assert caught.value.field == first


def test_numbers_of_other_libraries_are_numbers(model):
    wanted = ue.predictions(model, PROMPT, position=1, top_k=3)
    assert ue.predictions(model, PROMPT, position=np.int64(1), top_k=torch.tensor(3)) == wanted
    assert ue.GenerationOptions(temperature=np.float32(0.5)).temperature == 0.5
    with pytest.raises(InputError):
        ue.PredictionsOptions(top_k=np.float64(3.0))


def test_predictions_take_layers_apart(model):
    options = ue.PredictionsOptions(position=2, sub_updates=3)
    found = ue.predictions(model, PROMPT, options=options, edits=[ue.zero("L1.H0")])
    run = model.run(PROMPT, ue.sub_updates_capture(model), [ue.zero("L1.H0")])
    wanted = ue.sub_updates(run, 2, 3)
    assert found.edited.updates.to_dict() == wanted.to_dict()
    assert found.baseline.updates.to_dict() != wanted.to_dict()
    assert ue.predictions(model, PROMPT).baseline.updates is None


SEARCHES = {
    "search": (ue.SearchOptions, {"combine": "all", "side": "both", "layers": (0, 1), "limit": 3}),
    "token": (ue.TokenSearchOptions, {"side": "suppressed", "layers": (1, 2), "limit": 3}),
    "similar": (ue.SimilarOptions, {"include_negative": True, "offset": 2, "limit": 3}),
    "browse": (ue.BrowseOptions, {"first": 5, "count": 3}),
    "clusters": (ue.ClustersOptions, {"n": 4, "seed": 2}),
}
ASKED = {"search": "he, a", "token": 72, "similar": "L1.N5", "browse": 1}


@pytest.fixture(scope="module")
def index(model, tmp_path_factory) -> ue.VectorIndex:
    options = ue.BuildOptions(top_k=20)
    return ue.build_index(model, options=options, folder=tmp_path_factory.mktemp("index"))


@pytest.mark.parametrize("name", SEARCHES)
def test_questions_to_an_index_take_options_too(name, index):
    kind, values = SEARCHES[name]
    what = () if name == "clusters" else (ASKED[name],)

    def ask(**given):
        found = getattr(index, name)(*what, **given)
        return list(found.labels) if name == "clusters" else found

    wanted = ask(**values)
    assert ask(options=kind(**values)) == wanted
    (first, value), *rest = values.items()
    assert ask(options=kind(**dict(rest)), **{first: value}) == wanted
    assert ask() != wanted
    with pytest.raises(InputError) as caught:
        kind(**{first: -1})
    assert caught.value.field == first


def test_an_index_is_built_by_options(model, index, tmp_path):
    assert index.about.top_k == 20
    some = ue.build_index(model, options=ue.BuildOptions(top_k=3), layers=(1, 2), folder=tmp_path)
    assert (some.about.top_k, some.about.layers) == (3, (1, 2))
