"""What is kept of every token is what a run of its sentence alone computes; builds can be stopped,
gone on with and added to, and what cannot be built leaves nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

import unembed as ue
from unembed.errors import (
    CancelledError,
    CapabilityError,
    IndexMissingError,
    InputError,
    LoadError,
)
from unembed.index.corpus import trial
from unembed.index.corpus.build import estimate_corpus, index_corpus
from unembed.index.corpus.opening import corpora, open_corpus
from unembed.index.corpus.rows import SENTENCES, TOKENS, Rows
from unembed.index.corpus.tagger import _answer as answer_of
from unembed.index.store import Store, to_numpy
from unembed.models.tiny import tiny_model

from .conftest import MORE, PIPELINE, TEXT

NUMBERS = ("sentence", "position", "id", "start", "end", "word", "head", "special")


def kept(corpus):
    """Every row of every table, by table and column, as plain lists and arrays."""
    rows = corpus._rows
    tables = {SENTENCES: ["text", "file", "record", "piece", "first", "n", "whole"],
              TOKENS: [*NUMBERS, "form", "lemma", "pos", "tag", "dep", "entity"]}  # fmt: skip
    found = {
        (table, name): rows.column(table, name).to_pylist()
        for table, names in tables.items()
        for name in names
    }
    for site in corpus.sites:
        for name in ("row", "vector", "length"):
            found[site.name, name] = to_numpy(rows.column(site.name, name))
    return found


def assert_same(found, wanted):
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        if isinstance(values, np.ndarray):  # batches of other sizes round otherwise
            np.testing.assert_allclose(found[name], values, atol=1e-3, rtol=1e-3, err_msg=str(name))
        else:
            assert found[name] == values, name


def assert_kept(corpus, model, dtype_error):
    """Vectors and lengths against runs of each sentence alone."""
    rows = corpus._rows
    starts, sizes = rows.bounds()
    texts = rows.column(SENTENCES, "text").to_pylist()
    for site in corpus.sites:
        vectors = to_numpy(rows.column(site.name, "vector")).astype(np.float64)
        lengths = to_numpy(rows.column(site.name, "length"))
        assert len(vectors) == len(corpus) == sizes.sum()
        for text, start, size in zip(texts, starts, sizes, strict=True):
            run = model.run(text, capture=[site.name])
            assert len(run.ids) == size
            plain = run[site.name].double().reshape(size, site.heads, -1)
            norms = plain.norm(dim=-1, keepdim=True)
            wanted = (plain / norms).reshape(size, -1).numpy()
            np.testing.assert_allclose(vectors[start : start + size], wanted, atol=dtype_error)
            np.testing.assert_allclose(
                lengths[start : start + size], norms[..., 0].numpy(), rtol=1e-4
            )


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("gemma3", {"layers": [1, 3]}),
        ("bert", {"layers": [0], "state": "resid_pre"}),
        ("gpt2", {"kept": "context", "split": "windows", "max_tokens": 20}),
        ("falcon", {"kept": "hidden", "split": "lines", "layers": [2]}),
    ],
)
def test_what_is_kept_is_what_a_run_of_the_sentence_computes(
    family, options, model_of, texts, tmp_path
):
    model = model_of(family)
    corpus = index_corpus(model, texts, "one", folder=tmp_path, **options)
    assert_kept(corpus, model, 2e-3)
    named = {site.site for site in corpus.sites}
    assert named == {
        "bert": {"resid_pre", "z"}, "gpt2": {"z"}, "falcon": {"resid_post"},
    }.get(family, {"resid_post", "z"})  # fmt: skip


def test_double_precision_is_rounded_once(model_of, texts, tmp_path):
    model = model_of("gemma3", torch.float64)
    corpus = index_corpus(model, texts[:1], "one", [2], folder=tmp_path)
    assert_kept(corpus, model, 5e-4)  # half of the last place of half precision, below 1


def test_sentences_and_labels_are_those_of_the_texts(corpus):
    said = [corpus.text(number) for number in range(corpus.about.n_sentences)]
    assert said[:3] == [
        "The girl ran to a local pub to escape the din of her city.",
        "She can't hear anything!",
        "He sat on the river bank, near the bank of England.",
    ]
    tokens = [one for one in corpus.tokens(0) if one.word == "girl"]
    assert "".join(one.token.text for one in tokens) == "girl"
    assert {(one.pos, one.dep, one.head) for one in tokens} == {("NOUN", "nsubj", "ran")}
    england = [one for one in corpus.tokens(2) if one.word == "England"]
    assert {one.entity for one in england} == {"GPE"}
    assert corpus.about.spacy.startswith(PIPELINE)
    assert (corpus.about.n_cut, corpus.about.n_unread) == (0, 0)
    with pytest.raises(InputError, match="sentence 99 is not in 'tiny': it has 0-"):
        corpus.tokens(99)


def test_windows_hold_all_of_the_text(model, texts, tmp_path):
    corpus = index_corpus(
        model, texts[0], "w", [0], folder=tmp_path, split="windows", max_tokens=16
    )
    said = " ".join(corpus.text(number).strip() for number in range(corpus.about.n_sentences))
    assert said.split() == TEXT.split()
    assert max(len(corpus.tokens(number)) for number in range(corpus.about.n_sentences)) <= 16


def test_layers_are_added_without_reading_the_files_again(model, texts, tmp_path, monkeypatch):
    whole = index_corpus(model, texts, "whole", [1, 3], folder=tmp_path)
    first = index_corpus(model, texts, "tiny", [1], folder=tmp_path)
    before = first.search("The girl", layer=1)
    monkeypatch.setattr(Rows, "add_sentences", None)
    both = index_corpus(model, texts, "tiny", [1, 3], folder=tmp_path)
    assert both.about.sites == ("L1.resid_post", "L1.z", "L3.resid_post", "L3.z")
    assert_same(kept(both), kept(whole))
    assert first.search("The girl", layer=1) == before  # a reader that was there stays right
    monkeypatch.setattr(Rows, "add_vectors", None)
    again = index_corpus(model, texts, "tiny", [3], folder=tmp_path)
    assert again.about == both.about


def test_another_corpus_of_the_name_is_not_overwritten(model, texts, tmp_path):
    index_corpus(model, texts[0], "one", [0], folder=tmp_path)
    with pytest.raises(InputError, match="a corpus 'one' already, of other files") as caught:
        index_corpus(model, texts[1], "one", [0], folder=tmp_path)
    assert "--restart" in caught.value.fix
    with pytest.raises(InputError, match="split otherwise"):
        index_corpus(model, texts[0], "one", [0], folder=tmp_path, split="lines")
    other = index_corpus(model, texts[1], "one", [0], folder=tmp_path, restart=True)
    assert other.about.files == ("b.txt",)
    assert [one.name for one in corpora(model, folder=tmp_path)] == ["one"]
    assert len(list((tmp_path / "one").glob("v-*"))) == 1


@pytest.mark.parametrize("stage", ["add_sentences", "add_vectors", "pack"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_build_that_was_stopped_goes_on(stage, count, model, texts, tmp_path, monkeypatch):
    monkeypatch.setattr("unembed.index.corpus.build.STRETCH_CHARS", 60)
    options = {"folder": tmp_path, "max_tokens": 60}
    real, calls = getattr(Rows, stage), []

    def stopped(self, *given, **named):
        calls.append(1)
        if len(calls) == count:
            raise KeyboardInterrupt
        return real(self, *given, **named)

    monkeypatch.setattr(Rows, stage, stopped)
    with pytest.raises(KeyboardInterrupt):
        index_corpus(model, texts, "one", [1], **options)
    with pytest.raises(IndexMissingError, match="has no corpus 'one'; there are: none yet"):
        open_corpus(model, "one", folder=tmp_path)
    monkeypatch.setattr(Rows, stage, real)
    again = index_corpus(model, texts, "one", [1], **options)
    whole = index_corpus(model, texts, "two", [1], **options)
    assert_same(kept(again), kept(whole))


def test_what_an_append_left_half_done_is_dropped(model, texts, tmp_path, monkeypatch):
    """Tokens without their sentences, as a kill between two appends leaves them."""
    monkeypatch.setattr("unembed.index.corpus.build.STRETCH_CHARS", 60)
    real = Store.add

    def stopped(self, name, columns):
        if name == SENTENCES and self.count(SENTENCES):
            raise KeyboardInterrupt
        real(self, name, columns)

    monkeypatch.setattr(Store, "add", stopped)
    with pytest.raises(KeyboardInterrupt):
        index_corpus(model, texts, "one", [1], folder=tmp_path)
    monkeypatch.setattr(Store, "add", real)
    again = index_corpus(model, texts, "one", [1], folder=tmp_path)
    assert_same(kept(again), kept(index_corpus(model, texts, "two", [1], folder=tmp_path)))


def test_a_build_is_cancelled_and_says_how_far_it_is(model, texts, tmp_path, monkeypatch):
    monkeypatch.setattr("unembed.index.corpus.build.STRETCH_CHARS", 60)
    cancel, heard = ue.Cancel(), []

    def progress(stage, done, total):
        heard.append((stage, done, total))
        if len(heard) == 3:
            cancel.cancel()

    with pytest.raises(CancelledError):
        index_corpus(model, texts, "one", [1], folder=tmp_path, cancel=cancel, progress=progress)
    assert heard[0][:2] == ("reading texts", 0)
    assert all("tokens a second" in stage and done <= total for stage, done, total in heard[1:])
    index_corpus(model, texts, "one", [1], folder=tmp_path, progress=lambda *a: heard.append(a))
    assert heard[3][1] == heard[2][1]
    assert heard[4][1] > heard[3][1]


def test_two_builds_at_once_take_turns(model, texts, tmp_path):
    found = []

    def build():
        found.append(index_corpus(model, texts, "one", [1], folder=tmp_path).about)

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]


def test_a_full_disk_is_said_before_anything_is_built(model, texts, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(LoadError, match=r"it needs 0\.\d+ MB and 0.001 MB are free"):
        index_corpus(model, texts, "one", [1], folder=tmp_path)
    assert not list((tmp_path / "one").glob("v-*"))


def test_a_bad_file_leaves_what_was_there(model, texts, tmp_path):
    old = index_corpus(model, texts[0], "one", [1], folder=tmp_path)
    (tmp_path / "bad.txt").write_bytes(b"A good line.\n\n\xff\xfe")
    with pytest.raises(InputError, match="no UTF-8 text: byte 14"):
        index_corpus(model, tmp_path / "bad.txt", "one", [1], folder=tmp_path, restart=True)
    assert open_corpus(model, "one", folder=tmp_path).about == old.about


def test_what_cannot_be_built_is_said_at_once(model, model_of, texts, tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    for given, field, message in [
        ({"files": tmp_path / "empty.txt"}, "files", "no sentence in empty.txt that"),
        ({"layers": [4]}, "layers", "layer 4 is not in this model"),
        ({"layers": [0, -1]}, "layers", r"layers\[1\] is -1; it must be at least 0"),
        ({"layers": []}, "layers", "layers is .*; it must be a list of at least 1 item"),
        ({"name": "../up"}, "name", "name is '../up'; it must be"),
        ({"spacy": "no_such_pipeline"}, "spacy", "no spaCy pipeline 'no_such_pipeline'"),
        ({"max_tokens": 4}, "max_tokens", "from 8 to 4096"),
    ]:
        wanted = {"files": texts, "name": "one", "layers": [1]} | given
        with pytest.raises(InputError, match=message) as caught:
            index_corpus(model, folder=tmp_path, **wanted)
        assert caught.value.field == field
    with pytest.raises(CapabilityError, match="no tokenizer that says which characters"):
        index_corpus(ue.load(model.module, prove=False), texts, "one", folder=tmp_path)


def test_a_corpus_of_another_model_is_refused(model, model_of, texts, tmp_path):
    index_corpus(model, texts[0], "one", [1], folder=tmp_path)
    other = model_of("gpt2")
    for use in (open_corpus, lambda *a, **b: index_corpus(a[0], texts[0], a[1], [1], **b)):
        with pytest.raises(InputError, match="another model, or of other weights"):
            use(other, "one", folder=tmp_path)
    (next((tmp_path / "one").glob("v-*/tokens.lance/data/*"))).unlink()
    with pytest.raises(LoadError, match=r"the corpus in .* is damaged: tokens.lance/data/"):
        open_corpus(model, "one", folder=tmp_path)


def test_a_folder_can_be_a_uri_of_this_machine_and_no_other(model, texts, tmp_path):
    place = tmp_path / "a folder"
    made = index_corpus(model, texts[0], "one", [1], folder=place.as_uri())
    assert made.version.parent == place / "one"
    assert open_corpus(model, "one", folder=place.as_uri()).about == made.about
    for root in ("s3://bucket/corpora", "file://other/corpora"):
        with pytest.raises(InputError, match="corpora are kept in folders") as caught:
            index_corpus(model, texts[0], "one", [1], folder=root)
        assert caught.value.field == "folder"


def test_a_corpus_is_plain_files_that_can_be_copied(model, texts, tmp_path):
    """Versions first, the pointer last: as to a bucket and back."""
    made = index_corpus(model, texts, "one", [1], folder=tmp_path / "here")
    place, there = made.version.parent, tmp_path / "there" / "one"
    shutil.copytree(place, there, ignore=shutil.ignore_patterns("current.json", ".lock"))
    with pytest.raises(IndexMissingError):
        open_corpus(model, "one", folder=tmp_path / "there")
    shutil.copy(place / "current.json", there)
    shutil.rmtree(tmp_path / "here")
    copied = open_corpus(model, "one", folder=tmp_path / "there")
    assert copied.about == made.about
    assert copied.search("The girl", layer=1).items[0].match.word == "girl"


def test_changed_weights_are_noticed(model_of, texts, tmp_path):
    module = model_of("gpt2").module
    module = type(module)(module.config).eval()
    model = ue.load(module, tokenizer=model_of("gpt2").tokenizer, prove=False)
    corpus = index_corpus(model, texts[0], "one", [1], folder=tmp_path)
    with torch.no_grad():
        next(module.parameters()).mul_(2)
    with pytest.raises(InputError, match="were changed since"):
        corpus.search("The")


def test_a_kill_of_spacy_is_said(model, texts, tmp_path, monkeypatch):
    monkeypatch.setattr("unembed.index.corpus.build.STRETCH_CHARS", 60)
    real = subprocess.Popen.__init__

    def init(self, command, **options):
        dying = [sys.executable, "-c", 'print(\'{"ready": "x"}\', flush=True); input()']
        real(self, dying, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", init)
    with pytest.raises(LoadError, match="the process that runs spaCy ended"):
        index_corpus(model, texts, "one", [1], folder=tmp_path, spacy="x")


def test_what_a_component_of_a_pipeline_raises_is_said(model, texts, tmp_path, monkeypatch):
    from spacy import blank
    from spacy.language import Language

    @Language.component("fails_on_banks")
    def fails(doc):
        if "bank" in doc.text:
            raise KeyError("bank")
        return doc

    nlp = blank("en")
    nlp.add_pipe("fails_on_banks")
    assert len(answer_of(nlp, {"texts": ["A cat."], "whole": True})) == 1
    said = answer_of(nlp, {"texts": ["A bank."], "whole": True})
    assert said == {"error": "KeyError: 'bank'"}
    real = subprocess.Popen.__init__

    def init(self, command, **options):
        code = f'print(\'{{"ready": "x 1"}}\', flush=True); input(); print({json.dumps(said)!r})'
        real(self, [sys.executable, "-c", code], **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", init)
    with pytest.raises(LoadError, match="x 1 failed: KeyError: 'bank'; what was finished is kept"):
        index_corpus(model, texts, "one", [1], folder=tmp_path, spacy="x")


def test_a_corpus_of_the_same_name_and_another_precision_is_hinted_at(
    model_of, texts, tmp_path, monkeypatch
):
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(tmp_path))
    models = [
        ue.load(
            tiny_model("gpt2", dtype=dtype),
            tokenizer=model_of("gpt2").tokenizer,
            prove=False,
            settings=ue.Settings.from_environment(),
        )
        for dtype in (torch.float32, torch.float64)
    ]
    index_corpus(models[0], texts[0], "one", [1], kept="hidden")
    with pytest.raises(
        IndexMissingError, match="has no corpus 'one' as it is loaded, but with other"
    ):
        open_corpus(models[1], "one")
    with pytest.raises(IndexMissingError, match="has no corpus 'two'; there are: none yet"):
        open_corpus(models[1], "two")


@pytest.mark.parametrize("labels", [None, PIPELINE])
def test_an_estimate_is_near_what_a_build_takes(labels, model, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "LEAST_SECONDS", 0.2)
    path = tmp_path / "long.txt"
    said_once = (TEXT + "\n" + MORE + "\n").replace("bank", "bank{0}").replace("girl", "girl {0}")
    path.write_text("".join(said_once.format(number) for number in range(15)))
    said = estimate_corpus(model, path, [1, 2], spacy=labels)
    built = index_corpus(model, path, "one", [1, 2], folder=tmp_path, spacy=labels)
    assert said.tokens == pytest.approx(built.about.n_tokens, rel=0.15)
    assert said.bytes == pytest.approx(built.about.bytes, rel=0.15)
    assert said.seconds > 0


def test_an_estimate_for_ray_divides_each_stage_among_those_who_do_it(model, texts, monkeypatch):
    pytest.importorskip("lance_ray")
    real = trial.Trial.seconds_each

    def measured(own, sampled):
        real(own, sampled)
        return trial.Seconds(here=5.0, reading=6.0, states=8.0)

    monkeypatch.setattr(trial.Trial, "seconds_each", measured)
    monkeypatch.setattr(trial, "LEAST_SECONDS", 0.01)
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def each(**where):
        said = estimate_corpus(model, texts, [1], **where)
        return said.seconds / max(1, said.tokens)

    for where, wanted in [
        ({}, 5.0),
        ({"engine": "ray"}, 6.0 / 12 + 8.0 / 3),  # a process with the model for each four cores
        ({"engine": "ray", "workers": 2}, 6.0 / 12 + 8.0 / 2),
    ]:
        assert each(**where) == pytest.approx(wanted, rel=0.05), where
    with pytest.raises(InputError, match="workers"):
        estimate_corpus(model, texts, [1], engine="ray", workers=0)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_disk_that_is_full_in_a_build_is_said_and_what_was_done_is_kept(
    count, model, texts, tmp_path, monkeypatch
):
    monkeypatch.setattr("unembed.index.corpus.build.STRETCH_CHARS", 60)
    old = index_corpus(model, texts[0], "one", [1], folder=tmp_path)
    real, writes = Store._table_to_append, []

    def full(self, columns):
        writes.append(1)
        if len(writes) == count:
            raise OSError(28, "No space left on device")
        return real(self, columns)

    monkeypatch.setattr(Store, "_table_to_append", full)
    with pytest.raises(LoadError, match="No space left on device; what was finished is kept") as e:
        index_corpus(model, texts, "one", [1], folder=tmp_path, restart=True)
    assert "make room" in e.value.fix
    assert open_corpus(model, "one", folder=tmp_path).about == old.about
    monkeypatch.setattr(Store, "_table_to_append", real)
    index_corpus(model, texts, "two", [1], folder=tmp_path)


def test_a_disk_that_is_full_when_all_is_whole_leaves_what_was_there(
    model, texts, tmp_path, monkeypatch
):
    old = index_corpus(model, texts[0], "one", [1], folder=tmp_path)

    def full(path):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("unembed.index.versions.flush", full)
        with pytest.raises(LoadError, match="No space left on device"):
            index_corpus(model, texts, "one", [1], folder=tmp_path, restart=True)
    assert open_corpus(model, "one", folder=tmp_path).about == old.about
