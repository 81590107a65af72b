"""What a flow graph would cost, from the shape of the model: checked before anything is drawn."""

from __future__ import annotations

from unembed.analyses.flow.options import FlowOptions
from unembed.engine.targets import Lengths
from unembed.errors import InputError, TooLargeError
from unembed.models.anatomy import Anatomy, AttentionAnatomy, BlockAnatomy

_STREAMS = 9 + 2  # nodes of every layer; the one of query, key and value has three readings
_BIASES = 3
_CROSSED = (
    3 + 1 + 1
)  # nodes where a layer attends to an encoder, its bias, and the rest of its heads


def checked_layers(layers: list[int], anatomy: Anatomy) -> tuple[int, ...]:
    """The layers, ascending; raises InputError naming those that the model does not have."""
    missing = [str(layer) for layer in sorted(layers) if layer >= anatomy.n_layers]
    if missing:
        last = anatomy.n_layers - 1
        raise InputError(
            f"layers names {', '.join(missing)}; this model has layers 0 to {last}",
            field="layers",
            value=layers,
            legal=f"0 to {last}",
        )
    return tuple(sorted(layers))


def check_vectors(
    anatomy: Anatomy,
    layers: tuple[int, ...],
    options: FlowOptions,
    lengths: Lengths,
    limit: int,
    times: int = 1,
) -> None:
    """Raise TooLargeError where a graph that is read so many times has more vectors than the limit.

    Counts what the options can show at most. What passes a threshold is known only from the run:
    the graph itself counts that, before it reads anything.
    """
    n = times * sum(most_vectors(anatomy.blocks[one], options, lengths) for one in layers)
    if n <= limit:
        return
    raise TooLargeError(
        f"the graph would read up to {n:,} vectors in {_named(layers)}; the limit is {limit:,} "
        "(max_flow_vectors): show fewer layers, neurons or heads",
        field="layers",
        value=n,
        legal=f"at most {limit:,} vectors",
        fix="lower top_neurons, bottom_neurons, n_heads or values_per_head, or name fewer layers",
    )


def most_vectors(block: BlockAnatomy, options: FlowOptions, lengths: Lengths) -> int:
    """Of one layer, at most: a key is read as it is and turned, a column as gate and as up."""
    attention = block.mixer if isinstance(block.mixer, AttentionAnatomy) else None
    heads = 0 if attention is None else attention.n_heads
    chosen = options.top_neurons + options.bottom_neurons
    n_heads = _shown_heads(options, heads)
    if options.threshold is not None:
        chosen = 0
    n_rows = 0 if attention is None else min(chosen, heads * attention.d_head)
    n_neurons = min(chosen, block.d_mlp)
    shown = [
        n + _by_hand(options, block.layer, kind)
        for n, kind in ((n_heads, "H"), (n_rows, "z"), (n_neurons, "N"))
    ]
    memory = min(options.values_per_head, lengths.prompt)
    rest = 3 + shown[0] if options.rest else 0
    # A row of W_O and a neuron are read with both signs where their activation is negative.
    each = (2 + 3 * memory, 2, 4)
    inside = sum(n * times for n, times in zip(shown, each, strict=True))
    return _STREAMS + _BIASES + rest + inside + _of_crossed(block, options, lengths)


def _of_crossed(block: BlockAnatomy, options: FlowOptions, lengths: Lengths) -> int:
    """Of attention to an encoder: each head, its rest, and the values that it looks at."""
    if block.cross is None:
        return 0
    n_heads = _shown_heads(options, block.cross.n_heads) + _by_hand(options, block.layer, "X")
    return _CROSSED + n_heads * (2 + min(options.values_per_head, lengths.source))


def _shown_heads(options: FlowOptions, n_heads: int) -> int:
    """What passes a threshold is known only from the run."""
    return 0 if options.threshold is not None else min(options.n_heads or n_heads, n_heads)


def _by_hand(options: FlowOptions, layer: int, kind: str) -> int:
    return sum(name.startswith(f"L{layer}.{kind}") for name in options.include)


def _named(layers: tuple[int, ...]) -> str:
    names = ", ".join(map(str, layers))
    return f"layer {names}" if len(layers) == 1 else f"layers {names}"
