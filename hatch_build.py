"""Puts the built app and the module that draws pages into the wheel and the source distribution.

What is built already is taken as it is; otherwise npm builds it; without npm the build stops with
a sentence that says what to do. An editable install carries no app, so it needs neither.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = Path("src/unembed/server/static")
DRAWING = Path("src/unembed/figures/static")


class AppHook(BuildHookInterface):  # type: ignore[type-arg]
    """The hook named `custom` in pyproject.toml."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        if version == "editable":
            return
        root = Path(self.root)
        built = (root / STATIC / "index.html", root / DRAWING / "unembed-draw.js")
        if not all(path.is_file() for path in built):
            _build_app(root)
        # git ignores the folders, so hatchling would leave them out.
        for folder in (STATIC, DRAWING):
            build_data["artifacts"].append(f"{folder.as_posix()}/**")


def _build_app(root: Path) -> None:
    npm, web = shutil.which("npm"), root / "web"
    if npm is None or not (web / "package.json").is_file():
        raise SystemExit(
            f"The app is not built ({STATIC.as_posix()}/index.html is missing) and npm is not "
            "here to build it. Install Node 20.19 or newer and run `make wheel`, or install "
            "a finished wheel: pip install unembed"
        )
    for arguments in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
        subprocess.run([npm, *arguments], cwd=web, check=True)
