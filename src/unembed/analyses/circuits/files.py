"""Circuits as files: what `Circuit.to_json` writes, and MIB's format. Knows no torch, no model.

MIB's circuit track (Mueller et al. 2025) exchanges graphs as JSON with the score of every edge,
"a0.h1->a2.h3<v>", and whether it is in the circuit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unembed.analyses.circuits.graph import ARROW, edge_name
from unembed.analyses.tools.json_file import data_of, text_of
from unembed.errors import InputError

LONGEST = 500_000_000  # bytes of a file: every edge of a model of 32 layers of 32 heads is 300 MB


@dataclass(frozen=True)
class CircuitFile:
    """The edges of a circuit, and how edges were rated, as a file has them."""

    edges: tuple[str, ...]  # of the circuit, "L11.H3>L13.H3.q", in the order of the file
    scores: Mapping[str, float]  # of every edge of the file that has one, by the same names

    def __repr__(self) -> str:
        return f"CircuitFile({len(self.edges):,} edges, {len(self.scores):,} with a score)"


def load_circuit(path: str | Path) -> CircuitFile:
    """A circuit from a file: JSON as `Circuit.to_json` has it, or in MIB's format.

    Measure it by `find_circuit(..., edges=0, include=found.edges)`, and its curve by its own
    scores with `scores=found`.

    Raises:
        InputError: a file that cannot be read, or that is neither.
    """
    return read_circuit(text_of(path, LONGEST, _bad), path)


def read_circuit(text: str, path: str | Path = "the text") -> CircuitFile:
    """A circuit from the text of such a file; `path` is what errors call it."""
    said = data_of(text, path, _bad)
    edges = said.get("edges") if isinstance(said, dict) else None
    if isinstance(edges, dict):
        return _from_mib(edges, path)
    if isinstance(edges, list):
        return _from_ours(edges, path)
    raise _bad(path, 'it has no "edges"')


def _from_mib(edges: Mapping[str, Any], path: str | Path) -> CircuitFile:
    kept, scores = [], {}
    for written, said in edges.items():
        name = own_name(written)
        if name is None or not isinstance(said, dict):
            raise _bad(path, f"{written!r} is no edge of MIB's format")
        if said.get("in_graph") is True:
            kept.append(name)
        if said.get("score") is not None:
            scores[name] = _score(said["score"], written, path)
    return CircuitFile(tuple(kept), scores)


def _from_ours(edges: list[Any], path: str | Path) -> CircuitFile:
    scores = {}
    for place, said in enumerate(edges):
        ends = [said.get(end) for end in ("source", "target")] if isinstance(said, dict) else []
        if not ends or not all(isinstance(end, str) for end in ends):
            raise _bad(path, f"edges[{place}] has no source and target")
        name = edge_name(*map(str, ends))
        scores[name] = _score(said.get("effect"), name, path)
    return CircuitFile(tuple(scores), scores)


def _score(value: object, edge: str, path: str | Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _bad(path, f"the score of {edge} is {value!r}, no finite number")
    return float(value)


def _bad(path: str | Path, why: str) -> InputError:
    return InputError(
        f"{path} cannot be read as a circuit: {why}",
        field="circuit",
        value=str(path),
        legal="JSON of Circuit.to_json or Circuit.to_mib",
    )


# ------------------------------------------------------------------ names


def mib_name(name: str) -> str:
    """A node, or what reads, as MIB calls it: "L3.H2.q" -> "a3.h2<q>", "embed" -> "input"."""
    if name == "embed":
        return "input"
    found = re.fullmatch(r"L(\d+)\.(?:H(\d+)(?:\.([qkv]))?|mlp)", name)
    if found is None:
        return name
    layer, head, side = found.groups()
    if head is None:
        return f"m{layer}"
    return f"a{layer}.h{head}" + (f"<{side}>" if side else "")


def own_name(edge: str) -> str | None:
    """An edge of MIB's by our name: "a0.h1->a2.h3<v>" -> "L0.H1>L2.H3.v"; None: it is none."""
    source, _, target = edge.partition("->")
    ends = [_own_end(source), _own_end(target)]
    return None if None in ends else f"{ends[0]}{ARROW}{ends[1]}"


def _own_end(name: str) -> str | None:
    if name in ("input", "logits"):
        return "embed" if name == "input" else name
    found = re.fullmatch(r"(?:m(\d+)|a(\d+)\.h(\d+)(?:<([qkv])>)?)", name, re.ASCII)
    if found is None:
        return None
    mlp, layer, head, side = found.groups()
    if mlp is not None:
        return f"L{mlp}.mlp"
    return f"L{layer}.H{head}" + (f".{side}" if side else "")
