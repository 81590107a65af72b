"""Training is the same whatever interrupts it, says true numbers, and leaves what others read."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

import unembed as ue
from unembed.engine.targets import SiteKey
from unembed.errors import (
    CancelledError,
    CapabilityError,
    IndexMissingError,
    InputError,
    LoadError,
    TargetError,
    TooLargeError,
    UnembedError,
)
from unembed.latents import saving
from unembed.latents.load import places
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.training import checkpoint
from unembed.training.activations import Activations
from unembed.training.measures import HeldOut
from unembed.training.texts import held_out, texts_of

from .conftest import SITE, SMALL

FILES = ("cfg.json", "sae_weights.safetensors")
TRANSCODER = "L1.mlp_in>L1.mlp_out"


def kept(folder: Path | str) -> list[bytes]:
    return [(Path(folder) / name).read_bytes() for name in FILES]


def site_of(name: str) -> SiteKey:
    return places(name)[0]


class Stop(Exception):
    """As a kill: nothing is done about it."""


def stopping(after: int, stop):
    """A progress that stops the training after some step."""

    def progress(stage: str, done: int, total: int) -> None:
        if done >= after * SMALL["batch"]:
            stop()

    return progress


# ---------------------------------------------------------------- interrupted


def test_cancelled_and_gone_on_with_it_is_the_same_to_the_last_bit(model, text, whole, tmp_path):
    for after in (3, 20):
        cancel = ue.Cancel()
        with pytest.raises(CancelledError):
            ue.train_sae(
                model, text, SITE, folder=tmp_path, cancel=cancel,
                progress=stopping(after, cancel.cancel), **SMALL,
            )  # fmt: skip
        assert not (tmp_path / "cfg.json").exists()
    found = ue.train_sae(model, text, SITE, folder=tmp_path, **SMALL)
    assert kept(tmp_path) == kept(whole.folder)
    assert found.history == whole.history
    assert not (tmp_path / checkpoint.NAME).exists()


def test_one_that_was_stopped_while_it_measured_measures_when_it_goes_on(
    model, text, whole, tmp_path, monkeypatch
):
    measured, seen = HeldOut.measured, []

    def stop(self, sae, tokens, dead):
        if tokens >= 1600 and not seen:
            seen.append(tokens)
            raise CancelledError("the work was cancelled")
        return measured(self, sae, tokens, dead)

    monkeypatch.setattr(HeldOut, "measured", stop)
    with pytest.raises(CancelledError):
        ue.train_sae(model, text, SITE, folder=tmp_path, **SMALL)
    told = []
    found = ue.train_sae(model, text, SITE, folder=tmp_path, told=told.append, **SMALL)
    assert kept(tmp_path) == kept(whole.folder)
    assert found.history == whole.history == tuple(told)


def test_a_kill_leaves_the_last_checkpoint(model, text, whole, tmp_path):
    def kill() -> None:
        (tmp_path / f".{checkpoint.NAME}.0123").write_bytes(b"half of it")
        raise Stop

    with pytest.raises(Stop):
        ue.train_sae(model, text, SITE, folder=tmp_path, progress=stopping(17, kill), **SMALL)
    before = load_file(tmp_path / checkpoint.NAME)
    assert int(before["step"]) == 13  # 416 tokens, of checkpoints at 400; it stopped at 17
    steps = []
    ue.train_sae(
        model, text, SITE, folder=tmp_path,
        progress=lambda _, done, total: steps.append(done), **SMALL,
    )  # fmt: skip
    assert next(one for one in steps if one) == 416
    assert steps[-1] == 1600
    assert kept(tmp_path) == kept(whole.folder)


def test_what_is_whole_is_not_trained_again_and_other_options_are_refused(model, text, whole):
    before = kept(whole.folder)
    again = ue.train_sae(model, text, SITE, folder=whole.folder, **SMALL)
    assert (again.history, again.sae, again.n_held_out) == (
        whole.history, whole.sae, whole.n_held_out,
    )  # fmt: skip
    with pytest.raises(InputError, match="k 3, asked for 4") as refused:
        ue.train_sae(model, text, SITE, folder=whole.folder, **SMALL | {"k": 4})
    assert "restart" in str(refused.value.fix)
    assert kept(whole.folder) == before


def test_a_full_disk_is_told_and_leaves_the_checkpoint(model, text, whole, tmp_path, monkeypatch):
    write, calls = saving.save_file, iter(range(100))

    def full(tensors, path, **more):
        if next(calls) >= 2:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(tensors, path, **more)

    monkeypatch.setattr(saving, "save_file", full)
    with pytest.raises(LoadError, match="No space left") as error:
        ue.train_sae(model, text, SITE, folder=tmp_path, **SMALL)
    assert error.value.fix
    assert {one.name for one in tmp_path.iterdir()} <= {checkpoint.NAME, ".lock"}
    assert int(load_file(tmp_path / checkpoint.NAME)["step"]) == 25
    monkeypatch.setattr(saving, "save_file", write)
    ue.train_sae(model, text, SITE, folder=tmp_path, **SMALL)
    assert kept(tmp_path) == kept(whole.folder)


# ---------------------------------------------------------------- what comes out


def test_what_is_loaded_again_gives_the_numbers_that_were_measured(model, text, whole):
    """By the formulas of the layout, on activations of plain runs."""
    config = json.loads((Path(whole.folder) / "cfg.json").read_text())
    assert (config["architecture"], config["k"], config["d_sae"]) == ("topk", 3, 48)
    assert config["metadata"]["hook_name"] == "blocks.1.hook_resid_post"
    p = load_file(Path(whole.folder) / "sae_weights.safetensors")
    texts = texts_of(model, text, SMALL["context"], "text")
    own, _ = held_out(texts, SMALL["held_out"], 0)
    x = torch.cat(
        [
            model.run(list(texts.sequence(one)), [SITE])[SITE][torch.from_numpy(texts.places(one))]
            for one in own.tolist()
        ]
    )
    pre = torch.relu((x - p["b_dec"]) @ p["W_enc"] + p["b_enc"])
    least = pre.sort(-1, descending=True).values[:, 2:3]
    values = pre * (pre >= least)
    y = values @ p["W_dec"] + p["b_dec"]
    sae = ue.load_sae(whole.folder)
    torch.testing.assert_close(sae.encode(x), values, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(p["W_dec"].norm(dim=-1), torch.ones(48))
    explained = 1 - float((x - y).square().sum() / (x - x.mean(0)).square().sum())
    assert whole.last.explained == pytest.approx(explained, abs=1e-5)
    assert whole.last.active == pytest.approx(float((values > 0).sum() / len(x)))
    assert (whole.n_held_out, whole.last.n_tokens) == (len(x), 1600)
    assert len(whole.history) == 4
    assert whole.history[0].explained < whole.last.explained > 0.5
    check = ue.check_sae(sae, model)
    assert check.explained > 0.2
    model.attach(sae)
    try:
        assert model.run([5, 6, 7], ["L1.F2"])["L1.F2"].shape == (3,)
    finally:
        model.detach()


@pytest.mark.parametrize(
    "activation, skip", [("topk", True), ("batchtopk", False), ("jumprelu", True)]
)
def test_transcoders_are_read_again(model, text, tmp_path, activation, skip):
    asked = SMALL | {"activation": activation, "skip": skip, "tokens": 800}
    found = ue.train_sae(model, text, TRANSCODER, folder=tmp_path, **asked)
    sae = ue.load_sae(found.folder)
    assert (sae.description.where, sae.description.kind) == (TRANSCODER, "transcoder")
    assert sae.description.layout == ("sparsify" if activation == "topk" else "SAELens")
    assert (sae.weights.skip is not None) == skip
    texts = texts_of(model, text, SMALL["context"], "text")
    own, _ = held_out(texts, SMALL["held_out"], 0)
    ends = [site_of(end) for end in TRANSCODER.split(">")]
    rows = Activations(model, *ends, texts).rows(own.tolist())
    values = sae.encode(rows.x)
    left = (rows.y - sae.decode(values, rows.x)).square().sum()
    explained = 1 - float(left / (rows.y - rows.y.mean(0)).square().sum())
    assert found.last.explained == pytest.approx(explained, abs=1e-5)


@pytest.mark.parametrize(
    "family, site, module, dtype",
    [
        ("gpt2", "L1.resid_post", "transformer.h.1", torch.float64),
        ("gemma3", "L1.mlp_out", "model.layers.1.post_feedforward_layernorm", torch.float32),
    ],
    ids=["gpt2", "gemma3"],
)
def test_losses_are_those_of_transformers_own_pass(family, site, module, dtype, text, tmp_path):
    plain = tiny_model(family, dtype=dtype)
    model = ue.load(tiny_model(family, dtype=dtype), tokenizer=tiny_tokenizer(), prove=False)
    found = ue.train_sae(model, text, site, folder=tmp_path, **SMALL | {"tokens": 400})
    sae = ue.load_sae(tmp_path)
    texts = texts_of(model, text, SMALL["context"], "text")
    own, _ = held_out(texts, SMALL["held_out"], 0)
    key = site_of(site)
    y = Activations(model, key, key, texts).rows(own.tolist()).y
    ways = {
        "clean": lambda rows: rows,
        "spliced": lambda rows: sae.decode(sae.encode(rows), rows),
        "zero": torch.zeros_like,
        "mean": lambda rows: y.mean(0).expand_as(rows),
    }
    for name, way in ways.items():
        total, n = 0.0, 0
        for number in own.tolist():
            ids, own_places = torch.tensor([texts.sequence(number)]), texts.places(number)

            def hook(_, __, output, way=way, places=own_places):
                hidden = output[0] if isinstance(output, tuple) else output
                hidden = hidden.clone()
                hidden[0, places] = way(hidden[0, places]).to(hidden)
                return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

            handle = plain.get_submodule(module).register_forward_hook(hook)
            with torch.no_grad():
                logits = plain(ids).logits[0]
            handle.remove()
            total += float(cross_entropy(logits[:-1], ids[0, 1:], reduction="sum"))
            n += ids.shape[1] - 1
        close = 1e-9 if dtype == torch.float64 else 1e-4
        assert getattr(found.last.losses, name) == pytest.approx(total / n, abs=close), name


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_activations_are_those_of_each_run_alone(family, model_of, text):
    model = model_of(family)
    texts = texts_of(model, text, 24, "text")
    keys = [site_of(end) for end in TRANSCODER.split(">")]
    rows = Activations(model, *keys, texts).rows(list(range(12)))
    order = sorted(range(12), key=lambda one: (-len(texts.sequence(one)), one))
    for held, key in zip((rows.x, rows.y), keys, strict=True):
        alone = [
            model.run(list(texts.sequence(one)), [key.name])[key.name][texts.places(one).tolist()]
            for one in order
        ]
        torch.testing.assert_close(held, torch.cat(alone), atol=1e-5, rtol=1e-4)
    special = set(model.tokenizer.all_special_ids)
    assert not special & set(texts.ids[texts.own].tolist())
    assert not texts.own[texts.starts[:-1]].any()


def test_a_masked_model_has_no_loss_of_the_next_token(model_of, text, tmp_path):
    found = ue.train_sae(model_of("bert"), text, SITE, folder=tmp_path, **SMALL | {"tokens": 400})
    assert found.last.losses is None
    assert found.columns()["loss_spliced"] == [None]


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "site, changes, kind, words",
    [
        ("L9.resid_post", {}, TargetError, "layer 9 is not in this model"),
        ("L1.H0", {}, TargetError, "no place of an autoencoder"),
        ("L1.q", {}, InputError, "no name in SAELens"),
        ("L1.mlp_gate", {}, CapabilityError, "gate"),
        (SITE, {"k": 49}, InputError, "k is 49, of 48 latents"),
        (SITE, {"latents": 2}, InputError, "k is 3, of 2 latents"),
        (SITE, {"skip": True}, InputError, "has no skip"),
        (SITE, {"activation": "relu"}, InputError, "activation"),
        ("L1.mlp_in>L1.z", {"latents": 0}, InputError, "latents is 0"),
        ("L1.mlp_in>L1.mlp_post", {}, InputError, "no layout has a TopK transcoder"),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_what_cannot_be_is_refused_before_anything_runs(
    model, text, tmp_path, site, changes, kind, words
):
    with pytest.raises(kind, match=words) as error:
        ue.train_sae(model, text, site, folder=tmp_path / "new", **SMALL | changes)
    assert isinstance(error.value, UnembedError)
    assert error.value.field
    assert not (tmp_path / "new").exists()


def test_more_weights_than_the_limit_are_refused(model, text, tmp_path, monkeypatch):
    settings = replace(model.settings, max_sae_bytes=48 * 80 * 4 - 1)
    monkeypatch.setattr(model, "settings", settings)
    with pytest.raises(TooLargeError, match="max_sae_bytes"):
        ue.train_sae(model, text, SITE, folder=tmp_path / "new", **SMALL)


def test_texts_that_nothing_can_be_learnt_from(model, model_of, text, tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(InputError, match="nothing to learn from"):
        ue.train_sae(model, tmp_path / "empty.txt", SITE, folder=tmp_path / "new")
    with pytest.raises(IndexMissingError, match="neither"):
        ue.train_sae(model, "neither", SITE, folder=tmp_path / "new")
    corpus = ue.index_corpus(model_of("llama"), text, "other", [1], folder=tmp_path)
    with pytest.raises(InputError, match="token ids of"):
        ue.train_sae(model, corpus, SITE, folder=tmp_path / "new")
    texts = texts_of(model_of("llama"), corpus, 32, "text")
    assert [texts.sequence(at) for at in range(len(texts))] == [
        ids for ids in corpus.token_ids() if len(ids) > 1
    ]
    assert len(corpus) == sum(map(len, corpus.token_ids()))
