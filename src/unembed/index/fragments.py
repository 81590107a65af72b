"""Fragments of a table of Lance: many processes write them, and one commits them, in its order.

A fragment that is not committed is no part of a table; `tidy` removes its files. pylance and
lance-ray are imported when first needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from unembed.errors import InputError
from unembed.index.bucket import WRITER
from unembed.index.store import Column, to_arrow


def write_fragments(table: str, columns: Mapping[str, Column]) -> list[str]:
    """Write rows as fragments of the table at a path or URI, which is there; what to commit."""
    from lance_ray.fragment import write_fragment

    rows = to_arrow(columns)
    how = _how(table)
    version = _opened(table).data_storage_version
    written = write_fragment(
        [rows], table, schema=rows.schema, data_storage_version=version, storage_options=how
    )
    return [json.dumps(fragment.to_json()) for fragment, _ in written]


def commit(table: str, fragments: Sequence[str]) -> None:
    """Append fragments to a table, in this order: all of them, or after an error none."""
    lance = _lance()
    parts = [lance.fragment.FragmentMetadata.from_json(one) for one in fragments]
    now, added = _opened(table).version, lance.LanceOperation.Append(parts)
    lance.LanceDataset.commit(table, added, read_version=now, storage_options=_how(table))


def tidy(table: str) -> None:
    """Drop what the table was before, and files that were never committed. No one else writes."""
    _opened(table).cleanup_old_versions(timedelta(0), delete_unverified=True)


def can_tidy() -> bool:
    """Whether pylance is installed, which `tidy` needs."""
    return find_spec("lance") is not None


def copy(table: str, to: str) -> None:
    """The table as it is now, in another place of the same storage, which copies its files."""
    found = _opened(table)
    found.deep_clone(to, found.version, storage_options=_how(to))


def _opened(table: str) -> Any:
    return _lance().dataset(table, storage_options=_how(table))


def _how(table: str) -> dict[str, str] | None:
    """How Lance asks for a table, where it is not on a disk."""
    return dict(WRITER) if "://" in table else None


def _lance() -> Any:
    try:
        import lance
        import lance.fragment
    except ImportError as error:
        raise InputError(
            "a build on a cluster, and files added to a corpus in object storage, need pylance and "
            "lance-ray, which are not installed",
            field="engine",
            fix="pip install 'unembed[ray]'",
        ) from error
    return lance
