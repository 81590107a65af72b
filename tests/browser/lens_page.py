"""The lens in the app, as its tests read it and set it up."""

from __future__ import annotations

from urllib.parse import unquote

from playwright.sync_api import Page

from .conftest import ANSWER, App

TOKYO = "p=The+capital+of+Japan+is+the+city+of"
LENS = f"v=1&view=lens&{TOKYO}"
TABLE = f"{LENS}&table=1"
# 161 tokens with <bos>
LONG = f"v=1&view=lens&p={'+'.join(['a', *['dog'] * 159])}&step=12&emb=0"


def menu(app: App, name: str) -> None:
    """Open one of the menus of the quiet line."""
    app.page.get_by_test_id(f"set-{name}").click()
    app.page.get_by_test_id(f"menu-{name}").wait_for()


def said(app: App, name: str) -> str:
    """What the quiet line says of a choice."""
    return " ".join(app.text(f"set-{name}").split())


def rows(app: App) -> list[str]:
    """Names of the rows, top to bottom, from the table view."""
    heads = app.page.get_by_test_id("lens-table").locator("tbody th")
    heads.first.wait_for(timeout=ANSWER)
    return heads.all_inner_texts()


def cells(app: App, name: str) -> list[str]:
    """Texts of one row of the table view."""
    table = app.page.get_by_test_id("lens-table")
    row = table.locator("tbody tr").nth(rows(app).index(name))
    return [" ".join(text.split()) for text in row.locator("td").all_inner_texts()]


def address(app: App) -> str:
    # asked of the page: what the driver knows of the address comes a moment later
    return unquote(app.page.evaluate("location.hash").removeprefix("#"))


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()


def middle(app: App, test_id: str) -> tuple[float, float]:
    box = app.page.get_by_test_id(test_id).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
