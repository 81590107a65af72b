"""A fingerprint depends on every byte, the configuration and the tokenizer, and on nothing else."""

from __future__ import annotations

import copy
import json
import os
import shutil
import threading

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.engine.names.vocabulary import Read
from unembed.engine.provenance import Provenance
from unembed.errors import InputError
from unembed.models import fingerprint as fingerprints
from unembed.models.fingerprint import Watched, fingerprint
from unembed.models.loading import load_source
from unembed.models.tiny import FAMILIES, tiny_model, tiny_tokenizer
from unembed.models.weights import sums_of_weights
from unembed.settings import Settings

PROMPT = [5, 9, 13, 22]


def saved(folder, module, tokenizer=None):
    module.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", ["gpt2", "llama", "mixtral", "bert"])
def test_every_weight_counts_to_the_last_number(family):
    module = tiny_model(family)
    known = {fingerprint(module)}
    places = 0
    for weight in module.parameters():
        flat = weight.detach().view(-1)
        for entry in {0, len(flat) // 3, len(flat) - 1}:
            places += 1
            before = flat[entry].clone()
            flat[entry] = before.nextafter(torch.tensor(1e9))
            known.add(fingerprint(module))
            flat[entry] = before
    assert len(known) == 1 + places > 30


def test_a_negated_neuron_is_another_model(tmp_path):
    """The one that an index was opened for: its search then answered for the other model."""
    first, second = tiny_model("gpt2"), tiny_model("gpt2")
    with torch.no_grad():
        second.transformer.h[1].mlp.c_proj.weight[30].neg_()
    ours = ue.load(saved(tmp_path / "a", first, tiny_tokenizer()))
    theirs = ue.load(saved(tmp_path / "b", second, tiny_tokenizer()))
    assert ours.fingerprint != theirs.fingerprint
    assert ours.run(PROMPT).key != theirs.run(PROMPT).key
    ue.build_index(ours, top_k=3, folder=tmp_path / "index")
    with pytest.raises(InputError, match=ours.fingerprint):
        ue.open_index(theirs, folder=tmp_path / "index")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_module_and_its_saved_folder_are_the_same_model(family, tmp_path):
    """By what `load` makes of the folder before it proves anything."""
    module, options = tiny_model(family), {"settings": Settings(cache_dir=str(tmp_path / "cache"))}
    options |= dict.fromkeys(("dtype", "revision", "progress"))
    options |= dict.fromkeys(("trust_remote_code", "low_memory", "stream"), False)
    found = load_source(saved(tmp_path / "saved", module), None, device="cpu", **options)
    assert fingerprint(found.module, None, found.kept) == fingerprint(module)


def test_so_they_are_once_loaded(tmp_path):
    module = tiny_model("gemma3")
    own = fingerprint(module)
    assert ue.load(saved(tmp_path, module)).fingerprint == own
    assert ue.load(module).fingerprint == own


@pytest.mark.parametrize("mode", ["low_memory", "stream"])
def test_so_are_folders_whose_weights_are_read_late(mode, tmp_path):
    module, tokenizer = tiny_model("gemma3"), tiny_tokenizer()
    saved(tmp_path, module, tokenizer)
    late = ue.load(tmp_path, **{mode: True})
    first = late.fingerprint
    assert first == ue.load(module, tokenizer).fingerprint
    late.run(PROMPT)  # a streamed model's weights come and go
    assert late.fingerprint == first


def test_how_it_lies_in_files_does_not_count(tmp_path):
    module = tiny_model("llama")
    module.save_pretrained(tmp_path / "one")
    module.save_pretrained(tmp_path / "many", max_shard_size="20KB")
    shutil.copytree(tmp_path / "one", tmp_path / "another name")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 2
    found = {ue.load(folder).fingerprint for folder in tmp_path.iterdir()}
    assert len(found) == 1


def test_type_configuration_and_tokenizer_count():
    base = tiny_model("gemma2")
    capped = tiny_model("gemma2")
    capped.config.final_logit_softcapping = 7.0
    found = [
        fingerprint(base),
        fingerprint(tiny_model("gemma2").bfloat16()),
        fingerprint(capped),
        fingerprint(base, tiny_tokenizer()),
        fingerprint(base, tiny_tokenizer(add_bos=True)),
    ]
    assert len(set(found)) == len(found)
    words = tiny_tokenizer()
    before = fingerprint(base, words)
    words("to be padded", padding="max_length", truncation=True, max_length=20)
    assert fingerprint(base, words) == before


# ---------------------------------------------------------------- weights changed after loading


def in_place(module):
    with torch.no_grad():
        module.transformer.h[1].mlp.c_proj.weight[3].zero_()


def new_parameter(module):
    weight = module.transformer.h[0].ln_1.weight
    module.transformer.h[0].ln_1.weight = nn.Parameter(weight.detach() * 2)


def new_data(module):
    module.transformer.h[0].ln_1.weight.data = module.transformer.h[0].ln_1.weight.data * 2


def assigned(module):
    other = copy.deepcopy(module.state_dict())
    other["transformer.h.0.ln_1.weight"] *= 2
    module.load_state_dict(other, assign=True)


def converted(module):
    module.to(torch.bfloat16)


def reconfigured(module):
    module.config.scale_attn_weights = False


CHANGES = [in_place, new_parameter, new_data, assigned, converted, reconfigured]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_loading_is_noticed(change):
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    before = model.run(PROMPT)
    first = before.key
    same = model.run(PROMPT)
    assert same.key == first
    assert same.local_key == before.local_key
    change(model.module)
    after = model.run(PROMPT)
    assert after.key != first
    assert after.local_key != before.local_key
    assert model.fingerprint == fingerprint(model.module, model.tokenizer) != first[0]
    assert before.key == first
    assert before.provenance["fingerprint"] == first[0]


def through_data(module):
    module.transformer.h[1].mlp.c_proj.weight.data[3].neg_()


def through_numpy(module):
    module.transformer.wte.weight.detach().numpy()[7, 2] += 1


def one_bit(module):
    module.transformer.h[0].ln_1.bias.detach().view(torch.int32).numpy()[-1] ^= 1


def two_rows(module):
    weight = module.transformer.h[0].mlp.c_fc.weight.detach().numpy()
    weight[[4, 5]] = weight[[5, 4]]


def two_columns(module):
    weight = module.transformer.h[0].mlp.c_fc.weight.detach().numpy()
    weight[:, [4, 6]] = weight[:, [6, 4]]


UNCOUNTED = [through_data, through_numpy, one_bit, two_rows, two_columns]


@pytest.mark.parametrize("change", UNCOUNTED)
def test_a_write_that_torch_does_not_count_is_noticed(change):
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    before, unasked = model.run(PROMPT), model.run(PROMPT)
    first, state = before.key, model.state
    change(model.module)
    after = model.run(PROMPT)
    assert model.state is state  # torch did not count it
    assert after.key != first
    assert unasked.key != first  # nobody knows which weights it saw
    assert before.key == first
    assert before.provenance["fingerprint"] == first[0]
    assert model.fingerprint == fingerprint(model.module, model.tokenizer) != first[0]
    again = model.run(PROMPT)
    assert again.key == model.run(PROMPT).key != after.key


@pytest.mark.parametrize("change", UNCOUNTED)
def test_so_it_is_in_a_model_whose_files_are_known(change, tmp_path, counted):
    folder = saved(tmp_path / "m", tiny_model("gpt2"), tiny_tokenizer())
    kept = settings(tmp_path)
    first = ue.load(folder, settings=kept).fingerprint
    model = ue.load(folder, settings=kept)
    assert counted["weights"] == 1
    run = model.run(PROMPT)
    change(model.module)
    assert run.key[0] != first
    assert model.fingerprint == fingerprint(model.module, model.tokenizer) != first
    assert ue.load(folder, settings=kept).fingerprint == first  # what files hold stays


def test_a_write_while_the_files_are_read_is_not_taken_for_what_they_hold(tmp_path, monkeypatch):
    folder = saved(tmp_path / "m", tiny_model("gpt2"), tiny_tokenizer())
    kept = settings(tmp_path)
    monkeypatch.setattr(fingerprints, "WORTH_KEEPING", 0)
    made = fingerprints.digest_of_weights

    def meddled(module):
        through_data(module)
        return made(module)

    monkeypatch.setattr(fingerprints, "digest_of_weights", meddled)
    assert ue.load(folder, settings=kept).state.fingerprint.startswith("unknown-")
    monkeypatch.setattr(fingerprints, "digest_of_weights", made)
    assert ue.load(folder, settings=kept).fingerprint == fingerprint(
        tiny_model("gpt2"), tiny_tokenizer()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_any_one_number_changes_the_sums(dtype):
    module = nn.Linear(37, 53).to(dtype)
    first = sums_of_weights(module)
    for weight in module.parameters():
        flat = weight.detach().view(-1).view(torch.uint8)
        for place in range(0, len(flat), 97):
            flat[place] ^= 128
            assert sums_of_weights(module) != first
            flat[place] ^= 128
    assert sums_of_weights(module) == first


def test_an_open_index_notices_a_write_that_torch_does_not_count(tmp_path):
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    index = ue.build_index(model, top_k=3, folder=tmp_path)
    index.search("the")
    through_data(model.module)
    with pytest.raises(InputError, match="were changed since"):
        index.search("the")
    with pytest.raises(InputError, match="other weights"):
        ue.open_index(model, folder=tmp_path)
    through_data(model.module)  # negated once more
    index.search("the")


def test_an_open_index_looks_again_after_a_while_where_looking_is_long(tmp_path, monkeypatch):
    """Not at every question: 0.2 s for a gigabyte would be longer than the search."""
    now = [100.0]
    monkeypatch.setattr(fingerprints.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(
        fingerprints.time, "thread_time", iter(range(1000)).__next__
    )  # a second each
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    index = ue.build_index(model, top_k=3, folder=tmp_path)
    index.search("the")
    through_data(model.module)
    now[0] += fingerprints.RESTS - 1
    index.search("the")
    now[0] += 2
    with pytest.raises(InputError, match="were changed since"):
        index.search("the")
    through_data(model.module)
    index.search("the")
    through_data(model.module)
    assert model.fingerprint  # looks at once, whoever looked before
    with pytest.raises(InputError, match="were changed since"):
        index.search("the")


def test_what_was_not_asked_in_time_is_said_to_be_unknown():
    model = ue.load(tiny_model("gpt2"))
    before, other = model.run(PROMPT), model.run(PROMPT)
    in_place(model.module)
    assert before.provenance["fingerprint"].startswith("unknown-")
    assert before.key == other.key != model.run(PROMPT).key


def test_an_index_of_weights_that_changed_answers_nothing(tmp_path):
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    index = ue.build_index(model, top_k=3, folder=tmp_path)
    index.search("the")
    weight = model.module.transformer.h[1].mlp.c_proj.weight
    with torch.no_grad():
        weight[3].neg_()
    asked = (
        lambda: index.search("the"), lambda: index.token(7), lambda: index.similar("L1.N3"),
        lambda: index.vector("L1.N3"), lambda: index.browse(1), lambda: index.clusters(2),
    )  # fmt: skip
    for ask in asked:
        with pytest.raises(InputError, match="were changed since"):
            ask()
    with torch.no_grad():
        weight[3].neg_()
    index.search("the")  # changed back


def test_key_tokens_are_of_the_weights_as_they_are():
    from unembed.analyses.tools.vectors import key_tokens

    model = ue.load(tiny_model("llama"), tiny_tokenizer())
    before = key_tokens(model, "L0.N3", 5)
    with torch.no_grad():
        model.module.model.embed_tokens.weight[before.promotes[0].token.id] *= -1
    after = key_tokens(model, "L0.N3", 5)
    fresh = key_tokens(ue.load(model.module, model.tokenizer), "L0.N3", 5)
    assert after == fresh != before


def test_a_server_computes_again_what_it_had_of_other_weights(tmp_path):
    from unembed.session import Job, Session

    def asked():
        return session.run(Job(lambda job: None), Read(tuple(PROMPT)), logits="last")

    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    session = Session(model, Settings(cache_dir=str(tmp_path)))
    try:
        first = asked()
        assert asked() is first
        in_place(model.module)
        assert not torch.equal(asked().logits, first.logits)
    finally:
        session.close()


# ---------------------------------------------------------------- what is remembered of files


@pytest.fixture
def counted(monkeypatch):
    """How often weights, and tokenizers, were read to the last byte."""
    counts = {"weights": 0, "tokenizer": 0}
    for name in counts:
        made = getattr(fingerprints, f"digest_of_{name}")

        def count(given, made=made, name=name):
            counts[name] += 1
            return made(given)

        monkeypatch.setattr(fingerprints, f"digest_of_{name}", count)
    monkeypatch.setattr(fingerprints, "WORTH_KEEPING", 0)
    return counts


def settings(tmp_path):
    return Settings(cache_dir=str(tmp_path / "cache"))


def test_files_are_hashed_once(tmp_path, counted):
    folder = saved(tmp_path / "m", tiny_model("gpt2"), tiny_tokenizer())
    kept = settings(tmp_path)
    first = ue.load(folder, settings=kept).fingerprint
    assert counted == {"weights": 1, "tokenizer": 1}
    assert ue.load(folder, settings=kept).fingerprint == first
    assert counted == {"weights": 1, "tokenizer": 1}
    wide = ue.load(folder, dtype="float64", settings=kept).fingerprint
    assert wide == fingerprint(tiny_model("gpt2").double(), tiny_tokenizer()) != first
    other = ue.load(folder, tiny_tokenizer(add_bos=True), settings=kept).fingerprint
    assert other == fingerprint(tiny_model("gpt2"), tiny_tokenizer(add_bos=True))
    assert ue.load(folder, settings=kept).fingerprint == first


def test_files_that_changed_are_hashed_again(tmp_path, counted):
    """Also where the size is the same, and the time was put back."""
    folder = saved(tmp_path / "m", tiny_model("gpt2"), tiny_tokenizer())
    kept, path = settings(tmp_path), folder / "model.safetensors"
    first = ue.load(folder, settings=kept).fingerprint
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert ue.load(folder, settings=kept).fingerprint != first
    assert counted["weights"] >= 2


def test_what_files_hold_does_not_count_once_the_weights_were_changed(tmp_path, counted):
    folder = saved(tmp_path / "m", tiny_model("gpt2"), tiny_tokenizer())
    kept = settings(tmp_path)
    first = ue.load(folder, settings=kept).fingerprint
    model = ue.load(folder, settings=kept)
    in_place(model.module)
    assert model.fingerprint == fingerprint(model.module, model.tokenizer) != first
    assert ue.load(folder, settings=kept).fingerprint == first


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"weights": null}'])
def test_a_damaged_memory_costs_time_only(text, tmp_path, counted):
    folder = saved(tmp_path / "m", tiny_model("gpt2"))
    kept = settings(tmp_path)
    first = ue.load(folder, settings=kept).fingerprint
    (memory,) = (tmp_path / "cache" / "fingerprints").iterdir()
    memory.write_text(text)
    assert ue.load(folder, settings=kept).fingerprint == first
    assert json.loads(memory.read_text())["weights"]


def test_loading_does_not_wait_for_the_hash(tmp_path, monkeypatch):
    folder = saved(tmp_path / "m", tiny_model("gpt2"))
    monkeypatch.setattr(fingerprints, "WORTH_KEEPING", 0)
    go, begun = threading.Event(), threading.Event()
    made = fingerprints.digest_of_weights

    def slow(module):
        begun.set()
        assert go.wait(60)
        return made(module)

    monkeypatch.setattr(fingerprints, "digest_of_weights", slow)
    model = ue.load(folder, settings=settings(tmp_path))
    assert begun.wait(60)
    run = model.run(PROMPT)
    assert model.state.known is None
    go.set()
    assert run.provenance["fingerprint"] == model.fingerprint == fingerprint(tiny_model("gpt2"))


def test_weights_that_are_read_late_are_not_read_for_the_hash(tmp_path, counted):
    folder = saved(tmp_path / "m", tiny_model("gpt2"), tiny_tokenizer())
    model = ue.load(folder, low_memory=True, settings=settings(tmp_path))
    ue.logit_lens(model, PROMPT)
    assert counted["weights"] == 0


def test_weights_that_change_while_they_are_read_are_not_taken_for_either(monkeypatch):
    watched = Watched(module := tiny_model("gpt2"), None)
    made = fingerprints.digest_of_weights

    def meddled(module):
        found = made(module)
        in_place(module)
        return found

    monkeypatch.setattr(fingerprints, "digest_of_weights", meddled)
    state = watched.now()
    assert state.fingerprint.startswith("unknown-")
    monkeypatch.setattr(fingerprints, "digest_of_weights", made)
    assert watched.now() is not state
    assert watched.now().fingerprint == fingerprint(module)


def test_a_provenance_is_copied_as_words():
    model = ue.load(tiny_model("gpt2"))
    found = model.run(PROMPT).provenance
    assert isinstance(found, Provenance)
    assert "not computed yet" in repr(found)
    assert copy.deepcopy(found) == dict(found)
    assert dict(found)["fingerprint"] == model.fingerprint
