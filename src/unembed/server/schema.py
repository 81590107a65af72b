"""What the app is generated from: the OpenAPI schema of the server, and the kinds of node.

python -m unembed.server.schema            # writes schema/openapi.json and web/src/nodes.gen.ts
python -m unembed.server.schema --check    # exit status 1 when a committed file is not current
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from unembed import __version__
from unembed.server import nodes_script, wire
from unembed.server.app import build

PATH = Path(__file__).parents[3] / "schema" / "openapi.json"
_FASTAPI_ERROR = "HTTPValidationError"
_PUBLIC_OPERATIONS = {"health", "login"}


def document() -> dict[str, Any]:
    """The schema as data."""
    schema = build(None, None, {}).openapi()
    schema["info"] = {
        "title": "Unembed",
        "version": __version__,
        "description": "See what a transformer language model computes, and change it meanwhile.",
    }
    _, extra = models_json_schema(
        [
            (wire.LensMetadata, "serialization"),
            (wire.JobEvent, "serialization"),
            (wire.GenerateToken, "serialization"),
        ],
        ref_template="#/components/schemas/{model}",
    )
    components = schema["components"]
    components["schemas"] = dict(sorted((extra["$defs"] | components["schemas"]).items()))
    for unused in (_FASTAPI_ERROR, "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "unembed_token_8420"},
    }
    schema["security"] = [{"bearer": []}, {"cookie": []}]
    for methods in schema["paths"].values():
        for operation in methods.values():
            responses = operation["responses"]
            if _FASTAPI_ERROR in str(responses.get("422")):  # added by itself, never answered
                del responses["422"]
            operation["responses"] = dict(sorted(responses.items()))
            if operation["operationId"] in _PUBLIC_OPERATIONS:
                operation["security"] = []
    return schema


def text() -> str:
    """The schema as it is committed."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the files, or check those on disk."""
    current = {PATH: text(), nodes_script.PATH: nodes_script.text()}
    if "--check" in arguments:
        same = (path.is_file() and path.read_text("utf-8") == now for path, now in current.items())
        return 0 if all(same) else 1
    for path, now in current.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(now, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
