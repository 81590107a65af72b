"""What is generated from the sources: the OpenAPI schema of the server, from which the app's types
are made; the kinds of node and the questions' options, for the app; the reference of the options.

python -m unembed.server.schema            # writes the files of `written()`
python -m unembed.server.schema --check    # exit status 1 when a committed file is not current
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from unembed import __version__
from unembed.analyses.attention.result import AttentionComparison, ThumbnailsComparison
from unembed.analyses.lens.result import LensComparison
from unembed.questions import documents
from unembed.server import nodes_script, wire
from unembed.server.app import build
from unembed.server.responses import GenerateToken

ROOT = Path(__file__).parents[3]
PATH = ROOT / "schema" / "openapi.json"
TABLE = ROOT / "docs" / "reference" / "questions.md"
RESULTS = ROOT / "docs" / "reference" / "results.md"
APP = ROOT / "web" / "src" / "questions.gen.ts"
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
            (wire.body_of(AttentionComparison), "serialization"),
            (wire.body_of(ThumbnailsComparison), "serialization"),
            (wire.body_of(LensComparison), "serialization"),
            (wire.JobEvent, "serialization"),
            (wire.body_of(GenerateToken), "serialization"),
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


def written() -> dict[Path, str]:
    """Every generated file, and what is in it."""
    return {
        PATH: text(),
        nodes_script.PATH: nodes_script.text(),
        TABLE: documents.markdown(),
        RESULTS: documents.results(),
        APP: documents.typescript(),
    }


def main(arguments: list[str]) -> int:
    """Write the files, or check those on disk."""
    current = written()
    if "--check" in arguments:
        stale = [path for path, one in current.items() if not _is(path, one)]
        return 1 if stale else 0
    for path, one in current.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one, "utf-8")
    return 0


def _is(path: Path, current: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == current


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
