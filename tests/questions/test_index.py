"""Questions to the vector index, put in Python, on the command line and over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from unembed.engine.model import Model
from unembed.index.build import build_index
from unembed.index.live import live_page
from unembed.index.opening import open_index

from .faces import Face, Numbers


def _hits(answer: Any) -> Numbers:
    return {
        "total": answer["total"],
        "items": [(one["node"], one["score"]) for one in answer["items"]],
    }


def _python_hits(hits: Any) -> Numbers:
    return {"total": hits.total, "items": [(one.node, one.score) for one in hits.items]}


def _clusters(answer: Any) -> Numbers:
    return {"sizes": [one["size"] for one in answer["items"]]}


def _python_browse(model: Model, fields: dict[str, Any], _: list[Any]) -> Numbers:
    pages = open_index(model).browse(fields["layer"], fields["first"], fields["count"])
    width = model.anatomy.blocks[fields["layer"]].mlp.d_mlp
    return {"total": width, "items": [(page.node, page.norm) for page in pages]}


def _python_cluster(model: Model, fields: dict[str, Any], _: list[Any]) -> Numbers:
    one = open_index(model).clusters(n=fields["n"]).cluster(fields["cluster"])
    return {"size": one.size, "central": list(one.members[:10])}


def _built(answer: Any) -> Numbers:
    return {name: answer[name] for name in ("top_k", "layers", "n_vectors")}


def _python_build(model: Model, fields: dict[str, Any], _: list[Any]) -> Numbers:
    return _built(build_index(model, **fields).about.to_dict())


FACES = {
    "build": Face(
        "/api/index/build",
        {"top_k": 7, "layers": [0, 1], "restart": True},
        _python_build,
        _built,
        lambda: ["index vectors", "--top-k", "7", "--layers", "0-1", "--restart", "--json"],
        edits=False,
        passing=("made", "bytes"),
    ),
    "search": Face(
        "/api/index/search",
        {"words": ["he", "a"], "combine": "all", "side": "both", "limit": 5},
        lambda model, fields, _: _python_hits(open_index(model).search(**fields)),
        _hits,
        lambda: ["search", "he, a", "--combine", "all", "--side", "both", "--limit", "5", "--json"],
        edits=False,
    ),
    "token": Face(
        "/api/index/token",
        {"token": 72, "side": "suppressed", "limit": 4},
        lambda model, fields, _: _python_hits(open_index(model).token(**fields)),
        _hits,
        lambda: ["search", "--token", "#72", "--side", "suppressed", "--limit", "4", "--json"],
        edits=False,
    ),
    "similar": Face(
        "/api/index/similar",
        {"target": "L1.N7", "limit": 4},
        lambda model, _, __: _python_hits(open_index(model).similar("L1.N7", limit=4)),
        _hits,
        lambda: ["search", "--similar", "L1.N7", "--limit", "4", "--json"],
        edits=False,
    ),
    "vector": Face(
        "/api/index/vector",
        {"target": "L1.N7"},
        lambda model, _, __: {"norm": live_page(model, "L1.N7").norm},
        lambda answer: {"norm": answer["norm"]},
        edits=False,
    ),
    "browse": Face(
        "/api/index/browse",
        {"layer": 1, "first": 2, "count": 3},
        _python_browse,
        _hits,
        edits=False,
    ),
    "clusters": Face(
        "/api/index/clusters",
        {"n": 5},
        lambda model, _, __: {"sizes": list(open_index(model).clusters(n=5).sizes)},
        _clusters,
        edits=False,
    ),
    "cluster": Face(
        "/api/index/cluster",
        {"n": 5, "cluster": 1},
        _python_cluster,
        lambda answer: {
            "size": answer["size"],
            "central": [one["node"] for one in answer["central"]],
        },
        edits=False,
    ),
}


@pytest.fixture(autouse=True)
def _built_before(model: Model) -> None:
    build_index(model)


@pytest.mark.parametrize("name", FACES)
def test_the_three_faces_give_the_same_numbers(name, put):
    put(name, FACES[name], edited=False)
