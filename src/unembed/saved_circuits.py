"""Saved circuits as plain data: what one holds, and whether that is a circuit. Knows no model.

A circuit is kept as `Circuit.to_dict` writes it: its edges, its prompt's tokens, what is explained,
and what was measured. What lists show of it is read from that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from unembed.errors import InputError
from unembed.saved_runs import MAX_SHORT, checked, texts_of

MAX_EDGES = 10_000
MAX_CHARS = 3_000_000  # of what is kept of one circuit
MAX_PROMPT = 200  # characters of the prompt, in lists
TEXTS = ("id", "name", "note", "saved", "model", "fingerprint", "corrupted", "spec")
LEGAL = "a circuit as Circuit.to_dict, or POST /api/circuit, has it"


@dataclass(frozen=True)
class CircuitEntry:
    """A saved circuit as it stands in a list."""

    id: str
    name: str
    note: str
    saved: str  # ISO 8601, UTC
    model: str  # name of the model that it was found in
    fingerprint: str
    prompt: str  # its beginning
    objective: str  # what is explained, in words
    n_kept: int  # of the circuit
    faithfulness: float | None


@dataclass(frozen=True)
class SavedCircuit(CircuitEntry):
    """A saved circuit with all that is kept of it."""

    corrupted: str  # the other prompt, as it was typed; empty: none
    spec: str  # what the app's address has after #; empty: it was not saved there
    circuit: Mapping[str, Any]  # as Circuit.to_dict has it

    @property
    def edges(self) -> tuple[str, ...]:
        """The edges by name, as `find_circuit(..., edges=0, include=saved.edges)` takes them."""
        return tuple(f"{one['source']}>{one['target']}" for one in self.circuit["edges"])


def said_of(circuit: object) -> dict[str, Any]:
    """What lists show of a circuit, and the circuit as text, its form checked.

    Raises:
        InputError: naming the field, for what is no circuit, or one of too many edges.
    """
    if not isinstance(circuit, Mapping):
        raise _bad("circuit", "it is no object")
    edges, tokens = circuit.get("edges"), circuit.get("tokens")
    if not isinstance(edges, list | tuple):
        raise _bad("circuit.edges", "it has no list of edges")
    if len(edges) > MAX_EDGES:
        message = f"the circuit has {len(edges):,} edges; at most {MAX_EDGES:,} are kept"
        legal = f"at most {MAX_EDGES:,} edges"
        raise InputError(message, field="circuit.edges", value=len(edges), legal=legal)
    for place, edge in enumerate(edges):
        _check_edge(edge, f"circuit.edges[{place}]")
    if not isinstance(tokens, list | tuple) or not all(_labelled(token) for token in tokens):
        raise _bad("circuit.tokens", "it has no list of tokens with labels")
    for name in ("whole", "none", "value"):
        if not _number(circuit.get(name)):
            raise _bad(f"circuit.{name}", f"{name} is no finite number")
    faithfulness, objective = circuit.get("faithfulness"), circuit.get("objective")
    if faithfulness is not None and not _number(faithfulness):
        raise _bad("circuit.faithfulness", "faithfulness is neither null nor a finite number")
    if not isinstance(objective, str):
        raise _bad("circuit.objective", "it does not say what it explains")
    return {
        "prompt": _prompt(tokens)[:MAX_PROMPT],
        "objective": objective[:MAX_SHORT],
        "n_kept": len(edges),
        "faithfulness": faithfulness,
        "circuit": _text(circuit),
    }


def imported_circuit(data: object) -> dict[str, Any]:
    """The fields of an exported circuit, checked; of what lists show the circuit itself decides."""
    names = [field.name for field in fields(SavedCircuit)]
    found = checked(data, names, "circuit")
    return texts_of(found, list(TEXTS), "circuit") | said_of(found["circuit"])


def _check_edge(edge: object, field: str) -> None:
    told: Mapping[str, object] = edge if isinstance(edge, Mapping) else {}
    ends = [told.get(end) for end in ("source", "target")]
    if not all(isinstance(end, str) and 0 < len(end) <= MAX_SHORT for end in ends):
        raise _bad(field, "an edge has no source and target")
    if not _number(told.get("effect")):
        raise _bad(field, f"the effect of {ends[0]}>{ends[1]} is no finite number")


def _prompt(tokens: Sequence[Mapping[str, Any]]) -> str:
    """The text, or of tokens without one their labels."""
    texts = [token.get("text") for token in tokens if not token.get("special")]
    found = "".join(text for text in texts if isinstance(text, str)).strip()
    return found or "".join(token["label"] for token in tokens)


def _labelled(token: object) -> bool:
    return isinstance(token, Mapping) and isinstance(token.get("label"), str)


def _number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _text(circuit: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(circuit, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        raise _bad("circuit", "it holds what JSON has no word for") from None
    if len(text) > MAX_CHARS:
        legal = f"at most {MAX_CHARS:,} characters of JSON"
        message = f"the circuit has {len(text):,} characters of JSON; {legal} are kept"
        raise InputError(message, field="circuit", value=len(text), legal=legal)
    return text


def _bad(field: str, why: str) -> InputError:
    return InputError(f"this is no circuit: {why}", field=field, legal=LEGAL)
