"""One tiny model behind all three faces."""

from __future__ import annotations

from ..cli.conftest import cli, source

__all__ = ["cli", "source"]
