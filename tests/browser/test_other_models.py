"""The app on models that are made otherwise: masked, parallel blocks, experts, no head."""

from __future__ import annotations

import json

import pytest
from tokenizers import processors
from transformers import AutoModelForSequenceClassification

import unembed as ue
from unembed.analyses.tools.vectors import value_vectors
from unembed.models.tiny import BOS, EOS, tiny_model, tiny_tokenizer

from .conftest import opened, served


@pytest.fixture
def serve(tmp_path):
    """Serve a tiny model of a family; `headless` leaves the language-model head out."""

    def start(family: str, headless: bool = False):
        module = tiny_model(family)
        (module.base_model if headless else module).save_pretrained(tmp_path)
        tiny_tokenizer().save_pretrained(tmp_path)
        return served(ue.load(tmp_path), cache_dir=str(tmp_path / "cache"))

    return start


def test_a_masked_model_opens_at_its_mask(app, serve):
    mask = tiny_tokenizer().mask_token
    with serve("bert") as address:
        opened(app, address)
        app.run(f"the cat {mask} on the mat")
        chosen = app.page.locator("[data-testid^=token-][aria-selected=true]")
        assert mask in chosen.inner_text()
        assert app.row("next-token", 0)[0]
        app.page.get_by_test_id("tab-lens").click()
        app.settled()
        assert f"token {mask}" in app.text("lens-cell")
        app.page.get_by_test_id("token-1").click()
        assert "position 1" in app.text("lens-cell")


def test_a_masked_model_reads_the_token_itself_and_follows_no_next_one(app, serve):
    with serve("bert") as address:
        opened(app, address, "v=1&view=lens&table=1&kind=rank&p=the+cat+sat")
        app.page.get_by_test_id("set-scored").click()
        assert app.page.get_by_test_id("follow-next").count() == 0
        app.page.get_by_test_id("follow-input").check()
        app.settled()
        assert "of=input" in app.page.url
        app.page.goto(f"{address}/#v=1&view=lens&p=the+cat+sat&of=next")
        app.settled()
        assert "mask" in app.text("error")


def test_parallel_blocks_have_no_state_after_attention(app, serve):
    with serve("gptj") as address:
        opened(app, address)
        app.run("the cat sat on the mat")
        assert app.page.get_by_test_id("state-L1.resid_pre").is_visible()
        assert app.page.get_by_test_id("state-L1.resid_mid").count() == 0
        assert "attn ∥ mlp" in app.text("layers")


def test_parallel_blocks_have_rows_within_them_that_are_no_state_of_the_model(app, serve):
    with serve("gptj") as address:
        opened(app, address, "v=1&view=lens&p=the+cat+sat")
        app.page.get_by_test_id("set-rows").click()
        assert "not a state" in app.text("menu-rows")
        app.page.get_by_test_id("subblocks").check()
        app.settled()
        app.page.keyboard.press("Escape")
        app.page.get_by_title("L1.resid_pre+attn_out").click(force=True)
        app.settled()
        assert "layer 1 after attention" in app.text("lens-cell")
        assert "row=L1.resid_pre%2Battn_out" in app.page.url
        app.page.keyboard.press("x")
        app.settled()
        assert "L1.attn" in app.text("edit-0")


def test_experts_have_no_neurons_and_the_tray_says_why(app, serve):
    with serve("mixtral") as address:
        opened(app, address)
        app.run("the cat sat on the mat")
        app.page.get_by_test_id("quick-target").fill("L1.N3")
        assert "mixture of experts" in app.page.locator("#quick-problem").inner_text()
        assert app.page.get_by_test_id("quick-zero").is_disabled()


def test_a_model_without_a_head_says_so(app, serve):
    with serve("bert", headless=True) as address:
        opened(app, address)
        app.run("the cat sat on the mat")
        app.page.get_by_text("no language-model head").first.wait_for()


def test_components_of_a_model_without_a_head_have_examples_from_a_corpus(app, tmp_path):
    tiny_model("bert").base_model.save_pretrained(tmp_path / "model")
    model = ue.load(tmp_path / "model", tiny_tokenizer())
    texts, cache = tmp_path / "cats.txt", tmp_path / "cache"
    texts.write_text("The cat sat on the mat.\nThe dog sat by the door.\n")
    folder = cache / "corpora" / model.fingerprint
    corpus = ue.index_corpus(model, texts, "cats", [1], folder=folder, split="lines")
    site = ("L1.resid_post", value_vectors(model, 1)[5])
    neuron, along, head = ue.find_examples(corpus, ["L1.N5", site, "L1.H2"])
    with served(model, cache_dir=str(cache)) as address:
        opened(app, address)
        for node, found in (("L1.N5", neuron), ("L1.H2", head)):
            app.page.goto(f"{address}/#v=1&p=the+cat+sat&view=component&node={node}")
            app.page.get_by_test_id("no-tokens").get_by_text("no language-model head").wait_for()
            app.page.get_by_test_id("find-examples").click()
            app.settled()
            assert f"{100 * found.density:.2f}% of {found.n}" in app.text("examples-density")
            shown = app.page.get_by_test_id("node-examples").locator("bdi")
            assert shown.count() == len(found.items)
        app.page.goto(f"{address}/#v=1&p=the+cat+sat&view=component&node=L1.N5")
        app.page.get_by_test_id("keys").get_by_text("fires on").wait_for()
        assert app.page.get_by_test_id("hits").locator("li").count() == 10
        app.page.get_by_test_id("examples-of").get_by_label("the direction it writes").check()
        app.page.get_by_test_id("find-examples").click()
        app.settled()
        said = app.text("examples-density")
        assert said.startswith("L1.resid_post along what L1.N5 writes: above")
        assert f"{100 * along.density:.2f}% of {along.n}" in said
        app.assert_accessible("view-component")


def test_a_model_that_gives_labels_says_so_in_every_view(app, tmp_path):
    config = tiny_model("llama").config
    config.id2label = {0: "bad", 1: "good"}
    module = AutoModelForSequenceClassification.from_config(config).eval()
    model = ue.load(module, tiny_tokenizer())
    with served(model, cache_dir=str(tmp_path / "cache")) as address:
        opened(app, address)
        app.run("the cat sat on the mat")
        shown = ue.label_scores(model, "the cat sat on the mat").rows[0].baseline
        rows = app.page.locator("[data-testid=labels] tbody tr")
        assert [one.split()[0] for one in rows.all_inner_texts()] == [one.label for one in shown]
        assert f"{shown[0].score:+.3f}" in rows.first.inner_text().replace("−", "-")
        app.page.get_by_test_id("quick-target").fill("L1.attn")
        app.page.get_by_test_id("quick-zero").click()
        app.settled()
        assert app.page.locator("[data-testid=labels] thead").inner_text().count("edited") == 1
        app.page.get_by_test_id("tab-lens").click()
        app.settled()
        app.page.get_by_text("one of 2 labels (bad, good)").first.wait_for()
        app.page.get_by_test_id("tab-flow").click()
        app.settled()
        app.page.get_by_text("one of 2 labels (bad, good)").first.wait_for()  # why no tokens
        assert shown[0].label in app.page.get_by_test_id("set-flow-target").inner_text()
        run = model.run("the cat sat on the mat")
        off = model.run("the cat sat on the mat", edits=[ue.zero("L1.attn")])
        label = model.labels.index(shown[0].label)
        change = float(off.label_scores[label] - run.label_scores[label])
        measured = app.page.get_by_test_id("measured").first.get_attribute("data-value")
        assert float(measured) == pytest.approx(change, abs=1e-5)
        assert "plain" in app.text("set-flow-colours")
        other = model.labels.names[1 - label]
        app.page.get_by_test_id("target").select_option(label=other)
        app.settled()
        assert "the highest" in app.page.get_by_test_id("target").inner_text()
        assert app.page.get_by_test_id("distractor").count() == 0
        assert other in app.page.get_by_test_id("set-flow-target").inner_text()
        app.assert_accessible()
        app.page.get_by_test_id("as-table").click()
        heads = app.page.locator("[data-testid=flow-table] thead").inner_text().split()
        assert {"norm", "effect"} <= set(heads)
        assert not {"tokens", "rank", "entropy,", "logit"} & set(heads)
        app.page.get_by_test_id("tab-attribution").click()
        app.settled()
        assert f"score of the label '{other}'" in app.text("set-attributed")
        app.page.get_by_test_id("tab-patching").click()
        app.page.get_by_test_id("corrupted").fill("the mat sat on the mat")
        app.page.get_by_test_id("corrupted-use").click()
        app.settled()
        grid = ue.patch_grid(
            model, "the cat sat on the mat", "the mat sat on the mat", f'label("{other}")'
        )
        readout = app.text("patching-readout")
        assert f"score of the label '{other}'" in readout
        assert f"{grid.n_runs} run" in readout
        assert "of the text as a whole" in readout
        assert "at position" not in readout
        app.page.get_by_test_id("tab-circuit").click()
        app.page.get_by_test_id("no-circuit").get_by_text("explain the score of a label").wait_for()
        app.page.goto(f"{address}/#v=1&p=the+cat+sat&view=component&node=L1.H2")
        app.settled()
        assert "L1.H2" in app.page.locator("main").inner_text()
        assert app.page.get_by_test_id("error").count() == 0
        app.page.goto(f"{address}/#v=1&p=the+cat+sat&view=component&node=L1.N5")
        app.page.get_by_test_id("no-tokens").get_by_text("score of a label").wait_for()
        app.settled()
        assert "activation" in app.page.locator("main").inner_text()
        assert app.page.get_by_test_id("error").count() == 0
        app.page.goto(f"{address}/#v=1&p=the+cat+sat&view=predictions&node=L1.N5")
        app.page.get_by_text("It promotes no token: its head gives a text").first.wait_for()
        app.settled()
        assert app.page.get_by_test_id("error").count() == 0


def test_what_is_done_to_a_prompt_is_said_below_it(app):
    """The tokenizer would put special tokens around each text, also where it has them."""
    tokenizer = tiny_tokenizer(add_bos=True)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", BOS), ("<eos>", EOS)]
    )
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{% endfor %}"
    )
    said = tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    model = ue.load(tiny_model("gpt2"), tokenizer)
    with served(model) as address:
        opened(app, address)
        for prompt, notes in (
            ("the cat sat", ["would add <eos> at the end: it is left out"]),
            ("<bos>the cat sat", ["starts with <bos>", "would add <eos>"]),
            ("the cat sat<eos>", ["ends with <eos>", "what follows another text"]),
            (said, ["starts with <bos>", "would add <eos>"]),
        ):
            app.run(prompt)
            shown = app.page.get_by_test_id("prompt-note")
            shown.first.wait_for()
            texts = shown.all_inner_texts()
            assert len(texts) == len(notes), texts
            assert all(note in text for note, text in zip(notes, texts, strict=True)), texts
            strip = app.page.locator("[data-testid^=token-][role=option]")
            assert strip.count() == len(model.tokenize(prompt))


def test_a_chat_is_what_the_user_says_and_is_kept_in_the_address(app, tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    model = ue.load(tiny_model("gpt2"), tokenizer)
    with served(model, cache_dir=str(tmp_path / "cache")) as address:
        opened(app, address)
        app.run("the cat")
        plain = app.page.locator("[data-testid^=token-][role=option]").count()
        app.page.get_by_test_id("chat").check()
        assert "changed, not run" in app.page.locator("#prompt-notes").inner_text()
        app.page.get_by_test_id("run").click()
        app.settled()
        shown = app.page.locator("[data-testid^=token-][role=option]").all_inner_texts()
        assert len(shown) == len(model.tokenize([{"role": "user", "content": "the cat"}])) > plain
        assert "chat=1" in app.page.url
        for tab in ("lens", "flow"):
            app.page.get_by_test_id(f"tab-{tab}").click()
            app.settled()
            assert app.page.get_by_test_id("error").count() == 0
        app.page.get_by_test_id("tab-predictions").click()
        app.page.get_by_test_id("generate").click()
        app.settled()
        app.page.get_by_test_id("insert-baseline").click()
        app.settled()
        typed = json.loads(app.page.get_by_test_id("prompt").input_value())
        assert [one["role"] for one in typed] == ["user", "assistant"]


def test_a_model_without_a_template_has_no_chat_but_a_link_that_has_says_why(app, serve):
    with serve("gpt2") as address:
        opened(app, address, "v=1&p=the+cat")
        assert app.page.get_by_test_id("chat").count() == 0
        app.page.goto(f"{address}/#v=1&p=the+cat&chat=1")
        app.settled()
        assert "no chat template" in app.text("error")
        app.page.get_by_test_id("chat").uncheck()
        app.page.get_by_test_id("run").click()
        app.settled()
        assert app.page.get_by_test_id("error").count() == 0
