"""What people install: the wheel has the app, needs no Node and no torch to say what it can do."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = "unembed/server/static/"
DRAWING = "unembed/figures/static/unembed-draw.js"
SCRIPT_LIMIT = 160_000
DRAWING_LIMIT = 220_000  # of five drawings; a page that holds it may have 400 KB
WEB_LIMIT = 1_500_000


def build(source: Path, target: Path, kind: str, path: str | None = None) -> Path:
    """Build a "wheel" or an "sdist" offline, in this environment; `path` replaces PATH."""
    program = f"from hatchling import build; print(build.build_{kind}({str(target)!r}))"
    environment = {**os.environ, **({} if path is None else {"PATH": path})}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=source,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return target / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def app(members: dict[str, bytes]) -> dict[str, bytes]:
    """The web assets, by their path below the static folder."""
    return {name[len(STATIC) :]: data for name, data in members.items() if name.startswith(STATIC)}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the package is built from, without the built app and without web/."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py"):
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(
        ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("static", "__pycache__")
    )
    return copy


def test_the_wheel_holds_the_package_the_app_and_the_licence(members: dict[str, bytes]) -> None:
    assert f"{STATIC}index.html" in members
    assert "unembed/py.typed" in members
    assert any(name.endswith("licenses/LICENSE") for name in members)
    tops = {name.split("/")[0] for name in members}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"unembed"}
    assert not [name for name in members if name.endswith((".map", ".pyc", ".ts", ".tsx"))]


def test_the_wheel_works_with_every_python_and_names_the_extras(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("METADATA"))
        metadata = archive.read(name).decode()
    for extra in ("gguf", "demo", "notebook"):
        assert f"Provides-Extra: {extra}\n" in metadata


def test_every_asset_that_the_page_names_is_there(app: dict[str, bytes]) -> None:
    page = app["index.html"].decode()
    named = re.findall(r'(?:src|href)="(?:\./)?([^"#]+)"', page)
    assert any(name.endswith(".js") for name in named)
    assert [name for name in named if name not in app] == []
    assert "://" not in "".join(named)


def test_the_app_keeps_to_its_sizes(app: dict[str, bytes]) -> None:
    page = app["index.html"].decode()
    first = re.findall(r'(?:<script[^>]*src|modulepreload"[^>]*href)="(?:\./)?([^"]+)"', page)
    assert first
    assert sum(len(gzip.compress(app[name])) for name in first) < SCRIPT_LIMIT
    assert sum(len(data) for data in app.values()) < WEB_LIMIT


def test_the_module_that_draws_pages_and_widgets_is_there_and_small(
    members: dict[str, bytes],
) -> None:
    assert 10_000 < len(members[DRAWING]) < DRAWING_LIMIT


def test_the_source_distribution_holds_the_app_and_builds_without_node(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    source = build(ROOT, tmp_path, "sdist")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / source.name.removesuffix(".tar.gz")
    again = build(unpacked, tmp_path, "wheel", path="")
    with zipfile.ZipFile(again) as archive:
        assert set(archive.namelist()) == set(members)
        assert archive.read(f"{STATIC}index.html") == members[f"{STATIC}index.html"]


def test_without_the_app_and_without_npm_a_wheel_is_refused(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"The app is not built.*Install Node 20\.19 or newer"):
        build(checkout, tmp_path, "wheel", path="")


def test_an_editable_install_needs_neither(checkout: Path, tmp_path: Path) -> None:
    assert build(checkout, tmp_path, "editable", path="").is_file()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment of its own with the wheel in it, which sees our dependencies."""
    where = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", where], check=True)
    python = where / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "-qq", "--no-deps", "--no-index", wheel], check=True
    )
    site = sysconfig.get_path("purelib", vars={"base": str(where)})
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_installed_command_helps_without_torch(installed: Path) -> None:
    without_torch = (
        "import sys; sys.modules.update(torch=None, transformers=None, numpy=None);"
        "sys.argv = ['unembed', '--help'];"
        "import unembed.cli; print(unembed.__file__, flush=True); unembed.cli.main()"
    )
    done = subprocess.run(
        [installed, "-c", without_torch], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith(str(installed.parents[1]))
    assert "demo" in done.stdout
    command = installed.with_name("unembed")
    assert subprocess.run([command, "--help"], capture_output=True).returncode == 0
