"""Where autoencoders come from: folders, files, the hub; what is refused, and in whose process."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import unembed as ue
from unembed.errors import LoadError, TargetError

from .written import LAYOUTS, random_parts

BY_NAME = {layout.name: layout for layout in LAYOUTS}


def saved(name: str, folder):
    layout = BY_NAME[name]
    return layout.write(random_parts(layout)).save(folder)


class Hostile:
    """A pickle that runs a command where it is read."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def test_a_malicious_pickle_does_not_run(tmp_path, process):
    mark = tmp_path / "ran"
    held = {"encoder_linear.weight": torch.zeros(3, 2), "more": Hostile(str(mark))}
    torch.save(held, tmp_path / "model.pt")
    with pytest.raises(LoadError, match=r"model\.pt is not read") as caught:
        ue.load_sae(tmp_path / "model.pt", "L1.resid_post")
    assert not mark.exists()
    assert "safetensors" in (caught.value.fix or "")


def test_a_file_of_torch_is_read_in_a_process_of_its_own(tmp_path, process, monkeypatch):
    path = saved("goodfire", tmp_path)
    monkeypatch.setattr(torch, "load", lambda *args, **options: pytest.fail("unpickled here"))
    assert ue.load_sae(path, "L1.resid_post").description.n == 12


def test_arrays_of_objects_are_refused(tmp_path):
    np.savez(tmp_path / "params.npz", b_enc=np.array([object()], dtype=object))
    with pytest.raises(LoadError, match="cannot be read"):
        ue.load_sae(tmp_path)


@pytest.mark.parametrize("name", ["saelens-standard", "gemma-scope", "openai-relu"])
def test_a_cut_file_is_refused(name, tmp_path, monkeypatch):
    path = saved(name, tmp_path)
    weights = path if path.is_file() else next(path.glob("*s*.[sn]*"))
    weights.write_bytes(weights.read_bytes()[:200])
    from unembed.latents import files
    from unembed.latents.unpickle import main

    def failing(path, to):
        if main(str(path), str(to)):
            raise LoadError("not read", field="source")

    monkeypatch.setattr(files, "converted", failing)
    with pytest.raises(LoadError) as caught:
        ue.load_sae(path)
    assert caught.value.field == "source"


def test_what_is_there_and_what_is_not(tmp_path):
    with pytest.raises(LoadError, match="no file or folder"):
        ue.load_sae(tmp_path / "nowhere")
    with pytest.raises(LoadError, match="layout is not known"):
        ue.load_sae(tmp_path)
    path = saved("saelens-standard", tmp_path)
    (path / "cfg.json").write_text("[1, 2", "utf-8")
    with pytest.raises(LoadError, match=r"cfg\.json cannot be read"):
        ue.load_sae(path)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("params_layer_0.safetensors", "has no b_enc; it holds w_enc"),
        ("W_enc_3.safetensors", "layer 3, and those of layers 0, 1, 2 are missing"),
    ],
)
def test_what_a_cross_layer_transcoder_lacks_is_named(tmp_path, name, why):
    save_file({"w_enc": torch.zeros(2, 3)}, tmp_path / name)
    (tmp_path / "config.json").write_text("{}", "utf-8")
    with pytest.raises(LoadError, match=why):
        ue.load_sae(tmp_path)


def test_a_factor_that_is_in_no_file_is_asked_for(tmp_path):
    layout = BY_NAME["saelens-standard"]
    parts = random_parts(layout)
    source = layout.write(parts)
    source.configs["cfg.json"]["normalize_activations"] = "expected_average_only_in"
    path = source.save(tmp_path)
    with pytest.raises(LoadError, match="scaled by a factor") as caught:
        ue.load_sae(path)
    assert "scale=FACTOR" in caught.value.fix
    sae = ue.load_sae(path, scale=0.5)
    x = torch.randn(5, parts.d)
    values = sae.encode(x)
    pre = (0.5 * x - parts.b_dec) @ parts.enc + parts.b_enc
    torch.testing.assert_close(values, pre.relu())
    wanted = (values @ parts.dec + parts.b_dec) / 0.5
    torch.testing.assert_close(sae.decode(values, x), wanted)


def test_one_of_several_layers_is_asked_for(tmp_path):
    layout = BY_NAME["qwen-scope"]
    for layer in (0, 1, 2):
        parts = random_parts(layout, seed=layer)
        parts.layer = layer
        path = layout.write(parts).save(tmp_path)
    with pytest.raises(LoadError, match="layers 0, 1, 2"):
        ue.load_sae(path)
    assert ue.load_sae(path, "L2.resid_post").description.where == "L2.resid_post"
    assert ue.load_sae(path / "layer1.sae.pt").description.where == "L1.resid_post"
    with pytest.raises(LoadError, match="none of layer 5"):
        ue.load_sae(path, "L5.resid_post")
    with pytest.raises(TargetError, match="no place of an autoencoder"):
        ue.load_sae(path, "L2.H3")


def test_the_hub_is_asked_for_files_one_by_one(tmp_path, monkeypatch):
    import huggingface_hub

    path = saved("gemma-scope-2", tmp_path)
    asked = []

    class Listed:
        def __init__(self, path, size=1):
            self.path, self.size = path, size

    class Api:
        def list_repo_tree(self, repository, inside, revision=None):
            assert (repository, inside) == ("google/scope", "resid_post/layer_1")
            names = ("config.json", "params.safetensors", "examples.safetensors")
            return [Listed(f"{inside}/{name}") for name in names]

    def download(repository, name, revision=None):
        asked.append(name)
        return str(path / name.rpartition("/")[2])

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    sae = ue.load_sae("google/scope/resid_post/layer_1")
    assert sae.description.where == "L1.resid_post"
    assert set(asked) == {
        "resid_post/layer_1/config.json",
        "resid_post/layer_1/params.safetensors",
    }


def test_a_hub_id_without_a_network_says_what_to_do(monkeypatch):
    import huggingface_hub

    class Api:
        def list_repo_tree(self, *args, **options):
            raise OSError("no network here")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    with pytest.raises(LoadError, match="no network here") as caught:
        ue.load_sae("google/gemma-scope-2-270m-pt/resid_post/layer_9")
    assert "give the folder" in caught.value.fix
