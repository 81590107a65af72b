"""What an index stores is what a dense computation gives; it is there whole, or not at all."""

from __future__ import annotations

import errno
import json
import shutil
import threading

import pytest
import torch

import unembed as ue
from unembed.engine.cancel import Cancel
from unembed.errors import (
    CancelledError,
    CapabilityError,
    IndexMissingError,
    InputError,
    LoadError,
)
from unembed.index.build import Builder, build_index
from unembed.index.opening import look, open_index
from unembed.index.options import BuildOptions
from unembed.index.tables import Tables
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.settings import Settings

from ..contract.wiring import REPRESENTATIVES
from .conftest import TOP_K, dense

RAW = [n for n in REPRESENTATIVES if n not in ("mixtral", "albert", "opt-post-norm")]
ENCODERS = ("bert", "modernbert")
CASES = [
    *((name, "raw") for name in RAW),
    *((name, "final_norm") for name in (*RAW, "opt-post-norm") if name not in ENCODERS),
]


def assert_lists(index, model, projection):
    """The stored tokens and scores are the best and worst of all; near ties may stand either way"""
    vectors, scores = dense(model, projection)
    assert len(index) == len(vectors)
    k = index.about.top_k
    for side, sign in (("promoted", 1), ("suppressed", -1)):
        ids, stored = (torch.from_numpy(column) for column in index.lists(side))
        wanted = sign * (sign * scores).topk(k).values
        limit = 2e-5 * float(scores.abs().max())
        torch.testing.assert_close(stored.double(), wanted, rtol=0, atol=limit)
        torch.testing.assert_close(scores.gather(1, ids.long()), wanted, rtol=0, atol=limit)
        assert all(len(set(row)) == k for row in ids.tolist())
    norms = torch.from_numpy(index.norms).double()
    torch.testing.assert_close(norms, vectors.norm(dim=-1), rtol=1e-6, atol=0)
    found = index.vectors.whole()
    torch.testing.assert_close(found.double(), vectors, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("name", "projection"), CASES)
def test_stored_lists_are_those_of_a_dense_computation(name, projection, index_of, model_of):
    assert_lists(index_of(name, projection), model_of(name), projection)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_models_of_other_precision_are_indexed_too(dtype, model_of, tmp_path):
    model = model_of("gemma3", dtype)
    index = build_index(model, top_k=5, folder=tmp_path)
    vectors, scores = dense(model)
    limit = 2e-5 * float(scores.abs().max())
    stored = torch.from_numpy(index.lists("promoted")[1]).double()
    torch.testing.assert_close(stored, scores.topk(5).values, rtol=0, atol=limit)
    assert len(vectors) == len(index)


@pytest.mark.parametrize("loading", [{"low_memory": True}, {"stream": True}], ids=str)
def test_models_whose_weights_lie_in_files_give_the_same_index(loading, tmp_path, model_of):
    plain = model_of("gemma3")
    plain.module.save_pretrained(tmp_path / "model")
    model = ue.load(str(tmp_path / "model"), tokenizer=plain.tokenizer, **loading)
    found = build_index(model, top_k=5, folder=tmp_path / "a", projection="final_norm")
    wanted = build_index(plain, top_k=5, folder=tmp_path / "b", projection="final_norm")
    for side in ("promoted", "suppressed"):
        for one, other in zip(found.lists(side), wanted.lists(side), strict=True):
            assert (one == other).all()


def test_an_index_says_what_it_is(index_of, model_of):
    about, model = index_of("gpt2").about, model_of("gpt2")
    assert (about.fingerprint, about.model) == (model.fingerprint, model.name)
    assert (about.projection, about.top_k, about.n_vectors, about.d) == ("raw", TOP_K, 156, 40)
    assert about.layers == (0, 1, 2)
    assert about.bytes > 156 * (4 * 40 + 16 * TOP_K)
    assert set(about.versions) == {"unembed", "torch", "transformers", "lancedb"}
    assert json.loads(json.dumps(about.to_dict()))["made"].endswith("Z")


def test_layers_of_experts_are_left_out(index_of):
    index = index_of("qwen3_moe")
    assert index.about.layers == (1,)
    assert index.vector("L1.N3").layer == 1
    with pytest.raises(CapabilityError, match="expert"):
        index.vector("L0.N3")
    with pytest.raises(InputError, match="it has layers 1-1"):
        index.token("he", layers=(0, 0))


def test_a_model_of_experts_alone_is_refused_with_the_reason(model_of, tmp_path):
    with pytest.raises(CapabilityError, match="mixture of experts"):
        build_index(model_of("mixtral"), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ where it is kept


def test_by_default_it_is_kept_in_the_cache_by_fingerprint(tmp_path):
    settings = Settings(cache_dir=str(tmp_path))
    model = ue.load(tiny_model("gpt2"), tokenizer=tiny_tokenizer(), settings=settings)
    build_index(model, top_k=3)
    assert (tmp_path / "index" / model.fingerprint / "raw" / "current.json").is_file()
    assert look(model) == open_index(model).about
    assert look(model, projection="final_norm") is None


def test_what_is_there_is_not_built_again(model_of, tmp_path, monkeypatch):
    model = model_of("gpt2")
    first = build_index(model, top_k=3, folder=tmp_path)
    monkeypatch.setattr(Builder, "step", None)
    assert build_index(model, top_k=3, folder=tmp_path).about == first.about


def test_another_top_k_or_restart_builds_anew_and_leaves_one_version(model_of, tmp_path):
    model = model_of("gpt2")
    build_index(model, top_k=3, folder=tmp_path)
    (first,) = (tmp_path / "raw").glob("v-*")
    assert build_index(model, top_k=4, folder=tmp_path).about.top_k == 4
    (second,) = (tmp_path / "raw").glob("v-*")
    build_index(model, top_k=4, folder=tmp_path, restart=True)
    (third,) = (tmp_path / "raw").glob("v-*")
    assert len({first, second, third}) == 3


def test_an_index_that_is_replaced_still_answers_whoever_has_it_open(model_of, tmp_path):
    model = model_of("gpt2")
    old = build_index(model, top_k=3, folder=tmp_path).warm()
    before = old.search("he"), old.similar("L1.N3"), old.token("he", side="suppressed")
    build_index(model, top_k=4, folder=tmp_path)
    assert (old.search("he"), old.similar("L1.N3"), old.token("he", side="suppressed")) == before


@pytest.mark.parametrize("top_k", [0, -1, 129, 5000])
def test_a_bad_top_k_is_refused(top_k, model_of, tmp_path):
    with pytest.raises(InputError, match="it must be 1 to 128"):
        build_index(model_of("gpt2"), top_k=top_k, folder=tmp_path)


# ------------------------------------------------------------------ stopped and gone on with


def counting(monkeypatch):
    """The layers that are projected from now on."""
    done = []
    real = Builder.step

    def step(self, *arguments):
        done.append(self.remaining[0])
        real(self, *arguments)

    monkeypatch.setattr(Builder, "step", step)
    return done


def test_a_cancelled_build_goes_on_after_the_last_whole_layer(model_of, tmp_path, monkeypatch):
    model, cancel = model_of("gemma3"), Cancel()

    def progress(stage, done, total):
        if done >= 104:
            cancel.cancel()

    with pytest.raises(CancelledError):
        build_index(model, top_k=5, folder=tmp_path, cancel=cancel, progress=progress)
    with pytest.raises(IndexMissingError):
        open_index(model, folder=tmp_path)
    done = counting(monkeypatch)
    index = build_index(model, top_k=5, folder=tmp_path)
    assert done == [2, 3]
    assert_lists(index, model, "raw")


def test_progress_counts_the_vectors_that_are_left(model_of, tmp_path):
    model, heard = model_of("gpt2"), []
    with Builder(model, BuildOptions(top_k=3), tmp_path) as builder:
        assert builder.prepare()
        builder.step()
    build_index(model, top_k=3, folder=tmp_path, progress=lambda *one: heard.append(one))
    assert heard[0] == ("projecting", 0, 104)
    assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard)


def test_a_draft_of_something_else_is_not_gone_on_with(model_of, tmp_path, monkeypatch):
    model = model_of("gpt2")
    with Builder(model, BuildOptions(top_k=3), tmp_path) as builder:
        builder.prepare()
        builder.step()
    done = counting(monkeypatch)
    assert_lists(build_index(model, top_k=4, folder=tmp_path), model, "raw")
    assert done == [0, 1, 2]


def test_a_draft_that_is_damaged_is_thrown_away(model_of, tmp_path, monkeypatch):
    model = model_of("gpt2")
    with Builder(model, BuildOptions(top_k=3), tmp_path) as builder:
        builder.prepare()
        builder.step()
        builder.remaining = [2, 1]
        builder.step()  # layers out of order: no beginning of any index
    done = counting(monkeypatch)
    assert_lists(build_index(model, top_k=3, folder=tmp_path), model, "raw")
    assert done == [0, 1, 2]


def test_two_builders_at_once_build_once(model_of, tmp_path, monkeypatch):
    model, done, failed = model_of("gpt2"), counting(monkeypatch), []

    def build():
        try:
            build_index(model, top_k=3, folder=tmp_path)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert done == [0, 1, 2]


def test_waiting_for_another_process_is_told_and_can_be_stopped(model_of, tmp_path):
    model = model_of("gpt2")

    def give_up(stage, done, total):
        raise CancelledError(stage)

    with Builder(model, BuildOptions(top_k=3), tmp_path) as builder:
        builder.prepare()
        with pytest.raises(CancelledError, match="waiting for another process"):
            build_index(model, top_k=3, folder=tmp_path, progress=give_up)
    build_index(model, top_k=3, folder=tmp_path)


# ------------------------------------------------------------------ what can be wrong with it


def test_a_missing_index_names_the_command(model_of, tmp_path):
    with pytest.raises(IndexMissingError) as caught:
        open_index(model_of("gpt2"), projection="final_norm", folder=tmp_path)
    assert caught.value.code == "no_index"
    assert "unembed index vectors GPT2LMHeadModel --projection final_norm" in caught.value.fix


def test_an_index_of_other_weights_is_named_and_kept(model_of, tmp_path):
    ours, theirs = model_of("gpt2"), model_of("gpt2", seed=1)
    build_index(theirs, top_k=3, folder=tmp_path)
    for use in (open_index, build_index, look):
        with pytest.raises(InputError, match="is of other weights") as caught:
            use(ours, folder=tmp_path)
        assert theirs.fingerprint in caught.value.message
        assert ours.fingerprint in caught.value.message
    with pytest.raises(InputError, match="is of another model"):
        open_index(model_of("gemma3"), folder=tmp_path)
    assert open_index(theirs, folder=tmp_path).about.top_k == 3
    assert build_index(ours, top_k=3, folder=tmp_path, restart=True).about.fingerprint == (
        ours.fingerprint
    )


def test_without_an_index_one_of_other_weights_of_that_name_is_mentioned(tmp_path):
    settings = Settings(cache_dir=str(tmp_path))
    old, new = (
        ue.load(tiny_model("gpt2", seed=seed), tokenizer=tiny_tokenizer(), settings=settings)
        for seed in (0, 1)
    )
    build_index(old, top_k=3)
    with pytest.raises(
        IndexMissingError, match=f"of other weights of that name: {old.fingerprint}"
    ):
        open_index(new)


def damage_pointer(folder):
    (folder / "current.json").write_text('{"version": "../../etc"}')


def damage_about(folder):
    next(folder.glob("v-*/about.json")).write_text("{")


def cut_data(folder):
    files = folder.glob("v-*/vectors.lance/data/*")
    largest = max(files, key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:100])


def garble_data(folder):
    for path in folder.glob("v-*/vectors.lance/data/*"):
        path.write_bytes(bytes(path.stat().st_size))


def remove_table(folder):
    shutil.rmtree(next(folder.glob("v-*/tokens.lance")))


def remove_version(folder):
    shutil.rmtree(next(folder.glob("v-*")))


DAMAGES = [damage_pointer, damage_about, cut_data, garble_data, remove_table, remove_version]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_a_damaged_index_is_refused_and_can_be_built_again(damage, model_of, tmp_path):
    model = model_of("gpt2")
    build_index(model, top_k=3, folder=tmp_path)
    damage(tmp_path / "raw")
    with pytest.raises(LoadError, match="damaged") as caught:
        open_index(model, folder=tmp_path)
    assert "--restart" in caught.value.fix
    index = build_index(model, top_k=3, folder=tmp_path, restart=True)
    assert_lists(index, model, "raw")
    assert len(list((tmp_path / "raw").glob("v-*"))) == 1


def test_an_index_of_another_format_is_refused(model_of, tmp_path):
    model = model_of("gpt2")
    build_index(model, top_k=3, folder=tmp_path)
    path = next((tmp_path / "raw").glob("v-*/about.json"))
    about = json.loads(path.read_text())
    about["plan"]["format"] = 99
    path.write_text(json.dumps(about))
    with pytest.raises(LoadError, match="format 99"):
        open_index(model, folder=tmp_path)


# ------------------------------------------------------------------ full disks


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("lance error: LanceError(IO): "
     "Generic LocalFileSystem error: No space left on device (os error 28), write.rs:9")],
    ids=["the system's", "LanceDB's"],
)  # fmt: skip
def test_a_full_disk_is_said_and_what_was_done_is_kept(error, model_of, tmp_path, monkeypatch):
    model = model_of("gemma3")
    old = build_index(model, top_k=3, folder=tmp_path)
    real, writes = Tables._table_to_append, []

    def full(self, columns):
        writes.append(1)
        if len(writes) == 3:
            raise error
        return real(self, columns)

    monkeypatch.setattr(Tables, "_table_to_append", full)
    with pytest.raises(LoadError, match="No space left on device; layers that were") as caught:
        build_index(model, top_k=5, folder=tmp_path)
    assert "make room" in caught.value.fix
    assert open_index(model, folder=tmp_path).about == old.about
    monkeypatch.setattr(Tables, "_table_to_append", real)
    done = counting(monkeypatch)
    assert_lists(build_index(model, top_k=5, folder=tmp_path), model, "raw")
    assert done == [2, 3]


def test_a_disk_without_room_is_seen_before_the_work(model_of, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    monkeypatch.setattr(Builder, "step", None)
    with pytest.raises(LoadError, match=r"it needs 0\.\d+ MB and 0.001 MB are free"):
        build_index(model_of("gpt2"), top_k=3, folder=tmp_path)


def test_a_folder_that_cannot_be_written_is_named(model_of, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LoadError, match="cannot be kept"):
        build_index(model_of("gpt2"), top_k=3, folder=tmp_path / "file")


def test_some_layers_alone_are_an_index_too(model_of, tmp_path):
    model = model_of("gpt2")
    whole = build_index(model, folder=tmp_path / "whole", top_k=4)
    some = build_index(model, folder=tmp_path / "some", top_k=4, layers=(1, 2))
    assert some.about.layers == (1, 2)
    for node in ("L1.N3", "L2.N7"):
        assert some.vector(node).promoted == whole.vector(node).promoted
    assert {hit.layer for hit in some.token(5, limit=200).items} == {1, 2}
    with pytest.raises(InputError, match="layers 2-9 cannot be indexed") as caught:
        build_index(model, folder=tmp_path / "none", layers=(2, 9))
    assert caught.value.legal == "0-2"
