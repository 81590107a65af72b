"""From what a person types to token ids, with every way that can go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from unembed.engine.names.tokens import Token
from unembed.errors import PromptError, TargetError
from unembed.settings import Settings


class Vocabulary(Protocol):
    """What must be known of a model to read its prompts."""

    tokenizer: Any
    settings: Settings
    max_positions: int

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def vocab_size(self) -> int:
        """How many token ids there are."""

    def tokens(self, ids: Sequence[int]) -> tuple[Token, ...]:
        """The tokens with these ids."""


def tokenize(model: Vocabulary, prompt: str | Sequence[int] | Tensor) -> tuple[int, ...]:
    """Token ids of a prompt; see Model.tokenize."""
    ids = _from_text(model, prompt) if isinstance(prompt, str) else _from_ids(model, prompt)
    if not ids:
        raise PromptError(
            "the prompt is empty; write at least one word or give one token id",
            field="prompt",
            value="",
            legal=f"1 to {model.max_positions} tokens",
        )
    if len(ids) > model.max_positions:
        raise PromptError(
            f"the prompt has {len(ids)} tokens; {model.name} takes at most {model.max_positions} "
            "here: shorten it",
            field="prompt",
            value=f"{len(ids)} tokens",
            legal=f"1 to {model.max_positions} tokens",
        )
    return ids


def _from_text(model: Vocabulary, text: str) -> tuple[int, ...]:
    if not text:
        return ()
    limit = model.settings.max_prompt_chars
    if len(text) > limit:
        raise PromptError(
            f"the prompt has {len(text):,} characters; the limit is {limit:,} (max_prompt_chars)",
            field="prompt",
            value=f"{len(text)} characters",
            legal=f"at most {limit} characters",
        )
    if model.tokenizer is None:
        raise PromptError(
            f"{model.name} was loaded without a tokenizer; give token ids, or load it with one",
            field="prompt",
            value=text[:40],
            legal="token ids",
        )
    _check_encodable(text)
    encoded = model.tokenizer(text, verbose=False)
    return tuple(encoded["input_ids"])


def _check_encodable(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PromptError(
            f"the prompt is not valid Unicode: character {error.start} is half of a pair",
            field="prompt",
            value=f"character {error.start}",
            legal="valid Unicode",
        ) from None


def _from_ids(model: Vocabulary, prompt: Sequence[int] | Tensor) -> tuple[int, ...]:
    values: Any = prompt
    if isinstance(prompt, Tensor):
        if (
            prompt.is_floating_point()
            or prompt.dim() not in (1, 2)
            or (prompt.dim() == 2 and prompt.shape[0] != 1)
        ):
            raise PromptError(
                f"the prompt is a tensor of {prompt.dtype} {list(prompt.shape)}; "
                "it must hold integers, [pos] or [1, pos]",
                field="prompt",
                value=list(prompt.shape),
                legal="integers, [pos] or [1, pos]",
            )
        values = prompt.reshape(-1).tolist()
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
    _check_encodable(token)
    ids = model.tokenizer(token, add_special_tokens=False, verbose=False)["input_ids"]
    if len(ids) == 1:
        return int(ids[0])
    named = model.tokenizer.get_vocab().get(token)
    if named is not None:
        return int(named)
    pieces = ", ".join(repr(piece.text) for piece in model.tokens(ids)) or "nothing"
    raise TargetError(
        f"{token!r} is not one token: {model.name} splits it into {len(ids)} ({pieces}); "
        "give one of them, or a token id",
        field="target",
        value=token,
        legal="exactly one token",
    )
