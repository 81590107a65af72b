"""Labels of nodes as they are kept: in words, with where they are from; and as files.

Two layouts of a file: Unembed's own, which holds everything, and the rows of Neuronpedia's exports
(modelId, layer, index, description, typeName, explanationModelName), which know neurons and latents
and no scores. Knows no model: nodes are names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal, cast, get_args

from unembed.errors import InputError

Source = Literal["hand", "model", "import", "search"]
SOURCES: tuple[Source, ...] = get_args(Source)  # the first that a node has is the one shown
FORMAT = 1
LONGEST = 2_000  # characters of a label: a language model may write a paragraph
TYPES: dict[Source, str] = {
    "hand": "unembed_hand",
    "model": "unembed_written",
    "import": "unembed_import",
    "search": "unembed_search",
}
NeuronpediaRow = dict[str, str | None]
_NODE = re.compile(r"L(\d+)\.([NF])(\d+)")


@dataclass(frozen=True)
class NodeLabelScore:
    """One score of a label, beside the larger upper end of its nulls."""

    kind: Annotated[str, '"f1", "simulation", "detection", "fuzzing".']
    score: float
    chance: float | None


@dataclass(frozen=True)
class Label:
    """What a node does, in words, and where that is from."""

    node: str
    text: str
    source: Annotated[
        Source, "By hand; a language model; a file; or the search of labels without one."
    ]
    by: Annotated[str, "Who: a language model and where it is, or what the file says."] = ""
    corpus: Annotated[str, "What it was made from."] = ""
    made: Annotated[str, "When, ISO 8601, UTC."] = ""
    supported: Annotated[bool | None, "Whether it beats its nulls; null: nobody tried."] = None
    scores: tuple[NodeLabelScore, ...] = ()

    @property
    def said(self) -> str:
        """The text, with a word where it does not beat its nulls."""
        return with_worth(self.text, self.supported)


def with_worth(text: str, supported: bool | None) -> str:
    """Words of a node, with one more where they are no better than chance."""
    return f"{text} (not supported)" if supported is False else text


def best_first(labels: Iterable[Label]) -> tuple[Label, ...]:
    """By node, the label that is shown first: by hand, then written, then from a file."""
    return tuple(sorted(labels, key=lambda one: (one.node, SOURCES.index(one.source))))


def matching(labels: Iterable[Label], words: str) -> tuple[Label, ...]:
    """Labels that have all of some words, or parts of words, whatever their capitals."""
    wanted = words.casefold().split()
    return tuple(one for one in labels if all(word in one.text.casefold() for word in wanted))


# ---------------------------------------------------------------- files


def exported(labels: Sequence[Label], model: str, fingerprint: str) -> dict[str, Any]:
    """Everything, in Unembed's own layout, for a JSON file."""
    rows = [asdict(one) for one in labels]
    return {"unembed_labels": FORMAT, "model": model, "fingerprint": fingerprint, "labels": rows}


def for_neuronpedia(labels: Sequence[Label], model: str, source: str) -> list[NeuronpediaRow]:
    """Rows of Neuronpedia's exports, of neurons and latents; other nodes have none there.

    `typeName` says how a label came about, in names that are Unembed's own: `TYPES`.

    Args:
        source: what follows a layer in the name of a set of latents, as in "6-res-jb".
    """
    found = []
    for one in labels:
        matched = _NODE.fullmatch(one.node)
        if matched is None:
            continue
        layer, kind, index = matched.groups()
        found.append(
            {
                "modelId": model,
                "layer": layer if kind == "N" else f"{layer}-{source}",
                "index": index,
                "description": one.text,
                "typeName": TYPES[one.source],
                "explanationModelName": one.by or None,  # a reference there: no name is null
            }
        )
    return found


def imported(data: object, fingerprint: str) -> tuple[Label, ...]:
    """The labels of a file in either layout, their form checked.

    Raises InputError, naming the field, for anything else, and for labels of another model.
    """
    if isinstance(data, Mapping) and "unembed_labels" in data:
        return _own(data, fingerprint)
    if isinstance(data, Mapping) and "description" in data:
        return _rows([data])
    if isinstance(data, list) and all(isinstance(one, Mapping) for one in data):
        return _rows(data)
    legal = '{"unembed_labels": 1, ...}, or a list of {"layer", "index", "description", ...}'
    raise InputError(f"these are no labels; they must be {legal}", field="labels", legal=legal)


def _own(data: Mapping[str, Any], fingerprint: str) -> tuple[Label, ...]:
    version = data["unembed_labels"]
    if isinstance(version, bool) or version != FORMAT:
        message = f"the labels have format {version!r}; this version of Unembed reads {FORMAT}"
        raise InputError(message, field="unembed_labels", value=version, legal=str(FORMAT))
    if data.get("fingerprint") != fingerprint:
        raise InputError(
            f"these labels are of {data.get('model')!r} ({data.get('fingerprint')!r}), not of this "
            f"model ({fingerprint})",
            field="fingerprint",
            value=str(data.get("fingerprint")),
            legal=fingerprint,
            fix="load the model that they are of",
        )
    rows = data.get("labels")
    if not isinstance(rows, list):
        raise InputError("labels must be a list", field="labels", legal="a list")
    return tuple(_label(row, f"labels[{place}]") for place, row in enumerate(rows))


def _label(row: object, where: str) -> Label:
    names = [one.name for one in fields(Label)]
    if not isinstance(row, Mapping) or any(name not in names for name in row):
        legal = f"an object with {', '.join(names)}"
        raise InputError(f"{where} must be {legal}", field=where, legal=legal)
    texts = {name: row.get(name, "") for name in ("node", "text", "by", "corpus", "made")}
    for name, text in texts.items():
        _check_text(f"{where}.{name}", text, needed=name in ("node", "text"))
    source, supported = row.get("source"), row.get("supported")
    if source not in SOURCES:
        legal = ", ".join(SOURCES)
        message = f"{where}.source is {source!r}; it must be one of {legal}"
        raise InputError(message, field=f"{where}.source", value=str(source), legal=legal)
    if supported is not None and not isinstance(supported, bool):
        legal = "true, false or null"
        message = f"{where}.supported must be {legal}"
        raise InputError(message, field=f"{where}.supported", legal=legal)
    scores = row.get("scores", [])
    return Label(
        **texts,
        source=cast("Source", source),
        supported=supported,
        scores=scores_of(scores, f"{where}.scores"),
    )


def scores_of(rows: object, where: str) -> tuple[NodeLabelScore, ...]:
    """Scores from JSON. Raises InputError."""
    legal = 'a list of {"kind": text, "score": number, "chance": number or null}'
    if not isinstance(rows, list | tuple) or len(rows) > len(SOURCES) * 4:
        raise InputError(f"{where} must be {legal}", field=where, legal=legal)
    found = []
    for row in rows:
        good = (
            isinstance(row, Mapping)
            and set(row) == {"kind", "score", "chance"}
            and isinstance(row["kind"], str)
            and _is_number(row["score"])
            and (row["chance"] is None or _is_number(row["chance"]))
        )
        if not good:
            raise InputError(f"{where} must be {legal}", field=where, legal=legal)
        found.append(NodeLabelScore(row["kind"][:64], row["score"], row["chance"]))
    return tuple(found)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _rows(rows: Sequence[Mapping[str, Any]]) -> tuple[Label, ...]:
    """Neuronpedia's: a layer that is a number has neurons, one with a name behind it latents."""
    found = []
    for place, row in enumerate(rows):
        layer, index = (str(row.get(name, "")) for name in ("layer", "index"))
        matched = re.fullmatch(r"(\d{1,4})(-.*)?", layer)
        if matched is None or not re.fullmatch(r"\d{1,9}", index):
            legal = 'a layer as "6" or "6-res-jb", and an index'
            message = f"row {place} is of layer {layer[:40]!r}, index {index[:40]!r}; {legal}"
            raise InputError(message, field=f"labels[{place}].layer", value=layer, legal=legal)
        text, by = row.get("description"), row.get("explanationModelName") or ""
        _check_text(f"labels[{place}].description", text, needed=True)
        _check_text(f"labels[{place}].explanationModelName", by, needed=False)
        node = f"L{int(matched[1])}.{'F' if matched[2] else 'N'}{int(index)}"
        found.append(Label(node, str(text), "import", str(by)))
    return tuple(found)


def _check_text(field: str, text: object, *, needed: bool) -> None:
    least = 1 if needed else 0
    if not isinstance(text, str) or not least <= len(text) <= LONGEST:
        legal = f"a text of {least} to {LONGEST} characters"
        raise InputError(f"{field} must be {legal}", field=field, legal=legal)
