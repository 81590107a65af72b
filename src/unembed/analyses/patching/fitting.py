"""Which pairs of prompts something can be computed of together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from unembed.analyses.patching.pairs import PromptPair
from unembed.analyses.patching.result import LeftOut
from unembed.engine.loaded import Loaded
from unembed.errors import InputError, TooLargeError, UnembedError


def fitting_pairs(
    model: Loaded, pairs: Sequence[PromptPair], *, aligned: bool, what: str = "a grid"
) -> tuple[list[int], list[LeftOut]]:
    """Those whose prompts have as many tokens as each other and two answers, by number.

    Beside them those that are left out, and why.

    Args:
        aligned: whether all must have one number of tokens; the commonest is kept.
        what: would be made of them, for the error where none fits.

    Raises:
        TooLargeError: more pairs than `max_pairs`.
        InputError: none fits.
    """
    limit = model.settings.max_pairs
    if len(pairs) > limit:
        raise TooLargeError(
            f"there are {len(pairs):,} pairs; the limit is {limit:,} (max_pairs)",
            field="pairs",
            value=len(pairs),
            legal=f"at most {limit:,} pairs",
        )
    lengths: dict[int, int] = {}
    left_out: list[LeftOut] = []
    for order, pair in enumerate(pairs):
        try:
            length, other = (
                len(model.read_prompt(one).ids) for one in (pair.clean, pair.corrupted)
            )
            answers = {model.token_id(one) for one in (pair.answer, pair.wrong)}
        except UnembedError as error:
            left_out.append(LeftOut(order, error.message))
            continue
        if length != other:
            why = f"the clean prompt has {length} tokens and the corrupted one {other}"
            left_out.append(LeftOut(order, why))
        elif len(answers) == 1:
            left_out.append(LeftOut(order, "answer and wrong answer are the same token"))
        else:
            lengths[order] = length
    if not lengths:
        raise none_fits(left_out, what)
    if not aligned:
        return list(lengths), left_out
    most = Counter(lengths.values()).most_common(1)[0][0]
    for order, length in lengths.items():
        if length != most:
            why = f"it has {length} tokens, and most have {most}: positions are not the same"
            left_out.append(LeftOut(order, why))
    return [order for order, length in lengths.items() if length == most], left_out


def none_fits(left_out: Sequence[LeftOut], what: str) -> InputError:
    why = f"; of the first: {left_out[0].reason}" if left_out else ""
    return InputError(
        f"there is no pair that {what} can be made of{why}",
        field="pairs",
        value=len(left_out),
        legal="prompts of as many tokens, answers of one token each",
    )
