"""Small files that are the old ones or the whole new ones, whatever ends in between."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unembed.models.store import flush


def write_whole(path: Path, data: Mapping[str, Any]) -> None:
    """Data as JSON, in one step."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    beside.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    flush(beside)
    os.replace(beside, path)
    flush(path.parent)
