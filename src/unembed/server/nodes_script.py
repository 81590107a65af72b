"""The table of kinds of node as TypeScript, so that the app reads the names that Python reads.

`unembed.server.schema` writes it beside the schema.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unembed.engine import nodes
from unembed.questions.documents import constant

PATH = Path(__file__).parents[3] / "web" / "src" / "nodes.gen.ts"
_HEAD = """\
// Written by `make api` from src/unembed/engine/nodes.py.

/** One kind of node, or of site: see NodeKind in Python. */
export interface NodeKind {
  kind: string;
  /** How it is written, its numbers in braces; the first is the canonical form. */
  forms: readonly string[];
  /** A regular expression for each form, without the position behind it. */
  patterns: readonly string[];
  title: string;
  plural: string;
  words: string;
  example: string;
  site: string | null;
  sites: readonly string[];
  number: 'head' | 'neuron' | 'entry' | 'index' | null;
  called: string;
  writes: 'attn' | 'cross' | 'mlp' | null;
  is_node: boolean;
  pairs: boolean;
  operations: readonly string[];
  stages: readonly ('pre' | 'post')[];
}
"""


def text() -> str:
    """The file as it is committed."""
    kinds = (*nodes.KINDS, nodes.LATENT, nodes.LATENT_AT_SITE)
    rows = ",\n".join("  " + json.dumps(_row(row), ensure_ascii=False) for row in kinds)
    numbers = {name: f"[0-9]{{1,{digits}}}" for name, digits in nodes.DIGITS.items()}
    constants = {
        "NUMBERS": numbers,
        "POSITION": nodes.POSITION,
        "AT": _groups(nodes.AT),
        "SITE_WORDS": nodes.SITE_WORDS,
        "PAIR_SITES": nodes.PAIR_SITES,
        "OPERATIONS": nodes.OPERATIONS,
    }
    written = "".join(constant(name, value) for name, value in constants.items())
    return f"{_HEAD}\nexport const KINDS: readonly NodeKind[] = [\n{rows},\n];\n\n{written}"


def _row(row: nodes.NodeKind) -> dict[str, Any]:
    names = (
        *("kind", "forms", "title", "plural", "words", "example", "site", "sites", "number"),
        *("called", "writes", "is_node", "pairs", "operations", "stages"),
    )
    values = {name: getattr(row, name) for name in names}
    return values | {"patterns": [_groups(pattern) for pattern in row.patterns]}


def _groups(pattern: str) -> str:
    """Named groups as JavaScript writes them."""
    return pattern.replace("(?P<", "(?<")
