"""Pairs of prompts with an answer each: from CSV or JSONL files, or from templates that are here.

Knows no torch and no model.
"""

from __future__ import annotations

import csv
import io
import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StrictStr, ValidationError

from unembed.errors import InputError
from unembed.options import Options, TokenRef, explain, option

TemplateName = Literal["ioi", "facts", "greater_than", "induction", "agreement"]
COLUMNS = ("clean", "corrupted", "answer", "wrong")
LONGEST = 10_000_000  # bytes of a file of pairs

_Text = Annotated[StrictStr, Field(min_length=1)]


class PromptPair(Options):
    """Two prompts that differ where it matters, and the token that each is answered with."""

    clean: _Text = option(
        sentence="The prompt that is answered as one expects.", legal="text of at least 1 character"
    )
    corrupted: _Text = option(
        sentence="The one that differs where it matters; grids take one of as many tokens.",
        legal="text of at least 1 character",
    )
    answer: TokenRef = option(sentence="The clean prompt's.")
    wrong: TokenRef = option(sentence="The corrupted prompt's, whose logit is taken off.")


def pair_template(name: TemplateName) -> tuple[PromptPair, ...]:
    """Pairs that come with the package.

    "ioi": indirect objects (Wang et al. 2022), "facts": capitals, "greater_than": years (Hanna et
    al. 2023), "induction": words that come again, "agreement": number of the subject. Raises
    InputError for any other name.
    """
    if name not in get_args(TemplateName):
        raise InputError(
            f"there is no template {name!r}; there are {', '.join(get_args(TemplateName))}",
            field="template",
            value=name,
            legal=", ".join(get_args(TemplateName)),
        )
    folder = resources.files("unembed.analyses.patching") / "templates"
    return _from_jsonl((folder / f"{name}.jsonl").read_text("utf-8"), name)


def read_pairs(path: str | Path) -> tuple[PromptPair, ...]:
    """Pairs of a file with the columns clean, corrupted, answer, wrong: CSV, or JSONL (.jsonl).

    An answer is text that is one token, with the space before it; a JSON number is a token id.
    Raises InputError, with the line, for a file that cannot be read or has none.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LONGEST:
            raise InputError(
                f"{path} is larger than {LONGEST:,} bytes",
                field="pairs",
                value=str(path),
                legal=f"at most {LONGEST:,} bytes",
            )
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(
            f"{path} cannot be read: {reason}",
            field="pairs",
            value=str(path),
            legal="a CSV or JSONL file in UTF-8",
        ) from None
    jsonl = path.suffix.lower() in (".jsonl", ".ndjson", ".json")
    found = _from_jsonl(text, str(path)) if jsonl else _from_csv(text, str(path))
    if not found:
        raise InputError(
            f"{path} has no pairs",
            field="pairs",
            value=str(path),
            legal=f"rows of {', '.join(COLUMNS)}",
        )
    return found


def _from_csv(text: str, name: str) -> tuple[PromptPair, ...]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [one for one in COLUMNS if one not in (reader.fieldnames or ())]
    if missing:
        raise InputError(
            f"{name} has no column {missing[0]!r}",
            field="pairs",
            value=", ".join(reader.fieldnames or ()),
            legal=", ".join(COLUMNS),
        )
    found = []
    try:
        for row in reader:
            found.append(_pair({one: row[one] for one in COLUMNS}, name, reader.line_num))
    except csv.Error as error:
        raise _bad_line(name, reader.line_num, str(error)) from None
    return tuple(found)


def _from_jsonl(text: str, name: str) -> tuple[PromptPair, ...]:
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            raise _bad_line(name, number, "it is no JSON") from None
        if not isinstance(said, dict):
            raise _bad_line(name, number, "it is no object")
        found.append(_pair({one: said[one] for one in COLUMNS if one in said}, name, number))
    return tuple(found)


def _pair(fields: dict[str, Any], name: str, line: int) -> PromptPair:
    try:
        return PromptPair.model_validate(fields)
    except ValidationError as error:
        said = explain(error.errors(include_url=False), fields)
        raise _bad_line(name, line, said.message.rstrip(".")) from None


def _bad_line(name: str, line: int, why: str) -> InputError:
    return InputError(
        f"line {line} of {name}: {why}",
        field="pairs",
        value=line,
        legal=f"{', '.join(COLUMNS)} in each",
    )
