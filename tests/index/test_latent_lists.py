"""Lists of latents are made once for an autoencoder, found again, and never another one's."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

import unembed as ue
from unembed.engine.cancel import Cancel
from unembed.errors import CancelledError, InputError
from unembed.index import latent_lists
from unembed.index.latent_lists import LISTS
from unembed.latents.sae import every
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..latents.cross_made import N as CROSS
from ..latents.cross_made import attached as with_cross_layer
from ..server.asgi import post
from ..server.conftest import making_apps
from .test_latents import sae

N, TOP_K = 40, 6
COLUMNS = ("layer", "neuron", "norm", "top_ids", "top_scores", "bottom_ids", "bottom_scores")


@pytest.fixture(scope="module")
def plain():
    return ue.load(tiny_model("gpt2", dtype=torch.float32), tokenizer=tiny_tokenizer())


def with_latents(plain, *saes):
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    model.attach(*saes, verify=False)
    return model


@pytest.fixture
def model(plain):
    return with_latents(plain, sae(plain, 0, N), sae(plain, 2, N))


@pytest.fixture
def projected(monkeypatch):
    """How many vectors were projected since."""
    seen = Counter()

    def counted(rows, *arguments):
        seen["rows"] += len(rows)
        return extremes(rows, *arguments)

    extremes = latent_lists.extremes
    monkeypatch.setattr(latent_lists, "extremes", counted)
    return seen


def columns(index):
    return index._tables.columns(index._plan)


def assert_equal(index, other):
    for name in COLUMNS:
        np.testing.assert_array_equal(columns(index)[name], columns(other)[name], err_msg=name)


def assert_right(index, model, rows):
    """Lists [latents, k] are those of the decoder's rows [latents, d], in float64."""
    scores = rows.double() @ model.unembedding.weight.double().T
    k = index.about.top_k
    top, bottom = scores.topk(k).values, scores.topk(k, largest=False).values
    np.testing.assert_allclose(columns(index)["top_scores"], top, rtol=1e-4)
    np.testing.assert_allclose(columns(index)["bottom_scores"], bottom, rtol=1e-4)
    for side, worth in (("top_ids", top), ("bottom_ids", bottom)):
        ids = torch.from_numpy(columns(index)[side]).long()
        np.testing.assert_allclose(scores.gather(1, ids), worth, rtol=1e-4)


def test_made_once_and_the_same_from_disk_and_in_memory(plain, model, projected, tmp_path):
    first = ue.latent_index(model, top_k=TOP_K, folder=tmp_path)
    assert projected["rows"] == 2 * N
    again = with_latents(plain, sae(plain, 0, N), sae(plain, 2, N))  # another session's
    found = ue.latent_index(again, top_k=TOP_K, folder=tmp_path)
    assert projected["rows"] == 2 * N
    refused = tmp_path / "file"
    refused.write_text("no folder can be made below it")
    held = ue.latent_index(model, top_k=TOP_K, folder=refused)
    assert projected["rows"] == 4 * N
    assert_equal(found, first)
    assert_equal(found, held)
    assert_right(found, model, torch.cat([sae(plain, layer, N).weights.W_dec for layer in (0, 2)]))
    assert (found.about.made, found.about.versions) == (first.about.made, first.about.versions)
    word = model.token(70).text
    assert found.search(word, match="exact") == held.search(word, match="exact")


def test_one_more_autoencoder_is_all_that_is_made(plain, model, projected, tmp_path):
    ue.latent_index(model, folder=tmp_path)
    more = with_latents(plain, sae(plain, 0, N), sae(plain, 1, N), sae(plain, 2, N))
    index = ue.latent_index(more, folder=tmp_path)
    assert projected["rows"] == 3 * N
    assert len(index) == 3 * N
    rows = torch.cat([sae(plain, layer, N).weights.W_dec for layer in (0, 1, 2)])
    assert_right(index, model, rows)


def test_another_autoencoder_of_the_same_name_has_its_own(plain, model, projected, tmp_path):
    ue.latent_index(model, folder=tmp_path)
    one = sae(plain, 0, N)
    dec = one.weights.W_dec.clone()
    dec[7, 3] += 1e-3
    other = ue.Sae(one.description, replace(one.weights, W_dec=dec))
    index = ue.latent_index(with_latents(plain, other), folder=tmp_path)
    assert projected["rows"] == 3 * N
    assert_right(index, model, dec)
    halved = ue.Sae(replace(one.description, scale_out=2.0), one.weights)  # weights alike
    index = ue.latent_index(with_latents(plain, halved), folder=tmp_path)
    assert projected["rows"] == 4 * N
    assert_right(index, model, one.weights.W_dec / 2)


def test_weights_written_to_in_place_have_lists_of_their_own(plain, projected, tmp_path):
    one = sae(plain, 0, N)
    model = with_latents(plain, one)
    ue.latent_index(model, folder=tmp_path)
    one.weights.W_dec.mul_(-3.0)  # what it remembers as its fingerprint stays
    index = ue.latent_index(model, folder=tmp_path)
    assert projected["rows"] == 2 * N
    assert_right(index, model, one.weights.W_dec)


def test_another_projection_length_or_model_has_its_own(plain, model, projected, tmp_path):
    ue.latent_index(model, folder=tmp_path)
    normed = ue.latent_index(model, projection="final_norm", folder=tmp_path)
    assert projected["rows"] == 4 * N
    shorter = ue.latent_index(model, top_k=3, folder=tmp_path)
    assert projected["rows"] == 6 * N
    assert columns(shorter)["top_ids"].shape == (2 * N, 3)
    assert not np.array_equal(columns(normed)["top_scores"][:, :3], columns(shorter)["top_scores"])
    cached = replace(plain.settings, cache_dir=str(tmp_path / "cache"))
    moved = ue.load(tiny_model("gpt2", seed=1, dtype=torch.float32), tokenizer=tiny_tokenizer())
    for one in (model, moved):
        one.settings = cached
        if one is moved:
            one.attach(sae(plain, 0, N), verify=False)
        ue.latent_index(one)
    assert projected["rows"] == 9 * N  # of the other model all again, in the cache too
    assert len(list((tmp_path / "cache" / "index").iterdir())) == 2


def test_layers_of_a_cross_layer_transcoder_are_kept_apart(plain, projected, tmp_path):
    model, _ = with_cross_layer(plain)
    first = ue.latent_index(model, folder=tmp_path)
    made = projected["rows"]
    n_layers = plain.anatomy.n_layers
    assert made == len(first) == CROSS * n_layers * (n_layers + 1) // 2
    found = ue.latent_index(with_cross_layer(plain)[0], folder=tmp_path)
    assert projected["rows"] == made
    assert_equal(found, first)
    rows = [
        one.sae.directions_at(site) for one in every(model) for site in one.sae.description.ends
    ]
    assert_right(found, model, torch.cat(rows))


def test_what_is_damaged_or_removed_is_made_again(model, projected, tmp_path):
    index = ue.latent_index(model, folder=tmp_path)
    cut, turned = sorted(tmp_path.rglob(LISTS))
    cut.write_bytes(cut.read_bytes()[:-8])
    data = bytearray(turned.read_bytes())
    data[-3] ^= 255
    turned.write_bytes(data)
    assert_equal(ue.latent_index(model, folder=tmp_path), index)
    assert projected["rows"] == 4 * N
    cut.unlink()
    assert_equal(ue.latent_index(model, folder=tmp_path), index)
    assert projected["rows"] == 5 * N
    found = ue.latent_index(model, folder=tmp_path)
    shutil.rmtree(tmp_path)
    assert found.search(model.token(70).text, match="part").total > 0  # open indexes need it not
    assert_equal(ue.latent_index(model, folder=tmp_path), index)
    assert projected["rows"] == 7 * N


def test_a_cancelled_one_goes_on_and_tells_how_far(model, projected, tmp_path, monkeypatch):
    monkeypatch.setattr("unembed.index.latent_index.STRETCH", 16)
    cancel, seen = Cancel(), []

    def progress(stage, done, total):
        seen.append((stage, done, total))
        if done == N:
            cancel.cancel()

    with pytest.raises(CancelledError):
        ue.latent_index(model, folder=tmp_path, cancel=cancel, progress=progress)
    assert projected["rows"] in (N, N + 16)
    assert not list(tmp_path.rglob("*.draft-*"))
    seen.clear()
    index = ue.latent_index(model, folder=tmp_path, progress=lambda *said: seen.append(said))
    assert projected["rows"] in (2 * N, 2 * N + 16)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1] == ("projecting", 2 * N, 2 * N)
    monkeypatch.undo()
    whole = ue.latent_index(model, folder=tmp_path / "whole")
    for name in ("top_ids", "bottom_ids"):
        np.testing.assert_array_equal(columns(index)[name], columns(whole)[name])


def test_what_a_kill_leaves_is_no_index(model, projected, tmp_path):
    index = ue.latent_index(model, folder=tmp_path)
    whole = next(tmp_path.rglob(LISTS)).parent
    draft = whole.rename(whole.with_name(f".{whole.name}.draft-killed"))  # just before its rename
    assert_equal(ue.latent_index(model, folder=tmp_path), index)
    assert projected["rows"] == 3 * N
    assert whole.exists()
    assert not draft.exists()


def test_a_bad_length_is_refused(model, tmp_path):
    with pytest.raises(InputError, match="top_k is 0"):
        ue.latent_index(model, top_k=0, folder=tmp_path)


def test_the_next_session_finds_what_one_made(model, projected, tmp_path):
    asked = {"among": "latents", "token": 70, "limit": 3}
    answers = []
    for _ in range(2):
        with making_apps(model, tmp_path) as make:
            answers.append(post(make(), "/api/index/token", asked).json())
    assert projected["rows"] == 2 * N
    assert answers[0] == answers[1]
    model.settings = replace(model.settings, cache_dir=str(tmp_path))
    index = ue.latent_index(model)  # and so does Python
    assert projected["rows"] == 2 * N
    assert [hit["node"] for hit in answers[0]["items"]] == [
        hit.node for hit in index.token(70, limit=3).items
    ]
