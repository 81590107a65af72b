"""The vector index over HTTP: what Python finds, and errors that name the field."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.tools.projections import token_direction
from unembed.analyses.tools.vectors import key_tokens
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .asgi import post
from .indexed import ask, plain, refused, status

PROMPT = "The cat sat on the mat"
BAD_EDITS = [{"target": "L9.H0", "operation": "zero"}]


# ---------------------------------------------------------------- what is found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"match": "part", "combine": "all"},
        {"match": "exact", "side": "both", "ranking": "bm25"},
        {"side": "suppressed", "layers": [1, 2], "limit": 3, "offset": 2},
    ],
    ids=str,
)
def test_search_finds_what_python_finds(indexed, index, options):
    layers = options.get("layers")
    expected = index.search(["a", "t"], **(options | {"layers": layers and tuple(layers)}))
    assert ask(indexed, "search", words=["a", "t"], **options) == plain(expected)


@pytest.mark.parametrize("token", ["a", 40])
@pytest.mark.parametrize("side", ["promoted", "suppressed"])
def test_token_finds_what_python_finds(indexed, index, token, side):
    found = ask(indexed, "token", token=token, side=side, limit=4)
    assert found == plain(index.token(token, side=side, limit=4))


def test_similar_to_a_vector_a_token_a_difference_a_state(indexed, index, model):
    run = model.run(PROMPT, ["L1.resid_post"], [ue.zero("L0.H1")])
    edits = [{"target": "L0.H1", "operation": "zero"}]
    state = {"prompt": PROMPT, "site": "L1.resid_post", "position": 2, "edits": edits}
    for asked, expected in [
        ({"target": "L1D3"}, "L1.N3"),
        ({"tokens": ["a"]}, token_direction(model, "a")),
        ({"tokens": ["a", None]}, token_direction(model, "a")),
        ({"tokens": ["a", 90]}, token_direction(model, "a", minus=90)),
        ({"state": state}, run["L1.resid_post"][2]),
    ]:
        assert ask(indexed, "similar", limit=3, **asked) == plain(index.similar(expected, limit=3))


def test_browse_goes_through_a_layer(indexed, index):
    found = ask(indexed, "browse", layer=2, first=50, count=20)
    assert found["total"] == 52
    assert [item["node"] for item in found["items"]] == ["L2.N50", "L2.N51"]
    page = index.browse(2, 50, 1)[0]
    assert found["items"][0]["norm"] == found["items"][0]["score"] == page.norm
    ids = [one["token"]["id"] for one in found["items"][0]["promoted"]]
    assert ids == [one.token.id for one in page.promoted]


def test_a_page_is_there_with_an_index_and_without(indexed, bare, index):
    page = index.vector("L1.N3")
    with_index, without = (ask(one, "vector", target="L1D3") for one in (indexed, bare))
    assert with_index["target"] == "L1.N3"
    assert with_index["percentile"] == page.norm_percentile
    assert [hit["node"] for hit in with_index["similar"]] == [
        hit.node for hit in index.similar("L1.N3", limit=10).items
    ]
    assert without["percentile"] is without["similar"] is without["cluster"] is None
    assert with_index["layer_percentile"] == page.layer_norm_percentile
    for side in ("promoted", "suppressed"):
        expected = [
            (one.token.id, pytest.approx(one.score, rel=1e-5)) for one in getattr(page, side)
        ]
        for found in (with_index, without):
            assert [(one["token"]["id"], one["score"]) for one in found[side]] == expected


def test_a_page_tells_what_makes_the_neuron_fire(bare, model):
    found = ask(bare, "vector", target="L1.N3")
    keys = key_tokens(model, "L1.N3", 20)
    assert [one["score"] for one in found["key_promotes"]] == [one.score for one in keys.promotes]
    assert found["gate_promotes"] is found["key_reason"] is None


def test_clusters_and_one_of_them(indexed, index):
    kept = index.clusters(4)
    page = ask(indexed, "clusters", n=4, offset=1, limit=2)
    assert (page["n"], page["total"], page["seed"]) == (4, 4, 0)
    assert [item["cluster"] for item in page["items"]] == [1, 2]
    assert [item["size"] for item in page["items"]] == list(kept.sizes[1:3])
    one = ask(indexed, "cluster", n=4, cluster=1, sample_seed=5)
    expected = kept.cluster(1)
    assert [hit["node"] for hit in one["central"]] == list(expected.members[:10])
    assert [hit["score"] for hit in one["central"]] == list(expected.cosines[:10])
    assert [hit["node"] for hit in one["random"]] == list(expected.random(5, 10))
    assert ask(indexed, "vector", target=expected.members[0])["cluster"] == 1
    assert ask(indexed, "vector", target=expected.members[0])["clustering"]["n"] == 4
    assert ask(indexed, "clusters", n=4, method="complete")["method"] == "complete"


def test_the_other_projection_is_an_index_of_its_own(indexed):
    built = ask(indexed, "build", projection="final_norm")
    assert built["projection"] == "final_norm"
    raw, normed = (
        ask(indexed, "token", token="a", projection=name, limit=1) for name in ("raw", "final_norm")
    )
    assert raw["items"][0]["score"] != normed["items"][0]["score"]


# ---------------------------------------------------------------- what is refused


def test_an_unknown_word_is_named_with_its_neighbours(indexed):
    error = refused(indexed, "search", words=["a", "thee"])
    assert (error["field"], error["value"]) == ("words[1]", "thee")
    assert "'the'" in error["legal"]


def test_a_word_that_is_split_says_how(indexed):
    error = refused(indexed, "search", words=["cat"])
    assert (error["field"], "' c', 'at'" in error["message"]) == ("words[0]", True)
    assert "part" in error["fix"]


@pytest.mark.parametrize(
    ("path", "fields", "field"),
    [
        ("search", {"words": ["a"], "layers": [1, 3]}, "layers"),
        ("search", {"words": ["a"], "layers": [2, 1]}, "layers"),
        ("search", {"words": [" "]}, "words[0]"),
        ("token", {"token": "a cat"}, "token"),
        ("token", {"token": 128}, "token"),
        ("similar", {}, "target"),
        ("similar", {"target": "L1.N3", "tokens": ["a"]}, "tokens"),
        ("similar", {"target": "L1.H3"}, "target"),
        ("similar", {"target": "L1.N52"}, "target"),
        ("similar", {"tokens": ["a", "cat"]}, "tokens[1]"),
        ("similar", {"tokens": [None]}, "tokens[0]"),
        ("similar", {"tokens": ["a", "a"]}, "tokens"),
        ("similar", {"state": {"prompt": "", "site": "embed"}}, "state.prompt"),
        ("similar", {"state": {"prompt": "a", "site": "L1.z"}}, "state.site"),
        ("similar", {"state": {"prompt": "a", "site": "L1.N3"}}, "state.site"),
        ("similar", {"state": {"prompt": "a", "site": "logits"}}, "state.site"),
        ("similar", {"state": {"prompt": "a", "site": "L9.embed"}}, "state.site"),
        ("similar", {"state": {"prompt": "a", "site": "embed@0"}}, "state.site"),
        ("similar", {"state": {"prompt": "a", "site": "embed", "position": 9}}, "state.position"),
        (
            "similar",
            {"state": {"prompt": "a", "site": "embed", "edits": BAD_EDITS}},
            "state.edits[0].target",
        ),
        ("vector", {"target": "L1.H3"}, "target"),
        ("vector", {"target": "L3.N3"}, "target"),
        ("browse", {"layer": 3}, "layer"),
        ("browse", {"layer": 1, "first": 52}, "first"),
        ("clusters", {"n": 157}, "n"),
        ("cluster", {"n": 4, "cluster": 4}, "cluster"),
    ],
)  # fmt: skip
def test_a_request_that_makes_no_sense(indexed, path, fields, field):
    error = refused(indexed, path, **fields)
    assert error["field"] == field, error
    assert len(error["message"]) > 10


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("search", {"words": ["a"]}),
        ("token", {"token": "a"}),
        ("similar", {"target": "L1.N3"}),
        ("browse", {"layer": 0}),
        ("clusters", {}),
        ("cluster", {"cluster": 0}),
    ],
)
def test_without_an_index_the_command_that_builds_one_is_named(bare, path, fields):
    error = refused(bare, path, **fields)
    assert (error["code"], error["field"]) == ("no_index", "projection")
    assert "unembed index vectors" in error["fix"]


def test_a_model_without_neurons_says_so_and_builds_nothing(make_app):
    experts = ue.load(tiny_model("mixtral", dtype=torch.float32), tokenizer=tiny_tokenizer())
    app = make_app(served=experts)
    assert "expert" in status(app)["reason"]
    assert status(app)["estimate"] is None
    answer = post(app, "/api/index/build", {})
    assert (answer.status, answer.error["code"]) == (422, "not_capable")
