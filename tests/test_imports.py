"""Where the package imports: at the top of a module, and plainly.

import-linter holds the directions (`pyproject.toml`); it does not see why an import stands inside a
function or a `TYPE_CHECKING` block, where one that would close a circle is out of sight. So there
are none of the package's own, but for what starts without torch.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import unembed

SRC = Path(unembed.__file__).parent
OWN = "unembed"
STARTS_WITHOUT_TORCH = ("__init__.py", "cli/")  # `import unembed` and `unembed --help`
LATE = {
    "transformers": "takes seconds, and a module that was given needs none of it",
    "huggingface_hub": "only for what comes from there",
    "gguf": "only for a .gguf file",
    "lancedb": "an extra, which starts threads",
    "pyarrow": "comes with lancedb",
    "ray": "an extra, which starts threads",
    "lance": "comes with the extra of ray",
    "lance_ray": "comes with the extra of ray",
    "spacy": "an extra, in a process of its own",
    "rich": "only in a terminal",
    "pandas": "only where a table is asked for",
    "anywidget": "an extra",
    "traitlets": "comes with anywidget",
    "peft": "reads adapters, which most people have none of",
}


def imported(node: ast.AST) -> list[str]:
    """The packages that a statement imports."""
    if isinstance(node, ast.Import):
        return [name.name.partition(".")[0] for name in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").partition(".")[0]]
    return []


def inside(tree: ast.Module, kinds: tuple[type[ast.AST], ...]) -> Iterator[tuple[int, str]]:
    """(line, package) of every import inside of such a statement."""
    for outer in ast.walk(tree):
        if isinstance(outer, kinds):
            for node in ast.walk(outer):
                yield from ((getattr(node, "lineno", 0), name) for name in imported(node))


def for_type_checkers(tree: ast.Module) -> ast.Module:
    """What only type checkers carry out."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    found = [node for node in blocks if "TYPE_CHECKING" in ast.unparse(node.test)]
    return ast.Module(list(found), [])


def out_of_sight(tree: ast.Module) -> list[str]:
    """The package's own imports that only type checkers see, and late ones without a reason."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    hidden = [
        f"line {line}: {name} for type checkers only"
        for line, name in inside(for_type_checkers(tree), (ast.If,))
        if name == OWN
    ]
    late = [
        f"line {line}: {name} inside a function"
        for line, name in inside(tree, functions)
        if name not in LATE
    ]
    return list(dict.fromkeys([*hidden, *late]))


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda path: str(path.name))
def test_every_import_of_the_package_is_plain(path):
    if path.relative_to(SRC).as_posix().startswith(STARTS_WITHOUT_TORCH):
        return
    assert out_of_sight(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_each_late_import_is_still_one():
    late = {
        name
        for path in SRC.rglob("*.py")
        for _, name in inside(ast.parse(path.read_text(encoding="utf-8")), (ast.FunctionDef,))
    }
    assert set(LATE) <= late


@pytest.mark.parametrize(
    "code",
    [
        "if TYPE_CHECKING:\n    from unembed.engine.model import Model",
        "if typing.TYPE_CHECKING:\n    import unembed.engine",
        "def load():\n    from unembed.models import demo",
        "class One:\n    def two(self):\n        import numpy",
    ],
)
def test_a_hidden_import_is_found(code):
    assert out_of_sight(ast.parse(code))


def test_shapes_and_plain_imports_are_let_pass():
    code = (
        "from unembed.engine.model import Model\n"
        "if TYPE_CHECKING:\n    from jaxtyping import Float\n"
        "def table():\n    import pandas"
    )
    assert out_of_sight(ast.parse(code)) == []
