"""Fields of records that are kept beside their texts: of each record as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

LONGEST_VALUE = 100  # characters: what is longer is no label to filter by, and is cut


def metadata_of(names: Sequence[str], value: Callable[[str], Any]) -> str | None:
    """What a record has of these fields; None where none are asked for.

    Args:
        value: what stands in a field; raises KeyError where the record has none.
    """
    if not names:
        return None
    found = {}
    for name in names:
        try:
            given = value(name)
        except KeyError:
            continue
        if given is not None:
            text = given if isinstance(given, str) else json.dumps(given, default=str)
            found[name] = text.encode("utf-8", "replace").decode()[:LONGEST_VALUE]
    return json.dumps(found, ensure_ascii=False)


def read_metadata(text: str) -> Mapping[str, str]:
    """What `metadata_of` wrote."""
    found: dict[str, str] = json.loads(text)
    return found
