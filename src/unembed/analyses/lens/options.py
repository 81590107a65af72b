"""What can be chosen about a logit lens. Knows no torch and no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, SkipValidation, StrictInt, StrictStr, WithJsonSchema

from unembed.options import Floor, Options, Positive, Target, option

Follow = Literal["final", "next", "input"]
Positions = int | slice | range | Sequence[int] | None

# Every module of a suffix, in order; lists of JSON and of Python become tuples.
_Modules = Annotated[
    tuple[Annotated[StrictStr, Field(max_length=256)], ...],
    Field(strict=False, min_length=1, max_length=4096, fail_fast=True),
]
_POSITIONS = {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}


class LensOptions(Options):
    """Which rows and positions are read, through what, and which token is scored.

    Raises InputError for what no lens can be asked for; what only a model or a prompt can tell is
    said when it is read.
    """

    # In Python also a slice or a range, which mean something only with a prompt: see `plan_lens`.
    positions: Annotated[Any, SkipValidation, WithJsonSchema(_POSITIONS)] = option(
        None,
        "Which positions to read; absent: all. The model sees the whole prompt.",
        limit="max_prompt_tokens",
    )
    layer_step: Positive = option(1, "Rows of blocks 0, n, 2n ... and of the last block.")
    include_embedding: bool = option(
        True, 'Whether "embed" is a row.', flag="--embedding/--no-embedding"
    )
    subblocks: bool = option(
        False,
        "Also a row after each attention; in a parallel block the row is the stream with "
        "attention's write alone, which is no state of the model.",
    )
    decoder: Annotated[StrictStr, Field(max_length=32)] | _Modules = option(
        "final_norm",
        'What a row is run through before it is read: "final_norm", "L17" (block 17 and everything '
        'after), "L17.mlp", "last_block", "last_mlp", or the names of the modules of a suffix, in '
        "order. One pass for each row.",
        legal='"final_norm", "L17", "L17.mlp", "last_block" or "last_mlp", or a list of module '
        'names, as in ["h.17", "final_layernorm", "lm_head"]',
    )
    top_k: Annotated[StrictInt, Field(ge=1)] = option(
        10, "Tokens listed for each cell.", limit="max_k", flag="--top-k/-k"
    )
    target: Target | None = option(
        None,
        "What logit, probability and rank are of; absent: see `follow`. Or an objective, as text: "
        'logit_diff(" Tokyo", " Paris").',
    )
    follow: Follow = option(
        "final",
        "Without a target: each position's final top token, the prompt's next token, or the token "
        "at the position itself.",
    )
    kl_floor: Floor | None = option(
        None,
        "Clips both distributions of kl from below, without renormalising them: above 0, at most "
        "1 / vocabulary. Absent: the exact divergence.",
    )
