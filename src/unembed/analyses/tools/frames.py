"""Results as pandas tables, for those who have pandas. Knows columns and lines only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unembed.errors import InputError

if TYPE_CHECKING:
    import pandas


def data_frame(data: dict[str, list[Any]] | list[dict[str, Any]]) -> pandas.DataFrame:
    """A table of columns, or of lines. Raises InputError, with the fix, where pandas is missing."""
    try:
        import pandas
    except ImportError as error:
        raise InputError(
            "to_pandas needs pandas, which is not installed",
            fix="pip install 'unembed[notebook]'",
        ) from error
    return pandas.DataFrame(data)
