"""Texts and conversations as token ids: special tokens once, templates as transformers has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unembed.engine.names.vocabulary import Read, Vocabulary, check_encodable, named_in
from unembed.errors import PromptError

Message = Mapping[str, Any]  # {"role": "user", "content": "Hello"}


def from_messages(model: Vocabulary, messages: Sequence[Message]) -> Read:
    """The template writes every special token itself: the tokenizer adds none, as transformers'
    own `apply_chat_template` lets it add none.
    """
    text = _templated(model, messages)
    check_text(model, text)
    ids = tuple(model.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    begin = getattr(model.tokenizer, "bos_token_id", None)
    added = tuple(model.tokenizer("", verbose=False)["input_ids"])
    if begin is None or begin not in added or begin in ids:
        return Read(ids)
    return Read(
        ids,
        (
            f"The chat template puts no {named_in(model, [begin])} in front, as the tokenizer does "
            "before a text: it is left out, as transformers leaves it out.",
        ),
    )


def from_text(model: Vocabulary, text: str, continued: bool, target: bool) -> Read:
    if not text:
        return Read(())
    check_text(model, text)
    name = "text_target" if target else "text"
    whole, bare, around = (
        tuple(model.tokenizer(**{name: part}, add_special_tokens=add, verbose=False)["input_ids"])
        for part, add in ((text, True), (text, False), ("", True))
    )
    return _once(model, whole, bare, around, continued)


def check_text(model: Vocabulary, text: str) -> None:
    """Raise PromptError for a text that is too long, or that nothing can read."""
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
    check_encodable(text)


def _once(
    model: Vocabulary,
    whole: tuple[int, ...],
    bare: tuple[int, ...],
    around: tuple[int, ...],
    continued: bool,
) -> Read:
    """Special tokens that a text has already are not added again; none is added after a text that
    a model continues.

    `whole` is `around` with the text's own tokens, `bare`, somewhere in it.
    """
    splits = range(len(around), -1, -1)
    at = next((at for at in splits if (*around[:at], *bare, *around[at:]) == whole), None)
    if at is None or not bare:
        return Read(whole)
    before, after = around[:at], around[at:]
    notes: list[str] = []
    if before and bare[: len(before)] == before:
        notes.append(
            f"The text starts with {named_in(model, before)}, which the tokenizer would add: "
            "it is not added again."
        )
        before = ()
    if after and bare[-len(after) :] == after:
        notes.append(
            f"The text ends with {named_in(model, after)}, which the tokenizer would add: "
            "it is not added again."
        )
        after = ()
    elif after and continued:
        notes.append(
            f"The tokenizer would add {named_in(model, after)} at the end: it is left out, so that "
            "the model continues the text."
        )
        after = ()
    return Read((*before, *bare, *after), tuple(notes))


def on_doubled_start(model: Vocabulary, ids: tuple[int, ...]) -> tuple[str, ...]:
    """A note where the first token stands twice: ids of a text that had it already, most often."""
    begin = getattr(model.tokenizer, "bos_token_id", None)
    if begin is None or ids[:2] != (begin, begin):
        return ()
    return (
        f"The prompt starts with {named_in(model, ids[:1])} twice, as it was given: give the text "
        "itself to have it once.",
    )


def on_end(model: Vocabulary, ids: tuple[int, ...]) -> tuple[str, ...]:
    """A note where a causal model is asked what follows the end of a text."""
    end, begin = (getattr(model.tokenizer, name, None) for name in ("eos_token_id", "bos_token_id"))
    if end is None or end == begin or ids[-1] != end:
        return ()
    return (
        f"The prompt ends with {named_in(model, ids[-1:])}, the end of a text: what the model "
        "predicts last is what follows another text.",
    )


def is_messages(prompt: Any) -> bool:
    """Messages as chat templates take them."""
    return (
        isinstance(prompt, list | tuple)
        and bool(prompt)
        and all(isinstance(one, Mapping) and "role" in one for one in prompt)
    )


def _templated(model: Vocabulary, messages: Sequence[Message]) -> str:
    """The text of a conversation, up to where the model answers, or goes on with its answer."""
    reason = why_no_chat(model.tokenizer)
    if reason is not None:
        raise PromptError(
            f"{model.name} cannot read messages: {reason}; write the text itself",
            field="prompt",
            value=f"{len(messages)} messages",
            legal="text, or token ids",
            fix="load the model with the tokenizer of its chat version",
        )
    _refuse_pictures_in(model, messages)
    answered = messages[-1]["role"] == "assistant"
    try:
        text = model.tokenizer.apply_chat_template(
            [dict(one) for one in messages],
            tokenize=False,
            add_generation_prompt=not answered,
            continue_final_message=answered,
        )
    except Exception as error:  # whatever a template raises, and Jinja
        raise PromptError(
            f"the chat template of {model.name} refuses these messages: {error}",
            field="prompt",
            value=f"{len(messages)} messages",
            legal='[{"role": "user", "content": "Hello"}]',
        ) from error
    return str(text)


def why_no_chat(tokenizer: Any) -> str | None:
    """Why messages cannot be read; None where they can."""
    if tokenizer is None:
        return "it was loaded without a tokenizer"
    if getattr(tokenizer, "chat_template", None) is None:
        return "its tokenizer has no chat template"
    return None


def _refuse_pictures_in(model: Vocabulary, messages: Sequence[Message]) -> None:
    """Raise PromptError for a part of a message that is not text."""
    for order, message in enumerate(messages):
        content = message.get("content")
        for part in content if isinstance(content, list | tuple) else ():
            kind = part.get("type", "text") if isinstance(part, Mapping) else "text"
            if kind != "text":
                raise PromptError(
                    f"message {order} has a part of type {kind!r}; only the language model of "
                    f"{model.name} is read here, so messages are text alone",
                    field="prompt",
                    value=kind,
                    legal='{"type": "text", "text": "Hello"}',
                )
