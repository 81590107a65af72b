"""Edits as they are typed: "zero L9.H6", "scale L12.N512 0 positions=3,4 stage=pre".

    zero TARGET                     scale TARGET FACTOR
    set_to TARGET NUMBER[,...]      add TARGET NUMBER[,...]
    patch TARGET [from=4,5] ANOTHER PROMPT
    on NEURON                       as strong as the strongest of its layer in the unedited run
    lmd_on NEURON                   lmd_off NEURON: LM-Debugger's own
    cut NAME                        a node or a link of the flow graph: "cut L14.z448@7"

`positions=` and `stage=` follow the target of any of them.
"""

from __future__ import annotations

from typing import Any, get_args

from pydantic import ValidationError

from unembed.errors import EditError
from unembed.server import wire
from unembed.server.bodies import explain

_FORM = (
    '"zero TARGET", "scale TARGET NUMBER", "set_to TARGET NUMBER", "add TARGET NUMBER", '
    '"patch TARGET PROMPT", "on NEURON", "lmd_on NEURON", "lmd_off NEURON" or "cut NAME"'
)


def parse_edit(text: str, index: int) -> wire.EditSpec:
    """One --edit; raises EditError."""
    field = f"edits[{index}]"
    operation, _, rest = text.strip().partition(" ")
    target, _, rest = rest.strip().partition(" ")
    if operation not in get_args(wire.Operation) or not target:
        raise EditError(
            f"--edit {text!r} is not an edit; write {_FORM}", field=field, value=text, legal=_FORM
        )
    spec: dict[str, Any] = {"target": target, "operation": operation}
    options, rest = _options(rest.strip(), field)
    sources = options.pop("from", None)
    spec |= options
    if operation == "patch":
        spec["source"] = {"prompt": rest, "positions": sources}
    elif rest:
        spec["value"] = _value(rest, field)
    try:
        return wire.EditSpec.model_validate(spec)
    except ValidationError as error:
        found = explain(error.errors(include_url=False), spec)
        raise EditError(f"--edit {text!r}: {found.message}", field=field, value=text) from None


def _options(rest: str, field: str) -> tuple[dict[str, Any], str]:
    """`name=value` words at the start, and what follows them."""
    options: dict[str, Any] = {}
    while rest:
        word, _, after = rest.partition(" ")
        name, equals, value = word.partition("=")
        if not equals or name not in ("positions", "stage", "from"):
            break
        options[name] = value if name == "stage" else _integers(value, f"{field}.{name}")
        rest = after.strip()
    return options, rest


def _integers(text: str, field: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise EditError(
            f"{field} is {text!r}; write integers with commas, such as 3,4,-1",
            field=field,
            value=text,
            legal="integers with commas",
        ) from None


def _value(text: str, field: str) -> float | list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise EditError(
            f"{field}.value is {text!r}; write a number, or several with commas",
            field=f"{field}.value",
            value=text,
            legal="numbers with commas",
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers
