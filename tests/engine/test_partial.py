"""What a partial forward pass returns, from any module."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutput

from unembed.engine.partial.partial_forward import partial_forward
from unembed.errors import InputError
from unembed.models.tiny import tiny_model

from ..contract.footprint import hooks
from .partial_modules import IDS, Around, X, deep, gpt2, linear


def test_nothing_after_the_last_module_runs():
    module, ran = deep(), []
    for part in module:
        part.register_forward_pre_hook(lambda part, _: ran.append(part))
    partial_forward(module, ["2", "0"], X)
    assert ran == list(module[:3])


def test_a_tuple_of_one_is_unwrapped_and_other_tuples_are_whole():
    one = Around(lambda self, x: self.part(x)[0], part=Around(lambda self, x: (x + 1,)))
    assert torch.equal(partial_forward(one, "part", X)["part"], X + 1)
    assert isinstance(partial_forward(gpt2(), "h.1.attn", IDS)["h.1.attn"], tuple)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_recurrent_modules_give_their_tuples(kind):
    rnn = kind(4, 4, batch_first=True)
    module = Around(lambda self, x: self.head(self.rnn(x)[0]), rnn=rnn, head=linear())
    found = partial_forward(module, ["rnn", "head"], X[None])
    output, state = rnn(X[None])
    assert torch.equal(found["rnn"][0], output)
    assert type(found["rnn"][1]) is type(state)
    assert torch.equal(found["head"], module.head(output))


Pair = namedtuple("Pair", "first second")


@dataclass
class Record:
    value: torch.Tensor
    note: str = "kept"


OUTPUTS = {
    "dict": lambda x: {"a": x, "b": [x, None, 3]},
    "ordered": lambda x: OrderedDict(a=x),
    "model-output": lambda x: BaseModelOutput(last_hidden_state=x, hidden_states=(x, x)),
    "list": lambda x: [x, (x, "text")],
    "named-tuple": lambda x: Pair(x, {"c": x}),
    "dataclass": lambda x: Record(x),
    "packed": lambda x: nn.utils.rnn.pack_padded_sequence(x[None], torch.tensor([3]), True),
    "structseq": lambda x: x.max(0),
    "nothing": lambda x: None,
}


def tensors_in(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Record):
        return [value.value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors_in(item)]
    return []


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("make", OUTPUTS.values(), ids=OUTPUTS)
def test_outputs_of_any_type_come_back_as_that_type_untouched_by_what_follows(make, grad):
    handed_on = []

    def forward(self, x):
        output = self.part(x)
        handed_on.append(output)
        for tensor in tensors_in(output):
            if tensor.is_floating_point():
                tensor.mul_(0)
        return self.last(x)

    module = Around(forward, part=Around(lambda self, x: make(x * 2)), last=linear())
    module.last.weight.requires_grad_(grad)
    with torch.set_grad_enabled(grad):
        found = partial_forward(module, ["part", "last"], X)["part"]
    expected = make(X * 2)
    assert type(found) is type(handed_on[0]) is type(expected)
    pairs = zip(tensors_in(found), tensors_in(expected), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    if isinstance(found, BaseModelOutput):
        assert torch.equal(found.last_hidden_state, found["last_hidden_state"])


@pytest.mark.parametrize("grad", [False, True])
def test_in_place_changes_of_an_alias_do_not_show(grad):
    """A dropout that drops nothing returns what it was given."""

    def forward(self, x):
        x = self.first(x)
        y = self.drop(x)
        x += 1
        return self.last(x + y)

    module = Around(forward, first=linear(), drop=nn.Identity(), last=linear())
    with torch.set_grad_enabled(grad):
        found = partial_forward(module, ["drop", "first", "last"], X)
        expected = module.first(X)
        assert torch.equal(found["first"], expected)
        assert torch.equal(found["drop"], expected)


def test_outputs_are_part_of_the_graph_unless_the_caller_turned_it_off():
    module = gpt2()
    assert partial_forward(module, "h.0", IDS)["h.0"].requires_grad
    with torch.no_grad():
        assert not partial_forward(module, "h.0", IDS)["h.0"].requires_grad
    with torch.inference_mode():
        assert partial_forward(module, ["h.0", "h.1"], IDS)["h.0"].is_inference()


def test_gradients_flow_from_later_outputs_to_earlier_ones():
    module = deep()
    found = partial_forward(module, ["0", "1", "3"], X)
    (actual,) = torch.autograd.grad(found["3"].sum(), found["0"], retain_graph=True)
    start = module[0](X).detach().requires_grad_()
    (expected,) = torch.autograd.grad(module[1:](start).sum(), start)
    assert torch.equal(actual, expected)
    (whole,) = torch.autograd.grad(found["3"].sum(), module[0].weight)
    assert torch.equal(whole, torch.autograd.grad(module(X).sum(), module[0].weight)[0])


def test_a_module_called_several_times_gives_its_first_call():
    module = Around(lambda self, x: self.part(self.part(self.part(x))), part=linear())
    calls = []
    module.part.register_forward_pre_hook(lambda *_: calls.append(1))
    assert torch.equal(partial_forward(module, "part", X)["part"], module.part(X))
    assert len(calls) == 2  # one of them is this test's own


def test_a_plain_module_stays_in_its_mode():
    module = gpt2().train()
    torch.manual_seed(0)
    first = partial_forward(module, "h.0", IDS)["h.0"]
    assert module.training
    assert not torch.equal(first, partial_forward(module, "h.0", IDS)["h.0"])


def test_other_hooks_on_the_module_act_first_and_stay():
    module = deep()
    handle = module[1].register_forward_hook(lambda _module, _args, output: output * 2)
    assert torch.equal(partial_forward(module, "1", X)["1"], module[:2](X))
    assert hooks(module) == 1
    handle.remove()


# ------------------------------------------------------------ switches and caches


@pytest.mark.parametrize(
    "switch", ["use_cache", "output_attentions", "output_hidden_states", "return_dict"]
)
@pytest.mark.parametrize("family", ["gpt2", "gptj", "llama", "bert", "modernbert"])
def test_what_a_partial_pass_cannot_give_is_off_with_a_warning(family, switch):
    module = tiny_model(family)
    if not hasattr(module.config, switch):
        pytest.skip("this family has no such switch")
    expected = partial_forward(module, "", IDS)[""]
    with pytest.warns(UserWarning, match=f"{switch}=True is ignored by partial_forward: ") as seen:
        found = partial_forward(module, "", IDS, **{switch: True})[""]
    assert seen[0].filename == __file__
    assert torch.equal(found, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        partial_forward(module, "", IDS, **{switch: False})
        partial_forward(module, "", IDS, **{switch: None})


@pytest.mark.parametrize("family", ["gpt2", "gptj", "llama", "bert", "falcon"])
def test_switches_that_the_config_turns_on_are_off_too(family):
    module = tiny_model(family)
    plain = partial_forward(module, "", IDS)[""]
    module.config.output_hidden_states = True
    module.config.use_cache = True
    assert torch.equal(partial_forward(module, "", IDS)[""], plain)


def test_a_switch_given_by_position_is_off_too():
    def forward(self, x, use_cache=None, *, return_dict=None):
        assert use_cache is False
        assert return_dict is False
        return self.part(x)

    kind = type("Positional", (nn.Module,), {"forward": forward})
    module = kind()
    module.part = linear()
    with pytest.warns(UserWarning, match="use_cache=True is ignored"):
        partial_forward(module, "part", X, True)


def test_modules_that_know_no_switches_are_given_none():
    module = Around(lambda self, x, **rest: self.part(x * (1 + len(rest))), part=linear())
    assert torch.equal(partial_forward(module, "part", X)["part"], module.part(X))
    partial_forward(deep(), "0", X)


@pytest.mark.filterwarnings("ignore:.past_key_values. is deprecated:FutureWarning")  # 5.24's own
def test_a_cache_to_continue_from_is_refused_with_the_fix():
    module = gpt2()
    cache = module(IDS, use_cache=True).past_key_values
    length = cache.get_seq_length()
    for call in (
        lambda: partial_forward(module, "h.0", IDS, past_key_values=cache),
        lambda: partial_forward(module, "h.0", IDS, cache),
    ):
        with pytest.raises(InputError, match="pass the whole sequence") as caught:
            call()
        assert caught.value.field in ("past_key_values", "cache")  # which 5.24 turns it into
        assert caught.value.fix
    assert cache.get_seq_length() == length
    partial_forward(module, "h.0", IDS, past_key_values=None)
