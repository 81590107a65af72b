"""What a head does, as a number: previous token, induction, punctuation, distance ...

Each score is a mean over the queries of a prompt that can show the behaviour; over several prompts
it is the mean over all their queries.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import torch
from torch import Tensor

from unembed.analyses.attention.options import HeadKind
from unembed.analyses.attention.result import HeadScores
from unembed.analyses.tools.checks import checked_layers
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.model import Model
from unembed.engine.names.prompts import is_one
from unembed.engine.names.tokens import Token
from unembed.engine.nodes import node
from unembed.engine.passes.run import Run
from unembed.errors import InputError
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

Measured = tuple[Tensor, Tensor]
"""A number for each head and query [head, query], and which queries count [query]."""
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


@torch.no_grad()
def find_heads(
    model: Model,
    prompts: Prompt | Sequence[Prompt] | None = None,
    kind: HeadKind = "induction",
    *,
    layers: Sequence[int] | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> HeadScores:
    """Score every head of some layers on some prompts.

    Args:
        prompts: one or several; absent, four texts of random tokens that come twice, which show
            induction heads for what they are.
        kind: by which the result is sorted; it has all scores.
        layers: absent: all that have heads.

    Raises:
        InputError: no such kind or layer.
        CapabilityError: a layer whose heads are not known, or no layer with any.
    """
    if kind not in get_args(HeadKind):
        legal = ", ".join(get_args(HeadKind))
        message = f"kind is {kind!r}; it must be one of {legal}"
        raise InputError(message, field="kind", value=kind, legal=legal)
    chosen = with_heads(model) if layers is None else checked_layers(model, layers)
    given = (
        repeated_texts(model)
        if prompts is None
        else ([prompts] if is_one(prompts) else list(prompts))
    )
    runs = []
    for order, prompt in enumerate(given):
        if cancel is not None:
            cancel.check()
        if progress is not None:
            progress("heads", order, len(given))
        capture = [f"L{layer}.pattern" for layer in chosen]
        runs.append(_sums(model.run(prompt, capture=capture, logits="none"), chosen))
    totals, counts = (torch.stack(parts).sum(0) for parts in zip(*runs, strict=True))
    return _result(model, chosen, kind, len(given), totals / counts[:, None], counts)


@torch.no_grad()
def head_scores(run: Run, layers: Sequence[int], kind: HeadKind = "induction") -> HeadScores:
    """The scores of one run that captured the patterns of these layers."""
    chosen = checked_layers(run.model, layers)
    totals, counts = _sums(run, chosen)
    return _result(run.model, chosen, kind, 1, totals / counts[:, None], counts)


def with_heads(model: Loaded) -> list[int]:
    """Layers whose patterns can be seen. Raises CapabilityError where there are none."""
    model.require("pattern")
    blocks = model.anatomy.blocks
    return [block.layer for block in blocks if block.why_no_heads is None]


def repeated_texts(model: Loaded, n_texts: int = 4) -> list[list[int]]:
    """Random tokens that come twice, behind the token that begins a text where there is one."""
    generator = torch.Generator().manual_seed(SEED)
    tokenizer = model.tokenizer
    special = set() if tokenizer is None else set(tokenizer.all_special_ids)
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
    pattern = torch.cat([run[f"L{layer}.pattern"].double().cpu() for layer in layers])
    parts = [score.of(pattern, run.tokens) for score in SCORES]
    sums = torch.stack([(found * counted).sum(-1) for found, counted in parts])
    return sums, torch.stack([counted.sum() for _, counted in parts])


def _result(
    model: Loaded,
    layers: Sequence[int],
    kind: HeadKind,
    n_prompts: int,
    scores: Tensor,
    counts: Tensor,
) -> HeadScores:
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
        n_prompts=n_prompts,
        provenance=model.provenance(),
        scores=scores.float(),
        counts=counts,
    )
