"""What a head does, as a number: previous token, induction, punctuation, distance ...

Each score is a mean over the queries of a prompt that can show the behaviour; over several prompts
it is the mean over all their queries. Patterns are looked at one layer after the other while the
model runs, so that a text of thousands of tokens needs the memory of one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unembed.analyses.attention.options import HeadKind, HeadsOptions, Part
from unembed.analyses.attention.parts import (
    as_seen,
    head_of,
    layers_of,
    n_heads,
    site_key,
    tokens_of,
    watch_patterns,
)
from unembed.analyses.attention.result import HeadScores
from unembed.analyses.attention.typed import Sum, read_score
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.model import Model
from unembed.engine.names.prompts import several
from unembed.engine.names.tokens import Token
from unembed.engine.names.vocabulary import Read, Sourced
from unembed.engine.passes.run import Run
from unembed.models.progress import Progress
from unembed.options import given

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

Tokens = Sequence[Token]
DEFAULTS = HeadsOptions()
N_REPEATED = 24  # tokens of random text, which then come once more
SEED = 0
NUMBERS_AT_ONCE = 4 * 1024 * 1024  # of a pattern, made accurate


@dataclass(frozen=True)
class Score:
    """One behaviour: its name, what its score is, and how much each pair counts.

    `pairs` is given the tokens that look and those that are looked at. Where it tells which pairs
    show the behaviour, the score is the attention that goes to them, at queries that have one;
    where it gives each a number, the mean of that number. None: the entropy of the row.
    `across`: it also has a meaning between two texts, from a decoder to its source.
    """

    kind: HeadKind
    sentence: str
    pairs: Callable[[Tokens, Tokens], Tensor] | None
    across: bool = False


def _offset(offset: int) -> Callable[[Tokens, Tokens], Tensor]:
    def pairs(queries: Tokens, _: Tokens) -> Bool[Tensor, "query key"]:
        ones = torch.ones(len(queries), dtype=torch.bool)
        return torch.diag(ones[: len(ones) - abs(offset)], offset)

    return pairs


def _first(queries: Tokens, keys: Tokens) -> Bool[Tensor, "query key"]:
    """From every token but the first itself."""
    found = torch.zeros(len(queries), len(keys), dtype=torch.bool)
    found[int(queries is keys) :, 0] = True
    return found


def _repeats(queries: Tokens, _: Tokens) -> Bool[Tensor, "query key"]:
    """Query and key hold the same token, the key before the query."""
    ids = torch.tensor([token.id for token in queries])
    return (ids[:, None] == ids).tril(-1)


def _successors(queries: Tokens, keys: Tokens) -> Bool[Tensor, "query key"]:
    """The key follows an earlier occurrence of the query's token; the query itself is none."""
    found = torch.zeros(len(queries), len(queries), dtype=torch.bool)
    found[:, 1:] = _repeats(queries, keys)[:, :-1]
    return found.tril(-1)


def _punctuation(queries: Tokens, keys: Tokens) -> Bool[Tensor, "query key"]:
    marks = torch.tensor([_is_punctuation(token) for token in keys])
    return marks[None].expand(len(queries), -1)


def _is_punctuation(token: Token) -> bool:
    text = token.text.strip()
    return (
        not token.special
        and bool(text)
        and all(unicodedata.category(character)[0] == "P" for character in text)
    )


def _distances(queries: Tokens, _: Tokens) -> Float[Tensor, "query key"]:
    at = torch.arange(len(queries), dtype=torch.float32)
    return (at[:, None] - at).abs()


SCORES = (
    Score("previous", "Mean attention to the token before.", _offset(-1)),
    Score("next", "Mean attention to the token behind.", _offset(1)),
    Score("first", "Mean attention to the first token, from all others.", _first, across=True),
    Score("same", "Mean attention to the position itself.", _offset(0)),
    Score(
        "repeated",
        "Mean attention to earlier occurrences of the token, where there are any.",
        _repeats,
    ),
    Score(
        "induction",
        "Mean attention to what followed earlier occurrences of the token, where there are any.",
        _successors,
    ),
    Score("punctuation", "Mean attention to punctuation marks.", _punctuation, across=True),
    Score("entropy", "Mean entropy of the pattern's rows, in nats.", None, across=True),
    Score("distance", "Mean distance to what is looked at, in tokens.", _distances),
)


def heads_capture(
    model: Loaded, *, options: HeadsOptions = DEFAULTS, **changes: Any
) -> tuple[str, ...]:
    """What a run must have captured for `head_scores` with the same options."""
    options = options.changed(**changes)
    layers = layers_of(model, options.part, options.layers)
    return tuple(site_key(options.part, "pattern", layer).name for layer in layers)


@torch.no_grad()
def head_scores(run: Run, *, options: HeadsOptions = DEFAULTS, **changes: Any) -> HeadScores:
    """Score heads on a run that captured `heads_capture` of the same options.

    Raises InputError and CapabilityError as `find_heads` does.
    """
    options = options.changed(**changes)
    added = read_score(options.score)
    layers = layers_of(run.model, options.part, options.layers)
    seen = Read(tuple(token.id for token in run.seen_tokens), source=run.source)
    counting = _Counting(run.model, seen, options.part)
    for layer in layers:
        counting.see(layer, run[site_key(options.part, "pattern", layer).name])
    return _result(run.model, layers, options, added, [counting])


@torch.no_grad()
def find_heads(
    model: Model,
    prompts: Prompt | Sequence[Prompt] | None = None,
    kind: HeadKind | None = None,
    *,
    options: HeadsOptions = DEFAULTS,
    edits: Sequence[Edit] = (),
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> HeadScores:
    """Score heads on some prompts: which look at the token before, which do induction ...

    Args:
        prompts: one or several; absent, four texts of random tokens that come twice, which show
            induction heads for what they are.
        options: which layers, and which score sorts the result, which has all of them; `kind` and
            `changes` are single ones, as in `score="induction - first"`.
        edits: changes made while the model runs.

    Raises:
        InputError: no such kind, score or layer.
        CapabilityError: a layer whose heads are not known, or a model without any.
    """
    options = options.changed(**given(kind=kind), **changes)
    added = read_score(options.score)
    layers = layers_of(model, options.part, options.layers)
    texts = repeated_texts(model) if prompts is None else several(prompts)
    seen = []
    for order, prompt in enumerate(texts):
        if cancel is not None:
            cancel.check()
        if progress is not None:
            progress("prompts", order, len(texts))
        read = model.read_prompt(prompt)
        counting = _Counting(model, as_seen(model, read, edits), options.part)
        watch_patterns(model, read, options.part, layers, counting.see, edits=edits, cancel=cancel)
        seen.append(counting)
    return _result(model, layers, options, added, seen)


def repeated_texts(model: Loaded, n_texts: int = 4) -> list[Any]:
    """Random tokens that come twice, behind the token that begins a text where there is one.

    Both texts of an encoder-decoder are the same.
    """
    generator = torch.Generator().manual_seed(SEED)
    tokenizer = model.tokenizer
    special = set(model.placeholders)  # refused in a prompt
    special |= set() if tokenizer is None else set(tokenizer.all_special_ids)
    first = None if tokenizer is None else tokenizer.bos_token_id
    length = min(N_REPEATED, (model.max_positions - 1) // 2)
    texts = []
    for _ in range(n_texts):
        drawn = torch.randint(model.vocab_size, (4 * length,), generator=generator).tolist()
        ids = [token for token in drawn if token not in special][:length]
        texts.append([*([] if first is None else [first]), *ids, *ids])
    return [Sourced(ids, ids) for ids in texts] if model.has_encoder else texts


class _Counting:
    """Sums over the queries of one prompt, of every score and head."""

    def __init__(self, model: Loaded, read: Read, part: Part) -> None:
        queries, keys = tokens_of(model, read, part)
        used = [score for score in SCORES if part != "cross" or score.across]
        self.pairs = {
            score.kind: score.pairs(queries, keys) for score in used if score.pairs is not None
        }
        self.has_entropy = any(score.pairs is None for score in used)
        self.n_queries = len(queries)
        self.sums: dict[int, Float[Tensor, "kind head"]] = {}

    @property
    def counts(self) -> Int[Tensor, " kind"]:
        """How many queries each score is the mean over; 0 where it has no meaning."""
        return torch.tensor([self._count(score) for score in SCORES])

    def _count(self, score: Score) -> int:
        if score.pairs is None:
            return self.n_queries * self.has_entropy
        pairs = self.pairs.get(score.kind)
        if pairs is None:
            return 0
        return int(pairs.any(-1).sum()) if pairs.dtype == torch.bool else self.n_queries

    def see(self, layer: int, pattern: Float[Tensor, "head query key"]) -> None:
        """Add the heads of a layer; a few rows at a time: made accurate, all would be large."""
        found = torch.zeros(len(SCORES), len(pattern), dtype=torch.float64)
        at_once = max(1, NUMBERS_AT_ONCE // (len(pattern) * pattern.shape[-1]))
        for start in range(0, pattern.shape[1], at_once):
            rows = slice(start, start + at_once)
            part = pattern[:, rows].cpu().double()
            for order, score in enumerate(SCORES):
                if score.kind in self.pairs:
                    weights = self.pairs[score.kind][rows].double()
                    found[order] += torch.einsum("hqk,qk->h", part, weights)
                elif score.pairs is None:
                    found[order] += torch.special.entr(part).sum((-1, -2))
        self.sums[layer] = found


def _result(
    model: Loaded,
    layers: Sequence[int],
    options: HeadsOptions,
    added: Sum | None,
    seen: Sequence[_Counting],
) -> HeadScores:
    """The means over all queries of all prompts."""
    totals = sum(
        (torch.cat([one.sums[layer] for layer in layers], -1) for one in seen[1:]),
        torch.cat([seen[0].sums[layer] for layer in layers], -1),
    )
    counts = torch.stack([one.counts for one in seen]).sum(0)
    means = (totals / counts[:, None]).tolist()
    names = [
        head_of(options.part, layer, head).name
        for layer in layers
        for head in range(n_heads(model, options.part, layer))
    ]
    scores: dict[str, tuple[float | None, ...]] = {
        score.kind: tuple(row) if count else (None,) * len(row)
        for score, row, count in zip(SCORES, means, counts.tolist(), strict=True)
    }
    sentences = [score.sentence for score in SCORES]
    n_queries = dict(zip(scores, counts.tolist(), strict=True))
    if added is not None and added.text not in scores:
        scores[added.text] = added.of(scores)
        sentences.append("The sum that was asked for.")
        n_queries[added.text] = min(n_queries[kind] for kind in added.factors)
    return HeadScores(
        heads=tuple(names),
        kinds=tuple(scores),
        sentences=tuple(sentences),
        kind=options.kind if added is None else added.text,
        n_prompts=len(seen),
        provenance=model.provenance(),
        scores=tuple(scores.values()),
        counts=tuple(n_queries.values()),
    )
