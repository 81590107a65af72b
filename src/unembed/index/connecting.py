"""LanceDB, imported when it is first needed, which takes seconds."""

from __future__ import annotations

from typing import Any

from unembed.errors import InputError


def lancedb() -> Any:
    """The package; raises InputError where it is not installed."""
    try:
        import lancedb
    except ImportError as error:
        raise InputError(
            "an index needs LanceDB, which is not installed",
            fix="pip install 'unembed[index]'",
        ) from error
    return lancedb
