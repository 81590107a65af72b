"""What a head does, as a number: previous token, induction, punctuation, distance ...

Each score is a mean over the queries of a prompt that can show the behaviour; over several prompts
it is the mean over all their queries.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unembed.analyses.attention.options import HeadKind, HeadsOptions
from unembed.analyses.attention.result import HeadScores
from unembed.analyses.tools.checks import checked_layers
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.model import Model
from unembed.engine.names.prompts import several
from unembed.engine.names.taps import refuse, why_not
from unembed.engine.names.tokens import Token
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey, node
from unembed.models.progress import Progress
from unembed.options import given

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

Measured = tuple[Tensor, Tensor]
"""A number for each head and query [head, query], and which queries count [query]."""
DEFAULTS = HeadsOptions()
N_REPEATED = 24  # tokens of random text, which then come once more
SEED = 0


@dataclass(frozen=True)
class Score:
    """One behaviour: its name, what its score is, and how it is computed.

    `of` is given a prompt's patterns [head, query, key] and its tokens.
    """

    kind: HeadKind
    sentence: str
    of: Callable[[Tensor, Sequence[Token]], Measured]


def _mass_on(
    pairs: Callable[[Sequence[Token]], Tensor],
) -> Callable[[Tensor, Sequence[Token]], Measured]:
    """The attention that goes to certain pairs, at queries that have one."""

    def of(pattern: Float[Tensor, "head query key"], tokens: Sequence[Token]) -> Measured:
        wanted = pairs(tokens).to(pattern.device)
        return (pattern * wanted).sum(-1), wanted.any(-1)

    return of


def _offset(offset: int) -> Callable[[Sequence[Token]], Tensor]:
    def pairs(tokens: Sequence[Token]) -> Bool[Tensor, "query key"]:
        ones = torch.ones(len(tokens), dtype=torch.bool)
        return torch.diag(ones[: len(ones) - abs(offset)], offset)

    return pairs


def _first(tokens: Sequence[Token]) -> Bool[Tensor, "query key"]:
    found = torch.zeros(len(tokens), len(tokens), dtype=torch.bool)
    found[1:, 0] = True
    return found


def _repeats(tokens: Sequence[Token]) -> Bool[Tensor, "query key"]:
    """Query and key hold the same token, the key before the query."""
    ids = torch.tensor([token.id for token in tokens])
    return (ids[:, None] == ids).tril(-1)


def _successors(tokens: Sequence[Token]) -> Bool[Tensor, "query key"]:
    """The key follows an earlier occurrence of the query's token; the query itself is none."""
    found = torch.zeros(len(tokens), len(tokens), dtype=torch.bool)
    found[:, 1:] = _repeats(tokens)[:, :-1]
    return found.tril(-1)


def _punctuation(tokens: Sequence[Token]) -> Bool[Tensor, "query key"]:
    marks = torch.tensor([_is_punctuation(token) for token in tokens])
    return marks[None].expand(len(tokens), -1).clone()


def _is_punctuation(token: Token) -> bool:
    text = token.text.strip()
    return (
        not token.special
        and bool(text)
        and all(unicodedata.category(character)[0] == "P" for character in text)
    )


def _entropy(pattern: Float[Tensor, "head query key"], _: Sequence[Token]) -> Measured:
    return torch.special.entr(pattern).sum(-1), _every(pattern)


def _distance(pattern: Float[Tensor, "head query key"], _: Sequence[Token]) -> Measured:
    at = torch.arange(pattern.shape[-1], device=pattern.device)
    return (pattern * (at[:, None] - at).abs()).sum(-1), _every(pattern)


def _every(pattern: Float[Tensor, "head query key"]) -> Bool[Tensor, " query"]:
    return torch.ones(pattern.shape[1], dtype=torch.bool, device=pattern.device)


SCORES = (
    Score("previous", "Mean attention to the token before.", _mass_on(_offset(-1))),
    Score("next", "Mean attention to the token behind.", _mass_on(_offset(1))),
    Score("first", "Mean attention to the first token, from all others.", _mass_on(_first)),
    Score("same", "Mean attention to the position itself.", _mass_on(_offset(0))),
    Score(
        "repeated",
        "Mean attention to earlier occurrences of the token, where there are any.",
        _mass_on(_repeats),
    ),
    Score(
        "induction",
        "Mean attention to what followed earlier occurrences of the token, where there are any.",
        _mass_on(_successors),
    ),
    Score("punctuation", "Mean attention to punctuation marks.", _mass_on(_punctuation)),
    Score("entropy", "Mean entropy of the pattern's rows, in nats.", _entropy),
    Score("distance", "Mean distance to what is looked at, in tokens.", _distance),
)


def heads_capture(
    model: Loaded, *, options: HeadsOptions = DEFAULTS, **changes: Any
) -> tuple[str, ...]:
    """What a run must have captured for `head_scores` with the same options."""
    return tuple(f"L{layer}.pattern" for layer in _layers(model, options.changed(**changes)))


@torch.no_grad()
def head_scores(run: Run, *, options: HeadsOptions = DEFAULTS, **changes: Any) -> HeadScores:
    """Score heads on a run that captured `heads_capture` of the same options.

    Raises InputError and CapabilityError as `find_heads` does.
    """
    options = options.changed(**changes)
    layers = _layers(run.model, options)
    return _result(run.model, layers, options.kind, [_sums(run, layers)])


@torch.no_grad()
def find_heads(
    model: Model,
    prompts: Prompt | Sequence[Prompt] | None = None,
    kind: HeadKind | None = None,
    *,
    options: HeadsOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> HeadScores:
    """Score heads on some prompts: which look at the token before, which do induction ...

    Args:
        prompts: one or several; absent, four texts of random tokens that come twice, which show
            induction heads for what they are.
        options: which layers, and which score sorts the result, which has all of them; `kind` and
            `changes` are single ones.

    Raises:
        InputError: no such kind or layer.
        CapabilityError: a layer whose heads are not known, or a model without any.
    """
    options = options.changed(**given(kind=kind), **changes)
    layers = _layers(model, options)
    capture = heads_capture(model, options=options)
    texts = repeated_texts(model) if prompts is None else several(prompts)
    sums = []
    for order, prompt in enumerate(texts):
        if cancel is not None:
            cancel.check()
        if progress is not None:
            progress("prompts", order, len(texts))
        sums.append(_sums(model.run(prompt, capture=capture, logits="none"), layers))
    return _result(model, layers, options.kind, sums)


def _layers(model: Loaded, options: HeadsOptions) -> list[int]:
    """The layers asked for, all of which have heads; or all that have."""
    model.require("pattern")
    if options.layers is not None:
        chosen = checked_layers(model, options.layers)
        for layer in chosen:
            refuse(model.anatomy, SiteKey("pattern", layer), model.name, "layers")
        return chosen
    blocks = model.anatomy.blocks
    return [
        one.layer for one in blocks if why_not(model.anatomy, SiteKey("pattern", one.layer)) is None
    ]


def repeated_texts(model: Loaded, n_texts: int = 4) -> list[list[int]]:
    """Random tokens that come twice, behind the token that begins a text where there is one."""
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
    return texts


def _sums(
    run: Run, layers: Sequence[int]
) -> tuple[Float[Tensor, "kind head"], Int[Tensor, " kind"]]:
    """Sums over the queries that count, of every score and head, and how many they were."""
    sums = []
    for layer in layers:  # one after the other: the patterns of all, made accurate, are large
        pattern = run[f"L{layer}.pattern"].cpu().double()
        parts = [score.of(pattern, run.seen_tokens) for score in SCORES]
        sums.append(torch.stack([(found * counted).sum(-1) for found, counted in parts]))
    return torch.cat(sums, -1), torch.stack([counted.sum() for _, counted in parts])


def _result(
    model: Loaded, layers: Sequence[int], kind: HeadKind, sums: Sequence[tuple[Tensor, Tensor]]
) -> HeadScores:
    """The means over all queries of all prompts."""
    totals, counts = (torch.stack(parts).sum(0) for parts in zip(*sums, strict=True))
    scores = totals / counts[:, None]
    names = [
        node("head", layer, head).name
        for layer in layers
        for head in range(model.block(layer).attention.n_heads)
    ]
    return HeadScores(
        heads=tuple(names),
        kinds=tuple(score.kind for score in SCORES),
        sentences=tuple(score.sentence for score in SCORES),
        kind=kind,
        n_prompts=len(sums),
        provenance=model.provenance(),
        scores=tuple(
            tuple(row.tolist()) if count else (None,) * len(row)
            for row, count in zip(scores, counts.tolist(), strict=True)
        ),
        counts=tuple(counts.tolist()),
    )
