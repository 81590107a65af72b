"""Objectives as text, for where only text can be sent: the command line, HTTP, the app's target.

    log_prob(" Tokyo")      logit_diff(" Tokyo", [" Paris", " Rome"])      activation("L12.N512")
    label("POSITIVE")

The call that makes it in Python, after `ue.Objective.`, its arguments as JSON. Its position is the
one that is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from unembed.analyses.tools.objective import Objective
from unembed.errors import InputError

_MAKERS: dict[str, tuple[Callable[..., Objective], int]] = {
    "logit": (Objective.logit, 1),
    "logit_diff": (Objective.logit_diff, 2),
    "log_prob": (Objective.log_prob, 1),
    "logit_minus_mean": (Objective.logit_minus_mean, 1),
    "activation": (Objective.activation, 1),
    "label": (Objective.label, 1),
}
_FORM = re.compile(rf"\s*({'|'.join(_MAKERS)})\((.*)\)\s*", re.DOTALL)
FORMS = (
    'logit_diff(" Tokyo", " Paris"), log_prob(" Tokyo"), logit_minus_mean(" Tokyo"), '
    'logit([" Tokyo", " Osaka"]), activation("L12.N512") '
    'or label("POSITIVE")'
)


def spelled(text: str) -> Objective | None:
    """The objective that a text spells; None where it spells none, and is a token.

    Raises InputError for one that is not whole, TargetError for a node that is none.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    make, takes = _MAKERS[match[1]]
    arguments = _arguments(match[2])
    if arguments is None or len(arguments) != takes or not all(map(_is_tokens, arguments)):
        raise _not_whole(text)
    if match[1] == "activation" and not isinstance(arguments[0], str):
        raise _not_whole(text)
    if match[1] == "label" and isinstance(arguments[0], list):
        raise _not_whole(text)
    try:
        return make(*arguments)
    except InputError as error:
        error.field = "target"
        raise


def _arguments(text: str) -> list[object] | None:
    try:
        found: list[object] = json.loads(f"[{text}]")
    except (ValueError, RecursionError):
        return None
    return found


def _is_tokens(value: object) -> bool:
    """One token, or several: text or ids."""
    several = value if isinstance(value, list) else [value]
    return bool(several) and all(
        isinstance(one, str | int) and not isinstance(one, bool) for one in several
    )


def _not_whole(text: str) -> InputError:
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    return InputError(
        f"target is {shown!r}, which is no objective as it stands; tokens are text in double "
        "quotes, or ids",
        field="target",
        value=shown,
        legal=FORMS,
    )
