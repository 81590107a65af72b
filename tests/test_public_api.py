"""The table of contents of the package, pinned."""

from __future__ import annotations

import subprocess
import sys

import unembed


def test_nothing_else_is_public():
    assert unembed.__all__ == [
        "Anatomy", "Cancel", "Edit", "Generation", "LensResult", "Model", "Run", "Settings",
        "Token", "add", "errors", "load", "logit_lens", "partial_forward", "patch",
        "required_capture", "scale", "set_to", "zero",
    ]  # fmt: skip


def test_importing_the_package_does_not_import_torch():
    code = "import sys, unembed; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
