"""What axe finds wrong with a page, its slowest rule held to one of all that look alike.

axe takes some milliseconds for the contrast of each text, and a page of tokens has hundreds that
differ in nothing that contrast depends on. So texts are sorted by their look (LOOKS says what makes
one), and the rule is given one of each look, that with most letters: it does not judge a sign
alone. All other rules see the whole page.
"""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

CONTRAST = "color-contrast"

# Own colours and letters; what is painted below, of ancestors and of what merely lies there; what
# makes axe pass over a text: it is hidden, disabled, or of no letters.
LOOKS = """
const plain = 'rgba(0, 0, 0, 0)';
const painted = (style) =>
  style.backgroundColor !== plain || style.backgroundImage !== 'none'
    || style.opacity !== '1' || style.filter !== 'none' || style.mixBlendMode !== 'normal'
    ? [style.backgroundColor, style.backgroundImage, style.opacity, style.filter,
       style.mixBlendMode, style.position, style.zIndex].join()
    : '';
const above = (one) => one.parentElement ?? one.getRootNode().host ?? null;

function* elements(root) {
  for (const one of root.querySelectorAll('*')) {
    yield one;
    if (one.shadowRoot) yield* elements(one.shadowRoot);
  }
}

function textOf(one) {
  const own = [...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
  return own.map((node) => node.data).join('') + (one.value ?? '') + (one.placeholder ?? '');
}

function lookOf(one, text, layers) {
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const below = [];
  for (let at = one; at; at = above(at)) {
    if (!layers.has(at)) layers.set(at, painted(getComputedStyle(at)));
    if (layers.get(at)) below.push(layers.get(at));
  }
  const root = one.getRootNode();
  const there = root.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  for (const other of there)
    if (!other.contains(one)) below.push(painted(getComputedStyle(other)));
  const disabled = '[aria-disabled=true], :disabled, [inert]';
  return [
    one.tagName, one.className?.baseVal ?? one.className, there.includes(one),
    style.color, style.fontSize, style.fontWeight, style.textShadow,
    one.checkVisibility({ opacityProperty: true, visibilityProperty: true }), box.width > 1,
    one.closest(disabled) !== null, one.closest('label')?.control?.matches(disabled) ?? false,
    /[a-z0-9]{2}/i.test(text), ...below,
  ].join('|');
}

function marked(root) {
  const looks = new Map(), layers = new Map();
  for (const one of elements(root)) {
    const text = textOf(one).trim();
    if (!text) continue;
    const look = lookOf(one, text, layers);
    const letters = text.replace(/[^a-z0-9]/gi, '').length;
    if (letters > (looks.get(look)?.letters ?? -1)) looks.set(look, { letters, one });
  }
  const chosen = [...looks.values()].map((found) => found.one);
  for (const one of chosen) one.setAttribute('data-look', '');
  return chosen;
}
"""
RUN = f"""async ([within, options]) => {{
  {LOOKS}
  axe.configure({{ rules: [{{ id: '{CONTRAST}', selector: '[data-look]' }}] }});
  const chosen = marked(within ? document.querySelector(within) : document);
  try {{
    const found = await axe.run(within ?? document, options);
    return found.violations;
  }} finally {{
    for (const one of chosen) one.removeAttribute('data-look');
  }}
}}"""


def violations(
    page: Page, within: str | None = None, *, contrast_only: bool = False
) -> list[dict[str, Any]]:
    """What axe finds wrong with a page, or with the part of it that a selector names."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if contrast_only:
        options["runOnly"] = [CONTRAST]
    found: list[dict[str, Any]] = page.evaluate(RUN, [within, options])
    return found


def in_words(found: list[dict[str, Any]]) -> str:
    """Each rule with the elements that break it and how."""
    return "\n".join(
        f"{rule['id']}: {node['html'][:200]}\n    {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    )
