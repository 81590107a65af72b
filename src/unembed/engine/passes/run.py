"""A run: one forward pass, what was captured of it, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.taps import EVERY, index_of, taken
from unembed.engine.names.tokens import Token
from unembed.engine.nodes import NARROWED_SITES
from unembed.engine.passes.capture import Wanted
from unembed.engine.provenance import Provenance
from unembed.engine.targets import Lengths, Name, SiteKey, Target
from unembed.errors import CapabilityError, InputError, TargetError
from unembed.result import SHOWN_ROWS, columns_of, html_table

SHOWN_TEXT = 60  # characters of a prompt in the name of a run


@dataclass(frozen=True)
class TokenProbability:
    """A token, how probable it is, and its logit."""

    token: Token
    probability: float
    logit: float


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """One forward pass on one prompt.

    `run["L5.resid_post"]` is Float[Tensor, "pos d_model"]; q, k, v and z are [pos, head, d_head];
    pattern and scores [head, query, key], a sink [pos, head]; `run["L9.H6"]` is one head's z,
    `run["L3.H2.pattern"]` one head's pattern, `run["L12.N512"]` one neuron's activation at each
    position, `run["L14.z448"]` one entry of z.
    """

    model: Loaded
    ids: tuple[int, ...]
    edits: tuple[Edit, ...]
    logits: Tensor | None
    activations: Mapping[SiteKey, Tensor]
    wanted: Mapping[SiteKey, Wanted]
    provenance: Provenance
    notes: tuple[str, ...] = ()  # what was done to the prompt, and what to know of it
    # of a model with `labels`: what its head gives them, [label], or [pos, label] where it gives
    # labels to tokens; None of other models, and of a run with logits="none"
    label_scores: Tensor | None = None
    source: tuple[int, ...] = ()  # token ids that an encoder was given; none without an encoder
    # of a sentence pair, for each token: 0 for the first text, 1 for the second; none of one text
    segments: tuple[int, ...] = ()

    def __repr__(self) -> str:
        n_edits, n_sites = len(self.edits), len(self.activations)
        edited = f", {n_edits} edit{'s' * (n_edits != 1)}" if n_edits else ""
        kept = f", {n_sites} site{'s' * (n_sites != 1)} captured" if n_sites else ""
        return f"Run({self.model.name}, {_shortened(self.tokens)}{edited}{kept})"

    def _repr_html_(self) -> str:
        """The likeliest next tokens, for a notebook; the prompt's tokens where there are none."""
        logits = self.logits
        if logits is None or not bool(torch.isfinite(logits[-1].max())):
            tokens = [token.label for token in self.tokens]
            return html_table(repr(self), {"position": [*range(len(tokens))], "token": tokens})
        seen = replace(self, logits=logits[-1:].detach())
        records = (
            {"next token": one.token.label, "probability": one.probability, "logit": one.logit}
            for one in seen.top(min(SHOWN_ROWS, self.model.vocab_size))
        )
        return html_table(repr(self), columns_of(records))

    @property
    def tokens(self) -> tuple[Token, ...]:
        return self.model.tokens(self.ids)

    @property
    def masked(self) -> tuple[int, ...]:
        """Positions where the model got its mask token in place of the prompt's."""
        places = {
            resolve_position(position, len(self.ids))
            for edit in self.edits
            if edit.operation == "mask"
            for position in (edit.positions or (edit.node.position or 0,))
        }
        return tuple(sorted(places))

    @property
    def seen_tokens(self) -> tuple[Token, ...]:
        """The tokens as the model got them: `tokens`, but for its mask token where `masked`."""
        tokenizer, places = self.model.tokenizer, set(self.masked)
        return tuple(
            self.model.token(tokenizer.mask_token_id) if at in places else own
            for at, own in enumerate(self.tokens)
        )

    @property
    def source_tokens(self) -> tuple[Token, ...]:
        """What the encoder of an encoder-decoder was given."""
        return self.model.tokens(self.source)

    @property
    def lengths(self) -> Lengths:
        """How many tokens it has."""
        return Lengths(len(self.ids), len(self.source))

    @property
    def key(self) -> tuple[object, ...]:
        """Equal keys give equal numbers: model, tokens, what goes with them, and edits.

        Adds all weights up, 0.2 s for a gigabyte, to know that they are those of the run; where
        they are not and it was not asked before, the key is one that no other run has.
        """
        self.model.reread()
        fingerprint = self.provenance["fingerprint"]
        return fingerprint, *self._given

    @property
    def local_key(self) -> tuple[object, ...]:
        """As `key`, for caches of this process: never has to wait for the fingerprint."""
        return self.provenance.state, *self._given

    @property
    def _given(self) -> tuple[object, ...]:
        edits = tuple(edit.key for edit in self.edits)
        return self.ids, self.source, self.segments, edits

    @property
    def nbytes(self) -> int:
        """Memory that the run holds, in bytes."""
        held = [*self.activations.values(), *([] if self.logits is None else [self.logits])]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    @property
    def captured(self) -> tuple[str, ...]:
        """Names of the captured sites."""
        return tuple(site_key.name for site_key in self.activations)

    def __contains__(self, site: Name) -> bool:
        return self.model.read_name(site, "site").site_key in self.activations

    def __getitem__(self, site: Name) -> Tensor:
        """The captured activation, or a part of it. Raises TargetError if it was not captured."""
        return self.value_of(self.model.node(site, "site"))

    def value_of(self, target: Target, every_position: bool = False) -> Tensor:
        """What `target` names of the captured activations, at its position or at every one."""
        site_key, lengths = target.site_key, self.lengths
        whole = self._whole(target)
        head: int | slice | None = None
        position: int | slice = EVERY
        if target.position is not None and not every_position:
            position = resolve_position(target.position, lengths.of(site_key), "site")
        key: int | slice = EVERY
        if target.key is not None:
            key = resolve_position(target.key, lengths.keys_of(site_key), "site")
        if target.row.derived:
            whole = self.model.attached(target, "site").encode(target.layer or 0, whole)
        if target.site in NARROWED_SITES:  # perhaps only some heads and rows of them were captured
            wanted = self.wanted.get(target.site_key, Wanted())
            head = _among(
                wanted.heads, EVERY if target.head is None else target.head, "head", target
            )
            position = _among(wanted.queries, position, "position", target)
        return taken(whole, index_of(target, whole.shape[-1], position, key, head))

    def _whole(self, target: Target) -> Tensor:
        if target.site_key == SiteKey("logits", None) and self.logits is not None:
            return self.logits
        found = self.activations.get(target.site_key)
        if found is None:
            name = target.site_key.name
            raise TargetError(
                f"{name} was not captured in this run; run again with capture=[{name!r}]",
                field="site",
                value=target.text,
                legal=", ".join(self.captured) or "nothing was captured",
                fix=f"capture=[{name!r}]",
            )
        return found

    def distribution(self, position: int = -1) -> Tensor:
        """Probabilities of every token at a position: Float[Tensor, "vocab"], summing to 1.

        Raises CapabilityError where the logits overflowed (Gemma in float16, for one).
        """
        logits = self._logits_at(position)
        check_finite(logits, self.model)
        width = torch.float64 if logits.dtype == torch.float64 else torch.float32
        return torch.softmax(logits.to(width), dim=-1)

    def top(self, k: int = 10, position: int = -1) -> list[TokenProbability]:
        """The k most probable tokens at a position, most probable first."""
        vocab = self.model.vocab_size
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= vocab:
            raise InputError(
                f"k is {k}; it must be between 1 and {vocab}",
                field="k",
                value=k,
                legal=f"1 to {vocab}",
            )
        logits = self._logits_at(position)
        probabilities = self.distribution(position)
        best = torch.topk(probabilities, k)
        return [
            TokenProbability(self.model.token(int(token)), float(probability), float(logits[token]))
            for probability, token in zip(best.values, best.indices, strict=True)
        ]

    def _logits_at(self, position: int) -> Tensor:
        if self.logits is None:
            reason = self.model.anatomy.reasons.get("logits")
            if reason:
                raise CapabilityError(f"{self.model.name} predicts no tokens: {reason}")
            raise InputError(
                'this run has no logits; run again with logits="all" or "last"', field="logits"
            )
        n_positions = len(self.ids)
        row = resolve_position(position, n_positions)
        row -= n_positions - self.logits.shape[0]
        if row < 0:
            raise TargetError(
                f'position {position} has no logits in this run (logits="last"); '
                'run again with logits="all"',
                field="position",
                value=position,
                legal=str(n_positions - 1),
            )
        return self.logits[row]


def check_finite(logits: Tensor, model: Loaded) -> None:
    """Raise CapabilityError rather than rank tokens by numbers that are none."""
    if not bool(torch.isfinite(logits.max())):
        dtype = str(logits.dtype).removeprefix("torch.")
        raise CapabilityError(
            f"{model.name} computed logits that are not finite in {dtype}: its activations, or "
            'an edit, left the range of the type; load it with dtype="bfloat16" or "float32"',
            field="dtype",
            value=dtype,
            legal="bfloat16, float32 or float64",
        )


def _among(
    kept: Sequence[int] | None, index: int | slice, word: str, target: Target
) -> int | slice:
    """Where a head or position stands among those that were captured; None captured all."""
    if kept is None:
        return index
    if isinstance(index, int) and index in kept:
        return list(kept).index(index)
    message = f"only {word}s {list(kept)} of {target.text} were captured"
    if isinstance(index, int):
        message = f"{word} {index} of {target.text} was not captured; only {list(kept)} were"
    legal = f"{word}s {list(kept)}"
    raise TargetError(message, field="site", value=target.text, legal=legal)


def _shortened(tokens: Sequence[Token]) -> str:
    """The text of a prompt, or the end of a long one, and how many tokens it has."""
    tail = "".join(token.label if token.special else token.text for token in tokens[-SHOWN_TEXT:])
    whole = len(tokens) <= SHOWN_TEXT and len(tail) <= SHOWN_TEXT
    said = f"{tail!r}" if whole else f"…{tail[-SHOWN_TEXT:]!r}"
    return f"{said}, {len(tokens)} tokens"
