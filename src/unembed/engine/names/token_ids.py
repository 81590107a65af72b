"""Token ids as a person gives them, each looked at: numbers, a tensor, what a tokenizer returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from unembed.engine.names.sentence_pairs import segments_of
from unembed.engine.names.vocabulary import Read, Vocabulary, check_encodable
from unembed.errors import PromptError, TargetError

LEGAL = "text, messages, token ids, a tensor of ids, or what a tokenizer returns"


def ids_of(model: Vocabulary, prompt: Any) -> tuple[int, ...]:
    """Token ids given as numbers, checked one by one; a batch of one counts as its prompt."""
    values = _listed(prompt)
    for order, value in enumerate(values):
        whole = hasattr(value, "__index__") and not isinstance(value, bool)
        if not whole or not 0 <= value < model.vocab_size:
            raise PromptError(
                f"token {order} of the prompt is {value!r}; {model.name} has token ids "
                f"0-{model.vocab_size - 1}",
                field=f"prompt[{order}]",
                value=value,
                legal=f"0-{model.vocab_size - 1}",
            )
    return tuple(int(value) for value in values)


def _listed(prompt: Any) -> list[Any]:
    """The numbers in a tensor, an array or a sequence."""
    if hasattr(prompt, "shape") and hasattr(prompt, "tolist"):
        shape, kind = tuple(prompt.shape), str(getattr(prompt, "dtype", ""))
        is_whole = "int" in kind
        if not is_whole or len(shape) not in (1, 2) or (len(shape) == 2 and shape[0] != 1):
            raise PromptError(
                f"the prompt is a tensor of {kind} {list(shape)}; "
                "it must hold integers, [pos] or [1, pos]",
                field="prompt",
                value=list(shape),
                legal="integers, [pos] or [1, pos]",
            )
        return list(prompt.reshape(-1).tolist())
    if isinstance(prompt, bytes | bytearray) or not isinstance(prompt, Iterable):
        raise PromptError(
            f"the prompt is {_said(prompt)}; give {LEGAL}",
            field="prompt",
            value=type(prompt).__name__,
            legal=LEGAL,
        )
    values = list(prompt)
    if len(values) > 1 and all(isinstance(one, str | list | tuple) for one in values):
        raise PromptError(
            f"the prompt is {len(values)} prompts; give one at a time (the lens takes several)",
            field="prompt",
            value=f"{len(values)} prompts",
            legal=LEGAL,
        )
    return values


def _said(prompt: Any) -> str:
    return "None" if prompt is None else f"a {type(prompt).__name__}"


def without_pads(model: Vocabulary, encoded: Mapping[str, Any]) -> Read:
    """The ids that a tokenizer returned, but for those that its attention mask hides.

    Of a sentence pair also which text each of them is of.
    """
    if "input_ids" not in encoded:
        raise PromptError(
            f"the prompt is a dictionary without input_ids: it has {', '.join(map(str, encoded))}",
            field="prompt",
            value=list(map(str, encoded)),
            legal='{"input_ids": [...]}, with an "attention_mask" where some are pads',
        )
    given = encoded["input_ids"]
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], list):
        given = given[0]  # of a tokenizer that was given a list of one text
    ids = ids_of(model, given)
    segments = segments_of(model, encoded)
    if encoded.get("attention_mask") is None:
        refuse_pads(model, ids)
        return Read(ids, segments=segments)
    mask = [bool(one) for one in _listed(encoded["attention_mask"])]
    shown = [place for place, one in enumerate(mask) if one]
    if len(mask) != len(ids) or (shown and shown[-1] - shown[0] >= len(shown)):
        raise PromptError(
            f"the attention mask has {len(mask)} entries for {len(ids)} tokens, {len(shown)} of "
            "them on; it must be on for one stretch of the tokens, and off for the pads around it",
            field="prompt.attention_mask",
            value=f"{len(mask)} entries, {len(shown)} on",
            legal=f"{len(ids)} entries, on in one stretch",
            fix="to hide a token from others, edit the attention: zero('L3.H2.pattern@5<1')",
        )
    return Read(
        tuple(ids[place] for place in shown),
        segments=tuple(segments[place] for place in shown) if segments else (),
    )


def refuse_pads(model: Vocabulary, ids: tuple[int, ...]) -> None:
    """Raise PromptError for padded ids without a mask: pads would count as text."""
    pad = _pad_id(model)
    if pad is None or not ids or pad not in (ids[0], ids[-1]):
        return
    text = model.token(pad).text
    raise PromptError(
        f"the prompt starts or ends with {text} (token {pad}), which is padding and no text; "
        "leave it out, or give the attention mask that goes with it",
        field="prompt",
        value=text,
        legal="tokens of a text",
        fix='give what the tokenizer returns, {"input_ids": ids, "attention_mask": mask}',
    )


def _pad_id(model: Vocabulary) -> int | None:
    """The id of a token that is for padding only; many tokenizers pad with the end of text."""
    if model.tokenizer is None or getattr(model.tokenizer, "pad_token_id", None) is None:
        return None
    names = ("bos", "eos", "unk", "mask", "sep", "cls")
    others = {getattr(model.tokenizer, f"{name}_token_id", None) for name in names}
    pad = int(model.tokenizer.pad_token_id)
    return None if pad in others else pad


def token_id(model: Vocabulary, token: str | int) -> int:
    """The id of one token; see Model.token_id."""
    if isinstance(token, int) and not isinstance(token, bool):
        if 0 <= token < model.vocab_size:
            return token
        raise TargetError(
            f"token id {token} is not in the vocabulary: {model.name} has ids "
            f"0-{model.vocab_size - 1}",
            field="target",
            value=token,
            legal=f"0-{model.vocab_size - 1}",
        )
    if not isinstance(token, str) or model.tokenizer is None:
        raise TargetError(
            f"{token!r} is no token; give a token id",
            field="target",
            value=token,
            legal=f"0-{model.vocab_size - 1}",
        )
    check_encodable(token)
    named = model.named(token)
    if named is not None:
        return token_id(model, named)  # a token may have been added to the tokenizer alone
    ids = model.tokenizer(token, add_special_tokens=False, verbose=False)["input_ids"]
    if len(ids) == 1:
        return int(ids[0])
    pieces = ", ".join(repr(piece.text) for piece in model.tokens(ids)) or "nothing"
    raise TargetError(
        f"{token!r} is not one token: {model.name} splits it into {len(ids)} ({pieces}); "
        "give one of them, or a token id",
        field="target",
        value=token,
        legal="exactly one token",
    )
