"""The result of a lens knows its axes and where it came from, and turns into plain data."""

from __future__ import annotations

import json
import math

import pytest
import torch

import unembed as ue
from unembed.analyses.lens.grid import logit_lens
from unembed.errors import InputError

from .slow import PROMPT


@pytest.fixture(scope="module")
def found(model_of):
    return logit_lens(model_of("gpt2"), PROMPT, top_k=2, follow="next", positions=[0, 3, -1])


def test_every_array_has_the_axes_that_are_named(found):
    sizes = {"row": 4, "position": 3, "k": 2}
    assert isinstance(found, ue.LensResult)
    for name, array in found.arrays().items():
        assert array.shape == tuple(sizes[axis] for axis in found.axes[name])
        assert array.device.type == "cpu"


def test_every_token_that_occurs_is_in_the_vocabulary_once(found):
    ids = [token.id for token in found.vocabulary]
    occurring = {*found.top_ids.flatten().tolist(), *found.target_ids.tolist(), *found.next_ids.tolist()}  # fmt: skip  # noqa: E501
    assert ids == sorted(occurring - {-1})
    assert found.token(ids[0]).id == ids[0]
    with pytest.raises(InputError, match="does not occur"):
        found.token(-1)


def test_plain_data_holds_everything(found):
    plain = found.to_dict()
    assert set(plain) == {"axes", *vars(found)}
    for name, array in found.arrays().items():
        assert torch.equal(torch.tensor(plain[name]).nan_to_num(), array.nan_to_num().to(torch.tensor(plain[name])))  # fmt: skip  # noqa: E501
    assert plain["positions"] == [0, 3, 9]
    assert plain["prompt_ids"] == list(PROMPT)
    assert plain["provenance"]["fingerprint"] == found.provenance["fingerprint"]


def test_what_json_has_no_number_for_is_null(model_of):
    edits = [ue.set_to("L0.resid_post", 0.0)]
    found = logit_lens(model_of("gpt2"), PROMPT, follow="next", edits=edits)
    object.__setattr__(found, "kl", torch.full_like(found.kl, math.inf))
    plain = json.loads(found.to_json())
    assert plain["kl"][0][0] is None
    assert plain["probability"][0][-1] is None
    assert plain["probability"][0][0] == float(found.probability[0, 0])
    assert plain["rank"][0][-1] == 0


def test_a_table_has_a_line_for_each_cell(found):
    table = found.to_pandas()
    assert len(table) == 12
    cell = table[(table["row"] == "L1.resid_post") & (table["position"] == 3)].iloc[0]
    assert cell["rank"] == found.rank[2, 1]
    assert cell["logit"] == float(found.logit[2, 1])
    assert cell["top_token"] == found.token(int(found.top_ids[2, 1, 0])).text
    assert cell["next_token"] == cell["target_token"] == found.token(PROMPT[4]).text
    end = table[table["position"] == 9]
    assert end["target_token"].isna().all()
    assert end["probability"].isna().all()
