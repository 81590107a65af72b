"""What attributions by pair of query and key hold at once: patterns of all layers, many times.

Each pair has its entry of the pattern, its gradient, its write and its total; what else is asked
for holds as much again.
"""

from __future__ import annotations

from collections.abc import Collection

from unembed.analyses.attribution.options import AttributionOptions
from unembed.engine.loaded import Loaded
from unembed.errors import TooLargeError

EACH = 4  # pattern, gradient, write, total
HELD = 1  # totals with the norm behind a branch held
OF_ESTIMATOR = {"integrated": 2, "graddrop": 7}  # more gradients, and nodes made of them
OF_PROMPT = 2  # patterns of another prompt, and those compared with
OF_SOFTMAX = 9  # scores and patterns with queries and keys replaced
LISTING = 3  # of one layer at a time


def bytes_of_pairs(
    model: Loaded, n_positions: int, pairs: Collection[int], options: AttributionOptions
) -> int:
    """The most bytes of numbers of pairs that an attribution holds at once.

    Args:
        pairs: layers whose heads are pairs.
    """
    if not pairs:
        return 0
    copies = EACH + HELD + OF_ESTIMATOR.get(options.settled, 0)
    copies += OF_PROMPT if options.against == "prompt" else 0
    copies += OF_SOFTMAX if options.qk == "softmax" else 0
    n_heads = [model.block(layer).attention.n_heads for layer in pairs]
    return (copies * sum(n_heads) + LISTING * max(n_heads)) * n_positions**2 * _width(model)


def _width(model: Loaded) -> int:
    """Bytes of a number: half precision is made accurate."""
    return max(model.dtype.itemsize, 4)


def check_pairs(
    model: Loaded, n_positions: int, pairs: Collection[int], options: AttributionOptions
) -> None:
    """Raise TooLargeError where that is more than `max_capture_bytes`."""
    size = bytes_of_pairs(model, n_positions, pairs, options)
    limit = model.settings.max_capture_bytes
    if size > limit:
        raise TooLargeError(
            f"pairs of query and key of {n_positions:,} tokens would take {size / 2**20:,.0f} MiB; "
            f"the limit is {limit / 2**20:,.0f} MiB (max_capture_bytes)",
            field="prompt",
            value=size,
            legal=f"at most {limit:,} bytes",
            fix="pairs=False, or a shorter prompt",
        )
