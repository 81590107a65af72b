"""The names that a partial forward pass takes, and what it says about the others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unembed.engine import exclusive
from unembed.engine.partial.partial_forward import partial_forward
from unembed.errors import InputError
from unembed.models.tiny import tiny_model

from .partial_modules import IDS, Around, X, clean, deep, gpt2, linear


@pytest.mark.parametrize("name", ["h.1", "transformer.h.1"])
@pytest.mark.parametrize("base", [False, True], ids=["with-head", "base-model"])
def test_the_prefix_of_the_base_model_may_be_there_or_not(name, base):
    whole = gpt2()
    module = whole.transformer if base else whole
    expected = whole(IDS, output_hidden_states=True).hidden_states[2]
    assert torch.equal(partial_forward(module, [name], IDS)[name], expected)


@pytest.mark.parametrize("grad", [False, True], ids=["no-grad", "grad"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3"])
def test_values_are_those_of_a_whole_pass_without_a_cache_to_the_last_bit(family, grad):
    """With a cache, keys and values lie elsewhere, and 33 tokens of gpt2 are off by 1e-6."""
    module, blocks = tiny_model(family), "h" if family == "gpt2" else "layers"
    names = [f"{blocks}.0", f"{blocks}.1"]
    for length in (2, 6, 17, 24):
        ids = torch.arange(5, 5 + length)[None]
        with torch.set_grad_enabled(grad):
            whole = module(ids, output_hidden_states=True, use_cache=False).hidden_states
            found = partial_forward(module, names, ids)
        for name, expected in zip(names, whole[1:], strict=False):
            value = found[name][0] if isinstance(found[name], tuple) else found[name]
            assert torch.equal(value, expected)


def test_the_base_models_own_name_is_the_base_model():
    module = gpt2().transformer
    assert torch.equal(
        partial_forward(module, "transformer", IDS)["transformer"], module(IDS).last_hidden_state
    )


def test_keys_are_the_names_as_given_in_the_order_given():
    names = ["transformer.h.1", "h.0", "h.1", "h.0", ""]
    found = partial_forward(gpt2(), names, IDS)
    assert list(found) == ["transformer.h.1", "h.0", "h.1", ""]
    assert found["transformer.h.1"] is found["h.1"]


def test_the_empty_name_is_the_whole_output():
    module = gpt2()
    assert torch.equal(partial_forward(module, "", IDS)[""], module(IDS).logits)
    assert torch.equal(partial_forward(deep(), "", X)[""], deep()(X))


@pytest.mark.parametrize("names", ["0", ["0"], ("0",), iter(["0"]), {"0": None}])
def test_names_are_one_string_or_several(names):
    assert list(partial_forward(deep(), names, X)) == ["0"]


@pytest.mark.parametrize("names", [[], 3, None, [0], ["0", None], b"0"])
def test_other_names_are_refused(names):
    with pytest.raises(InputError) as caught:
        partial_forward(deep(), names, X)
    assert caught.value.field == "names"
    assert caught.value.legal


def test_an_unknown_name_is_refused_with_the_nearest_ones():
    module = gpt2()
    ran = []
    module.register_forward_pre_hook(lambda *_: ran.append(1))
    with pytest.raises(InputError, match=r"no module 'h\.1\.atn'.*h\.1\.attn") as caught:
        partial_forward(module, ["h.0", "h.1.atn"], IDS)
    assert caught.value.field == "names"
    assert caught.value.value == "h.1.atn"
    assert "h.1.attn" in caught.value.legal
    assert not ran


@pytest.mark.parametrize(
    "name", ["h.3", "nothing like it", "h..0", ".", "h.0.", "weight", "wte.weight"]
)
def test_no_unknown_name_gets_through(name):
    with pytest.raises(InputError, match="no module"):
        partial_forward(gpt2(), name, IDS)


def test_a_container_that_is_never_called_is_refused_naming_what_is_in_it():
    with pytest.raises(InputError, match=r"'h' is a ModuleList.*h\.0, h\.1, h\.2") as caught:
        partial_forward(gpt2(), "h", IDS)
    assert caught.value.legal == "h.0, h.1, h.2"
    module = Around(lambda self, x: self.parts["a"](x), parts=nn.ModuleDict({"a": linear()}))
    with pytest.raises(InputError, match=r"ModuleDict.*parts\.a"):
        partial_forward(module, "parts", X)


def test_a_module_that_does_not_run_is_an_error_that_names_it():
    """transformer-utils ran the whole model and left the name out of its answer."""
    module = Around(lambda self, x: self.used(x), used=linear(), spare=linear())
    with pytest.raises(InputError, match=r"'spare' did not run.*'used' ran") as caught:
        partial_forward(module, ["used", "spare"], X)
    assert caught.value.value == "spare"
    assert clean(module)
    attention = nn.MultiheadAttention(4, 2)
    with pytest.raises(InputError, match=r"'out_proj' did not run.*only the weights"):
        partial_forward(attention, "out_proj", X, X, X)


def test_what_is_no_module_is_refused():
    with pytest.raises(InputError, match="it must be a module or a Model"):
        partial_forward("gpt2", "h.0", IDS)


def test_names_are_looked_up_without_walking_the_module(monkeypatch):
    module, walked = deep(), []

    def walk(self, *args, **kwargs):
        walked.append(self)
        return iter(())

    monkeypatch.setattr(nn.Module, "named_modules", walk)
    monkeypatch.setattr(exclusive, "_uses", {})  # no Model is alive: nobody to wait for
    partial_forward(module, ["0", "2"], X)
    assert not walked
