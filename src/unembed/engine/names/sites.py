"""Names of sites and nodes: parsing, and checking them against a model.

The grammar is that of the table in `engine.nodes`. A name is read once; what it becomes, a
`Target`, goes wherever a name goes and is not read again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import SupportsIndex

from unembed.engine.nodes import (
    AT,
    CROSS,
    EXAMPLES,
    HEAD_SITES,
    KEY_SITES,
    KINDS,
    LAYER_SITES,
    UNREAD,
    NodeKind,
    compiled,
    number,
)
from unembed.engine.targets import PAIRS_OF, Name, Target
from unembed.errors import TargetError
from unembed.models.anatomy import Anatomy, AttentionAnatomy, BlockAnatomy

_HEAD_OF_SITE = re.compile(r"[LE][0-9]+\.H[0-9]+\.(\w+)(?:@.*)?")
_LETTERS = "|".join(
    found[1]
    for row in KINDS
    for form in row.forms
    if (found := re.fullmatch(r"L\{layer\}\.(\w+)\{\w+\}", form))
)
_UNREAD = re.compile(
    rf"L{number('layer')}\.(?P<site>(?:(?:{'|'.join(LAYER_SITES)})\.)?(?!(?:{_LETTERS})[0-9])"
    rf"[A-Z]+){number('index')}{AT}",
    re.IGNORECASE | re.ASCII,
)
_NUMBERS = ("layer", "head", "neuron", "entry", "index", "key")


def parse_target(name: Name, field: str = "target", derived: Sequence[NodeKind] = ()) -> Target:
    """Read a name; what was read already is returned as it is.

    Args:
        derived: further kinds, which the model at hand has attached.

    Raises:
        TargetError: the name has no known form.
    """
    return name if isinstance(name, Target) else _read(name, field, derived)


def perhaps_attached(name: Name, field: str = "target") -> Target:
    """As `parse_target`, where no model is at hand yet.

    A name such as "L6.F77", which nothing but nodes that are attached to a model have, is kept
    unread (`nodes.UNREAD`) for `Loaded.read_name`, which knows what is attached.
    """
    match = None if isinstance(name, Target) else _UNREAD.fullmatch(name)
    if isinstance(name, Target) or match is None or match["key"] is not None:
        return parse_target(name, field)
    parts = match.groupdict()
    return replace(_made(name, UNREAD, parts), site=parts["site"])


def _read(name: str, field: str, derived: Sequence[NodeKind]) -> Target:
    found = _known(name, tuple(derived))
    if found is None:
        raise _unknown(name, field)
    return _checked(found, field)


@lru_cache(maxsize=4096)  # every run names the same sites again; a model of 100 layers has 2,000
def _known(name: str, derived: tuple[NodeKind, ...]) -> Target | None:
    for row in (*KINDS, *derived):
        for form in compiled(row):
            match = form.fullmatch(name)
            if match is None or (row.kind in PAIRS_OF and match["key"] is not None):
                continue  # a head with a key is a pair, the next row
            return _made(name, row, match.groupdict())
    return None


def _unknown(name: str, field: str) -> TargetError:
    undivided = _HEAD_OF_SITE.fullmatch(name)
    if undivided is not None and undivided[1] in LAYER_SITES:
        legal = ", ".join(HEAD_SITES)
        message = f"{name!r}: {undivided[1]} is not divided into heads; {legal} are"
        return TargetError(message, field=field, value=name, legal=legal)
    message = f"{name!r} names no site or node; write for example {EXAMPLES}"
    fix = None
    if _UNREAD.fullmatch(name):
        fix = f"a node that was attached to a model is named by it: model.node({name!r})"
    return TargetError(message, field=field, value=name, legal=EXAMPLES, fix=fix)


def _made(text: str, row: NodeKind, parts: dict[str, str | None]) -> Target:
    numbers = {
        number: int(digits) for number in _NUMBERS if (digits := parts.get(number)) is not None
    }
    position = None if (digits := parts.get("pos")) is None else int(digits)
    site = row.site or (parts.get("site") or "").lower()
    encoder = (parts.get("stack") or row.forms[0][:2]).lower() in ("e", "e.")
    return Target(text, site, position=position, row=row, encoder=encoder, **numbers)


def _checked(target: Target, field: str) -> Target:
    """A key position behind what has none is in the grammar, so that it can be explained."""
    if target.key is None or (target.row.pairs and target.is_pairs):
        return target
    raise TargetError(
        f"{target.text!r} names a key position, which only heads have, as in L9.H6@14<3",
        field=field,
        value=target.text,
        legal=EXAMPLES,
    )


def check_target(target: Target, anatomy: Anatomy, name: str, field: str = "target") -> None:
    """Raise TargetError unless the model has this stack, layer, head and neuron."""
    if target.encoder and anatomy.encoder is None:
        raise TargetError(
            f"{target.text} is in an encoder: {name} has one stack of blocks, whose layers start "
            "with L",
            field=field,
            value=target.text,
            legal=f"L0-L{anatomy.n_layers - 1}",
        )
    if target.layer is None:
        return
    stack = anatomy.stack(target.encoder)
    word = "encoder layer" if target.encoder else "layer"
    _in_range(word, target.layer, stack.n_layers, target, name, field)
    number = target.row.number
    value = None if number is None else getattr(target, number)
    if value is None:
        return
    count = _count(target, stack.blocks[target.layer])
    if count is not None:
        word = "key/value head" if target.site in KEY_SITES else target.row.called
        _in_range(word, value, count, target, name, field)


def _count(target: Target, block: BlockAnatomy) -> int | None:
    """How many of its kind the layer has; None where that is not known, or checked elsewhere."""
    if target.row.number == "neuron":
        return block.d_mlp or None
    attention = block.cross if target.site.startswith(CROSS) else block.mixer
    if not isinstance(attention, AttentionAnatomy):
        return None
    if target.row.number == "head":
        return attention.n_kv_heads if target.site in KEY_SITES else attention.n_heads
    return attention.n_heads * attention.d_head if target.row.number == "entry" else None


def _in_range(word: str, value: int, count: int, target: Target, name: str, field: str) -> None:
    if value >= count:
        where = "" if word.endswith("layer") else f" in layer {target.layer}"
        raise TargetError(
            f"{word} {value} is not in this model: {name} has {word}s 0-{count - 1}{where}",
            field=field,
            value=target.text,
            legal=f"{word}s 0-{count - 1}",
        )


def resolve_position(position: int, n_positions: int, field: str = "position") -> int:
    """A position counted from the start; raises TargetError outside the prompt."""
    if not isinstance(position, SupportsIndex):
        raise TargetError(
            f"position {position!r} is no number of a token",
            field=field,
            value=position,
            legal=f"an integer, -{n_positions} to {n_positions - 1}",
        )
    if not -n_positions <= position < n_positions:
        raise TargetError(
            f"position {position} is not in this prompt: it has {n_positions} tokens, "
            f"positions 0-{n_positions - 1} (or -{n_positions} to -1 from the end)",
            field=field,
            value=position,
            legal=f"-{n_positions} to {n_positions - 1}",
        )
    return position % n_positions
