"""Continuing a text, with edits in force at every step.

With a cache the model is given only the new token at each step; edits count positions from the
start of the prompt, so the tokens are the same as without. Edits with no positions act on
generated tokens too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor
from transformers.modeling_outputs import MoEModelOutput

from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.editing.resolving import resolve_edits
from unembed.engine.loaded import Loaded
from unembed.engine.names.tokens import Token
from unembed.engine.passes.hooks import Instrument, Row
from unembed.engine.passes.inputs import inputs_of, keeps_last_logits, takes
from unembed.engine.passes.options import GenerationOptions
from unembed.engine.passes.run import check_finite
from unembed.engine.targets import Lengths
from unembed.errors import InputError, PromptError
from unembed.models.progress import Progress
from unembed.result import Axes, Columns, Result

DEFAULTS = GenerationOptions()


STATES_DRIFT = 1e-2  # of the largest logit: more than rounding of half precision makes


@dataclass(frozen=True, repr=False)
class Generation(Result):
    """A prompt and its continuation."""

    axes: ClassVar[Axes] = {"position": ("table_row",), "id": ("table_row",)}

    prompt_tokens: tuple[Token, ...]
    new_tokens: tuple[Token, ...]
    text: Annotated[str, "The continuation alone."]
    source_tokens: Annotated[
        tuple[Token, ...], "What the encoder of an encoder-decoder was given."
    ] = ()

    @property
    def prompt_ids(self) -> tuple[int, ...]:
        return tuple(token.id for token in self.prompt_tokens)

    @property
    def new_ids(self) -> tuple[int, ...]:
        return tuple(token.id for token in self.new_tokens)

    def summary(self) -> str:
        return f"{len(self.prompt_tokens)} tokens and {len(self.new_tokens)} new: {self.text!r}"

    def columns(self) -> Columns:
        """One row for each new token."""
        first = len(self.prompt_tokens)
        return {
            "position": list(range(first, first + len(self.new_tokens))),
            "id": list(self.new_ids),
            "token": [token.text for token in self.new_tokens],
        }


def _continuation_of(model: Loaded, prompt_ids: tuple[int, ...], new_ids: tuple[int, ...]) -> str:
    """The text of the new tokens behind the prompt's: there they may join to other characters."""

    def decode(ids: tuple[int, ...]) -> str:
        return str(model.tokenizer.decode(ids, clean_up_tokenization_spaces=False))

    if model.tokenizer is None:
        return " ".join(str(token) for token in new_ids)
    both, prompt = decode(prompt_ids + new_ids), decode(prompt_ids)
    return both[len(prompt) :] if both.startswith(prompt) else decode(new_ids)


def generate(
    model: Loaded,
    ids: tuple[int, ...],
    options: GenerationOptions,
    edits: tuple[Edit, ...],
    *,
    use_cache: bool,
    cancel: Cancel | None,
    progress: Progress | None,
    source: tuple[int, ...] = (),
) -> Generation:
    """See Model.generate. Stops early at an end-of-text token, which is kept."""
    growing = Continuation(
        model,
        ids,
        options,
        edits,
        use_cache=use_cache,
        cancel=cancel,
        progress=progress,
        source=source,
    )
    with growing.running():
        while not growing.is_over:
            growing.step()
    return growing.result()


@dataclass(frozen=True)
class NewToken:
    """A token that was just made, and the logits that it was chosen by [vocab]."""

    token: Token
    logits: Tensor = field(repr=False)

    @property
    def probability(self) -> float:
        """Its share of the distribution at temperature 1."""
        return float(torch.softmax(self.logits.double(), dim=-1)[self.token.id])


class Continuation:
    """A text that grows by one token for each `step` inside `running`.

    Between two times of `running` the model is free for other runs: two continuations can take
    turns. Raises what Model.generate raises: what is wrong with the request, before the first step.
    """

    def __init__(
        self,
        model: Loaded,
        ids: tuple[int, ...],
        options: GenerationOptions = DEFAULTS,
        edits: tuple[Edit, ...] = (),
        *,
        use_cache: bool = True,
        cancel: Cancel | None = None,
        progress: Progress | None = None,
        source: tuple[int, ...] = (),
    ) -> None:
        model.require("generate")
        _check(model, ids, options.max_new_tokens)
        self._model, self._ids, self._source = model, ids, source
        self._options = options
        self._cancel, self._progress = cancel, progress
        resolved = resolve_edits(model, edits, Lengths(len(ids), len(source)))
        self._instrument = Instrument(model.module, model.anatomy, [Row(edits=resolved)], cancel)
        self._sampler = torch.Generator().manual_seed(options.seed)
        self._stepper = _Stepper(model, self._instrument, use_cache, source)
        self._stops = _end_ids(model)
        self._new: list[int] = []

    @property
    def is_over(self) -> bool:
        """The last step made an end-of-text token, or as many tokens as were asked for."""
        ended = bool(self._new) and self._new[-1] in self._stops
        return ended or len(self._new) == self._options.max_new_tokens

    @contextmanager
    def running(self) -> Iterator[None]:
        """The model alone, with the edits in force."""
        with self._model.evaluating(running=True), self._instrument.installed():
            yield

    def step(self) -> NewToken:
        """One more token."""
        if self._cancel is not None:
            self._cancel.check()
        if self._progress is not None:
            self._progress("generating", len(self._new), self._options.max_new_tokens)
        logits = self._stepper.logits([*self._ids, *self._new])
        chosen = _choose(self._model, logits, self._options.temperature, self._sampler)
        self._new.append(chosen)
        return NewToken(self._model.token(chosen), logits)

    def result(self) -> Generation:
        """The prompt and what was made so far."""
        model, new = self._model, tuple(self._new)
        text = _continuation_of(model, self._ids, new)
        source = model.tokens(self._source)
        return Generation(model.tokens(self._ids), model.tokens(new), text, source)


class _Stepper:
    """Gives the logits after a growing text, feeding the model what it has not seen.

    What a model keeps is believed only where one step with it gives the logits of the whole text
    anew: some families' states drift from their own forward pass, some caches forget a window.
    """

    def __init__(
        self,
        model: Loaded,
        instrument: Instrument,
        use_cache: bool,
        source: tuple[int, ...] = (),
    ) -> None:
        self.model, self.instrument, self.source = model, instrument, source
        self.use_cache = use_cache and model.keeps_states is not False
        # Mamba's states, or keys and values, which are "cache" from transformers 5.24 on;
        # RecurrentGemma hands out neither
        names = ("cache_params", "past_key_values", "cache")
        taken = (name for name in names if takes(model.module, name))
        self.past_name = next(taken, "past_key_values")
        self.past: Any = None
        self.encoded: Tensor | None = None  # what the encoder made of the source, edits included
        self.seen = 0

    def logits(self, ids: list[int]) -> Tensor:
        proven = self.past is None or self.model.keeps_states is not None
        found = self._step(ids)
        if proven:
            return found
        whole = _Stepper(self.model, self.instrument, False, self.source)._step(ids)
        largest = float((found - whole).abs().max()) / max(float(whole.abs().max()), 1e-30)
        self.model.keeps_states = largest <= STATES_DRIFT
        self.use_cache = self.model.keeps_states
        return whole

    def _step(self, ids: list[int]) -> Tensor:
        fresh = ids[self.seen :] if self.use_cache else ids
        offset = self.seen if self.use_cache else 0
        tokens = torch.tensor([fresh], device=self.model.device)
        options: dict[str, Any] = {"use_cache": self.use_cache}
        options |= inputs_of(self.model, tokens, [self.source])
        if self.encoded is not None:
            # of those without experts it is read as what they return
            options["encoder_outputs"] = MoEModelOutput(last_hidden_state=self.encoded)
        if self.use_cache and self.past is not None:
            options[self.past_name] = self.past
        if keeps_last_logits(self.model):
            options["logits_to_keep"] = 1
        self.instrument.begin([Lengths(len(fresh), len(self.source))], offset)
        output = self.model.module(**options)
        self.encoded = getattr(output, "encoder_last_hidden_state", None)
        self.past = getattr(output, self.past_name, None) if self.use_cache else None
        self.use_cache = self.past is not None
        self.seen = len(ids) if self.use_cache else 0
        return output.logits[0, -1]  # type: ignore[no-any-return]


def _choose(model: Loaded, logits: Tensor, temperature: float, sampler: torch.Generator) -> int:
    check_finite(logits, model)
    if temperature == 0:
        return int(logits.argmax())
    probabilities = torch.softmax(logits.double().cpu() / temperature, dim=-1)
    return int(torch.multinomial(probabilities, 1, generator=sampler))


def _check(model: Loaded, ids: tuple[int, ...], max_new_tokens: int) -> None:
    limit = model.settings.max_new_tokens
    if max_new_tokens > limit:
        raise InputError(
            f"max_new_tokens is {max_new_tokens}; it must be between 1 and {limit}",
            field="max_new_tokens",
            value=max_new_tokens,
            legal=f"1 to {limit}",
        )
    if len(ids) + max_new_tokens > model.max_positions:
        raise PromptError(
            f"{len(ids)} prompt tokens and {max_new_tokens} new ones are more than the "
            f"{model.max_positions} that {model.name} takes here: shorten the prompt or ask for "
            f"at most {max(model.max_positions - len(ids), 0)} tokens",
            field="max_new_tokens",
            value=max_new_tokens,
            legal=f"at most {max(model.max_positions - len(ids), 0)}",
        )


def _end_ids(model: Loaded) -> set[int]:
    config = getattr(model.module, "generation_config", None)
    ends = getattr(config, "eos_token_id", None)
    if ends is None and model.tokenizer is not None:
        ends = model.tokenizer.eos_token_id
    if ends is None:
        return set()
    return set(ends) if isinstance(ends, list | tuple) else {int(ends)}
