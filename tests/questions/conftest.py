"""One tiny model behind all three faces."""

from __future__ import annotations

from ..cli.conftest import cli, one_thread, source

__all__ = ["cli", "one_thread", "source"]
