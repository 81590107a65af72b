"""The patterns of all heads, each so small that hundreds of them are looked at together.

A cell stands for a few queries and a few keys and holds the largest attention among their pairs,
so that a single strong pair of a long text is still seen. Layer after layer, while the model runs:
a text of thousands of tokens needs the memory of one layer's patterns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from unembed.analyses.attention.options import ThumbnailsOptions
from unembed.analyses.attention.parts import head_of, layers_of, tokens_of, watch_patterns
from unembed.analyses.attention.result import Thumbnails
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Prompt
from unembed.engine.model import Model
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped
    from torch import Tensor

DEFAULTS = ThumbnailsOptions()
LEVELS = 255


@torch.no_grad()
def head_thumbnails(
    model: Model,
    prompt: Prompt,
    *,
    options: ThumbnailsOptions = DEFAULTS,
    edits: Sequence[Edit] = (),
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Thumbnails:
    """Run the model on a prompt and show the pattern of every head small.

    Args:
        options: whose heads, and how small; `changes` are single ones, as in `size=16`.
        edits: changes made while the model runs.

    Raises:
        PromptError, EditError, InputError: bad input; nothing was run.
        CapabilityError: a layer whose heads are not known, or a model without any.
    """
    options = options.changed(**changes)
    part, read = options.part, model.read_prompt(prompt)
    layers = layers_of(model, part, options.layers)
    queries, keys = (starts(len(tokens), options.size) for tokens in tokens_of(model, read, part))
    found: dict[int, Float[Tensor, "head row column"]] = {}

    def see(layer: int, pattern: Float[Tensor, "head query key"]) -> None:
        found[layer] = shrunk(pattern, queries, keys).float().cpu()

    watch_patterns(model, read, part, layers, see, edits=edits, cancel=cancel, progress=progress)
    names = [head_of(part, one, head).name for one in layers for head in range(len(found[one]))]
    cells, scale = packed(torch.cat([found[layer] for layer in layers]))
    return Thumbnails(
        heads=tuple(names),
        query_starts=queries,
        key_starts=keys,
        n_queries=len(read.source if part == "encoder" else read.ids),
        n_keys=len(read.ids if part == "self" else read.source),
        provenance=model.provenance(),
        cells=cells,
        scale=scale,
    )


def starts(n_positions: int, size: int) -> tuple[int, ...]:
    """The first position of each of at most `size` runs that are as long as each other, or by 1."""
    n_runs = min(n_positions, size)
    return tuple(run * n_positions // n_runs for run in range(n_runs))


def shrunk(
    pattern: Float[Tensor, "head query key"], queries: Sequence[int], keys: Sequence[int]
) -> Float[Tensor, "head row column"]:
    """The largest entry among the pairs that each cell stands for, of runs with these starts."""
    for axis, first in ((1, queries), (2, keys)):
        ends = (*first[1:], pattern.shape[axis])
        runs = [pattern.narrow(axis, a, b - a).amax(axis) for a, b in zip(first, ends, strict=True)]
        pattern = torch.stack(runs, axis)
    return pattern


def packed(
    values: Float[Tensor, "head row column"],
) -> tuple[Shaped[Tensor, "head row column"], Float[Tensor, " head"]]:
    """Each head in steps of a 255th of its largest value, and that value."""
    scale = values.amax((1, 2))
    whole = torch.where(scale > 0, scale, 1.0)[:, None, None]
    return (values / whole * LEVELS).round().to(torch.uint8), scale
