"""The schema: committed, current, and the whole truth about what is answered."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from unembed.questions.table import QUESTIONS
from unembed.server import nodes_script, schema, wire
from unembed.server.table import API

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
GENERATOR = WEB / "node_modules" / ".bin" / "openapi-typescript"


def test_the_committed_schema_is_current():
    assert schema.PATH == ROOT / "schema" / "openapi.json"
    assert schema.PATH.read_text("utf-8") == schema.text(), (
        "schema/openapi.json is old: python -m unembed.server.schema"
    )


def test_the_committed_kinds_of_node_are_current():
    assert nodes_script.PATH == WEB / "src" / "nodes.gen.ts"
    assert nodes_script.PATH.read_text("utf-8") == nodes_script.text(), (
        "web/src/nodes.gen.ts is old: python -m unembed.server.schema"
    )


def test_what_else_is_written_from_the_questions_is_current():
    stale = [path.name for path, one in schema.written().items() if path.read_text("utf-8") != one]
    assert stale == [], "old: make api"
    assert {"questions.md", "questions.gen.ts"} < {path.name for path in schema.written()}


def test_checking_what_is_generated_notices_a_difference(monkeypatch, tmp_path):
    monkeypatch.setattr(schema, "PATH", tmp_path / "schema" / "openapi.json")
    monkeypatch.setattr(nodes_script, "PATH", tmp_path / "web" / "nodes.gen.ts")
    assert schema.main(["--check"]) == 1
    assert schema.main([]) == 0
    assert schema.main(["--check"]) == 0
    for written in (schema, nodes_script):
        whole = written.PATH.read_text("utf-8")
        written.PATH.write_text("old", "utf-8")
        assert schema.main(["--check"]) == 1
        written.PATH.write_text(whole, "utf-8")


@pytest.mark.skipif(not GENERATOR.exists(), reason="the app's packages are not installed")
@pytest.mark.skipif(shutil.which("node") is None, reason="no Node")
def test_the_apps_types_are_current(tmp_path):
    script = json.loads((WEB / "package.json").read_text("utf-8"))["scripts"]["api"].split()
    flags = [word for word in script if word.startswith("--")]
    out = tmp_path / "api.gen.ts"
    command = [str(GENERATOR), str(schema.PATH), "-o", str(out), *flags]
    subprocess.run(command, check=True, capture_output=True, cwd=WEB)
    assert (WEB / "src" / "api.gen.ts").read_text("utf-8") == out.read_text("utf-8"), (
        "web/src/api.gen.ts is old: npm run api, in web/"
    )


def test_every_route_is_in_the_schema_and_nothing_else():
    documented = {
        (path, method.upper())
        for path, methods in schema.document()["paths"].items()
        for method in methods
    }
    assert documented == {(entry.path, method) for entry in API for method in entry.methods}


def test_every_body_of_the_wire_and_every_request_is_in_the_schema():
    named = set(schema.document()["components"]["schemas"])
    bodies = {
        name
        for name, kind in vars(wire).items()
        if isinstance(kind, type) and issubclass(kind, wire.Wire) and kind is not wire.Wire
    }
    asked = {question.request.__name__ for question in QUESTIONS}
    assert len(asked) > 10
    assert (bodies | asked) - named == set()


def test_every_error_has_the_one_shape():
    shape = {"$ref": "#/components/schemas/ErrorResponse"}
    for methods in schema.document()["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert response["content"]["application/json"]["schema"] == shape


def test_only_public_routes_need_no_token():
    for path, methods in schema.document()["paths"].items():
        entry = next(entry for entry in API if entry.path == path)
        for operation in methods.values():
            assert (operation.get("security") == []) == entry.public
