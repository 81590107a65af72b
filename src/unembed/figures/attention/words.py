"""What pictures of attention say of themselves. Knows the result, no figure."""

from __future__ import annotations

from collections.abc import Mapping

from unembed.analyses.attention.options import Measure
from unembed.analyses.attention.result import AttentionResult
from unembed.errors import InputError

MOST_NAMED = 4  # heads in a title

_MEANINGS: Mapping[Measure, str] = {
    "attention": "Each number is the share of its attention that a query gives to a key: the "
    "softmax of query times key, from 0 to 1.",
    "moved": "Each number is the norm of what is moved from a key to a query: the share of "
    "attention times the key's value, through W_O and what the block applies after it.",
    "target": "Each number is the {unit} of what is moved from a key to a query: the share of "
    "attention times the key's value, through W_O, read at that query as the model reads its "
    "last state, with the final norm's scale as it was in the run.",
}
_SPECIAL = {
    "shown": "",
    "hidden": "Special tokens are hidden: their rows and columns count 0.",
    "renormalised": "Special tokens are hidden, and the rest of each row of a pattern was made to "
    "sum to 1.",
}


def meaning(result: AttentionResult) -> str:
    """What the numbers are, for a reader who has only the picture."""
    return _MEANINGS[result.measure].format(unit=result.unit)


def heading(result: AttentionResult) -> str:
    """ "share of attention of L5.H2 · gpt2"."""
    return f"{result.unit[:1].upper()}{result.unit[1:]} of {names(result)} · {model_name(result)}"


def names(result: AttentionResult) -> str:
    """The heads, the first of many."""
    shown = ", ".join(result.heads[:MOST_NAMED])
    more = len(result.heads) - MOST_NAMED
    return f"{shown} and {more} more heads" if more > 0 else shown


def model_name(result: AttentionResult) -> str:
    """The model that was read."""
    return result.provenance.get("model") or "a model without a name"


def description(result: AttentionResult) -> list[str]:
    """What is on the page, as paragraphs."""
    n_queries, n_tokens = len(result.queries), len(result.tokens)
    said = [
        "Tokens on the left look at tokens on the right: a curve is a pair, the thicker the larger "
        "its number. Of each query the fewest pairs are drawn that hold "
        f"{result.mass:.0%} of its row, by absolute value. In the matrix, rows are "
        "queries and columns are keys.",
        f"Shown: {names(result)}, {n_queries:,} of {n_tokens:,} tokens as queries.",
    ]
    if len(result.heads) > 1:
        weighed = any(weight != 1 for weight in result.weights)
        said[1] += f" Together they are their {'weighted ' * weighed}{result.combine}."
    if result.sink is not None:
        said.append(
            "These heads have a sink: a share of their attention goes to no token, so the rest of "
            "a row sums to less than 1."
        )
    if _SPECIAL[result.special]:
        said.append(_SPECIAL[result.special])
    return said


def provenance(result: AttentionResult) -> dict[str, str]:
    """Where the numbers come from, by name."""
    ids = {"token ids": result.tokens}
    if result.key_tokens is not None:
        ids = {"token ids of queries": result.tokens, "token ids of keys": result.key_tokens}
    return {
        **{name: value for name, value in result.provenance.items() if value},
        "heads": ", ".join(result.heads),
        **{name: ", ".join(str(token.id) for token in found) for name, found in ids.items()},
    }


def check_head(result: AttentionResult, head: str | None) -> str | None:
    """A head of the result, or None for all of them made one; raises InputError for another."""
    if head is not None:
        result.head(head)
    return head


def check_one_of(field: str, value: str, legal: tuple[str, ...]) -> str:
    """Raises InputError for what is not among the legal."""
    if value not in legal:
        raise InputError(
            f"{field} is {value!r}; write one of {', '.join(legal)}",
            field=field,
            value=value,
            legal=", ".join(legal),
        )
    return value
