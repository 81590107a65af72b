"""From what a person gives to token ids, with every way that can go wrong.

A prompt is text, messages, token ids (numbers, a tensor, an array), or what a tokenizer returns.
What is done to it beyond reading it is said, in `Read.notes`. An encoder-decoder is given two:
what its encoder reads, the source, and what its decoder goes on with (`Sourced`). An encoder may
be given two texts that it reads together (`SentencePair`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from unembed.engine.names.sentence_pairs import from_pair
from unembed.engine.names.texts import (
    from_messages,
    from_text,
    is_messages,
    on_doubled_start,
    on_end,
)
from unembed.engine.names.token_ids import ids_of, refuse_pads, without_pads
from unembed.engine.names.vocabulary import WHOLE, Read, SentencePair, Sourced, Vocabulary
from unembed.errors import PromptError


def read(model: Vocabulary, prompt: Any, source: Any = None, pair: str | None = None) -> Read:
    """Token ids of a prompt, and what is to be said of them; see Model.tokenize.

    What was read already is returned as it is.
    """
    if isinstance(prompt, Read):
        return prompt
    if pair is not None:
        prompt = SentencePair(prompt, pair)
    if source is not None:
        prompt = Sourced(source, prompt)
    if isinstance(prompt, SentencePair):  # refused where there is an encoder beside a decoder
        return _read_one(model, prompt, continued=False)
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
        fix='give the source: --source "the text to translate", source="..." in Python and HTTP',
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
        found = from_text(model, prompt, continued, target)
    elif isinstance(prompt, SentencePair):
        found = from_pair(model, prompt)
    elif isinstance(prompt, Mapping):
        found = without_pads(model, prompt)
    elif is_messages(prompt):
        found = from_messages(model, prompt)
    elif isinstance(getattr(prompt, "ids", None), list):  # tokenizers.Encoding
        given = {"input_ids": prompt.ids, "attention_mask": prompt.attention_mask}
        found = without_pads(model, given)
    else:
        found = Read(ids_of(model, prompt))
    check_length(model, found.ids)
    _check_rows(model, found.ids)
    _refuse_pictures(model, found.ids)
    if not isinstance(prompt, Mapping):
        starts = target and found.ids[:1] == (model.decoder_start,)  # which may be the pad
        refuse_pads(model, found.ids[1:] if starts else found.ids)
    ends = on_end(model, found.ids) if continued and found.ids != (model.decoder_start,) else ()
    notes = (*found.notes, *on_doubled_start(model, found.ids), *ends)
    return replace(found, notes=notes)


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
    returns, a list of messages, a sentence pair, or one with a source.

    Several are a list, or a tensor or array of more rows than one. What is neither is one, and
    refused where it is read.
    """
    if getattr(prompts, "ndim", 0) >= 2:
        return len(prompts) == 1
    if isinstance(prompts, WHOLE) or not isinstance(prompts, list | tuple):
        return True
    return bool(prompts) and all(_is_id(one) or _is_message(one) for one in prompts)


def _is_id(one: Any) -> bool:
    """Tensors and arrays of several numbers have an `__index__` too."""
    return hasattr(one, "__index__") and getattr(one, "ndim", 0) == 0


def _is_message(one: Any) -> bool:
    return isinstance(one, Mapping) and "role" in one


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
