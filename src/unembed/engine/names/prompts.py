"""From what a person gives to token ids, with every way that can go wrong.

A prompt is text, messages, token ids (numbers, a tensor, an array), or what a tokenizer returns.
What is done to it beyond reading it is said, in `Read.notes`. An encoder-decoder is given two:
what its encoder reads, the source, and what its decoder goes on with (`Sourced`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from unembed.engine.names.tokens import Token
from unembed.errors import PromptError, TargetError
from unembed.models.labels import Labels
from unembed.settings import Settings

Message = Mapping[str, Any]  # {"role": "user", "content": "Hello"}
LEGAL = "text, messages, token ids, a tensor of ids, or what a tokenizer returns"


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

    @property
    def has_encoder(self) -> bool:
        """Whether it is an encoder-decoder, which reads a source beside its prompt."""

    @property
    def decoder_start(self) -> int | None:
        """The token that its decoder starts every text with."""

    @property
    def kind(self) -> str:
        """Whether it continues a text ("causal") or fills gaps in it ("masked")."""

    @property
    def labels(self) -> Labels | None:
        """What its head says of a text; None of a language model, which continues one."""

    @property
    def placeholders(self) -> Mapping[int, str]:
        """What each token stands for that a picture or sound takes the place of."""

    def token(self, token_id: int) -> Token:
        """The token with this id."""

    def named(self, text: str) -> int | None:
        """The id of the token whose text or name this is."""

    def tokens(self, ids: Sequence[int]) -> tuple[Token, ...]:
        """The tokens with these ids."""


@dataclass(frozen=True)
class Sourced:
    """The prompt of an encoder-decoder.

    Args:
        source: what its encoder reads: text, token ids, or what a tokenizer returns.
        prompt: what its decoder goes on with, in the same forms; its start token where left out.
            A text has that token put in front; ids are taken as they are.
    """

    source: Any
    prompt: Any = None


@dataclass(frozen=True)
class Read:
    """A prompt as the model gets it."""

    ids: tuple[int, ...]
    notes: tuple[str, ...] = ()  # sentences: what was done to it, or what to know of it
    source: tuple[int, ...] = ()  # for the encoder of an encoder-decoder

    @property
    def prompt(self) -> tuple[int, ...] | Sourced:
        """The same as a prompt."""
        return Sourced(self.source, self.ids) if self.source else self.ids


def read(model: Vocabulary, prompt: Any, source: Any = None) -> Read:
    """Token ids of a prompt, and what is to be said of them; see Model.tokenize."""
    if source is not None:
        prompt = Sourced(source, prompt)
    if model.has_encoder:
        return _read_both(model, _sourced(model, prompt))
    if isinstance(prompt, Sourced):
        raise PromptError(
            f"{model.name} has no encoder, which would read the source: leave source out",
            field="source",
            value=str(prompt.source)[:40],
            legal="no source",
        )
    return _read_one(model, prompt, model.kind == "causal" and model.labels is None)


def _sourced(model: Vocabulary, prompt: Any) -> Sourced:
    """Both prompts of an encoder-decoder; a dictionary has them as transformers calls them."""
    if isinstance(prompt, Sourced):
        return prompt
    if isinstance(prompt, Mapping) and "input_ids" in prompt:
        source = {name: prompt[name] for name in ("input_ids", "attention_mask") if name in prompt}
        ids = prompt.get("decoder_input_ids")
        mask = prompt.get("decoder_attention_mask")
        both = None if ids is None else {"input_ids": ids, "attention_mask": mask}
        return Sourced(source, both)
    raise PromptError(
        f"{model.name} is an encoder-decoder: say what its encoder reads, beside the prompt that "
        "its decoder goes on with",
        field="source",
        value="",
        legal="text or token ids",
        fix='model.run(source="the text to translate") in Python',
    )


def _read_both(model: Vocabulary, given: Sourced) -> Read:
    try:
        source = _read_one(model, given.source, continued=False)
    except PromptError as error:
        raise _of_source(error) from error
    empty = given.prompt is None or (isinstance(given.prompt, str) and not given.prompt)
    own = Read(()) if empty else _read_one(model, given.prompt, continued=True)
    start = model.decoder_start
    if (empty or isinstance(given.prompt, str)) and own.ids[:1] != (start,):
        if start is None:
            raise PromptError(
                f"{model.name} does not say which token its decoder starts with: give the prompt "
                "as token ids that start with it",
                field="prompt",
                legal="token ids",
            )
        own = Read((start, *own.ids), own.notes)
    check_length(model, own.ids)
    return Read(own.ids, (*source.notes, *own.notes), source.ids)


def _of_source(error: PromptError) -> PromptError:
    """What is wrong with a source, said of it."""
    field = "source" + (error.field or "prompt").removeprefix("prompt")
    words = str(error).replace("the prompt", "the source")
    return PromptError(words, field=field, value=error.value, legal=error.legal, fix=error.fix)


def _read_one(model: Vocabulary, prompt: Any, continued: bool) -> Read:
    """One prompt; `continued`: the model goes on with it, so that nothing is added behind it."""
    target = model.has_encoder and continued  # some tokenizers have two languages
    if isinstance(prompt, str):
        found = _from_text(model, prompt, continued, target)
    elif isinstance(prompt, Mapping):
        found = Read(_without_pads(model, prompt))
    elif _is_messages(prompt):
        found = _from_messages(model, prompt)
    elif isinstance(getattr(prompt, "ids", None), list):  # tokenizers.Encoding
        given = {"input_ids": prompt.ids, "attention_mask": prompt.attention_mask}
        found = Read(_without_pads(model, given))
    else:
        found = Read(ids_of(model, prompt))
    check_length(model, found.ids)
    _check_rows(model, found.ids)
    _refuse_pictures(model, found.ids)
    if not isinstance(prompt, Mapping):
        starts = target and found.ids[:1] == (model.decoder_start,)  # which may be the pad
        _refuse_pads(model, found.ids[1:] if starts else found.ids)
    ends = _ends(model, found.ids) if continued and found.ids != (model.decoder_start,) else ()
    return Read(found.ids, (*found.notes, *_doubled(model, found.ids), *ends))


def _check_rows(model: Vocabulary, ids: tuple[int, ...]) -> None:
    """Raise PromptError for a token that was added to the tokenizer, and not to the model."""
    beyond = next((at for at, one in enumerate(ids) if one >= model.vocab_size), None)
    if beyond is not None:
        raise PromptError(
            f"token {beyond} of the prompt is {ids[beyond]} ({model.token(ids[beyond]).label}); "
            f"{model.name} has token ids 0-{model.vocab_size - 1}: its tokenizer has more tokens "
            "than its embedding has rows",
            field="prompt",
            value=ids[beyond],
            legal=f"0-{model.vocab_size - 1}",
            fix="module.resize_token_embeddings(len(tokenizer)), or load its own tokenizer",
        )


def _refuse_pictures(model: Vocabulary, ids: tuple[int, ...]) -> None:
    """Raise PromptError for a token that a picture or sound takes the place of."""
    at = next((at for at, one in enumerate(ids) if one in model.placeholders), None)
    if at is None:
        return
    text = model.token(ids[at]).label
    raise PromptError(
        f"token {at} of the prompt, {text}, stands for {model.placeholders[ids[at]]}; "
        f"only the language model of {model.name} is read here, so a prompt is text alone",
        field="prompt",
        value=text,
        legal="text without pictures and sound",
        fix=f"leave {text} out",
    )


def is_one(prompts: Any) -> bool:
    """Whether this is one prompt, and not several: text, ids of any kind, what a tokenizer
    returns, a list of messages, or one with a source.
    """
    if isinstance(prompts, str | Mapping | Sourced) or hasattr(prompts, "dtype"):
        return True
    each = list(prompts)
    return bool(each) and all(hasattr(one, "__index__") or isinstance(one, Mapping) for one in each)


def several(prompts: Any) -> list[Any]:
    """Prompts as a list, of one too."""
    return [prompts] if is_one(prompts) else list(prompts)


def check_length(model: Vocabulary, ids: tuple[int, ...]) -> None:
    """Raise PromptError unless the model takes a prompt of this length."""
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


# ------------------------------------------------------------------ text and messages


def _from_messages(model: Vocabulary, messages: Sequence[Message]) -> Read:
    """The template writes every special token itself: the tokenizer adds none, as transformers'
    own `apply_chat_template` lets it add none.
    """
    text = _templated(model, messages)
    _check_text(model, text)
    ids = tuple(model.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    begin = getattr(model.tokenizer, "bos_token_id", None)
    added = tuple(model.tokenizer("", verbose=False)["input_ids"])
    if begin is None or begin not in added or begin in ids:
        return Read(ids)
    return Read(
        ids,
        (
            f"The chat template puts no {_named(model, [begin])} in front, as the tokenizer does "
            "before a text: it is left out, as transformers leaves it out.",
        ),
    )


def _from_text(model: Vocabulary, text: str, continued: bool, target: bool) -> Read:
    if not text:
        return Read(())
    _check_text(model, text)
    name = "text_target" if target else "text"
    whole, bare, around = (
        tuple(model.tokenizer(**{name: part}, add_special_tokens=add, verbose=False)["input_ids"])
        for part, add in ((text, True), (text, False), ("", True))
    )
    return _once(model, whole, bare, around, continued)


def _check_text(model: Vocabulary, text: str) -> None:
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
            f"The text starts with {_named(model, before)}, which the tokenizer would add: "
            "it is not added again."
        )
        before = ()
    if after and bare[-len(after) :] == after:
        notes.append(
            f"The text ends with {_named(model, after)}, which the tokenizer would add: "
            "it is not added again."
        )
        after = ()
    elif after and continued:
        notes.append(
            f"The tokenizer would add {_named(model, after)} at the end: it is left out, so that "
            "the model continues the text."
        )
        after = ()
    return Read((*before, *bare, *after), tuple(notes))


def _doubled(model: Vocabulary, ids: tuple[int, ...]) -> tuple[str, ...]:
    """A note where the first token stands twice: ids of a text that had it already, most often."""
    begin = getattr(model.tokenizer, "bos_token_id", None)
    if begin is None or ids[:2] != (begin, begin):
        return ()
    return (
        f"The prompt starts with {_named(model, ids[:1])} twice, as it was given: give the text "
        "itself to have it once.",
    )


def _ends(model: Vocabulary, ids: tuple[int, ...]) -> tuple[str, ...]:
    """A note where a causal model is asked what follows the end of a text."""
    end, begin = (getattr(model.tokenizer, name, None) for name in ("eos_token_id", "bos_token_id"))
    if end is None or end == begin or ids[-1] != end:
        return ()
    return (
        f"The prompt ends with {_named(model, ids[-1:])}, the end of a text: what the model "
        "predicts last is what follows another text.",
    )


def _named(model: Vocabulary, ids: Iterable[int]) -> str:
    return " ".join(model.token(token).text for token in ids)


def _is_messages(prompt: Any) -> bool:
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


# ------------------------------------------------------------------ token ids


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


def _without_pads(model: Vocabulary, encoded: Mapping[str, Any]) -> tuple[int, ...]:
    """The ids that a tokenizer returned, but for those that its attention mask hides."""
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
    if encoded.get("attention_mask") is None:
        _refuse_pads(model, ids)
        return ids
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
    return tuple(ids[place] for place in shown)


def _refuse_pads(model: Vocabulary, ids: tuple[int, ...]) -> None:
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


# ------------------------------------------------------------------ one token


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
