"""Many runs of one prompt in one row: the part of each that is its own, behind each other.

Runs that enter at positions of their own are of different lengths; as rows of a batch all would be
as long as the longest. Behind each other no token is computed in vain: by a mask each sees keys and
values of the plain pass before it enters and its own tokens after, at the positions they stand at.
In the last layer only the position that is read gets a feed-forward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from unembed.engine.cancel import Cancel
from unembed.engine.editing.applying import ResolvedEdit
from unembed.engine.editing.edits import Edit
from unembed.engine.editing.resolving import resolve_edits
from unembed.engine.loaded import Loaded
from unembed.engine.passes.capture import Wanted
from unembed.engine.passes.hooks import Instrument, Row
from unembed.engine.passes.inputs import cache_name, takes
from unembed.engine.passes.suffix import FINAL, Prefix, agrees
from unembed.engine.targets import Lengths
from unembed.models.patching import forward_replaced

if TYPE_CHECKING:
    from jaxtyping import Float

AWAY = -1  # of an edited position that is in no part of the row


@dataclass(frozen=True)
class Suffix:
    """A run by what is its own: from `first` on, with these edits, none of which acts before."""

    first: int
    edits: Sequence[Edit] = ()


@torch.no_grad()
def can_pack(model: Loaded, prefix: Prefix, final: Float[Tensor, "pos d_unembed"]) -> bool:
    """Whether runs behind each other are what each is: tried with some that change nothing.

    Args:
        final: what the unembedding read in the plain run.
    """
    n_positions = len(prefix.ids)
    if not all(takes(model.module, name) for name in ("attention_mask", "position_ids")):
        return False
    if _narrowest_window(model) < n_positions:
        return False
    suffixes = [Suffix(n_positions // 2), Suffix(n_positions - 1)]
    try:
        states = packed_states(model, prefix, suffixes, min(prefix.residuals), n_positions - 1)
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        return False  # it has a mask or positions of a form of its own
    return all(agrees(model, state, final[-1]) for state in states)


@torch.no_grad()
def packed_states(
    model: Loaded,
    prefix: Prefix,
    suffixes: Sequence[Suffix],
    layer: int,
    position: int,
    cancel: Cancel | None = None,
) -> Float[Tensor, "suffix d_unembed"]:
    """What the unembedding reads at a position, of each run.

    Args:
        layer: where all enter: no edit acts before. `position` is in every suffix.
    """
    n_positions, device = len(prefix.ids), model.device
    starts, edits, total = [], [], 0
    for one in suffixes:
        starts.append(total)
        edits += _moved(resolve_edits(model, one.edits, Lengths(n_positions)), one.first, total)
        total += n_positions - one.first
    ids = [token for one in suffixes for token in prefix.ids[one.first :]]
    places = [at for one in suffixes for at in range(one.first, n_positions)]
    read = [start + position - one.first for start, one in zip(starts, suffixes, strict=True)]
    instrument = Instrument(
        model.module,
        model.anatomy,
        [Row({FINAL: Wanted()}, edits)],
        cancel,
        stop=FINAL,
        volatile=model.volatile,
    )
    instrument.begin([Lengths(total)])
    stream = torch.cat([prefix.residuals[layer][one.first :] for one in suffixes])
    instrument.start = (layer, stream[None])
    kept = max(one.first for one in suffixes)
    cache = DynamicCache()
    for number, (keys, values) in enumerate(zip(prefix.keys, prefix.values, strict=True)):
        cache.update(keys[:, :, :kept], values[:, :, :kept], number)
    given: dict[str, Any] = {
        "input_ids": torch.tensor([ids], device=device),
        "position_ids": torch.tensor([places], device=device),
        "attention_mask": _mask(suffixes, places, kept, model.dtype).to(device),
        "use_cache": True,
        cache_name(model.module) or "past_key_values": cache,
    }
    with model.evaluating(running=True), _reading(model, torch.tensor(read, device=device)):
        instrument.through(lambda: model.module(**given))
    return instrument.captured[FINAL][0][read]


def _moved(edits: Sequence[ResolvedEdit], first: int, start: int) -> list[ResolvedEdit]:
    """Edits of a run where its part of the row stands."""
    moved = []
    for edit in edits:
        if edit.positions is None:
            raise ValueError("an edit of a suffix names its positions")
        places = (AWAY if at < first else start + at - first for at in edit.positions)
        moved.append(replace(edit, positions=tuple(places)))
    return moved


def _mask(
    suffixes: Sequence[Suffix], places: Sequence[int], kept: int, dtype: torch.dtype
) -> Float[Tensor, "1 1 query key"]:
    """0 where a token sees another, else the lowest number: added to scores."""
    at = torch.tensor(places)
    sizes = [len(range(one.first, places[-1] + 1)) for one in suffixes]
    own = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    first = torch.tensor([one.first for one in suffixes])[own]
    before = torch.arange(kept)[None] < first[:, None]
    inside = (own[:, None] == own[None]) & (at[None] <= at[:, None])
    seen = torch.cat([before, inside], dim=1)
    lowest = torch.finfo(dtype).min
    return torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, lowest)[None, None]


def _narrowest_window(model: Loaded) -> float:
    """How many positions the layer that looks back least may see."""
    config: Any = model.module.config
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    windows = (getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size"))
    return min((one for one in windows if isinstance(one, int)), default=float("inf"))


# ------------------------------------------------------------------ what nobody reads


@contextmanager
def _reading(model: Loaded, rows: Tensor) -> Iterator[None]:
    """In the last layer, what is computed behind attention at these rows of the stream alone."""
    block = model.anatomy.blocks[-1]
    mlp = block.feed_forward
    names = [block.attention.output_map] if block.why_no_heads is None else []
    if mlp is not None and mlp.output_map is not None:
        names += [*(tap.module for tap in mlp.inputs), mlp.output_map]
    with ExitStack() as stack:
        for name in dict.fromkeys(names):
            module = model.module.get_submodule(name)
            stack.enter_context(forward_replaced(module, _at_rows(module, rows)))
        yield


def _at_rows(module: nn.Module, rows: Tensor) -> Callable[..., Any]:
    plain: Callable[..., Any] = module.forward

    def narrowed(states: Tensor, *more: Any, **named: Any) -> Any:
        if states.dim() != 3 or more or named:
            return plain(states, *more, **named)
        some = plain(states[:, rows])
        whole = some.new_zeros(*states.shape[:-1], some.shape[-1])
        whole[:, rows] = some
        return whole

    return narrowed
