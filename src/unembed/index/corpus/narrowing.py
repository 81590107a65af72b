"""Which of the listed hits are looked at: those whose tokens have the labels that were chosen.

As in a crossfilter, labels of one column add up, those of several columns must all fit, and each
column is counted under the choices in the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast

from unembed.errors import InputError
from unembed.index.corpus.hits import CorpusHit, CorpusToken
from unembed.index.corpus.options import CorpusSearchOptions, Of

Column = tuple[Of, str]  # whose label, and which of its labels
Chosen = Mapping[Column, frozenset[str]]
LEGAL = 'as "match.pos=VERB": match, next or attended; pos, tag, dep or entity; a label'
_WRITTEN = re.compile(
    r"(?:(match|next|attended)\.)?(?:(pos|tag|dep|entity)=(.*)|(offset)=([+-]?\d+))", re.S
)


def chosen_of(written: Sequence[str], of: Of) -> Chosen:
    """Labels by column; `of` is meant where it is not said whose label. Raises InputError."""
    found: dict[Column, frozenset[str]] = {}
    for one in written:
        match = _WRITTEN.fullmatch(one)
        whose = cast("Of", of if match is None else match[1] or of)
        if match is None or (match[4] and whose != "attended"):
            raise InputError(
                f"narrow has {one!r}; it must be {LEGAL}; or "
                '"attended.offset=-1", which is how far off the attended token is',
                field="narrow",
                value=one,
                legal=LEGAL,
            )
        name = match[2] or match[4]
        label = match[3] if match[2] else f"{int(match[5]):+d}"
        found[whose, name] = found.get((whose, name), frozenset()) | {label}
    return found


def asks_attended(options: CorpusSearchOptions) -> bool:
    """Whether an answer needs the token that each hit attends to most."""
    chosen = chosen_of(options.narrow or (), options.summarise or "match")
    return options.summarise == "attended" or any(of == "attended" for of, _ in chosen)


def token_of(hit: CorpusHit, of: Of) -> CorpusToken | None:
    """The token of a hit that is meant; None where there is none, or it is not known."""
    return {"match": hit.match, "next": hit.next, "attended": hit.attended}[of]


def fits(hit: CorpusHit, chosen: Chosen, but: Column | None = None) -> bool:
    """Whether a hit has the labels chosen in every column, or in every one but one."""
    return all(column == but or _label(hit, *column) in labels for column, labels in chosen.items())


def _label(hit: CorpusHit, of: Of, name: str) -> str | None:
    """A label of a hit's token, "" for none; None without a token."""
    token = token_of(hit, of)
    if token is None:
        return None
    if name == "offset":
        return f"{token.position - hit.match.position:+d}"
    return getattr(token, name) or ""
