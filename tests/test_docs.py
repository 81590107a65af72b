"""Documents cannot rot: the code in them runs, and the files they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import unembed as ue

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "web/README.md"])
# Their numbers are compared, or they name rare tokens; the others run with fewer tokens, too.
ALL_TOKENS = ("getting-started.md", "interventions.md")
WITH_CODE = [path for path in DOCUMENTS if "```python" in path.read_text(encoding="utf-8")]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.demo
@pytest.mark.parametrize("path", WITH_CODE, ids=name_of)
def test_the_code_in_a_document_runs(path, capsys, request, monkeypatch):
    load = ue.load
    plain = (("gemma3-270m",), {})  # loaded once for all documents
    model = request.getfixturevalue("demo_model" if path.name in ALL_TOKENS else "small_demo")

    def loading(*source, **options):
        return model if (source, options) == plain else load(*source, **options)

    monkeypatch.setattr(ue, "load", loading)
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    exec(compile("\n".join(blocks), name_of(path), "exec"), {})
    if path.name == "getting-started.md":
        printed = capsys.readouterr().out
        assert "␣Tokyo 0.33" in printed
        assert "layer 30 is not in this model: gemma3-270m has layers 0-17" in printed


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_between_documents_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith(("http", "mailto:"))]
    assert [link for link in local if not (path.parent / link).exists()] == []


def test_the_readme_names_every_file_of_the_package():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    folders = [path for path in (ROOT / "src/unembed").iterdir() if path.is_dir()]
    packages = [path.name for path in folders if (path / "__init__.py").exists()]
    assert [name for name in packages if f"{name}/" not in readme] == []


def test_contributing_stays_short():
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) < 50
