"""What all results have in common: frozen data with named axes, and the one way to write it down.

A result is a frozen dataclass. Its fields carry their sentence (`Annotated[float, "Nats."]`), from
which the schema of the HTTP answers is made too (`unembed.server.wire.derived`). Tensors are left
out of JSON unless a class says otherwise. Knows no model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, TypeVar

from unembed.errors import InputError
from unembed.options import Options

if TYPE_CHECKING:
    import pandas

Axes = Mapping[str, tuple[str, ...]]
Columns = dict[str, list[Any]]
Side = Literal["baseline", "edited"]
_ATOMS = frozenset({str, int, float, bool, type(None)})
TABLE_ROW = "table_row"  # the axis of a column of a result's table
# For reading annotations: tensors need packages that are there for tests alone.
TENSORS = {
    "Float": Annotated,
    "Int": Annotated,
    "Bool": Annotated,
    "Shaped": Annotated,
    "Tensor": Any,
}
SHOWN_ROWS = 12  # of a table in a notebook


class Result:
    """The base of what analyses return.

    A class declares its fields, its `axes`, the columns of its table and one line of summary; what
    it is written as follows from these.
    """

    axes: ClassVar[Axes] = {}  # of each array, by the field's name
    also: ClassVar[tuple[str, ...]] = ()  # properties that are written beside the fields

    def summary(self) -> str:
        """What it is of, in less than a line."""
        raise NotImplementedError

    def columns(self) -> Columns:
        """Its numbers as a table: columns of one length."""
        raise NotImplementedError

    def arrays(self) -> dict[str, Any]:
        """Every array by name, of the fields or of the table; `axes` names their axes."""
        in_table = {name for name, axes in self.axes.items() if axes == (TABLE_ROW,)}
        table = self.columns() if in_table else {}
        return {name: table[name] if name in table else getattr(self, name) for name in self.axes}

    def header(self) -> dict[str, Any]:
        """All but the tensors, as plain lists, numbers and strings."""
        return record(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings; without the tensors, unless a class says otherwise."""
        return self.header()

    def to_json(self) -> str:
        """`to_dict` as JSON; what JSON has no number for (infinite, none) becomes null."""
        return json.dumps(finite(self.to_dict()), ensure_ascii=False, allow_nan=False)

    def to_pandas(self) -> pandas.DataFrame:
        """`columns` as a table. Raises InputError, with the fix, where pandas is missing."""
        return data_frame(self.columns())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary()})"

    def _repr_html_(self) -> str:
        """The first rows of the table, for a notebook."""
        return html_table(repr(self), self.columns())


One = TypeVar("One", bound=Result)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result, Generic[One]):
    """One thing of the baseline and, where an edit is enabled, the same of the edited run.

    A class says of what: it declares the two again, with their own class.
    """

    baseline: One
    edited: One | None = None

    @property
    def sides(self) -> dict[Side, One]:
        """What there is of it, by "baseline" and "edited"."""
        sides: dict[Side, One] = {"baseline": self.baseline}
        return sides if self.edited is None else sides | {"edited": self.edited}

    def summary(self) -> str:
        return f"{self.baseline.summary()}{'' if self.edited is None else ', edited beside'}"

    def columns(self) -> Columns:
        """The rows of each side, with a column that says whose they are."""
        return sides_below(self.sides)


class ArrayResult(Result):
    """A result whose numbers are arrays; an array that there is not is None."""

    def arrays(self) -> dict[str, Any]:
        """Every array that there is, by name."""
        return {name: found for name, found in super().arrays().items() if found is not None}

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings; the arrays too, with the names of their axes."""
        arrays = dict.fromkeys(self.axes) | {
            name: array.tolist() for name, array in self.arrays().items()
        }
        return {"axes": plain(self.axes), **self.header(), **arrays}


class ArrayComparison(Comparison[One]):
    """A comparison of results that are arrays, which over HTTP lie beside its JSON."""

    def arrays(self) -> dict[str, Any]:
        """The arrays of both sides, as "baseline.kl"."""
        return {
            f"{side}.{name}": array
            for side, one in self.sides.items()
            for name, array in one.arrays().items()
        }

    def header(self) -> dict[str, Any]:
        """What says how to read the arrays, of both sides."""
        edited = None if self.edited is None else self.edited.header()
        return {"baseline": self.baseline.header(), "edited": edited}

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, arrays too; null for what there is not."""
        edited = None if self.edited is None else self.edited.to_dict()
        return {"baseline": self.baseline.to_dict(), "edited": edited}


def html_table(caption: str, columns: Columns) -> str:
    """The first rows of a table, for a notebook."""
    n_rows = len(next(iter(columns.values()), []))
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    rows = zip(*(column[:SHOWN_ROWS] for column in columns.values()), strict=True)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    more = f"; the first {SHOWN_ROWS} of {n_rows:,} rows" if n_rows > SHOWN_ROWS else ""
    return (
        f"<table><caption>{escape(caption)}{more}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"<td>{value:.4g}</td>"
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return f"<td>{'' if value is None else escape(str(value))}</td>"


def _written(kind: type) -> tuple[str, ...]:
    names = [
        row.name
        for row in fields(kind)
        if "Tensor" not in str(row.type) and row.metadata.get("written", True)
    ]
    return (*names, *getattr(kind, "also", ()))


# What of a dataclass goes into JSON: its fields but the tensors, and what it adds to them.
written: Callable[[type], tuple[str, ...]] = cache(_written)


def plain(value: Any) -> Any:
    """Lists, numbers and strings of a value; a nested result is written as it writes itself."""
    if type(value) in _ATOMS:
        return value
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, Result):
        return value.to_dict()
    if is_dataclass(value):
        return record(value)
    if isinstance(value, Options):
        return plain(value.values())
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, str | int | float):
        return value
    raise TypeError(f"a result cannot hold {type(value).__name__} where it is written as JSON")


def record(value: Any) -> dict[str, Any]:
    """What is written of a dataclass, by name.

    A flow graph has twenty thousand numbers and names in its records: those are taken as they are,
    without a call for each.
    """
    return {
        name: found if type(found := getattr(value, name)) in _ATOMS else plain(found)
        for name in written(type(value))
    }


def finite(data: Any) -> Any:
    """Plain data with None for numbers that JSON does not have."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    return [finite(value) for value in data] if isinstance(data, list) else data


def columns_of(records: Iterable[Mapping[str, Any]]) -> Columns:
    """Columns from rows that have the same names."""
    found: Columns = {}
    for record in records:
        for name, value in record.items():
            found.setdefault(name, []).append(value)
    return found


def sides_below(sides: Mapping[Any, Result]) -> Columns:
    """The tables of results of one class, one below the other, with a column that says which."""
    found: Columns = {"side": []}
    for side, result in sides.items():
        columns = result.columns()
        found["side"] += [side] * len(next(iter(columns.values())))
        for name, column in columns.items():
            found[name] = found.get(name, []) + column
    return found


def data_frame(columns: Columns) -> pandas.DataFrame:
    """A table of columns. Raises InputError, with the fix, where pandas is missing."""
    try:
        import pandas
    except ImportError as error:
        raise InputError(
            "to_pandas needs pandas, which is not installed",
            fix="pip install 'unembed[notebook]'",
        ) from error
    return pandas.DataFrame(columns)
