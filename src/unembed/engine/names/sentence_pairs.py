"""Two texts as one prompt, in the form that an encoder's tokenizer has for them.

Which text a token is of is its segment: 0 or 1. A special token belongs to the text before it, the
first one to the first text; that is how token types have it where a model has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unembed.engine.names.texts import check_text
from unembed.engine.names.vocabulary import Read, SentencePair, Vocabulary
from unembed.errors import PromptError


def from_pair(model: Vocabulary, pair: SentencePair) -> Read:
    """Both texts with what the tokenizer puts around and between them; nothing is cut off.

    Raises PromptError for a model that takes no pairs, and for what is no text.
    """
    _refuse_without(model)
    for field, text in (("prompt", pair.first), ("pair", pair.second)):
        if not isinstance(text, str) or not text:
            raise PromptError(
                "of a sentence pair both are texts, of a word at least",
                field=field,
                value=text if isinstance(text, str) else type(text).__name__,
                legal="text",
                fix="give token ids as the tokenizer returns them, with token_type_ids",
            )
        check_text(model, text)
    encoded = model.tokenizer(pair.first, pair.second, verbose=False)
    return Read(tuple(encoded["input_ids"]), segments=segments_of(model, encoded))


def why_no_pairs(model: Vocabulary) -> str | None:
    """Why a prompt cannot be a sentence pair; None where it can."""
    if model.kind != "masked" or model.has_encoder:
        return "pairs of texts are for encoders such as BERT; this model continues one text"
    if model.tokenizer is None:
        return "it was loaded without a tokenizer"
    between = model.tokenizer.num_special_tokens_to_add(True)
    if model.n_token_types < 2 and between <= model.tokenizer.num_special_tokens_to_add(False):
        return "its tokenizer puts nothing between two texts, and it has no token types"
    if model.n_token_types < 2 and not getattr(model.tokenizer, "is_fast", False):
        return "its tokenizer does not say which text a token is of"
    return None


def _refuse_without(model: Vocabulary) -> None:
    reason = why_no_pairs(model)
    if reason is not None:
        raise PromptError(
            f"{model.name} takes no sentence pairs: {reason}",
            field="pair",
            value="a second text",
            legal="one text",
        )


def segments_of(model: Vocabulary, encoded: Mapping[str, Any]) -> tuple[int, ...]:
    """For each id of what a tokenizer returned the text that it is of; () of one text.

    Raises PromptError for token types that are none of a pair, or none of this model.
    """
    types = _flat(encoded.get("token_type_ids"))
    if any(types):
        _check_types(model, types, _flat(encoded["input_ids"]))
        return types
    told = getattr(encoded, "is_fast", False)  # then it is a BatchEncoding of transformers
    texts = encoded.sequence_ids(0) if told else []  # type: ignore[attr-defined]
    if 1 not in texts:
        return ()
    segments: list[int] = []
    for text in texts:
        before = segments[-1] if segments else 0
        segments.append(before if text is None else int(text))
    return tuple(segments)


def _check_types(model: Vocabulary, types: tuple[int, ...], ids: tuple[int, ...]) -> None:
    _refuse_without(model)
    if len(types) != len(ids) or set(types) - {0, 1} or model.n_token_types < 2:
        raise PromptError(
            f"token_type_ids has {len(types)} entries, up to {max(types)}, for {len(ids)} tokens; "
            f"{model.name} tells {model.n_token_types} types apart, and a pair has two",
            field="prompt.token_type_ids",
            value=max(types),
            legal="0 for the first text, 1 for the second, one for each token",
        )


def _flat(given: Any) -> tuple[int, ...]:
    """Numbers of a list, a list of one list, a tensor or an array."""
    values: Any = given.tolist() if hasattr(given, "tolist") else given or []
    nested = bool(values) and isinstance(values[0], Sequence)
    return tuple(int(one) for one in (values[0] if nested else values))
