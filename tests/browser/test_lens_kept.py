"""The lens in the app: saved, copied, sent as a link."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

from .conftest import App, printed_by
from .lens_page import LENS, cells

# ---------------------------------------------------------------- taking it along


def saved(app: App, item: str, folder: Path) -> Path:
    app.page.get_by_test_id("save").click()
    with app.page.expect_download() as download:
        app.page.get_by_role("menuitem", name=item).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_the_grid_is_saved_as_numbers(app, tmp_path):
    app.open(f"{LENS}&at=6-8&step=12&of=next&e=L9.H2;zero")
    with saved(app, "CSV", tmp_path).open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 4 * 3  # sides, rows, positions
    final = [line for line in lines if line["row"] == "L17.resid_post"]
    assert {line["kl_to_final_nats"] for line in final} == {"0"}
    assert [line["rank"] for line in lines if line["position"] == "8"] == [""] * 8
    answer = json.loads(saved(app, "JSON", tmp_path).read_text(encoding="utf-8"))
    assert answer["shape"] == [4, 3]
    assert answer["description"]["positions"] == [6, 7, 8]
    assert answer["baseline"]["probability"][2] is None


def test_the_grid_is_saved_as_a_picture(app, tmp_path):
    app.open(f"{LENS}&at=6-8&kind=kl&text=value")
    svg = ElementTree.parse(saved(app, "SVG", tmp_path)).getroot()
    texts = ["".join(text.itertext()) for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    shown = "".join(texts)
    for part in ("L17", "embed", "␣Tokyo", "␣city", "KL(final ‖ this)", "0.00"):
        assert part in shown
    png = saved(app, "PNG", tmp_path).read_bytes()
    assert png.startswith(b"\x89PNG")
    assert len(png) > 5_000


def test_the_copied_python_computes_the_same(app, small_demo):
    app.open(f"{LENS}&at=5-8&step=12&emb=0&dec=last_block&t=+Tokyo&e=L9.H2;zero&kind=kl")
    code = app.copied_python()
    code += "print([f'{value:.2f}' for value in lens.kl[0].tolist()])\n"
    code += "print(lens.rows, lens.positions, lens.decoder, lens.target)\n"
    printed = printed_by(code, small_demo)
    app.page.get_by_test_id("as-table").click()
    app.page.get_by_test_id("mode").locator("input[value=edited]").check()
    shown = [cell.split()[-1] for cell in cells(app, "L0")]
    assert str(shown) in printed
    assert "('L0.resid_post', 'L12.resid_post', 'L17.resid_post') (5, 6, 7, 8)" in printed
