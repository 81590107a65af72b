"""The drawing in a notebook: its trait, and what the module does with a model of anywidget."""

from __future__ import annotations

import builtins
import json

import pytest

from unembed.errors import InputError
from unembed.figures import widget
from unembed.figures.drawing import module

from .browser import browsing
from .conftest import lens_of
from .flow_example import flow_example

# A model as anywidget gives it to `render`, and a page that imports the module from memory.
HARNESS = """
async ([source, first]) => {
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const { default: { render } } = await import(url);
  const heard = new Map();
  let drawn = first;
  const model = {
    get: (name) => (name === 'drawn' ? drawn : undefined),
    on: (event, tell) => heard.set(event, tell),
    off: (event) => heard.delete(event),
  };
  const el = document.createElement('div');
  document.body.append(el);
  const unmount = render({ model, el });
  window.harness = {
    change: (next) => { drawn = next; heard.get('change:drawn')(); },
    unmount: () => { unmount(); return [el.childElementCount, heard.size]; },
  };
}
"""


@pytest.mark.drawing
@pytest.mark.parametrize("result", [lens_of(2, 3), flow_example()], ids=["lens", "flow"])
def test_the_trait_is_what_the_page_has(result):
    shown = result.widget()
    page = result.to_html()
    data = page.split('id="unembed-data">')[1].split("</script>")[0]
    assert json.loads(shown.drawn) == json.loads(data)
    assert shown._esm == module()
    assert shown.trait_metadata("drawn", "sync")


def test_options_are_checked_as_those_of_pages_are():
    with pytest.raises(InputError) as caught:
        lens_of(1, 1).widget("mood")
    assert caught.value.field == "kind"
    with pytest.raises(InputError) as caught:
        flow_example().widget(palette="neon")
    assert caught.value.field == "palette"


@pytest.mark.drawing
def test_without_anywidget_the_error_says_what_to_install(monkeypatch):
    whole = builtins.__import__

    def without(name, *rest):
        if name == "anywidget":
            raise ImportError(name)
        return whole(name, *rest)

    widget._widget_class.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="needs anywidget") as caught:
        lens_of(1, 1).widget()
    assert caught.value.fix == "pip install 'unembed[notebook]'"
    monkeypatch.undo()
    widget._widget_class.cache_clear()


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


@pytest.mark.browser
def test_the_module_renders_follows_its_model_and_leaves_nothing(browser):
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("about:blank")
    page.evaluate(HARNESS, [module(), lens_of(3, 4).widget("rank").drawn])
    pressed = page.locator("[aria-pressed=true]").first
    assert pressed.inner_text() == "Rank"
    grid = page.get_by_test_id("lens-grid")
    grid.focus()
    page.keyboard.press("Home")
    assert "at position 0" in page.get_by_test_id("lens-cell").inner_text()
    page.evaluate("drawn => harness.change(drawn)", flow_example().widget().drawn)
    assert page.get_by_test_id("lens-grid").count() == 0
    page.get_by_test_id("flow-canvas").focus()
    page.keyboard.press("ArrowRight")
    assert "what enters layer 14" in page.get_by_test_id("flow-node").inner_text()
    assert page.evaluate("harness.unmount()") == [0, 0]
    assert complaints == []
    page.close()


@pytest.mark.browser
def test_a_notebooks_own_theme_is_followed(browser):
    page = browser.new_page(color_scheme="light")
    page.goto("about:blank")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.evaluate(HARNESS, [module(), lens_of(2, 2).widget().drawn])
    host = page.locator(".unembed-drawing")
    assert host.get_attribute("data-theme") == "dark"
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    page.locator(".unembed-drawing[data-theme=light]").wait_for()
    page.close()
