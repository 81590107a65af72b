"""Training on activations from processes of Ray is training on those from here.

What Ray would ask of other processes is done in this one; on a real one it is tested beside the
build of a corpus, in tests/index/corpus/test_cluster.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import unembed as ue
from unembed.errors import CancelledError, InputError, LoadError
from unembed.index.corpus import cluster as ray_cluster
from unembed.latents.load import places
from unembed.training import cluster
from unembed.training.activations import Activations
from unembed.training.texts import texts_of

from ..index.corpus.inline import within_this_process
from .conftest import SITE, SMALL

FILES = ("cfg.json", "sae_weights.safetensors")


def kept(folder: Path | str) -> list[bytes]:
    return [(Path(folder) / name).read_bytes() for name in FILES]


@pytest.mark.parametrize("most", [50_000, 3], ids=["at once", "in rounds"])
def test_it_comes_to_the_same_bytes_though_it_was_stopped(
    model, text, whole, tmp_path, monkeypatch, most
):
    monkeypatch.setattr(cluster, "MOST_GROUPS", most)
    cancel = ue.Cancel()

    def stop(_: str, done: int, __: int) -> None:
        if done >= 640:
            cancel.cancel()

    with within_this_process():
        with pytest.raises(CancelledError):
            ue.train_sae(
                model, text, SITE, folder=tmp_path, engine="ray", cancel=cancel, progress=stop,
                **SMALL,
            )  # fmt: skip
        found = ue.train_sae(model, text, SITE, folder=tmp_path, engine="ray", **SMALL)
    assert kept(tmp_path) == kept(whole.folder)
    assert found.history == whole.history


def test_of_a_transcoder_both_sites_are_taken(model, text):
    texts = texts_of(model, text, 24, "text")
    reads, writes = (places(name)[0] for name in ("L1.mlp_in", "L1.mlp_out"))
    of = Activations(model, reads, writes, texts)
    blocks = [[5, 3, 8, 1], [2, 9], [4]]
    with within_this_process():
        found = list(cluster.ClusterActivations(of, 2).stream(blocks, 40))
    for rows, sequences in zip(found, blocks, strict=True):
        wanted = of.rows(sequences, 40)
        assert torch.equal(rows.x, wanted.x)
        assert torch.equal(rows.y, wanted.y)
        assert not torch.equal(rows.x, rows.y)


def test_what_a_process_says_is_wrong_is_raised_here(model, text, tmp_path, monkeypatch):
    def no(self, row):
        raise LoadError("a process has no model", field="model", value="gpt2")

    monkeypatch.setattr(cluster.ActivationsWorker, "answer", no)
    with within_this_process(), pytest.raises(LoadError, match="has no model") as error:
        ue.train_sae(model, text, SITE, folder=tmp_path, engine="ray", **SMALL)
    assert error.value.field == "model"


def test_without_the_extra_it_says_what_to_install(model, text, tmp_path, monkeypatch):
    def missing():
        raise InputError("engine is 'ray', and Ray is not installed", field="engine")

    monkeypatch.setattr(ray_cluster, "_ray", missing)
    with pytest.raises(InputError, match="not installed"):
        ue.train_sae(model, text, SITE, folder=tmp_path / "new", engine="ray", **SMALL)
    with pytest.raises(InputError, match="engine") as error:
        ue.train_sae(model, text, SITE, folder=tmp_path / "new", engine="spark", **SMALL)
    assert error.value.field == "engine"
