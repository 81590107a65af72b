"""Explore: the index is built, searched, browsed, grouped; what is found is read and switched."""

from __future__ import annotations

import pytest

from unembed.index.build import build_index

from .conftest import ANSWER, App, served

PROMPT = "the cat sat on the mat"
ASKED = f"p={PROMPT.replace(' ', '+')}"


@pytest.fixture(scope="module")
def tiny(model_of, tmp_path_factory):
    """A tiny model, its index built."""
    cache = tmp_path_factory.mktemp("cache")
    index(model_of("llama"), cache)
    with served(model_of("llama"), cache_dir=str(cache)) as address:
        yield address


def index(model, cache, **options) -> None:
    """Where a server with this cache finds it: what a person keeps is neither seen nor touched."""
    build_index(model, folder=cache / "index" / model.fingerprint, **options)


@pytest.fixture
def explore(app: App, tiny):
    """Opens a fragment on the tiny model."""

    def opened(fragment: str) -> App:
        app.address = tiny
        app.open(f"v=1&{fragment}")
        return app

    return opened


def nodes(app: App) -> list[str]:
    """The nodes that are listed."""
    app.settled()
    app.page.get_by_test_id("hit-0").wait_for()
    hits = app.page.locator("[data-testid^=hit-]")
    return [hit.get_attribute("data-node") or "" for hit in hits.all()]


# ---------------------------------------------------------------- the index


def test_the_index_is_built_with_a_button_that_says_what_it_costs(app: App, tmp_path, model_of):
    with served(model_of("gpt2"), cache_dir=str(tmp_path)) as app.address:
        app.open("v=1&view=explore&q=the")
        assert "vectors" in app.text("index-cost")
        assert "on disk" in app.text("index-cost")
        app.page.get_by_test_id("build-index").click()
        assert nodes(app)
        app.page.get_by_test_id("index-menu").click()
        assert "Vectors" in app.page.locator(".index-menu").inner_text()
        app.page.get_by_test_id("projection").get_by_label("final norm").check()
        app.page.get_by_test_id("no-index").wait_for()  # another index, not built yet
        assert "proj=final_norm" in app.page.url


def test_a_damaged_index_is_said_to_be_damaged_and_is_built_anew(app: App, tmp_path, model_of):
    index(model_of("gpt2"), tmp_path)
    for file in tmp_path.rglob("*.lance"):
        if file.is_file():
            file.write_bytes(b"")
    with served(model_of("gpt2"), cache_dir=str(tmp_path)) as app.address:
        app.open("v=1&view=explore&q=the")
        assert "damaged" in app.text("index-problem")
        app.page.get_by_test_id("build-index").click()
        assert nodes(app)


def test_a_model_without_neurons_says_why_it_has_no_index(app: App, tmp_path, model_of):
    with served(model_of("mixtral"), cache_dir=str(tmp_path)) as app.address:
        app.open("v=1&view=explore")
        assert "expert" in app.text("no-index")
        assert app.page.get_by_test_id("build-index").count() == 0


# ---------------------------------------------------------------- what is found


def test_words_are_searched_and_marked(explore):
    app = explore("view=explore")
    app.page.get_by_test_id("explore-teach").wait_for()
    app.page.get_by_test_id("words").fill("the, on")
    app.page.get_by_test_id("search").click()
    found = nodes(app)
    marked = app.page.get_by_test_id("hit-0").locator("mark").all_inner_texts()
    assert marked
    assert all(token.strip("␣").lower() in ("the", "on") for token in marked)
    assert "q=the,+on" in app.page.url
    app.page.get_by_test_id("combine").get_by_label("all").check()
    app.settled()
    every = app.page.locator("[data-testid^=hit-]").count()
    assert every <= len(found)


def test_an_unknown_word_shows_the_nearest_ones(explore):
    app = explore("view=explore&q=thee,+on")
    app.page.get_by_test_id("nearest").wait_for()
    assert "thee" in app.text("nearest")
    assert app.page.get_by_test_id("words").get_attribute("aria-invalid") == "true"
    app.page.get_by_test_id("nearest").get_by_role("button", name="the", exact=True).click()
    assert nodes(app)
    assert "q=the,+on" in app.page.url


def test_token_search_covers_every_vector_and_pages_through_them(explore):
    app = explore("view=explore&ask=token&tok=on")
    first = nodes(app)
    assert app.text("page").startswith("1–25 of ")
    app.page.get_by_test_id("next-page").click()
    second = nodes(app)
    assert not set(first) & set(second)
    assert "from=25" in app.page.url
    app.page.get_by_test_id("side").get_by_label("− suppresses").check()
    lowered = nodes(app)
    assert lowered != first
    assert "from=" not in app.page.url  # another question starts at its first page


def test_similar_vectors_to_a_neuron_a_difference_and_a_state(explore):
    app = explore("view=explore&ask=similar")
    app.page.get_by_test_id("similar-node").fill("l1d3")
    app.page.get_by_test_id("search").click()
    near = nodes(app)
    assert "to=L1.N3" in app.page.url
    app.page.get_by_test_id("like").get_by_label("tokens").check()
    app.page.get_by_test_id("plus").fill(" the")
    app.page.get_by_test_id("minus").fill("on")
    app.page.get_by_test_id("search").click()
    assert nodes(app) != near
    app.page.get_by_test_id("like").get_by_label("this run").check()
    assert "Run a prompt first" in app.page.locator(".explore-form").inner_text()
    app.run(PROMPT)
    assert nodes(app)


def test_a_layer_is_browsed_by_number(explore):
    app = explore("view=explore&ask=browse&bl=1&bn=4")
    assert nodes(app)[:2] == ["L1.N4", "L1.N5"]
    app.page.get_by_test_id("layer-select").select_option("0")
    assert nodes(app)[0] == "L0.N0"


def test_clusters_are_found_opened_and_led_to_from_a_member(explore):
    app = explore("view=explore&ask=clusters")
    app.page.locator("#cluster-number").fill("4")
    app.page.get_by_test_id("find-clusters").click()
    app.page.get_by_test_id("clusters").wait_for()
    app.settled()
    assert "4 clusters" in app.page.locator(".explore-form").inner_text()
    app.page.get_by_test_id("cluster-0").get_by_role("button", name="Open cluster 0").click()
    app.page.get_by_test_id("cluster").wait_for()
    member = app.page.locator("[data-testid^=hit-]").first.get_attribute("data-node")
    app.page.goto(f"{app.address}/#v=1&view=component&node={member}")
    app.settled()
    app.page.get_by_test_id("cluster-link").click()
    app.settled()
    title = app.page.locator(".explore-form h2").inner_text().split()
    assert title[:2] == ["Cluster", "#0"]


# ---------------------------------------------------------------- what is done with it


def test_a_hit_is_switched_on_the_page_says_by_how_much_and_off_restores(explore):
    app = explore(f"view=explore&q=the&{ASKED}")
    node = nodes(app)[0]
    assert app.page.get_by_test_id("effect").count() == 0
    app.page.get_by_test_id(f"on-{node}").click()
    app.settled()
    assert node in app.text("edit-0")
    assert float(app.text("effect-kl")) >= 0
    app.page.get_by_test_id("effect-continue").click()
    app.settled()
    app.page.get_by_test_id("generated-edited").wait_for()
    app.page.get_by_test_id(f"on-{node}").click()  # taken back
    app.page.get_by_test_id("effect").wait_for(state="detached")
    assert app.page.get_by_test_id("edit-0").count() == 0


def test_the_keyboard_walks_the_list_and_switches(explore):
    app = explore("view=explore&ask=browse")
    listed = nodes(app)
    app.page.locator(".hit-node").first.focus()
    app.page.keyboard.press("ArrowDown")
    app.page.keyboard.press("Enter")
    app.page.get_by_test_id("drawer").wait_for()
    assert listed[1] in app.text("drawer")
    app.page.keyboard.press("o")
    assert app.page.get_by_test_id(f"on-{listed[1]}").first.get_attribute("aria-pressed") == "true"
    app.page.keyboard.press("x")
    assert app.page.get_by_test_id("edit-0").count() == 1
    assert "off" in app.text("edit-0")
    app.page.keyboard.press("p")
    app.page.get_by_test_id("component-header").wait_for()
    assert "view=component" in app.page.url
    app.page.keyboard.press("Escape")  # whether it still computes or not
    app.page.get_by_test_id("view-explore").wait_for()


# ---------------------------------------------------------------- pages


def test_a_page_of_a_neuron_is_a_link_and_needs_no_prompt(explore):
    app = explore("view=component&node=L1.N3")
    assert "of its layer" in app.text("norm")
    assert "of all" in app.text("norm")
    rows = app.page.get_by_test_id("vector-promotes").locator("tbody tr")
    assert rows.count() == 16
    assert app.page.get_by_test_id("keys").locator("table").count() == 3  # gated
    assert len(nodes(app)) >= 5  # the nearest
    app.page.get_by_test_id("show").get_by_label("cloud").check()
    app.page.locator(".word-cloud text").first.wait_for()
    app.page.get_by_test_id("show").get_by_label("bars").check()
    assert app.page.locator(".bar-chart rect").count() > 20
    assert "show=bars" in app.page.url
    app.page.reload()
    app.page.locator(".bar-chart rect").first.wait_for()


def test_a_page_shows_the_activation_at_every_position(explore):
    app = explore(f"view=component&node=L1.N3&{ASKED}")
    tokens = app.page.get_by_test_id("activation-text").locator("button")
    assert tokens.count() > 5
    tokens.nth(2).click()
    app.settled()
    assert "pos=2" in app.page.url
    assert tokens.nth(2).get_attribute("aria-current") == "true"


def test_heads_and_layer_parts_have_pages_too(explore):
    app = explore("view=explore")
    for node in ("L1.H1", "L1.attn", "L0.mlp", "embed"):
        app.page.goto(f"{app.address}/#v=1&view=component&node={node}&{ASKED}")
        app.settled()
        assert node in app.text("component-header")
        assert app.page.get_by_test_id("vector-promotes").locator("tbody tr").count() >= 10
        assert app.page.get_by_test_id("activation-text").is_visible()


def test_a_page_of_no_such_neuron_says_what_there_is(explore):
    app = explore("view=component&node=L99.N3")
    assert "layers 0–" in app.text("open-component")


def test_a_name_is_kept_and_shown_wherever_the_node_appears(explore):
    app = explore("view=component&node=L1.N4")
    app.page.get_by_test_id("name-node").click()
    app.page.get_by_test_id("own-name").fill("the cats")
    app.page.get_by_test_id("keep-name").click()
    app.page.get_by_test_id("name-form").wait_for(state="detached")
    app.page.goto(f"{app.address}/#v=1&view=explore&ask=browse&bl=1&bn=4&node=L1.N4&e=L1.N4;zero")
    nodes(app)
    for place in ("hit-0", "drawer", "edit-0"):
        assert "the cats" in app.text(place)


# ---------------------------------------------------------------- for everyone


@pytest.mark.parametrize(
    "fragment",
    [
        "view=explore",
        f"view=explore&q=the&{ASKED}&e=L1.N3;on&node=L1.N3",
        "view=explore&ask=similar&to=L1.N3",
        f"view=component&node=L1.N3&show=cloud&{ASKED}",
        f"view=component&node=L1.N3&{ASKED}",
    ],
)
def test_axe_finds_nothing(explore, fragment: str):
    explore(fragment).assert_accessible()


@pytest.mark.parametrize("fragment", ["view=explore&q=the", "view=component&node=L1.N3"])
def test_nothing_is_wider_than_the_window(explore, fragment: str):
    app = explore(f"{fragment}&{ASKED}")
    app.page.get_by_test_id("hit-0").wait_for()
    assert app.too_wide([800, 1280, 1920]) == []


# ---------------------------------------------------------------- the demo model


@pytest.fixture(scope="module")
def demo(small_demo, tmp_path_factory):
    """The demo model with an index of its last layer: the whole one takes minutes."""
    cache = tmp_path_factory.mktemp("demo")
    index(small_demo, cache, layers=(17, 17))
    with served(small_demo, cache_dir=str(cache)) as address:
        yield address


def test_a_theme_is_found_switched_on_and_off_again(app: App, demo):
    """Searched: doctor. The first hit alone turns a teacher into a doctor.

    Tried on the same prompt, with an index of all layers: L16.N1654, the second hit, writes of
    nurses and patients; L11.N1721 alone changes nothing, with L14.N851 it makes a doctor, too.
    """
    app.address = demo
    app.open("v=1&view=explore&p=She+is+working+as+a&t=+doctor&gen=12,0,0")
    app.page.get_by_test_id("words").fill("doctor")
    app.page.get_by_test_id("search").click()
    node = nodes(app)[0]
    assert "Doctor" in app.text("hit-0")
    app.page.get_by_test_id(f"on-{node}").click()
    app.page.get_by_test_id("effect-kl").wait_for(timeout=ANSWER)
    app.settled()
    assert "teacher" in app.text("generated-baseline")
    assert "doctor" in app.text("generated-edited")
    before, after = (target_of(app, side) for side in ("baseline", "edited"))
    assert after > 10 * before
    assert float(app.text("effect-kl")) > 0.1
    app.page.get_by_test_id("edit-0").get_by_role("switch").click()
    app.page.get_by_test_id("effect").wait_for(state="detached")
    app.page.get_by_test_id("tab-predictions").click()
    app.settled()
    off = app.text("next-token")
    app.page.goto(f"{demo}/#v=1&p=She+is+working+as+a&t=+doctor")
    app.settled()
    assert app.text("next-token") == off


def target_of(app: App, side: str) -> float:
    """Probability of the target in the strip below the hits."""
    return float(
        app.page.get_by_test_id(f"effect-{side}").locator(".target .number").first.inner_text()
    )
