"""What is written from the questions: a table of their options for people, and the app's own.

docs/reference/questions.md and web/src/questions.gen.ts; `make api` writes them, tests say when
they are stale.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from unembed.engine.sweep import Sweep
from unembed.questions.described import OptionRow, rows_of
from unembed.questions.operations import OPERATIONS
from unembed.questions.table import QUESTIONS, Question
from unembed.result import TENSORS, Result, written
from unembed.settings import Settings

_HEAD = """# Questions and their options

Written by `make api` from the classes of options; do not edit. Each option is the same in Python,
as a field of the HTTP request, and as a flag of the command line. Every question about a run also
takes `prompt`, `edits` and `job`, and of an encoder-decoder `source`, what its encoder reads: its
prompt is what its decoder goes on with. Of an encoder it takes `pair`, a second text read with the
prompt. A limit is a [setting](settings.md). What comes back is in [results](results.md).
"""
_GENERATED = """// Written by `make api` from the classes of options in Python; do not edit.
"""


def markdown(questions: Iterable[Question] = QUESTIONS) -> str:
    """The options of every question as tables."""
    return "\n".join([_HEAD, *(_section(question) for question in questions), _operations()])


def _section(question: Question) -> str:
    lines = [f"## {question.name}", "", question.request.__doc__ or "", ""]
    lines += ["| option | flag | default | legal | limit | meaning |", "|---|---|---|---|---|---|"]
    lines += [_line(row) for row in rows_of(question.request)]
    return "\n".join([*lines, ""])


def _line(row: OptionRow) -> str:
    flag = " " if row.kind == "record" else f"`{row.flag}`"
    limit = f"`{row.limit}`" if row.limit else " "
    cells = (f"`{row.name}`", flag, row.typed_default, row.legal, limit, row.sentence)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


_RESULTS = """# Results and their axes

Written by `make api` from the classes of results; do not edit. A result has these fields in Python
and in JSON. Its arrays, `result.arrays()`, have named axes; `table_row` is that of its table,
`to_pandas()`.
"""


def results(questions: Iterable[Question] = QUESTIONS) -> str:
    """The classes that questions are answered with, and the results inside, as tables."""
    found: dict[str, type[Result]] = {}
    for question in questions:
        _collect(get_type_hints(question.answer)["return"], found)
    _collect(Sweep, found)
    return "\n".join([_RESULTS, *(_result(found[name]) for name in sorted(found))])


def _collect(kind: type[Result], found: dict[str, type[Result]]) -> None:
    found[kind.__name__] = kind
    for hint in get_type_hints(kind, localns=TENSORS).values():
        for inner in (hint, *get_args(hint)):
            if isinstance(inner, type) and issubclass(inner, Result):
                _collect(inner, found)


def _sentence(hint: Any) -> str:
    said = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((one.replace("|", "\\|") for one in said if isinstance(one, str)), " ")


def _result(kind: type[Result]) -> str:
    hints = get_type_hints(kind, localns=TENSORS, include_extras=True)
    lines = [f"## {kind.__name__}", "", (kind.__doc__ or "").partition("\n")[0], ""]
    lines += ["| field | meaning |", "|---|---|"]
    for name in written(kind):
        lines.append(f"| `{name}` | {_sentence(hints.get(name))} |")
    if kind.axes:
        lines += ["", "| array | axes |", "|---|---|"]
        lines += [f"| `{name}` | {', '.join(axes)} |" for name, axes in kind.axes.items()]
    return "\n".join([*lines, ""])


def _operations() -> str:
    lines = [
        "## Edits",
        "",
        "| operation | takes | `stage` | `sign` | meaning |",
        "|---|---|---|---|---|",
    ]
    for row in OPERATIONS:
        stage, sign = ("yes" if one else " " for one in (row.stage, row.sign))
        lines.append(f"| `{row.name}` | {row.takes} | {stage} | {sign} | {row.sentence} |")
    return "\n".join([*lines, ""])


def typescript(questions: Iterable[Question] = QUESTIONS) -> str:
    """Defaults, ranges, choices and limits of every option, for the app.

    Without their sentences, which the app does not show: it loads this first of all.
    """
    options = {
        question.name: {row.name: _fields(row) for row in rows_of(question.request)}
        for question in questions
    }
    operations = {
        row.name: {
            "takes": row.takes,
            "stage": row.stage,
            "sign": row.sign,
            "places": row.places,
        }
        for row in OPERATIONS
    }
    limits = {name: default for name, (default, _) in Settings.asked().items()}
    return (
        f"{_GENERATED}\n"
        f"{constant('QUESTIONS', options, indent=2)}\n"
        f"{constant('OPERATIONS', operations, indent=2)}\n"
        "/** Unless said otherwise where the server was started: `limits` of the model says. */\n"
        f"{constant('LIMITS', limits, indent=2)}"
    )


def _fields(row: OptionRow) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": row.kind}
    if not row.required:
        fields["default"] = row.default
    if row.choices:
        fields["choices"] = row.choices
    bounds = {"low": row.low, "high": row.high}
    fields |= {name: bound for name, bound in bounds.items() if bound is not None}
    if row.limit is not None:
        fields["limit"] = row.limit
    return fields


def constant(name: str, data: object, *, indent: int | None = None) -> str:
    """Data as a constant of a TypeScript module."""
    return (
        f"export const {name} = {json.dumps(data, indent=indent, ensure_ascii=False)} as const;\n"
    )
